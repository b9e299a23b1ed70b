// SPDX-License-Identifier: Apache-2.0
//
// Fetches the newest snapshot of one member as a client: hello, FetchSnapshot, then chunk after chunk in the order of
// the manifest, a window of them asked for ahead (net/wire_bulk.h). Each is compared with its checksum before it is
// given on. One attempt: a link that breaks, a refusal or silence ends it. On the loop.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>

#include "zraft/base/result.h"
#include "zraft/net/wire.h"
#include "zraft/net/wire_bulk.h"
#include "zraft/node/loop.h"
#include "zraft/node/network.h"
#include "zraft/storage/snapshot_format.h"

namespace zraft::cli {

class SnapshotDownload final : private node::LinkHandler {
 public:
  struct Wanted {
    std::string address;  // of its host
    raft::GroupId group;
    raft::NodeId from;
    std::uint64_t bytes_per_second = 0;         // at most; 0: as fast as it goes
    Duration patience = Duration::seconds(60);  // without a word of the host, which may be told to send slowly
  };
  // Their errors end it.
  struct Receiver {
    std::function<Result<>(const storage::SnapshotManifest&)> begin;
    std::function<Result<>(BytesView chunk)> take;
  };

  // `done` comes once, never from within a call, and nothing after it. Errors: corrupt, timeout, all_failed (the host
  // cannot be reached, or the link broke), what the host says, what the receiver says.
  SnapshotDownload(node::Loop& loop, node::Network& network, Wanted wanted, Receiver receiver,
                   std::move_only_function<void(Result<>)> done);
  ~SnapshotDownload() override;
  SnapshotDownload(const SnapshotDownload&) = delete;
  SnapshotDownload& operator=(const SnapshotDownload&) = delete;

 private:
  enum class State : std::uint8_t { greeting, asking, fetching };

  void on_frame(node::FrameKind kind, const SharedBytes& body) override;
  void on_closed(const Error& why) override;
  [[nodiscard]] Result<> on_hello(node::FrameKind kind, BytesView body);
  [[nodiscard]] Result<> on_offer(const net::SnapshotOffered& offered);
  [[nodiscard]] Result<> on_chunk(const net::SnapshotChunk& chunk);
  [[nodiscard]] Result<> take(node::FrameKind kind, const SharedBytes& body);
  void send(const net::BulkMessage& message);
  void ask_for_more();
  void watch_silence();
  void end(Result<> how);

  node::Loop& loop_;
  const Wanted wanted_;
  const Receiver receiver_;
  std::move_only_function<void(Result<>)> done_;  // null: it has ended
  std::unique_ptr<node::Link> link_;
  State state_ = State::greeting;
  storage::SnapshotManifest manifest_;
  net::WantChunk next_;               // to be asked for
  std::deque<net::WantChunk> asked_;  // and not come yet
  Instant may_ask_;
  Instant heard_;
  node::TimerId ask_timer_;
  node::TimerId silence_timer_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::cli
