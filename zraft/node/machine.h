// SPDX-License-Identifier: Apache-2.0
//
// Seam: what a Driver drives. The real one is session/session_machine.h: the user's state machine with the layer of
// sessions around it. The calls have the laws of those of StateMachine, which is what most of them become; user code
// may throw out of every one of them.
#pragma once

#include <optional>
#include <vector>

#include "zraft/node/state_machine.h"
#include "zraft/raft/record.h"

namespace zraft::node {

// What became of one entry.
struct Outcome {
  Bytes result;  // goes to whoever proposed it
  // Code ok: none. Else the entry did nothing, at every member, and that is what he is told.
  Error refusal = {};
  std::vector<Change> changes = {};  // for those who watch
  SessionId ended = {};              // the session that is no more from here on
};

// A session whose time seems to be over. `seen` is when it last showed that it lives: the entry that ends it carries
// it, and is void if the session has shown it again (P76).
struct Overdue {
  SessionId session;
  ClusterTime seen;
};
struct Sessions {
  std::vector<Overdue> overdue;
  std::optional<ClusterTime> next;  // when the next one of the others may be overdue; none: there are no others
  std::size_t open = 0;
};

class Machine {
 public:
  virtual ~Machine() = default;
  // Every committed entry comes here, of whatever type. Errors: this member cannot go on.
  virtual Result<Outcome> apply(const raft::Record& record) = 0;
  [[nodiscard]] virtual Result<> admit(raft::EntryType type, BytesView data) const = 0;
  [[nodiscard]] virtual Result<Queried> query(BytesView query) const = 0;
  virtual Result<SnapshotTask> snapshot() = 0;
  virtual Result<> restore(SnapshotReader& reader) = 0;
  [[nodiscard]] virtual bool may_block() const = 0;
  [[nodiscard]] virtual Sessions sessions(ClusterTime now) const = 0;
};

}  // namespace zraft::node
