// SPDX-License-Identifier: Apache-2.0
//
// The snapshots of a host's peers, from the first command to the last file: written when they are due, sent to whoever
// needs one, kept and removed. Three hosts, or one with several peers.
#include <gtest/gtest.h>

#include "test/host/snapshot_world.h"
#include "zraft/machines/memory_kv.h"

namespace zraft::host::test {
namespace {

TEST(HostSnapshots, W56_AreWrittenWhenDueAndTheLogIsCutInMemoryAndOnTheDisk) {
  SnapshotWorld world(3);
  world.start();
  world.create({1, 2, 3});
  std::size_t files_max = 0;
  for (int round = 0; round < 12; ++round) {
    world.write(20, 8'000);
    ASSERT_TRUE(world.agree({1, 2, 3}));
    if (round < 4) continue;
    for (const std::uint64_t n : {1, 2, 3}) {
      ASSERT_TRUE(world.wait([&] { return world.newest(n).value + 22 >= world.status(n).applied.value; })) << n;
      EXPECT_LE(world.status(n).log_bytes, 45U * 8'100) << n;
      EXPECT_EQ(world.complete(n).size(), 1U) << n;
      const std::size_t files = world.host(n).paths("wal-").size() + world.host(n).paths("spare-").size();
      if (round == 4) files_max = std::max(files_max, files + 3);
      EXPECT_LE(files, files_max) << "old segments are used again";
    }
  }
  EXPECT_GT(world.status(1).first.value, 150U);
}

// All groups share the files of one log: who writes hardly anything must not keep what the others wrote.
TEST(HostSnapshots, AQuietGroupMakesRoomForABusyOne) {
  HostWorld world;
  world.backends["memory"] = [] { return std::make_unique<machines::MemoryKv>(); };
  world.options.snapshots.entries = 20;
  world.options.log_bytes_retained = std::size_t{64} << 10;
  world.options.max_log_size = 1;  // two segments
  world.must_start();
  std::uint64_t id = 7;
  for (const char* name : {"busy", "quiet"}) {
    net::StartPeer start = lone_peer(name, ++id);
    start.backend = "memory";
    ASSERT_EQ(world.told(start).error.code, Code::ok);
  }
  const auto put = [&](const char* group, const Bytes& key) {
    ASSERT_EQ(world.propose(group, encode(machines::KvCommand(machines::Put{key, Bytes(8'000, 'x')}))).error.code,
              Code::ok);
  };
  put("quiet", "a");
  for (int i = 0; i < 300; ++i) put("busy", "b" + std::to_string(i % 10));
  world.run(Duration::seconds(1));
  EXPECT_LE(world.paths("wal-").size() + world.paths("spare-").size(), 9U);
  put("quiet", "c");
  world.restart();
  world.run(Duration::seconds(1));
  const auto count = [&](const char* group) {
    const net::Reply reply = world.told(net::Query{group, net::Consistency::linearizable,
                                                   encode(machines::KvQuery(machines::Count{}))});
    const auto* data = std::get_if<net::Data>(&reply.body);
    if (data == nullptr) return std::uint64_t{};
    return std::get<machines::Counted>(*machines::decode_answer(data->data)).count;
  };
  EXPECT_EQ(count("quiet"), 2U);
  EXPECT_EQ(count("busy"), 10U);
}

TEST(HostSnapshots, AreWrittenByAllMembersAtTheSameIndices) {
  SnapshotWorld world(3);
  world.start();
  world.create({1, 2, 3});
  world.write(70);
  ASSERT_TRUE(world.agree({1, 2, 3}));
  world.run(Duration::seconds(1));
  EXPECT_GT(world.newest(1).value, 0U);
  EXPECT_EQ(world.complete(1), world.complete(2));
  EXPECT_EQ(world.complete(1), world.complete(3));
}

TEST(HostSnapshots, P64_AMemberThatLagsGetsOneAndGoesOnFromThere) {
  SnapshotWorld world(3);
  world.start();
  world.create({1, 2, 3});
  world.write(5);
  ASSERT_TRUE(world.agree({1, 2, 3}));
  const std::uint64_t lags = world.leader() == 3 ? 2 : 3;
  world.host(lags).end();
  world.write(100);
  world.host(lags).must_start();
  EXPECT_TRUE(world.agree({1, 2, 3}));
  EXPECT_EQ(world.shelves(lags).restored, 2U) << "its own at the start, then the leader's";
  EXPECT_GT(world.newest(lags).value, 60U);
  EXPECT_FALSE(world.status(lags).fetching.index.value > 0);
  world.write(50);
  EXPECT_TRUE(world.agree({1, 2, 3}));
  EXPECT_EQ(world.shelves(lags).restored, 2U) << "it got the rest from the log";
  EXPECT_TRUE(world.host(lags).paths("part-").empty());
}

TEST(HostSnapshots, ANewcomerGetsOne) {
  SnapshotWorld world(3);
  world.start();
  world.create({1, 2});
  world.write(100);
  ASSERT_EQ(world.host(3).told(world.newcomer(3)).error.code, Code::ok);
  world.change_to({1, 2, 3});
  EXPECT_TRUE(world.agree({1, 2, 3}));
  EXPECT_EQ(world.shelves(3).restored, 1U);
}

// The offer does not leave the process, and the fetcher dials its own host.
TEST(HostSnapshots, GoFromPeerToPeerWithinOneHost) {
  SnapshotWorld world(1);
  world.start();
  world.create({1, 2});
  world.write(100);
  ASSERT_EQ(world.host(1).told(world.newcomer(3)).error.code, Code::ok);
  world.change_to({1, 2, 3});
  EXPECT_TRUE(world.agree({1, 2, 3}));
  EXPECT_EQ(world.shelves(1).restored, 1U);
}

TEST(HostSnapshots, AreFetchedWhereTheOtherHostListensForThat) {
  for (const std::size_t hosts : {3, 1}) {
    SnapshotWorld world(hosts);
    world.each([](HostWorld& host) { host.options.snapshot_listen = host.options.name + ":2"; });
    world.start();
    world.each([](HostWorld& host) { EXPECT_EQ(host.host().bulk_address(), host.options.name + ":2"); });
    world.create({1, 2});
    world.write(100);
    ASSERT_EQ(world.host(3).told(world.newcomer(3)).error.code, Code::ok);
    world.change_to({1, 2, 3});
    EXPECT_TRUE(world.agree({1, 2, 3}));
    std::uint64_t fetches = 0;
    world.each([&](HostWorld& host) { fetches += host.fabric.times_dialled(host.options.snapshot_listen); });
    EXPECT_EQ(fetches, 1U) << hosts;
  }
}

TEST(HostSnapshots, GoBetweenHostsOfSeveralShards) {
  SnapshotWorld world(3);
  world.each([](HostWorld& host) { host.shards = 3; });
  world.start();
  world.create({1, 2});  // the id 77: on the last shard
  world.write(100);
  ASSERT_EQ(world.host(3).told(world.newcomer(3)).error.code, Code::ok);
  world.change_to({1, 2, 3});
  EXPECT_TRUE(world.agree({1, 2, 3}));
  EXPECT_EQ(world.shelves(3).restored, 1U);
  EXPECT_FALSE(world.host(3).paths("/snap-").empty());
  world.each([](HostWorld& host) { host.restart(); });
  EXPECT_TRUE(world.agree({1, 2, 3}));
}

TEST(HostSnapshots, W32_ARestartBeginsWithTheSnapshotAndKnowsItsTerm) {
  SnapshotWorld world(3);
  world.start();
  world.create({1, 2, 3});
  world.write(100);
  ASSERT_TRUE(world.agree({1, 2, 3}));
  const std::string before = world.content(1);
  for (const sim::Ending ending : {sim::Ending::killed, sim::Ending::power_lost}) {
    world.each([&](HostWorld& host) { host.end(ending); });
    for (const std::uint64_t n : {1, 2, 3}) world.shelves(n) = {};
    world.start();
    for (const std::uint64_t n : {1, 2, 3}) {
      EXPECT_EQ(world.shelves(n).restored, 1U);
      EXPECT_GT(world.status(n).first.value, 60U) << "the log is short";
      EXPECT_GT(world.peer(n)->node().core().log().last().term.value, 0U);
    }
    EXPECT_TRUE(world.wait([&] { return world.leader() != 0; }));
    ASSERT_TRUE(world.agree({1, 2, 3}));
    EXPECT_EQ(world.content(1), before);
    for (const std::uint64_t n : {1, 2, 3}) EXPECT_LT(world.shelves(n).applied, 45U) << "only what came after it";
  }
  world.write(50);
  EXPECT_TRUE(world.agree({1, 2, 3}));
}

}  // namespace
}  // namespace zraft::host::test
