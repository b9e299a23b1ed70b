// SPDX-License-Identifier: Apache-2.0
//
// The words of describe.h. One function a kind, so that a new message or event does not compile until it has words.
#include "zraft/raft/describe.h"

#include <algorithm>
#include <string>

#include "zraft/base/check.h"

namespace zraft::raft {
namespace {

template <class Tag>
Bytes text(Number<Tag> number) {
  return std::to_string(number.value);
}
Bytes text(Index index) { return std::to_string(index.value); }

Bytes text(const std::vector<NodeId>& ids) {
  Bytes out;
  for (const NodeId id : ids) out += (out.empty() ? "" : " ") + text(id);
  return out;
}

// "nothing", "1^2", "1^2..2^5".
Bytes run_of(const std::vector<Record>& records) {
  if (records.empty()) return "nothing";
  const Bytes first = describe(records.front().position());
  return records.size() == 1 ? first : first + ".." + describe(records.back().position());
}

Bytes words(const RequestPreVote& body) {
  return "asks for a pre-vote at term " + text(body.proposed) + " with " + describe(body.last);
}
Bytes words(const PreVote& body) {
  return (body.granted ? "grants a pre-vote at term " : "refuses a pre-vote at term ") + text(body.proposed);
}
Bytes words(const RequestVote& body) {
  return "asks for a vote with " + describe(body.last) + (body.transfer ? ", by transfer" : "");
}
Bytes words(const Vote& body) { return body.granted ? "grants its vote" : "refuses its vote"; }
Bytes words(const Append& body) {
  return "append " + run_of(body.entries) + " after " + describe(body.previous) + ", commit " + text(body.commit);
}
Bytes words(const Appended& body) { return "appended to " + text(body.match); }
Bytes words(const AppendRejected& body) {
  return "rejects " + text(body.rejected) + ", try " + describe(body.hint);
}
Bytes words(const Heartbeat& body) {
  return "heartbeat, commit " + text(body.commit) + ", round " + text(body.round) +
         (body.may_quiesce ? ", may quiesce" : "");
}
Bytes words(const HeartbeatReply& body) {
  return "heartbeat reply, round " + text(body.round) + (body.quiesces ? ", quiesces" : "");
}
Bytes words(const StaleTerm&) { return "your term is over"; }
Bytes words(const TimeoutNow&) { return "stand now"; }
Bytes words(const Removed& body) { return "you are removed since index " + text(body.membership); }

Bytes words(const Accepted& answer) { return "accepted #" + text(answer.id) + " at " + describe(answer.position); }
Bytes words(const ReadReady& answer) {
  return "read #" + text(answer.id) + " is ready at " + text(answer.index);
}
Bytes words(const RequestReadIndex&) { return "asks for an index to read at"; }
Bytes words(const ReadIndex& body) { return "read at " + text(body.index); }
Bytes words(const OfferSnapshot& body) { return "fetch the snapshot up to " + describe(body.last); }
Bytes words(const Completed& answer) { return "completed #" + text(answer.id); }
Bytes words(const Refused& answer) {
  return "refused #" + text(answer.id) + ": " + Bytes(name_of(answer.code)) +
         (answer.leader ? ", leader is " + text(*answer.leader) : "");
}

Bytes words(const Tick&) { return "tick"; }
Bytes words(const Receive& input) { return "receive " + describe(input.message); }
Bytes words(const Propose& input) {
  return "propose #" + text(input.id) + " (" + std::to_string(input.data.size()) + " bytes)";
}
Bytes words(const ReadBarrier& input) { return "read #" + text(input.id); }
Bytes words(const Reconfigure& input) {
  return "reconfigure #" + text(input.id) + " from index " + text(input.expected) + " to " + describe(input.wanted);
}
Bytes words(const Transfer& input) {
  return "transfer #" + text(input.id) + (input.target ? " to " + text(*input.target) : "");
}
Bytes words(const Written& input) { return "written w" + text(input.id); }
Bytes words(const Applied& input) { return "applied to " + text(input.index); }
Bytes words(const FreeLog& input) { return "the log up to " + text(input.to) + " is to be freed"; }
Bytes words(const SnapshotSaved& input) { return "snapshot up to " + describe(input.meta.last) + " is saved"; }
Bytes words(const SnapshotInstalled& input) {
  return "snapshot up to " + describe(input.meta.last) + " is installed";
}
Bytes words(const Wake&) { return "wake"; }
Bytes words(const Heard& input) { return "heard " + std::to_string(input.members.size()) + " members"; }

Bytes because(const Event& event) { return event.why[0] == '\0' ? "" : Bytes(": ") + event.why; }

Bytes of_election(const Event& event) {
  const Bytes peer = text(event.peer);
  switch (event.kind) {
    case Event::Kind::asks_for_pre_votes:
      return "asks for pre-votes at term " + text(next(event.term)) + " with " + describe(event.position);
    case Event::Kind::grants_pre_vote:
      return "grants a pre-vote to " + peer + ": log " + describe(event.position) + " is as good as mine";
    case Event::Kind::refuses_pre_vote:
      return "refuses a pre-vote to " + peer + because(event);
    case Event::Kind::asks_for_votes:
      return "asks for votes at term " + text(event.term) + " with " + describe(event.position);
    case Event::Kind::grants_vote:
      return "votes for " + peer + " at term " + text(event.term);
    case Event::Kind::refuses_vote:
      return "refuses its vote to " + peer + because(event);
    case Event::Kind::leads:
      return "leads term " + text(event.term);
    case Event::Kind::follows:
      return "follows " + peer + " at term " + text(event.term);
    case Event::Kind::steps_down:
      return "steps down" + because(event);
    case Event::Kind::term_rises:
      return "rises to term " + text(event.term) + ", told by " + peer;
    default:
      UNREACHABLE("an event that is not about an election");
  }
}

Bytes words(const Event& event) {
  switch (event.kind) {
    case Event::Kind::asks_for_pre_votes:
    case Event::Kind::grants_pre_vote:
    case Event::Kind::refuses_pre_vote:
    case Event::Kind::asks_for_votes:
    case Event::Kind::grants_vote:
    case Event::Kind::refuses_vote:
    case Event::Kind::leads:
    case Event::Kind::follows:
    case Event::Kind::steps_down:
    case Event::Kind::term_rises:
      return of_election(event);
    case Event::Kind::truncates:
      return "cuts its log from " + describe(event.position) + " on";
    case Event::Kind::probes:
      return "probes " + text(event.peer) + " at " + describe(event.position);
    case Event::Kind::replicates:
      return "replicates to " + text(event.peer) + " from " + describe(event.position) + " on";
    case Event::Kind::adopts_membership:
      return "adopts the membership at " + describe(event.position);
    case Event::Kind::rolls_back_membership:
      return "goes back to the membership at index " + text(event.position.index);
    case Event::Kind::hands_over:
      return "hands over to " + text(event.peer);
    case Event::Kind::keeps_leading:
      return "goes on leading: " + text(event.peer) + " did not take over";
    case Event::Kind::offers_snapshot:
      return "offers " + text(event.peer) + " the snapshot up to " + describe(event.position);
    case Event::Kind::saves_snapshot:
      return "has saved a snapshot up to " + describe(event.position);
    case Event::Kind::installs_snapshot:
      return "has installed the snapshot up to " + describe(event.position);
    case Event::Kind::is_removed:
      return event.peer == NodeId{} ? "is removed" : "is removed, told by " + text(event.peer);
    case Event::Kind::commits:
      return "commits up to " + describe(event.position);
    case Event::Kind::quiesces: return "quiesces";
    case Event::Kind::wakes: return "wakes";
  }
  UNREACHABLE("an event of no kind");
}

}  // namespace

Bytes describe(Position position) { return text(position.term) + "^" + text(position.index); }

Bytes describe(const Membership& membership) {
  if (membership.voters.empty()) return "nobody";
  Bytes out = text(membership.voters);
  if (membership.is_joint()) out += " | " + text(membership.outgoing) + " leaving";
  for (const Member& member : membership.members) {
    if (!membership.is_voter(member.id)) out += " +" + text(member.id);
    if (std::ranges::binary_search(membership.promoting, member.id)) out += " to be promoted";
  }
  return out;
}

Bytes describe(const Record& record) {
  const Bytes at = describe(record.position());
  switch (record.type()) {
    case EntryType::noop:
      return at + " noop";
    case EntryType::command:
      return at + " command of " + std::to_string(record.payload().size()) + " bytes";
    case EntryType::session:
      return at + " session entry of " + std::to_string(record.payload().size()) + " bytes";
    case EntryType::membership: {
      const auto membership = decode_membership(record.payload());
      return at + " membership " + (membership ? describe(*membership) : "that does not decode");
    }
  }
  UNREACHABLE("a record of no type");
}

Bytes describe(const Message& message) {
  const Bytes body = std::visit([](const auto& any) { return words(any); }, message.body);
  return text(message.from) + "->" + text(message.to) + " at term " + text(message.term) + ": " + body;
}

Bytes describe(const Write& write) {
  Bytes out = "write w" + text(write.id) + ":";
  if (write.hard_state) {
    out += " term " + text(write.hard_state->term);
    out += write.hard_state->vote ? ", vote for " + text(*write.hard_state->vote) + ";" : ", no vote;";
  }
  if (write.truncate_from) out += " cut from " + text(*write.truncate_from) + ";";
  if (write.base) out += " drop up to " + describe(write.base->last) + ";";
  return out + " add " + run_of(write.entries);
}

Bytes describe(const Answer& answer) {
  return std::visit([](const auto& any) { return words(any); }, answer);
}

Bytes describe(const Input& input) {
  return std::visit([](const auto& any) { return words(any); }, input);
}

Bytes describe(const Event& event) { return words(event); }

Bytes describe(NodeId self, const Event& event) { return text(self) + " " + words(event); }

}  // namespace zraft::raft
