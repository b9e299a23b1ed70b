// SPDX-License-Identifier: Apache-2.0
//
// What has to be done before a peer can run, and may block: its snapshots are found, its state machine is made, and
// restored from the newest snapshot that the log goes on from. RELIABILITY 2.3, rows 7 to 10; P69.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "zraft/host/catalogue.h"
#include "zraft/host/options.h"
#include "zraft/raft/core.h"
#include "zraft/session/session_machine.h"
#include "zraft/storage/file.h"
#include "zraft/storage/snapshot_format.h"

namespace zraft::host {

struct PreparedPeer {
  std::shared_ptr<session::SessionMachine> machine;
  raft::Recovered recovered;  // with the snapshot, and what the machine holds besides
  std::vector<storage::SnapshotManifest> snapshots;  // complete, oldest first
  std::vector<raft::Position> damaged;               // others, which are on the disk, and which the disk has damaged
  std::vector<std::string> story;                    // what was found and done, for people
};

// Where a machine that keeps its state on a disk does so: one directory for each peer's log.
constexpr const char* machines_directory = "machines";
[[nodiscard]] std::string machine_directory_of(raft::GroupId log);

struct PeerFiles {
  storage::Files& data;       // where machines have their directories
  storage::Files& snapshots;
};

// Blocks, on any thread. `recovered`: of the log. Errors: corrupt (what is on the disk does not fit together, or no
// snapshot can be restored; nothing was changed), unsupported, io, and what the machine says.
[[nodiscard]] Result<PreparedPeer> prepare_peer(PeerFiles files, const CatalogueEntry& entry, const Factory& factory,
                                                raft::Recovered recovered);

// Removes what belongs to that peer, as far as it goes. Blocks.
void remove_peer(PeerFiles files, const CatalogueEntry& entry);
// Removes what belongs to no peer of the catalogue: left over from peers that were destroyed. Blocks.
[[nodiscard]] Result<> remove_left_over(PeerFiles files, const Catalogue& catalogue);

}  // namespace zraft::host
