// SPDX-License-Identifier: Apache-2.0
//
// `zraft bench`: a closed loop. Each of the clients sends its next request when its last was answered; they share some
// sessions. What is measured is from the call to its answer, errors apart.
#pragma once

#include "cli/commands.h"

namespace zraft::cli {

[[nodiscard]] Outcome run_bench(const Command& command, const Bench& bench);
// Of the operations `sessions` and `watch`: see bench_sessions.cc.
[[nodiscard]] Outcome run_bench_sessions(const Command& command, const Bench& bench);

}  // namespace zraft::cli
