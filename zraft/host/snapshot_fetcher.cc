// SPDX-License-Identifier: Apache-2.0
//
// See snapshot_fetcher.h. A chunk is in one place: missing_, asked_, arrived_, writing_, or on the disk. When the link
// goes, what was asked for is missing again; what has arrived is written all the same.
#include "zraft/host/snapshot_fetcher.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "zraft/base/check.h"

namespace zraft::host {
namespace {

constexpr std::size_t chunks_min = 2;   // so that the link works while the disk does
constexpr std::size_t chunks_max = 32;  // small files: a sender does not take more at once (SnapshotSender::Settings)
constexpr int corrupt_max = 5;          // a disk that gives other bytes than it was given

std::string text_of(raft::Position position) {
  return std::to_string(position.term.value) + "^" + std::to_string(position.index.value);
}

// Member 0 is none: a client gives it.
std::string whom(const SnapshotFetcher::Wanted& wanted) {
  const std::string who = wanted.from.value == 0 ? "a client" : "member " + std::to_string(wanted.from.value);
  return who + " at " + wanted.address;
}

}  // namespace

struct SnapshotFetcher::Disk {
  storage::Files& files;
  const std::string directory;
  std::atomic<bool> is_over = false;  // the fetcher is gone: what has not begun need not
  std::optional<storage::IncomingSnapshot> incoming{};
};

SnapshotFetcher::SnapshotFetcher(Seams seams, Settings settings, Wanted wanted, Random random, LogSink tell, Done done)
    : seams_(seams),
      settings_(std::move(settings)),
      wanted_(std::move(wanted)),
      random_(random),
      tell_(std::move(tell)),
      done_(std::move(done)),
      pause_(settings_.pause_min),
      patience_(settings_.patience),
      disk_(new Disk{seams_.files, wanted_.directory}) {
  find();
}

SnapshotFetcher::~SnapshotFetcher() {
  disk_->is_over = true;
  drop_link();
  seams_.loop.cancel(retry_timer_);
}

template <class T>
void SnapshotFetcher::on_disk(std::move_only_function<T(Disk&)> work, std::move_only_function<void(T)> then) {
  seams_.strand.compute<T>(
      [disk = disk_, work = std::move(work)]() mutable -> std::optional<T> {
        if (disk->is_over) return std::nullopt;
        return work(*disk);
      },
      lifetime_.watch(), std::move(then));
}

void SnapshotFetcher::say(LogLevel level, const std::string& text) {
  if (tell_) tell_(level, text);
}

void SnapshotFetcher::say_where(const std::string& what) {
  say(LogLevel::info, what + " the snapshot " + text_of(manifest_->meta.last) + " of " +
                          std::to_string(manifest_->bytes()) + " bytes, of which " + std::to_string(bytes_) +
                          " are here, from " + whom(wanted_));
}

// --- the link ---

void SnapshotFetcher::connect() {
  is_paused_ = false;
  link_state_ = LinkState::greeting;
  link_ = seams_.network.connect(wanted_.address, this);
  link_->send(node::FrameKind::hello, {piece_of(net::encode(settings_.hello))});
  const net::FetchSnapshot fetch{.group = wanted_.group,
                                 .from = wanted_.from,
                                 .to = wanted_.self,
                                 .partial = manifest_ ? std::optional(manifest_->meta.last) : begun_};
  link_->send(node::FrameKind::bulk, {piece_of(net::encode(fetch))});
  heard_at_ = seams_.loop.now();
  watch_silence();
}

void SnapshotFetcher::drop_link() {
  link_.reset();
  link_state_ = LinkState::none;
  seams_.loop.cancel(silence_timer_);
  for (const Chunk chunk : asked_) held_ -= length_of(chunk);
  missing_.insert(missing_.begin(), asked_.begin(), asked_.end());
  asked_.clear();
}

void SnapshotFetcher::retry(const Error& why) {
  if (link_ == nullptr) return;
  if (!settings_.tries_again) return end(std::unexpected(why));
  drop_link();
  // Half of it is chance, so that members that lost one host at one moment do not come back at one moment.
  const Duration pause{random_.between(pause_.ns / 2, pause_.ns)};
  pause_ = std::min(pause_ * 2, settings_.pause_max);
  is_paused_ = true;
  retry_timer_ = seams_.loop.wake_at(seams_.loop.now() + pause, [this] { connect(); });
  if (told_ == why.text) return;
  told_ = why.text;
  say(LogLevel::warning, whom(wanted_) + " gives no snapshot now, it is asked again: " + why.text);
}

void SnapshotFetcher::watch_silence() {
  silence_timer_ = seams_.loop.wake_at(heard_at_ + patience_, [this] {
    const bool is_its_turn = link_state_ != LinkState::offered || !asked_.empty();
    if (!is_its_turn) heard_at_ = seams_.loop.now();
    if (seams_.loop.now() < heard_at_ + patience_) return watch_silence();
    const Error why{Code::timeout, "it said nothing for " + std::to_string(patience_.to_milliseconds()) + " ms"};
    patience_ = std::min(patience_ * 2, settings_.patience_max);
    retry(why);
  });
}

void SnapshotFetcher::go_to(raft::NodeId from, const std::string& address, raft::Term term_max) {
  wanted_.term_max = term_max;
  if (from == wanted_.from && address == wanted_.address) return;
  wanted_.from = from;
  wanted_.address = address;
  pause_ = settings_.pause_min;
  patience_ = settings_.patience;
  told_.reset();
  if (link_ == nullptr && !is_paused_) return;  // it will be connected to when that is needed
  drop_link();
  seams_.loop.cancel(retry_timer_);
  connect();
}

void SnapshotFetcher::on_frame(node::FrameKind kind, const SharedBytes& body) {
  heard_at_ = seams_.loop.now();
  // If all went well this may be gone.
  if (const Result<> taken = take(kind, body); !taken) retry(taken.error());
}

Result<> SnapshotFetcher::take(node::FrameKind kind, const SharedBytes& body) {
  if (kind == node::FrameKind::hello && link_state_ == LinkState::greeting) return greet(body);
  if (kind != node::FrameKind::bulk || link_state_ == LinkState::greeting) {
    return fail(Code::corrupt, "it sent a frame that does not belong on this link");
  }
  const auto message = net::decode_bulk(*body);
  if (!message) return fail(message);
  if (const auto* offered = std::get_if<net::SnapshotOffered>(&*message)) return take_offer(*offered);
  if (const auto* chunk = std::get_if<net::SnapshotChunk>(&*message)) return take_chunk(*chunk, body);
  return fail(Code::corrupt, "it asks for a snapshot where it was asked for one");
}

Result<> SnapshotFetcher::greet(const SharedBytes& body) {
  const auto theirs = net::decode_hello(*body);
  if (!theirs) return fail(theirs);
  if (theirs->role != net::Hello::Role::host) return fail(Code::wrong_owner, "it is not a host");
  if (const auto version = net::agree(settings_.hello, *theirs); !version) return fail(version);
  link_state_ = LinkState::asking;
  return {};
}

Result<> SnapshotFetcher::take_offer(const net::SnapshotOffered& offered) {
  if (offered.error.code != Code::ok) return std::unexpected(offered.error);  // it may let go what it offered, too
  if (link_state_ != LinkState::asking) return fail(Code::corrupt, "it offered a snapshot twice");
  auto manifest = storage::decode_manifest(offered.manifest);
  if (!manifest) return fail(manifest);
  if (manifest->group != wanted_.group) return fail(Code::wrong_owner, "its snapshot is of another group");
  if (manifest->backend != wanted_.backend) {
    return fail(Code::wrong_owner,
                "its snapshot is of the backend " + manifest->backend + ", this member's is " + wanted_.backend);
  }
  if (wanted_.term_max < manifest->meta.last.term) {
    return fail(Code::not_stable, "its snapshot is of a later term than this member has heard of: try again");
  }
  link_state_ = LinkState::offered;
  if (manifest_ == *manifest) {
    if (disk_state_ == DiskState::fetching) say_where("goes on fetching");
    ask_for_more();
  } else if (std::ranges::find(complete_, *manifest) != complete_.end()) {
    end(*std::move(manifest));
  } else {
    begin(*std::move(manifest));
  }
  return {};
}

std::size_t SnapshotFetcher::length_of(Chunk chunk) const {
  return storage::chunk_length(manifest_->files[chunk.file].size, chunk.number);
}

void SnapshotFetcher::ask_for_more() {
  if (link_state_ != LinkState::offered || disk_state_ != DiskState::fetching) return;
  if (asked_.empty()) heard_at_ = seams_.loop.now();
  while (!missing_.empty()) {
    const Chunk chunk = missing_.front();
    const std::size_t length = length_of(chunk);
    const std::size_t count = asked_.size() + arrived_.size() + (writing_ ? writing_->size() : 0);
    if (count >= chunks_min && (held_ + length > settings_.window || count >= chunks_max)) return;
    missing_.pop_front();
    asked_.push_back(chunk);
    held_ += length;
    const net::WantChunk want{.file = static_cast<std::uint32_t>(chunk.file), .chunk = chunk.number};
    link_->send(node::FrameKind::bulk, {piece_of(net::encode(want))});
  }
}

Result<> SnapshotFetcher::take_chunk(const net::SnapshotChunk& came, const SharedBytes& body) {
  const Chunk chunk{.file = came.file, .number = came.chunk};
  if (asked_.empty() || asked_.front() != chunk) return fail(Code::corrupt, "it sent another chunk than was asked for");
  if (came.data.size() != length_of(chunk)) return fail(Code::corrupt, "it sent a chunk of another length");
  asked_.pop_front();
  arrived_.push_back({chunk, body, came.data});
  write_some();
  return {};
}

// --- the disk ---

void SnapshotFetcher::find() {
  on_disk<Result<storage::FoundSnapshots>>(
      [](Disk& disk) { return storage::find_snapshots(disk.files, disk.directory); },
      [this](Result<storage::FoundSnapshots> found) {
        if (!found) return end(fail(found));
        complete_ = std::move(found->complete);
        // One that this member has written itself meanwhile, or a newer one: there is nothing to go on with. Whoever
        // was asked for it would give that again and again, and never what this member lacks.
        const raft::Index newest = complete_.empty() ? raft::Index{} : complete_.back().meta.last.index;
        if (found->partial && newest < found->partial->meta.last.index) begun_ = found->partial->meta.last;
        disk_state_ = DiskState::waiting;
        connect();
      });
}

void SnapshotFetcher::begin(storage::SnapshotManifest manifest) {
  disk_state_ = DiskState::beginning;
  manifest_ = std::move(manifest);
  ++begins_;
  missing_.clear();
  arrived_.clear();
  writing_.reset();
  held_ = 0;
  bytes_ = 0;
  on_disk<Result<std::vector<Chunk>>>(
      [wanted = *manifest_](Disk& disk) -> Result<std::vector<Chunk>> {
        disk.incoming.reset();
        auto incoming = storage::IncomingSnapshot::begin(disk.files, disk.directory, wanted);
        if (!incoming) return fail(incoming);
        disk.incoming = *std::move(incoming);
        return disk.incoming->missing();
      },
      [this, number = begins_](Result<std::vector<Chunk>> missing) {
        if (!missing) return end(fail(missing));
        if (number != begins_) return;
        fetch(*missing);
        say_where("fetches");
        ask_for_more();
        finish_if_whole();
      });
}

void SnapshotFetcher::fetch(const std::vector<Chunk>& missing) {
  disk_state_ = DiskState::fetching;
  missing_.assign(missing.begin(), missing.end());
  bytes_ = manifest_->bytes();
  for (const Chunk chunk : missing_) bytes_ -= length_of(chunk);
}

void SnapshotFetcher::write_some() {
  if (writing_ || arrived_.empty()) return;
  writing_ = std::make_shared<const Batch>(std::exchange(arrived_, {}));
  on_disk<Written>(
      [batch = writing_](Disk& disk) {
        Written written;
        for (const Arrived& one : *batch) {
          if (disk.is_over) break;
          written.how = disk.incoming->put(one.chunk, one.data);
          if (!written.how) break;
          ++written.count;
        }
        return written;
      },
      [this, number = begins_](const Written& written) {
        if (!written.how && written.how.error().code != Code::corrupt) return end(fail(written.how));
        if (number == begins_) on_written(written);
      });
}

void SnapshotFetcher::on_written(const Written& written) {
  const auto batch = std::exchange(writing_, nullptr);
  for (std::size_t i = 0; i < batch->size(); ++i) {
    const Arrived& one = (*batch)[i];
    held_ -= one.data.size();
    if (i < written.count) {
      bytes_ += one.data.size();
      speed_.add(seams_.loop.now(), one.data.size());
    } else {
      missing_.push_front(one.chunk);
    }
  }
  write_some();
  // Its frame was whole: so it is the other side that has it wrong.
  if (!written.how) return retry(written.how.error());
  pause_ = settings_.pause_min;
  told_.reset();
  ask_for_more();
  finish_if_whole();
}

void SnapshotFetcher::finish_if_whole() {
  const bool is_whole = missing_.empty() && asked_.empty() && arrived_.empty() && !writing_;
  if (disk_state_ != DiskState::fetching || !is_whole) return;
  disk_state_ = DiskState::finishing;
  drop_link();
  seams_.loop.cancel(retry_timer_);
  is_paused_ = false;
  using Finished = std::pair<Result<>, std::vector<Chunk>>;
  on_disk<Finished>(
      [](Disk& disk) {
        Result<> how = disk.incoming->finish();
        return Finished{how, how ? std::vector<Chunk>{} : disk.incoming->missing()};
      },
      [this](const Finished& finished) { on_finished(finished.first, finished.second); });
}

void SnapshotFetcher::on_finished(const Result<>& how, const std::vector<Chunk>& missing) {
  if (how) return end(*manifest_);
  const bool is_final = how.error().code != Code::corrupt || missing.empty() || !settings_.tries_again;
  if (is_final || ++corrupt_ > corrupt_max) return end(fail(how));
  say(LogLevel::warning, "of the snapshot " + text_of(manifest_->meta.last) + " " + std::to_string(missing.size()) +
      " chunks are not what was written, they are fetched again: " + how.error().text);
  fetch(missing);
  connect();
}

void SnapshotFetcher::end(Result<storage::SnapshotManifest> result) {
  if (disk_state_ == DiskState::done) return;
  disk_state_ = DiskState::done;
  drop_link();
  seams_.loop.cancel(retry_timer_);
  is_paused_ = false;
  Done done = std::exchange(done_, nullptr);
  done(std::move(result));
}

SnapshotFetcher::Progress SnapshotFetcher::progress() const {
  if (!manifest_) return {};
  return {.position = manifest_->meta.last,
          .bytes = bytes_,
          .bytes_total = manifest_->bytes(),
          .bytes_per_second = speed_.per_second(seams_.loop.now())};
}

}  // namespace zraft::host
