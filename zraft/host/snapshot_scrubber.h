// SPDX-License-Identifier: Apache-2.0
//
// Reads a peer's complete snapshots again and again and compares them, so that what rots on the disk is known before it
// is needed (RELIABILITY 2.3, row 17). One chunk at a time, on the strand: whoever wants to write a snapshot waits for
// one chunk at most. All scrubbers of a shard share one rate. A pass begins a few minutes after the start and then
// every half day; what does not fit the rate takes longer.
// Known limit: what the system still has in its memory is read from there, not from the disk.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/host/bulk_rate.h"
#include "zraft/host/strand.h"
#include "zraft/storage/snapshot_store.h"

namespace zraft::host {

class SnapshotScrubber {
 public:
  struct Seams {
    node::Loop& loop;
    Strand& strand;  // of the directory
    storage::Files& files;
    BulkRate& rate;
  };
  // It was read twice, and was wrong both times. May change `complete`.
  using Damaged = std::function<void(raft::Position, const Error&)>;

  // `complete`: oldest first, as they are at each time; outlives it.
  SnapshotScrubber(Seams seams, std::string directory, const std::vector<storage::SnapshotManifest>& complete,
                   Random random, Damaged damaged);
  ~SnapshotScrubber();
  SnapshotScrubber(const SnapshotScrubber&) = delete;
  SnapshotScrubber& operator=(const SnapshotScrubber&) = delete;

 private:
  void begin_pass_in(Duration pause);
  void step();
  void read(const storage::SnapshotManifest& manifest);
  void on_read(const Result<>& how);
  [[nodiscard]] const storage::SnapshotManifest* find();

  const Seams seams_;
  const std::string directory_;
  const std::vector<storage::SnapshotManifest>& complete_;
  Random random_;
  const Damaged damaged_;
  raft::Position at_;       // the snapshot that is read
  std::size_t file_ = 0;    // what is read next
  std::uint64_t chunk_ = 0;
  bool is_second_ = false;  // it was wrong once
  node::TimerId timer_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
