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

TEST(Wal, P02_WritesTermAndVoteAndTheEntriesOfOneTurnTogether) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.run();
  const auto before = disk.writes;
  life.write(group_a, {.id = {},
                       .hard_state = raft::HardState{.term = {4}, .vote = raft::NodeId{2}},
                       .entries = {entry(group_a, 4, 1)}});
  life.run();
  EXPECT_EQ(disk.writes, before + 1);
  disk.crash();
  auto found = reopen(disk);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->at(group_a).hard_state, (raft::HardState{.term = {4}, .vote = raft::NodeId{2}}));
  EXPECT_EQ(found->at(group_a).entries.size(), 1U);
}

TEST(Wal, P30_EntriesAfterATruncationReplaceTheOldOnesForGood) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.append(group_a, 1, 5);
  life.run();
  life.write(group_a, {.id = {},
                       .hard_state = raft::HardState{.term = {2}, .vote = {}},
                       .truncate_from = raft::Index{3},
                       .entries = {entry(group_a, 2, 3, "three"), entry(group_a, 2, 4, "four")}});
  life.run();
  disk.crash();
  auto found = reopen(disk);
  ASSERT_TRUE(found);
  ASSERT_EQ(found->at(group_a).entries.size(), 4U);
  EXPECT_EQ(found->at(group_a).entries[2].payload(), "three");
  EXPECT_EQ(found->at(group_a).entries[1].term(), raft::Term{1});
}

TEST(Wal, W54_TermVoteAndNamesSurviveTheLossOfPower) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.vote(group_a, 9, 3);
  life.run();
  disk.crash();  // of what was not synced, content or name, nothing is left
  auto found = reopen(disk);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(found->at(group_a).hard_state, (raft::HardState{.term = {9}, .vote = raft::NodeId{3}}));
}

TEST(Wal, MakesTheNextSegmentReadyAheadAndDoesNotWaitForIt) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.run();
  EXPECT_TRUE(disk.has("log/wal-0000000000000002")) << "before it is needed";
  life.worker.hold();
  for (int i = 0; i < 12; ++i) {
    life.append(group_a, 1, 1, 6000);
    life.run();
  }
  EXPECT_EQ(life.history.acknowledged, 13U) << "the second segment was there";
  for (int i = 0; i < 12; ++i) {
    life.append(group_a, 1, 1, 6000);
    life.run();
  }
  EXPECT_LT(life.history.acknowledged, 25U) << "the third one is not";
  life.worker.release();
  life.run();
  EXPECT_EQ(life.history.acknowledged, 25U);
}

TEST(Wal, GivesARecordThatIsLargerThanASegmentOneOfItsOwn) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.append(group_a, 1, 1, 300'000);
  life.append(group_a, 1, 2, 10);
  life.run();
  EXPECT_EQ(life.history.acknowledged, 3U);
  EXPECT_GT(disk.bytes("log/wal-0000000000000002").size(), 300'000U);
  disk.crash();
  auto found = reopen(disk);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(describe(*found), life.history.states.back());
}

TEST(Wal, DividesAWriteThatIsLargerThanABatch) {
  MemoryDisk disk;
  auto options = small_log();
  options.max_segment_size = 1 << 20;
  options.batch_bytes_max = 20'000;
  LogLife life(disk, options);
  life.start(group_a);
  life.run();
  const auto before = disk.writes;
  life.append(group_a, 1, 10, 6000);
  life.run();
  EXPECT_EQ(life.history.acknowledged, 2U);
  EXPECT_EQ(disk.writes, before + 4);
}

TEST(Wal, W56_ReusesOldSegmentsWithoutNewSpace) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  std::uint64_t last = 0;
  for (int i = 0; i < 200; ++i) {
    life.append(group_a, 1, 1, 6000);
    life.run();
    if (++last % 10 == 0) {
      life.release(group_a, 1, last);
      life.run();
    }
    if (i == 60) disk.bytes_max = 0;  // from here on not one byte can be allocated
  }
  EXPECT_EQ(life.failed, 0U) << life.error.text;
  EXPECT_LE(disk.paths().size(), 8U);
  disk.crash();
  auto found = reopen(disk);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(describe(*found), life.history.states.back());
}

TEST(Wal, SaysWhoKeepsItsOldestSegments) {
  MemoryDisk disk;
  auto options = small_log();
  options.bytes_wanted = 3 * options.max_segment_size;
  std::vector<storage::Pinned> told;
  options.on_pinned = [&told](const storage::Pinned& pinned) { told.push_back(pinned); };
  LogLife life(disk, options);
  life.start(group_a);
  life.start(group_b);
  life.append(group_b, 1, 2, 20);
  std::uint64_t last = 0;
  const auto fill = [&](int segments) {
    for (int i = 0; i < segments * 10; ++i) {
      life.append(group_a, 1, 1, 6000);
      life.run();
      life.release(group_a, 1, ++last);
      life.run();
    }
  };
  fill(1);
  EXPECT_TRUE(told.empty());
  fill(4);
  ASSERT_FALSE(told.empty());
  for (const storage::Pinned& pinned : told) EXPECT_EQ(pinned, (storage::Pinned{{group_b, raft::Index{2}}}));
  life.release(group_b, 1, 2);
  life.run();
  told.clear();
  fill(6);
  EXPECT_TRUE(told.empty());
  EXPECT_LE(disk.paths().size(), 8U);
}

TEST(Wal, W56_AFullDiskFailsWritesOnlyWhenThereIsNoRoomLeftAndSaysSo) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.run();
  disk.bytes_max = 0;
  for (int i = 0; i < 12; ++i) {
    life.append(group_a, 1, 1, 6000);
    life.run();
  }
  EXPECT_EQ(life.failed, 0U) << "the second segment was made ahead";
  ASSERT_FALSE(life.told.empty());
  EXPECT_NE(life.told[0].find("the disk is full"), std::string::npos) << life.told[0];
  for (int i = 0; i < 12; ++i) {
    life.append(group_a, 1, 1, 6000);
    life.run();
  }
  EXPECT_GT(life.failed, 0U);
  EXPECT_EQ(life.error.code, Code::no_space);
  EXPECT_NE(life.error.text.find("make room, then restart"), std::string::npos) << life.error.text;
  disk.bytes_max.reset();
  disk.crash();
  auto found = reopen(disk);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_TRUE(life.history.allows(describe(*found)));
}

TEST(Wal, W56_TriesAgainToMakeASegmentReadyAndGoesOnWhenThereIsRoom) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.run();
  disk.bytes_max = 0;
  for (int i = 0; i < 12; ++i) {
    life.append(group_a, 1, 1, 6000);
    life.run();
  }
  disk.bytes_max.reset();
  life.idle();
  EXPECT_TRUE(disk.has("log/wal-0000000000000003"));
  for (int i = 0; i < 24; ++i) {
    life.append(group_a, 1, 1, 6000);
    life.run();
  }
  EXPECT_EQ(life.failed, 0U);
}

TEST(Wal, ForgetsAGroupThatEndedAndMayBeginItAnew) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.append(group_a, 1, 3);
  life.end(group_a);
  EXPECT_FALSE(life.wal->has(group_a));
  life.run();
  Result<> told;
  life.logs[group_a]->write({.id = {}, .entries = {entry(group_a, 1, 4)}}, node::Durability::durable,
                            [&](Result<> result) { told = std::move(result); });
  life.run();
  ASSERT_FALSE(told);
  EXPECT_EQ(told.error().code, Code::stopped);
  life.start(group_a, base_at(5, 7));
  life.append(group_a, 5, 1);
  life.run();
  EXPECT_EQ(life.failed, 0U) << "a write to a group that is gone harms nobody else";
  disk.crash();
  auto found = reopen(disk);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(describe(*found), life.history.states.back());
}

TEST(Wal, BuffersWhatMayBeLostAndSyncsItWithTheNextTerm) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.run();
  const auto syncs = disk.syncs;
  for (int i = 0; i < 3; ++i) {
    life.append(group_a, 0, 1, 20, node::Durability::buffered);
    life.run();
  }
  EXPECT_EQ(life.history.acknowledged, 4U);
  EXPECT_EQ(disk.syncs, syncs) << "nothing was synced";
  MemoryDisk lost(disk);
  lost.crash();
  auto found = reopen(lost);
  ASSERT_TRUE(found) << "what was only buffered may be lost, and is not damage: " << found.error().text;
  EXPECT_TRUE(found->at(group_a).entries.empty());
  life.vote(group_a, 2, 1);
  life.run();
  disk.crash();
  found = reopen(disk);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(describe(*found), life.history.states.back());
}

TEST(Wal, NotesOnceWhenIdleThatItsLastBatchIsDurable) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.run();
  const auto writes = disk.writes;
  const auto syncs = disk.syncs;
  life.idle();
  life.idle();
  EXPECT_EQ(disk.writes, writes + 1);
  EXPECT_EQ(disk.syncs, syncs) << "the note itself may be lost";
  EXPECT_EQ(life.loop.timers(), 0U) << "an idle log costs nothing";
}

TEST(Wal, P87_EndsWhileAWriteIsUnderWay) {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.run();
  life.files.hold();
  life.append(group_a, 1, 1);
  life.worker.hold();
  life.run();
  life.wal.reset();
  life.files.release();
  life.worker.release();
  life.idle();
  EXPECT_EQ(life.history.acknowledged, 1U);
  EXPECT_EQ(life.failed, 0U);
}

TEST(Wal, RefusesASegmentSizeThatIsNone) {
  for (const std::uint64_t size : {0ULL, 65'535ULL, 100'001ULL, 1ULL << 40}) {
    MemoryDisk disk;
    auto options = small_log();
    options.max_segment_size = size;
    LogLife life(disk, options);
    EXPECT_EQ(life.error.code, Code::bad_request);
  }
}

TEST(Wal, CarriesManyGroupsThroughManySegments) {
  MemoryDisk disk;
  LogLife life(disk);
  for (std::uint64_t id = 1; id <= 300; ++id) life.start(raft::GroupId{id}, base_at(1, id));
  life.run();
  for (int round = 0; round < 3; ++round) {
    for (std::uint64_t id = 1; id <= 300; id += 10) {
      life.append(raft::GroupId{id}, 2, 1, 2000);
      life.run();
    }
  }
  EXPECT_EQ(life.failed, 0U) << life.error.text;
  disk.crash();
  auto found = reopen(disk);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(describe(*found), life.history.states.back());
}

}  // namespace
}  // namespace zraft::test
