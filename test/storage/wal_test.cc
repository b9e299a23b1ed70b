// SPDX-License-Identifier: Apache-2.0
//
// The log as its groups see it: what was acknowledged is found again, in order, in few durable writes.
#include <gtest/gtest.h>

#include "test/storage/log_life.h"

namespace zraft::test {
namespace {

TEST(Wal, FindsAfterARestartWhatWasWritten) {
  MemoryDisk disk;
  LogLife life(disk);
  ASSERT_TRUE(life.is_open()) << life.error.text;
  life.start(group_a);
  life.start(group_b, base_at(3, 40));
  life.append(group_a, 1, 3);
  life.vote(group_a, 2, 7);
  life.append(group_b, 4, 2);
  life.run();
  EXPECT_EQ(life.history.acknowledged, 5U);
  disk.crash();
  auto found = reopen(disk);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(describe(*found), life.history.states.back());
  EXPECT_EQ(found->at(group_b).base, base_at(3, 40));
}

TEST(Wal, WritesWhatAllGroupsWantInOneTurnWithOneDurableWrite) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.start(group_b);
  life.run();
  const auto before = disk.writes;
  life.append(group_a, 1, 1);
  life.append(group_b, 1, 1);
  life.vote(group_a, 2, 1);
  life.run();
  EXPECT_EQ(life.history.acknowledged, 5U);
  EXPECT_EQ(disk.writes, before + 1);
}

TEST(Wal, GathersWhatComesWhileAWriteIsUnderWay) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.run();
  life.files.hold();
  const auto before = disk.writes;
  life.append(group_a, 1, 1);
  life.run();
  for (int i = 0; i < 10; ++i) {
    life.append(group_a, 1, 1);
    life.run();
  }
  EXPECT_EQ(life.history.acknowledged, 1U) << "nothing is acknowledged before it is durable (P28)";
  EXPECT_EQ(disk.writes, before + 1);
  life.files.release();
  life.run();
  EXPECT_EQ(life.history.acknowledged, 12U);
  EXPECT_EQ(disk.writes, before + 2);
}

}  // namespace
}  // namespace zraft::test
