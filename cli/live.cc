// SPDX-License-Identifier: Apache-2.0
//
// See live.h.
#include "cli/live.h"

#include <pthread.h>

#include <csignal>
#include <cstdio>
#include <utility>

#include "zraft/client/blocking.h"

namespace zraft::cli {
namespace {

// SIGUSR1 is how this process ends the thread that waits.
sigset_t awaited() {
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1}) sigaddset(&set, signal);
  return set;
}

}  // namespace

Result<std::unique_ptr<Live>> Live::open(const Command& command) {
  const sigset_t set = awaited();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  auto loop = net::AsioLoop::open();
  if (!loop) return fail(loop);
  std::unique_ptr<Live> live(new Live(std::move(*loop), command));
  live->listen_to_signals();
  return live;
}

Live::Live(std::unique_ptr<net::AsioLoop> loop, const Command& command)
    : loop_(std::move(loop)),
      network_(*loop_),
      random_(client::seed_of_the_system()),
      light_(std::make_unique<client::LightSession>(
          *loop_, network_, client::Settings{.hosts = command.hosts, .group = command.group, .name = "zraft"},
          random_.fork())) {}

Live::~Live() {
  if (signals_.joinable()) pthread_kill(signals_.native_handle(), SIGUSR1);
}

void Live::listen_to_signals() {
  signals_ = std::jthread([this] {
    const sigset_t set = awaited();
    for (int signal = 0; sigwait(&set, &signal) == 0 && signal != SIGUSR1;) {
      loop_->post([this, signal] {
        if (has_ended_) return;
        if (signal == SIGCHLD) {
          if (on_child_) on_child_();
        } else if (on_signal_) {
          on_signal_(signal);
        }
      });
    }
  });
}

Outcome Live::run() {
  loop_->run();
  return std::move(outcome_);
}

void Live::end(Outcome outcome) {
  if (std::exchange(has_ended_, true)) return;
  outcome_ = std::move(outcome);
  loop_->stop();
}

bool say_line(const std::string& line) {
  const std::string text = line + "\n";
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
}

}  // namespace zraft::cli
