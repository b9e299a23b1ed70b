// SPDX-License-Identifier: Apache-2.0
//
// What was weak in the Erlang library of the same name and must not be weak here, by the numbers of docs/protocol.md:
// cluster time (W-23), the consensus (W-30 to W-40, W-45, W-69), the replication (W-46 to W-50) and the log in memory
// (W-55). Where a pitfall P.. says the same, these show it in a whole cluster.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

CoreCluster::Options cluster_of(std::uint64_t n) {
  return {.membership = voters_up_to(n), .config = {.group = {77}, .seed = first_is_one}};
}

std::vector<std::string> texts(std::size_t n) {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back("c" + std::to_string(i));
  return out;
}

std::uint64_t entry_bytes(const std::vector<std::pair<NodeId, Append>>& appends, std::uint64_t to) {
  std::uint64_t bytes = 0;
  for (const auto& [id, append] : appends) {
    if (id.value != to) continue;
    for (const Record& record : append.entries) bytes += record.size();
  }
  return bytes;
}

// However the clocks of two leaders differ, the later one goes on from where the earlier one was.
TEST(WeakPoint, W23_ClusterTimeGoesOnWithANewLeader) {
  const ClusterTime far{Duration::seconds(1'000'000).ns};
  OneCore bench;
  bench.append(2, 2, at(1, 1), {Record::make(bench_group, at(2, 2), EntryType::command, far, "x")});
  bench.lead();
  ASSERT_EQ(bench->log().last(), at(3, 3));
  EXPECT_EQ(bench->log().at({3}).time(), far);
  bench.pass(ms(7));
  bench.give(Propose{{1}, "a"});
  EXPECT_EQ(bench->log().at({4}).time().ns, far.ns + ms(7).ns);
}

// 1. the old leader commits v2 and dies; 2. the new one, which may not know that v2 is committed, is read at once.
TEST(WeakPoint, W30_ANewLeaderDoesNotServeReadsOfBeforeTheLastCommit) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(ms(600));
  cluster.propose({1}, {"v1"});
  cluster.advance(ms(100));
  cluster.propose({1}, {"v2"});
  cluster.advance(ms(22));
  ASSERT_EQ(cluster.applied({1}).back(), "v2");
  ASSERT_EQ(cluster.applied({2}).back(), "v1");
  cluster.crash({1});
  while (!cluster.leader()) cluster.advance(ms(1));
  cluster.read(*cluster.leader());
  EXPECT_TRUE(cluster.answers().empty() || !std::holds_alternative<ReadReady>(cluster.answers().back().second));
  cluster.advance(ms(200));
  // That the index covers v2 is a law of the cluster (I26).
  EXPECT_TRUE(std::holds_alternative<ReadReady>(cluster.answers().back().second));
}

TEST(WeakPoint, W31_ACandidateIsRefusedForAWholeElectionTimeoutAfterTheLeaderSpoke) {
  OneCore bench;
  bench.receive(2, 2, Heartbeat{{1}, {}});
  bench.pass(ms(299));
  bench.receive(3, 2, RequestPreVote{{3}, at(9, 9)});
  EXPECT_FALSE(bench.sent_to<PreVote>(3)->granted);
  bench.receive(3, 9, RequestVote{at(9, 9)});
  EXPECT_EQ(bench->term(), Term{2});
  bench.pass(ms(1));
  bench.receive(3, 9, RequestVote{at(9, 9)});
  EXPECT_EQ(bench->term(), Term{9});
}

TEST(WeakPoint, W32_AMemberWhoseLogIsAllInASnapshotKnowsItsLastTerm) {
  Recovered recovered{.hard_state = {{5}, {}}, .base = {}, .entries = {}};
  recovered.base = {.last = at(5, 10), .membership = voters_up_to(3), .membership_index = {1}, .time = {}};
  Core core({.group = bench_group, .self = {1}, .check_laws = true}, recovered, Instant{});
  core.step(Instant{}, Receive{{{3}, {1}, {6}, RequestVote{at(4, 15)}}});
  core.step(Instant{}, Written{core.take_output().write->id});
  const Output refused = core.take_output();
  ASSERT_EQ(refused.send.size(), 1U);
  EXPECT_FALSE(std::get<Vote>(refused.send[0].body).granted);
  core.step(Instant{}, Receive{{{2}, {1}, {6}, RequestVote{at(5, 10)}}});
  core.step(Instant{}, Written{core.take_output().write->id});
  const Output granted = core.take_output();
  ASSERT_EQ(granted.send.size(), 1U);
  EXPECT_TRUE(std::get<Vote>(granted.send[0].body).granted);
}

TEST(WeakPoint, W33_WhatWasSaidInAnEarlierTermElectsAndCommitsNothing) {
  OneCore bench({.membership = voters_up_to(5)});
  bench.stand_for_votes();
  bench.receive(2, 2, Vote{true});
  bench.receive(2, 5, StaleTerm{});
  bench.stand_for_votes();
  ASSERT_EQ(bench->term(), Term{6});
  bench.receive(3, 2, Vote{true});
  bench.receive(4, 2, Vote{true});
  EXPECT_FALSE(bench->is_leader());
  bench.receive(3, 6, Vote{true});
  bench.receive(4, 6, Vote{true});
  ASSERT_TRUE(bench->is_leader());
  bench.receive(3, 2, Appended{{2}});
  bench.receive(4, 2, Appended{{2}});
  EXPECT_EQ(bench->commit(), Index{});
}

// 1. two members acknowledge up to 6; 2. the leader loses its leadership, and its tail is replaced; 3. it leads again:
// what they acknowledged before means nothing now.
TEST(WeakPoint, W34_AcknowledgementsOfAnEarlierLeadershipAreForgotten) {
  OneCore bench({.membership = voters_up_to(5)});
  bench.lead();
  for (std::uint64_t id = 1; id <= 4; ++id) bench.give(Propose{{id}, "a"});
  bench.receive(2, 2, Appended{{6}});
  bench.receive(3, 3, Append{at(2, 2), {}, {entry(3, 3)}});
  bench.lead();
  ASSERT_EQ(bench->term(), Term{4});
  bench.receive(3, 4, Appended{{4}});
  EXPECT_EQ(bench->commit(), Index{});
  bench.receive(4, 4, Appended{{4}});
  EXPECT_EQ(bench->commit(), Index{4});
}

TEST(WeakPoint, W35_AnIsolatedLeaderStepsDownAndRefuses) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(ms(600));
  cluster.partition({{1}, {2, 3}});
  cluster.advance(ms(400));
  EXPECT_FALSE(cluster.core({1}).is_leader());
  cluster.propose({1}, {"lost"});
  cluster.read({1});
  for (const auto& [who, answer] : cluster.answers()) EXPECT_TRUE(std::holds_alternative<Refused>(answer));
  EXPECT_EQ(cluster.core({1}).log().last(), at(2, 2));
}

// That no vote is heard before it is durable is a law of the cluster (I3): here the power goes at every moment.
TEST(WeakPoint, W36_NobodyVotesTwiceAfterALossOfPower) {
  for (int moment = 300; moment < 400; ++moment) {
    CoreCluster cluster(cluster_of(3));
    cluster.advance(ms(moment));
    for (const std::uint64_t id : {1, 2, 3}) cluster.restart({id});
    cluster.advance(ms(1500));
    EXPECT_TRUE(cluster.leader()) << "power lost at " << moment << " ms";
  }
}

TEST(WeakPoint, W37_WhileTheDiskIsBusyAMemberStillAnswers) {
  OneCore bench({.hard_state = {{2}, {}}, .auto_write = false});
  bench.append(2, 2, at(1, 1), {entry(2, 2)});
  ASSERT_TRUE(bench.sent<Appended>().empty());
  bench.receive(2, 2, Heartbeat{{1}, {7}});
  EXPECT_EQ(bench.sent_to<HeartbeatReply>(2)->round, Round{7});
  bench.receive(3, 2, RequestPreVote{{3}, at(9, 9)});
  EXPECT_TRUE(bench.sent_to<PreVote>(3));
  bench.append(2, 2, at(2, 2), {entry(2, 3)});
  EXPECT_EQ(bench->log().last(), at(2, 3));
}

TEST(WeakPoint, W38_AllThatCameInATurnIsOneWriteAndOneMessage) {
  OneCore bench;
  bench.lead();
  bench.receive(2, 2, Appended{{2}});
  bench.receive(3, 2, Appended{{2}});
  bench.forget();
  std::vector<Input> inputs;
  for (std::uint64_t id = 1; id <= 100; ++id) inputs.emplace_back(Propose{{id}, "a"});
  bench.give_all(std::move(inputs));
  ASSERT_EQ(bench.writes().size(), 1U);
  EXPECT_EQ(bench.writes()[0].entries.size(), 100U);
  EXPECT_EQ(bench.sent<Append>().size(), 2U);
}

TEST(WeakPoint, W39_AMemberOfNoGroupDoesNotStand) {
  Core core({.group = bench_group, .self = {1}, .check_laws = true}, {}, Instant{});
  for (int i = 0; i < 5; ++i) core.step(core.deadline(), Tick{});
  const Output output = core.take_output();
  EXPECT_TRUE(output.send.empty());
  EXPECT_FALSE(output.write);
  EXPECT_EQ(core.term(), Term{});
}

TEST(WeakPoint, W40_LeadershipDoesNotMoveUnderLoad) {
  auto options = cluster_of(3);
  options.disk = ms(20);
  CoreCluster cluster(options);
  cluster.advance(ms(700));
  const Term term = cluster.core({1}).term();
  for (int i = 0; i < 2000; ++i) {
    cluster.propose({1}, texts(20));
    if (i % 3 == 0) cluster.read({1}, 5);
    cluster.advance(ms(5));
  }
  cluster.advance(ms(500));
  EXPECT_EQ(cluster.leader(), NodeId{1});
  for (const std::uint64_t id : {1, 2, 3}) {
    EXPECT_EQ(cluster.core({id}).term(), term);
    EXPECT_EQ(cluster.applied({id}).size(), 40'000U);
  }
}

TEST(WeakPoint, W45_AfterTheFirstEntryTheTermIsThatEntrysTerm) {
  OneCore bench({.log = {1}});
  EXPECT_EQ(bench->term(), Term{1});
  EXPECT_EQ(bench->log().last(), at(1, 1));
  bench.receive(2, 1, RequestVote{at(0, 0)});
  EXPECT_FALSE(bench.sent_to<Vote>(2)->granted);
}

// After both followers' disks hung for 1.7 s a write takes as long as before.
TEST(WeakPoint, W46_AfterAStallReplicationIsImmediateAgain) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(ms(600));
  for (const std::uint64_t id : {2, 3}) cluster.hold_writes({id});
  for (int i = 0; i < 17; ++i) {
    cluster.propose({1}, {"stalled"});
    cluster.advance(ms(100));
  }
  for (const std::uint64_t id : {2, 3}) cluster.release_writes({id});
  cluster.advance(ms(200));
  ASSERT_EQ(cluster.leader(), NodeId{1});
  cluster.propose({1}, {"after"});
  cluster.advance(ms(21));
  EXPECT_EQ(cluster.applied({1}).back(), "after");
}

TEST(WeakPoint, W47_HeartbeatsGoOnToAMemberThatDoesNotAnswer) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(ms(600));
  cluster.crash({3});
  cluster.advance(ms(1000));
  cluster.forget_sent();
  cluster.advance(ms(600));
  EXPECT_EQ(cluster.sent("heartbeat"), 20U);
}

TEST(WeakPoint, W47_AFewLostHeartbeatsAreNoElection) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(ms(600));
  for (int i = 0; i < 10; ++i) {
    cluster.add_rule({.message = "heartbeat", .to = {2}, .times = 3});
    cluster.add_rule({.message = "heartbeat", .to = {3}, .times = 3});
    cluster.advance(ms(360));
  }
  EXPECT_EQ(cluster.leader(), NodeId{1});
  EXPECT_EQ(cluster.core({1}).term(), Term{2});
}

TEST(WeakPoint, W48_AMessageIsBounded) {
  OneCore bench({.config = {.replication = {.append_bytes_max = 300}}});
  bench.lead();
  bench.receive(2, 2, Appended{{2}});
  bench.forget();
  std::vector<Input> inputs;
  for (std::uint64_t id = 1; id <= 50; ++id) inputs.emplace_back(Propose{{id}, Bytes(52, 'x')});
  inputs.emplace_back(Propose{{51}, Bytes(1000, 'x')});
  bench.give_all(std::move(inputs));
  std::size_t entries = 0;
  for (const auto& [to, append] : bench.sent<Append>()) {
    std::size_t bytes = 0;
    for (const Record& record : append.entries) bytes += record.size();
    EXPECT_TRUE(bytes <= 300 || append.entries.size() == 1);
    if (to == NodeId{2}) entries += append.entries.size();
  }
  EXPECT_EQ(entries, 51U);
}

// The member answers heartbeats but its disk hangs: however often it answers, it gets its window and no more.
TEST(WeakPoint, W48_AMemberWhoseDiskHangsGetsNoMoreThanItsWindow) {
  for (const bool is_known : {true, false}) {
    OneCore bench({.config = {.replication = {.append_bytes_max = 300, .inflight_bytes_max = 1000}}});
    bench.lead();
    if (is_known) bench.receive(2, 2, Appended{{2}});
    bench.forget();
    for (std::uint64_t id = 1; id <= 200; ++id) {
      bench.give(Propose{{id}, Bytes(52, 'x')});
      bench.receive(2, 2, HeartbeatReply{{0}});
    }
    EXPECT_LE(entry_bytes(bench.sent<Append>(), 2), 1300U);
  }
}

TEST(WeakPoint, W49_ACommitCostsNoMessageAndAnEmptyAppendNoWrite) {
  OneCore leader;
  leader.lead();
  for (const std::uint64_t id : {2, 3}) leader.receive(id, 2, Appended{{2}});
  leader.give(Propose{{1}, "a"});
  leader.forget();
  leader.receive(2, 2, Appended{{3}});
  leader.receive(3, 2, Appended{{3}});
  ASSERT_EQ(leader->commit(), Index{3});
  EXPECT_TRUE(leader.everything_sent().empty());
  OneCore follower;
  follower.append(2, 2, at(1, 1), {entry(2, 2)});
  follower.forget();
  follower.append(2, 2, at(2, 2), {}, 2);
  follower.receive(2, 2, Heartbeat{{2}, {}});
  EXPECT_TRUE(follower.writes().empty());
}

// The acknowledgement is there before the leader's own write is done: it need not come again.
TEST(WeakPoint, W50_NoAcknowledgementIsOverlooked) {
  OneCore bench;
  bench.lead();
  bench.auto_write(false);
  bench.give(Propose{{1}, "a"});
  bench.give(Propose{{2}, "b"});
  bench.receive(2, 2, Appended{{4}});
  EXPECT_EQ(bench->commit(), Index{2});
  bench.complete_write();
  EXPECT_EQ(bench->commit(), Index{3});
  bench.complete_write();
  EXPECT_EQ(bench->commit(), Index{4});
}

// A member that has nothing of a long log gets it in messages of bounded size, and never more than its window ahead.
TEST(WeakPoint, W55_AMemberThatIsFarBehindCatchesUpInBoundedSteps) {
  const ReplicationLimits limits{.append_bytes_max = 1000, .inflight_messages_max = 4, .inflight_bytes_max = 3000};
  const std::vector<std::uint64_t> log(2000, 1);
  OneCore bench({.log = log, .hard_state = {{1}, {}}, .config = {.replication = limits}});
  bench.lead();
  bench.receive(2, 2, AppendRejected{{2000}, at(0, 0)});
  Index held;
  for (int answers = 0; held < bench->log().last().index; ++answers) {
    ASSERT_LT(answers, 1000);
    const auto appends = bench.sent<Append>();
    EXPECT_LE(entry_bytes(appends, 2), limits.inflight_bytes_max + limits.append_bytes_max);
    for (const auto& [to, append] : appends) {
      if (to != NodeId{2} || append.previous.index != held) continue;
      EXPECT_LE(entry_bytes({{to, append}}, 2), limits.append_bytes_max);
      held = held + append.entries.size();
    }
    bench.receive(2, 2, Appended{held});
  }
  EXPECT_EQ(bench->commit(), Index{2001});
}

TEST(WeakPoint, W69_ACandidateThatHearsItsTermsLeaderIsAFollowerInEveryRespect) {
  for (const bool by_heartbeat : {true, false}) {
    OneCore bench;
    bench.stand_for_votes();
    ASSERT_TRUE(bench.is_candidate());
    if (by_heartbeat) {
      bench.receive(2, 2, Heartbeat{{1}, {}});
    } else {
      bench.append(2, 2, at(1, 1), {entry(2, 2)});
    }
    EXPECT_TRUE(bench.is_follower());
    EXPECT_EQ(bench->leader(), NodeId{2});
    bench.receive(3, 2, Vote{true});
    EXPECT_TRUE(bench.is_follower());
    bench.give(Propose{{1}, "a"});
    EXPECT_EQ(bench.answered<Refused>()[0].leader, NodeId{2});
  }
}

}  // namespace
}  // namespace zraft::raft
