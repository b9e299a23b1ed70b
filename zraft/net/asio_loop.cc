// SPDX-License-Identifier: Apache-2.0
//
// See asio_loop.h. Posted tasks gather in an inbox; one handler of Asio empties it, so that the price of waking the
// loop is paid once for all that came meanwhile. Timers are an ordered map over one timer of Asio, which is armed for
// the earliest of them and never moved to a later instant: a deadline that is put off again and again (an election's)
// then costs a wake-up for nothing now and then, instead of a system call each time.
#include "zraft/net/asio_loop.h"

#include <asio/io_context.hpp>
#include <asio/post.hpp>
#include <asio/signal_set.hpp>
#include <asio/steady_timer.hpp>
#include <chrono>
#include <csignal>
#include <map>
#include <mutex>
#include <system_error>
#include <utility>
#include <vector>

namespace zraft::net {
namespace {

using Clock = std::chrono::steady_clock;

Instant clock_now() {
  return {std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now().time_since_epoch()).count()};
}

}  // namespace

struct AsioLoop::Impl {
  using TimerKey = std::pair<Instant, std::uint64_t>;

  void post(node::Task task);
  void run_posted();
  void arm();
  void run_timers();
  void wait_for_signal();
  void destroy_tasks();

  asio::io_context io{1};  // one thread runs it
  asio::executor_work_guard<asio::io_context::executor_type> keep_running{io.get_executor()};

  std::mutex mutex;  // guards the two that follow
  std::vector<node::Task> inbox;
  bool run_is_posted = false;

  std::map<TimerKey, node::Task> timers;
  std::map<std::uint64_t, Instant> instants;  // of the timers, by id
  std::uint64_t last_timer = 0;
  asio::steady_timer alarm{io};
  Instant alarm_at = Instant::never();

  asio::signal_set signals{io};
  std::function<void(int)> on_signal;
};

void AsioLoop::Impl::post(node::Task task) {
  const std::lock_guard lock(mutex);
  inbox.push_back(std::move(task));
  if (std::exchange(run_is_posted, true)) return;
  asio::post(io, [this] { run_posted(); });
}

void AsioLoop::Impl::run_posted() {
  std::vector<node::Task> tasks;
  {
    const std::lock_guard lock(mutex);
    tasks.swap(inbox);
    run_is_posted = false;
  }
  for (node::Task& task : tasks) {
    if (io.stopped()) return;
    std::exchange(task, nullptr)();
  }
}

void AsioLoop::Impl::arm() {
  if (timers.empty() || alarm_at <= timers.begin()->first.first) return;
  alarm_at = timers.begin()->first.first;
  alarm.expires_at(
      Clock::time_point(std::chrono::duration_cast<Clock::duration>(std::chrono::nanoseconds(alarm_at.ns))));
  alarm.async_wait([this](const std::error_code& error) {
    if (!error) run_timers();
  });
}

void AsioLoop::Impl::run_timers() {
  alarm_at = Instant::never();
  const Instant now = clock_now();
  // Those that are due now: a timer set by one of them for the past waits its turn, and the loop goes on living.
  std::vector<TimerKey> due;
  for (const auto& [key, task] : timers) {
    if (now < key.first) break;
    due.push_back(key);
  }
  for (const TimerKey& key : due) {
    if (io.stopped()) return;
    auto timer = timers.extract(key);
    if (timer.empty()) continue;  // cancelled by one before it
    instants.erase(key.second);
    timer.mapped()();
  }
  arm();
}

void AsioLoop::Impl::wait_for_signal() {
  signals.async_wait([this](const std::error_code& error, int signal) {
    if (error) return;
    on_signal(signal);
    wait_for_signal();
  });
}

// What a task owned may post, set and cancel while it goes.
void AsioLoop::Impl::destroy_tasks() {
  for (;;) {
    std::vector<node::Task> tasks;
    {
      const std::lock_guard lock(mutex);
      tasks.swap(inbox);
      run_is_posted = true;
    }
    const auto old_timers = std::exchange(timers, {});
    instants.clear();
    if (tasks.empty() && old_timers.empty()) return;
  }
}

AsioLoop::AsioLoop(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Result<std::unique_ptr<AsioLoop>> AsioLoop::open() {
  try {
    return std::unique_ptr<AsioLoop>(new AsioLoop(std::make_unique<Impl>()));
  } catch (const std::system_error& error) {
    return fail(Code::io, std::string("the system gives no event queue: ") + error.what() +
                              "; raise the limit of open files");
  }
}

AsioLoop::~AsioLoop() { impl_->destroy_tasks(); }

void AsioLoop::run() { impl_->io.run(); }

void AsioLoop::stop() { impl_->io.stop(); }

Instant AsioLoop::now() const { return clock_now(); }

void AsioLoop::post(node::Task task) { impl_->post(std::move(task)); }

node::TimerId AsioLoop::wake_at(Instant when, node::Task task) {
  const std::uint64_t id = ++impl_->last_timer;
  impl_->timers.emplace(Impl::TimerKey{when, id}, std::move(task));
  impl_->instants.emplace(id, when);
  impl_->arm();
  return {id};
}

void AsioLoop::cancel(node::TimerId timer) {
  const auto found = impl_->instants.find(timer.value);
  if (found == impl_->instants.end()) return;
  const Impl::TimerKey key{found->second, timer.value};
  impl_->instants.erase(found);
  // Gone from the map before its task is destroyed: what the task owned may call back.
  const auto cancelled = impl_->timers.extract(key);
}

Result<> AsioLoop::on_signal(std::function<void(int signal)> callback) {
  const bool is_first = impl_->on_signal == nullptr;
  impl_->on_signal = std::move(callback);
  if (!is_first) return {};
  for (const int signal : {SIGTERM, SIGINT}) {
    std::error_code error;
    impl_->signals.add(signal, error);
    if (error) return fail(Code::io, "signal " + std::to_string(signal) + " cannot be waited for: " + error.message());
  }
  impl_->wait_for_signal();
  return {};
}

void* AsioLoop::native() { return &impl_->io; }

Result<LoopThread> LoopThread::start(AsioLoop& loop) {
  try {
    return LoopThread(loop, std::thread([&loop] { loop.run(); }));
  } catch (const std::system_error& error) {
    return fail(Code::io, std::string("the system gives no thread: ") + error.what());
  }
}

LoopThread::~LoopThread() {
  if (!thread_.joinable()) return;
  loop_->stop();
  thread_.join();
}

}  // namespace zraft::net
