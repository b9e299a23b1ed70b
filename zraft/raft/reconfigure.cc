// SPDX-License-Identifier: Apache-2.0
//
// Members that come and go, and leaders that make room: thesis 3.10 (transfer), 4.1 to 4.3 (membership), 4.2.1
// (catching up), 4.2.2 (removing the leader). A membership is in force from the moment it is in the log, and one change
// is under way at a time, committed or rolled back before the next. A change of voters goes through a joint membership,
// which whoever leads leaves as soon as it is committed, so that none stays half way (P49).
#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/raft/core.h"
#include "zraft/raft/quorum.h"

namespace zraft::raft {

std::vector<Member> Core::reachable() const {
  std::vector<Member> out = membership().members;
  const auto& all = log_.memberships();
  if (all.size() < 2) return out;
  for (const Member& member : all[all.size() - 2].membership.members) {
    if (membership().find(member.id) == nullptr) out.push_back(member);
  }
  return out;
}

// --- a change ---

// Thesis 4.1 and its erratum of 2015: no change before an entry of the own term is committed (P44), nor while another
// one is not (P45).
std::optional<Code> Core::reason_to_refuse(const Leader& role, const Reconfigure& input) const {
  if (role.handover || commit_ < role.term_start) return Code::not_stable;
  if (membership().is_joint() || commit_ < log_.membership_index()) return Code::process_prev_change;
  if (input.expected < log_.membership_index()) return Code::newer_exists;
  if (input.expected != log_.membership_index()) return Code::peers_changed;
  if (input.wanted.is_joint() || !input.wanted.valid() || names_removed(input.wanted)) return Code::bad_request;
  if (!would_be_heard(role, input.wanted)) return Code::not_stable;
  return std::nullopt;
}

// An id is never used twice: whoever was removed was told so, stopped, and would be waited for in vain.
bool Core::names_removed(const Membership& wanted) const {
  return std::ranges::any_of(wanted.members, [&](const Member& member) {
    if (membership().find(member.id) != nullptr) return false;
    if (std::ranges::find(membership().removed, member.id) != membership().removed.end()) return true;
    return std::ranges::any_of(log_.memberships(), [&](const LogWindow::Placed& earlier) {
      return earlier.index != Index{} && earlier.membership.find(member.id) != nullptr;
    });
  });
}

// A change that leaves too few voters that answer could never be committed, nor taken back. Of those that are not
// members yet nothing is known.
bool Core::would_be_heard(const Leader& role, const Membership& wanted) const {
  return is_quorum(wanted, [&](NodeId id) {
    const Progress* progress = id == config_.self ? nullptr : role.progresses.find(id);
    return progress == nullptr || now_ - progress->heard() < config_.election_timeout;
  });
}

void Core::on(const Reconfigure& input) {
  auto* role = std::get_if<Leader>(&role_);
  if (role == nullptr) {
    out_.answers.emplace_back(Refused{input.id, Code::not_leader, leader()});
    return;
  }
  if (const auto why = reason_to_refuse(*role, input)) {
    out_.answers.emplace_back(Refused{input.id, *why, leader()});
    return;
  }
  // Who is gone is not the caller's to say.
  Membership wanted = input.wanted;
  wanted.removed = membership().removed;
  if (wanted == membership()) {
    out_.answers.emplace_back(Completed{input.id});
    return;
  }
  role->change = input.id;
  adopt(*role, first_step(membership(), std::move(wanted)));
}

// Thesis 4.1: in force at once, whether it is committed or not (P48).
void Core::adopt(Leader& role, const Membership& membership) {
  CHECK(membership.valid().has_value(), "a membership that breaks its laws");
  Bytes payload;
  encode(membership, payload);
  append_own(EntryType::membership, payload);
  out_.membership_changed = true;
  tell(Event::Kind::adopts_membership, {}, log_.last());
  role.progresses.follow(membership, config_.self, log_.last().index, now_);
  std::erase_if(role.catching_up, [&](const CatchUp& one) { return membership.find(one.learner) == nullptr; });
}

// Called whenever something may have been committed.
void Core::drive_membership(Leader& role) {
  const bool is_settled = role.term_start <= commit_ && log_.membership_index() <= commit_;
  if (!is_settled) return;
  // Thesis 4.3: the joint one is committed, so both majorities know of it. P49: whoever leads goes on.
  if (membership().is_joint()) return adopt(role, last_step(membership()));
  if (role.settled_membership != log_.membership_index()) settle_membership(role);
  if (membership().is_voter(config_.self)) promote(role);
}

void Core::settle_membership(Leader& role) {
  role.settled_membership = log_.membership_index();
  if (role.change) out_.answers.emplace_back(Completed{*std::exchange(role.change, std::nullopt)});
  for (const Member& member : reachable()) tell_removed(member.id, {});
  if (membership().is_voter(config_.self)) return;
  // Thesis 4.2.2: it led until it was committed that it does not, and was not counted. The others learn of the commit
  // before it goes (P51).
  heartbeat(role);
  if (const auto successor = best_successor(role)) send(*successor, TimeoutNow{});
  change_ = BecomeFollower{std::nullopt, "it votes no more"};
  if (membership().find(config_.self) == nullptr) be_removed({});
}

// --- learners that are to vote ---

// Thesis 4.2.1: rounds of replication; the last one must not take longer than an election may.
bool Core::has_caught_up(Leader& role, NodeId learner) {
  const Progress* progress = role.progresses.find(learner);
  if (progress == nullptr || progress->match() == Index{}) return false;
  const auto known = std::ranges::find(role.catching_up, learner, &CatchUp::learner);
  if (known == role.catching_up.end()) {
    role.catching_up.push_back({.learner = learner, .target = log_.last().index, .began = now_});
    return progress->match() == log_.last().index;
  }
  if (progress->match() < known->target) return false;
  if (now_ - known->began < config_.election_timeout) return true;
  known->target = log_.last().index;
  known->began = now_;
  return false;
}

void Core::promote(Leader& role) {
  if (role.handover || membership().promoting.empty()) return;
  Membership wanted = membership();
  for (const NodeId learner : membership().promoting) {
    if (!has_caught_up(role, learner)) continue;
    std::erase(wanted.promoting, learner);
    wanted.voters.insert(std::ranges::lower_bound(wanted.voters, learner), learner);
  }
  if (wanted.voters != membership().voters) adopt(role, first_step(membership(), std::move(wanted)));
}

// --- removal ---

// To whom the newest committed membership does not name. `its_membership`: where the one stands by which it is one.
bool Core::tell_removed(NodeId who, Index its_membership) {
  const auto* role = std::get_if<Leader>(&role_);
  // Before the own term's first commit, this leader does not know what is committed.
  if (role == nullptr || commit_ < role->term_start) return false;
  const LogWindow::Placed& committed = log_.membership_at(commit_);
  if (committed.membership.find(who) != nullptr || membership().find(who) != nullptr) return false;
  if (committed.index < its_membership) return false;
  send(who, Removed{committed.index});
  return true;
}

void Core::be_removed(NodeId told_by) {
  if (is_removed_) return;
  is_removed_ = true;
  tell(Event::Kind::is_removed, told_by);
}

void Core::on(Follower&, const Message& message, const Removed&) { be_removed(message.from); }
void Core::on(Candidate&, const Message& message, const Removed&) {
  be_removed(message.from);
  change_ = BecomeFollower{std::nullopt, "it is removed"};
}
// A leader of this term knows better than a leader of an earlier one, and there is no other of this term.
void Core::on(Leader&, const Message&, const Removed&) {}

// --- handing over ---

// Whoever votes, answers, and has most of the log; of several, the one that is preferred to lead.
std::optional<NodeId> Core::best_successor(const Leader& role) const {
  const Progress* best = nullptr;
  const auto rank = [&](const Progress& one) {
    return std::pair(membership().find(one.id())->priority, one.match());
  };
  for (const Progress& progress : role.progresses) {
    if (!std::ranges::binary_search(membership().voters, progress.id())) continue;
    if (now_ - progress.heard() >= config_.election_timeout || progress.match() == Index{}) continue;
    if (rank(progress).first == 0) continue;
    if (best == nullptr || rank(*best) < rank(progress)) best = &progress;
  }
  return best == nullptr ? std::nullopt : std::optional(best->id());
}

void Core::on(const Transfer& input) {
  auto* role = std::get_if<Leader>(&role_);
  const auto refuse = [&](Code code) { out_.answers.emplace_back(Refused{input.id, code, leader()}); };
  if (role == nullptr) return refuse(Code::not_leader);
  if (role->handover) return refuse(Code::busy);
  const auto target = input.target ? input.target : best_successor(*role);
  // P70: to none that cannot lead.
  const bool can_lead = target && *target != config_.self && std::ranges::binary_search(membership().voters, *target);
  if (!can_lead) return refuse(input.target ? Code::bad_request : Code::timeout);
  hand_over_to(*role, *target, input.id);
}

void Core::hand_over_to(Leader& role, NodeId target, std::optional<RequestId> id) {
  role.handover = Handover{.target = target, .end = now_ + config_.election_timeout, .id = id};
  tell(Event::Kind::hands_over, target);
  drive_handover(role);
}

// Thesis 3.10: first the target gets everything, then it is told to stand, without waiting for its timer. The telling
// may be lost, so it is repeated.
void Core::drive_handover(Leader& role) {
  if (!role.handover) return;
  Handover& handover = *role.handover;
  const Progress* target = role.progresses.find(handover.target);
  const bool is_possible = target != nullptr && std::ranges::binary_search(membership().voters, handover.target);
  if (!is_possible || handover.end <= now_) {
    tell(Event::Kind::keeps_leading, handover.target);
    if (handover.id) out_.answers.emplace_back(Refused{*handover.id, Code::timeout, config_.self});
    role.handover.reset();
    role.handover_pause = now_ + config_.election_timeout * 10;
    return;
  }
  if (target->match() < log_.last().index) return;
  handover.is_told = true;
  role.lease_is_void = true;
  send(handover.target, TimeoutNow{});
}

// Priorities: a leader makes room for one that is preferred, if that one is as far as itself.
void Core::prefer_by_priority(Leader& role) {
  if (role.handover || now_ < role.handover_pause || !membership().is_voter(config_.self)) return;
  if (commit_ < log_.membership_index() || membership().is_joint()) return;
  const auto best = best_successor(role);
  if (!best || membership().find(*best)->priority <= membership().find(config_.self)->priority) return;
  const Progress* progress = role.progresses.find(*best);
  if (progress->state() == Progress::State::replicate && commit_ <= progress->match()) hand_over_to(role, *best, {});
}

// What others wait for, when the office is lost.
void Core::leave_office(Leader& role) {
  if (role.change) out_.answers.emplace_back(Refused{*role.change, Code::leader_changed, std::nullopt});
  if (!role.handover || !role.handover->id) return;
  if (role.handover->is_told) {
    out_.answers.emplace_back(Completed{*role.handover->id});
  } else {
    out_.answers.emplace_back(Refused{*role.handover->id, Code::leader_changed, std::nullopt});
  }
}

// P72: of this term, `admit` has seen to that, and of the leader that is followed. Pre-vote would be refused, because
// the others still hear the leader (P73).
void Core::on(Follower& role, const Message& message, const TimeoutNow&) {
  const bool may_stand = !is_removed_ && membership().is_voter(config_.self) && disk_answers();
  if (role.leader != message.from || !may_stand) return;
  change_ = BecomeCandidate{.phase = Candidate::Phase::vote, .is_transfer = true};
}
// It stands already, or leads.
void Core::on(Candidate&, const Message&, const TimeoutNow&) {}
void Core::on(Leader&, const Message&, const TimeoutNow&) {}

}  // namespace zraft::raft
