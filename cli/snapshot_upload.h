// SPDX-License-Identifier: Apache-2.0
//
// Gives a host the state that the first peer of a group begins with: hello, RestorePeer, then what the host asks for
// over this link (net/wire_bulk.h), until it answers. One attempt: a link that breaks, a refusal or silence ends it,
// and the host undoes what it has begun. On the loop.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "zraft/base/result.h"
#include "zraft/host/snapshot_sender.h"
#include "zraft/net/wire.h"
#include "zraft/node/loop.h"
#include "zraft/node/network.h"

namespace zraft::cli {

class SnapshotUpload final : private node::LinkHandler {
 public:
  struct Wanted {
    std::string address;  // of its host
    net::RestorePeer peer;
    std::shared_ptr<host::SharedSnapshot> snapshot;  // with the group and the membership of the peer
    std::uint64_t bytes_per_second = 0;              // at most; 0: as fast as it goes
    Duration patience = Duration::seconds(60);       // without a word of the host, as long as it has not got all of it
    Duration patience_at_end = Duration::seconds(3600);  // until it has read and restored all of it
  };
  using Progress = std::function<void(const host::SnapshotSender::Progress&)>;

  // `progress` is told some times in a second; may be null. `done` comes once, never from within a call, and nothing
  // after it. Errors: corrupt, timeout, all_failed (the host cannot be reached, or the link broke), what the host says.
  SnapshotUpload(node::Loop& loop, node::Network& network, Wanted wanted, Progress progress,
                 std::move_only_function<void(Result<>)> done);
  ~SnapshotUpload() override;
  SnapshotUpload(const SnapshotUpload&) = delete;
  SnapshotUpload& operator=(const SnapshotUpload&) = delete;

 private:
  void on_frame(node::FrameKind kind, const SharedBytes& body) override;
  void on_closed(const Error& why) override;
  [[nodiscard]] Result<> take(node::FrameKind kind, BytesView body);
  [[nodiscard]] Result<> on_hello(BytesView body);
  void look();
  void end(Result<> how);

  node::Loop& loop_;
  const Wanted wanted_;
  const Progress progress_;
  std::move_only_function<void(Result<>)> done_;  // null: it has ended
  host::BulkRate rate_;
  std::unique_ptr<node::Link> link_;
  std::unique_ptr<host::SnapshotSender> sender_;
  bool is_greeted_ = false;
  Instant heard_;
  node::TimerId timer_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::cli
