// SPDX-License-Identifier: Apache-2.0
//
// See asio_worker.h: a queue, a lock and threads.
#include "zraft/net/asio_worker.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace zraft::net {

struct AsioWorker::Impl {
  struct Job {
    node::Task work;
    node::Task then;
  };

  explicit Impl(node::Loop& its_loop) : loop(its_loop) {}
  ~Impl();
  void work_until_stopped();

  node::Loop& loop;
  std::mutex mutex;  // guards the three that follow
  std::condition_variable changed;
  std::deque<Job> jobs;
  bool is_stopping = false;
  std::vector<std::thread> threads;
};

void AsioWorker::Impl::work_until_stopped() {
  for (;;) {
    Job job;
    {
      std::unique_lock lock(mutex);
      changed.wait(lock, [this] { return is_stopping || !jobs.empty(); });
      if (is_stopping) return;
      job = std::move(jobs.front());
      jobs.pop_front();
    }
    job.work();
    loop.post([job = std::move(job)]() mutable { job.then(); });
  }
}

AsioWorker::Impl::~Impl() {
  {
    const std::lock_guard lock(mutex);
    is_stopping = true;
  }
  changed.notify_all();
  for (std::thread& thread : threads) thread.join();
}

AsioWorker::AsioWorker(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
AsioWorker::~AsioWorker() = default;

Result<std::unique_ptr<AsioWorker>> AsioWorker::start(node::Loop& loop, std::size_t threads) {
  auto impl = std::make_unique<Impl>(loop);
  try {
    for (std::size_t i = 0; i < threads; ++i) {
      impl->threads.emplace_back([pool = impl.get()] { pool->work_until_stopped(); });
    }
  } catch (const std::system_error& error) {
    return fail(Code::io, std::string("the system gives no thread: ") + error.what());
  }
  return std::unique_ptr<AsioWorker>(new AsioWorker(std::move(impl)));
}

void AsioWorker::run(node::Task work, node::Task then) {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->jobs.push_back({std::move(work), std::move(then)});
  }
  impl_->changed.notify_one();
}

}  // namespace zraft::net
