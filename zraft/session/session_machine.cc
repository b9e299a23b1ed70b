// SPDX-License-Identifier: Apache-2.0
//
// See session_machine.h.
#include "zraft/session/session_machine.h"

#include <algorithm>
#include <string>
#include <utility>

#include "zraft/base/codec.h"

namespace zraft::session {
namespace {

// A snapshot without the table's file: what the machine wrote.
class WithoutTable final : public node::SnapshotReader {
 public:
  explicit WithoutTable(node::SnapshotReader& all) : all_(all) {}
  [[nodiscard]] std::vector<std::string> files() const override {
    std::vector<std::string> names = all_.files();
    std::erase(names, sessions_file);
    return names;
  }
  Result<std::uint64_t> size(const std::string& file) override { return all_.size(file); }
  Result<Bytes> read(const std::string& file, std::uint64_t offset, std::size_t length) override {
    return all_.read(file, offset, length);
  }
  Result<std::string> directory() override { return all_.directory(); }

 private:
  node::SnapshotReader& all_;
};

Result<SessionTable> read_table(node::SnapshotReader& reader, bool keeps_asides) {
  // A member that went on without its sessions would answer differently from the others (W-26).
  if (const auto files = reader.files(); std::ranges::find(files, sessions_file) == files.end()) {
    return fail(Code::corrupt,
                std::string("the snapshot has no file ") + sessions_file + ": fetch or take another one");
  }
  const auto size = reader.size(sessions_file);
  if (!size) return fail(size);
  const auto bytes = reader.read(sessions_file, 0, *size);
  if (!bytes) return fail(bytes);
  return SessionTable::decode(*bytes, keeps_asides);
}

node::Outcome outcome_of(node::Applied applied) {
  return {.result = std::move(applied.result), .refusal = {}, .changes = std::move(applied.changes)};
}

}  // namespace

SessionMachine::SessionMachine(std::unique_ptr<node::StateMachine> machine)
    : machine_(std::move(machine)), table_(machine_->is_on_disk()) {}

Result<std::unique_ptr<SessionMachine>> SessionMachine::open(std::unique_ptr<node::StateMachine> machine) {
  std::unique_ptr<SessionMachine> made(new SessionMachine(std::move(machine)));
  if (made->durable() == raft::Index{}) return made;
  Result<> good;
  const Result<> all = made->machine_->recall([&](BytesView key, BytesView value) {
    if (good) good = made->table_.recall(key, value);
  });
  if (!all) return fail(all);
  if (!good) return fail(good);
  return made;
}

Result<> SessionMachine::admit(raft::EntryType type, BytesView data) const {
  if (type != raft::EntryType::session) return machine_->admit(data);
  const auto entry = decode_entry(data);
  if (!entry) return fail(entry);
  if (Result<> good = session::admit(*entry); !good) return good;
  const auto* write = std::get_if<Write>(&*entry);
  return write == nullptr ? Result<>() : machine_->admit(write->command);
}

// --- entries ---

Result<node::Outcome> SessionMachine::apply(const raft::Record& record) {
  Result<node::Outcome> outcome;
  switch (record.type()) {
    case raft::EntryType::noop: table_.begin_term(record.time()); break;
    case raft::EntryType::membership: break;
    case raft::EntryType::session: outcome = apply_session(record); break;
    case raft::EntryType::command: {
      node::Applied applied =
          machine_->apply({.index = record.index(), .time = record.time(), .data = record.payload()});
      if (applied.failure) return std::unexpected(*applied.failure);
      outcome = outcome_of(std::move(applied));
    }
  }
  if (!outcome) return outcome;
  if (Result<> committed = machine_->commit(record.index(), table_.take_asides()); !committed) return fail(committed);
  return outcome;
}

Result<node::Outcome> SessionMachine::apply_session(const raft::Record& record) {
  const auto entry = decode_entry(record.payload());
  // The leader's admit() lets none of these into the log; whatever they are, all members say the same.
  if (!entry) return node::Outcome{.result = {}, .refusal = entry.error(), .changes = {}};
  return std::visit([&](const auto& any) { return on(any, record); }, *entry);
}

Result<node::Outcome> SessionMachine::on(const Open& open, const raft::Record& record) {
  const auto session = table_.open(open, record.index(), record.time());
  node::Outcome outcome;
  if (session) {
    Encoder(outcome.result).u64(session->value);
  } else {
    outcome.refusal = session.error();
  }
  return outcome;
}

Result<node::Outcome> SessionMachine::on(const KeepAlive& keep_alive, const raft::Record& record) {
  node::Outcome outcome;
  Encoder to(outcome.result);
  for (const Alive& alive : keep_alive.sessions) to.boolean(table_.keep_alive(alive, record.time()));
  return outcome;
}

// A session that is not there is as closed as it can be.
Result<node::Outcome> SessionMachine::on(const Close& close, const raft::Record& record) {
  if (!table_.close(close.session)) return node::Outcome{};
  return end(close.session, record.index());
}

Result<node::Outcome> SessionMachine::on(const Expire& expire, const raft::Record& record) {
  if (!table_.expire(expire, record.time())) return node::Outcome{};
  return end(expire.session, record.index());
}

Result<node::Outcome> SessionMachine::end(SessionId session, raft::Index index) {
  node::Applied applied = machine_->expire(index, session);
  if (applied.failure) return std::unexpected(*applied.failure);
  return node::Outcome{.result = {}, .refusal = {}, .changes = std::move(applied.changes), .ended = session};
}

Result<node::Outcome> SessionMachine::on(const Write& write, const raft::Record& record) {
  const SessionTable::Decision decision = table_.begin_write(write, record.time());
  if (!decision.apply) {
    return node::Outcome{.result = decision.reply->result, .refusal = decision.reply->refusal, .changes = {}};
  }
  node::Applied applied = machine_->apply({.index = record.index(),
                                           .time = record.time(),
                                           .data = write.command,
                                           .session = write.session,
                                           .is_ephemeral = write.is_ephemeral});
  if (applied.failure) return std::unexpected(*applied.failure);
  table_.told(write.session, write.sequence, {.result = applied.result, .refusal = {}});
  return outcome_of(std::move(applied));
}

// --- snapshots ---

Result<node::SnapshotTask> SessionMachine::snapshot() {
  Result<node::SnapshotTask> task = machine_->snapshot();
  if (!task) return task;
  return [task = std::move(*task), table = table_.encode()](node::SnapshotWriter& writer) mutable -> Result<> {
    if (Result<> written = task(writer); !written) return written;
    if (Result<> begun = writer.begin(sessions_file); !begun) return begun;
    return writer.append(table);
  };
}

Result<> SessionMachine::restore(node::SnapshotReader& reader) {
  Result<SessionTable> table = read_table(reader, machine_->is_on_disk());
  if (!table) return fail(table);
  WithoutTable rest(reader);
  if (Result<> restored = machine_->restore(rest); !restored) return restored;
  table_ = std::move(*table);
  return {};
}

}  // namespace zraft::session
