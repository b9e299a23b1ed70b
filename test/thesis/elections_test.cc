// SPDX-License-Identifier: Apache-2.0
//
// Ongaro, "Consensus: Bridging Theory and Practice", chapter 3, sentence by sentence in our words: what it says of
// roles, terms and elections (3.2 to 3.4, 3.6.1, 3.8). What is told of server state machines is in replication_test.cc.
#include <gtest/gtest.h>

#include <set>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

CoreCluster::Options cluster_of(std::uint64_t n, std::uint64_t seed = first_is_one) {
  return {.membership = voters_up_to(n), .config = {.group = {77}, .seed = seed}};
}

// --- 3.2, figure 3.2: the properties ---

// That there is at most one is a law of the cluster; here every seed also gets one, from a start of all at once.
TEST(Thesis_3_2, AtMostOneLeaderIsElectedInATerm) {
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    auto options = cluster_of(5, seed);
    options.network = ms(static_cast<std::int64_t>(seed % 40));
    CoreCluster cluster(options);
    cluster.advance(Duration::seconds(5));
    EXPECT_TRUE(cluster.leader()) << "seed " << seed;
  }
}

// --- 3.3: roles and terms ---

TEST(Thesis_3_3, AServerIsAFollowerACandidateOrALeader) {
  OneCore bench;
  EXPECT_TRUE(bench.is_follower());
  bench.stand_for_votes();
  EXPECT_TRUE(bench.is_candidate());
  bench.receive(2, 2, Vote{true});
  EXPECT_TRUE(bench->is_leader());
}

TEST(Thesis_3_3, AFollowerIsPassive) {
  OneCore bench;
  bench.give(Tick{});
  bench.pass(ms(1));
  bench.give(Tick{});
  EXPECT_TRUE(bench.everything_sent().empty());
}

TEST(Thesis_3_3, AFollowerSendsAClientToTheLeader) {
  OneCore bench;
  bench.receive(2, 2, Heartbeat{{1}, {}});
  bench.give(Propose{{1}, "a"});
  EXPECT_EQ(bench.answered<Refused>()[0].leader, NodeId{2});
}

TEST(Thesis_3_3, TermsAreNumberedWithConsecutiveIntegers) {
  OneCore bench({.hard_state = {{6}, {}}});
  bench.stand_for_votes();
  EXPECT_EQ(bench->term(), Term{7});
}

TEST(Thesis_3_3, ATermMayEndWithoutALeader) {
  OneCore bench({.membership = voters_up_to(4)});
  bench.stand_for_votes();
  bench.receive(2, 2, Vote{false});
  bench.receive(3, 2, Vote{false});
  EXPECT_TRUE(bench.is_follower());
  bench.stand_for_votes();
  EXPECT_EQ(bench->term(), Term{3});
}

TEST(Thesis_3_3, TheCurrentTermGoesWithEveryMessage) {
  OneCore bench({.hard_state = {{4}, {}}});
  bench.lead();
  bench.tick();
  bench.receive(2, 3, Heartbeat{{1}, {}});
  for (const Message& message : bench.everything_sent()) {
    EXPECT_EQ(message.term, std::holds_alternative<RequestPreVote>(message.body) ? Term{4} : Term{5});
  }
}

TEST(Thesis_3_3, ASmallerTermIsUpdatedToTheLargerValue) {
  OneCore bench;
  bench.receive(2, 9, Heartbeat{{1}, {}});
  EXPECT_EQ(bench->term(), Term{9});
  EXPECT_EQ(bench.writes().back().hard_state->term, Term{9});
}

TEST(Thesis_3_3, ACandidateOrLeaderWhoseTermIsOverBecomesAFollower) {
  OneCore candidate;
  candidate.stand_for_votes();
  candidate.receive(2, 3, Vote{false});
  EXPECT_TRUE(candidate.is_follower());
  OneCore leader;
  leader.lead();
  leader.receive(2, 3, AppendRejected{{1}, at(0, 0)});
  EXPECT_TRUE(leader.is_follower());
}

TEST(Thesis_3_3, ARequestWithAStaleTermIsRejected) {
  OneCore bench({.hard_state = {{5}, {}}});
  bench.append(2, 4, at(1, 1), {entry(4, 2)});
  EXPECT_EQ(bench->log().last(), at(1, 1));
  EXPECT_EQ(bench.sent<StaleTerm>().size(), 1U);
  bench.receive(2, 4, RequestVote{at(4, 9)});
  EXPECT_FALSE(bench.sent_to<Vote>(2)->granted);
}

// --- 3.4: leader election ---

TEST(Thesis_3_4, AServerBeginsAsAFollower) {
  for (const HardState& hard : {HardState{}, HardState{{3}, NodeId{1}}}) {
    OneCore bench({.hard_state = hard});
    EXPECT_TRUE(bench.is_follower());
    EXPECT_EQ(bench->leader(), std::nullopt);
  }
}

TEST(Thesis_3_4, AServerRemainsFollowerAsLongAsItHearsFromALeader) {
  OneCore bench;
  for (int i = 0; i < 100; ++i) {
    bench.pass(ms(299));
    bench.give(Tick{});
    if (i % 2 == 0) {
      bench.receive(2, 2, Heartbeat{{1}, {}});
    } else {
      bench.append(2, 2, at(1, 1), {});
    }
    ASSERT_TRUE(bench.is_follower());
  }
}

TEST(Thesis_3_4, ALeaderSendsHeartbeatsToAllToKeepItsAuthority) {
  OneCore bench({.membership = voters_up_to(5)});
  bench.lead();
  bench.forget();
  bench.tick();
  std::set<std::uint64_t> told;
  for (const auto& [to, heartbeat] : bench.sent<Heartbeat>()) told.insert(to.value);
  EXPECT_EQ(told, (std::set<std::uint64_t>{2, 3, 4, 5}));
}

TEST(Thesis_3_4, AFollowerThatHearsNothingForAnElectionTimeoutBeginsAnElection) {
  OneCore bench;
  const Instant due = bench->deadline();
  bench.pass(due - bench.now() - Duration{1});
  bench.give(Tick{});
  EXPECT_TRUE(bench.is_follower());
  bench.pass(Duration{1});
  bench.give(Tick{});
  EXPECT_FALSE(bench.is_follower());
}

TEST(Thesis_3_4, ACandidateIncrementsItsTermVotesForItselfAndAsksAllOthers) {
  OneCore bench({.membership = voters_up_to(5)});
  bench.stand_for_votes();
  EXPECT_EQ(bench->hard_state(), (HardState{{2}, NodeId{1}}));
  EXPECT_EQ(bench.sent<RequestVote>().size(), 4U);
}

TEST(Thesis_3_4, AMajorityOfTheVotesOfOneTermMakesALeader) {
  struct Case {
    std::uint64_t voters;
    std::uint64_t votes;  // with its own
    bool wins;
  };
  for (const Case& c : {Case{2, 1, false}, Case{2, 2, true}, Case{3, 1, false}, Case{3, 2, true}, Case{4, 2, false},
                        Case{4, 3, true}, Case{5, 2, false}, Case{5, 3, true}, Case{7, 3, false}, Case{7, 4, true}}) {
    OneCore bench({.membership = voters_up_to(c.voters)});
    bench.stand_for_votes();
    for (std::uint64_t id = 2; id <= c.votes; ++id) bench.receive(id, 2, Vote{true});
    EXPECT_EQ(bench->is_leader(), c.wins) << c.votes << " of " << c.voters;
  }
}

TEST(Thesis_3_4, AServerVotesForOneCandidateATermFirstComeFirstServed) {
  OneCore bench;
  bench.receive(3, 2, RequestVote{at(1, 1)});
  bench.receive(2, 2, RequestVote{at(1, 1)});
  EXPECT_TRUE(bench.sent_to<Vote>(3)->granted);
  EXPECT_EQ(bench->hard_state().vote, NodeId{3});
  bench.receive(2, 2, RequestVote{at(1, 1)});
  EXPECT_FALSE(bench.sent_to<Vote>(2)->granted);
}

TEST(Thesis_3_4, AWinnerTellsTheOthersAtOnce) {
  OneCore bench;
  bench.stand_for_votes();
  bench.forget();
  bench.receive(2, 2, Vote{true});
  EXPECT_EQ(bench.sent<Append>().size(), 2U);
}

TEST(Thesis_3_4, ACandidateFollowsALeaderWhoseTermIsAtLeastItsOwn) {
  for (const std::uint64_t term : {2, 3}) {
    OneCore bench;
    bench.stand_for_votes();
    bench.receive(2, term, Heartbeat{{1}, {}});
    EXPECT_TRUE(bench.is_follower());
    EXPECT_EQ(bench->leader(), NodeId{2});
  }
}

TEST(Thesis_3_4, ACandidateDoesNotFollowALeaderOfAnEarlierTerm) {
  OneCore bench;
  bench.stand_for_votes();
  bench.receive(2, 1, Heartbeat{{1}, {}});
  EXPECT_TRUE(bench.is_candidate());
}

TEST(Thesis_3_4, ACandidateWhoseElectionEndsWithoutAWinnerBeginsANewOne) {
  OneCore bench;
  bench.stand_for_votes();
  bench.stand_for_votes();
  EXPECT_TRUE(bench.is_candidate());
  EXPECT_EQ(bench->term(), Term{3});
}

TEST(Thesis_3_4, ElectionTimeoutsAreRandomWithinAnInterval) {
  std::set<std::int64_t> drawn;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    OneCore bench({.config = {.seed = seed}});
    const Duration wait = bench->deadline() - bench.now();
    EXPECT_GE(wait, ms(300));
    EXPECT_LT(wait, ms(600));
    drawn.insert(wait.to_milliseconds());
  }
  EXPECT_GT(drawn.size(), 40U);
}

TEST(Thesis_3_4, ACandidateRestartsItsTimerAtTheStartOfAnElection) {
  OneCore bench;
  bench.stand();
  EXPECT_GE(bench->deadline() - bench.now(), ms(300));
  bench.pass(ms(100));
  bench.receive(2, 1, PreVote{{2}, true});
  ASSERT_TRUE(bench.is_candidate());
  EXPECT_GE(bench->deadline() - bench.now(), ms(300));
  bench.pass(bench->deadline() - bench.now() - Duration{1});
  bench.give(Tick{});
  EXPECT_TRUE(bench.is_candidate()) << "it waits for that timeout before it begins the next one";
}

TEST(Thesis_3_4, GrantingAVotePutsTheOwnElectionOff) {
  OneCore bench;
  bench.pass(bench->deadline() - bench.now() - Duration{1});
  bench.receive(2, 2, RequestVote{at(1, 1)});
  EXPECT_GE(bench->deadline() - bench.now(), ms(300));
}

TEST(Thesis_3_4, SplitVotesAreSoonOver) {
  // All stand at nearly the same time, over a network that is slow against the spread of the timeouts.
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    auto options = cluster_of(4, seed);
    options.network = ms(50);
    CoreCluster cluster(options);
    cluster.advance(Duration::seconds(8));
    EXPECT_TRUE(cluster.leader()) << "seed " << seed;
  }
}

// --- 3.6.1: election restriction ---

TEST(Thesis_3_6_1, AVoterDeniesItsVoteIfItsOwnLogIsMoreUpToDate) {
  struct Case {
    Position candidate;
    bool granted;
  };
  // The voter ends at 2^3.
  for (const Case& c : {Case{at(2, 3), true}, Case{at(2, 4), true}, Case{at(3, 1), true}, Case{at(2, 2), false},
                        Case{at(1, 9), false}, Case{at(0, 0), false}}) {
    OneCore bench({.log = {1, 2, 2}, .hard_state = {{3}, {}}});
    bench.receive(2, 4, RequestVote{c.candidate});
    EXPECT_EQ(bench.sent_to<Vote>(2)->granted, c.granted) << describe(c.candidate);
  }
}

TEST(Thesis_3_6_1, ARequestForVotesNamesTheCandidatesLastEntry) {
  OneCore bench({.log = {1, 2, 2}, .hard_state = {{3}, {}}});
  bench.stand_for_votes();
  EXPECT_EQ(bench.sent_to<RequestVote>(2)->last, at(2, 3));
}

TEST(Thesis_3_6_1, ARefusedRequestStillMovesTheTerm) {
  OneCore bench({.log = {1, 2, 2}, .hard_state = {{3}, {}}});
  bench.receive(2, 4, RequestVote{at(1, 9)});
  EXPECT_EQ(bench->hard_state(), (HardState{{4}, {}}));
}

// --- 3.7: follower and candidate crashes ---

TEST(Thesis_3_7, ACandidateThatCrashesStandsAgainWhenItIsBack) {
  CoreCluster cluster(cluster_of(3));
  cluster.crash({3});
  cluster.campaign({1});
  cluster.advance(ms(15));
  cluster.restart({1});
  EXPECT_TRUE(std::holds_alternative<Follower>(cluster.core({1}).role()));
  cluster.advance(Duration::seconds(2));
  EXPECT_TRUE(cluster.leader());
}

// 1. the follower has made its vote or its entries durable; 2. it crashes before the answer is out; 3. it is asked the
// same again.
TEST(Thesis_3_7, WhoCrashedBeforeItAnsweredAnswersTheSameWhenItIsAskedAgain) {
  OneCore voter({.hard_state = {{2}, NodeId{2}}});
  voter.receive(2, 2, RequestVote{at(1, 1)});
  EXPECT_TRUE(voter.sent_to<Vote>(2)->granted);
  EXPECT_TRUE(voter.writes().empty());
  OneCore follower({.log = {1, 2, 2}, .hard_state = {{2}, NodeId{2}}});
  follower.append(2, 2, at(1, 1), {entry(2, 2), entry(2, 3)});
  EXPECT_EQ(follower.sent_to<Appended>(2)->match, Index{3});
  EXPECT_TRUE(follower.writes().empty());
}

// --- 3.8: persisted state and restarts ---

TEST(Thesis_3_8, AnEntryIsPersistedBeforeItCountsTowardsItsCommitment) {
  OneCore bench({.hard_state = {{2}, {}}, .auto_write = false});
  bench.append(2, 2, at(1, 1), {entry(2, 2)});
  EXPECT_TRUE(bench.sent<Appended>().empty());
  bench.complete_write();
  EXPECT_EQ(bench.sent_to<Appended>(2)->match, Index{2});
}

TEST(Thesis_3_8, AfterARestartOfAllTheCommitIndexComesBackWithTheNextCommit) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(ms(600));
  cluster.propose({1}, {"a", "b"});
  cluster.advance(ms(100));
  for (const std::uint64_t id : {1, 2, 3}) cluster.restart({id});
  for (const std::uint64_t id : {1, 2, 3}) EXPECT_EQ(cluster.core({id}).commit(), Index{});
  cluster.advance(Duration::seconds(2));
  for (const std::uint64_t id : {1, 2, 3}) {
    EXPECT_EQ(cluster.applied({id}), (std::vector<std::string>{"a", "b"})) << "a volatile machine is fed again";
  }
}

TEST(Thesis_3_8, TheTermAndTheVoteSurviveARestart) {
  OneCore bench({.hard_state = {{5}, NodeId{3}}});
  EXPECT_EQ(bench->term(), Term{5});
  bench.receive(2, 5, RequestVote{at(1, 9)});
  EXPECT_FALSE(bench.sent_to<Vote>(2)->granted);
  bench.receive(3, 5, RequestVote{at(1, 9)});
  EXPECT_TRUE(bench.sent_to<Vote>(3)->granted);
}

TEST(Thesis_3_8, TheCommitIndexIsNotPersistedAndIsLearnedAgain) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(ms(600));
  cluster.propose({1}, {"a"});
  cluster.advance(ms(100));
  cluster.restart({3});
  EXPECT_EQ(cluster.core({3}).commit(), Index{});
  cluster.advance(ms(300));
  EXPECT_EQ(cluster.applied({3}), std::vector<std::string>{"a"});
}

// --- 3.9: timing ---

TEST(Thesis_3_9, WithABroadcastTimeFarBelowTheTimeoutALeaderStays) {
  auto options = cluster_of(5);
  options.network = ms(20);
  options.disk = ms(10);
  CoreCluster cluster(options);
  cluster.advance(Duration::seconds(2));
  const auto leader = cluster.leader();
  const Term term = cluster.core({1}).term();
  cluster.advance(Duration::seconds(60));
  EXPECT_EQ(cluster.leader(), leader);
  EXPECT_EQ(cluster.core({1}).term(), term);
}

}  // namespace
}  // namespace zraft::raft
