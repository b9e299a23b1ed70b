// SPDX-License-Identifier: Apache-2.0
//
// The layer of sessions around one state machine: what a Driver drives. A session's write reaches the machine once,
// and is answered the same however often it comes (thesis 6.3); a session that ends takes what it owns with it, in the
// same entry (I30). The table of sessions is replicated state: in each snapshot as the file `zraft.sessions`, and with
// a machine that keeps its state on a disk, put aside in one step with the effects of each entry.
// Not thread-safe: one call at a time, as for the machine.
#pragma once

#include <memory>

#include "zraft/node/machine.h"
#include "zraft/session/session_table.h"

namespace zraft::session {

constexpr const char* sessions_file = "zraft.sessions";

class SessionMachine final : public node::Machine {
 public:
  // With what the machine has put aside, if it is on a disk. Errors: corrupt, io.
  static Result<std::unique_ptr<SessionMachine>> open(std::unique_ptr<node::StateMachine> machine);

  Result<node::Outcome> apply(const raft::Record& record) override;
  [[nodiscard]] Result<> admit(raft::EntryType type, BytesView data) const override;
  [[nodiscard]] Result<node::Queried> query(BytesView query) const override { return machine_->query(query); }
  // Encodes the table at once: some 80 bytes a session, and the replies that are not acknowledged.
  Result<node::SnapshotTask> snapshot() override;
  Result<> restore(node::SnapshotReader& reader) override;
  [[nodiscard]] bool may_block() const override { return machine_->may_block(); }
  [[nodiscard]] node::Sessions sessions(ClusterTime now) const override { return table_.look(now); }

  [[nodiscard]] raft::Index durable() const { return machine_->durable(); }
  [[nodiscard]] const node::StateMachine& machine() const { return *machine_; }
  [[nodiscard]] const SessionTable& table() const { return table_; }

 private:
  explicit SessionMachine(std::unique_ptr<node::StateMachine> machine);

  Result<node::Outcome> apply_session(const raft::Record& record);
  Result<node::Outcome> on(const Open& open, const raft::Record& record);
  Result<node::Outcome> on(const KeepAlive& keep_alive, const raft::Record& record);
  Result<node::Outcome> on(const Close& close, const raft::Record& record);
  Result<node::Outcome> on(const Expire& expire, const raft::Record& record);
  Result<node::Outcome> on(const Write& write, const raft::Record& record);
  Result<node::Outcome> end(SessionId session, raft::Index index);

  const std::unique_ptr<node::StateMachine> machine_;
  SessionTable table_;
};

}  // namespace zraft::session
