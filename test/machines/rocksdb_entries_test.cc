// SPDX-License-Identifier: Apache-2.0
//
// What the backend `rocksdb` makes of an entry of the log: its effects, what was put aside at it and its index come
// together or not at all, whenever the process ends. A crash is a copy of the directory, as in rocksdb_kv_test.cc.
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <filesystem>
#include <memory>

#include "test/machines/backends.h"
#include "zraft/base/codec.h"
#include "zraft/machines/rocksdb_kv.h"

namespace zraft::machines {
namespace {

namespace fs = std::filesystem;
using test::Asides;
using test::asides_of;
using test::copy_as_after_a_crash;
using test::TemporaryDirectory;

std::unique_ptr<RocksKv> open(const fs::path& directory) {
  Result<std::unique_ptr<RocksKv>> machine = RocksKv::open(directory.string());
  EXPECT_TRUE(machine.has_value()) << machine.error().text;
  return std::move(*machine);
}

node::Applied put(RocksKv& machine, std::uint64_t index, const Bytes& key, std::uint64_t session = 0) {
  const Bytes data = encode(KvCommand(Put{key, std::to_string(index)}));
  return machine.apply(
      {.index = {index}, .time = {}, .data = data, .session = {session}, .is_ephemeral = session != 0});
}

KvAnswer ask(const RocksKv& machine, const KvQuery& query) {
  return decode_answer(machine.query(encode(query)).value().result).value();
}

TEST(RocksEntries, WhatWasNotCommittedNeverHappened) {
  const TemporaryDirectory directory;
  {
    const auto machine = open(directory.path());
    EXPECT_TRUE(machine->is_on_disk());
    put(*machine, 1, "a", 7);
    ASSERT_TRUE(machine->commit({1}, {{"s", "1"}}).has_value());
    put(*machine, 2, "b", 7);
  }
  {
    const auto machine = open(directory.path());
    EXPECT_EQ(machine->durable(), raft::Index{1});
    EXPECT_EQ(ask(*machine, Get{"b"}), KvAnswer(Absent{}));
    EXPECT_EQ(machine->expire({2}, {7}).changes.size(), 1U);
  }
  const auto machine = open(directory.path());
  EXPECT_EQ(machine->durable(), raft::Index{1});
  EXPECT_EQ(ask(*machine, Get{"a"}), KvAnswer(Found{1, "1", 7}));
  EXPECT_EQ(asides_of(*machine), (Asides{{"s", "1"}}));
}

TEST(RocksEntries, AnEntryThatTheMachineDidNotSeeIsDurableToo) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(open(directory.path())->commit({5}, {}).has_value());
  {
    const auto machine = open(directory.path());
    EXPECT_EQ(machine->durable(), raft::Index{5});
    ASSERT_TRUE(machine->commit({6}, {{"s", ""}}).has_value());
  }
  const auto machine = open(directory.path());
  EXPECT_EQ(machine->durable(), raft::Index{6});
  EXPECT_EQ(asides_of(*machine), (Asides{{"s", ""}}));
}

TEST(RocksEntries, ShowsWhatWasPutAsideAndIsNotGoneInTheOrderOfTheKeys) {
  const TemporaryDirectory directory;
  {
    const auto machine = open(directory.path());
    EXPECT_EQ(asides_of(*machine), Asides{});
    ASSERT_TRUE(machine->commit({1}, {{"\xff", "1"}, {"b", "2"}, {"", "3"}, {"a", "4"}}).has_value());
    ASSERT_TRUE(machine->commit({2}, {{"b", std::nullopt}, {"a", "5"}, {"none", std::nullopt}}).has_value());
  }
  EXPECT_EQ(asides_of(*open(directory.path())), (Asides{{"", "3"}, {"a", "5"}, {"\xff", "1"}}));
}

TEST(RocksEntries, NoQueryShowsWhatStandsBesideTheKeys) {
  const TemporaryDirectory directory;
  const auto machine = open(directory.path());
  put(*machine, 1, "k", 7);
  const std::uint64_t empty = MemoryKv().digest();
  EXPECT_EQ(machine->digest().value(), empty) << "it waits";
  ASSERT_TRUE(machine->commit({1}, {{"k", "aside"}, {"l", "aside"}}).has_value());
  EXPECT_EQ(ask(*machine, Scan{}), KvAnswer(Page{false, {{1, "k", "1", 7}}}));
  EXPECT_EQ(ask(*machine, Scan{.prefix = "", .start_after = "k"}), KvAnswer(Page{}));
  EXPECT_EQ(ask(*machine, Count{}), KvAnswer(Counted{1}));
  machine->expire({2}, {7});
  ASSERT_TRUE(machine->commit({2}, {}).has_value());
  EXPECT_EQ(machine->digest().value(), empty);
  EXPECT_EQ(asides_of(*machine).size(), 2U);
}

// 1. entries up to 300 are flushed; 2. a session ends, and more entries follow; 3. the crash. What is found is what
// there was at 300: the session's keys, the index of them, and what was put aside; and the rest can be applied again.
TEST(RocksEntries, AfterACrashEffectsAsidesAndIndexAreOfOneMoment) {
  const TemporaryDirectory directory;
  const TemporaryDirectory crashed;
  const auto feed = [](RocksKv& machine, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t index = first; index <= last; ++index) {
      if (index == 301) {
        EXPECT_EQ(machine.expire({index}, {7}).changes.size(), 50U);
      } else {
        put(machine, index, std::to_string(index % 150), index % 3 == 0 ? 0 : 6 + index % 3);
      }
      EXPECT_TRUE(machine.commit({index}, {{"last", std::to_string(index)}}).has_value());
    }
  };
  const auto machine = open(directory.path());
  feed(*machine, 1, 300);
  ASSERT_TRUE(machine->snapshot().has_value());  // flushes
  const std::uint64_t at_300 = machine->digest().value();
  feed(*machine, 301, 400);
  copy_as_after_a_crash(directory.path(), crashed.path());
  const auto again = open(crashed.path());
  EXPECT_EQ(again->durable(), raft::Index{300});
  EXPECT_EQ(asides_of(*again), (Asides{{"last", "300"}}));
  EXPECT_EQ(again->digest().value(), at_300);
  feed(*again, 301, 400);
  EXPECT_EQ(again->digest().value(), machine->digest().value());
}

TEST(RocksEntries, ASnapshotBringsTheAsidesAlong) {
  const TemporaryDirectory directory;
  const TemporaryDirectory other;
  const auto source = open(directory.path());
  put(*source, 1, "k", 7);
  ASSERT_TRUE(source->commit({1}, {{"s", "kept"}}).has_value());
  ASSERT_TRUE(source->commit({2}, {}).has_value());
  {
    const auto machine = open(other.path());
    ASSERT_TRUE(machine->commit({1}, {{"old", "gone"}}).has_value());
    ASSERT_TRUE(test::restore(*machine, test::files_of(*source)).has_value());
    EXPECT_EQ(machine->durable(), raft::Index{2});
    EXPECT_EQ(asides_of(*machine), (Asides{{"s", "kept"}}));
  }
  EXPECT_EQ(asides_of(*open(other.path())), (Asides{{"s", "kept"}}));
}

// --- formats ---

void write_format(const fs::path& directory, std::uint16_t version) {
  rocksdb::DB* db = nullptr;
  ASSERT_TRUE(rocksdb::DB::Open({}, (directory / "db").string(), &db).ok());
  const std::unique_ptr<rocksdb::DB> closed(db);
  Bytes value;
  Encoder encoder(value);
  encoder.u16(version);
  encoder.u64(1);
  ASSERT_TRUE(db->Put({}, "\x01", value).ok());
}

TEST(RocksEntries, SaysOfADatabaseOfAnotherFormatWhatToDo) {
  const TemporaryDirectory directory;
  ASSERT_TRUE(open(directory.path())->commit({1}, {}).has_value());
  const auto text_of_opening = [&](std::uint16_t version) {
    write_format(directory.path(), version);
    const auto machine = RocksKv::open(directory.path().string());
    EXPECT_EQ(machine.error().code, Code::unsupported);
    return machine.error().text;
  };
  const std::string older = text_of_opening(1);
  EXPECT_TRUE(older.ends_with("has version 1, this build reads version 2: move it away and start again, then it is "
                              "made anew from the snapshot and the log"))
      << older;
  const std::string newer = text_of_opening(3);
  EXPECT_TRUE(newer.ends_with("run a newer one")) << newer;
  write_format(directory.path(), 2);
  EXPECT_EQ(open(directory.path())->durable(), raft::Index{1});
}

}  // namespace
}  // namespace zraft::machines
