// SPDX-License-Identifier: Apache-2.0
//
// The built-in backend `rocksdb`: the key-value language in a RocksDB of its own, for stores that are larger than the
// memory and for starts that do not read everything again. Raft's log is the log: RocksDB's own is off, and what it
// had not flushed when the process ended is applied again. The index of the last entry of the log is written in one
// batch with its effects and with what was put aside at it, so what a start finds is always what the entries up to some
// index made: durable().
//
//   <directory>/db/              the database
//   <directory>/checkpoint-<n>/  what a snapshot is to hand over; worthless after a crash
//   <directory>/restoring/       a database that is being made from a snapshot; worthless after a crash
//   <directory>/replaced/        the database before a restore, until the restored one is in its place; if there is no
//                                `db`, the crash came between the two, and it is the database
//
//   0x01                          -> u16 format (2), u64 index of the last entry
//   0x02, the key                 -> u64 version, u64 owner (0: none), the value
//   0x03, owner as 8 bytes of which the first is the highest, the key -> nothing: for each key that has an owner
//   0x04, the key of an aside     -> its value
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "zraft/machines/kv_rules.h"
#include "zraft/node/state_machine.h"

namespace zraft::machines {

class RocksKv final : public node::StateMachine {
 public:
  // `directory`, a path of the operating system, belongs to this store alone, and is made if it is not there. Errors:
  // corrupt, with what to do; unsupported (a database of something else, or of another build); no_space; io, as when
  // another process has it open.
  [[nodiscard]] static Result<std::unique_ptr<RocksKv>> open(const std::string& directory, KvLimits limits = {});
  ~RocksKv() override;  // flushes

  [[nodiscard]] Result<> admit(BytesView command) const override;
  // Both read what commit() wrote, and let what they change wait for it. An error of the database is a failure: to go
  // on without the effects would make members differ, and a start finds what is right on the disk.
  node::Applied apply(const node::Command& command) override;
  node::Applied expire(raft::Index index, node::SessionId session) override;
  // A count takes time with the number of keys it counts.
  [[nodiscard]] Result<node::Queried> query(BytesView query) const override;

  // Flushes, and links the files that hold the state as it is now; they are handed over later. Two members do not
  // write the same bytes: each flushes and compacts when it likes.
  Result<node::SnapshotTask> snapshot() override;
  // The database stays what it was until all of the other one is there and found right. A crash leaves the one or the
  // other.
  Result<> restore(node::SnapshotReader& reader) override;

  [[nodiscard]] bool is_on_disk() const override { return true; }
  [[nodiscard]] raft::Index durable() const override;
  // Errors, of both: corrupt, no_space, io.
  Result<> commit(raft::Index index, const std::vector<node::Aside>& asides) override;
  Result<> recall(const std::function<void(BytesView key, BytesView value)>& show) const override;
  [[nodiscard]] bool may_block() const override { return true; }

  // See digest_of.
  [[nodiscard]] Result<std::uint64_t> digest() const;

 private:
  struct State;
  explicit RocksKv(std::unique_ptr<State> state);

  std::unique_ptr<State> state_;
};

}  // namespace zraft::machines
