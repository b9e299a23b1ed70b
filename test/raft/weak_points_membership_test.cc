// SPDX-License-Identifier: Apache-2.0
//
// W-41 to W-45: what the Erlang library of the same name did wrong with members, and what is so here.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

CoreCluster::Options cluster_of(std::uint64_t n) {
  return {.membership = voters_up_to(n), .config = {.group = {77}, .seed = first_is_one}};
}

// Removed, it never got the last membership and stood for ever.
TEST(WeakPoint, W41_ARemovedFollowerIsToldSoAndIsQuiet) {
  CoreCluster cluster(cluster_of(3));
  cluster.campaign({1});
  cluster.advance(ms(200));
  cluster.reconfigure({1}, voters_up_to(2));
  cluster.advance(ms(200));
  EXPECT_TRUE(cluster.core({3}).is_removed());
  cluster.forget_sent();
  cluster.advance(ms(5'000));
  EXPECT_EQ(cluster.sent("request_pre_vote") + cluster.sent("request_vote"), 0U);
  EXPECT_EQ(cluster.core({1}).term(), Term{2});
}

// The telling may be lost: then it asks when its timer runs out, and is told again.
TEST(WeakPoint, W41_ARemovedFollowerLearnsOfItThoughTheWordIsLost) {
  CoreCluster cluster(cluster_of(3));
  cluster.campaign({1});
  cluster.advance(ms(200));
  cluster.add_rule({.kind = CoreCluster::Rule::Kind::drop, .message = "removed", .from = {}, .to = {3}, .by = {}});
  cluster.reconfigure({1}, voters_up_to(2));
  cluster.advance(ms(200));
  EXPECT_FALSE(cluster.core({3}).is_removed());
  cluster.advance(ms(2'000));
  EXPECT_TRUE(cluster.core({3}).is_removed());
}

TEST(WeakPoint, W42_ARemovedLeaderStopsLeadingAndTheOthersGoOn) {
  CoreCluster cluster(cluster_of(3));
  cluster.campaign({1});
  cluster.advance(ms(200));
  cluster.reconfigure({1}, membership_of({{{2}, "n2@test:1"}, {{3}, "n3@test:1"}}));
  cluster.advance(ms(300));
  ASSERT_TRUE(cluster.leader());
  EXPECT_NE(cluster.leader(), NodeId{1});
  EXPECT_TRUE(cluster.core({1}).is_removed());
  cluster.propose(*cluster.leader(), {"a"});
  cluster.advance(ms(100));
  EXPECT_EQ(cluster.applied(*cluster.leader()).size(), 1U);
}

TEST(WeakPoint, W43_AMembershipOfNobodyIsRefusedAndHoldsUpNothing) {
  OneCore bench;
  bench.lead();
  bench.receive(2, 2, Appended{{2}});
  bench.give(Reconfigure{{1}, {1}, Membership{}});
  EXPECT_EQ(bench.answered<Refused>().at(0).code, Code::bad_request);
  bench.give(Reconfigure{{2}, {1}, voters_up_to(2)});
  EXPECT_TRUE(bench->membership().is_joint());
}

// One blank or dead member beside a single one stopped all commits.
TEST(WeakPoint, W44_AddingADeadMemberToOneDoesNotStopCommits) {
  OneCore bench({.membership = voters_up_to(1)});
  bench.tick();
  ASSERT_TRUE(bench->is_leader());
  Membership wanted = voters_up_to(2);
  wanted.voters = {{1}};
  wanted.promoting = {{2}};
  bench.give(Reconfigure{{1}, {1}, wanted});
  EXPECT_EQ(bench.answered<Completed>().size(), 1U);
  for (int i = 0; i < 20; ++i) bench.tick();
  bench.give(Propose{{2}, "a"});
  EXPECT_EQ(bench->commit(), bench->log().last().index);
  wanted.members.pop_back();
  wanted.promoting.clear();
  bench.give(Reconfigure{{3}, {3}, wanted});
  EXPECT_EQ(bench->membership(), with_removed(voters_up_to(1), {{2}}))
      << "and what does not come about can be taken back";
}

TEST(WeakPoint, W45_TheFirstEntryOfANewGroupHasATermLikeAnyOther) {
  OneCore bench;
  EXPECT_EQ(bench->log().last(), at(1, 1));
  EXPECT_EQ(bench->term(), Term{1});
  bench.receive(2, 1, RequestVote{at(0, 5)});
  EXPECT_FALSE(bench.sent_to<Vote>(2)->granted);
}

}  // namespace
}  // namespace zraft::raft
