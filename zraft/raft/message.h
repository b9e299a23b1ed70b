// SPDX-License-Identifier: Apache-2.0
//
// What members say to each other. A message may be lost, delayed, repeated and reordered without bound; each one
// carries the sender's term of the moment it was made. No message says anything about what is not durable.
#pragma once

#include <variant>
#include <vector>

#include "zraft/raft/record.h"
#include "zraft/raft/types.h"

namespace zraft::raft {

// "Would you vote for me in term `proposed`?" Changes nothing at either side (thesis 9.6).
struct RequestPreVote {
  Term proposed;
  Position last;
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
};
struct HeartbeatReply {
  Round round;
};
// The answer to a leader whose term is over: the term of the message says it all (P12).
struct StaleTerm {};

using Body = std::variant<RequestPreVote, PreVote, RequestVote, Vote, Append, Appended, AppendRejected, Heartbeat,
                          HeartbeatReply, StaleTerm>;

struct Message {
  NodeId from;
  NodeId to;
  Term term;
  Body body;
};

}  // namespace zraft::raft
