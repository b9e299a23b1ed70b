// SPDX-License-Identifier: Apache-2.0
//
// `zraft log` and `zraft snapshot`: what lies in the directories of a stopped host, and what of it is damaged. Nothing
// is changed. A host that runs is refused: what it is just writing would look damaged.
#pragma once

#include "cli/commands.h"

namespace zraft::cli {

[[nodiscard]] Outcome run_inspect(const Command& command, const Inspect& inspect);

}  // namespace zraft::cli
