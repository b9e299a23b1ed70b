// SPDX-License-Identifier: Apache-2.0
//
// See peer_start.h.
#include "zraft/host/peer_start.h"

#include <algorithm>
#include <utility>

#include "zraft/host/peer_snapshots.h"
#include "zraft/node/guarded.h"
#include "zraft/storage/directory.h"

namespace zraft::host {
namespace {

std::string name_of(const storage::SnapshotManifest& manifest) {
  return "the snapshot up to index " + std::to_string(manifest.meta.last.index.value);
}

// A group that never had one has no directory.
Result<> find(storage::Files& files, const std::string& directory, PreparedPeer& peer) {
  const auto is_there = files.exists(directory);
  if (!is_there) return fail(is_there);
  if (!*is_there) return {};
  auto found = storage::find_snapshots(files, directory);
  if (!found) return fail(found);
  peer.snapshots = std::move(found->complete);
  peer.damaged = std::move(found->worth_a_look);
  peer.story = std::move(found->damaged);
  return {};
}

Result<> restore(storage::Files& files, const std::string& directory, const storage::SnapshotManifest& manifest,
                 node::Machine& machine) {
  auto reader = storage::open_snapshot(files, directory, manifest.meta.last);
  if (!reader) return fail(reader);
  return node::guarded([&] { return machine.restore(**reader); });
}

// Row 7: one that cannot be restored is passed over, if the log goes back to the one before it.
Result<> restore_newest(storage::Files& files, const std::string& directory, const CatalogueEntry& entry,
                        PreparedPeer& peer) {
  const raft::Index held = peer.machine->durable();
  const raft::Index base = peer.recovered.base.last.index;
  std::string why;
  // One that is passed over counts no more: it is offered to nobody, and takes no other one's place.
  for (; !peer.snapshots.empty(); peer.snapshots.pop_back()) {
    const storage::SnapshotManifest* manifest = &peer.snapshots.back();
    if (manifest->meta.last.index < base) break;
    if (manifest->group != entry.group_id || manifest->backend != entry.backend) {
      why = name_of(*manifest) + " is of another group or backend";
    } else if (manifest->meta.last.index <= held) {
      peer.recovered.snapshot = manifest->meta;
      peer.recovered.applied = held;
      return {};
    } else if (Result<> restored = restore(files, directory, *manifest, *peer.machine); !restored) {
      why = name_of(*manifest) + " cannot be restored: " + restored.error().text;
      if (restored.error().code == Code::corrupt) peer.damaged.push_back(manifest->meta.last);
    } else {
      peer.recovered.snapshot = manifest->meta;
      return {};
    }
    peer.story.push_back(why);
  }
  if (base == raft::Index{}) {
    peer.recovered.applied = held;
    return {};
  }
  return fail(Code::corrupt,
              "the group " + entry.group + ": its log begins behind index " + std::to_string(base.value) +
                  ", and no snapshot brings the state machine there" + (why.empty() ? "" : " (" + why + ")") +
                  ". Nothing was changed. Bring the files of " + directory +
                  " back, or remove this member from its group and start it anew as another one");
}

Result<> remove_tree(storage::Files& files, const std::string& path) {
  if (const auto names = files.list(path)) {
    for (const std::string& name : *names) {
      if (Result<> removed = remove_tree(files, storage::join(path, name)); !removed) return removed;
    }
  }
  return files.remove(path);
}

Result<> remove_if_there(storage::Files& files, const std::string& path) {
  const auto is_there = files.exists(path);
  if (!is_there) return fail(is_there);
  return *is_there ? remove_tree(files, path) : Result<>();
}

Result<> remove_others(storage::Files& files, const std::string& directory, const Catalogue& catalogue) {
  const auto is_there = files.exists(directory);
  if (!is_there) return fail(is_there);
  if (!*is_there) return {};
  const auto names = files.list(directory);
  if (!names) return fail(names);
  for (const std::string& name : *names) {
    const bool is_known = std::ranges::any_of(
        catalogue, [&](const CatalogueEntry& entry) { return storage::hex(entry.log.value) == name; });
    if (is_known) continue;
    if (Result<> removed = remove_tree(files, storage::join(directory, name)); !removed) return removed;
  }
  return {};
}

}  // namespace

std::string machine_directory_of(raft::GroupId log) {
  return storage::join(machines_directory, storage::hex(log.value));
}

Result<PreparedPeer> prepare_peer(PeerFiles files, const CatalogueEntry& entry, const Factory& factory,
                                  raft::Recovered recovered) {
  PreparedPeer peer{.machine = nullptr, .recovered = std::move(recovered), .snapshots = {}, .damaged = {},
                    .story = {}};
  const std::string directory = snapshot_directory_of(entry.log);
  if (Result<> found = find(files.snapshots, directory, peer); !found) return fail(found);
  const auto place = files.data.system_path(machine_directory_of(entry.log));
  auto machine = factory.make({.directory = place.value_or("")});
  if (!machine) return fail(machine.error().code, "the group " + entry.group + ": " + machine.error().text);
  auto with_sessions = session::SessionMachine::open(std::move(*machine));
  if (!with_sessions) {
    return fail(with_sessions.error().code, "the group " + entry.group + ": " + with_sessions.error().text);
  }
  peer.machine = std::move(*with_sessions);
  if (Result<> restored = restore_newest(files.snapshots, directory, entry, peer); !restored) return fail(restored);
  if (Result<> good = raft::check(peer.recovered); !good) {
    return fail(good.error().code, "the group " + entry.group + ": " + good.error().text);
  }
  return peer;
}

void remove_peer(PeerFiles files, const CatalogueEntry& entry) {
  static_cast<void>(remove_if_there(files.snapshots, snapshot_directory_of(entry.log)));
  static_cast<void>(remove_if_there(files.data, machine_directory_of(entry.log)));
}

Result<> remove_left_over(PeerFiles files, const Catalogue& catalogue) {
  if (Result<> removed = remove_others(files.snapshots, snapshots_directory, catalogue); !removed) return removed;
  return remove_others(files.data, machines_directory, catalogue);
}

}  // namespace zraft::host
