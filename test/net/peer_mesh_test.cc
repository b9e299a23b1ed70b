// SPDX-License-Identifier: Apache-2.0
//
// The mesh over a network that does what the test says: which links there are, when they are made again, what goes
// over them and what is dropped.
#include "zraft/net/peer_mesh.h"

#include <gtest/gtest.h>

#include <optional>

#include "test/net/fake_network.h"

namespace zraft::net {
namespace {

using node::FrameKind;
using raft::GroupId;
using raft::NodeId;
using raft::Term;
using test::FakeLink;
using test::FakeLoop;
using test::FakeNetwork;

constexpr GroupId group{9};
constexpr NodeId self{1};

std::vector<raft::Member> members(std::vector<raft::Member> list) { return list; }

raft::Message heartbeat(NodeId to, std::uint64_t round = 1) {
  return {.from = self, .to = to, .term = Term{3}, .body = raft::Heartbeat{.commit = {}, .round = {round}}};
}

class PeerMeshTest : public ::testing::Test {
 protected:
  void SetUp() override { start({.name = "me"}); }

  void start(MeshSettings settings) {
    transport_.reset();
    mesh_.emplace(loop_, network_, std::move(settings), Random(1), [this](const LinkEvent& event) {
      events_.push_back(event.address + (event.is_up ? " up" : " down: " + event.why.text));
    });
    transport_ = mesh_->transport_for(group, self, nullptr);
  }
  void connect_to_b() { transport_->connect(members({{self, "a@a:1"}, {NodeId{2}, "b@b:1"}})); }
  FakeLink& b() { return network_.link("b:1"); }
  static void agree(FakeLink& link) {
    link.open();
    link.bring(FrameKind::hello, encode(Hello{.role = Hello::Role::host, .name = "b"}));
  }
  static void agree_as(FakeLink& link, std::uint64_t run) {
    link.open();
    link.bring(FrameKind::hello, encode(Hello{.role = Hello::Role::host, .name = "b", .run = run}));
  }
  // How long the mesh waits until it tries again; the link must be down.
  Duration pause_before_next(const std::string& address) {
    const std::size_t attempts = network_.attempts_at(address);
    const Instant from = loop_.now();
    while (network_.attempts_at(address) == attempts) loop_.advance(Duration::milliseconds(1));
    return loop_.now() - from;
  }

  FakeLoop loop_;
  FakeNetwork network_;
  std::vector<std::string> events_;
  std::optional<PeerMesh> mesh_;
  std::unique_ptr<node::Transport> transport_;
};

TEST_F(PeerMeshTest, ConnectsToEveryOtherMemberAndSaysHelloFirst) {
  transport_->connect(members({{self, "a@a:1"}, {NodeId{2}, "b@b:1"}, {NodeId{3}, "c@c:1"}}));
  ASSERT_EQ(network_.attempts.size(), 2u);
  const auto hello = decode_hello(b().sent.at(0).body);
  EXPECT_EQ(b().sent.at(0).kind, FrameKind::hello);
  ASSERT_TRUE(hello.has_value());
  EXPECT_EQ(hello->role, Hello::Role::host);
  EXPECT_EQ(hello->name, "me");
}

TEST_F(PeerMeshTest, AMessageGoesToItsMemberAsAFrameOfItsGroup) {
  transport_->connect(members({{self, "a@a:1"}, {NodeId{2}, "b@b:1"}, {NodeId{3}, "c@c:1"}}));
  transport_->send(heartbeat(NodeId{2}, 7));
  ASSERT_EQ(b().sent.size(), 2u);
  EXPECT_EQ(network_.link("c:1").sent.size(), 1u);
  EXPECT_EQ(b().sent[1].kind, FrameKind::peer);
  const auto frame = decode_peer_frame(std::make_shared<const Bytes>(b().sent[1].body));
  ASSERT_TRUE(frame.has_value());
  EXPECT_EQ(frame->group, group);
  EXPECT_EQ(frame->message.to, NodeId{2});
  EXPECT_EQ(std::get<raft::Heartbeat>(frame->message.body).round.value, 7u);
}

TEST_F(PeerMeshTest, AMessageToNoMemberGoesNowhere) {
  connect_to_b();
  transport_->send(heartbeat(NodeId{5}));
  EXPECT_EQ(network_.attempts.size(), 1u);
  EXPECT_EQ(b().sent.size(), 1u);
}

TEST_F(PeerMeshTest, GroupsShareALinkAndTheLastOneThatNeedsItEndsIt) {
  auto other = mesh_->transport_for(GroupId{10}, self, nullptr);
  connect_to_b();
  other->connect(members({{self, "x@a:1"}, {NodeId{4}, "y@b:1"}}));
  EXPECT_EQ(network_.attempts.size(), 1u);
  transport_.reset();
  EXPECT_NE(b().handler, nullptr);
  other.reset();
  EXPECT_EQ(b().handler, nullptr);
  EXPECT_TRUE(mesh_->links().empty());
}

TEST_F(PeerMeshTest, AMembershipThatChangesKeepsTheLinksThatBothName) {
  transport_->connect(members({{self, "a@a:1"}, {NodeId{2}, "b@b:1"}, {NodeId{3}, "c@c:1"}}));
  transport_->connect(members({{self, "a@a:1"}, {NodeId{2}, "b@b:1"}, {NodeId{4}, "d@d:1"}}));
  EXPECT_EQ(network_.attempts_at("b:1"), 1u);
  EXPECT_EQ(network_.link("c:1").handler, nullptr);
  EXPECT_NE(network_.link("d:1").handler, nullptr);
}

TEST_F(PeerMeshTest, TwoMembersAtOneAddressAreOneLink) {
  transport_->connect(members({{self, "a@a:1"}, {NodeId{2}, "b@b:1"}, {NodeId{3}, "c@b:1"}}));
  EXPECT_EQ(network_.attempts.size(), 1u);
  transport_->connect(members({{self, "a@a:1"}, {NodeId{3}, "c@b:1"}}));
  EXPECT_NE(b().handler, nullptr);
}

TEST_F(PeerMeshTest, MembersOfOneProcessReachEachOtherWithoutALink) {
  std::vector<raft::Message> got;
  auto other =
      mesh_->transport_for(group, NodeId{2}, [&](raft::Message message) { got.push_back(std::move(message)); });
  const auto both = members({{self, "a@a:1"}, {NodeId{2}, "b@a:1"}});
  transport_->connect(both);
  other->connect(both);
  transport_->send(heartbeat(NodeId{2}));
  EXPECT_TRUE(got.empty());  // not within the send
  loop_.run_posted();
  ASSERT_EQ(got.size(), 1u);
  EXPECT_EQ(got[0].from, self);
  EXPECT_TRUE(network_.attempts.empty());
}

TEST_F(PeerMeshTest, P87_AMessageToAMemberThatWentMeanwhileIsDropped) {
  int got = 0;
  auto other = mesh_->transport_for(group, NodeId{2}, [&](const raft::Message&) { ++got; });
  transport_->send(heartbeat(NodeId{2}));
  other.reset();
  loop_.run_posted();
  other = mesh_->transport_for(group, NodeId{2}, [&](const raft::Message&) { ++got; });
  transport_->send(heartbeat(NodeId{2}));
  transport_.reset();
  other.reset();
  mesh_.reset();
  loop_.run_posted();
  EXPECT_EQ(got, 0);
}

TEST_F(PeerMeshTest, ABrokenLinkIsMadeAgainAfterAPauseThatGrowsToItsBound) {
  connect_to_b();
  for (const int ms : {20, 40, 80, 160, 320, 640, 1000, 1000}) {
    b().close("refused");
    const Duration pause = pause_before_next("b:1");
    EXPECT_GE(pause, Duration::milliseconds(ms / 2)) << ms;
    EXPECT_LE(pause, Duration::milliseconds(ms + 1)) << ms;
  }
}

TEST_F(PeerMeshTest, HostsThatLoseEachOtherTogetherDoNotComeBackTogether) {
  std::vector<raft::Member> list{{self, "a@a:1"}};
  for (std::uint64_t id = 2; id < 12; ++id) list.push_back({NodeId{id}, "m@h:" + std::to_string(id)});
  transport_->connect(members(list));
  for (std::size_t i = 0; i < 10; ++i) FakeLink(*network_.attempts[i]).close("reset");
  std::size_t moments = 0;
  for (int ms = 0; ms < 21; ++ms) {
    const std::size_t before = network_.attempts.size();
    loop_.advance(Duration::milliseconds(1));
    if (network_.attempts.size() > before) ++moments;
  }
  EXPECT_EQ(network_.attempts.size(), 20u);
  EXPECT_GT(moments, 3u);
}

TEST_F(PeerMeshTest, OnlyAnAgreedHelloMakesThePausesShortAgain) {
  connect_to_b();
  for (int i = 0; i < 6; ++i) {
    b().open();  // takes the connection, and drops it
    b().close("reset");
    pause_before_next("b:1");
  }
  b().close("reset");
  EXPECT_GT(pause_before_next("b:1"), Duration::milliseconds(400));
  agree(b());
  b().close("reset");
  EXPECT_LE(pause_before_next("b:1"), Duration::milliseconds(21));
}

TEST_F(PeerMeshTest, HearingFromAMemberEndsThePauseOfItsLink) {
  connect_to_b();
  b().close("refused");
  mesh_->heard_from(group, self, NodeId{3}, {});
  mesh_->heard_from(GroupId{8}, self, NodeId{2}, {});
  EXPECT_EQ(network_.attempts.size(), 1u);
  mesh_->heard_from(group, self, NodeId{2}, {});
  EXPECT_EQ(network_.attempts.size(), 2u);
  mesh_->heard_from(group, self, NodeId{2}, {});
  loop_.advance(Duration::seconds(5));
  EXPECT_EQ(network_.attempts.size(), 2u);
  EXPECT_EQ(loop_.timers(), 0u);
}

// Found by zraft-sim --seed 634: an attempt from the time of a partition outlived it by seconds, and a follower that
// the leader could have answered asked in vain.
TEST_F(PeerMeshTest, HearingFromAMemberEndsAnAttemptThatHangs) {
  connect_to_b();
  ASSERT_EQ(network_.attempts_at("b:1"), 1U);
  loop_.advance(Duration::milliseconds(500));
  mesh_->heard_from(group, self, NodeId{2}, {});
  EXPECT_EQ(network_.attempts_at("b:1"), 1U) << "it is only slow";
  loop_.advance(Duration::seconds(1));
  mesh_->heard_from(group, self, NodeId{2}, {});
  EXPECT_EQ(network_.attempts_at("b:1"), 2U);
  mesh_->heard_from(group, self, NodeId{2}, {});
  EXPECT_EQ(network_.attempts_at("b:1"), 2U) << "the new one has its time too";
}

// It leads by a membership that this one does not have yet.
TEST_F(PeerMeshTest, WhoStandsInNoMembershipIsAnsweredWhereItSaysItIs) {
  connect_to_b();
  mesh_->heard_from(group, self, NodeId{3}, "c:1");
  agree(network_.link("c:1"));
  transport_->send(heartbeat(NodeId{3}));
  EXPECT_EQ(network_.link("c:1").sent.size(), 2u);
}

TEST_F(PeerMeshTest, WhoseHostHasMovedIsAnsweredWhereItSaysItIs) {
  connect_to_b();
  b().close("refused");
  mesh_->heard_from(group, self, NodeId{2}, "moved:1");
  agree(network_.link("moved:1"));
  transport_->send(heartbeat(NodeId{2}));
  EXPECT_EQ(network_.link("moved:1").sent.size(), 2u);
}

TEST_F(PeerMeshTest, ALinkThatIsNotNeededAnyMoreIsNotMadeAgain) {
  connect_to_b();
  b().close("refused");
  transport_->connect(members({{self, "a@a:1"}}));
  loop_.advance(Duration::seconds(5));
  EXPECT_EQ(network_.attempts.size(), 1u);
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(PeerMeshTest, MessagesForAHostThatIsDownAreDroppedAndCounted) {
  connect_to_b();
  transport_->send(heartbeat(NodeId{2}));
  b().close("refused");
  transport_->send(heartbeat(NodeId{2}));
  const LinkStatus status = mesh_->links().at(0);
  EXPECT_EQ(status.address, "b:1");
  EXPECT_EQ(status.sent, 1u);
  EXPECT_EQ(status.dropped, 1u);
  EXPECT_FALSE(status.is_up);
}

TEST_F(PeerMeshTest, W48_AQueueIsBoundedAndWhatIsTooMuchIsDropped) {
  start({.name = "me", .queue_bytes_max = 1000});
  connect_to_b();
  agree(b());
  const std::size_t before = b().sent.size();
  b().queued = 1000;
  transport_->send(heartbeat(NodeId{2}));
  EXPECT_EQ(b().sent.size(), before);
  EXPECT_EQ(mesh_->links().at(0).dropped, 1u);
  b().queued = 500;
  transport_->send(heartbeat(NodeId{2}));
  EXPECT_EQ(b().sent.size(), before + 1);
}

TEST_F(PeerMeshTest, W48_AMessageThatNoHostWouldTakeIsDropped) {
  start({.name = "me", .frame_bytes_max = 100});
  connect_to_b();
  const auto record = raft::Record::make(group, {Term{1}, {1}}, raft::EntryType::command, {}, Bytes(100, 'x'));
  transport_->send({.from = self, .to = NodeId{2}, .term = Term{3}, .body = raft::Append{.entries = {record}}});
  EXPECT_EQ(b().sent.size(), 1u);
  EXPECT_EQ(mesh_->links().at(0).dropped, 1u);
}

TEST_F(PeerMeshTest, ALinkThatBringsAnythingButOneGoodHelloIsClosed) {
  const Bytes hello = encode(Hello{.role = Hello::Role::host});
  const std::vector<std::pair<FrameKind, Bytes>> bad{
      {FrameKind::peer, hello},
      {FrameKind::hello, "not a hello"},
      {FrameKind::hello, encode(Hello{.role = Hello::Role::client})},
      {FrameKind::hello, encode(Hello{.version = 9, .version_oldest = 9, .role = Hello::Role::host})}};
  connect_to_b();
  for (const auto& [kind, body] : bad) {
    b().open();
    FakeLink& link = b();
    link.bring(kind, body);
    EXPECT_EQ(link.handler, nullptr);
    pause_before_next("b:1");
  }
  agree(b());
  FakeLink& link = b();
  link.bring(FrameKind::hello, hello);
  EXPECT_EQ(link.handler, nullptr);
}

TEST_F(PeerMeshTest, TellsOnceWhyALinkIsDownAndWhenItIsUp) {
  connect_to_b();
  for (int i = 0; i < 3; ++i) {
    b().close("refused");
    pause_before_next("b:1");
  }
  b().close("timed out");
  pause_before_next("b:1");
  agree(b());
  EXPECT_TRUE(mesh_->links().at(0).is_up);
  b().close("refused");
  EXPECT_EQ(events_,
            (std::vector<std::string>{"b:1 down: refused", "b:1 down: timed out", "b:1 up", "b:1 down: refused"}));
}

TEST_F(PeerMeshTest, AMemberWithoutAUsableAddressIsLeftOut) {
  transport_->connect(members({{self, "a@a:1"}, {NodeId{2}, "nonsense"}, {NodeId{3}, "c@c:1"}}));
  EXPECT_EQ(network_.attempts.size(), 1u);
}

// --- messages that are for nobody ---

TEST_F(PeerMeshTest, TellsOfAHostThatTurnsAMemberAwayAgainAndAgain) {
  std::vector<std::string> told;
  transport_.reset();
  mesh_.emplace(loop_, network_, MeshSettings{.name = "me"}, Random(1), nullptr,
                [&](const TurnedAwayEvent& event) { told.push_back(event.address + ": " + event.why); });
  transport_ = mesh_->transport_for(group, self, nullptr);
  connect_to_b();
  agree(b());
  const auto turn_away = [&](NodeId from) {
    b().bring(FrameKind::turned_away, encode(TurnedAway{.group = group, .from = from, .to = {2}, .why = "gone"}));
  };
  turn_away(self);
  EXPECT_TRUE(told.empty()) << "it may be just about to start";
  turn_away(self);
  turn_away(self);
  EXPECT_EQ(told, std::vector<std::string>{"b:1: gone"}) << "once";
  turn_away(NodeId{7});
  turn_away(NodeId{7});
  EXPECT_EQ(told.size(), 1U) << "that one is not from here";
  b().bring(FrameKind::turned_away, "nonsense");
  EXPECT_FALSE(mesh_->links().at(0).is_up);
}

// --- beats ---

using Woken = std::vector<PeerMesh::MemberKey>;
const Woken the_group = {{group, self}};

TEST_F(PeerMeshTest, ABeatGoesToEveryHostOnceHoweverManyGroupsThereAre) {
  start({.name = "me", .run = 5});
  connect_to_b();
  const auto other = mesh_->transport_for(GroupId{10}, self, nullptr);
  other->connect(members({{self, "a@a:1"}, {NodeId{2}, "b@b:1"}}));
  agree_as(b(), 7);
  const std::size_t before = b().sent.size();
  static_cast<void>(mesh_->beat());
  static_cast<void>(mesh_->beat());
  ASSERT_EQ(b().sent.size(), before + 2);
  EXPECT_EQ(b().sent.back().kind, FrameKind::beat);
  const auto beat = decode_beat(b().sent.back().body);
  ASSERT_TRUE(beat.has_value());
  EXPECT_EQ(beat->run, 5U);
  EXPECT_GE(beat->number, 2U);
}

TEST_F(PeerMeshTest, AMemberIsHeardWhileTheBeatsOfItsHostCome) {
  start({.name = "me", .run = 5});
  connect_to_b();
  agree_as(b(), 7);
  EXPECT_TRUE(mesh_->beat().empty());
  EXPECT_FALSE(transport_->heard(NodeId{2}).has_value()) << "no beat came yet";
  mesh_->heard_beat({.run = 7, .number = 1});
  const Instant first = loop_.now();
  EXPECT_EQ(mesh_->beat(), the_group) << "it came";
  EXPECT_EQ(transport_->heard(NodeId{2}), first);
  loop_.advance(Duration::milliseconds(200));
  EXPECT_TRUE(mesh_->beat().empty());
  mesh_->heard_beat({.run = 7, .number = 1});
  EXPECT_EQ(transport_->heard(NodeId{2}), first) << "the same beat again says nothing of now";
  loop_.advance(Duration::milliseconds(200));
  EXPECT_EQ(mesh_->beat(), the_group) << "it is lost";
  EXPECT_FALSE(transport_->heard(NodeId{2}).has_value());
  mesh_->heard_beat({.run = 7, .number = 2});
  EXPECT_EQ(mesh_->beat(), the_group) << "it is back";
}

TEST_F(PeerMeshTest, AnotherProcessAtTheSameAddressIsAnother) {
  start({.name = "me", .run = 5});
  connect_to_b();
  agree_as(b(), 7);
  mesh_->heard_beat({.run = 7, .number = 9});
  EXPECT_EQ(mesh_->beat(), the_group);
  b().close("it was started again");
  pause_before_next("b:1");
  agree_as(b(), 8);
  mesh_->heard_beat({.run = 7, .number = 10});
  mesh_->heard_beat({.run = 8, .number = 1});
  EXPECT_EQ(mesh_->beat(), the_group) << "between two looks, and yet it is seen";
  EXPECT_TRUE(mesh_->beat().empty());
}

TEST_F(PeerMeshTest, WhoLivesInThisProcessIsAlwaysHeard) {
  const auto other = mesh_->transport_for(group, NodeId{2}, nullptr);
  EXPECT_EQ(transport_->heard(NodeId{2}), loop_.now());
  EXPECT_FALSE(transport_->heard(NodeId{3}).has_value());
}

}  // namespace
}  // namespace zraft::net
