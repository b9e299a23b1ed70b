// SPDX-License-Identifier: Apache-2.0
//
// The log in memory: a base, which a snapshot covers, the records after it, and every membership that stands among
// them, so that a truncation restores the one before (P46; even if it is the base's). The base may lie before the end
// of the newest snapshot: the records between are kept for members that are only a little behind.
// Laws: records are contiguous from base.index + 1, terms never fall, all are of one group.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "zraft/base/long_queue.h"
#include "zraft/base/queue.h"
#include "zraft/raft/record.h"
#include "zraft/raft/types.h"

namespace zraft::raft {

class LogWindow {
 public:
  explicit LogWindow(SnapshotMeta base);

  [[nodiscard]] const SnapshotMeta& base() const { return base_; }
  [[nodiscard]] Index first() const { return next(base_.last.index); }  // of the first record, if there is one
  [[nodiscard]] Position last() const { return records_.empty() ? base_.last : records_.back().position(); }
  [[nodiscard]] std::size_t bytes() const { return end_ - start_; }
  // Of the entries after `index`. Requires: base <= index <= last.
  [[nodiscard]] std::size_t bytes_after(Index index) const;

  // The term at an index from the base to the last one; none outside. Index 0 has term 0.
  [[nodiscard]] std::optional<Term> term_at(Index index) const;
  // Requires: first <= index <= last.
  [[nodiscard]] const Record& at(Index index) const;

  // Requires: the record follows last(), its term is not smaller; a membership in it decodes.
  void append(Record record);
  // Drops everything from `index` on. Requires: first <= index.
  void truncate_from(Index index);
  // Drops everything up to and with `index`, which becomes the base. Requires: base <= index <= last.
  void drop_to(Index index);
  // Drops everything there is.
  void reset(SnapshotMeta base);
  // What a snapshot of everything up to `index` covers, if all of that is committed. Requires: base <= index <= last.
  [[nodiscard]] SnapshotMeta meta_at(Index index) const;

  // The last index up to `bound` whose term is not above `term`: where two logs can agree at most (thesis 3.5, the
  // end of it: backtracking by terms). Nothing is known of what lies before the base: a bound there is given back, with
  // term 0.
  [[nodiscard]] Position last_with_term_at_most(Term term, Index bound) const;

  // The newest membership in the log, committed or not: it is in force from the moment it is appended (thesis 4.1).
  [[nodiscard]] const Membership& membership() const { return memberships_.back().membership; }
  [[nodiscard]] Index membership_index() const { return memberships_.back().index; }
  struct Placed {
    Index index;
    Membership membership;
  };
  // All memberships since the base's, oldest first; never empty.
  [[nodiscard]] const std::vector<Placed>& memberships() const { return memberships_; }
  // The newest one that stands at `index` or before. Requires: base <= index.
  [[nodiscard]] const Placed& membership_at(Index index) const;
  [[nodiscard]] ClusterTime last_time() const { return records_.empty() ? base_.time : records_.back().time(); }

 private:
  SnapshotMeta base_;
  LongQueue<Record> records_;
  Queue<std::size_t> ends_;  // bytes of the log up to and with that record, counted from the first append
  std::vector<Placed> memberships_;
  std::size_t start_ = 0;  // bytes of what was dropped at the front
  std::size_t end_ = 0;    // and of all up to the last record
};

}  // namespace zraft::raft
