// SPDX-License-Identifier: Apache-2.0
//
// What those who ask a node are told: each exactly once, the truth, and `unknown` where nobody can know (P43). Limits,
// deadlines, reads, and what becomes of everything when the disk or the state machine fails.
#include <gtest/gtest.h>

#include "test/node/bench.h"

namespace zraft::node::test {
namespace {

bool says(const Reply& reply, const std::string& part) { return reply.error.text.find(part) != std::string::npos; }

// --- writes ---

class NodeWrite : public NodeBench {};

TEST_F(NodeWrite, GetsTheResultOfTheStateMachineWhenAMajorityHasIt) {
  make();
  lead();
  propose("a");
  propose("b");
  loop.run();
  EXPECT_TRUE(told.empty());
  acknowledge(2);
  EXPECT_EQ(answer_to("a").data, "1");
  EXPECT_EQ(answer_to("b").data, "2");
  EXPECT_EQ(answer_to("b").error.code, Code::ok);
}

TEST_F(NodeWrite, IsToldByAFollowerWhoLeads) {
  make();
  bring(2, 2, raft::Heartbeat{{0}, {}});
  propose("a");
  loop.run();
  EXPECT_EQ(answer_to("a").error.code, Code::not_leader);
  EXPECT_EQ(answer_to("a").leader, raft::NodeId{2});
}

TEST_F(NodeWrite, ThatTheMachineDoesNotAdmitNeverEntersTheLog) {
  make();
  lead();
  const raft::Position last = node->core().log().last();
  propose("bad one");
  loop.run();
  EXPECT_EQ(answer_to("bad one").error, (Error{Code::bad_request, "that is bad"}));
  EXPECT_EQ(node->core().log().last(), last);
}

TEST_F(NodeWrite, P43_WhosePlaceWentToAnotherWasNotApplied) {
  make();
  lead();
  propose("a");
  loop.run();
  bring(2, 3, raft::Append{at(2, 2), {2}, {entry(3, 3, "other")}});
  EXPECT_FALSE(is_answered("a")) << "the other is not committed, so `a` may still be";
  bring(2, 3, raft::Heartbeat{{3}, {}});
  EXPECT_EQ(answer_to("a").error.code, Code::not_leader);
  EXPECT_TRUE(says(answer_to("a"), "it was not applied"));
  EXPECT_EQ(machine.all, "other");
}

TEST_F(NodeWrite, P43_ThatIsCommittedByTheNextLeaderGetsItsResult) {
  make();
  lead();
  propose("a");
  loop.run();
  bring(2, 3, raft::Append{at(2, 3), {4}, {entry(3, 4, "b")}});
  EXPECT_EQ(answer_to("a").data, "1");
  EXPECT_EQ(machine.all, "ab");
}

// 1. this leader's `a` and `b` reach another member, which does not commit them; 2. the next leader puts 3^3 in their
// place here; 3. this member leads again and gives the place of `b` to `c`. Whoever has `b` may still be elected and
// commit it, so until that place is settled nobody may be told that it was not applied.
TEST_F(NodeWrite, P43_ThatWasOverwrittenHereMayStillCommitElsewhere) {
  make();
  lead();
  propose("a");
  propose("b");
  loop.run();
  bring(3, 3, raft::Append{at(2, 2), {2}, {}});
  bring(3, 3, raft::Append{at(2, 2), {2}, {entry(3, 3, "other")}});
  loop.advance(Duration::milliseconds(700));
  bring(3, 3, raft::PreVote{{4}, true});
  bring(3, 4, raft::Vote{true});
  ASSERT_TRUE(node->core().is_leader());
  ASSERT_EQ(node->core().log().last(), at(4, 4)) << "its no-op has the place of `b`";
  EXPECT_TRUE(told.empty());
  // And now the member that has `a` and `b` leads.
  bring(2, 5, raft::Append{at(2, 2), {2}, {entry(2, 3, "a"), entry(2, 4, "b"), entry(5, 5, "c")}});
  bring(2, 5, raft::Heartbeat{{5}, {}});
  EXPECT_EQ(machine.all, "abc");
  EXPECT_EQ(answer_to("a").error.code, Code::ok);
  EXPECT_EQ(answer_to("b").error.code, Code::ok);
}

// The same, with a command in the place instead of the no-op: two of this node's own wait for one index.
TEST_F(NodeWrite, P43_TwoOfOneNodeMayWaitForOnePlace) {
  make();
  lead();
  for (const char* data : {"a", "b", "c"}) propose(data);
  loop.run();
  bring(3, 3, raft::Append{at(2, 2), {2}, {entry(3, 3, "other")}});
  loop.advance(Duration::milliseconds(700));
  bring(3, 3, raft::PreVote{{4}, true});
  bring(3, 4, raft::Vote{true});
  propose("d");
  loop.run();
  ASSERT_EQ(node->core().log().last(), at(4, 5)) << "the place of `c`";
  EXPECT_TRUE(told.empty());
  acknowledge(3);
  EXPECT_EQ(machine.all, "otherd");
  EXPECT_EQ(answer_to("d").data, "2");
  for (const char* lost : {"a", "b", "c"}) EXPECT_EQ(answer_to(lost).error.code, Code::not_leader) << lost;
}

TEST_F(NodeWrite, WhoseTimeIsOverHasAnUnknownOutcome) {
  make();
  lead();
  propose("a", Duration::milliseconds(100));
  loop.advance(Duration::milliseconds(99));
  EXPECT_TRUE(told.empty());
  loop.advance(Duration::milliseconds(60));
  EXPECT_EQ(answer_to("a").error.code, Code::timeout_unknown_outcome);
  acknowledge(2);
  EXPECT_EQ(machine.all, "a") << "and here it was applied after all";
  (void)answer_to("a");
}

TEST_F(NodeWrite, BeyondTheLimitsIsRefusedAndNamesThem) {
  options.core.command_bytes_max = 20;
  options.core.uncommitted_bytes_max = 150;
  options.requests_max = 3;
  make();
  lead();
  propose(std::string(21, 'x'));
  loop.run();
  EXPECT_EQ(told.back().reply.error.code, Code::too_large);
  EXPECT_TRUE(says(told.back().reply, "20 bytes"));
  for (const char* data : {"a", "b"}) propose(data);
  loop.run();
  propose(std::string(20, 'y'));
  loop.run();
  EXPECT_EQ(told.back().reply.error.code, Code::busy);
  EXPECT_TRUE(says(told.back().reply, "uncommitted_bytes_max"));
  propose("c");
  propose("d");
  loop.run();
  EXPECT_EQ(answer_to("d").error.code, Code::busy);
  EXPECT_TRUE(says(answer_to("d"), "requests_max"));
}

// --- reads ---

class NodeRead : public NodeBench {};

TEST_F(NodeRead, IsAnsweredWhenItsRoundIsConfirmedAndEverythingBeforeItIsApplied) {
  make();
  lead();
  log.is_prompt = false;
  propose("a");
  loop.run();
  acknowledge(2);
  acknowledge(3);
  ASSERT_EQ(node->core().commit(), raft::Index{3});
  query("q");
  loop.run();
  confirm_round(2);
  EXPECT_FALSE(is_answered("q")) << "`a` is committed and not applied here";
  log.complete();
  loop.run();
  EXPECT_EQ(answer_to("q").data, "a");
}

TEST_F(NodeRead, IsNotAnsweredWithoutTheOthers) {
  make();
  lead();
  query("q", ReadMode::linearizable, Duration::milliseconds(100));
  loop.advance(Duration::milliseconds(200));
  EXPECT_EQ(answer_to("q").error.code, Code::timeout);
  EXPECT_TRUE(says(answer_to("q"), "nothing was changed"));
  confirm_round(2);
  (void)answer_to("q");
}

TEST_F(NodeRead, IsToldByAFollowerWhoLeads) {
  make();
  bring(2, 2, raft::Heartbeat{{0}, {}});
  query("q");
  loop.run();
  EXPECT_EQ(answer_to("q").error.code, Code::not_leader);
  EXPECT_EQ(answer_to("q").leader, raft::NodeId{2});
}

TEST_F(NodeRead, W11_ThatWaitsIsToldTheNewLeaderAndNotTheOld) {
  make();
  lead();
  query("q");
  loop.run();
  bring(3, 3, raft::Heartbeat{{2}, {}});
  EXPECT_EQ(answer_to("q").error.code, Code::not_leader);
  EXPECT_EQ(answer_to("q").leader, raft::NodeId{3});
}

TEST_F(NodeRead, ThatMayBeStaleIsAnsweredByAnyMemberWithWhatItHasApplied) {
  make({.hard_state = {{2}, {}}});
  query("none");
  query("alone", ReadMode::stale);
  loop.run();
  EXPECT_EQ(answer_to("none").error.code, Code::not_leader);
  EXPECT_EQ(answer_to("alone").data, "");
  bring(2, 2, raft::Append{at(1, 1), {2}, {entry(2, 2, "a"), entry(2, 3, "b")}});
  query("follower", ReadMode::stale);
  loop.run();
  EXPECT_EQ(answer_to("follower").data, "a");
}

TEST_F(NodeRead, ThatTheMachineRefusesGetsItsWords) {
  make();
  query("bad", ReadMode::stale);
  loop.run();
  EXPECT_EQ(answer_to("bad").error, (Error{Code::bad_request, "that is no query"}));
}

TEST_F(NodeRead, IsCountedAmongTheRequestsUnderWay) {
  options.requests_max = 2;
  make();
  lead();
  query("a");
  query("b", ReadMode::stale);
  query("c");
  query("d", ReadMode::stale);
  loop.run();
  EXPECT_EQ(answer_to("b").error.code, Code::ok);
  EXPECT_EQ(answer_to("c").error.code, Code::busy);
  EXPECT_EQ(answer_to("d").error.code, Code::busy);
}

// --- the end ---

class NodeEnd : public NodeBench {
 protected:
  // One of each: applied, accepted and not applied, a read that waits; then the disk fails.
  void fail_with_requests_under_way() {
    make();
    lead();
    propose("done");
    loop.run();
    acknowledge(2);
    log.is_prompt = false;
    propose("accepted");
    query("waiting");
    loop.run();
    log.complete(fail(Code::io, "the disk is broken"));
    loop.run();
  }
};

TEST_F(NodeEnd, P03_AFailedWriteStopsItForGood) {
  fail_with_requests_under_way();
  ASSERT_EQ(observer.stops.size(), 1U);
  EXPECT_EQ(observer.stops[0], (Error{Code::io, "the disk is broken"}));
  EXPECT_EQ(node->stopped(), observer.stops[0]);
  forget();
  acknowledge(2);
  acknowledge(3);
  bring(3, 9, raft::RequestVote{at(8, 8)});
  loop.advance(Duration::seconds(5));
  EXPECT_TRUE(journal.empty()) << "it says nothing any more, and writes nothing";
  EXPECT_EQ(loop.timers(), 0U);
}

TEST_F(NodeEnd, P43_WhatIsUnderWayIsToldWhatIsKnown) {
  fail_with_requests_under_way();
  EXPECT_EQ(answer_to("done").error.code, Code::ok);
  EXPECT_EQ(answer_to("accepted").error.code, Code::timeout_unknown_outcome);
  EXPECT_TRUE(says(answer_to("accepted"), "the disk is broken"));
  EXPECT_EQ(answer_to("waiting").error.code, Code::stopped);
}

TEST_F(NodeEnd, WhoeverAsksAfterItIsToldWhy) {
  fail_with_requests_under_way();
  propose("late");
  query("late read");
  query("late stale read", ReadMode::stale);
  EXPECT_FALSE(is_answered("late"));
  loop.run();
  for (const char* late : {"late", "late read", "late stale read"}) {
    EXPECT_EQ(answer_to(late).error.code, Code::stopped) << late;
    EXPECT_TRUE(says(answer_to(late), "the disk is broken")) << late;
  }
}

// I47: a later write that succeeds proves nothing.
TEST_F(NodeEnd, ACompletionAfterAFailureAcknowledgesNothing) {
  make({.hard_state = {{2}, {}}});
  log.is_prompt = false;
  bring(2, 2, raft::Append{at(1, 1), {1}, {entry(2, 2)}});
  bring(2, 2, raft::Append{at(2, 2), {1}, {entry(2, 3)}});
  ASSERT_EQ(log.held.size(), 2U);
  log.complete(fail(Code::io, "no"));
  log.complete();
  loop.run();
  EXPECT_TRUE(sent<raft::Appended>().empty());
  EXPECT_EQ(observer.stops.size(), 1U);
}

TEST_F(NodeEnd, W29_AMachineThatThrowsStopsItsMemberWithTheReason) {
  for (const char* bad : {"throw", "throw a number"}) {
    observer.stops.clear();
    told.clear();
    machine.all.clear();
    make();
    lead();
    for (const char* data : {"a", bad, "b"}) propose(data);
    loop.run();
    acknowledge(2);
    EXPECT_EQ(machine.all, "a") << "nothing is applied after it";
    EXPECT_EQ(answer_to("a").error.code, Code::ok);
    EXPECT_EQ(answer_to(bad).error.code, Code::timeout_unknown_outcome) << "it is committed";
    EXPECT_EQ(answer_to("b").error.code, Code::timeout_unknown_outcome);
    ASSERT_EQ(observer.stops.size(), 1U);
    EXPECT_NE(observer.stops[0].text.find("at index 4"), std::string::npos) << observer.stops[0].text;
  }
}

// Nothing was changed by it, so nothing needs to stop.
TEST_F(NodeEnd, W29_AMachineThatThrowsAtAQueryOrAtTheDoorRefusesThatOne) {
  make();
  lead();
  query("throw", ReadMode::stale);
  propose("throw at the door");
  propose("a");
  loop.run();
  acknowledge(2);
  for (const char* refused : {"throw", "throw at the door"}) {
    EXPECT_EQ(answer_to(refused).error.code, Code::bad_request);
    EXPECT_TRUE(says(answer_to(refused), "told to"));
  }
  EXPECT_EQ(answer_to("a").error.code, Code::ok);
  EXPECT_FALSE(node->stopped());
}

// P87, W-10: nothing of it is left behind, and what comes late finds nobody.
TEST_F(NodeEnd, W10_ItsEndLeavesNothingBehind) {
  make();
  lead();
  log.is_prompt = false;
  propose("a");
  query("q");
  loop.run();
  ASSERT_EQ(log.held.size(), 1U);
  forget();
  propose("b");
  node.reset();
  EXPECT_EQ(loop.timers(), 0U);
  log.complete();
  loop.run();
  EXPECT_TRUE(journal.empty());
}

}  // namespace
}  // namespace zraft::node::test
