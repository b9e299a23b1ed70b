// SPDX-License-Identifier: Apache-2.0
//
// The simulated network: order, loss, partitions, half-open links, and what the other side learns of an ending.
#include "sim/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "sim/partitions.h"

namespace zraft::sim {
namespace {

using node::FrameKind;

// One end of a link that writes down what happens to it.
class Ear : public node::LinkHandler {
 public:
  void on_open() override { heard_ += "open "; }
  void on_frame(FrameKind, const SharedBytes& body) override { heard_ += *body + " "; }
  void on_closed(const Error& why) override {
    heard_ += "closed ";
    why_ = why.text;
  }
  std::string heard_;
  std::string why_;
  std::unique_ptr<node::Link> link_;
};

class NetworkTest : public ::testing::Test {
 protected:
  NetworkTest() {
    server_ = world_.start(a_, 0);
    client_ = world_.start(b_, 0);
    network_a_ = std::make_unique<SimNetwork>(fabric_, server_, "a");
    network_b_ = std::make_unique<SimNetwork>(fabric_, client_, "b");
    auto listener = network_a_->listen("a:1", [this](std::unique_ptr<node::Link> link) {
      link->set_handler(&there_);
      there_.link_ = std::move(link);
    });
    EXPECT_TRUE(listener);
    listener_ = std::move(*listener);
  }
  void connect() {
    here_.link_ = network_b_->connect("a:1", &here_);
    run(Duration::milliseconds(50));
  }
  void run(Duration length) { world_.run_until(world_.now() + length); }
  static void send(Ear& from, FrameKind kind, const Bytes& body) {
    Pieces pieces;
    pieces.push_back(piece_of(body));
    from.link_->send(kind, std::move(pieces));
  }
  void cut(bool forth, bool back) {
    std::vector<Blocked> blocked;
    if (forth) blocked.emplace_back(b_, a_);
    if (back) blocked.emplace_back(a_, b_);
    fabric_.set_blocked(blocked);
  }

  World world_{11};
  Fabric fabric_{world_, {}};
  HostId a_ = world_.add_host("a");
  HostId b_ = world_.add_host("b");
  Process server_;
  Process client_;
  std::unique_ptr<SimNetwork> network_a_;
  std::unique_ptr<SimNetwork> network_b_;
  std::unique_ptr<node::Listener> listener_;
  Ear here_;
  Ear there_;
};

TEST_F(NetworkTest, OpensALinkAndCarriesWhatWasSentBeforeItOpened) {
  here_.link_ = network_b_->connect("a:1", &here_);
  send(here_, FrameKind::hello, "hello");
  EXPECT_EQ(here_.heard_, "");
  run(Duration::milliseconds(50));
  EXPECT_EQ(here_.heard_, "open ");
  EXPECT_EQ(there_.heard_, "hello ");
  send(there_, FrameKind::reply, "hi");
  run(Duration::milliseconds(50));
  EXPECT_EQ(here_.heard_, "open hi ");
}

TEST_F(NetworkTest, RefusesALinkToNobody) {
  here_.link_ = network_b_->connect("c:1", &here_);
  run(Duration::milliseconds(50));
  EXPECT_EQ(here_.heard_, "closed ");
  EXPECT_NE(here_.why_.find("c:1"), std::string::npos);
}

TEST_F(NetworkTest, ListensOnlyAtItsOwnAddressAndOnlyOnce) {
  const auto drop = [](std::unique_ptr<node::Link>) {};
  EXPECT_EQ(network_a_->listen("a:1", drop).error().code, Code::io);
  EXPECT_EQ(network_a_->listen("b:1", drop).error().code, Code::io);
  EXPECT_EQ(network_a_->listen("a", drop).error().code, Code::bad_request);
  listener_.reset();
  EXPECT_TRUE(network_a_->listen("a:1", drop));
}

TEST_F(NetworkTest, KeepsEverythingButPeerFramesInOrder) {
  NetworkSettings bad;
  bad.delay_mean = Duration::milliseconds(5);
  bad.tail_ppm = 100'000;
  bad.loss_ppm = 300'000;
  bad.duplicate_ppm = 300'000;
  fabric_.set_settings(bad);
  here_.link_ = network_b_->connect("a:1", &here_);
  run(Duration::seconds(3));
  std::string sent;
  for (int i = 0; i < 100; ++i) {
    send(here_, i % 2 == 0 ? FrameKind::request : FrameKind::bulk, std::to_string(i));
    sent += std::to_string(i) + " ";
  }
  run(Duration::seconds(60));
  EXPECT_EQ(there_.heard_, sent);
}

TEST_F(NetworkTest, LosesRepeatsAndReordersPeerFrames) {
  connect();
  NetworkSettings bad;
  bad.delay_mean = Duration::milliseconds(5);
  bad.loss_ppm = 200'000;
  bad.duplicate_ppm = 200'000;
  bad.late_ppm = 100'000;
  bad.replay_ppm = 100'000;
  fabric_.set_settings(bad);
  send(here_, FrameKind::hello, "hello");
  for (int i = 100; i < 300; ++i) send(here_, FrameKind::peer, std::to_string(i));
  run(Duration::seconds(60));
  EXPECT_TRUE(there_.heard_.starts_with("hello "));
  std::multiset<std::string> heard;
  std::vector<std::string> order;
  for (std::size_t at = 6; at < there_.heard_.size(); at += 4) order.push_back(there_.heard_.substr(at, 3));
  heard.insert(order.begin(), order.end());
  EXPECT_FALSE(std::is_sorted(order.begin(), order.end()));
  const std::set<std::string> once(heard.begin(), heard.end());
  EXPECT_LT(once.size(), 200U);
  EXPECT_LT(once.size(), heard.size());
  const NetworkCounts& counts = fabric_.counts();
  EXPECT_TRUE(counts.lost > 0 && counts.repeated > 0 && counts.late > 0 && counts.replayed > 0);
}

TEST_F(NetworkTest, KeepsPeerFramesInOrderWhenAskedTo) {
  NetworkSettings plain;
  plain.peer_frames_in_order = true;
  plain.loss_ppm = 500'000;
  plain.delay_mean = Duration::milliseconds(5);
  fabric_.set_settings(plain);
  connect();
  for (int i = 0; i < 9; ++i) send(here_, FrameKind::peer, std::to_string(i));
  run(Duration::seconds(1));
  EXPECT_EQ(there_.heard_, "0 1 2 3 4 5 6 7 8 ");
}

TEST_F(NetworkTest, HoldsRequestsBackWhileThePathIsCutAndLosesPeerFrames) {
  connect();
  cut(true, true);
  send(here_, FrameKind::request, "request");
  send(here_, FrameKind::peer, "peer");
  send(there_, FrameKind::reply, "reply");
  run(Duration::seconds(1));
  EXPECT_EQ(there_.heard_, "");
  EXPECT_EQ(here_.heard_, "open ");
  cut(false, false);
  run(Duration::seconds(1));
  EXPECT_EQ(there_.heard_, "request ");
  EXPECT_EQ(here_.heard_, "open reply ");
}

TEST_F(NetworkTest, CutsOneDirectionAlone) {
  connect();
  cut(true, false);
  send(here_, FrameKind::peer, "lost");
  send(there_, FrameKind::peer, "heard");
  run(Duration::seconds(1));
  EXPECT_EQ(there_.heard_, "");
  EXPECT_EQ(here_.heard_, "open heard ");
}

TEST_F(NetworkTest, GivesUpAPathThatStaysCut) {
  connect();
  cut(true, true);
  send(here_, FrameKind::request, "request");
  run(Duration::seconds(11));
  EXPECT_EQ(here_.heard_, "open closed ");
  EXPECT_EQ(there_.heard_, "");  // half-open: it learns when it sends
  cut(false, false);
  run(Duration::seconds(11));
  EXPECT_EQ(there_.heard_, "");
  send(there_, FrameKind::reply, "reply");
  run(Duration::seconds(11));
  EXPECT_EQ(there_.heard_, "closed ");
}

TEST_F(NetworkTest, CannotConnectThroughACut) {
  cut(false, true);
  here_.link_ = network_b_->connect("a:1", &here_);
  run(Duration::seconds(30));
  EXPECT_EQ(here_.heard_, "closed ");
}

TEST_F(NetworkTest, DeliversWhatWasSentBeforeALinkWasDestroyed) {
  connect();
  send(here_, FrameKind::request, "last");
  here_.link_.reset();
  run(Duration::milliseconds(50));
  EXPECT_EQ(there_.heard_, "last closed ");
  there_.link_.reset();
  EXPECT_EQ(fabric_.links(), 0U);
}

TEST_F(NetworkTest, TellsTheOtherSideOfAKilledProcessButNotOfALossOfPower) {
  connect();
  world_.kill(client_);
  fabric_.on_end(client_, Ending::killed);
  run(Duration::seconds(1));
  EXPECT_EQ(there_.heard_, "closed ");

  client_ = world_.start(b_, 0);
  network_b_ = std::make_unique<SimNetwork>(fabric_, client_, "b");
  there_.heard_.clear();
  connect();
  world_.kill(client_);
  fabric_.on_end(client_, Ending::power_lost);
  run(Duration::seconds(60));
  EXPECT_EQ(there_.heard_, "");
  send(there_, FrameKind::reply, "reply");
  run(Duration::seconds(60));
  EXPECT_EQ(there_.heard_, "closed ");
}

// 1. A host loses power. 2. Another one sends to it, and waits long for an acknowledgement. 3. The host is back, which
// ends that wait no sooner. 4. All is healed: an hour in which nobody was heard must not outlast that.
TEST_F(NetworkTest, LetsNobodyWaitLongForADeadLinkOnceAllIsHealed) {
  fabric_.set_settings({.give_up_after = Duration::seconds(3'600)});
  connect();
  world_.kill(server_);
  fabric_.on_end(server_, Ending::power_lost);
  listener_.reset();
  send(here_, FrameKind::peer, "lost");
  server_ = world_.start(a_, 0);
  fabric_.power_on(a_);
  send(here_, FrameKind::peer, "lost as well");
  run(Duration::seconds(100));
  EXPECT_EQ(here_.heard_, "open ");
  fabric_.heal({.give_up_after = Duration::seconds(1)});
  run(Duration::seconds(1));
  EXPECT_EQ(here_.heard_, "open closed ");
}

TEST_F(NetworkTest, ResetsALinkWithALongQueueOnceAllIsHealed) {
  connect();
  fabric_.set_settings({.ns_per_byte = 1'000'000});
  send(here_, FrameKind::request, Bytes(60'000, 'x'));
  run(Duration::seconds(2));
  EXPECT_EQ(here_.heard_ + there_.heard_, "open ");
  fabric_.heal({.give_up_after = Duration::seconds(1)});
  run(Duration::seconds(1));
  EXPECT_EQ(here_.heard_, "open closed ");
  EXPECT_EQ(there_.heard_, "closed ");
}

TEST_F(NetworkTest, BreaksALinkThatCarriedADamagedFrame) {
  connect();
  NetworkSettings bad;
  bad.corrupt_ppm = 1'000'000;
  fabric_.set_settings(bad);
  send(here_, FrameKind::request, "request");
  run(Duration::seconds(1));
  EXPECT_EQ(there_.heard_, "closed ");
  EXPECT_EQ(here_.heard_, "open closed ");
}

TEST_F(NetworkTest, ShowsWhatAPausedReceiverDoesNotTakeIn) {
  connect();
  world_.pause(a_, Duration::seconds(5));
  for (int i = 0; i < 10; ++i) send(here_, FrameKind::request, Bytes(20'000, 'x'));
  run(Duration::seconds(1));
  EXPECT_EQ(here_.link_->queued_bytes(), 200'000U - (64U << 10));
  run(Duration::seconds(10));
  EXPECT_EQ(here_.link_->queued_bytes(), 0U);
}

TEST_F(NetworkTest, LetsAHandlerDestroyItsLink) {
  class Suicide : public Ear {
   public:
    void on_frame(FrameKind kind, const SharedBytes& body) override {
      Ear::on_frame(kind, body);
      link_.reset();
    }
  } ear;
  connect();
  ear.link_ = std::move(here_.link_);
  ear.link_->set_handler(&ear);
  send(there_, FrameKind::reply, "one");
  send(there_, FrameKind::reply, "two");
  run(Duration::seconds(1));
  EXPECT_EQ(ear.heard_, "one ");
  EXPECT_EQ(there_.heard_, "closed ");
}

// --- shapes of partitions ---

std::vector<HostId> members(std::uint32_t size) {
  std::vector<HostId> all;
  for (std::uint32_t i = 1; i <= size; ++i) all.push_back({i});
  return all;
}

TEST(Partitions, CutSomethingAndNeverAMemberFromItself) {
  Random random(2);
  for (const std::uint32_t size : {2U, 3U, 5U, 7U}) {
    for (const Shape shape : all_shapes) {
      std::size_t most = 0;
      for (int i = 0; i < 20; ++i) {
        const auto blocked = blocked_by(shape, members(size), HostId{1}, random);
        most = std::max(most, blocked.size());
        for (const auto& [from, to] : blocked) EXPECT_NE(from, to);
      }
      const bool is_whole = shape == Shape::majority_ring && size <= 3;
      const bool is_pair = shape == Shape::chain && size == 2;
      EXPECT_EQ(most > 0, !is_whole && !is_pair) << name_of(shape) << " of " << size;
    }
  }
}

TEST(Partitions, IsolateTheLeaderInBothDirections) {
  Random random(3);
  const auto blocked = blocked_by(Shape::isolate_leader, members(3), HostId{2}, random);
  const std::vector<Blocked> expected = {{{1}, {2}}, {{2}, {1}}, {{2}, {3}}, {{3}, {2}}};
  EXPECT_EQ(blocked, expected);
}

TEST(Partitions, LeaveEachMemberOfARingAMajority) {
  Random random(4);
  for (const std::uint32_t size : {5U, 7U}) {
    const auto blocked = blocked_by(Shape::majority_ring, members(size), std::nullopt, random);
    for (const HostId one : members(size)) {
      const auto lost =
          std::count_if(blocked.begin(), blocked.end(), [&](const Blocked& link) { return link.second == one; });
      EXPECT_GT((size - static_cast<std::uint32_t>(lost)) * 2, size);
    }
  }
}

TEST(Partitions, LeaveOneBridgeThatEverybodyHears) {
  Random random(5);
  const auto blocked = blocked_by(Shape::bridge, members(5), std::nullopt, random);
  std::set<HostId> cut;
  for (const auto& [from, to] : blocked) cut.insert(from);
  EXPECT_EQ(cut.size(), 4U);
}

}  // namespace
}  // namespace zraft::sim
