// SPDX-License-Identifier: Apache-2.0
//
// See ghost.h. Each member's log is followed from step to step; positions are vectors from index 1 on. Of what a
// snapshot covers it has what was committed, because that is what a snapshot says.
#include "sim/ghost.h"

#include <algorithm>

#include "zraft/raft/describe.h"
#include "zraft/raft/quorum.h"

namespace zraft::sim {

namespace {

using raft::Index;
using raft::NodeId;
using raft::Position;
using raft::Term;

std::string text(NodeId id) { return "member " + std::to_string(id.value); }
std::string text(Index index) { return std::to_string(index.value); }
// May `next` stand in a log with no other membership between the two? Thesis 4.3.
bool may_follow(const raft::Membership& before, const raft::Membership& next) {
  if (before.is_joint()) return next == raft::last_step(before);
  return next.is_joint() ? next.outgoing == before.voters : next.voters == before.voters;
}

std::string text(Term term) { return std::to_string(term.value); }

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 31);
}

}  // namespace

void Ghost::on_start(NodeId id, const raft::Core& core) {
  const auto [at, is_new] = members_.try_emplace(id);
  Member& member = at->second;
  if (!is_new) check_recovery(id, member, core);
  const Term said = member.said;
  member = {};
  member.said = said;
  member.durable = core.durable();
  member.term = core.term();
  static_cast<void>(follow_log(id, member, core));
  member.fed = core.applied();
  if (member.fed.value > fed_hash_.size()) {
    broken("I13: " + text(id) + " starts with what nobody has applied, up to " + text(member.fed));
  } else if (member.fed > Index{}) {
    member.fed_hash = fed_hash_[member.fed.value - 1];
  }
}

void Ghost::check_recovery(NodeId id, const Member& before, const raft::Core& core) {
  if (core.term() < before.said) {
    broken("I4: " + text(id) + " starts in term " + text(core.term()) + " and has spoken in term " + text(before.said));
  }
  const auto voted = votes_.find({id, core.term()});
  if (voted != votes_.end() && core.hard_state().vote != voted->second) {
    broken("I2: " + text(id) + " forgot its vote of term " + text(core.term()));
  }
  if (!is_durable_) return;
  // What a snapshot covers is in it; and one that another log contradicts has taken the place of all of that log.
  const Position snapshot = core.snapshot().last;
  const bool is_replaced = snapshot.index.value > before.log.size() ||
                           (snapshot.index > Index{} && before.log[snapshot.index.value - 1].term != snapshot.term);
  if (is_replaced) return;
  for (Index index = next(snapshot.index); index <= before.durable; index = next(index)) {
    const Entry& held = before.log[index.value - 1];
    const bool is_there = index <= core.log().last().index && core.log().at(index).term() == held.term &&
                          core.log().at(index).payload_checksum() == held.checksum;
    if (is_there) continue;
    broken("I42: " + text(id) + " had entry " + raft::describe(Position{held.term, index}) +
           " durable, and its log does not have it after a restart (last " + raft::describe(core.log().last()) + ")");
    return;
  }
}

void Ghost::on_step(NodeId id, const raft::Core& core, const Moment& moment) {
  Member& member = members_.at(id);
  if (core.term() < member.term) broken("I4: the term of " + text(id) + " went back");
  if (core.commit() < member.commit) broken("I4: the commit index of " + text(id) + " went back");
  if (core.applied() < member.applied) broken("I4: the applied index of " + text(id) + " went back");
  const bool is_in_order = core.log().base().last.index <= core.snapshot().last.index &&
                           core.snapshot().last.index <= core.applied() && core.applied() <= core.commit() &&
                           core.commit() <= core.log().last().index;
  if (!is_in_order) {
    broken("I10: the log of " + text(id) + " goes on from " + text(core.log().base().last.index) +
           ", its snapshot to " + text(core.snapshot().last.index) + ", it has applied " + text(core.applied()) +
           ", commit " + text(core.commit()));
  }
  const bool leads_on = member.is_leader && core.is_leader() && member.term == core.term();
  member.term = core.term();
  member.applied = core.applied();
  if (follow_log(id, member, core) && leads_on) broken("I9: leader " + text(id) + " cut its own log");
  member.durable = core.durable();
  const bool leads_anew = core.is_leader() && !member.is_leader;
  member.is_leader = core.is_leader();
  if (core.is_leader()) check_leader(id, member, core);
  if (leads_anew) check_completeness(id, member);
  if (leads_anew) check_election(id, core);
  if (member.commit < core.commit()) check_commit(id, member, core);
  member.commit = core.commit();
  check_memberships(id, member, core);
  if (core.is_leader()) check_clock(id, core, moment);
  if (member.in_force != core.membership()) {
    member.in_force = core.membership();
    member.in_force_since = moment.now;
  }
}

void Ghost::cut_one(NodeId id, Member& member) {
  if (member.log.size() <= member.commit.value) {
    broken("I9: " + text(id) + " cut committed entry " + std::to_string(member.log.size()));
    member.commit = Index{member.log.size() - 1};
  }
  if (!member.memberships.empty() && member.memberships.back().value == member.log.size()) {
    member.memberships.pop_back();
  }
  member.log.pop_back();
}

// What the log does not have any more is as it was committed: by the log itself, or by the snapshot that replaced it.
void Ghost::follow_base(NodeId id, Member& member, const raft::Core& core) {
  const raft::SnapshotMeta& base = core.log().base();
  if (base.last.index.value > committed_.size()) {
    broken("I46: the log of " + text(id) + " is cut up to " + text(base.last.index) + ", which is not committed");
    return;
  }
  const auto committed = committed_.begin() + static_cast<std::ptrdiff_t>(base.last.index.value);
  if (std::prev(committed)->term != base.last.term) {
    broken("I10: the log of " + text(id) + " goes on from " + raft::describe(base.last) +
           ", where another is committed");
  }
  // Up to the base before, it was looked at before.
  const auto seen = static_cast<std::ptrdiff_t>(std::min<std::size_t>(member.base.value, member.log.size()));
  const auto [held, agreed] =
      std::mismatch(member.log.begin() + seen, member.log.end(), committed_.begin() + seen, committed);
  const auto same = static_cast<std::size_t>(held - member.log.begin());
  if (agreed != committed) {
    while (member.log.size() > same) cut_one(id, member);
    member.log.insert(member.log.end(), agreed, committed);
    if (member.memberships.empty() || member.memberships.back() < base.membership_index) {
      member.memberships.push_back(base.membership_index);
    }
  }
  member.base = base.last.index;
}

bool Ghost::follow_log(NodeId id, Member& member, const raft::Core& core) {
  const raft::LogWindow& log = core.log();
  const std::size_t before = member.log.size();
  if (member.base < log.base().last.index) follow_base(id, member, core);
  const std::uint64_t last = log.last().index.value;
  bool is_cut = member.log.size() < before;
  while (member.log.size() > log.base().last.index.value &&
         (member.log.size() > last || log.at(Index{member.log.size()}).term() != member.log.back().term)) {
    cut_one(id, member);
    is_cut = true;
  }
  if (is_cut) ++truncations_;
  while (member.log.size() < last) {
    const Index index{member.log.size() + 1};
    const raft::Record& record = log.at(index);
    member.log.push_back({record.term(), record.payload_checksum()});
    check_matching(id, member, index);
    if (record.type() != raft::EntryType::membership) continue;
    member.memberships.push_back(index);
    check_new_membership(id, member, core, index);
  }
  return is_cut;
}

void Ghost::check_new_membership(NodeId id, const Member& member, const raft::Core& core, Index index) {
  const auto& all = core.log().memberships();
  const auto placed = std::ranges::find(all, index, &raft::LogWindow::Placed::index);
  const auto decoded = raft::decode_membership(core.log().at(index).payload());
  if (placed == all.end() || !decoded || placed->membership != *decoded) {
    broken("I17: " + text(id) + " does not go by the membership that its log has at " + text(index));
    return;
  }
  // The first one of a group follows none, and what a joiner was told before it stands in no log.
  if (index.value > 1 && placed != all.begin() && !may_follow(std::prev(placed)->membership, placed->membership)) {
    broken("I16: in the log of " + text(id) + " the membership at " + text(index) + " may not follow the one before");
  }
  const bool is_own = member.is_leader && core.is_leader() && core.log().at(index).term() == core.term();
  if (is_own && core.log().term_at(core.commit()) != core.term()) {
    broken("I19: leader " + text(id) + " changes the members before an entry of its term is committed");
  }
}

void Ghost::check_memberships(NodeId id, const Member& member, const raft::Core& core) {
  const Index newest = member.memberships.empty() ? Index{} : member.memberships.back();
  if (core.log().membership_index() != newest) {
    broken("I17: " + text(id) + " goes by the membership at " + text(core.log().membership_index()) +
           ", and the newest in its log is at " + text(newest));
  }
  if (!core.is_leader()) return;
  const auto open = std::ranges::count_if(core.log().memberships(), [&](const auto& placed) {
    return std::max(core.commit().value, commit()) < placed.index.value;
  });
  if (open > 1) broken("I15: leader " + text(id) + " has two changes of members under way");
}

void Ghost::check_election(NodeId id, const raft::Core& core) {
  const bool is_elected = raft::is_quorum(core.membership(), [&](NodeId voter) {
    const auto cast = given_.find({voter, core.term()});
    return cast != given_.end() && cast->second == id;
  });
  if (!is_elected) broken("I20: " + text(id) + " leads term " + text(core.term()) + " without votes of a quorum");
}

void Ghost::check_clock(NodeId id, const raft::Core& core, const Moment& moment) {
  if (core.has_lease(moment.now) && !committed_in_.empty() && core.term() < committed_in_.back()) {
    broken("I22: " + text(id) + " has a lease in term " + text(core.term()) + ", and in term " +
           text(committed_in_.back()) + " there was a commit");
  }
  const auto& handover = std::get<raft::Leader>(core.role()).handover;
  if (moment.is_timely && handover && handover->end + core.config().heartbeat_interval < moment.now) {
    broken("I24: the transfer from " + text(id) + " does not end in time");
  }
}

// What each committed membership says of who was a member and is no more.
void Ghost::follow_members(Index index, const raft::Core& core) {
  ++memberships_;
  std::set<NodeId> now;
  const raft::Membership& membership = core.log().membership_at(index).membership;
  committed_memberships_[index] = membership;
  for (const raft::Member& member : membership.members) {
    now.insert(member.id);
    if (gone_.contains(member.id)) broken("I20: " + text(member.id) + " was removed, and is a member again");
  }
  for (const NodeId id : present_) {
    if (!now.contains(id)) gone_.insert(id);
  }
  present_ = std::move(now);
}

void Ghost::check_matching(NodeId id, const Member& member, Index index) {
  const Entry& entry = member.log[index.value - 1];
  const Term before = index.value == 1 ? Term{} : member.log[index.value - 2].term;
  const auto [known, is_new] = entries_.try_emplace({index, entry.term}, entry.checksum, before);
  if (!is_new && known->second != std::pair(entry.checksum, before)) {
    broken("I5: " + text(id) + " holds another " + raft::describe(Position{entry.term, index}) + " than others");
  }
}

void Ghost::check_leader(NodeId id, const Member& member, const raft::Core& core) {
  const auto [leader, is_new] = leaders_.try_emplace(core.term(), id);
  if (leader->second != id) {
    broken("I1: " + text(id) + " and " + text(leader->second) + " both lead term " + text(core.term()));
  }
  const bool commits = member.commit < core.commit();
  if (commits && core.log().term_at(core.commit()) != core.term()) {
    broken("I8: leader " + text(id) + " of term " + text(core.term()) + " commits " + text(core.commit()) +
           " by an entry of an older term");
  }
}

// Of what was committed in earlier terms. One who was elected long ago and learns of it only now need not have what a
// later leader has committed since: he will commit nothing.
void Ghost::check_completeness(NodeId id, const Member& member) {
  const auto end = std::ranges::lower_bound(committed_in_, member.term);
  const auto count = static_cast<std::size_t>(end - committed_in_.begin());
  if (member.log.size() < count) {
    broken("I6: " + text(id) + " leads term " + text(member.term) + " without entry " + std::to_string(count) +
           ", which is committed");
  } else if (count > 0 && member.log[count - 1] != committed_[count - 1]) {
    broken("I6: " + text(id) + " leads term " + text(member.term) + " with another entry in a committed place");
  }
}

void Ghost::check_commit(NodeId id, const Member& member, const raft::Core& core) {
  for (Index index = next(member.commit); index <= core.commit(); index = next(index)) {
    const Entry& entry = member.log[index.value - 1];
    if (index <= core.log().base().last.index) continue;  // follow_base has looked at it
    if (index.value > committed_.size()) {
      committed_.push_back(entry);
      committed_in_.push_back(committed_in_.empty() ? core.term() : std::max(core.term(), committed_in_.back()));
      check_quorum(index, member, core);
      if (core.log().at(index).type() == raft::EntryType::membership) follow_members(index, core);
    } else if (committed_[index.value - 1] != entry) {
      broken("I6: " + text(id) + " commits " + raft::describe(Position{entry.term, index}) +
             ", and there another entry was committed before, of term " + text(committed_[index.value - 1].term));
    }
  }
}

// In the step in which it commits, a leader may go on to the next membership: then it counted by the one before.
void Ghost::check_quorum(Index index, const Member& committer, const raft::Core& core) {
  if (!is_durable_) return;
  const auto holds = [&](NodeId id) {
    const auto found = members_.find(id);
    if (found == members_.end()) return false;
    const Member& member = found->second;
    return index <= member.durable && member.log[index.value - 1] == committed_[index.value - 1];
  };
  const bool was_held = !committer.in_force.voters.empty() && raft::is_quorum(committer.in_force, holds);
  const bool is_held = was_held || raft::is_quorum(core.membership(), holds);
  if (!is_held) broken("I7: entry " + text(index) + " is committed and not durable on a quorum");
}

void Ghost::on_sent(const raft::Message& message, const raft::Core& core, const Moment& moment) {
  const auto found = members_.find(message.from);
  if (found == members_.end()) return;
  Member& member = found->second;
  member.said = std::max(member.said, message.term);
  if (const auto* body = std::get_if<raft::Vote>(&message.body); body != nullptr && body->granted) {
    vote(message.from, message.term, message.to);
  } else if (std::holds_alternative<raft::RequestVote>(message.body)) {
    vote(message.from, message.term, message.from);
  } else if (const auto* appended = std::get_if<raft::Appended>(&message.body)) {
    if (is_durable_ && core.durable() < appended->match) {
      broken("I3: " + text(message.from) + " acknowledges " + text(appended->match) + " and has " +
             text(core.durable()) + " durable");
    }
  }
  const auto* leader = std::get_if<raft::Leader>(&core.role());
  if (!moment.is_timely || leader == nullptr || message.term != core.term()) return;
  const Instant heard = raft::quorum_value(core.membership(), [&](NodeId id) {
    if (id == message.from) return moment.now;
    const raft::Progress* progress = leader->progresses.find(id);
    return progress == nullptr ? Instant{} : progress->heard();
  });
  // A membership that was just adopted may need others, which have not been looked at before the next heartbeat.
  const Instant since = std::max(heard + core.config().election_timeout, member.in_force_since);
  if (since + core.config().heartbeat_interval < moment.now) {
    broken("I23: leader " + text(message.from) + " hears no majority, and goes on");
  }
}

void Ghost::vote(NodeId voter, Term term, NodeId candidate) {
  const auto [cast, is_new] = votes_.try_emplace({voter, term}, candidate);
  if (cast->second != candidate) {
    broken("I2: " + text(voter) + " votes for " + text(candidate) + " and for " + text(cast->second) + " in term " +
           text(term));
  }
}

void Ghost::on_applied(NodeId id, const raft::Record& record) {
  Member& member = members_.at(id);
  if (!record.is_intact()) broken("I41: " + text(id) + " applies a damaged entry " + text(record.index()));
  if (record.index() != next(member.fed)) {
    broken("I13: " + text(id) + " applies " + text(record.index()) + " out of order");
  }
  member.fed = record.index();
  member.fed_hash = mix(member.fed_hash, record.term().value);
  member.fed_hash = mix(member.fed_hash, (std::uint64_t{record.payload_checksum()} << 8) |
                                             static_cast<std::uint64_t>(record.type()));
  member.fed_hash = mix(member.fed_hash, static_cast<std::uint64_t>(record.time().ns));
  if (fed_hash_.size() < record.index().value) fed_hash_.push_back(member.fed_hash);
  if (record.index().value <= fed_hash_.size() && fed_hash_[record.index().value - 1] != member.fed_hash) {
    broken("I13: " + text(id) + " was fed another entry " + text(record.index()) + " than others");
  }
}

void Ghost::on_installed(NodeId id, const raft::SnapshotMeta& snapshot) {
  Member& member = members_.at(id);
  const Index last = snapshot.last.index;
  if (last <= member.fed) broken("P60: " + text(id) + " goes back to " + text(last) + " by a snapshot");
  if (last.value > fed_hash_.size()) {
    broken("I13: " + text(id) + " installs what nobody has applied, up to " + text(last));
    return;
  }
  ++installs_;
  member.fed = last;
  member.fed_hash = fed_hash_[last.value - 1];
}

void Ghost::on_snapshot(NodeId id, const raft::SnapshotMeta& snapshot, std::uint32_t checksum) {
  const Index last = snapshot.last.index;
  if (last.value > fed_hash_.size()) {
    broken("I10: " + text(id) + " has a snapshot of what nobody has applied, up to " + text(last));
  }
  const auto [known, is_new] = snapshots_.try_emplace(last, checksum);
  if (known->second != checksum) {
    broken("I14: the snapshot of " + text(id) + " up to " + text(last) + " has other bytes than another's");
  }
  const auto after = committed_memberships_.upper_bound(last);
  if (after == committed_memberships_.begin()) return;
  const auto& [index, membership] = *std::prev(after);
  if (snapshot.membership_index != index || snapshot.membership != membership) {
    broken("I18: the snapshot of " + text(id) + " up to " + text(last) + " has the membership at " +
           text(snapshot.membership_index) + ", and the one that was committed is at " + text(index));
  }
}

void Ghost::on_acknowledged(std::uint64_t index, std::uint32_t command_checksum) {
  if (index == 0 || index > committed_.size()) {
    broken("I28: a client was told that its command is at " + std::to_string(index) + ", which is not committed");
  } else if (committed_[index - 1].checksum != command_checksum) {
    broken("I28: a client was told that its command is at " + std::to_string(index) + ", and another one is there");
  }
}

std::uint64_t Ghost::applied_hash(NodeId member) const {
  const auto found = members_.find(member);
  return found == members_.end() ? 0 : found->second.fed_hash;
}

}  // namespace zraft::sim
