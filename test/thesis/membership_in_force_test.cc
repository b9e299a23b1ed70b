// SPDX-License-Identifier: Apache-2.0
//
// Ongaro, "Consensus: Bridging Theory and Practice", chapter 4, sentence by sentence in our words: which membership is
// in force and who is counted (4.1, 4.2.1, 4.3). Memberships are entries of the log like any other.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

Membership joint() {
  Membership membership = voters_up_to(5);
  membership.voters = {{1}, {2}, {3}};
  membership.outgoing = {{1}, {4}, {5}};
  return membership;
}

// --- 4.1: safety ---

TEST(Thesis_4_1, AServerUsesTheNewestMembershipInItsLogWhetherItIsCommittedOrNot) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {membership_entry(2, 2, voters_up_to(5))});
  ASSERT_EQ(bench->commit(), Index{});
  bench.stand();
  EXPECT_EQ(bench.sent<RequestPreVote>().size(), 4U);
  bench.receive(2, 2, PreVote{{3}, true});
  EXPECT_TRUE(bench.is_pre_candidate()) << "two of five";
  bench.receive(4, 2, PreVote{{3}, true});
  ASSERT_TRUE(bench.is_candidate());
  bench.receive(4, 3, Vote{true});
  bench.receive(5, 3, Vote{true});
  ASSERT_TRUE(bench->is_leader());
  bench.receive(4, 3, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{}) << "two of five";
  bench.receive(5, 3, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{3});
}

TEST(Thesis_4_1, AMembershipMayBeOverwrittenAndTheOneBeforeIsInForceAgain) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {membership_entry(2, 2, voters_up_to(5))});
  ASSERT_EQ(bench->membership(), voters_up_to(5));
  bench.append(3, 3, at(1, 1), {entry(3, 2)});
  EXPECT_EQ(bench->membership(), voters_up_to(3));
  bench.stand();
  EXPECT_EQ(bench.sent<RequestPreVote>().size(), 2U);
}

// "It is the caller's configuration that is used": a server answers those that its own membership does not name.
TEST(Thesis_4_1, AServerAcceptsALeaderThatItsMembershipDoesNotName) {
  OneCore bench;
  bench.append(9, 2, at(1, 1), {membership_entry(2, 2, voters_up_to(9))});
  EXPECT_EQ(bench->leader(), NodeId{9});
  EXPECT_EQ(bench->membership(), voters_up_to(9));
}

TEST(Thesis_4_1, AServerVotesForACandidateThatItsMembershipDoesNotName) {
  OneCore bench;
  bench.receive(9, 2, RequestPreVote{{3}, at(1, 1)});
  EXPECT_TRUE(bench.sent_to<PreVote>(9)->granted);
  bench.receive(9, 2, RequestVote{at(1, 1)});
  EXPECT_TRUE(bench.sent_to<Vote>(9)->granted);
}

// --- 4.2.1: catching up ---

TEST(Thesis_4_2_1, AServerWithoutAVoteGetsTheLogAndIsNotCounted) {
  Membership membership = voters_up_to(4);
  membership.voters = {{1}, {2}, {3}};
  OneCore bench({.membership = membership});
  bench.stand_for_votes();
  EXPECT_EQ(bench.sent<RequestVote>().size(), 2U);
  bench.receive(4, 2, Vote{true});
  EXPECT_FALSE(bench->is_leader());
  bench.receive(3, 2, Vote{true});
  ASSERT_TRUE(bench->is_leader());
  EXPECT_TRUE(bench.sent_to<Append>(4));
  bench.receive(4, 2, Appended{{2}});
  EXPECT_EQ(bench->commit(), Index{});
  bench.receive(3, 2, Appended{{2}});
  EXPECT_EQ(bench->commit(), Index{2});
}

// --- 4.3: joint consensus ---

TEST(Thesis_4_3, WhileJointAnElectionNeedsBothMajorities) {
  OneCore bench({.membership = joint()});
  bench.stand();
  bench.receive(2, 1, PreVote{{2}, true});
  bench.receive(3, 1, PreVote{{2}, true});
  EXPECT_TRUE(bench.is_pre_candidate());
  bench.receive(5, 1, PreVote{{2}, true});
  ASSERT_TRUE(bench.is_candidate());
  bench.receive(4, 2, Vote{true});
  bench.receive(5, 2, Vote{true});
  EXPECT_FALSE(bench->is_leader());
  bench.receive(2, 2, Vote{true});
  EXPECT_TRUE(bench->is_leader());
}

TEST(Thesis_4_3, WhileJointACommitNeedsBothMajorities) {
  OneCore bench({.membership = joint()});
  bench.stand();
  for (const std::uint64_t id : {2, 4}) bench.receive(id, 1, PreVote{{2}, true});
  for (const std::uint64_t id : {2, 4}) bench.receive(id, 2, Vote{true});
  ASSERT_TRUE(bench->is_leader());
  bench.receive(4, 2, Appended{{2}});
  bench.receive(5, 2, Appended{{2}});
  EXPECT_EQ(bench->commit(), Index{});
  bench.receive(2, 2, Appended{{2}});
  EXPECT_EQ(bench->commit(), Index{2});
}

TEST(Thesis_4_3, WhileJointEntriesGoToAllServersOfBoth) {
  OneCore bench({.membership = joint()});
  bench.stand();
  for (const std::uint64_t id : {2, 4}) bench.receive(id, 1, PreVote{{2}, true});
  for (const std::uint64_t id : {2, 4}) bench.receive(id, 2, Vote{true});
  EXPECT_EQ(bench.sent<Append>().size(), 4U);
}

}  // namespace
}  // namespace zraft::raft
