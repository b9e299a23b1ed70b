// SPDX-License-Identifier: Apache-2.0
//
// `zraft recover`: host/recover.h on real directories, and what it says to people.
#pragma once

#include "cli/commands.h"

namespace zraft::cli {

[[nodiscard]] Outcome run_recover(const Command& command, const Recover& recover);

}  // namespace zraft::cli
