// SPDX-License-Identifier: Apache-2.0
//
// What may be said when: promises and the durable index, with writes that complete late and entries that are cut
// meanwhile (P28, P29).
#include "zraft/raft/promises.h"

#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

using Needs = Promises::Needs;

Message to(std::uint64_t id) { return {{1}, {id}, {1}, StaleTerm{}}; }

std::vector<std::uint64_t> receivers(const std::vector<Promises::Kept>& kept) {
  std::vector<std::uint64_t> out;
  for (const auto& one : kept) out.push_back(std::get<Message>(one).to.value);
  return out;
}

TEST(Promises, NothingNeedsToWaitWhenNothingIsWritten) {
  const Promises promises({5});
  EXPECT_FALSE(promises.must_wait(Needs::term));
  EXPECT_FALSE(promises.must_wait(Needs::everything));
  EXPECT_EQ(promises.durable(), Index{5});
  EXPECT_FALSE(promises.waiting_since());
}

TEST(Promises, WhatNeedsTheTermDoesNotWaitForEntries) {
  Promises promises({5});
  (void)promises.open(Instant{});
  promises.wrote_to({6});
  EXPECT_FALSE(promises.must_wait(Needs::term));
  EXPECT_TRUE(promises.must_wait(Needs::everything));
  promises.wrote_hard_state();
  EXPECT_TRUE(promises.must_wait(Needs::term));
}

TEST(Promises, TheyComeOutWithTheWriteThatMakesThemTrueInOrder) {
  Promises promises({5});
  const WriteId first = promises.open(Instant{});
  promises.wrote_hard_state();
  promises.keep(to(2), Needs::term);
  promises.keep(to(3), Needs::everything);
  const WriteId second = promises.open(Instant{});
  promises.wrote_to({6});
  promises.keep(to(4), Needs::everything);
  promises.keep(to(5), Needs::term);
  EXPECT_EQ(receivers(promises.written(first)), (std::vector<std::uint64_t>{2, 3, 5}));
  EXPECT_EQ(receivers(promises.written(second)), (std::vector<std::uint64_t>{4}));
  EXPECT_FALSE(promises.must_wait(Needs::everything));
}

TEST(Promises, OfAnOlderTermBindNobody) {
  Promises promises({5});
  const WriteId first = promises.open(Instant{});
  promises.wrote_hard_state();
  promises.keep(to(2), Needs::term);
  promises.forget();
  EXPECT_TRUE(promises.written(first).empty());
}

TEST(Promises, DurableRisesWithCompletions) {
  Promises promises({5});
  const WriteId first = promises.open(Instant{});
  promises.wrote_to({7});
  const WriteId second = promises.open(Instant{});
  promises.wrote_to({9});
  EXPECT_EQ(promises.durable(), Index{5});
  (void)promises.written(first);
  EXPECT_EQ(promises.durable(), Index{7});
  (void)promises.written(second);
  EXPECT_EQ(promises.durable(), Index{9});
}

// 1. 6 and 7 are written; 2. both are cut and written anew; 3. the first write completes.
TEST(Promises, P29_ACompletionSaysNothingOfWhatWasOverwritten) {
  Promises promises({5});
  const WriteId first = promises.open(Instant{});
  promises.wrote_to({7});
  promises.truncated_from({6});
  const WriteId second = promises.open(Instant{});
  promises.wrote_to({7});
  (void)promises.written(first);
  EXPECT_EQ(promises.durable(), Index{5});
  (void)promises.written(second);
  EXPECT_EQ(promises.durable(), Index{7});
}

TEST(Promises, P29_TheFirstPartOfAnOverwrittenWriteStillCounts) {
  Promises promises({5});
  const WriteId first = promises.open(Instant{});
  promises.wrote_to({9});
  promises.truncated_from({8});
  (void)promises.open(Instant{});
  promises.wrote_to({8});
  (void)promises.written(first);
  EXPECT_EQ(promises.durable(), Index{7});
}

TEST(Promises, ACutLowersWhatIsDurable) {
  Promises promises({5});
  promises.truncated_from({3});
  EXPECT_EQ(promises.durable(), Index{2});
  const WriteId first = promises.open(Instant{});
  promises.wrote_to({3});
  (void)promises.written(first);
  EXPECT_EQ(promises.durable(), Index{3});
}

TEST(Promises, TheOldestWriteTellsHowLongTheDiskHangs) {
  Promises promises({5});
  const WriteId first = promises.open(Instant{10});
  (void)promises.open(Instant{20});
  EXPECT_EQ(promises.waiting_since(), Instant{10});
  (void)promises.written(first);
  EXPECT_EQ(promises.waiting_since(), Instant{20});
}

TEST(PromisesDeathTest, CompletionsComeInOrderAndOnce) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  Promises promises({5});
  const WriteId first = promises.open(Instant{});
  const WriteId second = promises.open(Instant{});
  EXPECT_DEATH((void)promises.written(second), "in the order they were made");
  (void)promises.written(first);
  EXPECT_DEATH((void)promises.written(first), "in the order they were made");
}

}  // namespace
}  // namespace zraft::raft
