// SPDX-License-Identifier: Apache-2.0
//
// Pitfalls P01 to P14: elections, terms and votes that went wrong in real systems. Each test is named after the
// number in docs/protocol.md, and fails when the rule is broken.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

TEST(Pitfall, P01_ARequestForVotesIsNotSentBeforeItsTermAndVoteAreDurable) {
  OneCore bench({.auto_write = false});
  bench.stand_for_votes();
  ASSERT_TRUE(bench.is_candidate());
  EXPECT_TRUE(bench.sent<RequestVote>().empty());
  bench.complete_write();
  EXPECT_EQ(bench.sent<RequestVote>().size(), 2U);
}

TEST(Pitfall, P01_AVoteIsNotSentBeforeItIsDurable) {
  OneCore bench({.auto_write = false});
  bench.receive(2, 2, RequestVote{at(1, 1)});
  EXPECT_TRUE(bench.sent<Vote>().empty());
  bench.complete_write();
  EXPECT_TRUE(bench.sent_to<Vote>(2)->granted);
}

TEST(Pitfall, P01_TheOwnVoteDoesNotCountBeforeItIsDurable) {
  OneCore bench({.auto_write = false});
  bench.stand_for_votes();
  bench.receive(2, 2, Vote{true});
  EXPECT_FALSE(bench->is_leader());
  bench.complete_write();
  EXPECT_TRUE(bench->is_leader());
}

TEST(Pitfall, P02_TermAndVoteAreInOneWrite) {
  OneCore bench;
  bench.receive(2, 2, RequestVote{at(1, 1)});
  ASSERT_EQ(bench.writes().size(), 1U);
  EXPECT_EQ(bench.writes()[0].hard_state, (HardState{{2}, NodeId{2}}));
}

TEST(Pitfall, P03_WhoseDiskNeverAnswersPromisesNothing) {
  OneCore bench({.auto_write = false});
  bench.receive(2, 2, RequestVote{at(1, 1)});
  bench.append(2, 2, at(1, 1), {entry(2, 2)});
  for (int i = 0; i < 10; ++i) bench.tick();
  EXPECT_TRUE(bench.everything_sent().empty());
}

TEST(Pitfall, P04_TheVoteIsKeptWhenACandidateStepsBackInItsTerm) {
  OneCore bench;
  bench.stand_for_votes();
  bench.receive(2, 2, Vote{false});
  bench.receive(3, 2, Vote{false});
  ASSERT_TRUE(bench.is_follower());
  bench.receive(3, 2, RequestVote{at(1, 9)});
  EXPECT_FALSE(bench.sent_to<Vote>(3)->granted);
  EXPECT_EQ(bench->hard_state(), (HardState{{2}, NodeId{1}}));
}

TEST(Pitfall, P04_TheVoteIsKeptWhenALeaderStepsDownInItsTerm) {
  OneCore bench;
  bench.lead();
  for (int i = 0; i < 10; ++i) bench.tick();
  ASSERT_FALSE(bench->is_leader());
  bench.receive(3, 2, RequestVote{at(2, 9)});
  EXPECT_FALSE(bench.sent_to<Vote>(3)->granted);
}

TEST(PitfallDeathTest, P05_AMemberThatHasALogAndNoTermDoesNotStart) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(OneCore({.log = {1, 1, 2}}), "term after the one that was saved");
  EXPECT_DEATH(OneCore({.log = {1, 5}, .hard_state = {{4}, {}}}), "term after the one that was saved");
}

TEST(Pitfall, P06_AVoteOfAnEarlierTermDoesNotCount) {
  OneCore bench({.hard_state = {{4}, {}}});
  bench.stand_for_votes();
  ASSERT_EQ(bench->term(), Term{5});
  bench.receive(2, 4, Vote{true});
  EXPECT_FALSE(bench->is_leader());
}

TEST(Pitfall, P06_APreVoteDoesNotCountAsAVoteNorForAnotherTerm) {
  OneCore bench;
  bench.stand();
  bench.receive(2, 1, PreVote{{3}, true});
  bench.receive(2, 1, PreVote{{1}, true});
  bench.receive(2, 1, Vote{true});
  EXPECT_TRUE(bench.is_pre_candidate());
  bench.receive(2, 1, PreVote{{2}, true});
  ASSERT_TRUE(bench.is_candidate());
  bench.receive(3, 1, PreVote{{2}, true});
  bench.receive(3, 2, PreVote{{3}, true});
  EXPECT_FALSE(bench->is_leader());
}

TEST(Pitfall, P06_OneVoterCountsOnce) {
  OneCore bench({.membership = voters_up_to(5)});
  bench.stand_for_votes();
  bench.receive(2, 2, Vote{true});
  bench.receive(2, 2, Vote{true});
  EXPECT_FALSE(bench->is_leader());
  bench.receive(3, 2, Vote{true});
  EXPECT_TRUE(bench->is_leader());
}

TEST(Pitfall, P07_TheSameCandidateIsToldTwiceThatItHasTheVote) {
  OneCore bench;
  bench.receive(2, 2, RequestVote{at(1, 1)});
  bench.receive(2, 2, RequestVote{at(1, 1)});
  const auto votes = bench.sent<Vote>();
  ASSERT_EQ(votes.size(), 2U);
  EXPECT_TRUE(votes[0].second.granted && votes[1].second.granted);
}

TEST(Pitfall, P07_ACandidatesVoteForItselfIsRecorded) {
  OneCore bench;
  bench.stand_for_votes();
  EXPECT_EQ(bench.writes().back().hard_state, (HardState{{2}, NodeId{1}}));
  bench.receive(3, 2, RequestVote{at(1, 9)});
  EXPECT_FALSE(bench.sent_to<Vote>(3)->granted);
}

// It has not voted in this term, and has not heard the leader for long; but the term has its leader.
TEST(Pitfall, P07_WhoKnowsTheLeaderOfATermVotesForNobodyElseInIt) {
  OneCore bench;
  bench.receive(2, 2, Heartbeat{{1}, {}});
  ASSERT_EQ(bench->hard_state(), (HardState{{2}, {}}));
  bench.pass(Duration::milliseconds(301));
  bench.receive(3, 2, RequestVote{at(1, 9)});
  EXPECT_FALSE(bench.sent_to<Vote>(3)->granted);
  EXPECT_EQ(bench->hard_state(), (HardState{{2}, {}}));
}

TEST(Pitfall, P07_WhoVotesForAnotherWhileItAsksForPreVotesStopsAsking) {
  OneCore bench({.hard_state = {{5}, {}}});
  bench.stand();
  bench.receive(2, 5, RequestVote{at(1, 1)});
  EXPECT_TRUE(bench.sent_to<Vote>(2)->granted);
  EXPECT_TRUE(bench.is_follower());
  bench.receive(3, 5, PreVote{{6}, true});
  EXPECT_EQ(bench->term(), Term{5});
}

TEST(Pitfall, P08_NoMessageLowersTheTerm) {
  OneCore bench({.hard_state = {{5}, {}}});
  bench.append(2, 3, at(1, 1), {entry(3, 2)});
  bench.receive(2, 3, Heartbeat{{1}, {}});
  bench.receive(2, 3, RequestVote{at(3, 9)});
  bench.receive(2, 3, StaleTerm{});
  EXPECT_EQ(bench->term(), Term{5});
  EXPECT_EQ(bench->log().last(), at(1, 1));
}

TEST(Pitfall, P08_TheTermOfASnapshotDoesNotLowerTheTerm) {
  Recovered recovered{.hard_state = {{7}, NodeId{3}}, .base = {}, .entries = {}};
  recovered.base = {.last = at(4, 20), .membership = voters_up_to(3), .membership_index = {1}, .time = {}};
  const Core core({.group = bench_group, .self = {1}}, recovered, Instant{});
  EXPECT_EQ(core.hard_state(), (HardState{{7}, NodeId{3}}));
}

TEST(Pitfall, P09_AnOldAcknowledgementDoesNotLowerTheMatch) {
  OneCore bench;
  bench.lead();
  bench.give(Propose{{1}, "a"});
  bench.receive(2, 2, Appended{{3}});
  bench.receive(2, 2, Appended{{1}});
  const Progress* progress = std::get<Leader>(bench->role()).progresses.find({2});
  EXPECT_EQ(progress->match(), Index{3});
  EXPECT_LT(progress->match(), progress->next());
  EXPECT_EQ(bench->commit(), Index{3});
}

TEST(Pitfall, P09_AnOldAppendDoesNotLowerTheCommitIndex) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {entry(2, 2), entry(2, 3)}, 3);
  bench.append(2, 2, at(1, 1), {entry(2, 2)}, 1);
  bench.receive(2, 2, Heartbeat{{1}, {}});
  EXPECT_EQ(bench->commit(), Index{3});
}

TEST(PitfallDeathTest, P10_TwoLeadersInOneTermAreNotTolerated) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        OneCore bench;
        bench.lead();
        bench.receive(2, 2, Heartbeat{{1}, {}});
      },
      "two leaders in one term");
  EXPECT_DEATH(
      {
        OneCore bench;
        bench.receive(2, 2, Heartbeat{{1}, {}});
        bench.append(3, 2, at(1, 1), {});
      },
      "two leaders in one term");
}

TEST(Pitfall, P11_APreVoteLooksAtTheLogAsAVoteDoes) {
  OneCore bench({.log = {1, 1, 2}, .hard_state = {{2}, {}}});
  bench.receive(2, 2, RequestPreVote{{3}, at(1, 9)});
  EXPECT_FALSE(bench.sent_to<PreVote>(2)->granted);
  bench.receive(2, 2, RequestPreVote{{3}, at(2, 2)});
  EXPECT_FALSE(bench.sent_to<PreVote>(2)->granted);
  bench.receive(2, 2, RequestPreVote{{3}, at(2, 3)});
  EXPECT_TRUE(bench.sent_to<PreVote>(2)->granted);
}

TEST(Pitfall, P12_WhoAsksForPreVotesInAPastTermLearnsTheTerm) {
  OneCore bench({.hard_state = {{5}, {}}});
  bench.receive(2, 3, RequestPreVote{{4}, at(1, 9)});
  ASSERT_EQ(bench.everything_sent().size(), 1U);
  EXPECT_EQ(bench.everything_sent()[0].term, Term{5});
  EXPECT_FALSE(bench.sent_to<PreVote>(2)->granted);
}

TEST(Pitfall, P12_AMemberThatDoesNotHearItsLeaderLearnsOfItWhenItAsks) {
  OneCore bench;
  bench.lead();
  bench.forget();
  bench.receive(3, 2, RequestPreVote{{3}, at(1, 1)});
  EXPECT_FALSE(bench.sent_to<PreVote>(3)->granted);
  EXPECT_TRUE(bench.sent_to<Heartbeat>(3));
  bench.receive(3, 1, RequestPreVote{{2}, at(1, 1)});
  EXPECT_TRUE(bench.sent<Heartbeat>().empty()) << "the answer tells it the term";
}

TEST(Pitfall, P12_ARefusalOfALaterTermIsLearnedFrom) {
  OneCore bench;
  bench.stand();
  bench.receive(2, 7, PreVote{{2}, false});
  EXPECT_EQ(bench->term(), Term{7});
  EXPECT_TRUE(bench.is_follower());
}

TEST(Pitfall, P12_APreVoteOfAMemberThatIsBehindCounts) {
  OneCore bench({.hard_state = {{5}, {}}});
  bench.stand();
  bench.receive(2, 3, PreVote{{6}, true});
  EXPECT_TRUE(bench.is_candidate());
  EXPECT_EQ(bench->term(), Term{6});
}

// The scenario of the test above, with everyone in it: 2 is behind in the term and never stands, 3 is gone.
TEST(Pitfall, P12_TwoOfThreeElectThoughOneIsBehindAndDoesNotStand) {
  CoreCluster cluster({.membership = voters_up_to(3), .config = {.group = {77}}});
  cluster.crash({3});
  cluster.set_log({1}, {1, 4}, {{5}, {}});
  cluster.set_log({2}, {1}, {{3}, {}});
  cluster.run_timers({2}, false);
  cluster.advance(Duration::seconds(3));
  EXPECT_EQ(cluster.leader(), NodeId{1});
}

TEST(Pitfall, P12_AnOldLeaderIsToldThatItsTermIsOver) {
  OneCore bench({.hard_state = {{5}, {}}});
  bench.append(2, 4, at(1, 1), {});
  ASSERT_EQ(bench.everything_sent().size(), 1U);
  EXPECT_EQ(bench.everything_sent()[0].term, Term{5});
  EXPECT_EQ(bench.sent<StaleTerm>().size(), 1U);
  bench.receive(2, 4, Heartbeat{{1}, {}});
  EXPECT_EQ(bench.sent<StaleTerm>().size(), 1U);
  bench.receive(2, 4, RequestVote{at(4, 9)});
  EXPECT_EQ(bench.everything_sent().back().term, Term{5});
  EXPECT_FALSE(bench.sent_to<Vote>(2)->granted);
}

// A candidate that reached a later term than the leader's and cannot hear it: the two find each other.
TEST(Pitfall, P12_AMemberStuckInALaterTermDoesNotStayOut) {
  CoreCluster cluster({.membership = voters_up_to(3), .config = {.group = {77}, .seed = first_is_one}});
  cluster.advance(Duration::milliseconds(600));
  cluster.crash({3});
  cluster.set_log({3}, {1}, {{9}, NodeId{3}});
  cluster.advance(Duration::seconds(3));
  for (const std::uint64_t id : {1, 2, 3}) {
    EXPECT_EQ(cluster.core({id}).leader(), cluster.leader());
    EXPECT_EQ(cluster.core({id}).term(), cluster.core({1}).term());
  }
  ASSERT_TRUE(cluster.leader());
}

// Addressed to another, or by oneself: it came to the wrong place.
TEST(Pitfall, P57_AMessageForAnotherMemberChangesNothing) {
  OneCore bench;
  bench.give(Receive{{{2}, {3}, {9}, Heartbeat{{1}, {}}}});
  bench.give(Receive{{{1}, {1}, {9}, Heartbeat{{1}, {}}}});
  bench.give(Receive{{{2}, {3}, {9}, RequestVote{at(9, 9)}}});
  EXPECT_EQ(bench->term(), Term{1});
  EXPECT_EQ(bench->leader(), std::nullopt);
  EXPECT_TRUE(bench.everything_sent().empty());
}

TEST(Pitfall, P14_AfterALeaderIsLostTwoOfThreeElectOneOfThem) {
  CoreCluster cluster({.membership = voters_up_to(3), .config = {.group = {77}, .seed = first_is_one}});
  cluster.advance(Duration::milliseconds(600));
  ASSERT_EQ(cluster.leader(), NodeId{1});
  // 1 loses its leadership by losing both others, then only 2 comes back to it.
  cluster.partition({{1}, {2}, {3}});
  cluster.advance(Duration::milliseconds(800));
  EXPECT_FALSE(cluster.leader());
  cluster.partition({{1, 2}, {3}});
  cluster.advance(Duration::seconds(2));
  EXPECT_TRUE(cluster.leader());
}

}  // namespace
}  // namespace zraft::raft
