// SPDX-License-Identifier: Apache-2.0
//
// Everything that can happen to a core, time included. A list of inputs is a bug report that can be replayed.
#pragma once

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
struct ReadBarrier {
  RequestId id;
};
// The write of that id, and so every one before it, is durable.
struct Written {
  WriteId id;
};
// The state machine holds everything up to that index.
struct Applied {
  Index index;
};

using Input = std::variant<Tick, Receive, Propose, ReadBarrier, Written, Applied>;

}  // namespace zraft::raft
