// SPDX-License-Identifier: Apache-2.0
//
// Pitfalls P18, P44 to P58 and P70 to P73: changes of members, learners, removal, leaders that hand over. Whole
// stories: test/scripts/members*.txt and transfer*.txt.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

Index last(const OneCore& bench) { return bench->log().last().index; }

void acknowledge(OneCore& bench, std::vector<std::uint64_t> ids) {
  for (const std::uint64_t id : ids) bench.receive(id, bench->term().value, Appended{last(bench)});
}

// Leads term 2 with its no-op committed.
OneCore leading(OneCore::Setup setup = {}) {
  OneCore bench(std::move(setup));
  bench.lead();
  acknowledge(bench, {2, 3});
  bench.forget();
  return bench;
}

Membership with_learner(bool is_to_be_promoted) {
  Membership membership = voters_up_to(4);
  membership.voters = {{1}, {2}, {3}};
  if (is_to_be_promoted) membership.promoting = {{4}};
  return membership;
}

Membership without(std::uint64_t n, std::uint64_t id) {
  Membership membership = voters_up_to(n);
  std::erase_if(membership.members, [id](const Member& member) { return member.id.value == id; });
  std::erase(membership.voters, NodeId{id});
  return membership;
}

CoreCluster::Options cluster_of(std::uint64_t n) {
  return {.membership = voters_up_to(n), .config = {.group = {77}, .seed = first_is_one}};
}

// --- one change at a time ---

TEST(Pitfall, P44_NoChangeBeforeTheOwnTermsFirstCommit) {
  OneCore bench({.log = {1, 1}, .hard_state = {{1}, {}}});
  bench.lead();
  bench.receive(2, 2, Appended{{2}});  // an entry of an earlier term says nothing
  bench.give(Reconfigure{{1}, {1}, voters_up_to(2)});
  EXPECT_EQ(bench.answered<Refused>().at(0).code, Code::not_stable);
  EXPECT_EQ(last(bench), Index{3});
}

// A change of an earlier leader's that may be committed or not counts as one: the tail is looked at, not a flag.
TEST(Pitfall, P45_AChangeThatAnEarlierLeaderBeganIsUnderWayAsWell) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {membership_entry(2, 2, with_learner(false))});
  bench.pass(ms(300));
  bench.lead();
  ASSERT_TRUE(bench->is_leader());
  bench.give(Reconfigure{{1}, {2}, voters_up_to(3)});
  EXPECT_EQ(bench.answered<Refused>().at(0).code, Code::not_stable);
  acknowledge(bench, {2});
  bench.give(Reconfigure{{2}, {2}, voters_up_to(3)});
  EXPECT_TRUE(bench.answered<Refused>().empty());
}

// A change that leaves too few voters that answer could neither be committed nor taken back.
TEST(Pitfall, P45_AChangeThatCouldNotBeCommittedIsNotBegun) {
  OneCore bench = leading();
  bench.pass(ms(250));
  bench.receive(2, bench->term().value, Appended{last(bench)});
  bench.pass(ms(100));  // 3 has not been heard for an election timeout
  bench.give(Reconfigure{{1}, {1}, voters_up_to(4)});
  EXPECT_TRUE(bench.answered<Refused>().empty()) << "1 and 2 answer, and of 4 nothing is known";

  OneCore other = leading();
  other.pass(ms(250));
  other.receive(2, other->term().value, Appended{last(other)});
  other.pass(ms(100));
  other.give(Reconfigure{{1}, {1}, without(3, 2)});
  EXPECT_EQ(other.answered<Refused>().at(0).code, Code::not_stable) << "of 1 and 3, 3 does not answer";
  other.receive(3, other->term().value, Appended{last(other)});
  other.give(Reconfigure{{2}, {1}, without(3, 2)});
  EXPECT_TRUE(other.answered<Refused>().empty());
}

TEST(Pitfall, P45_WhoBelievesInOtherMembersIsRefused) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, with_learner(false)});
  acknowledge(bench, {2});
  bench.give(Reconfigure{{2}, {1}, voters_up_to(2)});
  EXPECT_EQ(bench.answered<Refused>().at(0).code, Code::newer_exists);
  bench.give(Reconfigure{{3}, {9}, voters_up_to(2)});
  EXPECT_EQ(bench.answered<Refused>().at(0).code, Code::peers_changed) << "of which this leader has never heard";
  EXPECT_EQ(bench->membership(), with_learner(false));
}

TEST(Pitfall, P46_AMembershipGoesWithItsEntryAndTheTransportIsTold) {
  Recovered recovered{.hard_state = {{2}, {}}, .base = {}, .entries = {}};
  recovered.base = {.last = at(2, 10), .membership = voters_up_to(3), .membership_index = {4}, .time = {}};
  Core core({.group = bench_group, .self = {1}, .check_laws = true}, recovered, Instant{});
  core.step(Instant{}, Receive{{{2}, {1}, {3}, Append{at(2, 10), {10}, {membership_entry(3, 11, voters_up_to(5))}}}});
  EXPECT_TRUE(core.take_output().membership_changed);
  EXPECT_EQ(core.membership(), voters_up_to(5));
  core.step(Instant{}, Receive{{{3}, {1}, {4}, Append{at(2, 10), {10}, {entry(4, 11)}}}});
  EXPECT_TRUE(core.take_output().membership_changed);
  EXPECT_EQ(core.membership(), voters_up_to(3)) << "the one before stands in the snapshot only";
}

TEST(Pitfall, P48_AMembershipIsInForceBeforeItIsCommittedOrApplied) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, voters_up_to(5)});
  acknowledge(bench, {2});
  EXPECT_EQ(bench->commit(), Index{2}) << "two of five";
  acknowledge(bench, {4});
  EXPECT_EQ(bench->commit(), Index{3});
}

TEST(Pitfall, P49_WhoeverLeadsNextLeavesTheJointMembership) {
  Membership joint = voters_up_to(4);
  joint.voters = {{1}, {2}, {4}};
  joint.outgoing = {{1}, {2}, {3}};
  joint.leaving = {{3}};
  OneCore bench;
  bench.append(2, 2, at(1, 1), {membership_entry(2, 2, joint)});
  bench.pass(ms(300));
  bench.lead();
  ASSERT_TRUE(bench->is_leader());
  acknowledge(bench, {2});
  EXPECT_EQ(bench->membership(), with_removed(without(4, 3), {{3}}));
  EXPECT_EQ(last(bench), Index{4});
}

// Everybody restarts with the joint membership in the log and nothing known to be committed.
TEST(Pitfall, P50_AGroupThatRestartsWhileJointGoesOnAndLeavesIt) {
  CoreCluster cluster(cluster_of(3));
  cluster.campaign({1});
  cluster.advance(ms(200));
  cluster.join({4});
  cluster.reconfigure({1}, without(4, 3));
  cluster.advance(ms(12));
  for (const std::uint64_t id : {1, 2, 3}) ASSERT_TRUE(cluster.core({id}).membership().is_joint());
  for (const NodeId id : cluster.ids()) cluster.crash(id);
  for (const NodeId id : cluster.ids()) cluster.restart(id);
  cluster.advance(ms(3'000));
  ASSERT_TRUE(cluster.leader());
  EXPECT_EQ(cluster.core(*cluster.leader()).membership(), with_removed(without(4, 3), {{3}}));
  EXPECT_EQ(cluster.core(*cluster.leader()).commit(), cluster.core(*cluster.leader()).log().last().index);
}

TEST(Pitfall, P51_ALeaderThatLeavesStillTellsTheOthersThatItIsCommitted) {
  CoreCluster cluster(cluster_of(3));
  cluster.campaign({1});
  cluster.advance(ms(200));
  cluster.reconfigure({1}, without(3, 1));
  for (int i = 0; i < 200 && !cluster.core({1}).is_removed(); ++i) cluster.advance(ms(1));
  ASSERT_TRUE(cluster.core({1}).is_removed());
  EXPECT_FALSE(cluster.core({1}).is_leader());
  const Index committed = cluster.core({1}).commit();
  cluster.advance(ms(10));
  EXPECT_EQ(cluster.core({2}).commit(), committed);
  EXPECT_EQ(cluster.core({3}).commit(), committed);
  cluster.advance(ms(100));
  EXPECT_TRUE(cluster.leader() == NodeId{2} || cluster.leader() == NodeId{3}) << "without waiting for a timer";
}

// A voter that goes counts as one until the joint membership is left: nothing is lost at one stroke.
TEST(Pitfall, P52_AVoterThatGoesOrIsDemotedVotesUntilTheJointMembershipIsLeft) {
  for (const bool is_demoted : {false, true}) {
    OneCore bench = leading();
    Membership wanted = voters_up_to(3);
    wanted.voters = {{1}, {2}};
    bench.give(Reconfigure{{1}, {1}, is_demoted ? wanted : voters_up_to(2)});
    EXPECT_TRUE(bench->membership().is_voter({3}));
    acknowledge(bench, {2});
    EXPECT_FALSE(bench->membership().is_voter({3}));
    EXPECT_EQ(bench->membership().find({3}) != nullptr, is_demoted);
  }
}

TEST(Pitfall, P53_ALearnerThatDoesNotKnowThatItWasPromotedVotesWhenItIsAsked) {
  Membership membership = voters_up_to(3);
  membership.voters = {{2}, {3}};
  OneCore bench({.membership = membership});
  bench.receive(2, 2, RequestPreVote{{3}, at(2, 5)});
  EXPECT_TRUE(bench.sent_to<PreVote>(2)->granted);
  bench.receive(2, 3, RequestVote{at(2, 5)});
  EXPECT_TRUE(bench.sent_to<Vote>(2)->granted);
}

TEST(Pitfall, P54_ALearnerNeitherStandsNorCounts) {
  OneCore bench = leading({.membership = with_learner(false)});
  bench.give(Propose{{1}, "a"});
  acknowledge(bench, {4});
  EXPECT_EQ(bench->commit(), Index{2});
  for (int i = 0; i < 6; ++i) {
    bench.tick();
    bench.receive(4, 2, HeartbeatReply{{0}, bench.now()});
  }
  EXPECT_FALSE(bench->is_leader()) << "a learner that answers is no quorum";
  Membership other = with_learner(false);
  other.voters = {{2}, {3}, {4}};
  OneCore learner({.membership = other});
  for (int i = 0; i < 5; ++i) learner.tick();
  learner.append(2, 2, at(1, 1), {});
  learner.receive(2, 2, TimeoutNow{});
  EXPECT_TRUE(learner.is_follower());
}

TEST(Pitfall, P55_ALearnerIsNotPromotedBeforeItHasCaughtUp) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "a"});
  bench.give(Reconfigure{{2}, {1}, with_learner(true)});
  acknowledge(bench, {2, 3});
  bench.receive(4, 2, Appended{{1}});
  bench.receive(4, 2, Appended{{3}});
  EXPECT_EQ(bench->membership(), with_learner(true)) << "up to 4 is asked for";
  bench.receive(4, 2, Appended{{4}});
  EXPECT_TRUE(bench->membership().is_joint());
}

TEST(Pitfall, P56_TheLastVoterAnIdTwiceAndAPeerTwiceAreRefused) {
  Membership nobody = voters_up_to(3);
  nobody.voters.clear();
  Membership twice = voters_up_to(3);
  twice.members.insert(twice.members.begin(), twice.members.front());
  Membership same_peer = voters_up_to(3);
  same_peer.members.push_back({{4}, same_peer.members.front().peer});
  Membership joint = voters_up_to(3);
  joint.outgoing = {{1}};
  for (const Membership& wanted : {nobody, twice, same_peer, joint, Membership{}}) {
    OneCore bench = leading();
    bench.give(Reconfigure{{1}, {1}, wanted});
    const auto refused = bench.answered<Refused>();
    ASSERT_EQ(refused.size(), 1U);
    EXPECT_EQ(refused[0].code, Code::bad_request);
    EXPECT_EQ(bench->membership(), voters_up_to(3));
  }
}

// What an earlier membership's follower acknowledged does not count for one that comes anew.
// It was told that it is removed, and has stopped: as a member again it would be waited for in vain.
TEST(Pitfall, P58_AnIdThatWasRemovedIsNotTakenInAgain) {
  OneCore bench = leading({.membership = with_learner(false)});
  acknowledge(bench, {4});
  bench.give(Reconfigure{{1}, {1}, voters_up_to(3)});
  acknowledge(bench, {2, 3});
  bench.give(Reconfigure{{2}, {3}, with_learner(true)});
  EXPECT_EQ(bench.answered<Refused>().at(0).code, Code::bad_request);
  EXPECT_EQ(bench->membership(), with_removed(voters_up_to(3), {{4}}));
}

// Also when the log does not go back so far, at a leader that has it from a snapshot; for the last 64 of them.
TEST(Pitfall, P58_AnIdThatWasRemovedIsNotTakenInAgainWhenTheLogWasCut) {
  Membership members = voters_up_to(3);
  for (std::uint64_t id = 100; id < 170; ++id) {
    Membership with = members;
    with.members.push_back({.id = {id}, .peer = "n" + std::to_string(id) + "@h:1"});
    members = first_step(first_step(members, with), members);
  }
  EXPECT_EQ(members.removed.size(), removed_max);
  EXPECT_EQ(members.removed.back(), NodeId{169});
  ASSERT_TRUE(members.valid());
  Bytes encoded;
  encode(members, encoded);
  const auto decoded = decode_membership(encoded);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(*decoded, members);

  OneCore bench = leading({.membership = *decoded});
  acknowledge(bench, {2, 3});
  Membership wanted = voters_up_to(3);
  wanted.members.push_back({.id = {169}, .peer = "n169@h:1"});
  bench.give(Reconfigure{{1}, bench->log().membership_index(), wanted});
  EXPECT_EQ(bench.answered<Refused>().at(0).code, Code::bad_request);
  wanted.members.back() = {.id = {170}, .peer = "n170@h:1"};
  bench.give(Reconfigure{{2}, bench->log().membership_index(), wanted});
  EXPECT_TRUE(bench.answered<Refused>().empty());
  EXPECT_EQ(bench->membership().removed, decoded->removed) << "nobody can make it forget";
}

// A voter may become a learner that is to vote again later.
TEST(Pitfall, P52_AVoterThatIsDemotedAndToBePromotedIsNotBothAtOnce) {
  OneCore bench = leading();
  Membership wanted = voters_up_to(3);
  wanted.voters = {{1}, {2}};
  wanted.promoting = {{3}};
  bench.give(Reconfigure{{1}, {1}, wanted});
  ASSERT_TRUE(bench->membership().is_joint());
  EXPECT_TRUE(bench->membership().promoting.empty());
}

TEST(Pitfall, P58_AHandoverToAMemberThatIsRemovedMeanwhileIsGivenUp) {
  CoreCluster cluster(cluster_of(3));
  cluster.campaign({1});
  cluster.advance(ms(200));
  // 3 cannot be heard and is being removed; then 1 is asked to hand over to it.
  cluster.cut({1}, {3});
  cluster.reconfigure({1}, voters_up_to(2));
  cluster.transfer({1}, NodeId{3});
  cluster.advance(ms(100));
  cluster.propose({1}, {"a"});
  cluster.advance(ms(100));
  EXPECT_EQ(cluster.leader(), NodeId{1});
  EXPECT_EQ(cluster.applied({2}).size(), 1U);
}

// --- P18: who is removed ---

TEST(Pitfall, P18_AMemberThatWasRemovedWhileItWasDownDisturbsNobodyAndLearnsOfIt) {
  CoreCluster cluster(cluster_of(4));
  cluster.campaign({1});
  cluster.advance(ms(200));
  cluster.crash({4});
  cluster.reconfigure({1}, voters_up_to(3));
  cluster.advance(ms(200));
  cluster.restart({4});
  cluster.advance(ms(3'000));
  EXPECT_TRUE(cluster.core({4}).is_removed());
  EXPECT_EQ(cluster.leader(), NodeId{1});
  EXPECT_EQ(cluster.core({1}).term(), Term{2});
}

// One that is to join believes in a membership that stands later than the committed one: it is none that was removed.
TEST(Pitfall, P18_WhoIsAboutToJoinIsNotToldThatItWasRemoved) {
  OneCore bench = leading();
  bench.receive(4, 2, RequestPreVote{{3}, at(2, 3), {3}});
  EXPECT_TRUE(bench.sent<Removed>().empty());
  EXPECT_FALSE(bench.sent_to<PreVote>(4)->granted);
}

// 1. The joint membership is committed, the last one is not: it may be rolled back, and 3 be needed.
TEST(Pitfall, P18_WhoIsToGoIsNotToldBeforeThatIsCommitted) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, voters_up_to(2)});
  acknowledge(bench, {2});
  ASSERT_EQ(bench->membership(), with_removed(voters_up_to(2), {{3}}));
  bench.receive(3, 2, RequestPreVote{{3}, at(2, 3), {3}});
  EXPECT_TRUE(bench.sent<Removed>().empty());
  acknowledge(bench, {2});
  EXPECT_TRUE(bench.sent_to<Removed>(3));
}

TEST(Pitfall, P18_WhoIsJustTakenInIsNotToldThatItWasRemoved) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, voters_up_to(4)});
  bench.receive(4, 2, RequestPreVote{{3}, at(1, 1), {1}});
  EXPECT_TRUE(bench.sent<Removed>().empty());
}

TEST(Pitfall, P18_ALeaderThatDoesNotKnowWhatIsCommittedTellsNobodyThatItWasRemoved) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {membership_entry(2, 2, voters_up_to(2))});
  bench.pass(ms(300));
  bench.lead();
  ASSERT_TRUE(bench->is_leader());
  bench.receive(3, 3, RequestPreVote{{4}, at(1, 1), {1}});
  EXPECT_TRUE(bench.sent<Removed>().empty());
  acknowledge(bench, {2});
  bench.forget();
  bench.receive(3, 3, RequestPreVote{{4}, at(1, 1), {1}});
  EXPECT_EQ(bench.sent<Removed>().size(), 1U);
}

TEST(Pitfall, P18_WhoWasRemovedStandsNoMoreNotEvenWhenItIsToldTo) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {});
  bench.receive(2, 2, Removed{{4}});
  ASSERT_TRUE(bench->is_removed());
  bench.receive(2, 2, TimeoutNow{});
  EXPECT_TRUE(bench.is_follower());
  for (int i = 0; i < 5; ++i) bench.tick();
  EXPECT_TRUE(bench.is_follower());
  EXPECT_TRUE(bench.sent<RequestPreVote>().empty());
}

// --- handing over ---

TEST(Pitfall, P70_ATargetThatCannotLeadIsRefused) {
  OneCore bench = leading({.membership = with_learner(false)});
  for (const std::uint64_t id : {4, 9, 1}) {
    bench.give(Transfer{{id}, NodeId{id}});
    const auto refused = bench.answered<Refused>();
    ASSERT_EQ(refused.size(), 1U);
    EXPECT_EQ(refused[0].code, Code::bad_request) << id;
  }
  bench.give(Propose{{9}, "a"});
  EXPECT_EQ(bench.answered<Accepted>().size(), 1U) << "nothing is held up";
}

TEST(Pitfall, P70_ATargetThatIsBehindIsNotToldToStand) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "a"});
  bench.give(Transfer{{2}, NodeId{3}});
  bench.tick();
  EXPECT_TRUE(bench.sent<TimeoutNow>().empty());
  acknowledge(bench, {3});
  EXPECT_EQ(bench.sent<TimeoutNow>().size(), 1U);
}

TEST(Pitfall, P70_ADeadTargetHoldsUpProposalsForAnElectionTimeoutAndNoLonger) {
  OneCore bench = leading();
  bench.give(Transfer{{1}, NodeId{3}});
  const Instant began = bench.now();
  while (bench.now() - began < ms(300)) {
    bench.give(Propose{{2}, "a"});
    ASSERT_EQ(bench.answered<Refused>().size(), 1U);
    bench.tick();
    bench.receive(2, 2, HeartbeatReply{{0}, bench.now()});
  }
  bench.forget();
  bench.give(Propose{{3}, "a"});
  EXPECT_EQ(bench.answered<Accepted>().size(), 1U);
}

TEST(Pitfall, P71_NoChangeOfMembersBeginsDuringAHandover) {
  OneCore bench = leading();
  bench.give(Transfer{{1}, NodeId{3}});
  bench.give(Reconfigure{{2}, {1}, voters_up_to(2)});
  EXPECT_EQ(bench.answered<Refused>().at(0).code, Code::not_stable);
  EXPECT_EQ(bench->membership(), voters_up_to(3));
}

TEST(Pitfall, P71_NoLearnerIsPromotedDuringAHandover) {
  OneCore bench = leading();
  bench.give(Reconfigure{{1}, {1}, with_learner(true)});
  acknowledge(bench, {2, 3});
  bench.give(Transfer{{2}, NodeId{3}});
  acknowledge(bench, {4});
  bench.tick();
  EXPECT_EQ(bench->membership(), with_learner(true));
}

TEST(Pitfall, P72_TheWordToStandIsObeyedOnlyOfTheLeaderThatIsFollowed) {
  OneCore bench({.hard_state = {{5}, {}}});
  bench.append(2, 5, at(1, 1), {});
  bench.receive(2, 4, TimeoutNow{});
  EXPECT_TRUE(bench.is_follower()) << "of a term that is over";
  bench.receive(3, 5, TimeoutNow{});
  EXPECT_TRUE(bench.is_follower()) << "of one that does not lead";
  bench.receive(2, 5, TimeoutNow{});
  EXPECT_TRUE(bench.is_candidate());
}

TEST(Pitfall, P73_OnlyAnElectionThatTheLeaderAskedForPassesItsProtection) {
  for (const bool is_transfer : {false, true}) {
    OneCore bench;
    bench.append(2, 2, at(1, 1), {});
    bench.receive(3, 3, RequestVote{at(1, 1), is_transfer});
    EXPECT_EQ(bench->term(), Term{is_transfer ? 3U : 2U});
  }
  OneCore target;
  target.append(2, 2, at(1, 1), {});
  target.forget();
  target.receive(2, 2, TimeoutNow{});
  EXPECT_TRUE(target.sent<RequestPreVote>().empty()) << "nobody would grant one";
  // An election of its own asks no favours.
  OneCore own;
  own.stand_for_votes();
  EXPECT_FALSE(own.sent_to<RequestVote>(2)->transfer);
}

}  // namespace
}  // namespace zraft::raft
