// SPDX-License-Identifier: Apache-2.0
//
// Everything that can happen to a core, time included. A list of inputs is a bug report that can be replayed.
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "zraft/raft/message.h"

namespace zraft::raft {

// Time has passed. Give it when deadline() has come; at other moments it does no harm.
struct Tick {};
struct Receive {
  Message message;
};
// Append a command. Answered by Output::answers: Accepted with the place it got, or Refused.
struct Propose {
  RequestId id;
  Bytes data;
};
// "From which applied index on is a read linearizable?" Answered by ReadReady, or Refused.
enum class ReadFrom : std::uint8_t {
  leader,    // a round of heartbeats confirms that this is the leader; a follower refuses
  lease,     // the leader, without a round while its lease lasts (Core::has_lease); a follower refuses
  anywhere,  // a follower asks the leader for the index, and answers itself
};
struct ReadBarrier {
  RequestId id;
  ReadFrom from = ReadFrom::leader;
};
// Change the members. Answered by Completed when the new membership is committed; Refused:
//   not_leader            ask the leader
//   not_stable            this leader has not committed anything yet, or hands over: try again
//   process_prev_change   a change is under way
//   peers_changed         the membership in force does not stand at `expected`: look at it and decide again
//   bad_request           `wanted` breaks a law of memberships, or is joint
//   leader_changed        leadership was lost meanwhile: it may or may not come about
struct Reconfigure {
  RequestId id;
  Index expected;  // where the membership stands that the caller wants to change
  Membership wanted;
};
// Let another member lead. Answered by Completed when this one has stepped down for it, or Refused: not_leader,
// bad_request (the target does not vote, or leads), busy (another handover), timeout (it did not catch up or did not
// answer within an election timeout; this leader goes on).
struct Transfer {
  RequestId id;
  std::optional<NodeId> target;  // none: the one that can best
};
// The write of that id, and so every one before it, is durable.
struct Written {
  WriteId id;
};
// The state machine holds everything up to that index.
struct Applied {
  Index index;
};

using Input = std::variant<Tick, Receive, Propose, ReadBarrier, Reconfigure, Transfer, Written, Applied>;

}  // namespace zraft::raft
