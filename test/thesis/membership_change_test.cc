// SPDX-License-Identifier: Apache-2.0
//
// Ongaro, "Consensus: Bridging Theory and Practice", chapter 4, sentence by sentence in our words: how members are
// changed (4.1, 4.3) and how the group stays available meanwhile (4.2). Which membership is in force and who is
// counted by it: membership_in_force_test.cc.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

// Leads term 2, with its no-op at 2^2 committed.
OneCore leading(std::uint64_t voters = 3) {
  OneCore bench({.membership = voters_up_to(voters)});
  bench.lead();
  for (std::uint64_t id = 2; id <= voters; ++id) bench.receive(id, 2, Appended{{2}});
  bench.forget();
  return bench;
}

Membership with_learner(bool is_to_be_promoted) {
  Membership membership = voters_up_to(4);
  membership.voters = {{1}, {2}, {3}};
  if (is_to_be_promoted) membership.promoting = {{4}};
  return membership;
}

// The voters 2 and 3, without 1.
Membership without_leader() {
  Membership membership = voters_up_to(3);
  membership.members.erase(membership.members.begin());
  membership.voters.erase(membership.voters.begin());
  return membership;
}

Index last(const OneCore& bench) { return bench->log().last().index; }

// Every one of them acknowledges everything and answers the leader.
void all_acknowledge(OneCore& bench, std::vector<std::uint64_t> ids) {
  for (const std::uint64_t id : ids) bench.receive(id, bench->term().value, Appended{last(bench)});
}

// --- 4.1: safety ---

TEST(Thesis_4_1, ALeaderThatIsAskedForAChangeAppendsItToItsLogAndReplicatesIt) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, with_learner(false)});
  EXPECT_EQ(bench->log().at({3}).type(), EntryType::membership);
  EXPECT_EQ(decode_membership(bench->log().at({3}).payload()), with_learner(false));
  EXPECT_EQ(bench.sent<Append>().size(), 3U) << "also to the new one";
}

TEST(Thesis_4_1, TheNewMembershipTakesEffectAtTheLeaderAsSoonAsItIsAppended) {
  OneCore bench = leading(1);
  bench.give(Reconfigure{{1}, {1}, voters_up_to(2)});
  bench.give(Propose{{2}, "a"});
  EXPECT_EQ(bench->commit(), Index{2}) << "it is not alone any more";
  bench.receive(2, 2, Appended{{4}});
  EXPECT_EQ(bench->commit(), Index{4});
}

TEST(Thesis_4_1, AFollowerUsesItAsSoonAsItIsInItsLog) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {membership_entry(2, 2, with_learner(true))});
  EXPECT_EQ(bench->commit(), Index{});
  EXPECT_EQ(bench->membership(), with_learner(true));
}

TEST(Thesis_4_1, AChangeIsDoneWhenTheNewMembershipIsCommitted) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, with_learner(false)});
  bench.receive(4, 2, Appended{{3}});
  EXPECT_TRUE(bench.answered<Completed>().empty()) << "a learner is not counted";
  bench.receive(2, 2, Appended{{3}});
  const auto done = bench.answered<Completed>();
  ASSERT_EQ(done.size(), 1U);
  EXPECT_EQ(done[0].id, RequestId{1});
}

TEST(Thesis_4_1, NoFurtherChangeBeginsBeforeTheLastIsCommitted) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, with_learner(false)});
  bench.give(Reconfigure{{2}, {3}, voters_up_to(3)});
  auto refused = bench.answered<Refused>();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].code, Code::process_prev_change);
  bench.receive(2, 2, Appended{{3}});
  bench.give(Reconfigure{{3}, {3}, voters_up_to(3)});
  EXPECT_TRUE(bench.answered<Refused>().empty());
  EXPECT_EQ(bench->membership(), with_removed(voters_up_to(3), {{4}}));
}

// The erratum of 2015.
TEST(Thesis_4_1, NoChangeBeginsBeforeAnEntryOfTheLeadersTermIsCommitted) {
  OneCore bench;
  bench.lead();
  bench.give(Reconfigure{{1}, {1}, voters_up_to(2)});
  ASSERT_EQ(bench.answered<Refused>().at(0).code, Code::not_stable);
  EXPECT_EQ(last(bench), Index{2});
  bench.receive(2, 2, Appended{{2}});
  bench.give(Reconfigure{{2}, {1}, voters_up_to(2)});
  EXPECT_EQ(last(bench), Index{3});
}

// --- 4.2.1: catching up new servers ---

TEST(Thesis_4_2_1, ANewServerJoinsWithoutAVoteAndIsPromotedWhenItHasCaughtUp) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, with_learner(true)});
  bench.receive(2, 2, Appended{{3}});
  EXPECT_EQ(bench->membership(), with_learner(true)) << "it has nothing yet";
  bench.receive(4, 2, Appended{{3}});
  EXPECT_TRUE(bench->membership().is_joint());
  EXPECT_EQ(bench->membership().voters, (std::vector<NodeId>{{1}, {2}, {3}, {4}}));
  EXPECT_TRUE(bench->membership().promoting.empty());
}

// A round brings what was in the log when it began. 1. The first takes longer than an election timeout. 2. What came
// meanwhile is the second. 3. That was quick: the learner is up to date.
TEST(Thesis_4_2_1, ReplicationToANewServerGoesByRoundsAndTheLastMustNotTakeLongerThanAnElectionTimeout) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, with_learner(true)});
  bench.receive(2, 2, Appended{{3}});
  bench.give(Propose{{2}, "a"});
  bench.receive(4, 2, Appended{{1}});  // the first round begins, up to 4
  for (int i = 0; i < 5; ++i) {
    bench.pass(ms(60));
    bench.give(Tick{});
    all_acknowledge(bench, {2, 3});
  }
  bench.give_all({Propose{{3}, "b"}, Propose{{4}, "c"}});
  all_acknowledge(bench, {2, 3});
  bench.receive(4, 2, Appended{{4}});
  EXPECT_FALSE(bench->membership().is_joint()) << "that round took 300 ms";
  bench.pass(ms(10));
  bench.receive(4, 2, Appended{{5}});
  EXPECT_FALSE(bench->membership().is_joint()) << "the second round goes up to 6";
  bench.receive(4, 2, Appended{{6}});
  EXPECT_TRUE(bench->membership().is_joint());
}

TEST(Thesis_4_2_1, AServerThatIsUnavailableOrNeverCatchesUpHindersNobody) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, with_learner(true)});
  bench.receive(2, 2, Appended{{3}});
  for (int i = 0; i < 50; ++i) {
    bench.tick();
    bench.give(Propose{{static_cast<std::uint64_t>(i) + 2}, "a"});
    all_acknowledge(bench, {2});
    ASSERT_EQ(bench->commit(), last(bench));
  }
  EXPECT_EQ(bench->membership(), with_learner(true));
}

// Else next would have to walk back over the whole log, an entry at a time.
TEST(Thesis_4_2_1, ThatALogIsEmptyIsFoundOutInOneExchange) {
  OneCore bench({.log = {1, 1, 1, 1, 1, 1, 1, 1}, .hard_state = {{1}, {}}});
  bench.lead();
  bench.receive(2, 2, Appended{{9}});
  bench.give(Reconfigure{{1}, {1}, with_learner(false)});
  bench.forget();
  bench.receive(4, 2, AppendRejected{.rejected = {10}, .hint = {}});
  const auto append = bench.sent_to<Append>(4);
  ASSERT_TRUE(append);
  EXPECT_EQ(append->previous, Position{});
  EXPECT_EQ(append->entries.size(), 10U);
}

// --- 4.2.2: removing the leader ---

// As it is when both memberships have the joint one, and the new one was appended.
OneCore leaving() {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, without_leader()});
  all_acknowledge(bench, {2, 3});
  EXPECT_EQ(bench->membership(), with_removed(without_leader(), {{1}}));
  return bench;
}

TEST(Thesis_4_2_2, ALeaderThatIsRemovedLeadsUntilTheNewMembershipIsCommitted) {
  OneCore bench = leaving();
  EXPECT_TRUE(bench->is_leader());
  bench.give(Propose{{2}, "a"});
  EXPECT_EQ(bench.answered<Accepted>().size(), 1U);
  all_acknowledge(bench, {2, 3});
  EXPECT_TRUE(bench.is_follower());
  EXPECT_TRUE(bench->is_removed());
}

TEST(Thesis_4_2_2, ItDoesNotCountItselfMeanwhile) {
  OneCore bench = leaving();
  bench.receive(2, 2, Appended{{4}});
  EXPECT_EQ(bench->commit(), Index{3}) << "one of the two voters, though two of the old three hold it";
  bench.receive(3, 2, Appended{{4}});
  EXPECT_EQ(bench->commit(), Index{4});
}

TEST(Thesis_4_2_2, WhenItStepsDownAnotherIsToldToStandAtOnce) {
  OneCore bench = leaving();
  bench.forget();
  all_acknowledge(bench, {2, 3});
  ASSERT_TRUE(bench.is_follower());
  EXPECT_EQ(bench.sent<TimeoutNow>().size(), 1U);
  bool was_told = false;
  for (const auto& [to, heartbeat] : bench.sent<Heartbeat>()) was_told = was_told || heartbeat.commit == Index{4};
  EXPECT_TRUE(was_told) << "the others learn that it is committed";
}

// "A server that is not part of its own latest configuration should still start new elections, as it might still be
// needed until the Cnew entry is committed."
// 1. The joint membership is committed, 1 appends the one without itself, and then nobody hears it. 2. 2 needs the vote
// of 1 by the joint one, and 1 has the longer log. So 1 has to stand, lead, commit, and go.
TEST(Thesis_4_2_2, AServerThatItsNewestMembershipLeavesOutStandsUntilThatIsCommitted) {
  CoreCluster cluster({.membership = voters_up_to(2), .config = {.group = {77}, .seed = first_is_one}});
  cluster.campaign({1});
  cluster.advance(ms(200));
  ASSERT_EQ(cluster.leader(), NodeId{1});
  Membership alone = voters_up_to(2);
  alone.members.erase(alone.members.begin());
  alone.voters = {{2}};
  cluster.reconfigure({1}, alone);
  for (int i = 0; i < 200 && cluster.core({1}).membership().members != alone.members; ++i) cluster.advance(ms(1));
  cluster.partition({{1}, {2}});
  cluster.advance(ms(1'000));
  ASSERT_TRUE(cluster.core({2}).membership().is_joint());
  ASSERT_FALSE(cluster.leader());
  cluster.heal();
  cluster.advance(ms(3'000));
  EXPECT_EQ(cluster.leader(), NodeId{2});
  EXPECT_EQ(cluster.core({2}).membership(), with_removed(alone, {{1}}));
  EXPECT_TRUE(cluster.core({1}).is_removed());
}

// --- 4.2.3: disruptive servers ---

TEST(Thesis_4_2_3, AServerThatWasRemovedMovesNobodysTermAndLearnsThatItIsNone) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, voters_up_to(2)});
  all_acknowledge(bench, {2, 3});
  all_acknowledge(bench, {2});
  ASSERT_EQ(bench->membership(), with_removed(voters_up_to(2), {{3}}));
  ASSERT_EQ(bench->commit(), Index{4});
  bench.forget();
  bench.receive(3, 2, RequestPreVote{{3}, at(2, 3), {3}});
  EXPECT_TRUE(bench.sent_to<Removed>(3));
  bench.receive(3, 9, RequestVote{at(2, 3)});
  EXPECT_EQ(bench->term(), Term{2});
  EXPECT_TRUE(bench->is_leader());
}

// --- 4.3: joint consensus ---

TEST(Thesis_4_3, AnyChangeOfVotersGoesThroughAJointMembership) {
  OneCore bench = leading();
  Membership wanted = voters_up_to(6);
  wanted.members.erase(wanted.members.begin() + 1, wanted.members.begin() + 3);
  wanted.voters = {{1}, {4}, {5}, {6}};
  bench.give(Reconfigure{{1}, {1}, wanted});
  EXPECT_EQ(bench->membership().voters, wanted.voters);
  EXPECT_EQ(bench->membership().outgoing, voters_up_to(3).voters);
  EXPECT_EQ(bench->membership().members, voters_up_to(6).members);
}

TEST(Thesis_4_3, OnceTheJointMembershipIsCommittedTheLeaderAppendsTheNewOne) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, voters_up_to(5)});
  bench.receive(2, 2, Appended{{3}});
  EXPECT_TRUE(bench->membership().is_joint()) << "two of the old three, two of the new five";
  bench.receive(4, 2, Appended{{3}});
  EXPECT_EQ(bench->membership(), voters_up_to(5));
  EXPECT_EQ(last(bench), Index{4});
}

TEST(Thesis_4_3, AnyServerOfEitherMembershipMayLead) {
  for (const bool is_outgoing : {false, true}) {
    Membership joint = voters_up_to(5);
    joint.voters = {{2}, {3}, {4}};
    joint.outgoing = {{2}, {3}, {5}};
    (is_outgoing ? joint.outgoing : joint.voters).insert((is_outgoing ? joint.outgoing : joint.voters).begin(), {1});
    OneCore bench({.membership = joint});
    bench.lead();
    EXPECT_TRUE(bench->is_leader());
  }
}

TEST(Thesis_4_3, TheGroupServesItsClientsThroughoutTheChange) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, voters_up_to(5)});
  ASSERT_TRUE(bench->membership().is_joint());
  bench.give(Propose{{2}, "a"});
  EXPECT_EQ(bench.answered<Accepted>().size(), 1U);
  all_acknowledge(bench, {2, 4});
  EXPECT_EQ(bench.applied().back().payload(), "a");
}

}  // namespace
}  // namespace zraft::raft
