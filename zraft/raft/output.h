// SPDX-License-Identifier: Apache-2.0
//
// What a core wants done: a plain struct, and one function performs it (node/node.cc). The parts may be performed
// in any order and at the same time; the caller has no ordering rule to obey, because the core keeps back every
// promise until the Written that makes it true.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "zraft/raft/message.h"

namespace zraft::raft {

// One durable write. Answered by Written{id}; writes complete in the order they were made. A Write has an id and
// never an index, so a completion cannot be taken for a later write of the same index (P29).
struct Write {
  WriteId id;
  std::optional<HardState> hard_state;  // term and vote together (P02)
  std::optional<Index> truncate_from;   // first drop every entry from this index on
  std::optional<SnapshotMeta> base;     // then everything up to here, which a snapshot covers; the log ends no earlier
  std::vector<Record> entries;          // then add these, which follow the last entry that is left
};

// Accepted: the command has this place in this leader's log. It is applied there, or, if an entry of another term
// is applied at that index, it never was and never will be.
struct Accepted {
  RequestId id;
  Position position;
};
struct ReadReady {
  RequestId id;
  Index index;  // answer once everything up to here is applied
  bool by_lease = false;  // ask Core::has_lease again after the answer was read (P39)
};
struct Refused {
  RequestId id;
  Code code = Code::ok;  // not_leader, busy, too_large, and what Reconfigure and Transfer name (input.h)
  std::optional<NodeId> leader;
};
// A Reconfigure or a Transfer has come about.
struct Completed {
  RequestId id;
};
using Answer = std::variant<Accepted, ReadReady, Refused, Completed>;

// The story of a member, for logs, metrics, traces and tests alike. `describe` (describe.h) puts it into words.
struct Event {
  enum class Kind : std::uint8_t {
    asks_for_pre_votes,
    grants_pre_vote,
    refuses_pre_vote,
    asks_for_votes,
    grants_vote,
    refuses_vote,
    leads,
    follows,       // `peer` is the leader
    steps_down,    // `why` says for what reason
    term_rises,    // to `position.term`, told by `peer`
    truncates,     // the log from `position` on
    probes,        // `peer` rejected at `position`
    replicates,    // `peer` matches to `position`
    adopts_membership,
    rolls_back_membership,
    hands_over,    // asks `peer` to lead
    keeps_leading,  // the handover to `peer` did not come about
    offers_snapshot,    // to `peer`, up to `position`
    saves_snapshot,     // of its own state, up to `position`
    installs_snapshot,  // of another member, up to `position`
    is_removed,    // is a member no more, told by `peer` or, if that is 0, by its own log
    commits,       // up to `position`; traces only
    quiesces,      // sends no heartbeats any more, or waits for none; traces only
    wakes,         // does so again; traces only
  };
  Kind kind = Kind::follows;
  Term term;
  NodeId peer;
  Position position;
  const char* why = "";
};

// Another member has what this one misses: fetch its newest snapshot, which ends at `last` or later. To be asked for
// again and again while it is under way does no harm.
struct Fetch {
  NodeId from;
  Position last;
  Term term;  // durable here: a snapshot of a later one would be ahead of this member, also after a crash
};

struct Output {
  std::vector<Message> send;         // may be lost, reordered, repeated
  std::optional<Write> write;        // in order; answered by Written{id}
  std::vector<Record> apply;         // committed and durable here, in order; answered by Applied{index}
  std::vector<Answer> answers;
  std::vector<Event> events;
  std::optional<Fetch> fetch;        // answered by SnapshotInstalled, or never
  bool membership_changed = false;   // Core::reachable() may be another one now: tell the transport

  [[nodiscard]] bool is_empty() const {
    return send.empty() && !write && apply.empty() && answers.empty() && events.empty() && !fetch &&
           !membership_changed;
  }
};

}  // namespace zraft::raft
