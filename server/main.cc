// SPDX-License-Identifier: Apache-2.0
//
// zraftd: settings, then a host on the real seams with the built-in backends, until a signal comes or the disk fails.
// Documented in docs/zraftd.md.
#include <sys/resource.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "server/command_line.h"
#include "server/log_lines.h"
#include "zraft/host/embed.h"
#include "zraft/machines/memory_kv.h"
#include "zraft/machines/rocksdb_kv.h"

namespace {

using namespace zraft;
using server::CommandLine;

constexpr int exit_failed = 1;
constexpr int exit_settings = 2;

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

int refuse(const std::vector<std::string>& problems) {
  for (const std::string& problem : problems) std::fprintf(stderr, "zraftd: %s\n", problem.c_str());
  return exit_settings;
}

// A connection is a file, and the limit of files is often low without need. If it cannot be raised, it stays.
void raise_limit_of_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

int run(server::Settings settings) {
  // What these tell is told by the failed write as well, with a reason.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  raise_limit_of_files();

  const host::LogSink log = server::log_to_stderr(settings.log_format, settings.log_level);
  log(host::LogLevel::info, "zraftd " ZRAFT_VERSION " starts as " + settings.host.host.name);
  if (settings.host.host.sync_mode != node::SyncMode::durable) {
    log(host::LogLevel::warning, "log_sync_mode is not durable: acknowledged writes are lost when the power goes");
  }
  settings.host.host.check_laws = ZRAFT_CHECK_LAWS;
  settings.host.catch_signals = true;
  using Machine = Result<std::unique_ptr<node::StateMachine>>;
  const host::Backends backends{
      {"memory", [limits = settings.kv] { return std::make_unique<machines::MemoryKv>(limits); }},
      {"rocksdb",
       [limits = settings.kv](const host::MachinePlace& place) -> Machine {
         return machines::RocksKv::open(place.directory, limits);
       }}};
  auto started = host::EmbeddedHost::start(settings.host, backends, log);
  if (!started) {
    log(host::LogLevel::error, "zraftd does not start: " + started.error().text);
    return exit_failed;
  }
  const Result<> ended = (*started)->wait();
  if (ended) {
    log(host::LogLevel::info, "zraftd stops");
  } else {
    log(host::LogLevel::error, "zraftd ends, because its disk failed: " + ended.error().text);
  }
  (*started)->stop();
  return ended ? 0 : exit_failed;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine asked = server::parse_command_line({argv + 1, argv + argc});
  if (asked.action == CommandLine::Action::show_help) {
    print(asked.help);
    return 0;
  }
  if (asked.action == CommandLine::Action::show_version) {
    print("zraftd " ZRAFT_VERSION "\n");
    return 0;
  }
  if (!asked.problems.empty()) return refuse(asked.problems);
  switch (asked.action) {
    case CommandLine::Action::check_config: print("zraftd: the settings are well\n"); return 0;
    case CommandLine::Action::print_config: print(server::to_toml(server::in_force(asked.settings))); return 0;
    default: return run(server::in_force(std::move(asked.settings)));
  }
}
