// SPDX-License-Identifier: Apache-2.0
//
// A loop whose time stands still until the test moves it, and a network whose links do nothing but what the test says:
// open, bring a frame, close. What was sent is kept for the test to look at.
#pragma once

#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "test/net/join.h"
#include "zraft/node/loop.h"
#include "zraft/node/network.h"

namespace zraft::net::test {

class FakeLoop final : public node::Loop {
 public:
  [[nodiscard]] Instant now() const override { return now_; }
  void post(node::Task task) override { posted_.push_back(std::move(task)); }
  node::TimerId wake_at(Instant when, node::Task task) override {
    timers_.emplace(std::pair{std::max(when, now_), ++last_}, std::move(task));
    return {last_};
  }
  void cancel(node::TimerId timer) override {
    std::erase_if(timers_, [&](const auto& one) { return one.first.second == timer.value; });
  }

  void run_posted() {
    while (!posted_.empty()) {
      node::Task task = std::move(posted_.front());
      posted_.pop_front();
      task();
    }
  }
  void advance(Duration duration) {
    const Instant until = now_ + duration;
    run_posted();
    while (!timers_.empty() && timers_.begin()->first.first <= until) {
      auto timer = timers_.extract(timers_.begin());
      now_ = timer.key().first;
      timer.mapped()();
      run_posted();
    }
    now_ = until;
  }
  [[nodiscard]] std::size_t timers() const { return timers_.size(); }

 private:
  Instant now_{1};
  std::uint64_t last_ = 0;
  std::deque<node::Task> posted_;
  std::map<std::pair<Instant, std::uint64_t>, node::Task> timers_;
};

// One attempt to connect, which stays after the link is gone.
struct FakeLink {
  struct Sent {
    node::FrameKind kind;
    Bytes body;
  };
  std::string address;
  node::LinkHandler* handler = nullptr;  // null: the link is gone
  std::vector<Sent> sent;
  std::size_t queued = 0;

  void open() { handler->on_open(); }
  void bring(node::FrameKind kind, Bytes body) {
    handler->on_frame(kind, std::make_shared<const Bytes>(std::move(body)));
  }
  void close(const std::string& why) { handler->on_closed({Code::io, why}); }
};

class FakeNetwork final : public node::Network {
 public:
  Result<std::unique_ptr<node::Listener>> listen(const std::string& address,
                                                 std::function<void(std::unique_ptr<node::Link>)>) override {
    return fail(Code::io, address + ": this network has no listeners");
  }
  std::unique_ptr<node::Link> connect(const std::string& address, node::LinkHandler* handler) override {
    attempts.push_back(std::make_shared<FakeLink>());
    attempts.back()->address = address;
    attempts.back()->handler = handler;
    return std::make_unique<Handle>(attempts.back());
  }

  // The last attempt at that address.
  [[nodiscard]] FakeLink& link(const std::string& address) const {
    const auto found = std::ranges::find(attempts.rbegin(), attempts.rend(), address, &FakeNetwork::address_of);
    return **found;
  }
  [[nodiscard]] std::size_t attempts_at(const std::string& address) const {
    return static_cast<std::size_t>(std::ranges::count(attempts, address, &FakeNetwork::address_of));
  }

  std::vector<std::shared_ptr<FakeLink>> attempts;

 private:
  static const std::string& address_of(const std::shared_ptr<FakeLink>& link) { return link->address; }

  class Handle final : public node::Link {
   public:
    explicit Handle(std::shared_ptr<FakeLink> link) : link_(std::move(link)) {}
    ~Handle() override { link_->handler = nullptr; }
    void set_handler(node::LinkHandler* handler) override { link_->handler = handler; }
    void send(node::FrameKind kind, Pieces body) override { link_->sent.push_back({kind, join(body)}); }
    [[nodiscard]] std::size_t queued_bytes() const override { return link_->queued; }
    [[nodiscard]] std::string remote() const override { return link_->address; }

   private:
    std::shared_ptr<FakeLink> link_;
  };
};

}  // namespace zraft::net::test
