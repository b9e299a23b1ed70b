// SPDX-License-Identifier: Apache-2.0
//
// What a host does with the files of its peers' snapshots when all does not go well: restarts, damage, full disks, and
// peers that go while something is written or fetched.
#include <gtest/gtest.h>

#include "test/host/snapshot_world.h"

namespace zraft::host::test {
namespace {

using sim::Ending;

// One host with one peer, that has a snapshot and a little log behind it.
class SnapshotFiles : public ::testing::Test {
 protected:
  explicit SnapshotFiles(std::size_t hosts = 1) : world_(hosts) {}

  void begin(std::size_t backups, std::size_t commands = 70) {
    world_.each([backups](HostWorld& host) { host.options.snapshot_backups = backups; });
    world_.start();
    world_.create({1});
    world_.write(commands);
    world_.run(Duration::seconds(1));
  }
  HostWorld& host() { return world_.host(1); }
  std::string file_of(const std::string& snapshot) { return host().paths(snapshot + "/shelf").at(0); }
  void damage(const std::string& snapshot) { host().disk.flip(file_of(snapshot), 40, 3); }
  bool shows(const std::string& part) { return world_.has_said(1, part); }

  SnapshotWorld world_;
};

TEST_F(SnapshotFiles, BackupsAreKeptAndOlderOnesRemoved) {
  begin(2, 150);
  EXPECT_EQ(world_.complete(1), (std::vector<std::string>{"snap-103-2", "snap-123-2", "snap-143-2"}));
  world_.write(25);
  world_.run(Duration::seconds(1));
  EXPECT_EQ(world_.complete(1), (std::vector<std::string>{"snap-123-2", "snap-143-2", "snap-163-2"}));
  host().restart();
  EXPECT_EQ(world_.peer(1)->snapshots().complete().size(), 3U);
}

TEST_F(SnapshotFiles, BackupsAreNoOlderThanTheyMayBe) {
  world_.each([](HostWorld& host) { host.options.snapshot_backup_age = Duration::seconds(10); });
  begin(9, 70);
  EXPECT_EQ(world_.complete(1), (std::vector<std::string>{"snap-3-2", "snap-23-2", "snap-43-2", "snap-63-2"}));
  world_.run(Duration::seconds(20));
  world_.write(20);
  world_.run(Duration::seconds(1));
  EXPECT_EQ(world_.complete(1), std::vector<std::string>{"snap-83-2"});
  world_.write(20);
  world_.run(Duration::seconds(1));
  EXPECT_EQ(world_.complete(1), (std::vector<std::string>{"snap-83-2", "snap-103-2"}));
}

// RELIABILITY 2.3, row 7: the log reaches back to the older one.
TEST_F(SnapshotFiles, P69_ADamagedNewestOneIsPassedOverIfTheLogReachesBackToTheOlderOne) {
  world_.each([](HostWorld& host) { host.options.log_bytes_retained = std::size_t{1} << 20; });
  begin(1);
  const std::string before = world_.content(1);
  const std::vector<std::string> found = world_.complete(1);
  ASSERT_EQ(found.size(), 2U);
  host().end();
  damage(found.back());
  host().must_start();
  EXPECT_TRUE(world_.agree({1}));
  EXPECT_EQ(world_.content(1), before);
  EXPECT_TRUE(shows("cannot be restored"));
  // It was made anew on the way, in the place of the damaged one.
  EXPECT_TRUE(world_.wait([&] { return world_.newest(1) == raft::Index{63}; }));
  host().said.clear();
  host().restart();
  EXPECT_FALSE(shows("cannot be restored"));
  EXPECT_TRUE(world_.agree({1}));
  EXPECT_EQ(world_.content(1), before);
}

// Of which nothing is right, and of which only the content is not.
TEST_F(SnapshotFiles, ADamagedOneIsRemovedWhenANewerOneIsDurableAndNotBefore) {
  for (const bool is_known_at_once : {true, false}) {
    SnapshotWorld world(1);
    world.each([](HostWorld& host) { host.options.log_bytes_retained = std::size_t{1} << 20; });
    world.each([](HostWorld& host) { host.options.snapshot_backups = 1; });
    world.start();
    world.create({1});
    world.write(70);
    world.run(Duration::seconds(1));
    const std::vector<std::string> found = world.complete(1);
    ASSERT_EQ(found, (std::vector<std::string>{"snap-43-2", "snap-63-2"}));
    world.host(1).end();
    const std::string file = found.back() + (is_known_at_once ? "/meta" : "/shelf");
    world.host(1).disk.flip(world.host(1).paths(file).at(0), 40, 3);
    world.shelves(1).snapshot = Error{Code::no_space, "the disk is full"};
    world.host(1).must_start();
    world.write(40);
    world.run(Duration::seconds(10));
    EXPECT_EQ(world.complete(1), found);
    world.shelves(1).snapshot.reset();
    EXPECT_TRUE(world.wait([&] { return world.newest(1).value > 100; }));
    EXPECT_TRUE(world.wait([&] { return world.complete(1).size() == 2; })) << is_known_at_once;
    EXPECT_EQ(world.complete(1).front(), "snap-43-2") << "the backup stays";
    EXPECT_TRUE(world.host(1).paths("/tmp-").empty());
  }
}

TEST_F(SnapshotFiles, ADamagedOneThatWasPassedOverPushesNoGoodOneOut) {
  world_.each([](HostWorld& host) { host.options.log_bytes_retained = std::size_t{1} << 20; });
  begin(1);
  host().end();
  damage(world_.complete(1).back());
  world_.shelves(1).snapshot = Error{Code::no_space, "the disk is full"};
  host().must_start();
  EXPECT_TRUE(world_.agree({1}));
  EXPECT_EQ(world_.newest(1), raft::Index{43}) << "the damaged one is not offered to anybody";
  world_.write(25);
  world_.shelves(1).snapshot.reset();
  EXPECT_TRUE(world_.wait([&] { return world_.newest(1).value > 80; }));
  EXPECT_EQ(world_.peer(1)->snapshots().complete().front().meta.last.index, raft::Index{43});
}

// Rows 8 and 9.
TEST_F(SnapshotFiles, P69_WithoutAnotherOneTheStartIsRefusedAndNothingChanged) {
  begin(1);
  host().end();
  const std::vector<std::string> found = world_.complete(1);
  ASSERT_EQ(found.size(), 2U);
  damage(found.back());
  const std::vector<std::string> names = host().paths("");
  std::vector<Bytes> contents;
  for (const std::string& name : names) contents.push_back(host().content(name));
  const Result<> refused = host().start();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::corrupt);
  EXPECT_TRUE(has(refused.error().text, "kv") && has(refused.error().text, "Nothing was changed") &&
              has(refused.error().text, "checksum"))
      << refused.error().text;
  EXPECT_EQ(host().paths(""), names);
  for (std::size_t i = 0; i < names.size(); ++i) EXPECT_EQ(host().content(names[i]), contents[i]) << names[i];
  // What was damaged comes back, and all is well.
  damage(found.back());
  host().must_start();
  EXPECT_TRUE(world_.agree({1}));
}

TEST_F(SnapshotFiles, P69_OfWhichNoneIsLeftTheStartIsRefused) {
  begin(0);
  const std::string directory = world_.directory(1);
  host().end();
  for (const std::string& path : host().paths(directory + "/")) host().disk.unlink(path);
  host().disk.sync_names(directory);
  const Result<> refused = host().start();
  ASSERT_FALSE(refused.has_value());
  EXPECT_TRUE(has(refused.error().text, "no snapshot brings the state machine there")) << refused.error().text;
}

TEST_F(SnapshotFiles, AStartThatIsRefusedRemovesNothingThatNobodyClaims) {
  host().has_log_disk = true;
  begin(0);
  host().end();
  const sim::Process other = host().world.start(host().id, 0);
  {
    sim::SimFiles files(host().disk, other);
    ASSERT_TRUE(files.make_directory("snapshots/00000000000000ff").has_value());
  }
  host().world.kill(other);
  host().disk.on_end(Ending::killed);
  host().has_log_disk = false;
  ASSERT_FALSE(host().start().has_value()) << "the log is not the one of this data";
  EXPECT_FALSE(host().paths("00000000000000ff").empty());
  host().has_log_disk = true;
  host().must_start();
  EXPECT_TRUE(host().paths("00000000000000ff").empty()) << "left over from a peer that was destroyed";
}

TEST_F(SnapshotFiles, P62_W56_AFullDiskLeavesTheOldOneAndTheLogAndItIsTriedAgain) {
  begin(0, 50);
  const std::vector<std::string> before = world_.complete(1);
  const std::uint64_t first = world_.status(1).first.value;
  world_.shelves(1).snapshot = Error{Code::no_space, "the disk is full"};
  world_.write(60);
  world_.run(Duration::seconds(3));
  EXPECT_EQ(world_.complete(1), before);
  EXPECT_EQ(world_.status(1).first.value, first) << "the log stays";
  EXPECT_TRUE(shows("the disk is full") && shows("tried again"));
  EXPECT_TRUE(host().paths("/tmp-").empty());
  EXPECT_FALSE(host().host().has_failed());
  world_.shelves(1).snapshot.reset();
  EXPECT_TRUE(world_.wait([&] { return world_.newest(1).value > 100; }));
  EXPECT_GT(world_.status(1).first.value, 100U);
  host().restart();
  EXPECT_TRUE(world_.agree({1}));
}

TEST_F(SnapshotFiles, P58_P90_OfAPeerThatIsDestroyedNothingIsLeft) {
  for (int after = 0; after < 40; ++after) {
    SnapshotWorld world(1);
    world.start();
    world.create({1});
    world.write(5);
    bool is_saved = false;
    world.host(1).host().serve({.id = 1, .timeout_ms = 1'000, .body = net::SaveSnapshot{"kv"}},
                               [&is_saved](const net::Reply&) { is_saved = true; });
    world.run(Duration::microseconds(after * 250));
    EXPECT_EQ(world.host(1).told(net::DestroyPeer{"kv", {77}, world.member(1).id}).error.code, Code::ok);
    world.run(Duration::seconds(1));
    EXPECT_EQ(world.host(1).paths("snapshots/"), std::vector<std::string>{}) << after;
  }
}

// Its last save may run still, although the peer itself went long before.
TEST_F(SnapshotFiles, P58_P90_OfAPeerThatWasRemovedWhileItWroteOneNothingIsLeftOnceItIsDestroyed) {
  for (int round = 0; round < 30; ++round) {
    SnapshotWorld world(1);
    world.start();
    world.create({1, 2});
    world.write(static_cast<std::size_t>(5 + round));
    const std::uint64_t goes = world.leader() == 1 ? 2 : 1;
    const std::string directory = world.directory(goes);
    const PeerKey key{{77}, world.member(goes).id};
    const auto& peers = world.host(1).host().shards().front()->peers();
    world.host(1).host().serve({.id = 1,
                                .timeout_ms = 1'000,
                                .body = net::ChangeMembers{"kv", world.status(3 - goes).membership_index,
                                                           world.members({3 - goes})}},
                               [](const net::Reply&) {});
    while (peers.contains(key)) {
      peers.at(key)->node().save_snapshot([](const Result<raft::SnapshotMeta>&) {});
      world.run(Duration::microseconds(100));
    }
    EXPECT_EQ(world.host(1).told(net::DestroyPeer{"kv", {77}, key.second}).error.code, Code::ok);
    world.run(Duration::seconds(1));
    EXPECT_EQ(world.host(1).paths(directory), std::vector<std::string>{}) << round;
  }
}

TEST_F(SnapshotFiles, P90_FilesOfAPeerAreNotRemovedBeforeItsMachineIsGone) {
  world_.shelves(1).may_block = true;
  for (int round = 0; round < 20; ++round) {
    if (round == 0) world_.start();
    world_.create({1});
    world_.write(25);
    ASSERT_TRUE(world_.wait([&] { return world_.newest(1).value > 0; }));
    const std::string directory = world_.directory(1);
    for (int i = 0; i < 30; ++i) {
      host().host().serve({.id = 1, .timeout_ms = 1'000, .body = net::Propose{"kv", "x"}}, [](const net::Reply&) {});
    }
    world_.run(Duration::microseconds(round * 100));
    host().host().serve({.id = 1, .timeout_ms = 1'000, .body = net::DestroyPeer{"kv", {77}, world_.member(1).id}},
                        [](const net::Reply&) {});
    while (!host().paths(directory).empty()) {
      const bool has_machine = world_.shelves(1).alive > 0;
      ASSERT_TRUE(host().world.run_one());
      ASSERT_FALSE(has_machine && host().paths(directory).empty()) << round;
    }
    world_.forget();
  }
}

TEST_F(SnapshotFiles, AMachineWhoseOwnDiskFailedStopsItsMemberAndNoOther) {
  begin(0, 5);
  net::StartPeer other = lone_peer("echoes", 78);
  other.peer = "p1@" + host().options.listen;
  other.membership = raft::membership_of({{other.self, other.peer}});
  ASSERT_EQ(host().told(other).error.code, Code::ok);
  world_.shelves(1).apply = Error{Code::no_space, "the shelf's own disk is full"};
  EXPECT_EQ(host().told(net::Propose{"kv", "x"}).error.code, Code::timeout_unknown_outcome);
  EXPECT_EQ(world_.status(1).role, "stopped");
  EXPECT_TRUE(has(world_.status(1).problem, "the shelf's own disk is full")) << world_.status(1).problem;
  EXPECT_FALSE(host().host().has_failed());
  EXPECT_EQ(host().propose("echoes", "y").error.code, Code::ok);
  world_.shelves(1).apply.reset();
  host().restart();
  EXPECT_TRUE(world_.wait([&] { return world_.content(1).starts_with("6/"); })) << world_.content(1);
}

TEST_F(SnapshotFiles, P87_P90_TheHostMayEndWhileOneIsWritten) {
  for (int after = 0; after < 40; ++after) {
    SnapshotWorld world(1);
    world.start();
    world.create({1});
    world.write(25);
    bool is_told = false;
    world.host(1).host().serve({.id = 1, .timeout_ms = 1'000, .body = net::SaveSnapshot{"kv"}},
                               [&is_told](const net::Reply&) { is_told = true; });
    world.run(Duration::microseconds(after * 250));
    world.host(1).end(after % 2 == 0 ? Ending::killed : Ending::power_lost);
    world.host(1).must_start();
    EXPECT_TRUE(world.agree({1})) << after;
    EXPECT_TRUE(world.host(1).paths("/tmp-").empty());
  }
}

TEST_F(SnapshotFiles, WhatRotsOnTheDiskIsFoundToldAndWrittenAnew) {
  begin(1);
  const std::string before = world_.content(1);
  // So that nothing was applied since the newest one.
  ASSERT_EQ(host().told(net::SaveSnapshot{"kv"}).error.code, Code::ok);
  world_.run(Duration::seconds(1));
  const std::vector<std::string> found = world_.complete(1);
  ASSERT_EQ(found.size(), 2U);
  const Bytes good = host().content(file_of(found.back()));
  damage(found.back());
  EXPECT_TRUE(world_.wait([&] { return shows("is damaged"); }, Duration::seconds(900)));
  EXPECT_TRUE(shows(found.back() + "/shelf at byte 0") && shows("not sent to others"));
  const auto is_good = [&] { return host().content(file_of(found.back())) == good; };
  EXPECT_TRUE(world_.wait([&] { return world_.complete(1) == found && is_good(); }));
  EXPECT_TRUE(world_.wait([&] { return world_.peer(1)->snapshots().complete().size() == 2; }));
  EXPECT_TRUE(host().paths("/tmp-").empty());
  host().restart();
  EXPECT_TRUE(world_.agree({1}));
  EXPECT_EQ(world_.content(1), before);
}

TEST_F(SnapshotFiles, ABackupThatRotsIsRemoved) {
  begin(1);
  const std::vector<std::string> found = world_.complete(1);
  damage(found.front());
  EXPECT_TRUE(world_.wait([&] { return shows("and is removed"); }, Duration::seconds(900)));
  EXPECT_TRUE(world_.wait([&] { return world_.complete(1) == std::vector<std::string>{found.back()}; }));
}

TEST_F(SnapshotFiles, AreNotComparedWhereThatIsSwitchedOff) {
  host().options.scrub_rate = 0;
  begin(0);
  damage(world_.complete(1).back());
  world_.run(Duration::seconds(900));
  EXPECT_FALSE(shows("is damaged"));
}

TEST_F(SnapshotFiles, ACreationWhoseMachineDoesNotOpenSaysWhyAndLeavesNothing) {
  world_.start();
  world_.shelves(1).open = Error{Code::io, "this shelf is broken"};
  net::StartPeer start = lone_peer("kv");
  start.backend = "shelf";
  start.self = world_.member(1).id;
  start.peer = world_.member(1).peer;
  start.membership = world_.members({1});
  const net::Reply reply = host().told(start);
  EXPECT_EQ(reply.error.code, Code::io);
  EXPECT_TRUE(has(reply.error.text, "this shelf is broken") && has(reply.error.text, "kv")) << reply.error.text;
  EXPECT_TRUE(host().host().peers().empty());
  EXPECT_EQ(host().told(net::GetStatus{"kv"}).error.code, Code::not_found);
  world_.shelves(1).open.reset();
  world_.create({1});
  world_.write(5);
  host().restart();
  EXPECT_TRUE(world_.agree({1}));
}

}  // namespace
}  // namespace zraft::host::test
