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
  Ghost ghost_{true};
};

TEST_F(GhostTest, FindsNothingWrongWithAGroupOfOne) {
  Core core = core_of(1, 1, {entry(1, 1)}, 1);
  ghost_.on_start({1}, core);
  lead(core);
  ghost_.on_step({1}, core, {});
  expect_fine();
  EXPECT_EQ(ghost_.commit(), core.commit().value);
  EXPECT_EQ(ghost_.terms_led(), 1U);
}

TEST_F(GhostTest, SeesTwoLeadersOfATerm_I1) {
  Core one = core_of(1, 1, {}, 1);
  Core two = core_of(1, 1, {}, 1);
  lead(one);
  lead(two);
  ghost_.on_start({1}, one);
  ghost_.on_step({1}, one, {});
  ghost_.on_start({2}, two);
  ghost_.on_step({2}, two, {});
  expect_broken("I1");
}

TEST_F(GhostTest, SeesTwoVotesInATerm_I2) {
  ghost_.on_start({1}, core_of(1, 3, {}, 2));
  ghost_.on_sent({.from = {1}, .to = {2}, .term = {2}, .body = raft::Vote{.granted = true}}, Index{1});
  ghost_.on_sent({.from = {1}, .to = {2}, .term = {2}, .body = raft::Vote{.granted = true}}, Index{1});
  ghost_.on_sent({.from = {1}, .to = {3}, .term = {2}, .body = raft::Vote{.granted = false}}, Index{1});
  expect_fine();
  ghost_.on_sent({.from = {1}, .to = {3}, .term = {2}, .body = raft::Vote{.granted = true}}, Index{1});
  expect_broken("I2");
}

TEST_F(GhostTest, SeesAVoteForgottenOverARestart_I2) {
  ghost_.on_start({1}, core_of(1, 3, {entry(1, 1)}, 2, NodeId{2}));
  ghost_.on_sent({.from = {1}, .to = {2}, .term = {2}, .body = raft::Vote{.granted = true}}, Index{1});
  ghost_.on_start({1}, core_of(1, 3, {entry(1, 1)}, 2));
  expect_broken("I2");
}

TEST_F(GhostTest, SeesAnAcknowledgementOfWhatIsNotDurable_I3) {
  ghost_.on_start({1}, core_of(1, 3, {entry(1, 1)}, 1));
  ghost_.on_sent({.from = {1}, .to = {2}, .term = {1}, .body = raft::Appended{Index{1}}}, Index{1});
  expect_fine();
  ghost_.on_sent({.from = {1}, .to = {2}, .term = {1}, .body = raft::Appended{Index{2}}}, Index{1});
  expect_broken("I3");
}

TEST_F(GhostTest, SeesATermThatWentBackOverARestart_I4) {
  ghost_.on_start({1}, core_of(1, 3, {}, 5));
  ghost_.on_sent({.from = {1}, .to = {2}, .term = {5}, .body = raft::StaleTerm{}}, Index{1});
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
  lead(later);
  ghost_.on_start({1}, later);
  ghost_.on_step({1}, later, {});
  Core earlier = core_of(1, 1, {entry(1, 1)}, 3);
  ghost_.on_start({2}, earlier);
  be_elected(earlier);
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
  lead(core);
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

}  // namespace
}  // namespace zraft::sim
