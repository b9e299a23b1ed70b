// SPDX-License-Identifier: Apache-2.0
//
// What is there, and what goes. Order of the steps, so that a crash between any two of them leaves no snapshot that
// looks damaged: a snapshot loses its name, durably, before it loses its first file.
#include "zraft/storage/snapshot_store.h"

#include <algorithm>
#include <utility>

#include "zraft/storage/directory.h"
#include "zraft/storage/snapshot_files.h"

namespace zraft::storage {
namespace {

constexpr const char* what_to_do =
    ". The disk lost or changed it after it was whole; it is not used, and is left as it is until a newer one is "
    "durable. Move it away to have a look at it later; the member goes on from an older snapshot and its log, or "
    "fetches a snapshot from its leader";

std::string damage(const std::string& path, const Error& error) {
  if (error.code == Code::unsupported) return error.text + "; it was left as it is";
  return "the snapshot " + path + " is damaged: " + error.text + what_to_do;
}

bool is_older(const SnapshotManifest& a, const SnapshotManifest& b) { return a.meta.last.index < b.meta.last.index; }

Result<> find_complete(Files& files, const std::string& directory, const std::string& name, FoundSnapshots& found) {
  const std::string path = join(directory, name);
  const auto position = parse_snapshot_name(complete_prefix, name);
  if (!position) {
    found.damaged.push_back(path + " has a name that no snapshot is given; it was left as it is. Move it away");
    return {};
  }
  auto manifest = read_complete(files, path, *position);
  if (manifest) {
    found.complete.push_back(std::move(*manifest));
    return {};
  }
  const Code code = manifest.error().code;
  if (code != Code::corrupt && code != Code::unsupported) return fail(manifest);
  found.damaged.push_back(damage(path, manifest.error()));
  if (code == Code::corrupt) found.worth_a_look.push_back(*position);
  return {};
}

// Kept if it is newer than the one that was found before.
Result<> find_partial(Files& files, const std::string& directory, const std::string& name, FoundSnapshots& found) {
  const auto position = parse_snapshot_name(partial_prefix, name);
  if (position) {
    auto manifest = read_manifest(files, join(directory, name), *position);
    if (manifest && (!found.partial || is_older(*found.partial, *manifest))) {
      const auto older = std::exchange(found.partial, std::move(*manifest));
      if (older) found.worthless.push_back(snapshot_name(partial_prefix, older->meta.last));
      return {};
    }
  }
  found.worthless.push_back(name);
  return {};
}

Result<> take_name(Files& files, const std::string& directory, raft::Position position) {
  const std::string from = join(directory, snapshot_name(complete_prefix, position));
  const std::string to = join(directory, snapshot_name(temporary_prefix, position));
  if (auto removed = remove_tree(files, to); !removed) return removed;
  return files.rename(from, to);
}

}  // namespace

Result<FoundSnapshots> look_for_snapshots(Files& files, const std::string& directory) {
  FoundSnapshots found;
  auto present = files.exists(directory);
  if (!present) return fail(present);
  if (!*present) return found;
  auto names = files.list(directory);
  if (!names) return fail(names);
  for (const std::string& name : *names) {
    Result<> done;
    if (name.starts_with(temporary_prefix)) found.worthless.push_back(name);
    if (name.starts_with(partial_prefix)) done = find_partial(files, directory, name, found);
    if (name.starts_with(complete_prefix)) done = find_complete(files, directory, name, found);
    if (!done) return fail(done);
  }
  std::ranges::sort(found.complete, is_older);
  return found;
}

Result<FoundSnapshots> find_snapshots(Files& files, const std::string& directory) {
  if (auto made = files.make_directory(directory); !made) return fail(made);
  // Scenario: 1. a snapshot gets its name, and the process is killed before that is durable  2. the next one finds it,
  // and the log before it goes  3. the power goes, and the name with it. So what is found is made durable first. And
  // what is removed must not have another name on the disk: it may be a snapshot that has just lost its own.
  if (auto synced = files.sync_directory(directory); !synced) return fail(synced);
  auto found = look_for_snapshots(files, directory);
  if (!found) return found;
  for (const std::string& name : found->worthless) {
    if (auto removed = remove_tree(files, join(directory, name)); !removed) return fail(removed);
  }
  return found;
}

Result<> verify_snapshot(Files& files, const std::string& directory, const SnapshotManifest& manifest,
                         const std::function<bool(std::size_t)>& go_on) {
  const std::string path = join(directory, snapshot_name(complete_prefix, manifest.meta.last));
  auto found = read_manifest(files, path, manifest.meta.last);
  if (!found) return fail(found);
  if (*found != manifest) return fail(Code::corrupt, join(path, manifest_name) + ": it is of another snapshot");
  return verify_files(files, path, manifest, go_on);
}

Result<> verify_chunk(Files& files, const std::string& directory, const SnapshotManifest& manifest, std::size_t file,
                      std::uint64_t chunk) {
  const SnapshotFile& about = manifest.files[file];
  const std::string path = join(join(directory, snapshot_name(complete_prefix, manifest.meta.last)), about.name);
  auto opened = open_file_of_snapshot(files, path, about.size);
  if (!opened) return fail(opened);
  if (chunk >= about.chunks.size()) return {};
  const auto bytes = read_chunk(**opened, path, about, chunk);
  return bytes ? Result<>() : fail(bytes);
}

Result<std::vector<std::shared_ptr<node::SendableFile>>> open_snapshot_to_send(Files& files,
                                                                               const std::string& directory,
                                                                               const SnapshotManifest& manifest) {
  const std::string path = join(directory, snapshot_name(complete_prefix, manifest.meta.last));
  std::vector<std::shared_ptr<node::SendableFile>> opened;
  for (const SnapshotFile& file : manifest.files) {
    const std::string name = join(path, file.name);
    if (auto looked = open_file_of_snapshot(files, name, file.size); !looked) return fail(looked);
    auto sendable = files.open_to_send(name);
    if (!sendable) return fail(sendable);
    opened.push_back(std::move(*sendable));
  }
  return opened;
}

Result<> remove_snapshot(Files& files, const std::string& directory, raft::Position position) {
  auto present = files.exists(join(directory, snapshot_name(complete_prefix, position)));
  if (!present) return fail(present);
  if (!*present) return {};
  if (auto taken = take_name(files, directory, position); !taken) return taken;
  if (auto synced = files.sync_directory(directory); !synced) return synced;
  return remove_tree(files, join(directory, snapshot_name(temporary_prefix, position)));
}

Result<> remove_all_snapshots(Files& files, const std::string& directory) {
  auto present = files.exists(directory);
  if (!present) return fail(present);
  if (!*present) return {};
  auto names = files.list(directory);
  if (!names) return fail(names);
  for (const std::string& name : *names) {
    const auto position = parse_snapshot_name(complete_prefix, name);
    if (!position) continue;
    if (auto taken = take_name(files, directory, *position); !taken) return taken;
  }
  if (auto synced = files.sync_directory(directory); !synced) return synced;
  return remove_tree(files, directory);
}

}  // namespace zraft::storage
