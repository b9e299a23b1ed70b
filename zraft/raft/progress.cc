// SPDX-License-Identifier: Apache-2.0
//
// Progress: the states of replication to one member, and what moves it between them.
#include "zraft/raft/progress.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"

namespace zraft::raft {

bool Progress::can_send(const ReplicationLimits& limits) const {
  if (state_ == State::snapshot) return false;
  if (state_ == State::probe) return !probe_is_out_;
  return inflight_.size() < limits.inflight_messages_max && inflight_bytes_ < limits.inflight_bytes_max;
}

void Progress::on_round(Round round, Instant sent) {
  acknowledged_ = std::max(acknowledged_, round);
  lease_from_ = std::max(lease_from_, sent);
}

void Progress::on_sent(Index last, std::size_t bytes) {
  if (state_ == State::probe) {
    probe_is_out_ = true;
    return;
  }
  if (last < next_) return;
  next_ = zraft::raft::next(last);
  inflight_.push_back({last, bytes});
  inflight_bytes_ += bytes;
}

bool Progress::on_appended(Index match) {
  while (!inflight_.empty() && inflight_.front().last <= match) {
    inflight_bytes_ -= inflight_.front().bytes;
    inflight_.pop_front();
  }
  const bool rose = match_ < match;
  match_ = std::max(match_, match);
  if (state_ == State::probe) {
    // Even an acknowledgement of nothing new (match 0 of an empty log) shows where the logs agree.
    state_ = State::replicate;
    probe_is_out_ = false;
    next_ = zraft::raft::next(match_);
  }
  next_ = std::max(next_, zraft::raft::next(match_));
  return rose;
}

void Progress::begin_snapshot(Position last) {
  state_ = State::snapshot;
  snapshot_ = last;
  catches_up_ = true;
  probe_is_out_ = false;
  inflight_.clear();
  inflight_bytes_ = 0;
}

void Progress::end_snapshot() {
  state_ = State::replicate;
  next_ = zraft::raft::next(match_);
}

bool Progress::on_rejected(Index rejected, Index agreed) {
  if (state_ == State::snapshot) return false;  // the answer to what was sent before
  if (rejected <= match_) return false;  // it has matched since
  if (state_ == State::probe && rejected != next_ - 1) return false;  // the answer to an older probe
  if (state_ == State::replicate) {
    state_ = State::probe;
    inflight_.clear();
    inflight_bytes_ = 0;
  }
  probe_is_out_ = false;
  next_ = zraft::raft::next(std::max(match_, std::min(agreed, rejected - 1)));
  return true;
}

void Progresses::follow(const Membership& membership, NodeId self, Index last, Instant now) {
  std::vector<Progress> all;
  for (const Member& member : membership.members) {
    if (member.id == self) continue;
    if (Progress* known = find(member.id)) {
      all.push_back(std::move(*known));
    } else {
      all.emplace_back(member.id, last, now);
    }
  }
  all_ = std::move(all);
}

Progress* Progresses::find(NodeId id) {
  return const_cast<Progress*>(std::as_const(*this).find(id));
}

const Progress* Progresses::find(NodeId id) const {
  const auto at = std::ranges::lower_bound(all_, id, {}, &Progress::id);
  return at != all_.end() && at->id() == id ? &*at : nullptr;
}

}  // namespace zraft::raft
