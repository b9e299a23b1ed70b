// SPDX-License-Identifier: Apache-2.0
//
// zraft-sim: runs seeds. One seed is one run of a whole cluster under faults; the same seed is the same run. Ends with
// "N passed, N failed" and exits 1 if a seed failed, after saying which command shows it again. A CHECK that fails
// ends the program, and that is said as well.
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "sim/cluster.h"
#include "sim/connectivity.h"

namespace {

using zraft::sim::Cluster;
using zraft::sim::RunResult;
using zraft::sim::Scenario;
using Clock = std::chrono::steady_clock;

constexpr const char* usage =
    "usage: zraft-sim [--seed N | --seeds A..B] [--minutes M] [--jobs N] [--membership | --sessions] [--verbose]\n"
    "       zraft-sim --connectivity [--cut N] [--verbose]\n"
    "  --seed N      one seed; with --minutes the first of many\n"
    "  --seeds A..B  all seeds from A to B\n"
    "  --minutes M   seed after seed for that long (default: one seed)\n"
    "  --jobs N      in that many processes (default 1)\n"
    "  --membership  the members change meanwhile\n"
    "  --sessions    clients have sessions, and watch\n"
    "  --connectivity  every graph of five members, undirected, and of three, directed; minutes, and a table\n"
    "  --cut N       one of them\n"
    "  --verbose     one line about each thing that happens\n";

struct Arguments {
  std::uint64_t first = 1;
  std::optional<std::uint64_t> last;  // none: until the time is over
  std::optional<std::uint64_t> minutes;
  std::uint64_t jobs = 1;
  bool has_membership = false;
  bool has_sessions = false;
  bool is_verbose = false;
  bool is_connectivity = false;
  std::optional<std::uint64_t> cut;  // none: all
};

// What many runs came to; plain, so that it goes through a pipe.
struct Totals {
  std::uint64_t passed = 0;
  std::uint64_t failed = 0;
  std::uint64_t events = 0;
  std::uint64_t faults = 0;
  std::uint64_t simulated_ns = 0;
  std::uint64_t trace_hash = 0;  // of all seeds, in any order

  void add(const Totals& other) {
    passed += other.passed;
    failed += other.failed;
    events += other.events;
    faults += other.faults;
    simulated_ns += other.simulated_ns;
    trace_hash += other.trace_hash;
  }
};

volatile std::sig_atomic_t is_running = 0;
char repeat_command[96] = "";

extern "C" void on_abort(int) {
  if (is_running == 0) return;
  const char head[] = "FAILED: a check ended the program; see it again with: ";
  static_cast<void>(!write(STDERR_FILENO, head, sizeof head - 1));
  static_cast<void>(!write(STDERR_FILENO, repeat_command, std::strlen(repeat_command)));
}

bool number(std::string_view text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  return error == std::errc{} && end == text.data() + text.size();
}

bool take_seeds(std::string_view text, Arguments& out) {
  const std::size_t dots = text.find("..");
  std::uint64_t last = 0;
  if (dots == std::string_view::npos || !number(text.substr(0, dots), out.first)) return false;
  if (!number(text.substr(dots + 2), last) || last < out.first) return false;
  out.last = last;
  return true;
}

std::optional<Arguments> parse(int argc, char** argv) {
  Arguments out;
  bool has_one_seed = false;
  for (int i = 1; i < argc; ++i) {
    const std::string_view name = argv[i];
    if (name == "--verbose") {
      out.is_verbose = true;
      continue;
    }
    if (name == "--membership") {
      out.has_membership = true;
      continue;
    }
    if (name == "--sessions") {
      out.has_sessions = true;
      continue;
    }
    if (name == "--connectivity") {
      out.is_connectivity = true;
      continue;
    }
    if (i + 1 == argc) return std::nullopt;
    const std::string_view value = argv[++i];
    std::uint64_t minutes = 0;
    if (name == "--seed" && number(value, out.first)) {
      has_one_seed = true;
    } else if (name == "--seeds" && take_seeds(value, out)) {
      continue;
    } else if (name == "--cut" && number(value, minutes)) {
      out.cut = minutes;
    } else if (name == "--minutes" && number(value, minutes)) {
      out.minutes = minutes;
    } else if (name != "--jobs" || !number(value, out.jobs) || out.jobs == 0) {
      return std::nullopt;
    }
  }
  if (has_one_seed && out.last) return std::nullopt;
  if (out.has_membership && out.has_sessions) return std::nullopt;
  if (out.cut && !out.is_connectivity) return std::nullopt;
  if (!out.minutes && !out.last) out.last = out.first;
  return out;
}

void print(const Scenario& scenario, const RunResult& result) {
  std::printf("seed %llu: %s\n", static_cast<unsigned long long>(scenario.seed), describe(scenario).c_str());
  for (const auto& [what, count] : result.counts) {
    if (count > 0) std::printf("  %-38s %12llu\n", what.c_str(), static_cast<unsigned long long>(count));
  }
  std::printf("  events %llu, simulated %.3fs, trace hash %016llx\n", static_cast<unsigned long long>(result.events),
              static_cast<double>(result.simulated.ns) / 1e9, static_cast<unsigned long long>(result.trace_hash));
}

zraft::sim::World::Narrator narrator_for(const Arguments& arguments) {
  if (!arguments.is_verbose) return {};
  return [](std::string_view line) { std::printf("%.*s\n", static_cast<int>(line.size()), line.data()); };
}

int run_connectivity(const Arguments& arguments) {
  zraft::sim::CutTable table;
  std::uint64_t passed = 0, failed = 0, events = 0;
  for (const zraft::sim::Cut& cut : zraft::sim::all_cuts()) {
    if (arguments.cut && cut.number != *arguments.cut) continue;
    std::snprintf(repeat_command, sizeof repeat_command, "zraft-sim --connectivity --cut %llu --verbose\n",
                  static_cast<unsigned long long>(cut.number));
    is_running = 1;
    const zraft::sim::CutResult result = run_cut(cut, narrator_for(arguments));
    is_running = 0;
    table.add(cut, result);
    events += result.events;
    (result.broken.empty() ? passed : failed) += 1;
    for (const std::string& law : result.broken) std::printf("BROKEN %s\n", law.c_str());
    if (!result.broken.empty()) std::printf("FAILED: see it again with: %s", repeat_command);
    std::fflush(stdout);
  }
  std::printf("%s%llu events\n%llu passed, %llu failed\n", table.text().c_str(),
              static_cast<unsigned long long>(events), static_cast<unsigned long long>(passed),
              static_cast<unsigned long long>(failed));
  return failed == 0 && passed > 0 ? 0 : 1;
}

Totals run_seed(std::uint64_t seed, const Arguments& arguments, bool is_alone) {
  const char* what = arguments.has_membership ? "--membership " : arguments.has_sessions ? "--sessions " : "";
  std::snprintf(repeat_command, sizeof repeat_command, "zraft-sim %s--seed %llu --verbose\n", what,
                static_cast<unsigned long long>(seed));
  is_running = 1;
  const Scenario scenario = arguments.has_membership ? zraft::sim::draw_membership_scenario(seed)
                            : arguments.has_sessions ? zraft::sim::draw_session_scenario(seed)
                                                     : zraft::sim::draw_scenario(seed);
  RunResult result = Cluster(scenario, narrator_for(arguments)).run();
  is_running = 0;
  if (is_alone || !result.broken.empty()) print(scenario, result);
  for (const std::string& law : result.broken) std::printf("BROKEN %s\n", law.c_str());
  const bool is_good = result.broken.empty();
  if (!is_good) std::printf("FAILED: see it again with: %s", repeat_command);
  std::fflush(stdout);
  return {.passed = is_good ? 1U : 0U,
          .failed = is_good ? 0U : 1U,
          .events = result.events,
          .faults = result.faults,
          .simulated_ns = static_cast<std::uint64_t>(result.simulated.ns),
          .trace_hash = result.trace_hash * (seed | 1)};
}

// Every `jobs`-th seed, from `first + job` on.
Totals run_share(const Arguments& arguments, std::uint64_t job) {
  const auto end = Clock::now() + std::chrono::minutes(arguments.minutes.value_or(0));
  Totals totals;
  for (std::uint64_t seed = arguments.first + job; !arguments.last || seed <= *arguments.last;
       seed += arguments.jobs) {
    if (arguments.minutes && Clock::now() >= end) break;
    totals.add(run_seed(seed, arguments, arguments.last == arguments.first));
  }
  return totals;
}

// A process for each share; one that dies counts as a failed seed.
Totals run_in_processes(const Arguments& arguments) {
  struct Child {
    pid_t pid;
    int pipe;
  };
  std::vector<Child> children;
  for (std::uint64_t job = 0; job < arguments.jobs; ++job) {
    int ends[2];
    if (pipe(ends) != 0) break;
    const pid_t pid = fork();
    if (pid == 0) {
      const Totals share = run_share(arguments, job);
      static_cast<void>(!write(ends[1], &share, sizeof share));
      _exit(0);
    }
    close(ends[1]);
    children.push_back({pid, ends[0]});
  }
  Totals totals;
  for (const Child& child : children) {
    Totals share;
    if (read(child.pipe, &share, sizeof share) != sizeof share) share = {.failed = 1};
    close(child.pipe);
    waitpid(child.pid, nullptr, 0);
    totals.add(share);
  }
  return totals;
}

}  // namespace

int main(int argc, char** argv) {
  const std::optional<Arguments> arguments = parse(argc, argv);
  if (!arguments) {
    std::fputs(usage, stderr);
    return 2;
  }
  std::signal(SIGABRT, on_abort);
  if (arguments->is_connectivity) return run_connectivity(*arguments);
  const auto start = Clock::now();
  const Totals totals = arguments->jobs == 1 ? run_share(*arguments, 0) : run_in_processes(*arguments);
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
  const double simulated = static_cast<double>(totals.simulated_ns) / 1e9;
  std::printf("%llu events, %llu faults, %.0fs simulated in %.1fs (%.0f times as fast), trace hash of all %016llx\n",
              static_cast<unsigned long long>(totals.events), static_cast<unsigned long long>(totals.faults), simulated,
              seconds, seconds > 0 ? simulated / seconds : 0.0, static_cast<unsigned long long>(totals.trace_hash));
  std::printf("%llu passed, %llu failed\n", static_cast<unsigned long long>(totals.passed),
              static_cast<unsigned long long>(totals.failed));
  return totals.failed == 0 ? 0 : 1;
}
