// SPDX-License-Identifier: Apache-2.0
//
// Does what a command asks, through the client library, and says what to print and how to end.
#pragma once

#include <string>

#include "cli/command_line.h"

namespace zraft::cli {

struct Outcome {
  Exit status = Exit::done;
  std::string out;      // for stdout
  std::string problem;  // for stderr
};

[[nodiscard]] Outcome run(const Command& command);

// Which status an error ends with.
[[nodiscard]] Exit status_of(Code code);

}  // namespace zraft::cli
