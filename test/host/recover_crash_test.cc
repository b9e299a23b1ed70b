// SPDX-License-Identifier: Apache-2.0
//
// A group is made anew from one copy while the machine crashes: whatever call to the disk is the last, the next start
// finds the old group or the new one, with all that it had in its log and in its snapshot.
#include <gtest/gtest.h>

#include "test/host/recover_world.h"

namespace zraft::host::test {
namespace {

using sim::Ending;

// A stopped host of a group of two whose other member is lost.
void make_survivor(RecoverWorld& world, bool has_snapshot) {
  world.create({1, 2});
  for (int i = 0; i < 4; ++i) {
    world.write(Bytes(20'000, 'x'));  // so that the new log goes over a segment's end
    world.run(Duration::milliseconds(200));
    if (has_snapshot && i == 1) world.save(1);
  }
  world.run(Duration::seconds(1));
  for (const std::size_t n : {1, 2}) world.end(n);
}

// Starts it: it has the old group, without a leader, or the new one, which serves. In the first case it is recovered.
bool is_new_after_start(RecoverWorld& world) {
  world.start(1);
  const net::PeerStatus status = world.status(1);
  EXPECT_GE(status.last.value, 5U) << "no entry is missing";
  const bool is_new = status.group_id != RecoverWorld::group_id;
  EXPECT_EQ(status.membership, is_new ? RecoverWorld::members({1}) : RecoverWorld::members({1, 2}));
  if (!is_new) {
    world.end(1);
    Offline offline(world, {1}, 5);
    EXPECT_TRUE(offline.recover().has_value());
    offline.end();
    world.start(1);
  }
  EXPECT_EQ(world.write("y", {1}), Bytes(20'000, 'x') + "," + Bytes(20'000, 'x') + "," + Bytes(20'000, 'x') + "," +
                                       Bytes(20'000, 'x') + ",y,");
  return is_new;
}

struct Crash {
  Ending ending;
  bool has_snapshot;
};
class CrashInRecovery : public ::testing::TestWithParam<Crash> {};

TEST_P(CrashInRecovery, LeavesTheOldGroupOrTheNewOne) {
  std::size_t old_groups = 0;
  bool has_crashed = true;
  for (std::uint64_t n = 1; has_crashed; ++n) {
    SCOPED_TRACE("crash at call " + std::to_string(n));
    RecoverWorld world(2, n);
    make_survivor(world, GetParam().has_snapshot);
    Offline offline(world, {1});
    world.disk(1).set_fuse(n, [&] { offline.kill(); });
    const auto made = offline.recover();
    has_crashed = !offline.is_alive();
    world.disk(1).set_fuse(0, {});
    offline.end(GetParam().ending);
    const bool is_new = is_new_after_start(world);
    EXPECT_TRUE(is_new || has_crashed);
    old_groups += is_new ? 0 : 1;
    ASSERT_LT(n, 200U);
  }
  EXPECT_GT(old_groups, 10U);
}

TEST_P(CrashInRecovery, AlsoWhenTheDiskFailsAndSaysOfAnOldGroupThatNothingWasChanged) {
  std::size_t failures = 0;
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    RecoverWorld world(2, seed);
    make_survivor(world, GetParam().has_snapshot);
    Offline offline(world, {1});
    world.disk(1).set_settings({.fail_write_ppm = 50'000, .fail_sync_ppm = 50'000});
    const auto made = offline.recover();
    world.disk(1).set_settings({});
    offline.end(GetParam().ending);
    const bool is_new = is_new_after_start(world);
    if (made) {
      EXPECT_TRUE(is_new);
    } else if (made.error().code != Code::timeout_unknown_outcome) {
      EXPECT_FALSE(is_new);
    }
    failures += made ? 0 : 1;
  }
  EXPECT_GT(failures, 3U);
}

INSTANTIATE_TEST_SUITE_P(Endings, CrashInRecovery,
                         ::testing::Values(Crash{Ending::killed, false}, Crash{Ending::power_lost, false},
                                           Crash{Ending::killed, true}, Crash{Ending::power_lost, true}),
                         [](const auto& one) {
                           return std::string(one.param.ending == Ending::killed ? "killed" : "power_lost") +
                                  (one.param.has_snapshot ? "_with_a_snapshot" : "");
                         });

}  // namespace
}  // namespace zraft::host::test
