// SPDX-License-Identifier: Apache-2.0
//
// zraft: words in, text and an exit status out.
#include <csignal>
#include <cstdio>
#include <string>
#include <variant>
#include <vector>

#include "cli/commands.h"

namespace {

using namespace zraft;

zraft::Bytes read_stdin() {
  Bytes all;
  char part[65'536];
  while (const std::size_t count = std::fread(part, 1, sizeof part, stdin)) all.append(part, count);
  return all;
}

int end(const cli::Outcome& outcome) {
  const bool is_printed = std::fwrite(outcome.out.data(), 1, outcome.out.size(), stdout) == outcome.out.size();
  const bool is_flushed = std::fflush(stdout) == 0;
  std::fputs(outcome.problem.c_str(), stderr);
  if (!is_printed || !is_flushed) {
    std::perror("zraft: what was found cannot be printed");
    return static_cast<int>(cli::Exit::refused);
  }
  return static_cast<int>(outcome.status);
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a write to a connection or a pipe that is gone fails, and says so
  const auto asked = cli::parse({argv + 1, argv + argc}, ZRAFT_VERSION, read_stdin);
  if (const auto* instead = std::get_if<cli::Instead>(&asked)) {
    const bool is_asked_for = instead->status == cli::Exit::done;
    return end({instead->status, is_asked_for ? instead->text : "", is_asked_for ? "" : instead->text});
  }
  return end(cli::run(std::get<cli::Command>(asked)));
}
