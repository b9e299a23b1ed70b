// SPDX-License-Identifier: Apache-2.0
//
// See snapshot_sender.h. A link does not say that its queue became shorter. But whoever reads asks for the next chunk
// when one has come, so a want is the moment to look; a timer is for the end, when nothing more is asked for.
#include "zraft/host/snapshot_sender.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"

namespace zraft::host {

SnapshotSender::SnapshotSender(node::Loop& loop, node::Link& link, BulkRate& rate, Lookup lookup, Settings settings)
    : loop_(loop), link_(link), rate_(rate), lookup_(std::move(lookup)), settings_(settings), active_at_(loop.now()) {}

SnapshotSender::~SnapshotSender() {
  loop_.cancel(timer_);
  loop_.cancel(idle_timer_);
}

Result<> SnapshotSender::on_message(BytesView body) {
  const auto message = net::decode_bulk(body);
  if (!message) return fail(message);
  active_at_ = loop_.now();
  if (const auto* asked = std::get_if<net::FetchSnapshot>(&*message)) return on(*asked);
  if (const auto* want = std::get_if<net::WantChunk>(&*message)) return on(*want);
  return fail(Code::corrupt, "it sent a part of a snapshot that nobody asked it for");
}

Result<> SnapshotSender::on(const net::FetchSnapshot& asked) {
  if (is_looking_up_ || !wants_.empty()) return fail(Code::corrupt, "it asked for a snapshot while it is sent another");
  is_looking_up_ = true;
  asked_ = asked;
  snapshot_.reset();
  is_let_go_ = false;
  loop_.cancel(idle_timer_);
  bytes_ = 0;
  lookup_(asked, [this, life = lifetime_.watch()](Result<std::shared_ptr<SharedSnapshot>> found) {
    if (!life.is_over()) offer(std::move(found));
  });
  return {};
}

void SnapshotSender::offer(Result<std::shared_ptr<SharedSnapshot>> found) {
  is_looking_up_ = false;
  net::SnapshotOffered answer;
  if (found) {
    snapshot_ = *std::move(found);
    const auto& files = snapshot_->parsed.files;
    CHECK(snapshot_->files.size() == files.size(), "each file of the manifest is open");
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (snapshot_->files[i]->size() == files[i].size) continue;
      answer.error = {Code::corrupt, "the file " + files[i].name + " of the snapshot has changed its size"};
    }
  } else {
    answer.error = found.error();
  }
  if (answer.error.code == Code::ok) {
    answer.manifest = snapshot_->manifest;
    active_at_ = loop_.now();
    watch_idle();
  } else {
    snapshot_.reset();
  }
  link_.send(node::FrameKind::bulk, {piece_of(net::encode(answer))});
}

Result<> SnapshotSender::on(const net::WantChunk& want) {
  if (is_let_go_) {
    const net::SnapshotOffered gone{
        .error = {Code::not_found, "nothing was wanted of the snapshot for so long that it was let go: ask again"},
        .manifest = {}};
    link_.send(node::FrameKind::bulk, {piece_of(net::encode(gone))});
    return {};
  }
  if (snapshot_ == nullptr) return fail(Code::corrupt, "it wants a part of a snapshot that it was not offered");
  const auto& files = snapshot_->parsed.files;
  if (want.file >= files.size() || want.chunk >= files[want.file].chunks.size()) {
    return fail(Code::corrupt, "it wants a part that the snapshot does not have");
  }
  if (wants_.size() >= settings_.wants_max) {
    return fail(Code::busy, "it wants more than " + std::to_string(settings_.wants_max) + " chunks at once");
  }
  wants_.push_back(want);
  send_some();
  return {};
}

void SnapshotSender::send_some() {
  while (!wants_.empty() && !waits_turn_) {
    if (link_.queued_bytes() > settings_.queue_bytes_max) return look_again();
    const net::WantChunk want = wants_.front();
    const std::size_t length = storage::chunk_length(snapshot_->parsed.files[want.file].size, want.chunk);
    if (!rate_.take(length)) {
      waits_turn_ = true;
      rate_.wait_turn([this, life = lifetime_.watch()] {
        if (life.is_over()) return;
        waits_turn_ = false;
        send_some();
      });
      return;
    }
    wants_.pop_front();
    send_one(want, length);
  }
}

void SnapshotSender::send_one(const net::WantChunk& want, std::size_t length) {
  active_at_ = loop_.now();
  bytes_ += length;
  speed_.add(active_at_, length);
  link_.send_file(node::FrameKind::bulk,
                  net::encode(net::SnapshotChunk{.file = want.file, .chunk = want.chunk, .data = {}}),
                  {.file = snapshot_->files[want.file],
                   .offset = want.chunk * storage::snapshot_chunk_size,
                   .length = length,
                   .checksum = snapshot_->parsed.files[want.file].chunks[want.chunk]});
}

void SnapshotSender::look_again() {
  if (std::exchange(is_timer_set_, true)) return;
  timer_ = loop_.wake_at(loop_.now() + settings_.look_again, [this] {
    is_timer_set_ = false;
    send_some();
  });
}

// What is still on its way to one that reads slowly, or waits for its turn, is not idle.
void SnapshotSender::watch_idle() {
  idle_timer_ = loop_.wake_at(active_at_ + settings_.idle_max, [this] {
    if (!wants_.empty() || link_.queued_bytes() > 0) active_at_ = loop_.now();
    if (loop_.now() < active_at_ + settings_.idle_max) return watch_idle();
    snapshot_.reset();
    is_let_go_ = true;
  });
}

std::optional<SnapshotSender::Progress> SnapshotSender::progress() const {
  if (snapshot_ == nullptr) return std::nullopt;
  const Instant now = loop_.now();
  return Progress{.group = asked_.group,
                  .to = asked_.to,
                  .position = snapshot_->parsed.meta.last,
                  .bytes = bytes_ - std::min<std::uint64_t>(bytes_, link_.queued_bytes()),
                  .bytes_total = snapshot_->parsed.bytes(),
                  .bytes_per_second = speed_.per_second(now),
                  .idle = now - active_at_};
}

}  // namespace zraft::host
