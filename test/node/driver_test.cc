// SPDX-License-Identifier: Apache-2.0
//
// A driver and the snapshots of its own machine: when they are taken and what of, what becomes of those that fail, and
// who is told.
#include <gtest/gtest.h>

#include <algorithm>

#include "test/node/driver_bench.h"

namespace zraft::node::test {
namespace {

// --- when ---

class DriverSnapshot : public DriverOfBoth {};
INSTANTIATE_TEST_SUITE_P(Machines, DriverSnapshot, ::testing::Bool(), name_of_kind);

TEST_P(DriverSnapshot, IsDueAtMultiplesCountedFromThePlaceOfTheGroup) {
  rules.entries = 4;
  for (const std::uint64_t group : {0, 1, 2, 3, 77}) {
    saved.clear();
    fed = 0;
    make(group);
    for (int i = 0; i < 12; ++i) feed_and_run("x");
    const std::uint64_t first = 4 - group % 4;
    EXPECT_EQ(saved, (Indices{first, first + 4, first + 8})) << group;
  }
}

TEST_P(DriverSnapshot, IsTakenExactlyBetweenTwoCommandsOfOneBatch) {
  rules.entries = 3;
  make();
  feed_and_run("abcdefg");
  EXPECT_EQ(machine.all, "abcdefg");
  EXPECT_EQ(stored(3), "abc");
  const auto held = std::ranges::find(journal, "hold abc");
  ASSERT_NE(held, journal.end());
  EXPECT_EQ(*std::prev(held), "apply c at 3");
  EXPECT_EQ(results, (std::vector<std::string>{"a=1", "b=2", "c=3", "d=4", "e=5", "f=6", "g=7"}));
}

TEST_P(DriverSnapshot, IsDueWhenTheLogHasGrown) {
  rules.bytes = 35;
  make();
  for (int i = 0; i < 9; ++i) feed_and_run("x");
  EXPECT_EQ(saved, (Indices{4, 8}));
}

TEST_P(DriverSnapshot, IsNeverDueWithoutARule) {
  make();
  feed_and_run(std::string(5000, 'x'));
  EXPECT_EQ(machine.snapshots_asked, 0);
}

// W-61: it is written away from the loop, of what was, while commands go on.
TEST_P(DriverSnapshot, W61_IsWrittenWhileCommandsGoOn) {
  rules.entries = 3;
  snapshots.is_prompt = false;
  make();
  feed_and_run("abcd");
  EXPECT_TRUE(driver->is_saving());
  feed_and_run("e");
  ask("q");
  loop.run();
  EXPECT_EQ(answers, std::vector<std::string>{"q: abcde"});
  snapshots.finish_save();
  loop.run();
  EXPECT_EQ(stored(3), "abc");
  EXPECT_EQ(saved, Indices{3});
  EXPECT_FALSE(driver->is_saving());
}

TEST_P(DriverSnapshot, ThatComesDueWhileOneIsWrittenIsPassedOver) {
  rules.entries = 3;
  snapshots.is_prompt = false;
  make();
  feed_and_run("abcdefg");
  EXPECT_EQ(machine.snapshots_asked, 1);
  snapshots.finish_save();
  loop.run();
  feed_and_run("h");
  EXPECT_TRUE(snapshots.saves.empty());
  feed_and_run("i");
  ASSERT_EQ(snapshots.saves.size(), 1U);
  EXPECT_EQ(snapshots.saves[0].meta, meta_at({9}));
}

// --- what fails ---

TEST_P(DriverSnapshot, P62_ThatFailsIsToldAndTriedAgainLaterAndLater) {
  rules = {.entries = 3, .bytes = 0, .retry_min = Duration::seconds(1), .retry_max = Duration::seconds(3)};
  snapshots.is_prompt = false;
  make();
  feed_and_run("abc");
  const Error full{Code::no_space, "the disk is full"};
  for (const int seconds : {1, 2, 3, 3}) {
    snapshots.finish_save(std::unexpected(full));
    loop.run();
    EXPECT_EQ(failed.back(), std::pair(full, Duration::seconds(seconds)));
    loop.advance(Duration::seconds(seconds) - Duration::milliseconds(1));
    EXPECT_TRUE(snapshots.saves.empty());
    feed_and_run("xyz");  // one more would be due
    EXPECT_TRUE(snapshots.saves.empty());
    loop.advance(Duration::milliseconds(1));
    ASSERT_EQ(snapshots.saves.size(), 1U);
    EXPECT_EQ(snapshots.saves[0].meta.last.index.value, fed) << "of what is applied by then";
  }
  EXPECT_TRUE(saved.empty());
  snapshots.finish_save();
  loop.run();
  EXPECT_EQ(saved, Indices{15});
  EXPECT_EQ(stored(15), machine.all);
  EXPECT_EQ(loop.timers(), 0U);
  feed_and_run("xyz");
  snapshots.finish_save(std::unexpected(full));
  loop.run();
  EXPECT_EQ(failed.back().second, Duration::seconds(1)) << "after a success it begins anew";
}

TEST_P(DriverSnapshot, W10_ThatIsToBeTriedAgainLeavesNothingBehind) {
  rules.entries = 3;
  machine.throws_in_task = true;
  for (const bool stops : {true, false}) {
    fed = 0;
    make();
    feed_and_run("abc");
    EXPECT_EQ(loop.timers(), 1U);
    if (stops) {
      driver->stop("enough");
    } else {
      driver.reset();
    }
    EXPECT_EQ(loop.timers(), 0U);
  }
}

TEST_P(DriverSnapshot, OfAMachineThatHasNoneIsAskedForOnceAndNeverAgain) {
  rules.entries = 3;
  machine.has_snapshots = false;
  make();
  feed_and_run("abcdefg");
  loop.advance(Duration::seconds(100));
  save_now("me");
  loop.run();
  EXPECT_EQ(told, std::vector<std::string>{
                      "me: this state machine has no snapshots: give it snapshot() and restore()"});
  EXPECT_EQ(machine.snapshots_asked, 1);
  EXPECT_TRUE(saved.empty());
  EXPECT_TRUE(failed.empty());
  EXPECT_EQ(machine.all, "abcdefg");
}

TEST_P(DriverSnapshot, W29_AThrowGivesUpThatSnapshotAndNothingElse) {
  rules.entries = 3;
  for (bool* throws : {&machine.throws_in_snapshot, &machine.throws_in_task}) {
    saved.clear();
    failed.clear();
    machine.all.clear();
    fed = 0;
    make();
    *throws = true;
    feed_and_run("abcd");
    ASSERT_EQ(failed.size(), 1U);
    EXPECT_NE(failed[0].first.text.find("threw: told to in"), std::string::npos) << failed[0].first.text;
    EXPECT_EQ(machine.all, "abcd");
    *throws = false;
    loop.advance(failed[0].second);
    EXPECT_EQ(saved, Indices{4});
    EXPECT_TRUE(broken.empty());
  }
}

// A task that cannot have a directory here has failed; that is not a machine without snapshots.
TEST_P(DriverSnapshot, WhoseTaskSaysUnsupportedHasFailedLikeAnyOther) {
  rules.entries = 3;
  machine.refuses_in_task = Error{Code::unsupported, "no directory"};
  make();
  feed_and_run("abc");
  ASSERT_EQ(failed.size(), 1U);
  machine.refuses_in_task.reset();
  loop.advance(failed[0].second);
  EXPECT_EQ(saved, Indices{3});
}

// --- on request ---

TEST_P(DriverSnapshot, OnRequestIsOfNow) {
  make();
  feed_and_run("ab");
  save_now("me");
  EXPECT_TRUE(told.empty()) << "not before the call returns";
  loop.run();
  EXPECT_EQ(told, std::vector<std::string>{"me: 2"});
  EXPECT_EQ(saved, Indices{2});
  EXPECT_EQ(stored(2), "ab");
}

TEST_P(DriverSnapshot, OnRequestBeforeAnythingWasAppliedWaitsForTheFirstEntry) {
  make();
  save_now("me");
  loop.run();
  EXPECT_TRUE(told.empty());
  feed_and_run("a");
  EXPECT_EQ(told, std::vector<std::string>{"me: 1"});
  EXPECT_EQ(stored(1), "a");
}

TEST_P(DriverSnapshot, OnRequestWhenNothingIsNewIsTheOneThereIs) {
  make();
  feed_and_run("ab");
  for (const char* who : {"me", "you"}) {
    save_now(who);
    loop.run();
  }
  EXPECT_EQ(told, (std::vector<std::string>{"me: 2", "you: 2"}));
  EXPECT_EQ(machine.snapshots_asked, 1);
}

TEST_P(DriverSnapshot, OnRequestWhileAnotherIsWrittenIsANewerOne) {
  snapshots.is_prompt = false;
  make();
  feed_and_run("ab");
  save_now("me");
  loop.run();
  feed_and_run("c");
  save_now("you");
  save_now("she");
  loop.run();
  snapshots.finish_save();
  loop.run();
  EXPECT_EQ(told, std::vector<std::string>{"me: 2"});
  snapshots.finish_save();
  loop.run();
  EXPECT_EQ(told, (std::vector<std::string>{"me: 2", "you: 3", "she: 3"}));
}

TEST_P(DriverSnapshot, OnRequestThatFailsIsToldToWhoAskedAndTriedAgain) {
  snapshots.is_prompt = false;
  make();
  feed_and_run("ab");
  save_now("me");
  loop.run();
  snapshots.finish_save(fail(Code::io, "no"));
  loop.run();
  EXPECT_EQ(told, std::vector<std::string>{"me: no"});
  // The next request does not wait for that.
  save_now("you");
  loop.run();
  snapshots.finish_save();
  loop.run();
  EXPECT_EQ(told.back(), "you: 2");
  EXPECT_EQ(loop.timers(), 0U);
}

TEST_P(DriverSnapshot, OnRequestWhileAnotherFailsIsTriedAtOnce) {
  snapshots.is_prompt = false;
  make();
  feed_and_run("ab");
  save_now("me");
  loop.run();
  save_now("you");
  loop.run();
  snapshots.finish_save(fail(Code::io, "no"));
  loop.advance(Duration{});
  ASSERT_EQ(snapshots.saves.size(), 1U);
  snapshots.finish_save(fail(Code::io, "still not"));
  loop.run();
  EXPECT_EQ(told, (std::vector<std::string>{"me: no", "you: still not"}));
  loop.advance(Duration::milliseconds(500));
  EXPECT_TRUE(snapshots.saves.empty()) << "nobody waits, so it takes its time";
}

TEST_P(DriverSnapshot, OnRequestWhenItStopsOrHasStoppedIsToldSo) {
  snapshots.is_prompt = false;
  make();
  feed_and_run("ab");
  save_now("served");
  loop.run();
  save_now("waiting");
  loop.run();
  driver->stop("enough");
  save_now("late");
  loop.run();
  EXPECT_EQ(told, (std::vector<std::string>{"served: enough", "waiting: enough", "late: enough"}));
  snapshots.finish_save();
  loop.run();
  EXPECT_EQ(told.size(), 3U);
  EXPECT_TRUE(saved.empty());
}

// P87, P90.
TEST_P(DriverSnapshot, P90_ThatIsBeingWrittenWhenTheDriverGoesKeepsItsMachine) {
  snapshots.is_prompt = false;
  make();
  feed_and_run("ab");
  save_now("me");
  loop.run();
  driver.reset();
  kept_machine.reset();
  EXPECT_NE(journal.back(), "the machine is gone");
  snapshots.finish_save();
  EXPECT_EQ(journal.back(), "the machine is gone");
  loop.run();
  EXPECT_EQ(stored(2), "ab");
  EXPECT_TRUE(saved.empty());
  EXPECT_TRUE(told.empty());
  EXPECT_EQ(loop.timers(), 0U);
}

}  // namespace
}  // namespace zraft::node::test
