// SPDX-License-Identifier: Apache-2.0
//
// Majorities, as tables: of odd and even numbers, of one, of two lists at once.
#include "zraft/raft/quorum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

using Values = std::vector<std::uint64_t>;

// The members are 1, 2, ..., in the order of `values`.
Index majority_of(const Values& values) {
  return majority_value(voters_up_to(values.size()).voters, [&](NodeId id) { return Index{values[id.value - 1]}; });
}

TEST(Quorum, MajorityValueIsTheLargestThatAMajorityReached) {
  struct Case {
    Values values;
    std::uint64_t majority;
  };
  for (const Case& c : {Case{{7}, 7}, Case{{7, 3}, 3}, Case{{1, 2, 3}, 2}, Case{{3, 3, 0}, 3}, Case{{0, 0, 9}, 0},
                        Case{{1, 2, 3, 4}, 2}, Case{{4, 4, 1, 1}, 1}, Case{{4, 4, 4, 1}, 4}, Case{{1, 2, 3, 4, 5}, 3},
                        Case{{9, 9, 0, 0, 0}, 0}, Case{{9, 9, 9, 0, 0}, 9}, Case{{1, 2, 3, 4, 5, 6}, 3},
                        Case{{1, 2, 3, 4, 5, 6, 7}, 4}}) {
    Values values = c.values;
    std::ranges::sort(values);
    do {
      EXPECT_EQ(majority_of(values), Index{c.majority}) << testing::PrintToString(values);
    } while (values.size() <= 5 && std::ranges::next_permutation(values).found);
  }
}

// Against the definition: more than half of all have at least that much, and not of any larger value.
TEST(Quorum, MajorityValueMeetsItsDefinition) {
  Random random(3);
  for (int i = 0; i < 2000; ++i) {
    Values values(1 + random.below(9));
    for (std::uint64_t& value : values) value = random.below(6);
    const std::uint64_t got = majority_of(values).value;
    const auto reached = [&](std::uint64_t bar) {
      const auto have = std::ranges::count_if(values, [&](std::uint64_t value) { return value >= bar; });
      return 2 * static_cast<std::size_t>(have) > values.size();
    };
    EXPECT_TRUE(reached(got));
    EXPECT_FALSE(reached(got + 1));
  }
}

TEST(Quorum, AJointQuorumNeedsBothMajorities) {
  Membership joint = voters_up_to(5);
  joint.voters = {{1}, {2}, {3}};
  joint.outgoing = {{3}, {4}, {5}};
  struct Case {
    Values have;
    bool is_quorum;
  };
  for (const Case& c : {Case{{1, 2, 3}, false}, Case{{3, 4, 5}, false}, Case{{1, 2, 4, 5}, true}, Case{{1, 3, 4}, true},
                        Case{{1, 2, 4}, false}, Case{{1, 2, 3, 4, 5}, true}, Case{{}, false}}) {
    EXPECT_EQ(is_quorum(joint, [&](NodeId id) { return std::ranges::find(c.have, id.value) != c.have.end(); }),
              c.is_quorum)
        << testing::PrintToString(c.have);
  }
}

TEST(Quorum, AJointValueIsTheSmallerOfBothMajorities) {
  Membership joint = voters_up_to(6);
  joint.voters = {{1}, {2}, {3}};
  joint.outgoing = {{4}, {5}, {6}};
  const Values values = {9, 8, 1, 5, 4, 7};
  EXPECT_EQ(quorum_value(joint, [&](NodeId id) { return values[id.value - 1]; }), 5U);
}

TEST(Quorum, LearnersAreNotAsked) {
  Membership membership = voters_up_to(4);
  membership.voters = {{1}, {2}, {3}};
  EXPECT_FALSE(is_quorum(membership, [](NodeId id) { return id.value == 1 || id.value == 4; }));
  (void)quorum_value(membership, [](NodeId id) {
    EXPECT_NE(id, NodeId{4});
    return 0;
  });
}

// Any two quorums of one membership have a member in common, and so have those of a joint one and of either side.
TEST(Quorum, TwoQuorumsMeet) {
  Membership joint = voters_up_to(5);
  joint.voters = {{1}, {2}, {3}, {4}};
  joint.outgoing = {{2}, {4}, {5}};
  Membership after = joint;
  after.outgoing.clear();
  const auto holds = [](unsigned set, const Membership& membership) {
    return is_quorum(membership, [set](NodeId id) { return (set >> (id.value - 1) & 1U) != 0; });
  };
  for (unsigned a = 0; a < 32; ++a) {
    for (unsigned b = 0; b < 32; ++b) {
      if ((a & b) != 0 || !holds(a, joint)) continue;
      EXPECT_FALSE(holds(b, joint));
      EXPECT_FALSE(holds(b, after));
    }
  }
}

TEST(QuorumDeathTest, ThereIsNoMajorityOfNobody) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)is_quorum(Membership{}, [](NodeId) { return true; }), "majority of nobody");
}

}  // namespace
}  // namespace zraft::raft
