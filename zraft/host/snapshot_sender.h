// SPDX-License-Identifier: Apache-2.0
//
// Serves the bulk messages of one link that another side made (net/wire_bulk.h): finds the snapshot that is asked for,
// offers its manifest, and sends each chunk that is wanted, in the order of the wants. It reads no file: the bytes go
// from the disk to the socket, and their checksums stand in the manifest. What it holds is bounded: a side that wants
// too much at once is refused, and one that does not read is sent nothing more. On the loop of its link.
#pragma once

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "zraft/base/result.h"
#include "zraft/host/bulk_rate.h"
#include "zraft/host/transfer_rate.h"
#include "zraft/net/wire_bulk.h"
#include "zraft/node/network.h"
#include "zraft/storage/snapshot_format.h"

namespace zraft::host {

// A snapshot that is open to be sent; by all who fetch it at the same time.
struct SharedSnapshot {
  Bytes manifest;  // encoded
  storage::SnapshotManifest parsed;
  std::vector<std::shared_ptr<node::SendableFile>> files;  // in the order of the manifest
  std::shared_ptr<void> pin;  // as long as it is held the snapshot is not removed
};

class SnapshotSender {
 public:
  using Found = std::move_only_function<void(Result<std::shared_ptr<SharedSnapshot>>)>;
  // Answers on the loop, at once or later. The files are opened there.
  using Lookup = std::function<void(net::FetchSnapshot, Found)>;

  struct Settings {
    std::size_t wants_max = 64;  // that wait to be sent; SnapshotFetcher keeps to half of it
    // Queued at the link, beyond what the kernel has; besides one chunk.
    std::size_t queue_bytes_max = std::size_t{2} << 20;
    Duration look_again = Duration::milliseconds(5);  // at a queue that was too long
    // A snapshot of which nothing was wanted for that long is let go, so that it can be removed. Whoever wants more of
    // it later is told so, and asks anew.
    Duration idle_max = Duration::seconds(30);
  };

  struct Progress {
    raft::GroupId group;
    raft::NodeId to;  // 0: a client
    raft::Position position;
    std::uint64_t bytes = 0;        // that have left; over this link
    std::uint64_t bytes_total = 0;  // of the snapshot
    std::uint64_t bytes_per_second = 0;
    Duration idle{};  // since the last message or chunk
  };

  // `link` and `rate` outlive it.
  SnapshotSender(node::Loop& loop, node::Link& link, BulkRate& rate, Lookup lookup, Settings settings);
  SnapshotSender(node::Loop& loop, node::Link& link, BulkRate& rate, Lookup lookup)
      : SnapshotSender(loop, link, rate, std::move(lookup), Settings{}) {}
  ~SnapshotSender();
  SnapshotSender(const SnapshotSender&) = delete;
  SnapshotSender& operator=(const SnapshotSender&) = delete;

  // The body of a frame of the kind bulk. Errors: the other side broke the rules; close the link.
  [[nodiscard]] Result<> on_message(BytesView body);

  // Nothing: no snapshot is being sent.
  [[nodiscard]] std::optional<Progress> progress() const;

 private:
  [[nodiscard]] Result<> on(const net::FetchSnapshot& asked);
  [[nodiscard]] Result<> on(const net::WantChunk& want);
  void offer(Result<std::shared_ptr<SharedSnapshot>> found);
  void send_some();
  void send_one(const net::WantChunk& want, std::size_t length);
  void look_again();
  void watch_idle();

  node::Loop& loop_;
  node::Link& link_;
  BulkRate& rate_;
  const Lookup lookup_;
  const Settings settings_;
  net::FetchSnapshot asked_;
  bool is_looking_up_ = false;
  std::shared_ptr<SharedSnapshot> snapshot_;  // null: none was offered
  bool is_let_go_ = false;                    // it was there, and was idle for too long
  std::deque<net::WantChunk> wants_;
  bool waits_turn_ = false;
  node::TimerId timer_;
  bool is_timer_set_ = false;
  node::TimerId idle_timer_;
  std::uint64_t bytes_ = 0;
  TransferRate speed_;
  Instant active_at_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
