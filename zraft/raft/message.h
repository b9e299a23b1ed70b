// SPDX-License-Identifier: Apache-2.0
//
// What members say to each other. A message may be lost, delayed, repeated and reordered without bound; each one
// carries the sender's term of the moment it was made. No message says anything about what is not durable.
#pragma once

#include <cstdint>
#include <variant>
#include <vector>

#include "zraft/base/time.h"
#include "zraft/raft/record.h"
#include "zraft/raft/types.h"

namespace zraft::raft {

// "Would you vote for me in term `proposed`?" Changes nothing at either side (thesis 9.6).
struct RequestPreVote {
  Term proposed;
  Position last;
  Index membership;  // where the membership stands by which the sender believes to be a voter
};
struct PreVote {
  Term proposed;
  bool granted = false;
};
struct RequestVote {
  Position last;
  bool transfer = false;  // the leader itself asked for this election: do not protect it (thesis 4.2.3)
};
struct Vote {
  bool granted = false;
};
// The entries that follow `previous`, in one run without gaps.
struct Append {
  Position previous;
  Index commit;
  std::vector<Record> entries;
};
// The sender's log agrees with the leader's up to `match`, and is durable up to there.
struct Appended {
  Index match;
};
// The sender does not have the `previous` that stood at index `rejected`. Its log and the leader's can agree at
// `hint` at most.
struct AppendRejected {
  Index rejected;
  Position hint;
};
struct Heartbeat {
  Index commit;
  Round round;
  Instant sent;  // by the leader's clock; nobody else understands it
  bool may_quiesce = false;  // nothing has happened for long: this may be the last one, if all agree (quiesce.cc)
};
struct HeartbeatReply {
  Round round;
  Instant sent;  // as it came
  bool quiesces = false;  // the sender agrees, and waits for no more heartbeats
};
// The answer to a leader whose term is over: the term of the message says it all (P12).
struct StaleTerm {};
// "Stand for election now": the leader hands over (thesis 3.10).
struct TimeoutNow {};
// "You are a member no more": told by a leader whose committed membership does not have the receiver, and is newer
// than the one by which the receiver is a member. Ids are never used twice, so it stays true.
struct Removed {
  Index membership;
};
// "From which index on is a read here linearizable?" A follower asks for all its reads that wait. The number is drawn
// anew for each attempt (P37).
struct RequestReadIndex {
  std::uint64_t attempt = 0;
};
struct ReadIndex {
  std::uint64_t attempt = 0;
  Index index;
};
// The receiver is so far behind that the leader's log does not have what comes next: here is a snapshot, fetch it. It
// is repeated until the receiver has acknowledged where the leader's log begins. Answered by Appended, now if the
// receiver has as much already, or when it is installed.
struct OfferSnapshot {
  Position last;
};

using Body = std::variant<RequestPreVote, PreVote, RequestVote, Vote, Append, Appended, AppendRejected, Heartbeat,
                          HeartbeatReply, StaleTerm, TimeoutNow, Removed, RequestReadIndex, ReadIndex,
                          OfferSnapshot>;

struct Message {
  NodeId from;
  NodeId to;
  Term term;
  Body body;
};

// Only who leads the message's term says such a thing.
[[nodiscard]] inline bool is_of_leader(const Message& message) {
  return std::holds_alternative<Append>(message.body) || std::holds_alternative<Heartbeat>(message.body) ||
         std::holds_alternative<OfferSnapshot>(message.body);
}

}  // namespace zraft::raft
