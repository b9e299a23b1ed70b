// SPDX-License-Identifier: Apache-2.0
//
// What comes in over a link: hellos first, then what fits the role they named; limits on what one link may ask and
// leave unread. A side that breaks the rules loses its link, and nobody else notices.
#include <gtest/gtest.h>

#include "test/host/caller.h"

namespace zraft::host::test {
namespace {

using node::FrameKind;
using sim::Ending;

class Links : public ::testing::Test {
 protected:
  Links() { world_.must_start(); }
  void create() {
    EXPECT_EQ(world_.told(lone_peer("kv")).error.code, Code::ok);
    EXPECT_EQ(world_.propose("kv", "first").error.code, Code::ok);
  }
  [[nodiscard]] bool was_said(const std::string& part) const {
    for (const std::string& line : world_.said) {
      if (has(line, part)) return true;
    }
    return false;
  }
  net::PeerFrame heartbeat_of(std::uint64_t group, std::uint64_t to) {
    return {.group = {group},
            .message = {.from = {102}, .to = {to}, .term = {1'000}, .body = raft::Heartbeat{}}};
  }
  static Bytes joined(const Pieces& pieces) {
    Bytes out;
    for (const Piece& piece : pieces) out.append(piece.bytes);
    return out;
  }

  HostWorld world_;
};

TEST_F(Links, CarryRequestsAndTheirAnswers) {
  create();
  Caller caller(world_);
  caller.greet();
  caller.request(7, net::Propose{"kv", "hello"});
  caller.request(9, net::GetStatus{});
  caller.run();
  ASSERT_EQ(caller.hellos.size(), 1U);
  EXPECT_EQ(caller.hellos.front().role, net::Hello::Role::host);
  EXPECT_EQ(caller.hellos.front().name, "n1");
  ASSERT_EQ(caller.replies.size(), 2U);
  EXPECT_EQ(caller.replies[0].id + caller.replies[1].id, 16U);
  for (const net::Reply& reply : caller.replies) EXPECT_EQ(reply.error.code, Code::ok) << reply.error.text;
}

TEST_F(Links, AreClosedWhenTheFirstFrameIsNoHello) {
  for (const FrameKind kind : {FrameKind::request, FrameKind::peer, FrameKind::reply}) {
    Caller caller(world_);
    caller.send(kind, net::encode(net::Request{.id = 1, .timeout_ms = 1, .body = net::GetStatus{}}));
    caller.run();
    EXPECT_TRUE(caller.is_closed());
    EXPECT_TRUE(caller.replies.empty());
  }
  EXPECT_TRUE(was_said("its first frame is not a hello"));
}

TEST_F(Links, AreClosedOverAFrameThatDoesNotBelongThere) {
  const Bytes request = net::encode(net::Request{.id = 1, .timeout_ms = 1, .body = net::GetStatus{}});
  const Bytes peer = joined(net::encode(heartbeat_of(77, 101)));
  const Bytes hello = net::encode(net::Hello{.name = "again"});
  const Bytes reply = net::encode(net::Reply{});
  using Role = net::Hello::Role;
  const std::vector<std::tuple<Role, FrameKind, Bytes>> wrong = {
      {Role::client, FrameKind::peer, peer},    {Role::client, FrameKind::hello, hello},
      {Role::client, FrameKind::reply, reply},  {Role::host, FrameKind::request, request},
      {Role::host, FrameKind::hello, hello},    {Role::client, FrameKind::request, "no request"},
      {Role::host, FrameKind::peer, "no peer"},
  };
  for (const auto& [role, kind, body] : wrong) {
    Caller caller(world_);
    caller.greet(role);
    caller.run();
    EXPECT_FALSE(caller.is_closed());
    caller.send(kind, body);
    caller.run();
    EXPECT_TRUE(caller.is_closed()) << static_cast<int>(role) << " " << static_cast<int>(kind);
    EXPECT_TRUE(caller.replies.empty());
  }
}

TEST_F(Links, OfAnotherVersionAreToldOursAndThenClosed) {
  Caller caller(world_);
  caller.send(FrameKind::hello,
              net::encode(net::Hello{.version = 900, .version_oldest = 900, .name = "one from the future"}));
  caller.run();
  ASSERT_EQ(caller.hellos.size(), 1U);
  EXPECT_EQ(caller.hellos.front().version, net::wire_version);
  EXPECT_TRUE(caller.is_closed());
  EXPECT_TRUE(was_said("900"));
}

TEST_F(Links, WithTooManyRequestsUnderWayAreToldThatItIsBusy) {
  world_.options.requests_per_link_max = 2;
  world_.restart();
  create();
  world_.disk.set_settings({.latency_mean = Duration::milliseconds(100)});
  Caller caller(world_);
  caller.greet();
  for (std::uint64_t id = 1; id <= 5; ++id) caller.request(id, net::Propose{"kv", "x"});
  caller.run(Duration::seconds(3));
  ASSERT_EQ(caller.replies.size(), 5U);
  std::size_t refused = 0;
  for (const net::Reply& reply : caller.replies) {
    if (reply.error.code != Code::busy) continue;
    ++refused;
    EXPECT_TRUE(has(reply.error.text, "requests_per_link_max is 2")) << reply.error.text;
  }
  EXPECT_EQ(refused, 3U);
  caller.request(6, net::Propose{"kv", "x"});
  caller.run();
  EXPECT_EQ(caller.replies.back().error.code, Code::ok);
}

TEST_F(Links, WhoseOtherSideDoesNotReadAreClosed) {
  world_.options.link_queue_bytes_max = std::size_t{256} << 10;
  world_.restart();
  create();
  EXPECT_EQ(world_.propose("kv", std::string(100'000, 'x')).error.code, Code::ok);
  Caller caller(world_);
  caller.greet();
  caller.run();
  for (std::uint64_t id = 1; id <= 30; ++id) caller.request(id, net::Query{"kv", net::Consistency::stale, ""});
  world_.run(Duration::microseconds(60));
  world_.world.pause(world_.other, Duration::seconds(60));
  world_.run(Duration::seconds(30));
  EXPECT_TRUE(was_said("it does not read its answers"));
  world_.run(Duration::seconds(60));
  EXPECT_TRUE(caller.is_closed());
  EXPECT_LT(caller.replies.size(), 30U);
  EXPECT_EQ(world_.propose("kv", "others are served").error.code, Code::ok);
}

TEST_F(Links, ThatAreGoneLoseTheirAnswersAndNothingElse) {
  create();
  world_.disk.set_settings({.latency_mean = Duration::milliseconds(100)});
  {
    Caller caller(world_);
    caller.greet();
    caller.request(1, net::Propose{"kv", "late"});
    world_.run(Duration::milliseconds(5));
    EXPECT_TRUE(caller.replies.empty());
  }
  world_.run(Duration::seconds(5));
  const net::Reply read = world_.told(net::Query{"kv", net::Consistency::linearizable, ""});
  EXPECT_EQ(std::get<net::Data>(read.body).data, "late");
}

// P57: a message of a group that is not here, or to a member that is not here, moves nothing.
TEST_F(Links, BringNothingToMembersThatAreNotHere) {
  create();
  Caller caller(world_);
  caller.greet(net::Hello::Role::host);
  caller.send(FrameKind::peer, joined(net::encode(heartbeat_of(78, 101))));
  caller.send(FrameKind::peer, joined(net::encode(heartbeat_of(77, 999))));
  caller.run();
  EXPECT_FALSE(caller.is_closed());
  const net::Reply status = world_.told(net::GetStatus{"kv"});
  EXPECT_EQ(std::get<net::Status>(status.body).peers.front().term, raft::Term{2});
  caller.send(FrameKind::peer, joined(net::encode(heartbeat_of(77, 101))));
  caller.run(Duration::milliseconds(20));
  const net::Reply after = world_.told(net::GetStatus{"kv"});
  EXPECT_EQ(std::get<net::Status>(after.body).peers.front().term, raft::Term{1'000});
}

// Of two peers of a group on a host, one may have been removed and not know it: the other one is asked.
TEST_F(Links, BringRequestsToThePeerThatKnowsMost) {
  net::StartPeer joiner = lone_peer("kv");
  joiner.self = {201};
  joiner.peer = "p9@n1:1";
  joiner.membership = raft::membership_of({{{101}, "p1@n1:1"}, {{102}, "p2@n2:1"}, {{103}, "p3@n3:1"}});
  EXPECT_EQ(world_.told(joiner).error.code, Code::ok);
  net::StartPeer member = joiner;
  member.self = {101};
  member.peer = "p1@n1:1";
  EXPECT_EQ(world_.told(member).error.code, Code::ok);
  Caller caller(world_);
  caller.greet(net::Hello::Role::host);
  caller.send(FrameKind::peer, joined(net::encode(heartbeat_of(77, 101))));
  caller.run(Duration::milliseconds(20));
  const net::Reply reply = world_.told(net::Propose{"kv", "x"}, Duration::milliseconds(50));
  EXPECT_EQ(reply.error.code, Code::not_leader);
  EXPECT_EQ(reply.leader, "p2@n2:1");
}

// P57: and whoever sent it is told by name, but not for each.
TEST_F(Links, TellWhoSendsToMembersThatAreNotHere) {
  create();
  Caller caller(world_);
  caller.greet(net::Hello::Role::host);
  for (int sent = 0; sent < 5; ++sent) {
    caller.send(FrameKind::peer, joined(net::encode(heartbeat_of(78, 101))));
    caller.send(FrameKind::peer, joined(net::encode(heartbeat_of(77, 101))));
  }
  caller.run(Duration::milliseconds(500));
  ASSERT_EQ(caller.turned_away.size(), 1U);
  EXPECT_EQ(caller.turned_away[0].group, raft::GroupId{78});
  EXPECT_EQ(caller.turned_away[0].to, raft::NodeId{101});
  EXPECT_TRUE(has(caller.turned_away[0].why, "host n1 has no such member")) << caller.turned_away[0].why;
  caller.run(Duration::seconds(2));
  caller.send(FrameKind::peer, joined(net::encode(heartbeat_of(78, 101))));
  caller.run(Duration::milliseconds(100));
  EXPECT_EQ(caller.turned_away.size(), 2U) << "a while later, again";
}

}  // namespace
}  // namespace zraft::host::test
