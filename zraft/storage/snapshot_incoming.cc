// SPDX-License-Identifier: Apache-2.0
//
// Takes a snapshot in, chunk by chunk. What is known of the chunks that have come is in memory alone; after a crash the
// chunks themselves tell, by their checksums, so nothing would have to be synced before the end (P63).
#include <set>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/base/checksum.h"
#include "zraft/storage/directory.h"
#include "zraft/storage/snapshot_files.h"
#include "zraft/storage/snapshot_store.h"

namespace zraft::storage {

struct IncomingSnapshot::State {
  State(Files& the_files, std::string the_directory, SnapshotManifest the_manifest)
      : files(the_files),
        directory(std::move(the_directory)),
        path(join(directory, snapshot_name(partial_prefix, the_manifest.meta.last))),
        manifest(std::move(the_manifest)) {}

  Result<> remove_others();
  [[nodiscard]] bool is_same() const;
  Result<> start();
  Result<> go_on();
  Result<> look_at(std::size_t which);
  Result<File*> open(std::size_t which);
  Result<> find_wrong();
  Result<> sync_all();

  [[nodiscard]] std::string path_of(std::size_t which) const { return join(path, manifest.files[which].name); }

  Files& files;
  const std::string directory;
  const std::string path;
  const SnapshotManifest manifest;
  std::set<Chunk> missing;
  std::unique_ptr<File> file;  // one is open at a time: a snapshot may have more files than a process may open
  std::size_t opened = 0;      // which
};

Result<> IncomingSnapshot::State::remove_others() {
  auto names = files.list(directory);
  if (!names) return fail(names);
  const std::string own = snapshot_name(partial_prefix, manifest.meta.last);
  for (const std::string& name : *names) {
    if (name == own || !name.starts_with(partial_prefix)) continue;
    if (auto removed = remove_tree(files, join(directory, name)); !removed) return removed;
  }
  return {};
}

bool IncomingSnapshot::State::is_same() const {
  const auto there = read_manifest(files, path, manifest.meta.last);
  return there && *there == manifest;  // a manifest has one encoding
}

Result<> IncomingSnapshot::State::start() {
  if (auto removed = remove_tree(files, path); !removed) return removed;
  if (auto made = files.make_directory(path); !made) return made;
  missing.clear();
  for (std::size_t which = 0; which < manifest.files.size(); ++which) {
    if (auto made = files.open(path_of(which), OpenMode::create); !made) return fail(made);
    for (std::uint64_t chunk = 0; chunk < manifest.files[which].chunks.size(); ++chunk) missing.insert({which, chunk});
  }
  // Last, so that whatever has a manifest has all its files.
  if (auto written = write_manifest(files, path, manifest); !written) return written;
  return files.sync_directory(path);
}

Result<> IncomingSnapshot::State::go_on() {
  for (std::size_t which = 0; which < manifest.files.size(); ++which) {
    if (auto looked = look_at(which); !looked) return looked;
  }
  return {};
}

// Finds which chunks of a file are missing, and cuts what is beyond its size.
Result<> IncomingSnapshot::State::look_at(std::size_t which) {
  const SnapshotFile& about = manifest.files[which];
  auto opened_file = open(which);
  if (!opened_file) return fail(opened_file);
  auto size = (*opened_file)->size();
  if (!size) return fail(size);
  if (*size > about.size) {
    if (auto cut = (*opened_file)->truncate(about.size); !cut) return cut;
  }
  for (std::uint64_t chunk = 0; chunk < about.chunks.size(); ++chunk) {
    const auto bytes = read_chunk(**opened_file, path_of(which), about, chunk);
    if (bytes) continue;
    if (bytes.error().code != Code::corrupt) return fail(bytes);
    missing.insert({which, chunk});
  }
  return {};
}

Result<File*> IncomingSnapshot::State::open(std::size_t which) {
  if (file && opened == which) return file.get();
  auto made = files.open(path_of(which), OpenMode::read_write);
  if (!made) return fail(made);
  file = std::move(*made);
  opened = which;
  return file.get();
}

Result<> IncomingSnapshot::State::sync_all() {
  for (std::size_t which = 0; which < manifest.files.size(); ++which) {
    auto opened_file = open(which);
    if (!opened_file) return fail(opened_file);
    if (auto synced = (*opened_file)->sync(); !synced) return synced;
  }
  return files.sync_directory(path);
}

// From the disk, after the sync.
Result<> IncomingSnapshot::State::find_wrong() {
  const auto there = read_manifest(files, path, manifest.meta.last);
  if (!there && there.error().code != Code::corrupt) return fail(there);
  if (!there || *there != manifest) {
    return fail(Code::io, join(path, manifest_name) + ": it is not what was written: begin with this snapshot anew");
  }
  if (auto looked = go_on(); !looked) return looked;
  if (missing.empty()) return {};
  const Chunk first = *missing.begin();
  return fail(Code::corrupt, path_of(first.file) + " at byte " + std::to_string(first.number * snapshot_chunk_size) +
                                 ": what came is not what is there now; " + std::to_string(missing.size()) +
                                 " chunks have to come again");
}

IncomingSnapshot::IncomingSnapshot(std::unique_ptr<State> state) : state_(std::move(state)) {}
IncomingSnapshot::IncomingSnapshot(IncomingSnapshot&&) noexcept = default;
IncomingSnapshot& IncomingSnapshot::operator=(IncomingSnapshot&&) noexcept = default;
IncomingSnapshot::~IncomingSnapshot() = default;

Result<IncomingSnapshot> IncomingSnapshot::begin(Files& files, const std::string& directory,
                                                 SnapshotManifest manifest) {
  // Names become paths here: whoever made the manifest, it has to obey its laws (W-62).
  if (auto lawful = decode_manifest(encode(manifest)); !lawful) return fail(lawful);
  if (auto made = files.make_directory(directory); !made) return fail(made);
  auto state = std::make_unique<State>(files, directory, std::move(manifest));
  if (auto removed = state->remove_others(); !removed) return fail(removed);
  // What cannot be gone on with, for whatever reason, is begun anew; a disk that is broken says so there.
  if (!state->is_same() || !state->go_on()) {
    state->file.reset();
    if (auto started = state->start(); !started) return fail(started);
  }
  return IncomingSnapshot(std::move(state));
}

const SnapshotManifest& IncomingSnapshot::manifest() const { return state_->manifest; }

std::vector<IncomingSnapshot::Chunk> IncomingSnapshot::missing() const {
  return {state_->missing.begin(), state_->missing.end()};
}

Result<> IncomingSnapshot::put(Chunk chunk, BytesView bytes) {
  const auto& files = state_->manifest.files;
  if (chunk.file >= files.size() || chunk.number >= files[chunk.file].chunks.size()) {
    return fail(Code::bad_request, state_->path + ": the snapshot has no chunk " + std::to_string(chunk.number) +
                                       " in a file " + std::to_string(chunk.file));
  }
  const SnapshotFile& about = files[chunk.file];
  const std::uint64_t offset = chunk.number * snapshot_chunk_size;
  if (bytes.size() != chunk_length(about.size, chunk.number) ||
      crc32c(bytes) != about.chunks[static_cast<std::size_t>(chunk.number)]) {
    return fail(Code::corrupt, state_->path_of(chunk.file) + " at byte " + std::to_string(offset) + ": " +
                                   std::to_string(bytes.size()) + " bytes came that are not those of this chunk");
  }
  if (!state_->missing.contains(chunk)) return {};  // it came twice
  auto file = state_->open(chunk.file);
  if (!file) return fail(file);
  if (auto written = write_chunk_now(**file, offset, bytes); !written) return written;
  state_->missing.erase(chunk);
  return {};
}

Result<> IncomingSnapshot::finish() {
  CHECK(state_->missing.empty(), "a snapshot is finished when all of it has come");
  if (auto synced = state_->sync_all(); !synced) return synced;
  if (auto right = state_->find_wrong(); !right) return right;
  state_->file.reset();
  return give_name(state_->files, state_->directory, state_->path, state_->manifest.meta.last);
}

}  // namespace zraft::storage
