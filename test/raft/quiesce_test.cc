// SPDX-License-Identifier: Apache-2.0
//
// Groups to which nothing happens: when they fall silent, what wakes them, and that whoever is left alone by mistake
// finds out.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

OneCore::Setup quiescing() {
  OneCore::Setup setup;
  setup.config.quiesce_after = ms(500);
  return setup;
}

Index last(const OneCore& bench) { return bench->log().last().index; }

// Leads, and 2 and 3 hold everything.
OneCore leading(OneCore::Setup setup = quiescing()) {
  OneCore bench(std::move(setup));
  bench.lead();
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, Appended{last(bench)});
  bench.forget();
  return bench;
}

// Heartbeats go out, and those answer them as they are asked, for that long.
void beat(OneCore& bench, const std::vector<std::uint64_t>& who, Duration length, bool do_agree = true) {
  for (const Instant end = bench.now() + length; bench.now() < end && bench->deadline() <= end;) {
    bench.tick();
    for (const auto& [to, heartbeat] : bench.sent<Heartbeat>()) {
      if (std::ranges::find(who, to.value) == who.end()) continue;
      bench.receive(to.value, bench->term().value,
                    HeartbeatReply{heartbeat.round, heartbeat.sent, do_agree && heartbeat.may_quiesce});
    }
  }
}

OneCore quiet_leader() {
  OneCore bench = leading();
  beat(bench, {2, 3}, ms(2000));
  EXPECT_TRUE(bench->is_quiesced());
  bench.forget();
  return bench;
}

// Follows 2 in term 2, and holds what it has, which is all committed.
OneCore following() {
  OneCore bench(quiescing());
  bench.append(2, 2, at(1, 1), {entry(2, 2)});
  bench.receive(2, 2, Heartbeat{.commit = {2}, .round = {1}});
  bench.forget();
  return bench;
}
OneCore quiet_follower() {
  OneCore bench = following();
  bench.receive(2, 2, Heartbeat{.commit = {2}, .round = {2}, .may_quiesce = true});
  EXPECT_TRUE(bench->is_quiesced());
  bench.forget();
  return bench;
}

// --- the leader falls silent ---

TEST(Quiesce, ALeaderFallsSilentWhenNothingHappensAndAllAgree) {
  OneCore bench = leading();
  beat(bench, {2, 3}, ms(400));
  EXPECT_FALSE(bench->is_quiesced()) << "not before quiesce_after";
  beat(bench, {2, 3}, ms(400));
  EXPECT_TRUE(bench->is_quiesced());
  EXPECT_EQ(bench->deadline(), Instant::never());
  bench.pass(ms(10'000));
  bench.give(Tick{});
  EXPECT_TRUE(bench->is_leader());
  EXPECT_TRUE(bench.everything_sent().empty());
}

TEST(Quiesce, NeverWhereItIsNotWanted) {
  OneCore bench = leading({});
  beat(bench, {2, 3}, ms(5000));
  EXPECT_FALSE(bench->is_quiesced());
}

TEST(Quiesce, OneThatDoesNotAgreeKeepsItAwake) {
  OneCore bench = leading();
  beat(bench, {2, 3}, ms(2000), false);
  EXPECT_FALSE(bench->is_quiesced());
  EXPECT_TRUE(bench->is_leader());
}

TEST(Quiesce, NotWhileAMemberLacksSomething) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "x"});
  bench.receive(2, 2, Appended{last(bench)});
  EXPECT_EQ(bench->commit(), last(bench));
  beat(bench, {2, 3}, ms(2000));
  EXPECT_FALSE(bench->is_quiesced()) << "3 has not got it";
  bench.receive(3, 2, Appended{last(bench)});
  beat(bench, {2, 3}, ms(2000));
  EXPECT_TRUE(bench->is_quiesced());
}

TEST(Quiesce, WhoIsAwayIsNotWaitedFor) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "x"});
  bench.receive(2, 2, Appended{last(bench)});
  beat(bench, {2}, ms(2000));
  EXPECT_TRUE(bench->is_quiesced());
}

TEST(Quiesce, NotWithoutAQuorum) {
  OneCore::Setup setup = quiescing();
  setup.membership = voters_up_to(5);
  OneCore bench(std::move(setup));
  bench.lead();
  for (const std::uint64_t id : {2, 3, 4, 5}) bench.receive(id, 2, Appended{last(bench)});
  beat(bench, {2}, ms(2000));
  EXPECT_FALSE(bench->is_quiesced());
  EXPECT_FALSE(bench->is_leader()) << "it hears no majority, which is another matter";
}

TEST(Quiesce, AnAgreementFromBeforeTheLastDisturbanceDoesNotCount) {
  OneCore bench = leading();
  beat(bench, {2, 3}, ms(450));
  const Instant before = bench.now();
  bench.pass(ms(1));
  bench.give(Propose{{1}, "x"});
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, Appended{last(bench)});
  beat(bench, {2, 3}, ms(550), false);
  bench.receive(2, 2, HeartbeatReply{{}, before, true});
  bench.receive(3, 2, HeartbeatReply{{}, before, true});
  EXPECT_FALSE(bench->is_quiesced());
}

TEST(Quiesce, AGroupOfOneNeedsNobody) {
  OneCore::Setup setup = quiescing();
  setup.membership = voters_up_to(1);
  OneCore bench(std::move(setup));
  for (int i = 0; i < 30 && !bench->is_quiesced(); ++i) bench.tick();
  EXPECT_TRUE(bench->is_leader());
  EXPECT_TRUE(bench->is_quiesced());
}

TEST(Quiesce, NotWhileALearnerIsToBePromoted) {
  OneCore bench = leading();
  Membership wanted = voters_up_to(4);
  wanted.voters = {{1}, {2}, {3}};
  wanted.promoting = {{4}};
  bench.give(Reconfigure{{1}, {1}, wanted});
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, Appended{last(bench)});
  beat(bench, {2, 3}, ms(2000));
  EXPECT_FALSE(bench->is_quiesced());
}

// --- the leader wakes ---

TEST(Quiesce, AProposalWakesALeaderAndGoesOutAtOnce) {
  OneCore bench = quiet_leader();
  bench.give(Heard{{{{2}, bench.now()}, {{3}, bench.now()}}});
  EXPECT_TRUE(bench->is_quiesced()) << "to be told who was heard disturbs nobody";
  bench.give(Propose{{1}, "x"});
  EXPECT_FALSE(bench->is_quiesced());
  EXPECT_EQ(bench.sent<Append>().size(), 2U);
  bench.give(Tick{});
  EXPECT_TRUE(bench->is_leader());
  EXPECT_EQ(bench.sent<Heartbeat>().size(), 2U) << "at once: the others' patience begins now";
}

TEST(Quiesce, ALeaderThatWakesAndWasHeardByNobodyMeanwhileStepsDown) {
  OneCore bench = quiet_leader();
  bench.pass(ms(5000));
  bench.give(Heard{{{{2}, bench.now() - ms(400)}, {{3}, bench.now() - ms(400)}}});
  bench.give(Wake{});
  bench.give(Tick{});
  EXPECT_FALSE(bench->is_leader());
}

TEST(Quiesce, ALeaderWakesForAReadAndForWhoeverAsks) {
  for (int what = 0; what < 3; ++what) {
    OneCore bench = quiet_leader();
    if (what == 0) bench.give(ReadBarrier{{1}});
    if (what == 1) bench.receive(2, 2, HeartbeatReply{});
    if (what == 2) bench.receive(3, 2, RequestPreVote{{3}, at(2, 2), {1}});
    EXPECT_FALSE(bench->is_quiesced()) << what;
  }
}

TEST(Quiesce, ALateAgreementDoesNotWakeALeader) {
  OneCore bench = quiet_leader();
  bench.receive(2, 2, HeartbeatReply{{}, bench.now(), true});
  EXPECT_TRUE(bench->is_quiesced());
}

TEST(Quiesce, ThereIsNoLeaseWithoutHeartbeats) {
  OneCore::Setup setup = quiescing();
  setup.config.lease_reads = true;
  OneCore bench = leading(setup);
  beat(bench, {2, 3}, ms(2000));
  ASSERT_TRUE(bench->is_quiesced());
  bench.pass(ms(1000));
  bench.give(Heard{{{{2}, bench.now()}, {{3}, bench.now()}}});
  EXPECT_FALSE(bench->has_lease(bench.now()));
  bench.give(ReadBarrier{{1}, ReadFrom::lease});
  EXPECT_TRUE(bench.answered<ReadReady>().empty()) << "it takes a round";
}

// --- the follower ---

TEST(Quiesce, AFollowerThatHoldsEverythingAgrees) {
  OneCore bench = following();
  bench.receive(2, 2, Heartbeat{.commit = {2}, .round = {2}});
  EXPECT_FALSE(bench->is_quiesced()) << "it was not asked";
  bench.receive(2, 2, Heartbeat{.commit = {2}, .round = {3}, .may_quiesce = true});
  EXPECT_TRUE(bench->is_quiesced());
  EXPECT_TRUE(bench.sent_to<HeartbeatReply>(2)->quiesces);
  EXPECT_EQ(bench->deadline(), Instant::never());
  EXPECT_EQ(bench->leader(), NodeId{2});
}

TEST(Quiesce, AFollowerThatHoldsMoreThanIsCommittedDoesNotAgree) {
  OneCore bench = following();
  bench.append(2, 2, at(2, 2), {entry(2, 3)}, 2);
  bench.receive(2, 2, Heartbeat{.commit = {2}, .round = {2}, .may_quiesce = true});
  EXPECT_FALSE(bench->is_quiesced());
  EXPECT_FALSE(bench.sent_to<HeartbeatReply>(2)->quiesces);
}

TEST(Quiesce, AFollowerWakesByItsLeadersEntries) {
  OneCore bench = quiet_follower();
  bench.append(2, 2, at(2, 2), {entry(2, 3)}, 2);
  EXPECT_FALSE(bench->is_quiesced());
  EXPECT_EQ(bench.sent_to<Appended>(2)->match, Index{3});
  EXPECT_TRUE(bench.sent<HeartbeatReply>().empty()) << "the leader is awake";
  EXPECT_LT(bench->deadline(), Instant::never());
}

// Whoever destroys a leader's peer leaves the others alone, whose hosts all live: so whoever is asked asks the leader.
TEST(Quiesce, AFollowerThatIsAskedWakesItsLeaderAndStandsIfThatIsGone) {
  OneCore bench = quiet_follower();
  bench.give(Propose{{1}, "x"});
  EXPECT_EQ(bench.answered<Refused>().at(0).code, Code::not_leader);
  ASSERT_TRUE(bench.sent_to<HeartbeatReply>(2).has_value());
  bench.tick();
  EXPECT_TRUE(bench.is_pre_candidate());
}

TEST(Quiesce, AFollowerIsWokenWhenItsLeadersProcessIsLost) {
  OneCore bench = quiet_follower();
  bench.pass(ms(5000));
  bench.give(Wake{});
  EXPECT_FALSE(bench->is_quiesced());
  EXPECT_LT(bench->deadline() - bench.now(), bench->config().election_timeout) << "it has waited already";
  bench.tick();
  EXPECT_TRUE(bench.is_pre_candidate());
}

TEST(Quiesce, AFollowerThatIsWokenWhileItsLeadersProcessLivesWaitsForIt) {
  OneCore bench = quiet_follower();
  bench.pass(ms(5000));
  bench.give(Heard{{{{2}, bench.now()}}});
  bench.give(Wake{});
  EXPECT_GE(bench->deadline() - bench.now(), bench->config().election_timeout);
}

// P16, P18: somebody who cannot hear the leader must not win by asking those who sleep.
TEST(Quiesce, AFollowerThatSleepsProtectsALeaderWhoseProcessIsHeard) {
  OneCore bench = quiet_follower();
  bench.pass(ms(5000));
  bench.give(Heard{{{{2}, bench.now() - ms(50)}}});
  bench.receive(3, 2, RequestPreVote{{3}, at(9, 9), {1}});
  EXPECT_FALSE(bench.sent_to<PreVote>(3)->granted);

  OneCore other = quiet_follower();
  other.pass(ms(5000));
  other.give(Heard{{{{2}, other.now() - ms(400)}}});
  other.receive(3, 2, RequestPreVote{{3}, at(9, 9), {1}});
  EXPECT_TRUE(other.sent_to<PreVote>(3)->granted) << "its process is not heard either";
}

}  // namespace
}  // namespace zraft::raft
