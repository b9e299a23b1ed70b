// SPDX-License-Identifier: Apache-2.0
//
// The real loop and the real worker: order, time, threads, signals and the end.
#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "test/net_real/real_world.h"
#include "zraft/net/asio_worker.h"

namespace zraft::net {
namespace {

using test::RealLoop;
using test::Watched;

// A loop that runs on the test's own thread until a task stops it, or the time for it is over.
class OwnLoop {
 public:
  OwnLoop() : loop_(*AsioLoop::open()) {}
  void run() {
    loop_->wake_at(loop_->now() + Duration::seconds(20), [this] {
      ADD_FAILURE() << "nobody stopped the loop";
      loop_->stop();
    });
    loop_->run();
  }
  AsioLoop* operator->() { return loop_.get(); }

 private:
  std::unique_ptr<AsioLoop> loop_;
};

TEST(AsioLoop, RunsTasksInTheOrderOfThePosts) {
  OwnLoop loop;
  std::vector<int> ran;
  loop->post([&] {
    ran.push_back(1);
    loop->post([&] {
      ran.push_back(3);
      loop->stop();
    });
  });
  loop->post([&] { ran.push_back(2); });
  EXPECT_TRUE(ran.empty());
  loop.run();
  EXPECT_EQ(ran, (std::vector<int>{1, 2, 3}));
}

TEST(AsioLoop, TakesTasksFromOtherThreadsAndRunsThemAllOnItsOwn) {
  RealLoop loop;
  Watched<int> done;
  const auto loop_thread = loop.on_loop([] { return std::this_thread::get_id(); });
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 1000; ++i) {
        loop->post([&] {
          done.change([&](int& count) { count += std::this_thread::get_id() == loop_thread ? 1 : 0; });
        });
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  done.wait([](int count) { return count == 4000; });
}

TEST(AsioLoop, RunsTimersInTheOrderOfTheirInstantsAndNeverBefore) {
  OwnLoop loop;
  const Instant start = loop->now();
  std::vector<int> ran;
  for (const int ms : {30, 10, 20}) {
    loop->wake_at(start + Duration::milliseconds(ms), [&, ms] {
      EXPECT_GE(loop->now() - start, Duration::milliseconds(ms));
      ran.push_back(ms);
      if (ms == 30) loop->stop();
    });
  }
  loop->wake_at(start - Duration::seconds(1), [&] { ran.push_back(0); });
  EXPECT_TRUE(ran.empty());
  loop.run();
  EXPECT_EQ(ran, (std::vector<int>{0, 10, 20, 30}));
}

TEST(AsioLoop, ATimerThatWasCancelledDoesNotRun) {
  OwnLoop loop;
  const Instant start = loop->now();
  std::vector<int> ran;
  const node::TimerId early = loop->wake_at(start + Duration::milliseconds(1), [&] { ran.push_back(1); });
  node::TimerId other;
  loop->wake_at(start + Duration::milliseconds(5), [&] {
    ran.push_back(2);
    loop->cancel(other);  // due at the same moment
  });
  other = loop->wake_at(start + Duration::milliseconds(5), [&] { ran.push_back(3); });
  loop->wake_at(start + Duration::milliseconds(10), [&] { loop->stop(); });
  loop->cancel(early);
  loop->cancel(early);
  loop->cancel({});
  loop->cancel({12345});
  loop.run();
  EXPECT_EQ(ran, (std::vector<int>{2}));
}

TEST(AsioLoop, ATimerForThePastThatSetsItselfAgainLeavesTimeForTheRest) {
  OwnLoop loop;
  std::function<void()> again = [&] { loop->wake_at({}, again); };
  again();
  loop->post([&] { loop->post([&] { loop->stop(); }); });
  loop.run();
}

TEST(AsioLoop, ATimerThatIsPutOffOverAndOverStillRuns) {
  OwnLoop loop;
  const Instant start = loop->now();
  node::TimerId timer;
  int put_off = 0;
  std::function<void()> put_it_off = [&] {
    loop->cancel(timer);
    timer = loop->wake_at(start + Duration::milliseconds(20), [&] { loop->stop(); });
    if (++put_off < 1000) loop->post(put_it_off);
  };
  put_it_off();
  loop.run();
  EXPECT_GE(loop->now() - start, Duration::milliseconds(20));
}

TEST(AsioLoop, NothingRunsAfterItWasStopped) {
  OwnLoop loop;
  bool ran = false;
  loop->post([&] { loop->stop(); });
  loop->post([&] { ran = true; });
  loop.run();
  EXPECT_FALSE(ran);
}

TEST(AsioLoop, P87_WhatIsLeftIsDestroyedWithTheLoopAndMayCallItMeanwhile) {
  const auto token = std::make_shared<int>(0);
  {
    auto loop = *AsioLoop::open();
    struct CallsBack {
      AsioLoop* loop;
      std::shared_ptr<int> token;
      ~CallsBack() {
        if (token == nullptr) return;
        loop->post([kept = token] {});
        loop->cancel(loop->wake_at({}, [] {}));
        loop->wake_at({}, [kept = token] {});
      }
      CallsBack(AsioLoop* its_loop, std::shared_ptr<int> its_token) : loop(its_loop), token(std::move(its_token)) {}
      CallsBack(CallsBack&&) = default;
    };
    loop->post([calls = CallsBack(loop.get(), token)] {});
    loop->wake_at(loop->now(), [calls = CallsBack(loop.get(), token)] {});
    EXPECT_GT(token.use_count(), 1);
  }
  EXPECT_EQ(token.use_count(), 1);
}

TEST(AsioLoop, TellsOfSignalsInsteadOfEndingTheProcess) {
  OwnLoop loop;
  std::vector<int> got;
  ASSERT_TRUE(loop->on_signal([&](int signal) {
    got.push_back(signal);
    if (got.size() == 2) loop->stop();
    std::raise(SIGINT);
  }));
  loop->post([] { std::raise(SIGTERM); });
  loop.run();
  EXPECT_EQ(got, (std::vector<int>{SIGTERM, SIGINT}));
}

TEST(AsioWorker, WorksElsewhereAndEndsOnTheLoop) {
  RealLoop loop;
  Watched<std::vector<std::thread::id>> ids;
  const auto note = [&] { ids.change([](auto& all) { all.push_back(std::this_thread::get_id()); }); };
  auto worker = *AsioWorker::start(*loop, 2);
  worker->run(note, note);
  const auto both = ids.wait([](const auto& all) { return all.size() == 2; });
  const auto loop_thread = loop.on_loop([] { return std::this_thread::get_id(); });
  EXPECT_NE(both[0], loop_thread);
  EXPECT_EQ(both[1], loop_thread);
}

TEST(AsioWorker, TwoThreadsWorkAtOnce) {
  RealLoop loop;
  auto worker = *AsioWorker::start(*loop, 2);
  Watched<int> here;
  const auto meet = [&] {
    here.change([](int& count) { ++count; });
    here.wait([](int count) { return count == 2; });
  };
  Watched<int> ended;
  for (int i = 0; i < 2; ++i) worker->run(meet, [&] { ended.change([](int& count) { ++count; }); });
  ended.wait([](int count) { return count == 2; });
}

TEST(AsioWorker, P90_DestroyingItWaitsForTheWorkThatRunsAndDropsTheRest) {
  RealLoop loop;
  auto worker = *AsioWorker::start(*loop, 1);
  Watched<bool> has_begun;
  std::promise<void> may_end;
  std::atomic<bool> has_ended = false;
  const auto token = std::make_shared<int>(0);
  worker->run(
      [&] {
        has_begun.change([](bool& it) { it = true; });
        may_end.get_future().wait();
        has_ended = true;
      },
      [kept = token] {});
  worker->run([kept = token] {}, [] {});
  has_begun.wait([](bool it) { return it; });
  std::thread destroyer([&] { worker.reset(); });
  may_end.set_value();
  destroyer.join();
  EXPECT_TRUE(has_ended);
  loop.on_loop([] {});
  // Whether the second work began is a matter of who came first; its tasks are gone in any case.
  EXPECT_EQ(token.use_count(), 1);
}

TEST(AsioWorker, TasksAreDestroyedOnTheLoop) {
  RealLoop loop;
  const auto loop_thread = loop.on_loop([] { return std::this_thread::get_id(); });
  Watched<std::vector<std::thread::id>> destroyed_on;
  auto token = std::shared_ptr<int>(new int(0), [&](int* it) {
    delete it;
    destroyed_on.change([](auto& all) { all.push_back(std::this_thread::get_id()); });
  });
  auto worker = *AsioWorker::start(*loop, 1);
  worker->run([kept = std::move(token)] {}, [] {});
  const auto all = destroyed_on.wait([](const auto& ids) { return !ids.empty(); });
  EXPECT_EQ(all[0], loop_thread);
}

}  // namespace
}  // namespace zraft::net
