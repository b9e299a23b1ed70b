// SPDX-License-Identifier: Apache-2.0
//
// The log in memory. Every access is by index and is bounded by CHECK: an index past the log is a bug of ours.
#include "zraft/raft/log_window.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"

namespace zraft::raft {

LogWindow::LogWindow(SnapshotMeta base) : base_(std::move(base)) {
  memberships_.push_back({.index = base_.membership_index, .membership = base_.membership});
}

std::size_t LogWindow::bytes_after(Index index) const {
  if (index < first()) return bytes();
  return end_ - ends_[index - first()];
}

std::optional<Term> LogWindow::term_at(Index index) const {
  if (index == base_.last.index) return base_.last.term;
  if (index < base_.last.index || last().index < index) return std::nullopt;
  return records_[index - first()].term();
}

const LogWindow::Placed& LogWindow::membership_at(Index index) const {
  auto at = memberships_.rbegin();
  while (index < at->index && next(at) != memberships_.rend()) ++at;
  return *at;
}

const Record& LogWindow::at(Index index) const {
  CHECK(first() <= index && index <= last().index, "an index outside the log was asked for");
  return records_[index - first()];
}

void LogWindow::append(Record record) {
  CHECK(record.index() == next(last().index), "a record that leaves a gap");
  CHECK(last().term <= record.term(), "a record of a term before the last one's");
  if (record.type() == EntryType::membership) {
    auto membership = decode_membership(record.payload());
    CHECK(membership.has_value(), "a membership is checked before it comes into the log");
    memberships_.push_back({.index = record.index(), .membership = std::move(*membership)});
  }
  end_ += record.size();
  ends_.push_back(end_);
  records_.push_back(std::move(record));
}

void LogWindow::truncate_from(Index index) {
  CHECK(first() <= index, "the log is cut inside its snapshot");
  while (!records_.empty() && index <= records_.back().index()) {
    end_ -= records_.back().size();
    records_.pop_back();
    ends_.pop_back();
  }
  while (memberships_.size() > 1 && index <= memberships_.back().index) memberships_.pop_back();
}

void LogWindow::drop_to(Index index) {
  base_ = meta_at(index);
  while (!records_.empty() && records_.front().index() <= index) {
    start_ = ends_.front();
    records_.pop_front();
    ends_.pop_front();
  }
  while (memberships_.size() > 1 && memberships_[1].index <= index) memberships_.erase(memberships_.begin());
}

void LogWindow::reset(SnapshotMeta base) { *this = LogWindow(std::move(base)); }

SnapshotMeta LogWindow::meta_at(Index index) const {
  if (index == base_.last.index) return base_;
  const Record& record = at(index);
  const Placed& placed = membership_at(index);
  return {.last = record.position(),
          .membership = placed.membership,
          .membership_index = placed.index,
          .time = record.time()};
}

Position LogWindow::last_with_term_at_most(Term term, Index bound) const {
  if (bound < base_.last.index) return {Term{}, bound};
  Index index = std::min(bound, last().index);
  // Terms never fall along the log, so the place is found by halving.
  Index low = base_.last.index;
  while (low < index) {
    const Index middle = low + (index - low + 1) / 2;
    if (*term_at(middle) <= term) {
      low = middle;
    } else {
      index = middle - 1;
    }
  }
  return {*term_at(low), low};
}

}  // namespace zraft::raft
