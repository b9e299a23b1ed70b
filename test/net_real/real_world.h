// SPDX-License-Identifier: Apache-2.0
//
// What a test with real sockets needs: a loop on its own thread, calls onto it from the test's thread, and waiting for
// what must happen, with a deadline instead of a sleep. Every object of the network lives on the loop's thread.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "zraft/net/asio_network.h"

namespace zraft::net::test {

constexpr std::chrono::seconds deadline{20};

// A fact that the loop's thread changes and the test's thread waits for.
template <class T>
class Watched {
 public:
  void change(const std::function<void(T&)>& how) {
    const std::lock_guard lock(mutex_);
    how(value_);
    changed_.notify_all();
  }
  // Gives the value once `is_so` holds of it; fails the test if that does not happen in time.
  T wait(const std::function<bool(const T&)>& is_so) {
    std::unique_lock lock(mutex_);
    EXPECT_TRUE(changed_.wait_for(lock, deadline, [&] { return is_so(value_); })) << "did not happen in time";
    return value_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  T value_{};
};

class RealLoop {
 public:
  RealLoop() : loop_(*AsioLoop::open()), thread_(*LoopThread::start(*loop_)) {}
  RealLoop(const RealLoop&) = delete;
  RealLoop& operator=(const RealLoop&) = delete;

  AsioLoop& operator*() { return *loop_; }
  AsioLoop* operator->() { return loop_.get(); }

  // Runs `task` on the loop's thread and gives what it gave.
  template <class Task>
  auto on_loop(Task task) {
    std::packaged_task<std::invoke_result_t<Task>()> packaged(std::move(task));
    auto result = packaged.get_future();
    loop_->post([packaged = std::move(packaged)]() mutable { packaged(); });
    if (result.wait_for(deadline) != std::future_status::ready) {
      ADD_FAILURE() << "the loop is blocked";
      std::abort();
    }
    return result.get();
  }

 private:
  std::unique_ptr<AsioLoop> loop_;
  LoopThread thread_;  // ends first
};

// Keeps what a link told its handler.
class Recorder final : public node::LinkHandler {
 public:
  struct Told {
    bool is_open = false;
    std::vector<std::pair<node::FrameKind, SharedBytes>> frames;
    std::optional<Error> closed;
  };

  void on_open() override {
    told.change([](Told& now) { now.is_open = true; });
    if (when_open) when_open();
  }
  void on_frame(node::FrameKind kind, const SharedBytes& body) override {
    told.change([&](Told& now) { now.frames.emplace_back(kind, body); });
    if (when_frame) when_frame();
  }
  void on_closed(const Error& why) override {
    told.change([&](Told& now) { now.closed = why; });
    if (when_closed) when_closed();
  }

  void wait_open() {
    told.wait([](const Told& now) { return now.is_open; });
  }
  std::vector<std::pair<node::FrameKind, SharedBytes>> wait_frames(std::size_t count) {
    return told.wait([=](const Told& now) { return now.frames.size() >= count; }).frames;
  }
  Error wait_closed() {
    return told.wait([](const Told& now) { return now.closed.has_value(); }).closed.value_or(Error{});
  }

  Watched<Told> told;
  std::function<void()> when_open;
  std::function<void()> when_frame;
  std::function<void()> when_closed;
};

// A socket of the system's own kind, blocking, for what no link would do.
class RawSocket {
 public:
  RawSocket();
  explicit RawSocket(const std::string& address) : RawSocket() { connect(address); }
  ~RawSocket() { close(); }
  RawSocket(const RawSocket&) = delete;
  RawSocket& operator=(const RawSocket&) = delete;

  void connect(const std::string& address);
  void send(BytesView bytes);
  // Up to `size` bytes, fewer only at the end of the stream.
  Bytes receive(std::size_t size);
  // Waits for the other side to close; what it sent before is thrown away.
  void wait_for_end();
  void close();

 private:
  int handle_;
};

// Listens, but takes no connection out of its queue, and the queue is full: the kernel lets new ones wait.
class FullListener {
 public:
  FullListener();
  ~FullListener();
  FullListener(const FullListener&) = delete;
  FullListener& operator=(const FullListener&) = delete;
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  int handle_;
  std::string address_;
  RawSocket filler_;
};

}  // namespace zraft::net::test
