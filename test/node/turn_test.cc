// SPDX-License-Identifier: Apache-2.0
//
// A turn of the node: what came meanwhile is one batch; sends go before the write; nothing is acknowledged before the
// log says that it is durable; committed entries go to the machine in order; timers come from the core's deadline.
#include <gtest/gtest.h>

#include "test/node/bench.h"

namespace zraft::node::test {
namespace {

class NodeTurn : public NodeBench {};

TEST_F(NodeTurn, AllThatCameMeanwhileIsOneWriteAndOneMessageToEachMember) {
  make();
  lead();
  acknowledge(3);
  forget();
  for (int i = 0; i < 100; ++i) propose("c" + std::to_string(i));
  log.is_prompt = false;
  loop.run();
  ASSERT_EQ(log.held.size(), 1U);
  EXPECT_EQ(log.held[0].write.entries.size(), 100U);
  EXPECT_EQ(sent<raft::Append>().size(), 2U);
}

TEST_F(NodeTurn, IsWantedOnceHoweverMuchComes) {
  make();
  for (int i = 0; i < 5; ++i) receive(2, 2, raft::Heartbeat{{0}, {}});
  query("", ReadMode::stale);
  propose("a");
  log.is_prompt = false;
  EXPECT_TRUE(loop.step());
  EXPECT_FALSE(loop.step());
  EXPECT_TRUE(is_answered("a"));
}

TEST_F(NodeTurn, DoesNothingBeforeTheCallThatAskedForItReturns) {
  make();
  lead();
  forget();
  propose("a");
  propose("bad");
  query("", ReadMode::stale);
  query("b");
  receive(2, 2, raft::Appended{{2}});
  EXPECT_TRUE(journal.empty());
  loop.run();
  EXPECT_FALSE(journal.empty());
}

// Thesis 10.2.1: the followers' disks and this one work at the same time.
TEST_F(NodeTurn, SendsBeforeItBeginsToWrite) {
  make();
  lead();
  acknowledge(3);
  forget();
  log.is_prompt = false;
  propose("a");
  loop.run();
  EXPECT_EQ(journal, (Journal{"send append to 2", "send append to 3", "write w3"}));
}

TEST_F(NodeTurn, P28_AFollowerAcknowledgesOnlyWhatItsLogSaysIsDurable) {
  make({.hard_state = {{2}, {}}});
  log.is_prompt = false;
  bring(2, 2, raft::Append{at(1, 1), {1}, {entry(2, 2)}});
  EXPECT_TRUE(sent<raft::Appended>().empty());
  log.complete();
  loop.run();
  ASSERT_EQ(sent<raft::Appended>().size(), 1U);
  EXPECT_EQ(sent<raft::Appended>()[0].match, raft::Index{2});
}

TEST_F(NodeTurn, P01_AVoteGoesOutWhenItIsDurable) {
  make();
  log.is_prompt = false;
  bring(2, 2, raft::RequestVote{at(1, 1)});
  EXPECT_TRUE(sent<raft::Vote>().empty());
  EXPECT_EQ(log.held.at(0).write.hard_state, (raft::HardState{{2}, raft::NodeId{2}}));
  log.complete();
  loop.run();
  ASSERT_EQ(sent<raft::Vote>().size(), 1U);
  EXPECT_TRUE(sent<raft::Vote>()[0].granted);
}

TEST_F(NodeTurn, AWriteDoesNotWaitForTheOneBefore) {
  make();
  lead();
  log.is_prompt = false;
  for (const char* data : {"a", "b", "c"}) {
    propose(data);
    loop.run();
  }
  ASSERT_EQ(log.held.size(), 3U);
  acknowledge(2);
  EXPECT_TRUE(told.empty());
  log.complete();
  loop.run();
  EXPECT_EQ(machine.all, "a");
  EXPECT_TRUE(is_answered("a"));
  EXPECT_FALSE(is_answered("b"));
  log.complete();
  log.complete();
  loop.run();
  EXPECT_EQ(machine.all, "abc");
}

// A majority may have it before the leader's own disk; the leader applies it when it holds it as well.
TEST_F(NodeTurn, NothingIsAppliedThatIsNotDurableHere) {
  make();
  lead();
  log.is_prompt = false;
  propose("a");
  loop.run();
  acknowledge(2);
  acknowledge(3);
  EXPECT_EQ(node->core().commit(), raft::Index{3});
  EXPECT_EQ(machine.all, "");
  log.complete();
  loop.run();
  EXPECT_EQ(machine.all, "a");
}

TEST_F(NodeTurn, HowDurableAWriteHasToBeIsTheModesChoiceButForTermAndVote) {
  struct Case {
    SyncMode mode;
    Durability of_leader;
    Durability of_follower;
  };
  using enum Durability;
  for (const Case& c : {Case{SyncMode::durable, durable, durable}, Case{SyncMode::leader_dirty, buffered, durable},
                        Case{SyncMode::dirty, buffered, buffered}}) {
    options.sync_mode = c.mode;
    make();
    log.is_prompt = false;
    bring(2, 2, raft::RequestVote{at(1, 1)});
    EXPECT_EQ(log.held.at(0).durability, durable) << "a vote is lost in no mode";
    log.is_prompt = true;
    log.complete();
    loop.run();
    log.is_prompt = false;
    bring(2, 2, raft::Append{at(1, 1), {1}, {entry(2, 2)}});
    EXPECT_EQ(log.held.at(0).durability, c.of_follower);
    log.is_prompt = true;
    log.complete();
    lead();
    log.is_prompt = false;
    propose("a");
    loop.run();
    EXPECT_EQ(log.held.at(0).durability, c.of_leader);
    node.reset();
    log.held.clear();
    log.is_prompt = true;
    transport.sent.clear();
  }
}

// --- applying ---

TEST_F(NodeTurn, TheMachineGetsCommandsOnlyInTheOrderOfTheLog) {
  make({.hard_state = {{2}, {}}});
  bring(2, 2, raft::Append{at(1, 1), {4}, {entry(2, 2, "a"), entry(2, 3, "b"), entry(2, 4, "c")}});
  const raft::Record noop = raft::Record::make(raft::bench_group, at(2, 5), raft::EntryType::noop, {}, {});
  bring(2, 2, raft::Append{at(2, 4), {5}, {noop}});
  EXPECT_EQ(machine.all, "abc");
  EXPECT_EQ(observer.applied, (std::vector<raft::Position>{at(1, 1), at(2, 2), at(2, 3), at(2, 4), at(2, 5)}));
  EXPECT_EQ(node->core().applied(), raft::Index{5});
}

TEST_F(NodeTurn, ClusterTimeNeverGoesBack) {
  make();
  lead();
  for (int i = 0; i < 10; ++i) {
    propose("c");
    loop.advance(Duration::milliseconds(3));
    acknowledge(2);
  }
  ASSERT_EQ(machine.times.size(), 10U);
  EXPECT_TRUE(std::ranges::is_sorted(machine.times));
  EXPECT_LT(machine.times.front(), machine.times.back());
}

// Thesis 3.8: a volatile machine is fed again. A long log does not keep the loop from everything else.
TEST_F(NodeTurn, AfterARestartTheMachineIsFedFromTheBeginningInSeveralTurns) {
  Setup setup{.voters = 1, .log = std::vector<std::uint64_t>(5000, 1), .hard_state = {{1}, raft::NodeId{1}}};
  make(std::move(setup));
  log.is_prompt = false;
  loop.advance(Duration::milliseconds(700));
  log.complete();  // its vote for itself
  loop.run();
  EXPECT_EQ(machine.count, 0) << "what is committed is not known yet";
  log.complete();  // its no-op
  std::vector<int> seen;
  while (loop.step()) seen.push_back(machine.count);
  EXPECT_EQ(seen, (std::vector<int>{0, 1023, 2047, 3071, 4095, 4999}));
  EXPECT_EQ(node->core().applied(), raft::Index{5001});
}

TEST_F(NodeTurn, I41_WhatWasDamagedInMemoryIsNotApplied) {
  make({.hard_state = {{2}, {}}});
  auto bytes = std::make_shared<Bytes>(entry(2, 2, "good").bytes());
  const auto record = raft::Record::parse(bytes, *bytes);
  ASSERT_TRUE(record);
  bring(2, 2, raft::Append{at(1, 1), {1}, {*record}});
  bytes->back() = '!';
  bring(2, 2, raft::Heartbeat{{2}, {}});
  EXPECT_EQ(machine.all, "");
  ASSERT_TRUE(node->stopped());
  EXPECT_EQ(node->stopped()->code, Code::corrupt);
  EXPECT_NE(node->stopped()->text.find("entry 2"), std::string::npos);
}

// --- the members ---

TEST_F(NodeTurn, ConnectsAtTheStartAndWhenTheMembershipIsAnother) {
  make();
  EXPECT_EQ(journal.at(0), "connect to 3");
  forget();
  bring(2, 2, raft::Append{at(1, 1), {1}, {raft::membership_entry(2, 2, voters_up_to(5))}});
  EXPECT_EQ(journal.at(0), "connect to 5");
  forget();
  // Rolled back with its entry (P46).
  bring(3, 3, raft::Append{at(1, 1), {1}, {entry(3, 2)}});
  EXPECT_EQ(journal.at(0), "connect to 3");
}

// --- time ---

TEST_F(NodeTurn, TheCoreGetsItsTickWhenItsDeadlineComes) {
  make();
  const Instant due = node->core().deadline();
  forget();
  loop.advance(due - loop.now() - Duration{1});
  EXPECT_TRUE(transport.sent.empty());
  loop.advance(Duration{1});
  EXPECT_EQ(sent<raft::RequestPreVote>().size(), 2U);
}

TEST_F(NodeTurn, APutOffDeadlineSetsNoSecondTimer) {
  make();
  for (int i = 0; i < 100; ++i) {
    bring(2, 2, raft::Heartbeat{{1}, {}});
    EXPECT_EQ(loop.timers(), 1U);
    loop.advance(Duration::milliseconds(50));
  }
  EXPECT_TRUE(sent<raft::RequestPreVote>().empty());
}

// --- reads that may be old ---

class NodeBounded : public NodeBench {
 protected:
  void bounded(const std::string& data, Duration staleness_max) {
    node->query(data, ReadMode::bounded, loop.now() + Duration::seconds(60),
                [this, data](Reply reply) { note(data, std::move(reply)); }, staleness_max);
  }
  // It leads, and a linearizable read was confirmed just now.
  void lead_and_read() {
    make();
    lead();
    query("first");
    loop.run();
    confirm_round(2);
    ASSERT_TRUE(is_answered("first"));
    forget();
  }
};

TEST_F(NodeBounded, AReadThatMayBeOldGoesByTheLastThatWasConfirmed) {
  lead_and_read();
  loop.advance(Duration::milliseconds(100));
  forget();
  bounded("old", Duration::milliseconds(150));
  loop.run();
  EXPECT_TRUE(is_answered("old"));
  EXPECT_TRUE(sent<raft::Heartbeat>().empty()) << "nobody is asked";
}

TEST_F(NodeBounded, AReadWhoseBoundIsOverIsALinearizableOne) {
  lead_and_read();
  loop.advance(Duration::milliseconds(100));
  bounded("newer", Duration::milliseconds(50));
  loop.run();
  EXPECT_FALSE(is_answered("newer"));
  confirm_round(2);
  EXPECT_TRUE(is_answered("newer"));
  bounded("after it", Duration::milliseconds(50));
  loop.run();
  EXPECT_TRUE(is_answered("after it")) << "and others go by it";
}

TEST_F(NodeBounded, ABoundCountsUntilTheAnswer) {
  lead_and_read();
  bounded("late", Duration::milliseconds(150));
  loop.pause(Duration::milliseconds(200));  // the process stood still before it looked
  loop.run();
  EXPECT_FALSE(is_answered("late"));
}

TEST_F(NodeBounded, AFollowerAsksItsLeaderOnceForManyReads) {
  make();
  bring(2, 2, raft::Append{{{1}, {1}}, {2}, {entry(2, 2)}});
  bounded("a", Duration::milliseconds(500));
  loop.run();
  ASSERT_EQ(sent<raft::RequestReadIndex>().size(), 1U);
  bring(2, 2, raft::ReadIndex{sent<raft::RequestReadIndex>()[0].attempt, {2}});
  EXPECT_TRUE(is_answered("a"));
  forget();
  bounded("b", Duration::milliseconds(500));
  loop.run();
  EXPECT_TRUE(is_answered("b"));
  EXPECT_TRUE(transport.sent.empty());
}

// --- quiescence ---

class NodeQuiesce : public NodeBench {
 protected:
  void follow() {
    options.core.quiesce_after = Duration::milliseconds(500);
    make();
    bring(2, 2, raft::Append{{{1}, {1}}, {}, {entry(2, 2)}});
  }
  void ask_to_quiesce() { bring(2, 2, raft::Heartbeat{.commit = {2}, .round = {1}, .may_quiesce = true}); }
};

TEST_F(NodeQuiesce, OnlyAMemberWhoseLeadersProcessIsWatchedFallsSilent) {
  follow();
  ask_to_quiesce();
  EXPECT_FALSE(node->core().is_quiesced());
  transport.watched[{2}] = loop.now();
  ask_to_quiesce();
  EXPECT_TRUE(node->core().is_quiesced());
}

TEST_F(NodeQuiesce, AMemberThatIsSilentHasNoTimer) {
  follow();
  transport.watched[{2}] = loop.now();
  ask_to_quiesce();
  loop.advance(Duration::seconds(5));  // the old timer has come by then
  EXPECT_TRUE(node->core().is_quiesced());
  EXPECT_EQ(loop.timers(), 0U);
}

TEST_F(NodeQuiesce, IsWokenAndStandsWhenItsLeadersProcessIsLost) {
  follow();
  transport.watched[{2}] = loop.now();
  ask_to_quiesce();
  loop.advance(Duration::seconds(5));
  transport.watched.clear();
  node->wake();
  loop.run();
  EXPECT_FALSE(node->core().is_quiesced());
  forget();
  loop.advance(Duration::milliseconds(700));
  EXPECT_FALSE(sent<raft::RequestPreVote>().empty());
}

TEST_F(NodeQuiesce, KnowsWhenItWakesThatItsLeadersProcessWasHeard) {
  follow();
  transport.watched[{2}] = loop.now();
  ask_to_quiesce();
  loop.advance(Duration::seconds(5));
  transport.watched[{2}] = loop.now() - Duration::milliseconds(20);
  forget();
  bring(3, 2, raft::RequestPreVote{{3}, {{2}, {2}}, {1}});
  ASSERT_EQ(sent<raft::PreVote>().size(), 1U);
  EXPECT_FALSE(sent<raft::PreVote>()[0].granted);
}

}  // namespace
}  // namespace zraft::node::test
