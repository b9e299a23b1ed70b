// SPDX-License-Identifier: Apache-2.0
//
// The real Loop: one thread that calls run(), Asio below it. Tasks and timers are this file's own (a task costs no
// system call, and moving a deadline costs none either); Asio does the waiting, the sockets and the signals.
// Laws: tasks run in the order of the posts of each thread; timers that are due run in the order of their instants;
// no task runs before run() or after it returned; what is left then is destroyed with the loop.
// All but post() and stop() belong to the loop's thread, or to any thread while the loop does not run.
#pragma once

#include <functional>
#include <memory>
#include <thread>

#include "zraft/base/result.h"
#include "zraft/node/loop.h"

namespace zraft::net {

class AsioLoop final : public node::Loop {
 public:
  // Errors: io, if the system has no files left for it.
  static Result<std::unique_ptr<AsioLoop>> open();
  ~AsioLoop() override;
  AsioLoop(const AsioLoop&) = delete;
  AsioLoop& operator=(const AsioLoop&) = delete;

  // Returns after stop(), of which the first call counts: a loop that was stopped does not run again.
  void run();
  void stop();  // from any thread, and from a task: those already posted may not run

  [[nodiscard]] Instant now() const override;
  void post(node::Task task) override;
  node::TimerId wake_at(Instant when, node::Task task) override;
  void cancel(node::TimerId timer) override;

  // From now on `callback` runs on the loop for each SIGTERM and SIGINT, which do not end the process any more.
  // Errors: io.
  Result<> on_signal(std::function<void(int signal)> callback);

  // The asio::io_context, for the other asio_* files: no header here names a type of Asio.
  [[nodiscard]] void* native();

 private:
  struct Impl;
  explicit AsioLoop(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

// Runs a loop on a thread of its own until it goes: then it stops the loop and waits for the thread.
class LoopThread {
 public:
  // Errors: io, if the system gives no thread.
  static Result<LoopThread> start(AsioLoop& loop);
  LoopThread(LoopThread&&) = default;
  LoopThread& operator=(LoopThread&&) = delete;
  ~LoopThread();
  [[nodiscard]] std::thread::id id() const { return thread_.get_id(); }

 private:
  LoopThread(AsioLoop& loop, std::thread thread) : loop_(&loop), thread_(std::move(thread)) {}

  AsioLoop* loop_;
  std::thread thread_;
};

}  // namespace zraft::net
