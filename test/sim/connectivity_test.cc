// SPDX-License-Identifier: Apache-2.0
//
// Which graphs there are, and a few of them run; all of them: zraft-sim --connectivity.
#include "sim/connectivity.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace zraft::sim {
namespace {

std::string edges_of(const Graph& graph) {
  std::string out;
  for (std::size_t from = 0; from < graph.members(); ++from) {
    for (std::size_t to = 0; to < graph.members(); ++to) {
      if (from != to && graph.has(from, to)) out += std::to_string(from) + std::to_string(to) + " ";
    }
  }
  return out;
}

TEST(Connectivity, EveryGraphIsThereOnceWithEachLeader) {
  const std::vector<Cut> cuts = all_cuts();
  ASSERT_EQ(cuts.size(), 1024U * 5 + 64U * 3);
  std::set<std::string> seen;
  for (const Cut& cut : cuts) {
    seen.insert(std::to_string(cut.graph.members()) + ":" + std::to_string(cut.leader) + ":" + edges_of(cut.graph));
  }
  EXPECT_EQ(seen.size(), cuts.size());
}

TEST(Connectivity, AQuorumIsReachedBothWays) {
  EXPECT_EQ(edges_of(Graph::undirected(5, 0b11)), "01 02 10 20 ");
  EXPECT_TRUE(Graph::undirected(5, 0b11).reaches_quorum(0));
  EXPECT_FALSE(Graph::undirected(5, 0b11).reaches_quorum(1));
  EXPECT_FALSE(Graph::undirected(5, 0b1).has_quorum());
  EXPECT_EQ(edges_of(Graph::directed(3, 0b1001)), "01 12 ");
  EXPECT_FALSE(Graph::directed(3, 0b1001).has_quorum()) << "nobody is answered";
  EXPECT_TRUE(Graph::directed(3, 0b101).reaches_quorum(0));
}

CutResult run(const Graph& graph, std::size_t leader) {
  return run_cut({.number = 7, .graph = graph, .leader = leader}, {});
}

TEST(Connectivity, ALeafThatLedMakesRoomForTheMiddle) {
  const CutResult result = run(Graph::undirected(5, 0b1111), 4);
  EXPECT_TRUE(result.broken.empty()) << result.broken.front();
  EXPECT_TRUE(result.commits_after.has_value());
  EXPECT_EQ(result.terms_after, 0U) << "and the leaves leave it alone";
}

TEST(Connectivity, NobodyCommitsWhereNobodyReachesAQuorum) {
  const CutResult result = run(Graph::undirected(5, 0b1), 0);
  EXPECT_TRUE(result.broken.empty()) << result.broken.front();
  EXPECT_FALSE(result.commits_after.has_value());
}

TEST(Connectivity, ALeaderThatIsHeardAndHearsNobodyMakesRoom) {
  const CutResult result = run(Graph::directed(3, 0b101011), 0);  // 0 to all, 1 and 2 to each other, nobody to 0
  EXPECT_TRUE(result.broken.empty()) << result.broken.front();
  EXPECT_TRUE(result.commits_after.has_value());
}

}  // namespace
}  // namespace zraft::sim
