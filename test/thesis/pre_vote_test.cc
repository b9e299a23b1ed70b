// SPDX-License-Identifier: Apache-2.0
//
// Ongaro, "Consensus: Bridging Theory and Practice", section 9.6 (preventing disruptions when a server rejoins) and
// what 4.2.3 says of a leader that is heard, sentence by sentence in our words.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

TEST(Thesis_9_6, ACandidateRaisesItsTermOnlyWhenAMajorityWouldVoteForIt) {
  OneCore bench({.membership = voters_up_to(5), .hard_state = {{4}, {}}});
  bench.stand();
  EXPECT_EQ(bench.sent<RequestPreVote>().size(), 4U);
  bench.receive(2, 4, PreVote{{5}, true});
  EXPECT_EQ(bench->term(), Term{4});
  EXPECT_TRUE(bench.writes().empty());
  bench.receive(3, 4, PreVote{{5}, true});
  EXPECT_EQ(bench->hard_state(), (HardState{{5}, NodeId{1}}));
  EXPECT_EQ(bench.sent<RequestVote>().size(), 4U);
}

TEST(Thesis_9_6, ItAsksForTheTermThatWouldBeNextAndNamesItsLastEntry) {
  OneCore bench({.log = {1, 3}, .hard_state = {{4}, {}}});
  bench.stand();
  const auto asked = bench.sent_to<RequestPreVote>(2);
  EXPECT_EQ(asked->proposed, Term{5});
  EXPECT_EQ(asked->last, at(3, 2));
}

TEST(Thesis_9_6, AServerWouldVoteIfTheLogIsAsGoodAndNoLeaderIsHeard) {
  struct Case {
    Position candidate;
    Duration since_leader;
    bool granted;
  };
  // The server ends at 2^3 and may have heard its leader.
  for (const Case& c : {Case{at(2, 3), ms(300), true}, Case{at(3, 1), ms(300), true}, Case{at(2, 2), ms(300), false},
                        Case{at(2, 3), ms(299), false}, Case{at(9, 9), ms(1), false}}) {
    OneCore bench({.log = {1, 2, 2}, .hard_state = {{3}, {}}});
    bench.receive(3, 3, Heartbeat{{1}, {}});
    bench.pass(c.since_leader);
    bench.receive(2, 3, RequestPreVote{{4}, c.candidate});
    EXPECT_EQ(bench.sent_to<PreVote>(2)->granted, c.granted) << describe(c.candidate);
  }
}

// So two may be promised the same, and neither side remembers it.
TEST(Thesis_9_6, APreVotePromisesNothing) {
  OneCore bench({.hard_state = {{4}, NodeId{3}}});
  bench.receive(2, 4, RequestPreVote{{5}, at(1, 1)});
  bench.receive(3, 4, RequestPreVote{{5}, at(1, 1)});
  EXPECT_TRUE(bench.sent_to<PreVote>(3)->granted);
  EXPECT_EQ(bench->hard_state(), (HardState{{4}, NodeId{3}}));
  EXPECT_TRUE(bench.writes().empty());
  EXPECT_TRUE(bench.is_follower());
}

TEST(Thesis_9_6, AServerThatReachesNobodyKeepsItsTerm) {
  OneCore bench;
  for (int i = 0; i < 50; ++i) bench.tick();
  EXPECT_EQ(bench->term(), Term{1});
  EXPECT_TRUE(bench.is_pre_candidate());
}

TEST(Thesis_9_6, WhenALeaderDiesTheOthersElectWithinAFewTimeouts) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    CoreCluster cluster({.membership = voters_up_to(5), .config = {.group = {77}, .seed = seed}});
    cluster.advance(Duration::seconds(2));
    const auto first = cluster.leader();
    ASSERT_TRUE(first) << "seed " << seed;
    cluster.crash(*first);
    cluster.advance(Duration::seconds(2));
    ASSERT_TRUE(cluster.leader()) << "seed " << seed;
    EXPECT_NE(cluster.leader(), first) << "seed " << seed;
  }
}

// --- 4.2.3: disruptive servers ---

TEST(Thesis_4_2_3, ARequestForVotesWhileALeaderIsHeardNeitherGetsAVoteNorMovesTheTerm) {
  OneCore bench;
  bench.receive(2, 2, Heartbeat{{1}, {}});
  bench.receive(3, 7, RequestVote{at(6, 9)});
  EXPECT_EQ(bench->hard_state(), (HardState{{2}, {}}));
  EXPECT_EQ(bench->leader(), NodeId{2});
  bench.pass(ms(300));
  bench.receive(3, 7, RequestVote{at(6, 9)});
  EXPECT_EQ(bench->hard_state(), (HardState{{7}, NodeId{3}}));
}

TEST(Thesis_4_2_3, AnElectionThatTheLeaderItselfAskedForIsNotHeldBack) {
  OneCore bench;
  bench.receive(2, 2, Heartbeat{{1}, {}});
  bench.receive(3, 3, RequestVote{at(6, 9), true});
  EXPECT_EQ(bench->hard_state(), (HardState{{3}, NodeId{3}}));
}

}  // namespace
}  // namespace zraft::raft
