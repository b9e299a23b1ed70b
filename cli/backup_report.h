// SPDX-License-Identifier: Apache-2.0
//
// What is printed of backups, and of a group that is made of one: tables for people and JSON for programs, of the same
// things. Text in, text out.
#pragma once

#include <string>
#include <vector>

#include "cli/backup_format.h"
#include "zraft/base/result.h"
#include "zraft/raft/types.h"

namespace zraft::cli {

// What `zraft restore` would do, or did.
struct Restoration {
  std::string file;
  std::uint64_t bytes = 0;  // of it
  BackupHeader header;
  std::string group;        // the new one
  raft::GroupId group_id;   // 0: it was only looked
  struct Peer {
    std::string name;
    Error problem;  // why it cannot be one; code ok: it can, or is
  };
  std::vector<Peer> peers;  // the first is sent the state
};

// `bytes`: of the file.
[[nodiscard]] std::string backup_table(const BackupHeader& header, std::uint64_t bytes);
// `peer`: whom it was taken from; empty: not known.
[[nodiscard]] std::string backup_json(const BackupHeader& header, const std::string& file, const std::string& peer,
                                      std::uint64_t bytes);
[[nodiscard]] std::string restoration_text(const Restoration& restoration);
[[nodiscard]] std::string restoration_json(const Restoration& restoration);

}  // namespace zraft::cli
