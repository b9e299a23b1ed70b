// SPDX-License-Identifier: Apache-2.0
//
// The laws of a cluster. Log matching is checked by its induction: an entry of one index and term has one payload and
// one term before it, for ever and everywhere, so two logs that share an entry share all before it.
#include "test/raft/cluster_laws.h"

#include <algorithm>

#include "zraft/raft/describe.h"
#include "zraft/raft/quorum.h"

namespace zraft::raft {
namespace {

std::string id_of(NodeId id) { return std::to_string(id.value); }

}  // namespace

Term DurableState::term() const {
  return log.empty() ? hard_state.term : std::max(hard_state.term, log.back().term());
}

Index DurableState::last() const {
  return std::max(log.empty() ? base.last.index : log.back().index(), snapshot.last.index);
}

// A snapshot holds everything up to its end.
bool DurableState::holds(Position position) const {
  if (position.index == snapshot.last.index) return position.term == snapshot.last.term;
  if (position.index < snapshot.last.index) return true;
  if (position.index <= base.last.index || last() < position.index) return false;
  return log[position.index - base.last.index - 1].term() == position.term;
}

Index ClusterLaws::newest_commit() const { return committed_.empty() ? Index{} : committed_.rbegin()->first; }

void ClusterLaws::on_start(const Core& core) {
  const NodeId self = core.config().self;
  seen_commit_[self] = core.commit();
  seen_applied_[self] = core.applied();
  for (Index index = core.log().first(); index <= core.log().last().index; index = next(index)) {
    check_record(core, core.log().at(index));
  }
}

void ClusterLaws::on_read(NodeId member, RequestId id) { reads_[{member, id}] = newest_commit(); }

void ClusterLaws::on_output(const Core& core, const Output& output) {
  const NodeId self = core.config().self;
  if (output.write) {
    for (const Record& record : output.write->entries) check_record(core, record);
  }
  check_leader(core);
  check_commit(core);
  for (const Message& message : output.send) check_message(message);
  for (const Answer& answer : output.answers) check_answer(self, answer);
  for (const Record& record : output.apply) {
    // I13, and in order, without gaps.
    Index& seen = seen_applied_[self];
    if (record.index() != next(seen)) broken(id_of(self) + " applies " + describe(record) + " out of order");
    seen = record.index();
    const auto known = committed_.find(record.index());
    if (known == committed_.end() || known->second != Entry{record.term(), record.payload_checksum()}) {
      broken(id_of(self) + " applies " + describe(record) + ", which was never committed");
    }
    if (!disk_of_(self).holds(record.position())) broken(id_of(self) + " applies what is not durable there");
  }
}

// I13 and I18: what is installed was committed, with the membership that was committed there.
void ClusterLaws::on_installed(const Core& core, Position last) {
  const NodeId self = core.config().self;
  const auto known = committed_.find(last.index);
  if (known == committed_.end() || known->second.term != last.term) {
    broken(id_of(self) + " installs a snapshot up to " + describe(last) + ", which was never committed");
  }
  seen_applied_[self] = std::max(seen_applied_[self], last.index);
  seen_commit_[self] = std::max(seen_commit_[self], last.index);
}

// I5.
void ClusterLaws::check_record(const Core& core, const Record& record) {
  const auto previous = core.log().term_at(record.index() - 1);
  if (!previous) return broken("an entry is written without the one before it: " + describe(record));
  const Body body{record.payload_checksum(), *previous};
  const auto [known, is_new] = entries_.try_emplace({record.index(), record.term()}, body);
  if (!is_new && known->second != body) {
    broken("log matching: " + id_of(core.config().self) + " holds another " + describe(record));
  }
}

void ClusterLaws::check_leader(const Core& core) {
  if (!core.is_leader()) return;
  const NodeId self = core.config().self;
  const auto [known, is_new] = leaders_.try_emplace(core.term(), self);
  // I1.
  if (known->second != self) broken("two leaders in term " + std::to_string(core.term().value));
  if (!is_new) return;
  // I6: leader completeness.
  for (const auto& [index, entry] : committed_) {
    if (core.log().base().last.index <= index && core.log().term_at(index) != entry.term) {
      broken(id_of(self) + " leads without the committed entry " + describe(Position{entry.term, index}));
    }
  }
}

void ClusterLaws::check_commit(const Core& core) {
  const NodeId self = core.config().self;
  Index& seen = seen_commit_[self];
  for (; seen < core.commit(); seen = next(seen)) {
    const Record& record = core.log().at(next(seen));
    const Entry entry{record.term(), record.payload_checksum()};
    const auto [known, is_new] = committed_.try_emplace(record.index(), entry);
    if (known->second != entry) broken(id_of(self) + " commits another entry at " + describe(record.position()));
    if (!is_new) continue;
    const auto leader = leaders_.find(core.term());
    if (leader == leaders_.end() || leader->second != self) {
      broken(id_of(self) + " commits " + describe(record) + " before its leader");
    }
    // I7.
    if (!is_quorum(core.membership(), [&](NodeId id) { return disk_of_(id).holds(record.position()); })) {
      broken(id_of(self) + " commits " + describe(record) + ", which no quorum holds");
    }
    // I8.
    if (*core.log().term_at(core.commit()) != core.term()) broken(id_of(self) + " commits by an older term's entry");
  }
}

// I2 and I3 for a vote or a candidature.
void ClusterLaws::check_promise(const Message& message, NodeId candidate) {
  const auto [known, is_new] = votes_.try_emplace({message.from, message.term}, candidate);
  if (known->second != candidate) broken(describe(message) + ": its second vote in this term");
  const HardState& durable = disk_of_(message.from).hard_state;
  if (durable.term < message.term || (durable.term == message.term && durable.vote != candidate)) {
    broken(describe(message) + ": the vote is not durable");
  }
}

void ClusterLaws::check_message(const Message& message) {
  const DurableState& disk = disk_of_(message.from);
  if (disk.term() < message.term) broken(describe(message) + ": the term is not durable");
  if (const auto* vote = std::get_if<Vote>(&message.body); vote != nullptr && vote->granted) {
    check_promise(message, message.to);
  }
  if (std::holds_alternative<RequestVote>(message.body)) check_promise(message, message.from);
  if (const auto* appended = std::get_if<Appended>(&message.body)) {
    if (disk.last() < appended->match) broken(describe(message) + ": it is not durable");
  }
  if (is_of_leader(message)) {
    const auto leader = leaders_.find(message.term);
    if (leader == leaders_.end() || leader->second != message.from) broken(describe(message) + ": it does not lead");
  }
}

void ClusterLaws::check_answer(NodeId member, const Answer& answer) {
  const auto* ready = std::get_if<ReadReady>(&answer);
  if (ready == nullptr) return;
  const auto asked = reads_.find({member, ready->id});
  if (asked == reads_.end()) return broken("a read is answered twice: " + describe(answer));
  // I26.
  if (ready->index < asked->second) broken("a stale read: " + describe(answer));
  reads_.erase(asked);
}

}  // namespace zraft::raft
