// SPDX-License-Identifier: Apache-2.0
//
// Ongaro, "Consensus: Bridging Theory and Practice", section 3.10 (leadership transfer), sentence by sentence in our
// words. Whole stories of transfers: test/scripts/transfer*.txt.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

OneCore leading() {
  OneCore bench;
  bench.lead();
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, Appended{{2}});
  bench.forget();
  return bench;
}

TEST(Thesis_3_10, ThePriorLeaderStopsTakingNewRequests) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "a"});
  bench.give(Transfer{{2}, NodeId{2}});
  bench.give(Propose{{3}, "b"});
  const auto refused = bench.answered<Refused>();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].id, RequestId{3});
  EXPECT_EQ(refused[0].code, Code::busy);
}

TEST(Thesis_3_10, ItBringsTheTargetsLogUpToItsOwnBeforeItTellsItToStand) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "a"});
  bench.give(Transfer{{2}, NodeId{2}});
  EXPECT_TRUE(bench.sent<TimeoutNow>().empty());
  bench.receive(3, 2, Appended{{3}});
  EXPECT_TRUE(bench.sent<TimeoutNow>().empty()) << "that it is committed is not enough";
  bench.receive(2, 2, Appended{{3}});
  const auto told = bench.sent<TimeoutNow>();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].first, NodeId{2});
}

TEST(Thesis_3_10, TheTargetStandsAtOnceAsIfItsTimerHadRunOutAndRaisesItsTerm) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {});
  bench.receive(2, 2, TimeoutNow{});
  EXPECT_TRUE(bench.is_candidate());
  EXPECT_EQ(bench->hard_state(), (HardState{{3}, NodeId{1}}));
  const auto asked = bench.sent<RequestVote>();
  ASSERT_EQ(asked.size(), 2U);
  EXPECT_TRUE(asked[0].second.transfer) << "those who hear the leader answer it all the same";
}

TEST(Thesis_3_10, TheTargetsNextMessageMakesThePriorLeaderStepDown) {
  OneCore bench = leading();
  bench.give(Transfer{{1}, NodeId{2}});
  bench.receive(2, 3, RequestVote{at(2, 2), true});
  EXPECT_TRUE(bench.is_follower());
  EXPECT_EQ(bench->hard_state(), (HardState{{3}, NodeId{2}}));
  EXPECT_EQ(bench.answered<Completed>().size(), 1U);
}

TEST(Thesis_3_10, IfItIsNotDoneWithinAnElectionTimeoutThePriorLeaderAbortsAndTakesRequestsAgain) {
  OneCore bench = leading();
  const Instant began = bench.now();
  bench.give(Transfer{{1}, NodeId{2}});
  std::vector<Refused> refused;
  while (refused.empty() && bench.now() - began < ms(1'000)) {
    bench.tick();
    bench.receive(3, 2, HeartbeatReply{{0}, bench.now()});
    refused = bench.answered<Refused>();
  }
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].code, Code::timeout);
  EXPECT_GE(bench.now() - began, ms(300));
  EXPECT_LE(bench.now() - began, ms(360));
  EXPECT_TRUE(bench->is_leader());
  bench.give(Propose{{2}, "a"});
  EXPECT_EQ(bench.answered<Accepted>().size(), 1U);
}

// "Chances are it is the most up to date": without a target, the one that has most and answers.
TEST(Thesis_3_10, WithoutATargetTheMostUpToDateIsChosen) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "a"});
  bench.receive(3, 2, Appended{{3}});
  bench.give(Transfer{{2}, std::nullopt});
  const auto told = bench.sent<TimeoutNow>();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].first, NodeId{3});
}

}  // namespace
}  // namespace zraft::raft
