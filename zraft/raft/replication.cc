// SPDX-License-Identifier: Apache-2.0
//
// The leader's side and the follower's side of the log: thesis 3.5 (replication), 3.6.2 (commit), 6.4 (reads),
// 10.2.1 (the leader writes its disk while the followers write theirs).
#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/raft/core.h"
#include "zraft/raft/quorum.h"

namespace zraft::raft {

// --- the leader ---

void Core::become(BecomeLeader) {
  const Index last = log_.last().index;
  role_ = Leader{.term_start = next(last),
                 .progresses = {},
                 .reads = {},
                 .heartbeat_due = now_ + config_.heartbeat_interval,
                 .heartbeat_wanted = false,
                 .began = now_,
                 .time_at_begin = log_.last_time(),
                 .settled_membership = {},
                 .change = std::nullopt,
                 .handover = std::nullopt,
                 .catching_up = {},
                 .handover_pause = now_ + config_.election_timeout * 4,
                 .disturbed = now_,
                 .agreed = {},
                 .lease_is_void = false};
  Leader& role = std::get<Leader>(role_);
  role.progresses.follow(membership(), config_.self, last, now_);
  tell(Event::Kind::leads, {}, log_.last());
  // Thesis 6.4: an entry of the own term, or nothing of earlier terms could ever be known to be committed (P34).
  append_own(EntryType::noop, {});
}

// Cluster time goes on from the last entry's, by the monotonic clock of whoever leads: it never goes back (W-23).
ClusterTime Core::cluster_time(const Leader& role, Instant now) const {
  return std::max(log_.last_time(), ClusterTime{role.time_at_begin.ns + (now - role.began).ns});
}

std::optional<ClusterTime> Core::cluster_time(Instant now) const {
  const auto* role = std::get_if<Leader>(&role_);
  return role == nullptr ? std::nullopt : std::optional(cluster_time(*role, now));
}

void Core::append_own(EntryType type, BytesView payload) {
  const Position position{hard_.term, next(log_.last().index)};
  Record record = Record::make(config_.group, position, type, cluster_time(std::get<Leader>(role_), now_), payload);
  log_.append(record);
  write().entries.push_back(std::move(record));
  promises_.wrote_to(position.index);
}

bool Core::has_quorum_contact(const Leader& role) const {
  const Instant heard = quorum_value(membership(), [&](NodeId id) {
    if (id == config_.self) return now_;
    const Progress* progress = role.progresses.find(id);
    return progress == nullptr ? Instant{} : progress->heard();
  });
  return now_ - heard < config_.election_timeout;
}

void Core::on(Leader& role, const Tick&) {
  // Thesis 6.2: a leader that hears no majority stops being one, and with it all it would send (P16, W-35).
  if (!has_quorum_contact(role)) {
    change_ = BecomeFollower{std::nullopt, "it hears no majority"};
    return;
  }
  // P19: whose disk does not answer must not keep the others from electing. It is given twice as long as a member that
  // does not answer: the others commit without it meanwhile, an election needs disks too, and what held up this loop
  // alone for an election timeout is not taken for it.
  const auto waiting = promises_.waiting_since();
  if (waiting && now_ - *waiting >= config_.election_timeout * 2) {
    change_ = BecomeFollower{std::nullopt, "its disk does not answer"};
    return;
  }
  if (role.heartbeat_due <= now_) {
    role.heartbeat_due = now_ + config_.heartbeat_interval;
    role.heartbeat_wanted = true;
  }
  drive_membership(role);
  drive_handover(role);
  prefer_by_priority(role);
  try_to_quiesce(role);
}

// Regularly and for a round of reads. The rounds do not move the regular one: the checks of on(Tick) come with it.
void Core::heartbeat(Leader& role) {
  role.heartbeat_wanted = false;
  const bool may_be_last = may_quiesce(role);
  for (Progress& progress : role.progresses) {
    if (progress.state() == Progress::State::snapshot) repeat_offer(progress);
    // Never more than this member is known to hold (P26).
    send(progress.id(),
         Heartbeat{.commit = std::min(progress.match(), commit_), .round = role.reads.newest(),
                   .sent = now_,
                   .may_quiesce = may_be_last});
  }
}

void Core::replicate(Leader& role) {
  const Index last = log_.last().index;
  for (Progress& progress : role.progresses) {
    if (progress.state() == Progress::State::snapshot) continue;
    if (progress.next() <= log_.base().last.index) {
      offer_snapshot(progress);
      continue;
    }
    if (progress.state() == Progress::State::probe) {
      if (progress.match() < last && progress.can_send(config_.replication)) send_entries(progress);
      continue;
    }
    while (progress.next() <= last && progress.can_send(config_.replication)) send_entries(progress);
  }
}

void Core::send_entries(Progress& progress) {
  const Index previous = progress.next() - 1;
  Append append{.previous = {*log_.term_at(previous), previous}, .commit = commit_, .entries = {}};
  std::size_t bytes = 0;
  Index index = progress.next();
  for (; index <= log_.last().index; index = next(index)) {
    const Record& record = log_.at(index);
    if (bytes > 0 && bytes + record.size() > config_.replication.append_bytes_max) break;
    bytes += record.size();
    append.entries.push_back(record);
  }
  progress.on_sent(index - 1, bytes);
  send(progress.id(), std::move(append));
}

void Core::advance_commit(Leader& role) {
  const Index agreed = quorum_value(membership(), [&](NodeId id) {
    // Its own copy counts like any other: when it is durable (P34).
    if (id == config_.self) return promises_.durable();
    const Progress* progress = role.progresses.find(id);
    return progress == nullptr ? Index{} : progress->match();
  });
  // Thesis 3.6.2: only entries of the own term are committed by counting; the earlier ones with them (P23, P24).
  if (role.term_start <= agreed) commit_to(agreed);
}

void Core::on(Leader& role, const Message& message, const Appended& body) {
  Progress* progress = role.progresses.find(message.from);
  // A match past the end of the log was never sent by this leader: it proves nothing.
  if (progress == nullptr || log_.last().index < body.match) return;
  progress->on_heard(now_);
  bool was_behind = progress->state() == Progress::State::probe;
  const bool rose = progress->on_appended(body.match);
  const Index match = progress->match();
  if (progress->state() == Progress::State::snapshot && log_.base().last.index <= match) {
    progress->end_snapshot();
    was_behind = true;
  }
  const bool is_near = log_.bytes_after(match) <= config_.log_bytes_retained;
  if (is_near && progress->state() == Progress::State::replicate) progress->end_catching_up();
  if (rose) {
    // From here on `progress` may be gone: a membership that is adopted has progresses of its own.
    advance_commit(role);
    drive_membership(role);
    drive_handover(role);
  }
  if (was_behind) tell(Event::Kind::replicates, message.from, {log_.term_at(match).value_or(Term{}), match});
}

void Core::on(Leader& role, const Message& message, const AppendRejected& body) {
  Progress* progress = role.progresses.find(message.from);
  if (progress == nullptr) return;
  progress->on_heard(now_);
  // Thesis 3.5: skip all of a term at a time, at both sides.
  const Position agreed = log_.last_with_term_at_most(body.hint.term, body.hint.index);
  if (progress->on_rejected(body.rejected, agreed.index)) tell(Event::Kind::probes, message.from, agreed);
}

void Core::on(Leader& role, const Message& message, const HeartbeatReply& body) {
  Progress* progress = role.progresses.find(message.from);
  // A round that has not begun was never asked for by this leader: it proves nothing.
  if (progress == nullptr || role.reads.newest() < body.round) return;
  progress->on_heard(now_);
  progress->on_round(body.round, std::min(body.sent, now_));
  if (body.quiesces) return take_agreement(role, message.from, body.sent);
  // P32: it lives, yet has not acknowledged everything. If something was lost, this message finds out; if it is only
  // slow, it does no harm. It has no entries, so that a member whose disk hangs gets no more than its window (W-48).
  if (progress->match() < log_.last().index && log_.base().last.index < progress->next()) {
    const Index previous = progress->next() - 1;
    send(message.from, Append{.previous = {*log_.term_at(previous), previous}, .commit = commit_, .entries = {}});
  }
}

// P10: thesis 3.2, Election Safety. There is no going on from here.
void Core::on(Leader&, const Message&, const Append&) { UNREACHABLE("two leaders in one term"); }
void Core::on(Leader&, const Message&, const Heartbeat&) { UNREACHABLE("two leaders in one term"); }
void Core::on(Leader&, const Message&, const StaleTerm&) {}

// --- the follower ---

void Core::hear_leader(Follower& role, NodeId leader) {
  CHECK(!role.leader || *role.leader == leader, "two leaders in one term");
  if (!role.leader) {
    role.leader = leader;
    tell(Event::Kind::follows, leader);
  }
  leader_heard_ = now_;
  arm_election();
}

// P31: whatever the bytes say, only a run without gaps, of this group, with terms that do not fall, gets further.
bool Core::is_well_formed(const Message& message, const Append& body) const {
  Position before = body.previous;
  for (const Record& record : body.entries) {
    if (record.index() != next(before.index)) return false;
    if (record.term() < before.term || message.term < record.term()) return false;
    if (record.group() != config_.group) return false;
    if (record.type() == EntryType::membership && !decode_membership(record.payload())) return false;
    before = record.position();
  }
  return true;
}

// Thesis 3.5: keep what agrees, cut only at the first entry that conflicts (P25), add what is new.
void Core::take_entries(const Append& body) {
  for (const Record& record : body.entries) {
    const auto term = log_.term_at(record.index());
    if (term && *term == record.term()) continue;
    if (term) {
      CHECK(commit_ < record.index(), "a committed entry conflicts with the leader's");
      const Index membership_before = log_.membership_index();
      tell(Event::Kind::truncates, {}, {*term, record.index()});
      log_.truncate_from(record.index());
      promises_.truncated_from(record.index());
      Write& wanted = write();
      while (!wanted.entries.empty() && record.index() <= wanted.entries.back().index()) wanted.entries.pop_back();
      if (wanted.entries.empty()) {
        wanted.truncate_from = std::min(wanted.truncate_from.value_or(record.index()), record.index());
      }
      if (log_.membership_index() != membership_before) {
        out_.membership_changed = true;
        tell(Event::Kind::rolls_back_membership, {}, {{}, log_.membership_index()});
      }
    }
    log_.append(record);
    write().entries.push_back(record);
    promises_.wrote_to(record.index());
    if (record.type() == EntryType::membership) {
      out_.membership_changed = true;
      tell(Event::Kind::adopts_membership, {}, record.position());
    }
  }
}

void Core::on(Follower& role, const Message& message, const Append& body) {
  if (!is_well_formed(message, body)) return;
  hear_leader(role, message.from);
  if (body.previous.index < commit_) {
    // Everything committed agrees with every leader; the message is old, or the leader does not know it yet.
    send(message.from, Appended{commit_}, Promises::Needs::everything);
    return;
  }
  if (log_.term_at(body.previous.index) != body.previous.term) {
    const Index bound = std::min(body.previous.index, log_.last().index);
    const Position hint = log_.last_with_term_at_most(body.previous.term, bound);
    send(message.from, AppendRejected{.rejected = body.previous.index, .hint = hint});
    return;
  }
  take_entries(body);
  // What this message proved, not what else may be in the log (P26, P27).
  const Index match = body.previous.index + body.entries.size();
  commit_to(std::min(body.commit, match));
  send(message.from, Appended{match}, Promises::Needs::everything);
}

void Core::on(Follower& role, const Message& message, const Heartbeat& body) {
  hear_leader(role, message.from);
  // The leader names no more than this log has acknowledged; if the log is shorter, it has lost something, and must
  // not pretend.
  if (body.commit <= log_.last().index) commit_to(body.commit);
  const bool quiesces = agrees_to_quiesce(role, body);
  send(message.from, HeartbeatReply{.round = body.round, .sent = body.sent, .quiesces = quiesces});
  if (quiesces) return quiesce();
  // An attempt that got no answer for so long is lost.
  if (role.attempt && now_ - role.asked_at >= config_.election_timeout / 2) {
    role.reads.insert(role.reads.begin(), role.asked.begin(), role.asked.end());
    role.asked.clear();
    role.attempt.reset();
  }
}

// Answers to a leadership that is over, or a sign of a later term that `admit` has dealt with.
void Core::on(Follower&, const Message&, const Appended&) {}
void Core::on(Follower&, const Message&, const AppendRejected&) {}
void Core::on(Follower&, const Message&, const HeartbeatReply&) {}
void Core::on(Follower&, const Message&, const StaleTerm&) {}
void Core::on(Candidate&, const Message&, const Appended&) {}
void Core::on(Candidate&, const Message&, const AppendRejected&) {}
void Core::on(Candidate&, const Message&, const HeartbeatReply&) {}
void Core::on(Candidate&, const Message&, const StaleTerm&) {}
// on(Receive) makes a candidate follow before it hears the leader of its term.
void Core::on(Candidate&, const Message&, const Append&) { UNREACHABLE("a candidate heard a leader"); }
void Core::on(Candidate&, const Message&, const Heartbeat&) { UNREACHABLE("a candidate heard a leader"); }

}  // namespace zraft::raft
