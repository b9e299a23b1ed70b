// SPDX-License-Identifier: Apache-2.0
//
// Ongaro, "Consensus: Bridging Theory and Practice", section 6.4.1 (leases) and what 6.4 says of reads at followers,
// sentence by sentence in our words.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

OneCore::Setup with_leases() { return {.config = {.lease_reads = true}}; }

// Leads term 2 with its no-op committed, and nothing of a lease.
OneCore leading(OneCore::Setup setup = with_leases()) {
  OneCore bench(std::move(setup));
  bench.lead();
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, Appended{{2}});
  bench.forget();
  return bench;
}

// --- 6.4: followers help ---

OneCore following() {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {entry(2, 2)}, 1);
  bench.forget();
  return bench;
}

TEST(Thesis_6_4, AFollowerAsksTheLeaderForACurrentReadIndexAndAnswersFromItsOwnMachine) {
  OneCore bench = following();
  bench.give(ReadBarrier{{1}, ReadFrom::anywhere});
  EXPECT_TRUE(bench.answered<Refused>().empty());
  const auto asked = bench.sent_to<RequestReadIndex>(2);
  ASSERT_TRUE(asked);
  bench.receive(2, 2, ReadIndex{asked->attempt, {2}});
  const auto ready = bench.answered<ReadReady>();
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_EQ(ready[0].index, Index{2}) << "not the commit index that it knows itself";
}

TEST(Thesis_6_4, TheLeaderConfirmsItsLeadershipBeforeItTellsAFollowerTheReadIndex) {
  OneCore bench = leading();
  bench.receive(3, 2, RequestReadIndex{77});
  EXPECT_TRUE(bench.sent<ReadIndex>().empty());
  const auto heartbeat = bench.sent_to<Heartbeat>(2);
  ASSERT_TRUE(heartbeat) << "a round for it";
  bench.receive(2, 2, HeartbeatReply{heartbeat->round, {}});
  const auto told = bench.sent<ReadIndex>();
  ASSERT_EQ(told.size(), 1U);
  EXPECT_EQ(told[0].first, NodeId{3});
  EXPECT_EQ(told[0].second.attempt, 77U);
  EXPECT_EQ(told[0].second.index, Index{2});
}

TEST(Thesis_6_4, AFollowerThatKnowsNoLeaderDoesNotAnswer) {
  OneCore bench;
  bench.give(ReadBarrier{{1}, ReadFrom::anywhere});
  EXPECT_EQ(bench.answered<Refused>().size(), 1U);
}

// --- 6.4.1: a clock instead of messages ---

TEST(Thesis_6_4_1, OnceAMajorityHasAcknowledgedHeartbeatsNoMessagesAreNeededForAnElectionTimeout) {
  OneCore bench = leading();
  bench.tick();
  const Instant sent = bench.now();
  bench.forget();
  bench.pass(ms(5));
  bench.receive(2, 2, HeartbeatReply{{0}, sent});
  bench.give(ReadBarrier{{1}, ReadFrom::lease});
  const auto ready = bench.answered<ReadReady>();
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_TRUE(ready[0].by_lease);
  EXPECT_EQ(ready[0].index, Index{2});
  EXPECT_TRUE(bench.everything_sent().empty());
}

// From the moment the heartbeats were sent, not from that of their answers; and less than an election timeout, by the
// drift of clocks.
TEST(Thesis_6_4_1, ALeaseEndsBeforeAnybodyElseCanBeElectedByTheBoundOnTheDriftOfClocks) {
  OneCore bench = leading();
  bench.tick();
  const Instant sent = bench.now();
  bench.pass(ms(50));
  bench.receive(2, 2, HeartbeatReply{{0}, sent});
  EXPECT_TRUE(bench->has_lease(sent + ms(269)));
  EXPECT_FALSE(bench->has_lease(sent + ms(270))) << "300 ms less ten percent";
}

TEST(Thesis_6_4_1, WithoutALeaseTheReadAsksTheOthers) {
  OneCore bench = leading();
  bench.give(ReadBarrier{{1}, ReadFrom::lease});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  const auto heartbeat = bench.sent_to<Heartbeat>(2);
  ASSERT_TRUE(heartbeat);
  bench.receive(2, 2, HeartbeatReply{heartbeat->round, heartbeat->sent});
  const auto ready = bench.answered<ReadReady>();
  ASSERT_EQ(ready.size(), 1U);
  EXPECT_FALSE(ready[0].by_lease);
}

TEST(Thesis_6_4_1, AServerVotesForNobodyWithinAnElectionTimeoutOfItsStartBecauseItMayHavePromised) {
  OneCore bench(with_leases());
  bench.pass(ms(299));
  bench.receive(2, 5, RequestVote{at(4, 9)});
  EXPECT_EQ(bench->term(), Term{1});
  bench.pass(ms(1));
  bench.receive(2, 5, RequestVote{at(4, 9)});
  EXPECT_EQ(bench->hard_state(), (HardState{{5}, NodeId{2}}));
}

TEST(Thesis_6_4_1, LeadershipTransferEndsTheLease) {
  OneCore bench = leading();
  bench.tick();
  bench.receive(2, 2, HeartbeatReply{{0}, bench.now()});
  ASSERT_TRUE(bench->has_lease(bench.now()));
  bench.give(Transfer{{1}, NodeId{2}});
  EXPECT_FALSE(bench->has_lease(bench.now()));
}

}  // namespace
}  // namespace zraft::raft
