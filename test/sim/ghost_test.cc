// SPDX-License-Identifier: Apache-2.0
//
// The ghost sees each law broken. Cores that keep the laws cannot be made to break them, so each test shows the ghost
// two cores that never belonged to one cluster.
#include "sim/ghost.h"

#include <gtest/gtest.h>

namespace zraft::sim {
namespace {

using raft::Core;
using raft::EntryType;
using raft::Index;
using raft::NodeId;
using raft::Position;
using raft::Record;
using raft::Term;

constexpr raft::GroupId group{7};

Record entry(std::uint64_t term, std::uint64_t index, BytesView data = "data") {
  return Record::make(group, Position{Term{term}, Index{index}}, EntryType::command, {}, data);
}

Core core_of(std::uint64_t id, std::uint64_t members, std::vector<Record> log, std::uint64_t term,
             std::optional<NodeId> vote = std::nullopt) {
  std::vector<raft::Member> all;
  for (std::uint64_t i = 1; i <= members; ++i) all.push_back({{i}, "p" + std::to_string(i) + "@h:1"});
  raft::Recovered recovered;
  recovered.hard_state = {Term{term}, vote};
  recovered.base.membership = raft::membership_of(std::move(all));
  recovered.entries = std::move(log);
  return Core({.group = group, .self = {id}}, std::move(recovered), {});
}

// A group of one leads and commits by itself.
void lead(Core& core) {
  for (int i = 0; i < 20; ++i) {
    core.step(core.deadline(), raft::Tick{});
    const raft::Output output = core.take_output();
    if (output.write) core.step(core.deadline(), raft::Written{output.write->id});
    if (core.is_leader() && core.commit() == core.log().last().index) return;
  }
  FAIL() << "it does not lead";
}

// It leads, and has not committed anything yet.
void be_elected(Core& core) {
  for (int i = 0; i < 20 && !core.is_leader(); ++i) {
    core.step(core.deadline(), raft::Tick{});
    const raft::Output output = core.take_output();
    if (output.write) core.step(core.deadline(), raft::Written{output.write->id});
  }
  EXPECT_TRUE(core.is_leader());
}

// A membership as an entry: these vote, and those learn.
Record membership(std::uint64_t term, std::uint64_t index, std::uint64_t voters, std::uint64_t learners = 0) {
  std::vector<raft::Member> all;
  for (std::uint64_t i = 1; i <= voters; ++i) all.push_back({{i}, "p" + std::to_string(i) + "@h:1"});
  raft::Membership value = raft::membership_of(all);
  for (std::uint64_t i = voters + 1; i <= voters + learners; ++i) {
    value.members.push_back({{i}, "p" + std::to_string(i) + "@h:1"});
  }
  Bytes payload;
  raft::encode(value, payload);
  return Record::make(group, Position{Term{term}, Index{index}}, EntryType::membership, {}, payload);
}

// Takes what it wants done: its writes are durable at once, its messages are lost.
void turn(Core& core, raft::Input input) {
  core.step(core.deadline() - Duration::milliseconds(1), std::move(input));
  for (raft::Output output = core.take_output(); !output.is_empty(); output = core.take_output()) {
    if (output.write) core.step(core.deadline() - Duration::milliseconds(1), raft::Written{output.write->id});
  }
}

// Leads three, with all its entries committed by the second one. Returns when it was heard.
void lead_three(Core& core) {
  core.step(core.deadline(), raft::Tick{});
  const Term proposed = raft::next(core.term());
  turn(core, raft::Receive{{{2}, {1}, core.term(), raft::PreVote{proposed, true}}});
  turn(core, raft::Receive{{{2}, {1}, proposed, raft::Vote{true}}});
  ASSERT_TRUE(core.is_leader());
  turn(core, raft::Receive{{{2}, {1}, proposed, raft::Appended{core.log().last().index}}});
  ASSERT_EQ(core.commit(), core.log().last().index);
}

class GhostTest : public ::testing::Test {
 protected:
  void expect_broken(const std::string& law) {
    std::string all;
    for (const std::string& one : ghost_.take_broken()) all += one + "\n";
    EXPECT_NE(all.find(law + ":"), std::string::npos) << "expected " << law << ", got: " << all;
  }
  void expect_fine() {
    for (const std::string& one : ghost_.take_broken()) ADD_FAILURE() << one;
  }
  // What its member 1 votes for itself is what the ghost is told of `id`.
  void lead_as(std::uint64_t id, Core& core) {
    lead(core);
    ghost_.on_vote({1}, core.term(), {id});
  }
  void say(const raft::Message& message) { ghost_.on_sent(message, core_of(1, 3, {entry(1, 1)}, 1), {}); }

  Ghost ghost_{true};
};

TEST_F(GhostTest, FindsNothingWrongWithAGroupOfOne) {
  Core core = core_of(1, 1, {entry(1, 1)}, 1);
  ghost_.on_start({1}, core);
  lead_as(1, core);
  ghost_.on_step({1}, core, {});
  expect_fine();
  EXPECT_EQ(ghost_.commit(), core.commit().value);
  EXPECT_EQ(ghost_.terms_led(), 1U);
}

TEST_F(GhostTest, SeesTwoLeadersOfATerm_I1) {
  Core one = core_of(1, 1, {}, 1);
  Core two = core_of(1, 1, {}, 1);
  lead_as(1, one);
  lead_as(2, two);
  ghost_.on_start({1}, one);
  ghost_.on_step({1}, one, {});
  ghost_.on_start({2}, two);
  ghost_.on_step({2}, two, {});
  expect_broken("I1");
}

TEST_F(GhostTest, SeesTwoVotesInATerm_I2) {
  ghost_.on_start({1}, core_of(1, 3, {}, 2));
  say({.from = {1}, .to = {2}, .term = {2}, .body = raft::Vote{.granted = true}});
  say({.from = {1}, .to = {2}, .term = {2}, .body = raft::Vote{.granted = true}});
  say({.from = {1}, .to = {3}, .term = {2}, .body = raft::Vote{.granted = false}});
  expect_fine();
  say({.from = {1}, .to = {3}, .term = {2}, .body = raft::Vote{.granted = true}});
  expect_broken("I2");
}

TEST_F(GhostTest, SeesAVoteForgottenOverARestart_I2) {
  ghost_.on_start({1}, core_of(1, 3, {entry(1, 1)}, 2, NodeId{2}));
  say({.from = {1}, .to = {2}, .term = {2}, .body = raft::Vote{.granted = true}});
  ghost_.on_start({1}, core_of(1, 3, {entry(1, 1)}, 2));
  expect_broken("I2");
}

TEST_F(GhostTest, SeesAnAcknowledgementOfWhatIsNotDurable_I3) {
  ghost_.on_start({1}, core_of(1, 3, {entry(1, 1)}, 1));
  say({.from = {1}, .to = {2}, .term = {1}, .body = raft::Appended{Index{1}}});
  expect_fine();
  say({.from = {1}, .to = {2}, .term = {1}, .body = raft::Appended{Index{2}}});
  expect_broken("I3");
}

TEST_F(GhostTest, SeesATermThatWentBackOverARestart_I4) {
  ghost_.on_start({1}, core_of(1, 3, {}, 5));
  say({.from = {1}, .to = {2}, .term = {5}, .body = raft::StaleTerm{}});
  ghost_.on_start({1}, core_of(1, 3, {}, 4));
  expect_broken("I4");
}

TEST_F(GhostTest, SeesTwoEntriesAtOnePosition_I5) {
  ghost_.on_start({1}, core_of(1, 3, {entry(1, 1, "a")}, 1));
  ghost_.on_start({2}, core_of(2, 3, {entry(1, 1, "b")}, 1));
  expect_broken("I5");
}

TEST_F(GhostTest, SeesDifferentLogsBehindOnePosition_I5) {
  ghost_.on_start({1}, core_of(1, 3, {entry(1, 1), entry(3, 2)}, 3));
  ghost_.on_start({2}, core_of(2, 3, {entry(2, 1), entry(3, 2)}, 3));
  expect_broken("I5");
}

TEST_F(GhostTest, SeesALeaderWithoutACommittedEntry_I6) {
  Core one = core_of(1, 1, {entry(1, 1), entry(1, 2), entry(1, 3)}, 1);
  lead(one);
  ghost_.on_start({1}, one);
  ghost_.on_step({1}, one, {});
  Core two = core_of(1, 1, {entry(1, 1)}, 8);
  lead(two);
  ghost_.on_start({2}, two);
  ghost_.on_step({2}, two, {});
  expect_broken("I6");
}

TEST_F(GhostTest, AllowsALeaderOfAnOldTermThatLearnsLateOfItsElection_I6) {
  Core later = core_of(1, 1, {entry(1, 1), entry(1, 2), entry(1, 3)}, 8);
  lead_as(1, later);
  ghost_.on_start({1}, later);
  ghost_.on_step({1}, later, {});
  Core earlier = core_of(1, 1, {entry(1, 1)}, 3);
  ghost_.on_start({2}, earlier);
  be_elected(earlier);
  ghost_.on_vote({1}, earlier.term(), {2});
  ghost_.on_step({2}, earlier, {});
  expect_fine();
}

TEST_F(GhostTest, SeesACommittedEntryThatNoQuorumHasDurable_I7) {
  Core core = core_of(1, 1, {entry(1, 1)}, 1);
  lead(core);
  ghost_.on_start({2}, core);  // it speaks of member 1, whom nobody has seen
  ghost_.on_step({2}, core, {});
  expect_broken("I7");
}

TEST_F(GhostTest, SeesDifferentEntriesApplied_I13) {
  ghost_.on_start({1}, core_of(1, 3, {}, 1));
  ghost_.on_start({2}, core_of(2, 3, {}, 1));
  ghost_.on_applied({1}, entry(1, 1, "a"));
  expect_fine();
  ghost_.on_applied({2}, entry(1, 1, "b"));
  expect_broken("I13");
}

TEST_F(GhostTest, SeesAnAcknowledgedCommandThatIsNotCommitted_I28) {
  Core core = core_of(1, 1, {entry(1, 1)}, 1);
  lead_as(1, core);
  ghost_.on_start({1}, core);
  ghost_.on_step({1}, core, {});
  ghost_.on_acknowledged(1, entry(1, 1).payload_checksum());
  expect_fine();
  ghost_.on_acknowledged(1, 12345);
  expect_broken("I28");
  ghost_.on_acknowledged(9, 12345);
  expect_broken("I28");
}

TEST_F(GhostTest, SeesADurableEntryThatIsLostOverARestart_I42) {
  ghost_.on_start({1}, core_of(1, 3, {entry(1, 1), entry(1, 2)}, 1));
  ghost_.on_start({1}, core_of(1, 3, {entry(1, 1)}, 1));
  expect_broken("I42");
}

TEST_F(GhostTest, SeesTwoChangesOfMembersUnderWay_I15) {
  Core core = core_of(1, 1, {entry(1, 1), membership(1, 2, 1, 1), membership(1, 3, 1)}, 1);
  ghost_.on_start({1}, core);
  be_elected(core);
  ghost_.on_vote({1}, core.term(), {1});
  ghost_.on_step({1}, core, {});
  expect_broken("I15");
}

TEST_F(GhostTest, AllowsOneChangeAfterTheOther_I15) {
  Core core = core_of(1, 1, {entry(1, 1), membership(1, 2, 1, 1), membership(1, 3, 1)}, 1);
  ghost_.on_start({1}, core);
  lead_as(1, core);
  ghost_.on_step({1}, core, {});
  expect_fine();
  EXPECT_EQ(ghost_.memberships(), 2U);
}

TEST_F(GhostTest, SeesOtherVotersWithoutAJointMembership_I16) {
  ghost_.on_start({1}, core_of(1, 1, {entry(1, 1), membership(1, 2, 2)}, 1));
  expect_broken("I16");
}

TEST_F(GhostTest, SeesAMembershipThatIsNotGoneBy_I17) {
  ghost_.on_start({1}, core_of(1, 1, {entry(1, 1), entry(1, 2)}, 1));
  ghost_.on_step({1}, core_of(1, 1, {entry(1, 1), membership(1, 2, 1, 1)}, 1), {});
  expect_broken("I17");
}

TEST_F(GhostTest, SeesALeaderThatNobodyVotedFor_I20) {
  Core core = core_of(1, 1, {entry(1, 1)}, 1);
  ghost_.on_start({1}, core);
  lead(core);
  ghost_.on_step({1}, core, {});
  expect_broken("I20");
}

TEST_F(GhostTest, SeesAMemberThatComesBack_I20) {
  Core core = core_of(1, 1, {membership(1, 1, 1, 1), membership(1, 2, 1), membership(1, 3, 1, 1)}, 1);
  ghost_.on_start({1}, core);
  lead_as(1, core);
  ghost_.on_step({1}, core, {});
  expect_broken("I20");
}

TEST_F(GhostTest, SeesALeaseThatLastsWhileALaterLeaderCommits_I22) {
  Core later = core_of(1, 1, {entry(1, 1)}, 8);
  lead_as(1, later);
  ghost_.on_start({1}, later);
  ghost_.on_step({1}, later, {});
  expect_fine();
  raft::Recovered recovered;
  recovered.hard_state = {Term{3}, std::nullopt};
  recovered.base.membership = raft::membership_of({{{1}, "p1@h:1"}});
  recovered.entries = {entry(1, 1)};
  Core earlier({.group = group, .self = {1}, .lease_reads = true}, std::move(recovered), {});
  ghost_.on_start({2}, earlier);
  lead_as(2, earlier);
  ghost_.on_step({2}, earlier, {.now = earlier.deadline()});
  expect_broken("I22");
}

TEST_F(GhostTest, SeesALeaderThatGoesOnWithoutAMajority_I23) {
  Core core = core_of(1, 3, {entry(1, 1)}, 1);
  ghost_.on_start({1}, core);
  lead_three(core);
  const raft::Message message{.from = {1}, .to = {2}, .term = core.term(), .body = raft::Heartbeat{}};
  const Instant later = core.deadline() + core.config().election_timeout * 3;
  ghost_.on_sent(message, core, {.now = core.deadline(), .is_timely = true});
  ghost_.on_sent(message, core, {.now = later, .is_timely = false});
  expect_fine();
  ghost_.on_sent(message, core, {.now = later, .is_timely = true});
  expect_broken("I23");
}

TEST_F(GhostTest, SeesATransferThatDoesNotEnd_I24) {
  Core core = core_of(1, 3, {entry(1, 1)}, 1);
  ghost_.on_start({1}, core);
  lead_three(core);
  ghost_.on_vote({1}, core.term(), {1});
  ghost_.on_vote({2}, core.term(), {1});
  turn(core, raft::Transfer{.id = {9}, .target = NodeId{3}});
  ASSERT_TRUE(std::get<raft::Leader>(core.role()).handover);
  const Instant later = core.deadline() + core.config().election_timeout * 3;
  Ghost ghost(false);  // nothing of the others is known here
  ghost.on_start({1}, core);
  ghost.on_vote({1}, core.term(), {1});
  ghost.on_vote({2}, core.term(), {1});
  ghost.on_step({1}, core, {.now = later, .is_timely = false});
  EXPECT_TRUE(ghost.take_broken().empty());
  ghost.on_step({1}, core, {.now = later, .is_timely = true});
  const auto broken = ghost.take_broken();
  ASSERT_EQ(broken.size(), 1U);
  EXPECT_EQ(broken[0].substr(0, 4), "I24:");
}

}  // namespace
}  // namespace zraft::sim
