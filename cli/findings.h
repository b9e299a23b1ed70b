// SPDX-License-Identifier: Apache-2.0
//
// What `zraft log` and `zraft snapshot` find in the directories of a stopped host, and how it is printed: text for
// people, JSON for programs, of the same things.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "zraft/host/recover.h"
#include "zraft/storage/recovery.h"
#include "zraft/storage/snapshot_store.h"

namespace zraft::cli {

// Of one shard.
struct LogFindings {
  std::string directory;
  host::Catalogue catalogue;
  storage::InspectedLog log;         // as far as it can be read
  std::vector<std::string> damages;  // sentences, with file and offset; empty: all is right
};

struct SnapshotFinding {
  enum class State { complete, partial, damaged };
  std::string group;  // as the catalogue names it; empty: it is left over from one that is gone
  std::string peer;
  std::string path;  // of the snapshot or, where only the damage knows it, of the directory of the peer's
  State state = State::complete;
  std::optional<storage::SnapshotManifest> manifest;  // nothing: it cannot be read
  std::string damage;                                 // a sentence
};

// Segments, groups and entries; of the groups only that of the name, if it is not empty. JSON: a line for each.
[[nodiscard]] std::string dump_text(const std::vector<LogFindings>& found, const std::string& group);
[[nodiscard]] std::string dump_json(const std::vector<LogFindings>& found, const std::string& group);
// What was looked at, in one table or one line of JSON.
[[nodiscard]] std::string logs_text(const std::vector<LogFindings>& found);
[[nodiscard]] std::string logs_json(const std::vector<LogFindings>& found);
[[nodiscard]] std::string snapshots_text(const std::vector<SnapshotFinding>& found);
[[nodiscard]] std::string snapshots_json(const std::vector<SnapshotFinding>& found);

}  // namespace zraft::cli
