// SPDX-License-Identifier: Apache-2.0
//
// What `zraft watch`, `session`, `lock` and `elect` stand on: a loop on the thread of main, a client, and the signals
// that end them. What they say goes out line by line, at once.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "cli/commands.h"
#include "zraft/client/session.h"
#include "zraft/net/asio_loop.h"
#include "zraft/net/asio_network.h"

namespace zraft::cli {

class Live {
 public:
  // Errors: io. Takes the signals SIGINT, SIGTERM, SIGHUP and SIGCHLD for itself: one a process.
  static Result<std::unique_ptr<Live>> open(const Command& command);
  ~Live();
  Live(const Live&) = delete;
  Live& operator=(const Live&) = delete;

  [[nodiscard]] node::Loop& loop() { return *loop_; }
  [[nodiscard]] client::LightSession& light() { return *light_; }
  [[nodiscard]] Random fork_random() { return random_.fork(); }
  // Called on the loop, once for each signal.
  void set_on_signal(std::function<void(int)> on_signal) { on_signal_ = std::move(on_signal); }
  void set_on_child(std::function<void()> on_child) { on_child_ = std::move(on_child); }

  // Until end().
  Outcome run();
  // Requires, and for what is told within a callback: on the loop.
  void end(Outcome outcome);
  [[nodiscard]] bool has_ended() const { return has_ended_; }

 private:
  explicit Live(std::unique_ptr<net::AsioLoop> loop, const Command& command);
  void listen_to_signals();

  std::unique_ptr<net::AsioLoop> loop_;
  net::AsioNetwork network_;
  Random random_;
  std::unique_ptr<client::LightSession> light_;
  std::function<void(int)> on_signal_;
  std::function<void()> on_child_;
  Outcome outcome_;
  bool has_ended_ = false;
  std::jthread signals_;
};

// One line to stdout, and out it goes. False: nobody reads any more.
bool say_line(const std::string& line);

Outcome run_watch(const Command& command, const Watch& watch);
Outcome run_session(const Command& command, const Session& session);
Outcome run_lock(const Command& command, const Lock& lock);
Outcome run_elect(const Command& command, const Elect& elect);

}  // namespace zraft::cli
