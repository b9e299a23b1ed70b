// SPDX-License-Identifier: Apache-2.0
//
// Pitfalls P36 to P43: reads that went wrong in real systems. A read is answered with the index from which on it is
// linearizable, after a round of heartbeats that began after it came.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

// Leads term 2 with its no-op committed.
OneCore settled(OneCore::Setup setup = {}) {
  OneCore bench(std::move(setup));
  bench.lead();
  bench.receive(2, bench->term().value, Appended{bench->log().last().index});
  bench.receive(3, bench->term().value, Appended{bench->log().last().index});
  bench.forget();
  return bench;
}

TEST(Pitfall, P36_AReadWaitsForTheFirstCommitOfTheTerm) {
  OneCore bench({.log = {1, 1, 1}, .hard_state = {{1}, {}}});
  bench.lead();
  bench.give(ReadBarrier{{1}});
  bench.receive(2, 2, HeartbeatReply{{0}});
  bench.receive(2, 2, HeartbeatReply{{1}});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  bench.receive(2, 2, Appended{{4}});
  const auto heartbeat = bench.sent_to<Heartbeat>(2);
  ASSERT_TRUE(heartbeat);
  bench.receive(2, 2, HeartbeatReply{heartbeat->round});
  const auto ready = bench.answered<ReadReady>();
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_EQ(ready[0].index, Index{4});
}

TEST(Pitfall, P37_EveryBatchOfReadsHasARoundOfItsOwn) {
  OneCore bench = settled();
  bench.give(ReadBarrier{{1}});
  const Round first = bench.sent_to<Heartbeat>(2)->round;
  bench.give(ReadBarrier{{1}});
  const Round second = bench.sent_to<Heartbeat>(2)->round;
  EXPECT_LT(first, second);
  bench.receive(2, 2, HeartbeatReply{first});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 1U);
  bench.receive(3, 2, HeartbeatReply{first});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  bench.receive(3, 2, HeartbeatReply{second});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 1U);
}

TEST(Pitfall, P37_ARoundOfAnEarlierLeadershipConfirmsNothing) {
  OneCore bench = settled();
  bench.give(ReadBarrier{{1}});
  const Round old = bench.sent_to<Heartbeat>(2)->round;
  bench.receive(2, 3, StaleTerm{});
  bench.lead();
  ASSERT_EQ(bench->term(), Term{4});
  bench.receive(2, 4, Appended{bench->log().last().index});
  bench.give(ReadBarrier{{2}});
  ASSERT_EQ(bench.sent_to<Heartbeat>(2)->round, old);
  bench.receive(2, 2, HeartbeatReply{old});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
}

TEST(Pitfall, P38_AnAnswerToWhatWasSentBeforeTheReadDoesNotConfirmIt) {
  OneCore bench = settled();
  bench.tick();
  const Round before = bench.sent_to<Heartbeat>(2)->round;
  bench.give(ReadBarrier{{1}});
  bench.receive(2, 2, HeartbeatReply{before});
  bench.receive(2, 2, Appended{{2}});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  bench.receive(2, 2, HeartbeatReply{next(before)});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 1U);
}

TEST(Pitfall, P38_ARoundThatHasNotBegunIsNotConfirmed) {
  OneCore bench = settled();
  bench.receive(2, 2, HeartbeatReply{{1}});
  bench.give(ReadBarrier{{1}});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
}

TEST(Pitfall, P38_TheIndexIsThatOfTheMomentTheRoundBegan) {
  OneCore bench = settled();
  bench.give(Propose{{1}, "a"});
  bench.give(ReadBarrier{{2}});
  bench.receive(2, 2, Appended{{3}});
  bench.receive(2, 2, HeartbeatReply{{1}});
  // At least what was committed then; more would do no harm, less would.
  const auto ready = bench.answered<ReadReady>();
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_GE(ready[0].index, Index{2});
}

// Leases are off unless they are asked for: a leader that has heard everyone this very instant asks again.
TEST(Pitfall, P39_NoReadIsAnsweredByTheClockUnlessLeasesAreOn) {
  OneCore bench = settled();
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, HeartbeatReply{{0}, bench.now()});
  bench.give(ReadBarrier{{1}, ReadFrom::lease});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  EXPECT_FALSE(bench->has_lease(bench.now()));
  bench.pass(Duration::seconds(100));
  bench.give(Tick{});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  EXPECT_EQ(bench.answered<Refused>().size(), 1U);
}

TEST(Pitfall, P39_ALeaseIsLessThanAnElectionTimeoutByItsMargin) {
  OneCore bench = settled({.config = {.lease_reads = true, .lease_margin_percent = 40}});
  const Instant sent = bench.now();
  bench.receive(2, 2, HeartbeatReply{{0}, sent});
  EXPECT_TRUE(bench->has_lease(sent + Duration::milliseconds(179)));
  EXPECT_FALSE(bench->has_lease(sent + Duration::milliseconds(180)));
}

// A member that echoes a moment of the future does not lengthen the lease.
TEST(Pitfall, P39_AnAnswerFromTheFutureGivesNoLongerLease) {
  OneCore bench = settled({.config = {.lease_reads = true}});
  bench.receive(2, 2, HeartbeatReply{{0}, bench.now() + Duration::seconds(9)});
  EXPECT_FALSE(bench->has_lease(bench.now() + Duration::milliseconds(270)));
}

TEST(Pitfall, P36_ALeaseServesNothingBeforeTheFirstCommitOfTheTerm) {
  OneCore bench({.log = {1, 1, 1}, .hard_state = {{1}, {}}, .config = {.lease_reads = true}});
  bench.lead();
  ASSERT_TRUE(bench->is_leader());
  bench.receive(2, 2, HeartbeatReply{{0}, bench.now()});
  bench.give(ReadBarrier{{1}, ReadFrom::lease});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  bench.receive(2, 2, Appended{{4}});
  bench.give(ReadBarrier{{2}, ReadFrom::lease});
  EXPECT_EQ(bench.answered<ReadReady>().at(0).index, Index{4});
}

// The target is told to stand, and nobody protects this leader from it: not even when the handover is given up, because
// the word may still be under way.
TEST(Pitfall, P40_ATransferEndsTheLeaseForGood) {
  OneCore bench = settled({.config = {.lease_reads = true}});
  const auto hear = [&bench] {
    for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, HeartbeatReply{{0}, bench.now()});
  };
  hear();
  ASSERT_TRUE(bench->has_lease(bench.now()));
  bench.give(Transfer{{1}, NodeId{2}});
  EXPECT_FALSE(bench->has_lease(bench.now()));
  for (int i = 0; i < 10; ++i) {
    bench.tick();
    hear();
  }
  ASSERT_EQ(bench.answered<Refused>().at(0).code, Code::timeout);
  ASSERT_TRUE(bench->is_leader());
  EXPECT_FALSE(bench->has_lease(bench.now()));
}

TEST(Pitfall, P41_WhileJointALeaseIsOfBothMajorities) {
  Membership joint = voters_up_to(5);
  joint.voters = {{1}, {4}, {5}};
  joint.outgoing = {{1}, {2}, {3}};
  OneCore bench({.membership = joint, .config = {.lease_reads = true}});
  bench.lead();
  ASSERT_TRUE(bench->is_leader());
  // Kept from becoming committed, so that it stays joint, but for the no-op.
  for (const std::uint64_t id : {2, 4}) bench.receive(id, 2, Appended{{2}});
  bench.receive(2, 2, HeartbeatReply{{0}, bench.now()});
  bench.receive(3, 2, HeartbeatReply{{0}, bench.now()});
  EXPECT_FALSE(bench->has_lease(bench.now()));
  bench.receive(5, 2, HeartbeatReply{{0}, bench.now()});
  EXPECT_TRUE(bench->has_lease(bench.now()));
}

// --- followers that ask the leader ---

OneCore following() {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {entry(2, 2)}, 2);
  bench.forget();
  return bench;
}

// 1. Nobody answers the first attempt. 2. It is given up, and the read is asked about anew, together with a newer one.
// 3. The answer to the first comes late: it is older than the newer read.
TEST(Pitfall, P37_AnAnswerToAnAttemptThatWasGivenUpAnswersNothing) {
  OneCore bench = following();
  bench.give(ReadBarrier{{1}, ReadFrom::anywhere});
  const auto first = bench.sent_to<RequestReadIndex>(2);
  ASSERT_TRUE(first);
  bench.give(ReadBarrier{{2}, ReadFrom::anywhere});
  EXPECT_FALSE(bench.sent_to<RequestReadIndex>(2)) << "one attempt at a time";
  bench.pass(Duration::milliseconds(150));
  bench.receive(2, 2, Heartbeat{{2}, {}});
  const auto second = bench.sent_to<RequestReadIndex>(2);
  ASSERT_TRUE(second);
  EXPECT_NE(first->attempt, second->attempt);
  bench.receive(2, 2, ReadIndex{first->attempt, {2}});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  bench.receive(2, 2, ReadIndex{second->attempt, {2}});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 2U);
}

TEST(Pitfall, P35_TheReadsOfFollowersAreBounded) {
  OneCore bench = settled({.config = {.reads_max = 1}});
  bench.give(ReadBarrier{{1}});
  bench.receive(3, 2, RequestReadIndex{77});
  const Round round = bench.sent_to<Heartbeat>(2)->round;
  bench.receive(2, 2, HeartbeatReply{round});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 1U);
  EXPECT_TRUE(bench.sent<ReadIndex>().empty()) << "it will ask again";
  OneCore follower({.config = {.reads_max = 1}});
  follower.append(2, 2, at(1, 1), {});
  follower.give(ReadBarrier{{1}, ReadFrom::anywhere});
  follower.give(ReadBarrier{{2}, ReadFrom::anywhere});
  EXPECT_EQ(follower.answered<Refused>().at(0).code, Code::busy);
}

TEST(Pitfall, P39_ALeaseBeginsWhenTheHeartbeatWasSentNotWhenItWasAnswered) {
  OneCore bench = settled({.config = {.lease_reads = true}});
  const Instant sent = bench.now();
  bench.pass(Duration::milliseconds(100));
  bench.receive(2, 2, HeartbeatReply{{0}, sent});
  EXPECT_FALSE(bench->has_lease(sent + Duration::milliseconds(270)));
}

TEST(Pitfall, P38_AReadAtAFollowerThatComesAfterItAskedWaitsForTheNextAnswer) {
  OneCore bench = following();
  bench.give(ReadBarrier{{1}, ReadFrom::anywhere});
  const auto first = bench.sent_to<RequestReadIndex>(2);
  bench.give(ReadBarrier{{2}, ReadFrom::anywhere});
  bench.receive(2, 2, ReadIndex{first->attempt, {2}});
  const auto ready = bench.answered<ReadReady>();
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_EQ(ready[0].id, RequestId{1});
  EXPECT_TRUE(bench.sent_to<RequestReadIndex>(2));
}

TEST(Pitfall, P43_ReadsThatAFollowerAskedAboutAreRefusedWhenItsLeaderIsLost) {
  OneCore bench = following();
  bench.give(ReadBarrier{{1}, ReadFrom::anywhere});
  const auto asked = bench.sent_to<RequestReadIndex>(2);
  bench.give(ReadBarrier{{2}, ReadFrom::anywhere});
  bench.receive(3, 3, Heartbeat{{2}, {}});
  EXPECT_EQ(bench.answered<Refused>().size(), 2U);
  bench.receive(2, 2, ReadIndex{asked->attempt, {2}});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
}

TEST(Pitfall, P41_WhileJointBothMajoritiesConfirmARead) {
  Membership before = voters_up_to(5);
  before.voters = {{1}, {2}, {3}};
  Membership wanted = voters_up_to(5);
  wanted.voters = {{1}, {4}, {5}};
  OneCore bench({.membership = before});
  bench.lead();
  bench.receive(2, 2, Appended{{2}});
  ASSERT_EQ(bench->commit(), Index{2});
  bench.give(Reconfigure{{1}, {1}, wanted});
  ASSERT_TRUE(bench->membership().is_joint());
  bench.give(ReadBarrier{{2}});
  bench.receive(2, 2, HeartbeatReply{{1}});
  bench.receive(3, 2, HeartbeatReply{{1}});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  bench.receive(5, 2, HeartbeatReply{{1}});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 1U);
}

TEST(Pitfall, P41_LearnersDoNotConfirmAnything) {
  Membership membership = voters_up_to(4);
  membership.voters = {{1}, {2}, {3}};
  OneCore bench({.membership = membership});
  bench.lead();
  bench.receive(4, 2, Appended{{2}});
  EXPECT_EQ(bench->commit(), Index{});
  bench.receive(2, 2, Appended{{2}});
  bench.give(ReadBarrier{{1}});
  bench.receive(4, 2, HeartbeatReply{{1}});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
}

TEST(Pitfall, P42_AfterARestartReadsWaitForWhatWasCommittedBefore) {
  CoreCluster cluster({.membership = voters_up_to(1), .config = {.group = {77}}});
  cluster.advance(Duration::seconds(1));
  cluster.propose({1}, {"a", "b", "c"});
  cluster.advance(Duration::milliseconds(100));
  cluster.restart({1});
  cluster.read({1});
  EXPECT_TRUE(std::holds_alternative<Refused>(cluster.answers().back().second));
  cluster.run_timers({1}, true);
  cluster.hold_writes({1});
  cluster.advance(Duration::milliseconds(700));
  cluster.release_writes({1});
  while (!cluster.core({1}).is_leader()) cluster.advance(Duration::milliseconds(1));
  cluster.read({1});
  EXPECT_TRUE(std::holds_alternative<Refused>(cluster.answers().back().second)) << "answered before its no-op";
  cluster.advance(Duration::milliseconds(100));
  const auto* ready = std::get_if<ReadReady>(&cluster.answers().back().second);
  ASSERT_NE(ready, nullptr);
  EXPECT_GE(ready->index, Index{5});
}

TEST(Pitfall, P43_AFollowerNamesTheLeaderAndTakesNothing) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {});
  bench.give(Propose{{1}, "a"});
  bench.give(ReadBarrier{{2}});
  const auto refused = bench.answered<Refused>();
  ASSERT_EQ(refused.size(), 2U);
  for (const Refused& one : refused) {
    EXPECT_EQ(one.code, Code::not_leader);
    EXPECT_EQ(one.leader, NodeId{2});
  }
  EXPECT_EQ(bench->log().last(), at(1, 1));
}

// What was accepted may still commit under another leader: it is never called refused.
TEST(Pitfall, P43_AnAcceptedCommandIsNeverRefusedAfterwards) {
  OneCore bench = settled();
  bench.give(Propose{{1}, "a"});
  ASSERT_EQ(bench.answered<Accepted>().size(), 1U);
  bench.receive(2, 3, StaleTerm{});
  ASSERT_TRUE(bench.is_follower());
  EXPECT_TRUE(bench.answered<Refused>().empty());
  bench.append(2, 3, at(2, 3), {entry(3, 4)}, 4);
  EXPECT_EQ(bench.applied()[2].payload(), "a");
}

TEST(Pitfall, P43_ReadsThatWaitAreRefusedWhenLeadershipIsLost) {
  OneCore bench = settled();
  bench.give(ReadBarrier{{1}});
  bench.receive(2, 3, Heartbeat{{2}, {}});
  const auto refused = bench.answered<Refused>();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].leader, NodeId{2});
}

}  // namespace
}  // namespace zraft::raft
