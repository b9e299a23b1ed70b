// SPDX-License-Identifier: Apache-2.0
//
// Everything that can happen to a core, time included. A list of inputs is a bug report that can be replayed.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "zraft/raft/message.h"

namespace zraft::raft {

// Time has passed. Give it when deadline() has come; at other moments it does no harm.
struct Tick {};
struct Receive {
  Message message;
};
// Append a command, or an entry of the layer of sessions. Answered by Output::answers: Accepted with the place it got,
// or Refused.
struct Propose {
  RequestId id;
  Bytes data;
  EntryType type = EntryType::command;  // or session
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
//   newer_exists          the membership in force stands behind `expected`: look at it and decide again
//   peers_changed         there is none at `expected`, or no more: the same
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

// This member has written a snapshot of what it has applied: it is durable, and was read again and found right. The log
// up to there may go.
struct SnapshotSaved {
  SnapshotMeta meta;
};
// A snapshot that came from another member is durable here, and the state machine has been restored from it. Nothing
// that it covers is to be applied any more: whatever was handed over and not applied yet is void. Requires: it ends
// behind what was applied.
struct SnapshotInstalled {
  SnapshotMeta meta;
};
// What the log holds up to there stands in the way of others who share its files: it is cut as far as snapshots cover
// it, now or by those to come, though Config::log_bytes_retained would keep it.
struct FreeLog {
  Index to;
};

// A quiesced group (quiesce.cc) is to be awake again: the process of a member was lost, came back, or is another one
// now. Whoever gives Config::quiesce_after watches the processes of all members and gives this at each such change.
struct Wake {};
// When the processes of these members were last heard, whatever they said; not after now. To be given to a quiesced
// group before anything that wakes it, because it has heard of nobody meanwhile.
struct Heard {
  std::vector<std::pair<NodeId, Instant>> members;
};

using Input =
    std::variant<Tick, Receive, Propose, ReadBarrier, Reconfigure, Transfer, Written, Applied, SnapshotSaved,
                 SnapshotInstalled, FreeLog, Wake, Heard>;

}  // namespace zraft::raft
