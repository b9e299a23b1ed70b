// SPDX-License-Identifier: Apache-2.0
//
// What the log holds of each group, without the entries: kept while writing, to carry every group into each new
// segment and to know which segments are still needed; built up again while reading, by the same rules. A call that
// breaks a law of the log returns an error and changes nothing: read from a disk it is corruption, from our own
// writer a bug.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "zraft/base/result.h"
#include "zraft/storage/batch_builder.h"
#include "zraft/storage/wal_format.h"

namespace zraft::storage {

class Ledger {
 public:
  struct Group {
    raft::HardState state;
    raft::SnapshotMeta base;
    raft::Index last;
    // Segment -> the last index in it that still counts.
    std::map<std::uint64_t, raft::Index> held;
  };

  Result<> start(raft::GroupId group, const raft::SnapshotMeta& base);
  Result<> end(raft::GroupId group);
  Result<> set(raft::GroupId group, const raft::HardState& state);
  Result<> truncate(raft::GroupId group, raft::Index from);
  Result<> append(raft::GroupId group, std::uint64_t segment, raft::Index index);
  Result<> mark(raft::GroupId group, const raft::SnapshotMeta& base);
  // A carried group is as the ledger knows it; `adopt` takes one that it does not know, from a log whose first
  // segments are gone.
  Result<> agree(raft::GroupId group, const CarryItem& item) const;
  Result<> adopt(raft::GroupId group, const CarryItem& item);

  [[nodiscard]] const std::map<raft::GroupId, Group>& groups() const { return groups_; }
  [[nodiscard]] bool has(raft::GroupId group) const { return groups_.contains(group); }

  // Every segment before this one holds nothing that is needed. At most `newest`.
  [[nodiscard]] std::uint64_t first_needed(std::uint64_t newest) const;
  // What keeps segments before `segment`: groups, and the last index of theirs that such a one holds.
  [[nodiscard]] std::vector<std::pair<raft::GroupId, raft::Index>> held_before(std::uint64_t segment) const;
  void carry(BatchBuilder& batch) const;

 private:
  Result<Group*> find(raft::GroupId group);

  std::map<raft::GroupId, Group> groups_;
};

}  // namespace zraft::storage
