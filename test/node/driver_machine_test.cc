// SPDX-License-Identifier: Apache-2.0
//
// A driver and its machine: how a snapshot of another member takes the place of what it held, what becomes of one that
// fails, and one that may block, which is called away from the loop.
#include <gtest/gtest.h>

#include <functional>

#include "test/node/driver_bench.h"

namespace zraft::node::test {
namespace {

// --- installing ---

class DriverInstall : public DriverOfBoth {};
INSTANTIATE_TEST_SUITE_P(Machines, DriverInstall, ::testing::Bool(), name_of_kind);

TEST_P(DriverInstall, P65_WhatIsFedMeanwhileIsAppliedOnceAndOnlyBehindIt) {
  snapshots.is_prompt = false;
  make();
  feed_and_run("ab");
  install(5, "ABCDE");
  EXPECT_TRUE(driver->is_installing());
  feed_and_run("cdef");
  feed_and_run("g");
  EXPECT_EQ(machine.all, "ab");
  snapshots.finish_read();
  loop.run();
  EXPECT_EQ(machine.all, "ABCDEfg");
  EXPECT_EQ(driver->applied(), raft::Index{7});
  EXPECT_EQ(restored, Indices{5});
  EXPECT_EQ(results, (std::vector<std::string>{"a=1", "b=2", "f=3", "g=4"}));
  EXPECT_TRUE(saved.empty());
  EXPECT_FALSE(driver->is_installing());
}

TEST_P(DriverInstall, P60_OfWhatIsAppliedAlreadyChangesNothing) {
  make();
  feed_and_run("abcde");
  for (const std::uint64_t index : {4U, 5U}) install(index, "other");
  loop.run();
  EXPECT_EQ(machine.all, "abcde");
  EXPECT_TRUE(restored.empty());
  EXPECT_EQ(saved, (Indices{4, 5})) << "as good as one of its own";
  save_now("me");
  loop.run();
  EXPECT_EQ(told, std::vector<std::string>{"me: 5"});
  EXPECT_EQ(machine.snapshots_asked, 0);
}

TEST_P(DriverInstall, P59_TwoInAShortTimeAreInstalledOneAfterTheOther) {
  snapshots.is_prompt = false;
  make();
  install(5, "ABCDE");
  install(8, "ABCDEFGH");
  install(7, "ABCDEFG");
  ASSERT_EQ(snapshots.reads.size(), 1U);
  snapshots.finish_read();
  loop.run();
  EXPECT_EQ(restored, Indices{5});
  EXPECT_TRUE(driver->is_installing());
  snapshots.finish_read();
  loop.run();
  EXPECT_EQ(restored, (Indices{5, 8}));
  EXPECT_EQ(machine.all, "ABCDEFGH");
  EXPECT_TRUE(snapshots.reads.empty());
}

TEST_P(DriverInstall, P59_OneOfItsOwnThatIsWrittenMeanwhileIsOld) {
  snapshots.is_prompt = false;
  make();
  feed_and_run("ab");
  save_now("me");
  loop.run();
  install(5, "ABCDE");
  snapshots.finish_read();
  loop.run();
  snapshots.finish_save();
  loop.run();
  EXPECT_EQ(stored(2), "ab") << "the state of then, though the machine holds another one";
  EXPECT_EQ(machine.all, "ABCDE");
  save_now("you");
  loop.run();
  EXPECT_EQ(told, (std::vector<std::string>{"me: 2", "you: 5"}));
}

TEST_P(DriverInstall, QuestionsWaitForIt) {
  snapshots.is_prompt = false;
  make();
  install(5, "ABCDE");
  ask("q");
  loop.run();
  EXPECT_TRUE(answers.empty());
  EXPECT_EQ(driver->questions(), 1U);
  snapshots.finish_read();
  loop.run();
  EXPECT_EQ(answers, std::vector<std::string>{"q: ABCDE"});
  EXPECT_EQ(driver->questions(), 0U);
}

TEST_P(DriverInstall, ThatFailsIsTheEndAndSaysWhy) {
  snapshots.is_prompt = false;
  make();
  install(5, "ABCDE");
  ask("q");
  feed_and_run("abcdefg");
  snapshots.finish_read(fail(Code::corrupt, "a chunk is damaged"));
  loop.run();
  ASSERT_EQ(broken.size(), 1U);
  EXPECT_EQ(broken[0], (Error{Code::corrupt, "the snapshot up to index 5 could not be installed: a chunk is damaged"}));
  EXPECT_EQ(answers, std::vector<std::string>{"q: " + broken[0].text});
  EXPECT_TRUE(results.empty());
  EXPECT_TRUE(restored.empty());
}

TEST_P(DriverInstall, W29_AMachineThatThrowsInRestoreIsTheEnd) {
  machine.throws_in_restore = true;
  make();
  install(5, "ABCDE");
  loop.run();
  ASSERT_EQ(broken.size(), 1U);
  EXPECT_NE(broken[0].text.find("up to index 5 could not be installed: the state machine threw: told to in restore()"),
            std::string::npos)
      << broken[0].text;
}

TEST_P(DriverInstall, P87_ThatEndsAfterTheDriverTellsNobody) {
  snapshots.is_prompt = false;
  make();
  install(5, "ABCDE");
  driver.reset();
  kept_machine.reset();
  snapshots.finish_read();
  loop.run();
  EXPECT_EQ(journal, (Journal{"read 5", "restore ABCDE", "the machine is gone"}));
  EXPECT_TRUE(restored.empty());
}

// --- a machine that fails ---

TEST_P(DriverInstall, AMachineWhoseDiskFailsIsTheEndAndSaysWhy) {
  make();
  feed("ab");
  feed_one("fail");
  feed("c");
  loop.run();
  EXPECT_EQ(machine.all, "ab");
  EXPECT_EQ(results, (std::vector<std::string>{"a=1", "b=2"}));
  EXPECT_EQ(broken, std::vector<Error>({{Code::no_space, "at index 3 its disk is full"}}));
  feed("d");
  ask("q");
  loop.run();
  EXPECT_EQ(machine.all, "ab");
  EXPECT_EQ(answers, std::vector<std::string>{"q: at index 3 its disk is full"});
}

// --- a machine that may block ---
// That it is called away from the loop, FakeMachine itself sees to, in all tests.

class DriverOfOneThatBlocks : public DriverBench {
 protected:
  DriverOfOneThatBlocks() { machine.blocks = true; }
};

TEST_F(DriverOfOneThatBlocks, CallsItOnceAtATimeAndInOrder) {
  rules.entries = 4;
  make();
  feed("ab");
  ask("1");
  ask("2");
  feed("cd");
  ask("3");
  EXPECT_TRUE(journal.empty()) << "nothing on the loop";
  loop.run();
  feed_and_run("efg");
  EXPECT_EQ(worker.most_at_once, 1);
  EXPECT_EQ(results, (std::vector<std::string>{"a=1", "b=2", "c=3", "d=4", "e=5", "f=6", "g=7"}));
  ASSERT_EQ(answers.size(), 3U);
  EXPECT_EQ(answers[0].substr(0, 3), "1: ") << answers[0];
  EXPECT_EQ(answers[1].substr(0, 3), "2: ") << answers[1];
  EXPECT_EQ(answers[2].substr(0, 3), "3: ") << answers[2];
  EXPECT_EQ(stored(4), "abcd");
}

TEST_F(DriverOfOneThatBlocks, CutsABatchWhereASnapshotIsDue) {
  rules.entries = 3;
  make();
  worker.inner.hold();
  feed("abcdefg");
  worker.inner.release();
  loop.run();
  ASSERT_FALSE(applied_to.empty());
  EXPECT_EQ(applied_to[0], 3U);
  EXPECT_EQ(applied_to.back(), 7U);
}

TEST_F(DriverOfOneThatBlocks, DoesNotCutBatchesWhileASnapshotIsWritten) {
  rules.bytes = 10;
  snapshots.is_prompt = false;
  make();
  feed_and_run("a");
  ASSERT_TRUE(driver->is_saving());
  applied_to.clear();
  feed_and_run(std::string(1000, 'x'));
  EXPECT_EQ(applied_to, Indices{1001});
}

TEST_F(DriverOfOneThatBlocks, NeitherCommandsNorQuestionsKeepTheOthersWaiting) {
  make();
  // Whoever is answered asks again, at once and for ever.
  int asked = 0;
  std::function<void()> ask_again = [&] {
    if (++asked < 100) driver->ask("q", [&](const Result<Queried>&) { ask_again(); });
  };
  ask_again();
  feed(std::string(3000, 'x'));
  while (results.size() < 3000 && loop.step()) {
  }
  EXPECT_EQ(results.size(), 3000U);
  EXPECT_GT(asked, 2);
  EXPECT_LT(asked, 10);
}

// 1. a batch up to 6 is away; 2. a snapshot up to 5 arrives; 3. the batch is done. To restore it would rewind.
TEST_F(DriverOfOneThatBlocks, P60_ASnapshotThatABatchOvertakesIsNotInstalled) {
  make();
  feed("abcdef");
  install(5, "other");
  EXPECT_TRUE(restored.empty());
  loop.run();
  EXPECT_EQ(machine.all, "abcdef");
  EXPECT_TRUE(restored.empty());
  EXPECT_EQ(saved, Indices{5});
  EXPECT_FALSE(driver->is_installing());
}

TEST_F(DriverOfOneThatBlocks, IsNotRestoredBeforeTheBatchIsDone) {
  make();
  feed("abc");
  install(5, "ABCDE");
  EXPECT_EQ(journal, Journal{});
  loop.run();
  EXPECT_EQ(journal, (Journal{"apply a at 1", "apply b at 2", "apply c at 3", "read 5", "restore ABCDE"}));
  EXPECT_EQ(applied_to, Indices{3});
}

TEST_F(DriverOfOneThatBlocks, P87_StoppedWhileAJobRunsTellsWhoWaitsAndNothingAfterwards) {
  make();
  ask("running");
  ask("waiting");
  feed("ab");
  loop.step();  // the job has run, and nobody knows yet
  driver->stop("enough");
  EXPECT_EQ(answers, (std::vector<std::string>{"running: enough", "waiting: enough"}));
  loop.run();
  EXPECT_EQ(answers.size(), 2U);
  EXPECT_TRUE(results.empty());
  EXPECT_EQ(machine.all, "");
}

TEST_F(DriverOfOneThatBlocks, P87_DestroyedWhileAJobRunsLeavesItItsMachine) {
  make();
  worker.inner.hold();
  feed("ab");
  ask("q");
  driver.reset();
  kept_machine.reset();
  EXPECT_TRUE(journal.empty());
  worker.inner.release();
  loop.run();
  EXPECT_EQ(journal, (Journal{"apply a at 1", "apply b at 2", "the machine is gone"}));
  EXPECT_TRUE(results.empty());
  EXPECT_TRUE(answers.empty());
}

}  // namespace
}  // namespace zraft::node::test
