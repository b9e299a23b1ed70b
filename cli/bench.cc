// SPDX-License-Identifier: Apache-2.0
//
// All on one loop, in the thread of main: what is to be measured are the nodes. Before the clock starts, each key is
// written once if it is to be read.
#include "cli/bench.h"

#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/latencies.h"
#include "cli/output.h"
#include "zraft/client/blocking.h"
#include "zraft/net/asio_loop.h"
#include "zraft/net/asio_network.h"

namespace zraft::cli {
namespace {

constexpr std::uint32_t mixed_put_ppm = 100'000;

Bytes key_of(std::uint64_t number) {
  char text[32];
  std::snprintf(text, sizeof text, "key%08llu", static_cast<unsigned long long>(number));
  return text;
}

class Load {
 public:
  Load(const Command& command, const Bench& bench, net::AsioLoop& loop)
      : command_(command), bench_(bench), loop_(loop), network_(loop), random_(client::seed_of_the_system()) {
    for (std::uint32_t i = 0; i < bench.connections; ++i) {
      sessions_.push_back(std::make_unique<client::LightSession>(
          loop_, network_, client::Settings{.hosts = command.hosts, .group = command.group, .name = "zraft bench"},
          random_.fork()));
    }
    value_.reserve(bench.value_bytes);
    while (value_.size() < bench.value_bytes) value_ += static_cast<char>('a' + random_.below(26));
  }

  // Runs until the end of the measured time, or until the first write shows that it makes no sense.
  Result<BenchResult> run() {
    loop_.post([this] { bench_.op == Bench::Op::put ? probe() : fill(); });
    loop_.run();
    if (problem_.code != Code::ok) return std::unexpected(problem_);
    const Duration took = measured_.end - measured_.begin;
    return BenchResult{
        .operations = measured_.latencies.count(),
        .errors = measured_.errors,
        .per_second = static_cast<double>(measured_.latencies.count()) * 1e9 / static_cast<double>(took.ns),
        .p50 = measured_.latencies.quantile(500'000),
        .p90 = measured_.latencies.quantile(900'000),
        .p99 = measured_.latencies.quantile(990'000),
        .p99_9 = measured_.latencies.quantile(999'000),
        .longest = measured_.latencies.longest()};
  }

 private:
  void propose(std::size_t client, std::uint64_t key, client::Done done) {
    sessions_[client % sessions_.size()]->propose(
        machines::encode(machines::KvCommand(machines::Put{key_of(key), value_})), loop_.now() + command_.timeout,
        std::move(done));
  }

  // One write, so that a group that is not there is said once and at once.
  void probe() {
    propose(0, 0, [this](client::Outcome outcome) {
      if (!is_good(outcome)) return give_up(std::move(outcome.error));
      begin();
    });
  }

  // As many at once as there are clients.
  void fill() {
    for (std::size_t client = 0; client < bench_.clients && fill_.next < bench_.keys; ++client) fill_next(client);
  }
  void fill_next(std::size_t client) {
    if (fill_.next == bench_.keys) {
      if (fill_.under_way == 0 && problem_.code == Code::ok) begin();
      return;
    }
    ++fill_.under_way;
    propose(client, fill_.next++, [this, client](client::Outcome outcome) {
      --fill_.under_way;
      if (!is_good(outcome)) return give_up(std::move(outcome.error));
      fill_next(client);
    });
  }

  // The answer of the state machine may be a refusal, as of a value that is too large.
  static bool is_good(client::Outcome& outcome) {
    if (outcome.error.code != Code::ok) return false;
    const auto answer = machines::decode_outcome(outcome.data);
    if (!answer) {
      outcome.error = {Code::unsupported, "the group does not answer like a key-value store: its backend is another"};
    } else if (const auto* refused = std::get_if<machines::Refused>(&*answer)) {
      outcome.error = refused->error;
    }
    return outcome.error.code == Code::ok;
  }

  void give_up(Error why) {
    problem_ = std::move(why);
    loop_.stop();
  }

  void begin() {
    measured_.begin = loop_.now();
    loop_.wake_at(measured_.begin + bench_.length, [this] {
      measured_.end = loop_.now();
      loop_.stop();
    });
    for (std::size_t client = 0; client < bench_.clients; ++client) next(client);
  }

  void next(std::size_t client) {
    const Instant sent = loop_.now();
    const std::uint64_t key = random_.below(bench_.keys);
    client::Done done = [this, client, sent](const client::Outcome& outcome) {
      if (outcome.error.code == Code::ok) {
        measured_.latencies.add(loop_.now() - sent);
      } else {
        ++measured_.errors;
      }
      next(client);
    };
    const bool is_put = bench_.op == Bench::Op::put || (bench_.op == Bench::Op::mixed && random_.chance(mixed_put_ppm));
    if (is_put) return propose(client, key, std::move(done));
    sessions_[client % sessions_.size()]->query(machines::encode(machines::KvQuery(machines::Get{key_of(key)})),
                                                net::Consistency::linearizable, loop_.now() + command_.timeout,
                                                std::move(done));
  }

  const Command& command_;
  const Bench& bench_;
  net::AsioLoop& loop_;
  net::AsioNetwork network_;
  Random random_;
  std::vector<std::unique_ptr<client::LightSession>> sessions_;
  Bytes value_;
  struct {
    std::uint64_t next = 0;  // key
    std::size_t under_way = 0;
  } fill_;
  struct {
    Instant begin;
    Instant end;
    Latencies latencies;
    std::uint64_t errors = 0;
  } measured_;
  Error problem_;
};

}  // namespace

Outcome run_bench(const Command& command, const Bench& bench) {
  auto loop = net::AsioLoop::open();
  if (!loop) return {Exit::refused, {}, "zraft: " + loop.error().text + "\n"};
  // Not on the stack: the histogram is large.
  const auto load = std::make_unique<Load>(command, bench, **loop);
  const auto result = load->run();
  if (!result) return {status_of(result.error().code), {}, "zraft: " + result.error().text + "\n"};
  return {Exit::done, command.format == Format::json ? bench_json(*result) : bench_table(*result), {}};
}

}  // namespace zraft::cli
