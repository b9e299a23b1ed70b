// SPDX-License-Identifier: Apache-2.0
//
// What happens while a snapshot is on its way between whole hosts, slowly: the sender keeps it, the receiver goes on
// with what it has, and either may go.
#include <gtest/gtest.h>

#include <algorithm>

#include "test/host/snapshot_world.h"

namespace zraft::host::test {
namespace {

// Two members hold some chunks; a third one is to join, and gets one chunk every two seconds.
class SnapshotSending : public ::testing::Test {
 protected:
  SnapshotSending() {
    world_.each([](HostWorld& host) { host.options.snapshot_rate = std::uint64_t{512} << 10; });
    world_.start();
    world_.create({1, 2});
    world_.write(50, 100'000);
    EXPECT_TRUE(world_.agree({1, 2}));
    EXPECT_EQ(world_.host(3).told(world_.newcomer(3)).error.code, Code::ok);
    raft::Membership wanted = world_.members({1, 2, 3});
    std::erase(wanted.voters, world_.member(3).id);
    leads_ = world_.leader();
    EXPECT_EQ(
        world_.host(leads_).told(net::ChangeMembers{"kv", world_.status(leads_).membership_index, wanted}).error.code,
        Code::ok);
    EXPECT_TRUE(world_.wait([&] { return fetched() > 0; }, Duration::seconds(20)));
  }
  std::uint64_t fetched() { return world_.status(3).fetching.bytes; }
  bool is_kept(const std::string& snapshot) { return std::ranges::count(world_.complete(leads_), snapshot) > 0; }

  SnapshotWorld world_{3};
  std::uint64_t leads_ = 0;
};

TEST_F(SnapshotSending, P63_AReceiverThatIsRestartedGoesOnWithWhatItHas) {
  ASSERT_TRUE(world_.wait([&] { return fetched() >= std::size_t{2} << 20; }, Duration::seconds(20)));
  for (const sim::Ending ending : {sim::Ending::killed, sim::Ending::killed}) {
    world_.host(3).end(ending);
    EXPECT_EQ(world_.host(3).paths("/part-").empty(), false);
    world_.host(3).must_start();
    ASSERT_TRUE(world_.wait([&] { return fetched() > 0; }, Duration::seconds(20)));
    EXPECT_GE(fetched(), std::size_t{2} << 20) << "it does not begin anew";
  }
  EXPECT_TRUE(world_.agree({1, 2, 3}));
  EXPECT_TRUE(world_.host(3).paths("/part-").empty());
}

TEST_F(SnapshotSending, P58_P90_OfAReceiverThatIsDestroyedNothingIsLeft) {
  EXPECT_FALSE(world_.host(3).paths("/part-").empty());
  EXPECT_EQ(world_.host(3).told(net::DestroyPeer{"kv", {77}, world_.member(3).id}).error.code, Code::ok);
  world_.run(Duration::seconds(5));
  EXPECT_EQ(world_.host(3).paths("snapshots/"), std::vector<std::string>{});
  world_.write(5);
  EXPECT_TRUE(world_.agree({1, 2}));
}

}  // namespace
}  // namespace zraft::host::test
