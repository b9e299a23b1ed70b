// SPDX-License-Identifier: Apache-2.0
//
// The user's side: what a group replicates. Each member has one, fed with the same commands in the same order.
#pragma once

#include "zraft/base/bytes.h"
#include "zraft/base/result.h"
#include "zraft/base/time.h"
#include "zraft/raft/types.h"

namespace zraft::node {

struct Command {
  raft::Index index;  // rises from command to command, with gaps; unique, so it can serve as a version
  ClusterTime time;   // never goes back; the only clock that a state machine may use
  BytesView data;     // valid during the call
};

struct Applied {
  Bytes result;  // goes to the client that wrote
};

struct Queried {
  Bytes result;
};

// All calls come on one thread, one at a time. After a restart the machine is fed again from the beginning of the
// log. It must be deterministic: the outcome depends on the commands alone, not on clocks, chance, addresses, the
// locale or the order of an unordered container (P67).
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // A command that cannot be carried out says so in its result; that is a result like any other, the same at every
  // member. Throws: the group stops at this member, with the reason in the log and in `status` (W-29).
  virtual Applied apply(const Command& command) = 0;

  // Asked at the leader before a command enters the log; an error refuses it, and nothing happens. Here belong limits
  // that are settings of one process: apply must not know them, because two members may differ in them (P67). Throws:
  // it is refused with those words.
  [[nodiscard]] virtual Result<> admit(BytesView command) const {
    static_cast<void>(command);
    return {};
  }

  // Reads, changes nothing. Errors: bad_request if the bytes are no query of this machine. Throws: like bad_request.
  [[nodiscard]] virtual Result<Queried> query(BytesView query) const = 0;
};

}  // namespace zraft::node
