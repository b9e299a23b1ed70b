// SPDX-License-Identifier: Apache-2.0
//
// Pitfalls P15 to P22: members that disturb, leaders that hang, networks that are half there, timers.
#include <gtest/gtest.h>

#include <algorithm>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

CoreCluster::Options cluster_of(std::uint64_t n) {
  return {.membership = voters_up_to(n), .config = {.group = {77}, .seed = first_is_one}};
}

bool commits_within(CoreCluster& cluster, Duration time) {
  const auto leader = cluster.leader();
  if (!leader) return false;
  cluster.propose(*leader, {"live"});
  const Index wanted = cluster.core(*leader).log().last().index;
  cluster.advance(time);
  return cluster.core(*leader).is_leader() && wanted <= cluster.core(*leader).commit();
}

TEST(Pitfall, P15_AMemberThatWasCutOffDoesNotDeposeTheLeaderWhenItComesBack) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(Duration::milliseconds(600));
  cluster.partition({{1, 2}, {3}});
  cluster.advance(Duration::seconds(5));
  EXPECT_EQ(cluster.core({3}).term(), Term{2});
  cluster.heal();
  cluster.advance(Duration::seconds(2));
  EXPECT_EQ(cluster.leader(), NodeId{1});
  EXPECT_EQ(cluster.core({1}).term(), Term{2});
  EXPECT_EQ(cluster.core({3}).leader(), NodeId{1});
}

TEST(Pitfall, P16_ALeaderThatHearsNoMajorityStopsAllLeaderTraffic) {
  OneCore bench;
  bench.lead();
  bench.give(ReadBarrier{{1}});
  bench.give(Propose{{2}, "a"});
  for (int i = 0; i < 6 && bench->is_leader(); ++i) bench.tick();
  ASSERT_TRUE(bench.is_follower());
  EXPECT_EQ(bench.answered<Refused>().size(), 1U);
  bench.forget();
  bench.give(Propose{{3}, "b"});
  bench.give(ReadBarrier{{4}});
  for (int i = 0; i < 3; ++i) bench.receive(2, 2, HeartbeatReply{{0}});
  EXPECT_EQ(bench.answered<Refused>().size(), 2U);
  EXPECT_TRUE(bench.sent<Append>().empty());
  EXPECT_TRUE(bench.sent<Heartbeat>().empty());
}

TEST(Pitfall, P16_HearingAMinorityIsNotEnough) {
  OneCore bench({.membership = voters_up_to(5)});
  bench.lead();
  for (int i = 0; i < 6 && bench->is_leader(); ++i) {
    bench.tick();
    if (bench->is_leader()) bench.receive(2, 2, HeartbeatReply{{0}});
  }
  EXPECT_TRUE(bench.is_follower());
}

TEST(Pitfall, P16_HearingAMajorityIsEnough) {
  OneCore bench({.membership = voters_up_to(5)});
  bench.lead();
  for (int i = 0; i < 20; ++i) {
    bench.tick();
    bench.receive(2, 2, HeartbeatReply{{0}});
    bench.receive(3, 2, HeartbeatReply{{0}});
  }
  EXPECT_TRUE(bench->is_leader());
}

// The leader hears the others but they do not hear it: it keeps its own time, they keep theirs.
TEST(Pitfall, P17_ALeaderThatIsNotHeardIsReplaced) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(Duration::milliseconds(600));
  cluster.cut({1}, {2});
  cluster.cut({1}, {3});
  cluster.advance(Duration::seconds(3));
  ASSERT_TRUE(cluster.leader());
  EXPECT_NE(cluster.leader(), NodeId{1});
  EXPECT_TRUE(commits_within(cluster, Duration::milliseconds(300)));
}

TEST(Pitfall, P17_ABridgeBetweenTwoHalvesEndsWithALeaderThatCommits) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto options = cluster_of(5);
    options.config.seed = seed;
    CoreCluster cluster(options);
    cluster.advance(Duration::milliseconds(800));
    // 1-2 and 4-5 are cut off from each other, 3 sees all.
    for (const std::uint64_t a : {1, 2}) {
      for (const std::uint64_t b : {4, 5}) {
        cluster.cut({a}, {b});
        cluster.cut({b}, {a});
      }
    }
    cluster.advance(Duration::seconds(6));
    EXPECT_TRUE(commits_within(cluster, Duration::milliseconds(500))) << "seed " << seed;
  }
}

TEST(Pitfall, P17_AChainEndsWithALeaderThatCommitsAndStays) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto options = cluster_of(3);
    options.config.seed = seed;
    CoreCluster cluster(options);
    cluster.advance(Duration::milliseconds(800));
    cluster.cut({1}, {3});
    cluster.cut({3}, {1});
    cluster.advance(Duration::seconds(6));
    ASSERT_TRUE(cluster.leader());
    const Term term = cluster.core(*cluster.leader()).term();
    EXPECT_TRUE(commits_within(cluster, Duration::seconds(5))) << "seed " << seed;
    EXPECT_EQ(cluster.core(*cluster.leader()).term(), term) << "leadership goes to and fro";
  }
}

// Only 3 still reaches a majority (itself, 1 and 2), the leader among those that do not.
TEST(Pitfall, P17_TheOnlyOneThatReachesAMajorityLeadsInTheEnd) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    auto options = cluster_of(5);
    options.config.seed = seed;
    CoreCluster cluster(options);
    cluster.advance(Duration::milliseconds(800));
    for (const std::uint64_t a : {1, 2, 4, 5}) {
      for (const std::uint64_t b : {1, 2, 4, 5}) {
        if (a != b) cluster.cut({a}, {b});
      }
    }
    cluster.advance(Duration::seconds(6));
    EXPECT_EQ(cluster.leader(), NodeId{3}) << "seed " << seed;
    EXPECT_TRUE(commits_within(cluster, Duration::milliseconds(500))) << "seed " << seed;
  }
}

TEST(Pitfall, P18_AStrangerDoesNotMoveTheTermOfMembersThatHearALeader) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {});
  bench.receive(9, 50, RequestVote{at(49, 99)});
  bench.receive(9, 50, RequestPreVote{{51}, at(49, 99)});
  EXPECT_EQ(bench->term(), Term{2});
  EXPECT_FALSE(bench.sent_to<PreVote>(9)->granted);
  EXPECT_TRUE(bench.sent<Vote>().empty());
}

TEST(Pitfall, P18_AStrangerDoesNotMoveTheTermOfALeader) {
  OneCore bench;
  bench.lead();
  bench.receive(9, 50, RequestVote{at(49, 99)});
  bench.receive(9, 50, RequestPreVote{{51}, at(49, 99)});
  EXPECT_TRUE(bench->is_leader());
  EXPECT_EQ(bench->term(), Term{2});
}

TEST(Pitfall, P18_AStrangersVoteAndAcknowledgementDoNotCount) {
  OneCore bench;
  bench.stand_for_votes();
  bench.receive(9, 2, Vote{true});
  EXPECT_FALSE(bench->is_leader());
  bench.receive(2, 2, Vote{true});
  ASSERT_TRUE(bench->is_leader());
  bench.receive(9, 2, Appended{{2}});
  EXPECT_EQ(bench->commit(), Index{});
}

TEST(Pitfall, P19_ALeaderWhoseDiskDoesNotAnswerStepsDownAndIsReplaced) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(Duration::milliseconds(600));
  ASSERT_EQ(cluster.leader(), NodeId{1});
  cluster.hold_writes({1});
  cluster.propose({1}, {"a"});
  cluster.advance(Duration::seconds(2));
  ASSERT_TRUE(cluster.leader());
  EXPECT_NE(cluster.leader(), NodeId{1});
  EXPECT_FALSE(cluster.core({1}).is_leader());
}

TEST(Pitfall, P19_ADiskThatAnswersWithinTwoElectionTimeoutsCostsNoLeader) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(Duration::milliseconds(600));
  ASSERT_EQ(cluster.leader(), NodeId{1});
  const Term term = cluster.core({1}).term();
  cluster.hold_writes({1});
  cluster.propose({1}, {"a"});
  cluster.advance(Duration::milliseconds(500));
  cluster.release_writes({1});
  cluster.advance(Duration::seconds(1));
  EXPECT_EQ(cluster.leader(), NodeId{1});
  EXPECT_EQ(cluster.core({1}).term(), term);
}

TEST(Pitfall, P19_WhoseDiskDoesNotAnswerDoesNotStand) {
  OneCore bench({.auto_write = false});
  bench.append(2, 2, at(1, 1), {entry(2, 2)});
  for (int i = 0; i < 5; ++i) bench.tick();
  EXPECT_TRUE(bench.is_follower());
  EXPECT_TRUE(bench.sent<RequestPreVote>().empty());
  bench.auto_write(true);
  bench.tick();
  EXPECT_TRUE(bench.is_pre_candidate());
}

TEST(Pitfall, P20_OnlyAGrantedVoteOrTheLeaderPutsTheElectionOff) {
  OneCore bench({.log = {1, 2}, .hard_state = {{5}, {}}});
  const auto moves = [&](auto body, std::uint64_t term) {
    bench.pass(Duration::milliseconds(1));
    const Instant before = bench->deadline();
    bench.receive(2, term, std::move(body));
    return bench->deadline() != before;
  };
  EXPECT_FALSE(moves(RequestPreVote{{6}, at(9, 9)}, 5)) << "a granted pre-vote";
  EXPECT_FALSE(moves(RequestVote{at(1, 1)}, 6)) << "a refused vote, of a later term";
  EXPECT_FALSE(moves(Append{at(1, 1), {1}, {}}, 3)) << "an append of an earlier term";
  EXPECT_FALSE(moves(Heartbeat{{1}, {}}, 3)) << "a heartbeat of an earlier term";
  EXPECT_FALSE(moves(StaleTerm{}, 7)) << "a later term, without a leader";
  EXPECT_FALSE(moves(Vote{true}, 7)) << "an answer that nobody waits for";
  EXPECT_TRUE(moves(RequestVote{at(7, 9)}, 7)) << "a granted vote";
  EXPECT_TRUE(moves(Heartbeat{{1}, {}}, 7)) << "the leader";
  EXPECT_TRUE(moves(Append{at(9, 9), {}, {}}, 7)) << "the leader, even if the log does not match";
}

TEST(Pitfall, P20_ALeaderThatStepsDownHasATimerAgain) {
  OneCore bench;
  bench.lead();
  bench.receive(2, 9, StaleTerm{});
  ASSERT_TRUE(bench.is_follower());
  EXPECT_LT(bench.now(), bench->deadline());
  EXPECT_LE(bench->deadline(), bench.now() + Duration::milliseconds(600));
}

TEST(Pitfall, P20_TimeoutsAreDrawnAnewEachTime) {
  OneCore bench;
  std::vector<Duration> waits;
  for (int i = 0; i < 20; ++i) {
    bench.receive(2, 2, Heartbeat{{1}, {}});
    waits.push_back(bench->deadline() - bench.now());
  }
  std::ranges::sort(waits);
  EXPECT_GE(waits.front(), Duration::milliseconds(300));
  EXPECT_LT(waits.back(), Duration::milliseconds(600));
  EXPECT_GT(waits.back() - waits.front(), Duration::milliseconds(100));
}

// Every kind of message passes the one prologue.
TEST(Pitfall, P21_EveryKindOfMessageOfALaterTermMovesTheTerm) {
  const std::vector<Body> bodies = {PreVote{{9}, false},       RequestVote{at(1, 1)}, Vote{true},
                                    Append{at(1, 1), {1}, {}}, Appended{{1}},         AppendRejected{{1}, at(0, 0)},
                                    Heartbeat{{1}, {}},        HeartbeatReply{{0}},   StaleTerm{}};
  for (const Body& body : bodies) {
    for (const bool leads : {false, true}) {
      OneCore bench;
      if (leads) bench.lead();
      // A leader is protected from candidates, not from those who have another leader.
      const bool is_protected = leads && std::holds_alternative<RequestVote>(body);
      bench.give(Receive{{{2}, {1}, {8}, body}});
      EXPECT_EQ(bench->term(), is_protected ? Term{2} : Term{8}) << "body " << body.index();
      EXPECT_EQ(bench->is_leader(), is_protected) << "body " << body.index();
    }
  }
}

TEST(Pitfall, P21_NoKindOfMessageOfAnEarlierTermChangesAnything) {
  const std::vector<Body> bodies = {Vote{true},
                                    Append{at(1, 1), {2}, {entry(3, 2)}},
                                    Appended{{2}},
                                    AppendRejected{{1}, at(0, 0)},
                                    Heartbeat{{2}, {}},
                                    HeartbeatReply{{0}},
                                    StaleTerm{},
                                    RequestVote{at(9, 9)}};
  for (const Body& body : bodies) {
    OneCore bench({.hard_state = {{5}, {}}});
    bench.lead();
    bench.give(Propose{{1}, "a"});
    const Instant heard = std::get<Leader>(bench->role()).progresses.find({2})->heard();
    bench.pass(Duration::milliseconds(1));
    bench.give(Receive{{{2}, {1}, {4}, body}});
    EXPECT_TRUE(bench->is_leader());
    EXPECT_EQ(bench->commit(), Index{});
    EXPECT_EQ(bench->log().last(), at(6, 3));
    EXPECT_EQ(std::get<Leader>(bench->role()).progresses.find({2})->heard(), heard) << "body " << body.index();
  }
}

TEST(Pitfall, P22_WhoDoesNotVoteDoesNotStand) {
  Membership membership = voters_up_to(3);
  membership.voters = {{2}, {3}};
  OneCore learner({.membership = membership});
  for (int i = 0; i < 5; ++i) learner.tick();
  EXPECT_TRUE(learner.is_follower());
  EXPECT_TRUE(learner.everything_sent().empty());
}

TEST(Pitfall, P22_TheNewestMembershipInTheLogDecidesWhoStands) {
  OneCore bench;
  Membership without = voters_up_to(3);
  without.voters = {{2}, {3}};
  bench.append(2, 2, at(1, 1), {membership_entry(2, 2, without)});
  for (int i = 0; i < 5; ++i) bench.tick();
  EXPECT_TRUE(bench.is_follower());
  EXPECT_TRUE(bench.sent<RequestPreVote>().empty());
}

}  // namespace
}  // namespace zraft::raft
