// SPDX-License-Identifier: Apache-2.0
//
// A loop and a worker that a test turns by hand: time stands still unless the test moves it, and nothing happens
// while the test does not run it.
#pragma once

#include <deque>
#include <map>
#include <utility>

#include "zraft/node/loop.h"
#include "zraft/node/worker.h"

namespace zraft::test {

class ManualLoop final : public node::Loop {
 public:
  [[nodiscard]] Instant now() const override { return now_; }
  void post(node::Task task) override { tasks_.push_back(std::move(task)); }

  node::TimerId wake_at(Instant when, node::Task task) override {
    const node::TimerId id{++timers_made_};
    timers_.emplace(std::pair(when, id.value), std::move(task));
    return id;
  }

  void cancel(node::TimerId timer) override {
    std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer.value; });
  }

  // Runs one task. False: there is none.
  bool step() {
    if (tasks_.empty()) return false;
    node::Task task = std::move(tasks_.front());
    tasks_.pop_front();
    task();
    return true;
  }

  // Runs until nothing is left to do at this moment.
  void run() {
    while (step()) {
    }
  }

  // Lets time pass, with every timer at its moment.
  void advance(Duration duration) {
    const Instant end = now_ + duration;
    run();
    while (!timers_.empty() && timers_.begin()->first.first <= end) {
      auto timer = timers_.extract(timers_.begin());
      now_ = std::max(now_, timer.key().first);
      timer.mapped()();
      run();
    }
    now_ = end;
  }

  // Time passes in which nothing is done: the process stood still.
  void pause(Duration duration) { now_ = now_ + duration; }

  [[nodiscard]] std::size_t timers() const { return timers_.size(); }

 private:
  Instant now_{1'000'000'000};
  std::deque<node::Task> tasks_;
  std::map<std::pair<Instant, std::uint64_t>, node::Task> timers_;
  std::uint64_t timers_made_ = 0;
};

// Does each work in a turn of the loop of its own, or not before release() if it is held.
class ManualWorker final : public node::Worker {
 public:
  explicit ManualWorker(node::Loop& loop) : loop_(loop) {}

  void run(node::Task work, node::Task then) override {
    held_.push_back({std::move(work), std::move(then)});
    if (!is_held_) release();
  }

  void hold() { is_held_ = true; }
  void release() {
    is_held_ = false;
    for (Work& held : std::exchange(held_, {})) {
      loop_.post([this, work = std::move(held)]() mutable {
        work.task();
        loop_.post(std::move(work.then));
      });
    }
  }
  [[nodiscard]] std::size_t held() const { return held_.size(); }

 private:
  struct Work {
    node::Task task;
    node::Task then;
  };

  node::Loop& loop_;
  std::deque<Work> held_;
  bool is_held_ = false;
};

}  // namespace zraft::test
