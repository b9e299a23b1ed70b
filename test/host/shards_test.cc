// SPDX-License-Identifier: Apache-2.0
//
// Hosts of several shards, and hosts that still load: what goes where, and what is said meanwhile. A group of the id n
// is made on the shard n % 3 where there are three.
#include <gtest/gtest.h>

#include <set>

#include "test/host/host_world.h"

namespace zraft::host::test {
namespace {

class Shards : public ::testing::Test {
 protected:
  Shards() { world_.shards = 3; }

  void create(const std::string& group, std::uint64_t id) {
    EXPECT_EQ(world_.told(lone_peer(group, id)).error.code, Code::ok);
  }
  Bytes last_of(const std::string& group) {
    const net::Reply read = world_.told(net::Query{group, net::Consistency::linearizable, ""});
    return read.error.code == Code::ok ? std::get<net::Data>(read.body).data : Bytes(read.error.text);
  }
  std::set<std::string> groups() {
    std::set<std::string> names;
    const net::Reply reply = world_.told(net::GetStatus{});
    for (const net::PeerStatus& one : std::get<net::Status>(reply.body).peers) names.insert(one.group);
    return names;
  }
  // The number of the shard that runs it; 99: none.
  std::size_t shard_of(std::uint64_t id) {
    for (std::size_t number = 0; number < world_.host().shards().size(); ++number) {
      if (world_.host().shards()[number]->peers().contains({{id}, {101}})) return number;
    }
    return 99;
  }
  // Asks both before either is answered.
  std::vector<net::Reply> told_at_once(const net::RequestBody& one, const net::RequestBody& other) {
    std::vector<net::Reply> replies(2);
    const auto ask = [&](const net::RequestBody& body, net::Reply& reply) {
      world_.host().serve({.id = 1, .timeout_ms = 1'000, .body = body},
                          [&reply](net::Reply told) { reply = std::move(told); });
    };
    ask(one, replies[0]);
    ask(other, replies[1]);
    world_.run(Duration::seconds(2));
    return replies;
  }

  HostWorld world_;
};

TEST_F(Shards, EachGroupLivesOnOneAndIsServedThroughTheHost) {
  world_.must_start();
  const std::set<std::string> all = {"a", "b", "c"};
  std::uint64_t id = 30;
  for (const std::string& group : all) create(group, id++);
  for (const std::string& group : all) EXPECT_EQ(world_.propose(group, group + "!").error.code, Code::ok);
  EXPECT_EQ(groups(), all);
  for (int run = 0; run < 2; ++run) {
    for (const std::uint64_t one : {30, 31, 32}) EXPECT_EQ(shard_of(one), one % 3);
    for (const std::string& group : all) EXPECT_EQ(last_of(group), group + "!");
    world_.restart();
    world_.run(Duration::seconds(1));
  }
  EXPECT_EQ(world_.propose("d", "x").error.code, Code::not_found);
}

TEST_F(Shards, CanBeRaisedAndNotLoweredBelowWhatHasGroups) {
  world_.shards = 1;
  world_.must_start();
  create("old", 77);
  EXPECT_EQ(world_.propose("old", "kept").error.code, Code::ok);
  world_.end();
  world_.shards = 3;
  world_.must_start();
  EXPECT_EQ(shard_of(77), 0U) << "it stays where it was";
  create("new", 31);
  EXPECT_EQ(shard_of(31), 1U);
  world_.run(Duration::seconds(1));
  EXPECT_EQ(last_of("old"), "kept");
  world_.end();
  world_.shards = 1;
  const Result<> refused = world_.start();
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code, Code::bad_request);
  EXPECT_TRUE(has(refused.error().text, "give shards = 2 or more")) << refused.error().text;
  world_.shards = 2;
  world_.must_start();
  EXPECT_EQ(groups(), (std::set<std::string>{"new", "old"}));
}

TEST_F(Shards, ANameIsTakenOnAllOfThem) {
  world_.must_start();
  create("a", 30);
  EXPECT_EQ(world_.told(lone_peer("a", 31)).error.code, Code::already_present);
  EXPECT_EQ(world_.told(net::CheckPeer{"a", "p1@n1:1", "echo"}).error.code, Code::already_present);
  EXPECT_EQ(world_.told(net::DestroyPeer{"a", {30}, {101}}).error.code, Code::ok);
  create("a", 31);
  EXPECT_EQ(shard_of(31), 1U) << "the name was free again, and its shard with it";
}

TEST_F(Shards, OfTwoGroupsOfANameOneIsMade) {
  world_.must_start();
  const auto replies = told_at_once(lone_peer("a", 30), lone_peer("a", 31));
  EXPECT_EQ(replies[0].error.code, Code::ok) << replies[0].error.text;
  EXPECT_EQ(replies[1].error.code, Code::busy);
  EXPECT_EQ(world_.host().peers().size(), 1U);
  // And a start that fails gives the name free.
  net::StartPeer unknown = lone_peer("b", 32);
  unknown.backend = "none";
  EXPECT_EQ(world_.told(unknown).error.code, Code::bad_request);
  create("b", 34);
  EXPECT_EQ(shard_of(34), 1U);
}

TEST_F(Shards, ACreationThatWasUndoneFirstIsRefusedOnItsShard) {
  world_.must_start();
  EXPECT_EQ(world_.told(undo_of(lone_peer("a", 31))).error.code, Code::ok);
  EXPECT_EQ(world_.told(lone_peer("a", 31)).error.code, Code::conflict);
  create("a", 32);
  EXPECT_EQ(world_.told(undo_of(lone_peer("a", 32))).error.code, Code::ok);
  EXPECT_TRUE(world_.host().peers().empty());
}

TEST_F(Shards, LeaveAWholePeerOrNothingWhenTheProcessEndsInACreation) {
  for (std::uint64_t calls = 1; calls < 200; ++calls) {
    HostWorld world;
    world.shards = 2;
    world.must_start();
    world.disk.set_fuse(calls, [&world] { world.kill(); });
    const auto reply = world.ask(lone_peer("a", 31));
    const bool has_ended = !reply.has_value();
    world.disk.set_fuse(0, {});
    world.restart();
    const bool is_there = world.host().find_peer({{31}, {101}}) != nullptr;
    if (!has_ended) {
      EXPECT_TRUE(is_there);
      return;
    }
    EXPECT_EQ(world.told(lone_peer("a", 31)).error.code, Code::ok) << "after " << calls << " calls";
    EXPECT_EQ(world.host().peers().size(), 1U);
  }
  FAIL() << "the creation never came to its end";
}

TEST_F(Shards, AFailedDiskOfOneEndsThemAll) {
  world_.must_start();
  create("a", 30);
  create("b", 31);
  EXPECT_EQ(world_.propose("b", "x").error.code, Code::ok);
  sim::DiskSettings bad;
  bad.fail_write_ppm = bad.fail_sync_ppm = 1'000'000;
  world_.disk.set_settings(bad);
  static_cast<void>(world_.ask(net::Propose{"b", "y"}, Duration::seconds(1)));
  world_.run(Duration::seconds(1));
  EXPECT_TRUE(world_.host().has_failed());
}

class Loading : public Shards {
 protected:
  Loading() {
    world_.must_start();
    create("a", 30);
    create("b", 31);
    EXPECT_EQ(world_.propose("a", "x").error.code, Code::ok);
    world_.end();
    EXPECT_TRUE(world_.begin().has_value());
  }
};

TEST_F(Loading, IsToldToWhoeverAsks) {
  EXPECT_TRUE(world_.host().is_loading());
  const net::Reply status = world_.told(net::GetStatus{});
  for (const net::PeerStatus& one : std::get<net::Status>(status.body).peers) EXPECT_EQ(one.role, "loading");
  EXPECT_EQ(std::get<net::Status>(status.body).peers.size(), 2U);
  for (const std::string group : {"a", "b"}) {
    EXPECT_EQ(world_.told(net::Propose{group, "y"}).error.code, Code::loading);
    EXPECT_EQ(world_.told(net::Query{group, net::Consistency::stale, ""}).error.code, Code::loading);
  }
  EXPECT_EQ(world_.told(net::Propose{"none", "y"}).error.code, Code::not_found);
  EXPECT_EQ(world_.told(lone_peer("c", 32)).error.code, Code::loading);
  EXPECT_EQ(world_.told(net::CheckPeer{"c", "p1@n1:1", "echo"}).error.code, Code::loading);
  EXPECT_EQ(world_.told(net::DestroyPeer{"a", {30}, {101}}).error.code, Code::loading);
  EXPECT_TRUE(world_.host().is_loading()) << "no time has passed";
  world_.run(Duration::seconds(2));
  EXPECT_FALSE(world_.host().is_loading());
  EXPECT_EQ(last_of("a"), "x");
  create("c", 32);
}

TEST_F(Loading, EndsWithTheHost) {
  world_.end();
  world_.must_start();
  world_.run(Duration::seconds(1));
  EXPECT_EQ(last_of("a"), "x");
}

}  // namespace
}  // namespace zraft::host::test
