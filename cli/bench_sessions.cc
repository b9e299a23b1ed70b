// SPDX-License-Identifier: Apache-2.0
//
// `zraft bench --op sessions` and `--op watch`: many sessions that only live, and many who watch one key. They share
// the connections. Of sessions an operation is one that was opened, and its latency how long that took, all being
// opened at once; an error is one that was lost or suspended later. Of watches an operation is a write, and its latency
// how long it takes from there until the last has been told.
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/bench.h"
#include "cli/latencies.h"
#include "cli/output.h"
#include "zraft/client/blocking.h"
#include "zraft/client/session.h"
#include "zraft/net/asio_loop.h"
#include "zraft/net/asio_network.h"

namespace zraft::cli {
namespace {

constexpr Duration session_timeout = Duration::seconds(10);
constexpr const char* watched_key = "watched";

class Many {
 public:
  Many(const Command& command, const Bench& bench, net::AsioLoop& loop)
      : command_(command), bench_(bench), loop_(loop), network_(loop), random_(client::seed_of_the_system()) {
    for (std::uint32_t i = 0; i < bench.connections; ++i) {
      links_.push_back(std::make_unique<client::LightSession>(
          loop_, network_, client::Settings{.hosts = command.hosts, .group = command.group, .name = "zraft bench"},
          random_.fork()));
    }
  }

  Result<BenchResult> run() {
    loop_.post([this] { bench_.op == Bench::Op::sessions ? open_all() : watch_all(); });
    loop_.run();
    if (problem_.code != Code::ok) return std::unexpected(problem_);
    const Duration took = ended_ - began_;
    return BenchResult{.operations = latencies_.count(),
                       .errors = errors_,
                       .per_second = static_cast<double>(latencies_.count()) * 1e9 / static_cast<double>(took.ns),
                       .p50 = latencies_.quantile(500'000),
                       .p90 = latencies_.quantile(900'000),
                       .p99 = latencies_.quantile(990'000),
                       .p99_9 = latencies_.quantile(999'000),
                       .longest = latencies_.longest()};
  }

 private:
  [[nodiscard]] client::LightSession& link(std::size_t number) { return *links_[number % links_.size()]; }
  void give_up(Error why) {
    problem_ = std::move(why);
    loop_.stop();
  }
  void end() {
    if (ended_ == Instant{}) ended_ = loop_.now();
    loop_.stop();
  }

  // --- sessions ---

  void open_all() {
    began_ = loop_.now();
    for (std::uint32_t n = 0; n < bench_.clients; ++n) {
      sessions_.push_back(std::make_unique<client::Session>(
          loop_, link(n), client::SessionOptions{.timeout = session_timeout, .open_timeout = Duration::seconds(60)},
          random_.fork(), [this](client::SessionState state, const Error& why) { on_state(state, why); }));
    }
  }
  void on_state(client::SessionState state, const Error& why) {
    if (state == client::SessionState::connected && latencies_.count() < bench_.clients) {
      latencies_.add(loop_.now() - began_);
      if (latencies_.count() < bench_.clients) return;
      ended_ = loop_.now();
      loop_.wake_at(loop_.now() + bench_.length, [this] { end(); });
    } else if (state == client::SessionState::closed && latencies_.count() < bench_.clients) {
      give_up(why);
    } else if (state != client::SessionState::connected) {
      ++errors_;
    }
  }

  // --- watches ---

  void watch_all() {
    for (auto& each : links_) {
      watches_.push_back(std::make_unique<client::Watches>(loop_, *each, random_.fork()));
    }
    const Bytes query = machines::encode(machines::KvQuery(machines::Get{watched_key}));
    for (std::uint32_t n = 0; n < bench_.clients; ++n) {
      watches_[n % watches_.size()]->watch({.is_persistent = true, .query = query},
                                           loop_.now() + Duration::seconds(60),
                                           [this](const client::Event& event) { on_event(event); });
    }
  }
  void on_event(const client::Event& event) {
    if (event.what == client::Event::What::closed) return give_up(event.error);
    if (++told_ < bench_.clients) return;
    const Instant now = loop_.now();
    if (began_ == Instant{}) {
      began_ = now;
    } else {
      latencies_.add(now - written_);
    }
    if (now - began_ >= bench_.length) return end();
    told_ = 0;
    written_ = now;
    link(0).propose(machines::encode(machines::KvCommand(machines::Put{watched_key, Bytes(bench_.value_bytes, 'v')})),
                    now + command_.timeout, [this](client::Outcome outcome) {
                      if (outcome.error.code != Code::ok) give_up(std::move(outcome.error));
                    });
  }

  const Command& command_;
  const Bench& bench_;
  net::AsioLoop& loop_;
  net::AsioNetwork network_;
  Random random_;
  std::vector<std::unique_ptr<client::LightSession>> links_;
  std::vector<std::unique_ptr<client::Session>> sessions_;
  std::vector<std::unique_ptr<client::Watches>> watches_;
  Latencies latencies_;
  std::uint64_t errors_ = 0;
  std::uint32_t told_ = 0;  // of the write that is under way
  Instant written_;
  Instant began_;
  Instant ended_;
  Error problem_;
};

}  // namespace

Outcome run_bench_sessions(const Command& command, const Bench& bench) {
  auto loop = net::AsioLoop::open();
  if (!loop) return {Exit::refused, {}, "zraft: " + loop.error().text + "\n"};
  const auto many = std::make_unique<Many>(command, bench, **loop);
  const auto result = many->run();
  if (!result) return {status_of(result.error().code), {}, "zraft: " + result.error().text + "\n"};
  return {Exit::done, command.format == Format::json ? bench_json(*result) : bench_table(*result), {}};
}

}  // namespace zraft::cli
