// SPDX-License-Identifier: Apache-2.0
//
// Elections: thesis 3.4 and 3.6.1, with pre-vote (9.6) and protection of a live leader (4.2.3, 6.2). Every message of
// every kind passes one prologue, `admit`, which alone compares terms (P21).
#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/raft/core.h"
#include "zraft/raft/quorum.h"

namespace zraft::raft {

// --- timers ---

// Thesis 3.4: drawn anew each time, so that split votes are rare and soon over. Armed only when a vote is granted, a
// leader of this term is heard, or an own election begins (P20).
void Core::arm_election() {
  const auto spread = static_cast<std::uint64_t>(config_.election_timeout.ns);
  election_due_ = now_ + config_.election_timeout + Duration{static_cast<std::int64_t>(random_.below(spread))};
}

// Thesis 4.2.2: whom the newest membership leaves out stands by the joint one before it, until it knows that the newest
// is committed. Nobody else may hold the newest one, and by the joint one the others may need a vote that the longer
// log refuses them: then nobody else could ever lead.
bool Core::can_campaign() const {
  if (is_removed_ || !disk_answers()) return false;
  const Membership* by = &membership();
  if (!by->is_voter(config_.self) && commit_ < log_.membership_index()) {
    const Membership& before = log_.membership_at(log_.membership_index() - 1).membership;
    if (before.is_joint()) by = &before;
  }
  return by->is_voter(config_.self) && by->find(config_.self)->priority > 0;
}

// P19: whose disk hangs can promise nothing.
bool Core::disk_answers() const {
  const auto waiting = promises_.waiting_since();
  return !waiting || now_ - *waiting < config_.election_timeout;
}

void Core::on(Follower&, const Tick&) {
  if (can_campaign()) {
    change_ = BecomeCandidate{Candidate::Phase::pre_vote};
  } else {
    arm_election();
  }
}

void Core::on(Candidate&, const Tick&) {
  if (can_campaign()) {
    change_ = BecomeCandidate{Candidate::Phase::pre_vote};
  } else {
    change_ = BecomeFollower{std::nullopt, "it cannot stand for election"};
    arm_election();
  }
}

// --- terms: the prologue of every message ---

void Core::rise_to(Term term, NodeId told_by, std::optional<NodeId> leader) {
  CHECK(hard_.term < term, "a term only rises (P04, P08)");
  promises_.forget();
  hard_ = {.term = term, .vote = std::nullopt};
  save_hard_state();
  tell(Event::Kind::term_rises, told_by);
  become(BecomeFollower{leader, "a later term is there"});
}

bool Core::admit(const Message& message) {
  if (message.to != config_.self || message.from == config_.self) return false;
  // A pre-vote asks about a term that has not begun: it moves nobody's term (thesis 9.6; P15).
  if (std::holds_alternative<RequestPreVote>(message.body)) return true;
  if (hard_.term < message.term) {
    const auto* request = std::get_if<RequestVote>(&message.body);
    if (request != nullptr && !request->transfer && is_protecting_leader()) {
      // Thesis 4.2.3: while a leader is heard, a request for votes does not even move the term.
      tell(Event::Kind::refuses_vote, message.from, request->last, "a leader is heard");
      return false;
    }
    rise_to(message.term, message.from, is_of_leader(message) ? std::optional(message.from) : std::nullopt);
    return true;
  }
  if (message.term < hard_.term) {
    // P12: who is behind is told so, else it may wait for ever.
    if (is_of_leader(message)) send(message.from, StaleTerm{});
    if (std::holds_alternative<RequestVote>(message.body)) send(message.from, Vote{.granted = false});
    // Whoever is behind may grant a pre-vote too; the term that it is about is in the answer. Were it ignored, a
    // majority that counts on one that is behind and does not stand itself would never elect.
    return std::holds_alternative<PreVote>(message.body);
  }
  return true;
}

// --- granting ---

// Sound only because a leader that hears no majority steps down by itself (P16).
// A promise to the leader that was heard: it outlives this member's restarts and changes of term (thesis 6.4.1).
bool Core::is_protecting_leader() const {
  return is_leader() || now_ - leader_heard_ < config_.election_timeout;
}

// The checks that a vote and a pre-vote share (P11). Null: nothing speaks against it.
const char* Core::reason_to_refuse(const Message& message, Position last) const {
  const auto* request = std::get_if<RequestVote>(&message.body);
  if ((request == nullptr || !request->transfer) && is_protecting_leader()) return "a leader is heard";
  // Thesis 3.6.1: the log of the candidate must be at least as up to date.
  if (last < log_.last()) return "its log ends before mine";
  return nullptr;
}

void Core::answer_pre_vote(const Message& message, const RequestPreVote& body) {
  const char* why = reason_to_refuse(message, body.last);
  if (why == nullptr && body.proposed <= hard_.term) why = "its term is over";
  tell(why == nullptr ? Event::Kind::grants_pre_vote : Event::Kind::refuses_pre_vote, message.from, body.last,
       why == nullptr ? "" : why);
  send(message.from, PreVote{.proposed = body.proposed, .granted = why == nullptr});
}

// Thesis 3.4: one vote a term, first come first served; the same candidate may be told twice (P07).
void Core::answer_vote(const Message& message, const RequestVote& body) {
  const char* why = reason_to_refuse(message, body.last);
  if (why == nullptr && hard_.vote && *hard_.vote != message.from) why = "my vote is given";
  if (why == nullptr && leader()) why = "a leader is known";
  if (why != nullptr) {
    tell(Event::Kind::refuses_vote, message.from, body.last, why);
    send(message.from, Vote{.granted = false});
    return;
  }
  if (!hard_.vote) {
    hard_.vote = message.from;
    save_hard_state();
  }
  arm_election();
  tell(Event::Kind::grants_vote, message.from, body.last);
  send(message.from, Vote{.granted = true});
}

void Core::on(Follower&, const Message& message, const RequestPreVote& body) { answer_pre_vote(message, body); }
void Core::on(Candidate&, const Message& message, const RequestPreVote& body) { answer_pre_vote(message, body); }
void Core::on(Leader&, const Message& message, const RequestPreVote& body) {
  if (tell_removed(message.from, body.membership)) return;
  answer_pre_vote(message, body);
  // P12: one that cannot hear this leader, or is of a later term, learns of it, or this leader of that term.
  if (body.proposed <= hard_.term) return;
  if (const Progress* progress = std::get<Leader>(role_).progresses.find(message.from)) {
    send(message.from, Heartbeat{.commit = std::min(progress->match(), commit_), .round = {}, .sent = {}});
  }
}

void Core::on(Follower&, const Message& message, const RequestVote& body) { answer_vote(message, body); }
void Core::on(Leader&, const Message& message, const RequestVote& body) { answer_vote(message, body); }
void Core::on(Candidate& role, const Message& message, const RequestVote& body) {
  // A pre-candidate has not voted in this term by standing; a candidate has, for itself.
  const bool had_voted = hard_.vote.has_value();
  answer_vote(message, body);
  if (role.phase == Candidate::Phase::pre_vote && !had_voted && hard_.vote) {
    change_ = BecomeFollower{std::nullopt, "it voted for another"};
  }
}

// --- standing ---

void Core::become(BecomeCandidate wanted) {
  const bool is_pre_vote = wanted.phase == Candidate::Phase::pre_vote;
  if (auto* follower = std::get_if<Follower>(&role_)) refuse_reads(*follower);
  role_ = Candidate{.phase = wanted.phase, .granted = {}, .refused = {}};
  arm_election();
  if (is_pre_vote) {
    tell(Event::Kind::asks_for_pre_votes, {}, log_.last());
  } else {
    promises_.forget();
    hard_ = {.term = next(hard_.term), .vote = config_.self};
    save_hard_state();
    tell(Event::Kind::asks_for_votes, {}, log_.last());
  }
  for (const Member& member : membership().members) {
    if (member.id == config_.self || !membership().is_voter(member.id)) continue;
    if (is_pre_vote) {
      send(member.id,
           RequestPreVote{.proposed = next(hard_.term), .last = log_.last(), .membership = log_.membership_index()});
    } else {
      send(member.id, RequestVote{.last = log_.last(), .transfer = wanted.is_transfer});
    }
  }
  // The own vote is a promise like any other: it counts when it is durable. A pre-vote promises nothing.
  if (is_pre_vote || !promises_.must_wait(Promises::Needs::term)) {
    count_vote(std::get<Candidate>(role_), config_.self, true);
  } else {
    promises_.keep(OwnVote{hard_.term}, Promises::Needs::term);
  }
}

void Core::count_vote(Candidate& role, NodeId voter, bool granted) {
  auto& list = granted ? role.granted : role.refused;
  auto& other = granted ? role.refused : role.granted;
  if (std::ranges::find(list, voter) != list.end() || std::ranges::find(other, voter) != other.end()) return;
  list.push_back(voter);
  const auto has = [](const std::vector<NodeId>& ids) {
    return [&ids](NodeId id) { return std::ranges::find(ids, id) != ids.end(); };
  };
  if (is_quorum(membership(), has(role.granted))) {
    if (role.phase == Candidate::Phase::pre_vote) {
      change_ = BecomeCandidate{Candidate::Phase::vote};
    } else {
      change_ = BecomeLeader{};
    }
    return;
  }
  // Lost for certain: no quorum is left that did not refuse. Wait for the timer, as a follower.
  const bool can_win = is_quorum(membership(), [&](NodeId id) { return !has(role.refused)(id); });
  if (!can_win) change_ = BecomeFollower{std::nullopt, "too many refused"};
}

// P06: an answer counts only for the phase and the term it was given for; of a vote, `admit` has compared the term.
void Core::on(Candidate& role, const Message& message, const PreVote& body) {
  if (role.phase != Candidate::Phase::pre_vote || body.proposed != next(hard_.term)) return;
  count_vote(role, message.from, body.granted);
}
void Core::on(Candidate& role, const Message& message, const Vote& body) {
  if (role.phase != Candidate::Phase::vote) return;
  count_vote(role, message.from, body.granted);
}
// Late answers to an election that is over.
void Core::on(Follower&, const Message&, const PreVote&) {}
void Core::on(Follower&, const Message&, const Vote&) {}
void Core::on(Leader&, const Message&, const PreVote&) {}
void Core::on(Leader&, const Message&, const Vote&) {}

}  // namespace zraft::raft
