// SPDX-License-Identifier: Apache-2.0
//
// See peer_snapshots.h.
#include "zraft/host/peer_snapshots.h"

#include <algorithm>
#include <utility>

#include "zraft/storage/directory.h"

namespace zraft::host {

std::string snapshot_directory_of(raft::GroupId log) {
  return storage::join(snapshots_directory, storage::hex(log.value));
}

PeerSnapshots::PeerSnapshots(Seams seams, Settings settings, Peer peer, Found found, Random random, LogSink tell)
    : seams_(seams),
      settings_(std::move(settings)),
      peer_(std::move(peer)),
      complete_(std::move(found.complete)),
      random_(random),
      tell_(std::move(tell)),
      strand_(std::make_shared<Strand>(seams.worker)),
      damaged_(std::move(found.damaged)) {
  if (seams_.scrub_rate == nullptr) return;
  Random scrubbing = random_;
  scrubber_ = std::make_unique<SnapshotScrubber>(
      SnapshotScrubber::Seams{
          .loop = seams_.loop, .strand = *strand_, .files = seams_.files, .rate = *seams_.scrub_rate},
      peer_.directory, complete_, scrubbing.fork(),
      [this](raft::Position position, const Error& why) { on_damaged(position, why); });
}

PeerSnapshots::~PeerSnapshots() { fetcher_.reset(); }

template <class T>
void PeerSnapshots::on_disk(std::move_only_function<T()> work, std::move_only_function<void(T)> then) {
  strand_->compute<T>(std::move(work), lifetime_.watch(), std::move(then));
}

// --- for the node ---

void PeerSnapshots::save(const raft::SnapshotMeta& meta, node::SnapshotTask task, Done done) {
  using Written = Result<storage::SnapshotManifest>;
  on_disk<Written>(
      [&files = seams_.files, peer = peer_, meta, task = std::move(task)]() mutable -> Written {
        return storage::write_snapshot(files, peer.directory, peer.group, peer.backend, meta, std::move(task));
      },
      [this, done = std::move(done)](Written written) mutable {
        if (!written) return done(fail(written));
        add(std::move(*written));
        done({});
      });
}

void PeerSnapshots::fetch(const raft::Fetch& wanted, Fetched done) {
  const auto address = addresses_.find(wanted.from);
  if (address == addresses_.end()) return;  // it is offered again
  if (fetcher_ != nullptr) return fetcher_->go_to(wanted.from, address->second, wanted.term);
  auto fetched = [this, done = std::move(done)](Result<storage::SnapshotManifest> manifest) mutable {
    fetcher_.reset();
    if (!manifest) return done(fail(manifest));
    const raft::SnapshotMeta meta = manifest->meta;
    add(std::move(*manifest));
    done(meta);
  };
  fetcher_ = std::make_unique<SnapshotFetcher>(
      SnapshotFetcher::Seams{
          .loop = seams_.loop, .network = seams_.network, .strand = *strand_, .files = seams_.files},
      SnapshotFetcher::Settings{.hello = *settings_.hello, .patience = settings_.patience},
      SnapshotFetcher::Wanted{.group = peer_.group,
                              .self = peer_.self,
                              .from = wanted.from,
                              .address = address->second,
                              .directory = peer_.directory,
                              .backend = peer_.backend,
                              .term_max = wanted.term},
      random_.fork(), tell_, std::move(fetched));
}

void PeerSnapshots::read(raft::Position position, Use use, Done done) {
  auto held = pin(position, {});
  on_disk<Result<>>(
      [&files = seams_.files, directory = peer_.directory, position, use = std::move(use)]() mutable -> Result<> {
        auto reader = storage::open_snapshot(files, directory, position);
        if (!reader) return fail(reader);
        return use(**reader);
      },
      [held = std::move(held), done = std::move(done)](Result<> read) mutable { done(std::move(read)); });
}

// --- for others ---

void PeerSnapshots::open(std::optional<raft::Position> partial, SnapshotSender::Found found) {
  if (complete_.empty()) {
    return found(fail(Code::not_found, "this member has no snapshot of its group yet: try again"));
  }
  auto wanted = std::ranges::find_if(complete_, [&](const auto& one) { return one.meta.last == partial; });
  if (wanted == complete_.end()) wanted = std::prev(complete_.end());
  using Opened = Result<std::shared_ptr<SharedSnapshot>>;
  on_disk<Opened>(
      [&files = seams_.files, directory = peer_.directory, manifest = *wanted,
       pin = pin(wanted->meta.last, settings_.keep_sent)]() -> Opened {
        auto opened = storage::open_snapshot_to_send(files, directory, manifest);
        if (!opened) return fail(opened);
        return std::make_shared<SharedSnapshot>(SharedSnapshot{
            .manifest = storage::encode(manifest), .parsed = manifest, .files = std::move(*opened), .pin = pin});
      },
      [found = std::move(found)](Opened opened) mutable { found(std::move(opened)); });
}

std::optional<SnapshotFetcher::Progress> PeerSnapshots::fetching() const {
  return fetcher_ == nullptr ? std::nullopt : std::optional(fetcher_->progress());
}

// --- what is kept ---

void PeerSnapshots::add(storage::SnapshotManifest manifest) {
  const auto place = std::ranges::lower_bound(complete_, manifest.meta.last.index, {},
                                              [](const auto& one) { return one.meta.last.index; });
  const raft::Position added = manifest.meta.last;
  if (place == complete_.end() || place->meta.last != added) complete_.insert(place, std::move(manifest));
  remove_damaged(added);
  prune();
}

// One of the same position made room for it. Those that are later are all there is of what they cover.
void PeerSnapshots::remove_damaged(raft::Position added) {
  for (const raft::Position position : std::exchange(damaged_, {})) {
    if (position == added) continue;
    if (added.index < position.index) {
      damaged_.push_back(position);
      continue;
    }
    tell_(LogLevel::info, "the damaged snapshot up to index " + std::to_string(position.index.value) +
                              " is removed: the one up to index " + std::to_string(added.index.value) + " is durable");
    remove(position);
  }
}

// It is left where it is until another one is durable: the log before it is gone.
void PeerSnapshots::on_damaged(raft::Position position, const Error& why) {
  const auto found = std::ranges::find_if(complete_, [&](const auto& one) { return one.meta.last == position; });
  if (found == complete_.end()) return;
  const bool is_newest = std::next(found) == complete_.end();
  complete_.erase(found);
  tell_(LogLevel::error,
        "the snapshot up to index " + std::to_string(position.index.value) + " is damaged: " + why.text +
            "; it is not sent to others any more" + (is_newest ? ", and a new one is written" : ", and is removed"));
  if (!is_newest) return remove(position);
  damaged_.push_back(position);
  if (lost_) lost_();
}

void PeerSnapshots::remove(raft::Position position) {
  on_disk<Result<>>([&files = seams_.files, directory = peer_.directory,
                     position] { return storage::remove_snapshot(files, directory, position); },
                    [this](const Result<>& removed) {
                      if (removed) return;
                      tell_(LogLevel::warning, "an old snapshot could not be removed: " + removed.error().text);
                    });
}

// The pin may be let go on another loop.
std::shared_ptr<void> PeerSnapshots::pin(raft::Position position, Duration keep) {
  ++pins_[position];
  const auto unpin = [this, position, life = lifetime_.watch()] {
    if (life.is_over()) return;
    if (--pins_[position] > 0) return;
    pins_.erase(position);
    prune();
  };
  auto* loop = &seams_.loop;
  const auto unpin_later = [loop, keep, unpin] {
    if (keep.ns == 0) return unpin();
    loop->wake_at(loop->now() + keep, unpin);
  };
  return {static_cast<void*>(this), [loop, unpin_later](void*) { loop->post(unpin_later); }};
}

// Neither more than that, nor older ones. What is being sent stays, and goes when it is not any more.
void PeerSnapshots::prune() {
  for (std::size_t i = 0; i + 1 < complete_.size();) {
    const raft::SnapshotMeta& meta = complete_[i].meta;
    const std::size_t newer = complete_.size() - 1 - i;
    const Duration age{complete_.back().meta.time.ns - meta.time.ns};
    const bool is_too_old = settings_.backup_age > Duration{} && settings_.backup_age < age;
    if (pins_.contains(meta.last) || (newer <= settings_.backups && !is_too_old)) {
      ++i;
      continue;
    }
    const raft::Position position = meta.last;
    complete_.erase(complete_.begin() + static_cast<std::ptrdiff_t>(i));
    remove(position);
  }
}

}  // namespace zraft::host
