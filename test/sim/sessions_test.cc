// SPDX-License-Identifier: Apache-2.0
//
// Whole clusters with clients that have sessions, and watchers: a few seeds of what `zraft-sim --sessions` runs.
#include <gtest/gtest.h>

#include "sim/cluster.h"

namespace zraft::sim {
namespace {

class Sessions : public testing::TestWithParam<std::uint64_t> {};

TEST_P(Sessions, KeepTheirLawsUnderFaults) {
  Scenario scenario = draw_session_scenario(GetParam());
  scenario.safety_phase = Duration::seconds(3);
  RunResult result = Cluster(scenario, {}).run();
  EXPECT_EQ(result.broken, std::vector<std::string>{});
  EXPECT_GT(result.counts["sessions opened"], 0U);
  EXPECT_GT(result.counts["writes of sessions"], 0U);
}

INSTANTIATE_TEST_SUITE_P(Seeds, Sessions, testing::Values(1, 3, 6));

TEST(KvModel, KnowsWhatStoodWhere) {
  using namespace machines;  // NOLINT: its language
  KvModel model;
  model.apply(3, encode(KvCommand(Put{"k", "a"})), 0);
  model.apply(5, encode(KvCommand(Put{"k", "b"})), 7);
  const auto gone = model.end(8, 7);
  ASSERT_EQ(gone.changes.size(), 1U);
  EXPECT_EQ(gone.changes.front().event, encode(KvEvent(DeletedEvent{.version = 8, .expired = true})));
  const Bytes get = encode(KvQuery(Get{"k"}));
  EXPECT_EQ(model.answer_at(2, get), encode(KvAnswer(Absent{})));
  EXPECT_EQ(model.answer_at(4, get), encode(KvAnswer(Found{.version = 3, .value = "a"})));
  EXPECT_EQ(model.answer_at(7, get), encode(KvAnswer(Found{.version = 5, .value = "b", .owner = 7})));
  EXPECT_EQ(model.answer_at(8, get), encode(KvAnswer(Absent{})));
}

}  // namespace
}  // namespace zraft::sim
