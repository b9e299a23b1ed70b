// SPDX-License-Identifier: Apache-2.0
//
// Groups to which nothing happens, and which cost nothing then. A leader whose members all hold everything and know it
// says so in its heartbeats, and ends them when every member that is there has agreed. From then on neither side has a
// deadline: that the other one's process lives is watched once for all groups of two hosts, by whoever drives this core
// (input.h, Wake). Anything that happens ends it at once.
//
// Why it is safe: votes and commits follow the same rules as ever, so at worst somebody stands for election for nothing
// or a little late. A lease is made of answered heartbeats, so there is none while there are no heartbeats. A member
// that was left alone by mistake (a word was lost, a peer was destroyed while its process lives on) wakes when somebody
// asks it, and asks its leader, or stands after an election timeout.
//
// The road not taken: heartbeats of all groups between two hosts in one message. They still cost each group a little at
// every interval, at both sides; ten thousand idle groups cost a core.
#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/raft/core.h"
#include "zraft/raft/quorum.h"

namespace zraft::raft {

// Time, and what the caller owes to what came before, disturb nobody.
bool Core::disturbs(const Input& input) const {
  const auto* receive = std::get_if<Receive>(&input);
  if (receive == nullptr) {
    return !std::holds_alternative<Tick>(input) && !std::holds_alternative<Written>(input) &&
           !std::holds_alternative<Applied>(input) && !std::holds_alternative<SnapshotSaved>(input) &&
           !std::holds_alternative<FreeLog>(input) && !std::holds_alternative<Heard>(input);
  }
  const auto* reply = std::get_if<HeartbeatReply>(&receive->message.body);
  if (reply == nullptr) return true;
  // Of the members of an awake leader it is the everyday; a late one that agrees is no reason to wake.
  return is_quiesced_ && !reply->quiesces;
}

void Core::wake(const Input& input) {
  is_quiesced_ = false;
  tell(Event::Kind::wakes);
  if (auto* role = std::get_if<Leader>(&role_)) {
    role->heartbeat_due = now_;
    return;
  }
  arm_election();
  // Others wait for a leader from now on; whoever knows that its leader's process is lost has waited already, but for
  // the part that is chance.
  if (std::holds_alternative<Wake>(input)) {
    const Duration waited = std::min(now_ - leader_heard_, config_.election_timeout);
    election_due_ = election_due_ - waited;
  }
  const auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || !follower->leader) return;
  const auto* receive = std::get_if<Receive>(&input);
  if (receive != nullptr && receive->message.from == *follower->leader) return;
  // Whoever wakes by himself wakes his leader, who would not know.
  send(*follower->leader, HeartbeatReply{});
}

void Core::on(const Wake&) {}

void Core::on(const Heard& input) {
  for (const auto& [member, when] : input.members) {
    CHECK(when <= now_, "it is not heard in the future");
    if (auto* role = std::get_if<Leader>(&role_)) {
      Progress* progress = role->progresses.find(member);
      if (progress != nullptr && progress->heard() < when) progress->on_heard(when);
    } else if (leader() == member) {
      leader_heard_ = std::max(leader_heard_, when);
    }
  }
}

// --- the leader ---

bool Core::is_away(const Progress& progress) const { return config_.election_timeout <= now_ - progress.heard(); }

bool Core::may_quiesce(const Leader& role) const {
  if (config_.quiesce_after <= Duration{} || now_ - role.disturbed < config_.quiesce_after) return false;
  const Index last = log_.last().index;
  if (commit_ != last || applied_ != last || promises_.durable() != last) return false;
  const bool is_settled = !membership().is_joint() && membership().promoting.empty() &&
                          membership().is_voter(config_.self) && !role.change && !role.handover;
  if (!is_settled || role.reads.size() > 0) return false;
  const auto best = best_successor(role);
  if (best && membership().find(config_.self)->priority < membership().find(*best)->priority) return false;
  return std::ranges::all_of(role.progresses, [&](const Progress& progress) {
    return is_away(progress) || (progress.state() == Progress::State::replicate && progress.match() == last);
  });
}

void Core::try_to_quiesce(Leader& role) {
  if (!may_quiesce(role)) return;
  const auto agrees = [&role](NodeId id) { return std::ranges::find(role.agreed, id) != role.agreed.end(); };
  // Whoever is away is not waited for: the caller wakes this group when his process comes back.
  const bool is_waited_for = std::ranges::any_of(role.progresses, [&](const Progress& progress) {
    return !is_away(progress) && !agrees(progress.id());
  });
  if (is_waited_for || !is_quorum(membership(), [&](NodeId id) { return id == config_.self || agrees(id); })) return;
  quiesce();
}

void Core::quiesce() {
  is_quiesced_ = true;
  tell(Event::Kind::quiesces);
}

// An answer to a heartbeat from before the last disturbance says nothing of now.
void Core::take_agreement(Leader& role, NodeId member, Instant sent) {
  if (sent < role.disturbed) return;
  if (std::ranges::find(role.agreed, member) == role.agreed.end()) role.agreed.push_back(member);
  try_to_quiesce(role);
}

// --- the follower ---

bool Core::agrees_to_quiesce(const Follower& role, const Heartbeat& body) const {
  const Index last = log_.last().index;
  return body.may_quiesce && !is_removed_ && body.commit == last && commit_ == last && promises_.durable() == last &&
         role.reads.empty() && role.asked.empty();
}

}  // namespace zraft::raft
