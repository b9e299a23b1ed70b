// SPDX-License-Identifier: Apache-2.0
//
// `zraft restore`: a new group out of a backup. The first peer's host is sent the state, and the other members get it
// from that one, as any member that is behind.
#pragma once

#include "cli/commands.h"

namespace zraft::cli {

[[nodiscard]] Outcome run_restore(const Command& command, const Restore& restore);

}  // namespace zraft::cli
