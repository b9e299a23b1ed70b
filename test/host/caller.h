// SPDX-License-Identifier: Apache-2.0
//
// The other side of a link to a host, made by hand: it sends what it is told to and keeps what comes.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "test/host/host_world.h"
#include "zraft/net/wire.h"

namespace zraft::host::test {

// The other side of a link, made by hand.
class Caller : private node::LinkHandler {
 public:
  explicit Caller(HostWorld& world)
      : world_(world),
        process_(world.world.start(world.other, 0)),
        network_(world.fabric, process_, "c1"),
        link_(network_.connect("n1:1", this)) {}
  ~Caller() override {
    link_.reset();
    world_.world.kill(process_);
    world_.fabric.on_end(process_, sim::Ending::killed);
  }
  Caller(const Caller&) = delete;
  Caller& operator=(const Caller&) = delete;

  void send(node::FrameKind kind, Bytes body) {
    if (link_ != nullptr) link_->send(kind, {piece_of(std::move(body))});
  }
  void greet(net::Hello::Role role = net::Hello::Role::client) {
    send(node::FrameKind::hello, net::encode(net::Hello{.role = role, .name = "a test"}));
  }
  void request(std::uint64_t id, net::RequestBody body) {
    send(node::FrameKind::request, net::encode(net::Request{.id = id, .timeout_ms = 5'000, .body = std::move(body)}));
  }
  void hang_up() { link_.reset(); }
  void run(Duration length = Duration::seconds(1)) { world_.run(length); }
  // The reply to that request, once it is there.
  net::Reply reply_to(std::uint64_t id) {
    for (int turn = 0; turn < 100; ++turn) {
      for (const net::Reply& reply : replies) {
        if (reply.id == id) return reply;
      }
      run(Duration::milliseconds(50));
    }
    ADD_FAILURE() << "no reply to request " << id;
    return {};
  }
  [[nodiscard]] bool is_closed() const { return link_ == nullptr; }

  std::vector<net::Reply> replies;
  std::vector<net::Hello> hellos;
  std::vector<net::TurnedAway> turned_away;
  std::vector<net::WatchEvent> events;

 private:
  void on_frame(node::FrameKind kind, const SharedBytes& body) override {
    if (kind == node::FrameKind::reply) {
      auto reply = net::decode_reply(*body);
      ASSERT_TRUE(reply.has_value());
      replies.push_back(std::move(*reply));
    } else if (kind == node::FrameKind::turned_away) {
      auto told = net::decode_turned_away(*body);
      ASSERT_TRUE(told.has_value());
      turned_away.push_back(std::move(*told));
    } else if (kind == node::FrameKind::watch_event) {
      auto event = net::decode_watch_event(*body);
      ASSERT_TRUE(event.has_value());
      events.push_back(std::move(*event));
    } else {
      ASSERT_EQ(kind, node::FrameKind::hello);
      auto hello = net::decode_hello(*body);
      ASSERT_TRUE(hello.has_value());
      hellos.push_back(std::move(*hello));
    }
  }
  void on_closed(const Error&) override { link_.reset(); }

  HostWorld& world_;
  sim::Process process_;
  sim::SimNetwork network_;
  std::unique_ptr<node::Link> link_;
};

}  // namespace zraft::host::test
