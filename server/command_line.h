// SPDX-License-Identifier: Apache-2.0
//
// What zraftd was asked to do: flags, each spelled like its setting, over a file of settings over the defaults.
#pragma once

#include <string>
#include <vector>

#include "server/settings.h"

namespace zraft::server {

struct CommandLine {
  enum class Action : std::uint8_t { run, check_config, print_config, show_help, show_version };

  Action action = Action::run;
  Settings settings;
  std::vector<std::string> problems;  // a sentence each; empty: all is well
  std::string help;
};

// `arguments` without the program's name. Reads the file that --config names.
[[nodiscard]] CommandLine parse_command_line(std::vector<std::string> arguments);

}  // namespace zraft::server
