// SPDX-License-Identifier: Apache-2.0
//
// The life of one process with a log on a disk in memory, and what its groups should find after it: the state after
// each unit that was written, as text, and how many of them were acknowledged.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "test/storage/groups.h"
#include "test/storage/manual_loop.h"
#include "test/storage/memory_files.h"
#include "zraft/storage/wal.h"
#include "zraft/storage/wal_format.h"

namespace zraft::test {

// What should be there: by the rules of the protocol, not by those of the log.
struct History {
  Groups now;
  std::vector<std::string> states{""};  // as text, in order; a write of many entries passes through several
  std::vector<std::size_t> units{0};    // the state after 0, 1, 2, ... units
  std::size_t acknowledged = 0;         // units
  std::size_t durable = 0;              // units up to the last one that was acknowledged as durable

  void pass() { states.push_back(describe(now)); }
  void add() {
    pass();
    units.push_back(states.size() - 1);
  }
  [[nodiscard]] const std::string& safe() const { return states[units[durable]]; }
  // It is the state that must survive or a later one.
  [[nodiscard]] bool allows(const std::string& state) const;
};

[[nodiscard]] storage::Wal::Options small_log();

class LogLife {
 public:
  explicit LogLife(MemoryDisk& disk, storage::Wal::Options options = small_log());

  // Each submits one unit and adds it to the history; `run` lets it happen.
  void start(raft::GroupId group, raft::SnapshotMeta base = {}, std::vector<raft::Record> entries = {});
  void end(raft::GroupId group);
  void release(raft::GroupId group, std::uint64_t term, std::uint64_t index);
  void write(raft::GroupId group, raft::Write write, node::Durability durability = node::Durability::durable);
  // Entries after the last one, all of `term`.
  void append(raft::GroupId group, std::uint64_t term, std::size_t count, std::size_t bytes = 20,
              node::Durability durability = node::Durability::durable);
  void vote(raft::GroupId group, std::uint64_t term, std::uint64_t node);
  void run() { loop.run(); }
  void idle() { loop.advance(Duration::seconds(1)); }

  [[nodiscard]] bool is_open() const { return wal != nullptr; }

  MemoryDisk& disk;
  ManualLoop loop;
  ManualWorker worker{loop};
  MemoryFiles files;
  storage::Wal::Options options;
  std::vector<std::string> told;
  Groups found;
  std::vector<std::string> story;
  Error error;  // why it did not open, or what the last failed unit was told
  std::unique_ptr<storage::Wal> wal;
  std::map<raft::GroupId, std::unique_ptr<node::GroupLog>> logs;
  History history;
  std::size_t failed = 0;

 private:
  storage::Wal::Done done(bool durable = true);
};

// Opens the disk as it is. Nothing else.
[[nodiscard]] Result<Groups> reopen(MemoryDisk& disk, std::vector<std::string>* story = nullptr);

}  // namespace zraft::test
