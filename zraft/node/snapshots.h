// SPDX-License-Identifier: Apache-2.0
//
// Seam: the snapshots of one member, as its node sees them: written, fetched from another member, read again. What is
// told to be done is durable. Real and simulated alike: host/peer_snapshots over storage's snapshot store.
// All calls and callbacks happen on the loop; no callback comes before the call that gave it returns.
#pragma once

#include <functional>

#include "zraft/base/result.h"
#include "zraft/node/state_machine.h"
#include "zraft/raft/output.h"

namespace zraft::node {

class Snapshots {
 public:
  virtual ~Snapshots() = default;

  using Done = std::move_only_function<void(Result<>)>;
  using Fetched = std::move_only_function<void(Result<raft::SnapshotMeta>)>;

  // Has `task` write a snapshot, away from the loop. ok: it is durable, was read again and found right, and takes the
  // place of the one before. After an error everything is as it was.
  virtual void save(const raft::SnapshotMeta& meta, SnapshotTask task, Done done) = 0;

  // Fetches the newest snapshot of a member that is not of a later term than is named, or goes on with one that was
  // begun. Tries until it is there: an error is of this side's disk, and final for this call. While one is being
  // fetched, a second call only says what is wanted now, and its `done` is dropped.
  virtual void fetch(const raft::Fetch& wanted, Fetched done) = 0;
  [[nodiscard]] virtual bool is_fetching() const = 0;

  // Has `use` read that snapshot, away from the loop. Errors: what `use` says; corrupt, io.
  using Use = std::move_only_function<Result<>(SnapshotReader&)>;
  virtual void read(raft::Position position, Use use, Done done) = 0;
};

}  // namespace zraft::node
