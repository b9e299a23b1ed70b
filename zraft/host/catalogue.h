// SPDX-License-Identifier: Apache-2.0
//
// Which peers this host runs: one small file, replaced as a whole, so that after a crash there is the old list or the
// new one. A group is created when it stands here; what the log holds of a group that does not is left over from a
// creation that did not finish. Layout: docs/log_format.md, "The catalogue".
#pragma once

#include <string>
#include <vector>

#include "zraft/base/result.h"
#include "zraft/raft/types.h"
#include "zraft/storage/file.h"

namespace zraft::host {

struct CatalogueEntry {
  std::string group;
  raft::GroupId group_id;
  std::string backend;
  raft::NodeId self;
  std::string peer;      // as it was named at creation
  raft::GroupId log;     // what the shared log calls it; random, never used again
  bool is_removed = false;  // it is a member no more: its data is kept, and it is not run
  friend bool operator==(const CatalogueEntry&, const CatalogueEntry&) = default;
};

using Catalogue = std::vector<CatalogueEntry>;

[[nodiscard]] Bytes encode(const Catalogue& catalogue);
[[nodiscard]] Result<Catalogue> decode_catalogue(BytesView bytes);

// An absent file is an empty catalogue. Blocking.
[[nodiscard]] Result<Catalogue> read_catalogue(storage::Files& files);
[[nodiscard]] Result<> write_catalogue(storage::Files& files, const Bytes& encoded);

// A host has at most so many shards, each with a catalogue and a log.
constexpr std::size_t shards_max = 64;

// Where a shard has its files, within the directories of its host: the first one has no directory of its own.
[[nodiscard]] std::string directory_of_shard(std::size_t number);

}  // namespace zraft::host
