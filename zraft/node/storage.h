// SPDX-License-Identifier: Apache-2.0
//
// Seam: the durable log of one group, as its node sees it. Real and simulated alike: storage/wal over the File seam.
#pragma once

#include <functional>

#include "zraft/base/result.h"
#include "zraft/raft/output.h"

namespace zraft::node {

// When a write counts as done. `durable`: when it would survive the loss of power. `buffered`: when the operating
// system has it (log_sync_mode leader_dirty and dirty; unsafe, and named so). A write with a hard state is always
// durable, whatever is asked for.
enum class Durability : std::uint8_t { durable, buffered };

class GroupLog {
 public:
  virtual ~GroupLog() = default;

  // `done` comes on the loop, in the order of the writes, never before this call returns. An error is final: this
  // write and all later ones of every group on the log have failed, nothing more is acknowledged (P89, decision 11).
  virtual void write(raft::Write write, Durability durability, std::move_only_function<void(Result<>)> done) = 0;
};

}  // namespace zraft::node
