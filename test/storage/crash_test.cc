// SPDX-License-Identifier: Apache-2.0
//
// Random lives: groups come, write, truncate, are released and go, the power goes at any moment with everything
// unsynced lost in pieces, and every call to the file system fails once. What was acknowledged is always found again
// (I42), nothing is acknowledged after a failure (I47), and no byte of an earlier life is taken for a live one.
#include <gtest/gtest.h>

#include <algorithm>
#include <optional>

#include "test/storage/log_life.h"
#include "zraft/storage/segment.h"

namespace zraft::test {
namespace {

// One random unit, as a member could want it.
void write_something(LogLife& life, Random& random, bool buffered) {
  const raft::GroupId group{1 + random.below(3)};
  auto at = life.history.now.find(group);
  if (at == life.history.now.end()) {
    life.start(group, random.chance(500'000) ? base_at(2, 10) : raft::SnapshotMeta{});
    return;
  }
  const raft::Recovered& state = at->second;
  const std::uint64_t base = state.base.last.index.value;
  const std::uint64_t last = state.entries.empty() ? base : state.entries.back().index().value;
  const std::uint64_t term = std::max(state.hard_state.term.value, std::uint64_t{3});
  const auto durability = buffered && random.chance(700'000) ? node::Durability::buffered : node::Durability::durable;
  switch (random.below(12)) {
    case 0: return life.vote(group, term + 1, 1 + random.below(3));
    case 1:
      if (last > base) {
        const std::uint64_t from = base + 1 + random.below(last - base);
        const raft::Term old = state.entries[from - base - 1].term();
        return life.write(group, {.id = {},
                                  .hard_state = raft::HardState{.term = {term + 1}, .vote = {}},
                                  .truncate_from = raft::Index{from},
                                  .entries = {entry(group, std::max(old.value, term + 1), from, "instead")}});
      }
      break;
    case 2:
      if (last > base + 4) {
        const std::uint64_t to = base + 1 + random.below(last - base);
        return life.release(group, state.entries[to - base - 1].term().value, to);
      }
      break;
    case 3:
      if (random.chance(100'000)) return life.end(group);
      break;
    default: break;
  }
  const std::size_t bytes = random.chance(100'000) ? 9000 + random.below(30'000) : random.below(3000);
  life.append(group, term, 1 + random.below(3), bytes, durability);
}

class Crash : public testing::TestWithParam<bool> {};

TEST_P(Crash, LosesNothingThatWasAcknowledgedInAnyOfManyLives) {
  const bool buffered = GetParam();
  for (std::uint64_t seed = 1; seed <= 25; ++seed) {
    Random random(seed);
    MemoryDisk disk;
    std::optional<History> before;
    for (int number = 0; number < 8; ++number) {
      LogLife life(disk);
      ASSERT_TRUE(life.is_open()) << "seed " << seed << ", life " << number << ": " << life.error.text;
      const std::string found = describe(life.found);
      if (before) {
        ASSERT_TRUE(before->allows(found)) << "seed " << seed << ", life " << number << "\nfound\n" << found
                                           << "instead of\n" << before->safe();
      }
      const std::uint64_t units = random.below(60);
      for (std::uint64_t i = 0; i < units; ++i) {
        write_something(life, random, buffered);
        for (std::uint64_t turns = random.below(12); turns > 0; --turns) life.loop.step();
        if (random.chance(30'000)) life.idle();
        if (random.chance(20'000)) life.files.hold();
        if (random.chance(50'000)) life.files.release();
      }
      before = life.history;
      life.wal.reset();
      if (random.chance(700'000)) {
        disk.crash(random);
      } else if (random.chance(500'000)) {
        disk.crash();
      } else {
        disk.locks.clear();  // only the process ended
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, Crash, testing::Values(false, true),
                         [](const auto& mode) { return mode.param ? "Buffered" : "Durable"; });

TEST(CrashAtEachCall, P03_P89_EveryFailingCallIsToldAndNothingIsAcknowledgedAfterIt) {
  for (const Code code : {Code::io, Code::no_space}) {
    bool reached_the_end = false;
    std::size_t failures = 0;
    for (std::uint64_t n = 1; !reached_the_end; ++n) {
      MemoryDisk disk;
      disk.fail_call(n, code);
      History history;
      {
        LogLife life(disk);
        if (life.is_open()) {
          Random random(7);
          for (int i = 0; i < 60; ++i) {
            write_something(life, random, false);
            life.run();
          }
          history = life.history;
          reached_the_end = life.failed == 0 && life.told.empty() && disk.calls() < n;
          if (life.failed > 0) {
            ++failures;
            EXPECT_EQ(life.failed, history.units.size() - 1 - history.acknowledged) << "all later ones fail too";
            EXPECT_NE(life.error.text.find("acknowledges nothing"), std::string::npos) << life.error.text;
          }
        } else {
          EXPECT_EQ(life.error.code, code) << life.error.text;
        }
      }
      disk.fail_nothing();
      disk.crash();
      LogLife after(disk);
      ASSERT_TRUE(after.is_open()) << "call " << n << ": " << after.error.text;
      ASSERT_TRUE(history.allows(describe(after.found))) << "call " << n;
    }
    EXPECT_GT(failures, 20U);
  }
}

TEST(CrashAtEachCall, P61_W52_ReleasingOldSegmentsNeverLeavesAGap) {
  MemoryDisk disk;
  History history;
  {
    LogLife life(disk);
    life.start(group_a);
    life.start(group_b);
    for (int i = 0; i < 60; ++i) {
      life.append(group_a, 1, 1, 5000);
      life.run();
    }
    history = life.history;
  }
  std::uint64_t calls = 0;
  for (std::uint64_t n = 1; n <= calls + 1; ++n) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      MemoryDisk copy(disk);
      LogLife life(copy);
      ASSERT_TRUE(life.is_open());
      const std::uint64_t opened = copy.calls();
      if (n <= calls) copy.fail_call(n, Code::io, true);  // from here on the process does nothing any more
      life.release(group_a, 1, 57);
      life.run();
      if (n > calls && seed == 1 && calls == 0) calls = copy.calls() - opened;
      copy.fail_nothing();
      life.wal.reset();
      Random random(seed);
      copy.crash(random);
      LogLife after(copy);
      ASSERT_TRUE(after.is_open()) << "call " << n << ": " << after.error.text;
      ASSERT_TRUE(life.history.allows(describe(after.found))) << "call " << n;
    }
  }
  EXPECT_GT(calls, 10U);
}

TEST(Crash, AFailedLogStaysFailedForEveryGroup) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.start(group_b);
  life.run();
  disk.fail_call(1, Code::io);
  life.append(group_a, 1, 1);
  life.run();
  EXPECT_EQ(life.failed, 1U);
  EXPECT_EQ(life.error.code, Code::io);
  EXPECT_NE(life.error.text.find("log/wal-0000000000000001"), std::string::npos) << life.error.text;
  const auto writes = disk.writes;
  life.append(group_b, 1, 1);
  EXPECT_EQ(life.failed, 1U) << "never before the call returns";
  life.run();
  life.idle();
  EXPECT_EQ(life.failed, 2U);
  EXPECT_EQ(disk.writes, writes) << "a failed write is never tried again";
}

}  // namespace
}  // namespace zraft::test
