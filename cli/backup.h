// SPDX-License-Identifier: Apache-2.0
//
// `zraft backup`: a snapshot of a group, written now by one of its members, as one file here; and what such a file is.
#pragma once

#include "cli/commands.h"

namespace zraft::cli {

[[nodiscard]] Outcome run_backup(const Command& command, const Backup& backup);
[[nodiscard]] Outcome run_backup_inspect(const Command& command, const BackupInspect& inspect);

}  // namespace zraft::cli
