// SPDX-License-Identifier: Apache-2.0
//
// See snapshot_download.h.
#include "cli/snapshot_download.h"

#include <algorithm>
#include <utility>

#include "zraft/base/checksum.h"

namespace zraft::cli {
namespace {

constexpr std::size_t window = 8;  // chunks

net::Hello ours() { return {.role = net::Hello::Role::client, .name = "zraft backup"}; }

}  // namespace

SnapshotDownload::SnapshotDownload(node::Loop& loop, node::Network& network, Wanted wanted, Receiver receiver,
                                   std::move_only_function<void(Result<>)> done)
    : loop_(loop),
      wanted_(std::move(wanted)),
      receiver_(std::move(receiver)),
      done_(std::move(done)),
      may_ask_(loop.now()),
      heard_(loop.now()) {
  link_ = network.connect(wanted_.address, this);
  link_->send(node::FrameKind::hello, {piece_of(net::encode(ours()))});
  watch_silence();
}

SnapshotDownload::~SnapshotDownload() {
  loop_.cancel(ask_timer_);
  loop_.cancel(silence_timer_);
}

void SnapshotDownload::on_frame(node::FrameKind kind, const SharedBytes& body) {
  if (done_ == nullptr) return;
  heard_ = loop_.now();
  if (Result<> taken = take(kind, body); !taken) end(std::move(taken));
}

void SnapshotDownload::on_closed(const Error& why) { end(fail(Code::all_failed, wanted_.address + ": " + why.text)); }

Result<> SnapshotDownload::take(node::FrameKind kind, const SharedBytes& body) {
  if (state_ == State::greeting) return on_hello(kind, *body);
  if (kind != node::FrameKind::bulk) {
    return fail(Code::corrupt, wanted_.address + " sent a frame that does not belong here");
  }
  const auto message = net::decode_bulk(*body);
  if (!message) return fail(message.error().code, wanted_.address + " sent " + message.error().text);
  const auto* offered = std::get_if<net::SnapshotOffered>(&*message);
  if (state_ == State::asking && offered != nullptr) return on_offer(*offered);
  const auto* chunk = std::get_if<net::SnapshotChunk>(&*message);
  if (state_ == State::fetching && chunk != nullptr) return on_chunk(*chunk);
  return fail(Code::corrupt, wanted_.address + " sent what it was not asked for");
}

Result<> SnapshotDownload::on_hello(node::FrameKind kind, BytesView body) {
  if (kind != node::FrameKind::hello) {
    return fail(Code::corrupt, wanted_.address + " does not begin with a hello: is it a zraftd?");
  }
  const auto theirs = net::decode_hello(body);
  if (!theirs) return fail(theirs.error().code, wanted_.address + " sent a bad " + theirs.error().text);
  if (const auto version = net::agree(ours(), *theirs); !version) {
    return fail(version.error().code, wanted_.address + ": " + version.error().text);
  }
  state_ = State::asking;
  send(net::FetchSnapshot{.group = wanted_.group, .from = wanted_.from, .to = {}, .partial = std::nullopt});
  return {};
}

Result<> SnapshotDownload::on_offer(const net::SnapshotOffered& offered) {
  if (offered.error.code != Code::ok) {
    return fail(offered.error.code, wanted_.address + ": " + offered.error.text);
  }
  auto manifest = storage::decode_manifest(offered.manifest);
  if (!manifest) return fail(manifest.error().code, wanted_.address + " offers " + manifest.error().text);
  if (manifest->group != wanted_.group) {
    return fail(Code::corrupt, wanted_.address + " offers a snapshot of another group");
  }
  manifest_ = std::move(*manifest);
  state_ = State::fetching;
  if (Result<> begun = receiver_.begin(manifest_); !begun) return begun;
  ask_for_more();
  return {};
}

Result<> SnapshotDownload::on_chunk(const net::SnapshotChunk& chunk) {
  if (asked_.empty() || asked_.front().file != chunk.file || asked_.front().chunk != chunk.chunk) {
    return fail(Code::corrupt, wanted_.address + " sent a chunk that was not asked for");
  }
  asked_.pop_front();
  const storage::SnapshotFile& file = manifest_.files[chunk.file];
  if (chunk.data.size() != storage::chunk_length(file.size, chunk.chunk) ||
      crc32c(chunk.data) != file.chunks[chunk.chunk]) {
    return fail(Code::corrupt, wanted_.address + " sent a chunk of " + file.name + " whose checksum is wrong");
  }
  if (Result<> taken = receiver_.take(chunk.data); !taken) return taken;
  ask_for_more();
  return {};
}

void SnapshotDownload::send(const net::BulkMessage& message) {
  link_->send(node::FrameKind::bulk, {piece_of(net::encode(message))});
}

void SnapshotDownload::ask_for_more() {
  const auto& files = manifest_.files;
  const Instant now = loop_.now();
  while (asked_.size() < window) {
    while (next_.file < files.size() && next_.chunk == files[next_.file].chunks.size()) next_ = {next_.file + 1, 0};
    if (next_.file == files.size()) break;
    if (now < may_ask_) {
      if (ask_timer_ == node::TimerId{}) {
        ask_timer_ = loop_.wake_at(may_ask_, [this] {
          ask_timer_ = {};
          if (done_ != nullptr) ask_for_more();
        });
      }
      return;
    }
    if (asked_.empty()) heard_ = now;  // nothing was to be heard before
    send(next_);
    asked_.push_back(next_);
    if (wanted_.bytes_per_second > 0) {
      const std::size_t length = storage::chunk_length(files[next_.file].size, next_.chunk);
      const double seconds = static_cast<double>(length) / static_cast<double>(wanted_.bytes_per_second);
      may_ask_ = std::max(now, may_ask_) + Duration{static_cast<std::int64_t>(seconds * 1e9)};
    }
    ++next_.chunk;
  }
  if (asked_.empty()) end({});
}

void SnapshotDownload::watch_silence() {
  silence_timer_ = loop_.wake_at(heard_ + wanted_.patience, [this] {
    silence_timer_ = {};
    if (done_ == nullptr) return;
    const bool is_waiting = state_ != State::fetching || !asked_.empty();
    if (is_waiting && loop_.now() - heard_ >= wanted_.patience) {
      return end(fail(Code::timeout, wanted_.address + " says nothing any more"));
    }
    if (!is_waiting) heard_ = loop_.now();
    watch_silence();
  });
}

void SnapshotDownload::end(Result<> how) {
  if (done_ == nullptr) return;
  loop_.post([life = lifetime_.watch(), done = std::exchange(done_, nullptr), how = std::move(how)]() mutable {
    if (!life.is_over()) done(std::move(how));
  });
}

}  // namespace zraft::cli
