// SPDX-License-Identifier: Apache-2.0
//
// A snapshot once more, for a group that goes on under another id. Its files are never changed, so a second name for
// each will do, where the file system gives it; what is new is the manifest.
#include <utility>

#include "zraft/storage/directory.h"
#include "zraft/storage/snapshot_files.h"
#include "zraft/storage/snapshot_store.h"

namespace zraft::storage {
namespace {

Result<> copy_bytes(Files& files, const std::string& from, const std::string& to, const SnapshotFile& about) {
  auto source = open_file_of_snapshot(files, from, about.size);
  if (!source) return fail(source);
  auto copy = files.open(to, OpenMode::create);
  if (!copy) return fail(copy);
  for (std::uint64_t chunk = 0; chunk < about.chunks.size(); ++chunk) {
    auto bytes = read_chunk(**source, from, about, chunk);
    if (!bytes) return fail(bytes);
    if (auto done = write_chunk_now(**copy, chunk * snapshot_chunk_size, *bytes); !done) return done;
  }
  return (*copy)->sync();
}

// Everything but its name.
Result<> fill(Files& files, const std::string& from, const std::string& to, const SnapshotManifest& manifest) {
  if (auto made = files.make_directory(to); !made) return made;
  for (const SnapshotFile& file : manifest.files) {
    const std::string old_name = join(from, file.name);
    const std::string new_name = join(to, file.name);
    // Not every file system has links; one that is broken says so at the copy too.
    if (files.link(old_name, new_name)) continue;
    if (auto copied = copy_bytes(files, old_name, new_name, file); !copied) return copied;
  }
  if (auto written = write_manifest(files, to, manifest); !written) return written;
  if (auto synced = files.sync_directory(to); !synced) return synced;
  auto again = read_manifest(files, to, manifest.meta.last);
  if (!again) return fail(again);
  if (*again != manifest) return fail(Code::corrupt, to + ": its manifest is not what was written");
  return verify_files(files, to, manifest, nullptr);
}

}  // namespace

Result<> copy_snapshot(Files& files, const std::string& from, SnapshotManifest manifest, const std::string& to,
                       raft::GroupId new_group) {
  const raft::Position position = manifest.meta.last;
  manifest.group = new_group;
  if (auto made = files.make_directory(to); !made) return made;
  const std::string path = join(to, snapshot_name(temporary_prefix, position));
  if (auto removed = remove_tree(files, path); !removed) return removed;
  auto done = fill(files, join(from, snapshot_name(complete_prefix, position)), path, manifest);
  if (done) done = give_name(files, to, path, position);
  if (!done) (void)remove_tree(files, path);
  return done;
}

}  // namespace zraft::storage
