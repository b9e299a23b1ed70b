// SPDX-License-Identifier: Apache-2.0
//
// The laws of one core. What several cores must hold together (one leader a term, equal logs) is checked by the
// simulator, which sees them all.
#include "zraft/base/check.h"
#include "zraft/raft/core.h"
#include "zraft/raft/core_laws.h"

namespace zraft::raft {

Laws Laws::of(const Core& core) {
  Laws laws;
  laws.hard_ = core.hard_state();
  laws.last_ = core.log().last();
  laws.snapshot_ = core.snapshot().last;
  laws.base_ = core.log().base().last.index;
  laws.commit_ = core.commit();
  laws.applied_ = core.applied();
  laws.committed_ = {*core.log().term_at(core.commit()), core.commit()};
  laws.led_ = core.is_leader();
  return laws;
}

void Laws::check(const Core& after) const {
  // I4: nothing goes back.
  CHECK(hard_.term <= after.term(), "the term went back");
  CHECK(commit_ <= after.commit(), "the commit index went back");
  CHECK(applied_ <= after.applied(), "the applied index went back");
  CHECK(base_ <= after.log().base().last.index, "the log's base went back");
  CHECK(snapshot_ <= after.snapshot().last, "the snapshot went back");
  // I2: one vote a term, never taken back (P04).
  if (hard_.term == after.term() && hard_.vote) CHECK(hard_.vote == after.hard_state().vote, "a vote was changed");
  // I6: what is committed stays.
  const Index base = after.log().base().last.index;
  CHECK(committed_.index < base || after.log().term_at(committed_.index) == committed_.term,
        "a committed entry changed");
  // I9: a leader only appends.
  if (led_ && after.is_leader() && hard_.term == after.term()) {
    CHECK(after.log().term_at(last_.index) == last_.term, "a leader rewrote its log");
  }
  check_state(after);
  check_leader(after);
}

void Laws::check_state(const Core& core) const {
  // I10, in one chain.
  CHECK(core.log().base().last.index <= core.snapshot().last.index, "the log was cut, and no snapshot has that part");
  CHECK(core.snapshot().last.index <= core.applied(), "applied less than the snapshot holds");
  CHECK(core.applied() <= core.commit(), "applied more than is committed");
  CHECK(core.commit() <= core.log().last().index, "committed more than is in the log");
  CHECK(core.durable() <= core.log().last().index, "more is durable than is in the log");
  CHECK(core.applied() <= core.durable(), "applied what is not durable here");
  CHECK(core.log().last().term <= core.term(), "the log is ahead of the term");
  CHECK(!core.is_quiesced() || core.commit() == core.log().last().index, "it is quiesced, and something is open");
}

void Laws::check_leader(const Core& core) const {
  const auto* role = std::get_if<Leader>(&core.role());
  if (role == nullptr) return;
  CHECK(core.hard_state().vote == core.config().self, "a leader that did not vote for itself");
  CHECK(role->term_start < core.log().base().last.index || core.log().term_at(role->term_start) == core.term(),
        "a leader without an entry of its own term");
  // I15, as far as a leader knows what is committed.
  if (role->term_start <= core.commit()) {
    const auto& memberships = core.log().memberships();
    CHECK(memberships.size() < 2 || memberships[memberships.size() - 2].index <= core.commit(),
          "two changes of members are under way");
  }
  const ReplicationLimits& limits = core.config().replication;
  for (const Progress& progress : role->progresses) {
    // I11.
    CHECK(progress.match() < progress.next(), "match has passed next");
    CHECK(progress.match() <= core.log().last().index, "a match past the end of the log");
    CHECK(progress.next() <= next(core.log().last().index), "next is past the end of the log");
    CHECK(progress.inflight_messages() <= limits.inflight_messages_max, "too many messages are under way");
  }
}

}  // namespace zraft::raft
