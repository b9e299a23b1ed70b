// SPDX-License-Identifier: Apache-2.0
//
// Ongaro, "Consensus: Bridging Theory and Practice", section 6.4 (read-only queries without the log) and what 6.2 asks
// of a leader that cannot reach a majority, sentence by sentence in our words.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

OneCore leading() {
  OneCore bench({.membership = voters_up_to(5)});
  bench.lead();
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, Appended{{2}});
  bench.forget();
  return bench;
}

TEST(Thesis_6_2, ALeaderStepsDownWhenAnElectionTimeoutPassesWithoutAMajority) {
  OneCore bench = leading();
  const Instant began = bench.now();
  while (bench->is_leader()) bench.tick();
  EXPECT_GE(bench.now() - began, Duration::milliseconds(300));
  EXPECT_LE(bench.now() - began, Duration::milliseconds(360));
}

TEST(Thesis_6_4, AReadDoesNotGoThroughTheLog) {
  OneCore bench = leading();
  bench.give(ReadBarrier{{1}});
  EXPECT_TRUE(bench.writes().empty());
  EXPECT_EQ(bench->log().last(), at(2, 2));
}

// Step 1.
TEST(Thesis_6_4, ALeaderThatHasNotCommittedAnEntryOfItsTermWaits) {
  OneCore bench({.membership = voters_up_to(3)});
  bench.lead();
  bench.forget();
  bench.give(ReadBarrier{{1}});
  EXPECT_TRUE(bench.sent<Heartbeat>().empty());
  bench.receive(2, 2, Appended{{2}});
  EXPECT_EQ(bench.sent<Heartbeat>().size(), 2U);
}

TEST(Thesis_6_4, ANewLeaderCommitsABlankEntryAtTheStartOfItsTerm) {
  OneCore bench;
  bench.lead();
  EXPECT_EQ(bench->log().at({2}).type(), EntryType::noop);
  EXPECT_EQ(bench->log().at({2}).term(), Term{2});
}

// Step 2.
TEST(Thesis_6_4, TheReadIndexIsTheCommitIndexOfThatMoment) {
  OneCore bench = leading();
  bench.give(ReadBarrier{{1}});
  bench.give(Propose{{2}, "a"});
  bench.receive(2, 2, Appended{{3}});
  bench.receive(3, 2, Appended{{3}});
  ASSERT_EQ(bench->commit(), Index{3});
  bench.receive(2, 2, HeartbeatReply{{1}});
  bench.receive(3, 2, HeartbeatReply{{1}});
  EXPECT_EQ(bench.answered<ReadReady>()[0].index, Index{2});
}

// Step 3.
TEST(Thesis_6_4, ARoundOfHeartbeatsToAMajorityConfirmsTheLeadership) {
  OneCore bench = leading();
  bench.give(ReadBarrier{{1}});
  EXPECT_EQ(bench.sent<Heartbeat>().size(), 4U);
  bench.receive(4, 2, HeartbeatReply{{1}});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  bench.receive(5, 2, HeartbeatReply{{1}});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 1U);
}

// Step 4: the answer names the index to wait for; the machine may be behind it.
TEST(Thesis_6_4, TheStateMachineMustHaveAppliedTheReadIndex) {
  OneCore bench = leading();
  bench.auto_write(false);
  bench.give(Propose{{1}, "a"});
  for (const std::uint64_t id : {2, 3, 4}) bench.receive(id, 2, Appended{{3}});
  bench.give(ReadBarrier{{2}});
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, HeartbeatReply{{1}});
  EXPECT_EQ(bench.answered<ReadReady>()[0].index, Index{3});
  EXPECT_EQ(bench->applied(), Index{2});
}

TEST(Thesis_6_4, ReadsThatCameWhileARoundIsUnderWayShareTheNext) {
  OneCore bench = leading();
  bench.give(ReadBarrier{{1}});
  const Round first = bench.sent_to<Heartbeat>(2)->round;
  bench.give_all({ReadBarrier{{2}}, ReadBarrier{{3}}});
  const Round second = bench.sent_to<Heartbeat>(2)->round;
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, HeartbeatReply{first});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 1U);
  for (const std::uint64_t id : {4, 5}) bench.receive(id, 2, HeartbeatReply{second});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 2U);
}

TEST(Thesis_6_4, ALeaderAloneIsItsOwnMajority) {
  OneCore bench({.membership = voters_up_to(1)});
  bench.tick();
  ASSERT_TRUE(bench->is_leader());
  bench.give(ReadBarrier{{1}});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 1U);
}

TEST(Thesis_6_4, OneRoundServesAnyNumberOfReads) {
  OneCore bench = leading();
  std::vector<Input> inputs;
  for (std::uint64_t id = 1; id <= 50; ++id) inputs.emplace_back(ReadBarrier{{id}});
  bench.give_all(std::move(inputs));
  EXPECT_EQ(bench.sent<Heartbeat>().size(), 4U);
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, HeartbeatReply{{1}});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 50U);
}

TEST(Thesis_6_4, ADeposedLeaderDoesNotAnswerReads) {
  OneCore bench = leading();
  bench.give(ReadBarrier{{1}});
  bench.receive(2, 3, StaleTerm{});
  bench.receive(2, 2, HeartbeatReply{{1}});
  bench.receive(3, 2, HeartbeatReply{{1}});
  EXPECT_TRUE(bench.answered<ReadReady>().empty());
  EXPECT_EQ(bench.answered<Refused>().size(), 1U);
}

}  // namespace
}  // namespace zraft::raft
