// SPDX-License-Identifier: Apache-2.0
//
// Snapshots as the tests want them: with an empty file, one of less than a chunk, and one of several.
#pragma once

#include <map>
#include <string>

#include "zraft/base/checksum.h"
#include "zraft/storage/snapshot_store.h"

namespace zraft::test {

using Contents = std::map<std::string, Bytes>;

[[nodiscard]] inline raft::SnapshotMeta meta_at(std::uint64_t term, std::uint64_t index) {
  return {.last = {{term}, {index}},
          .membership = raft::membership_of({{{1}, "one@10.0.0.1:7000"}, {{2}, "two@10.0.0.2:7000"}}),
          .membership_index = {1},
          .time = {.ns = 1000}};
}

// Bytes that differ from chunk to chunk and from seed to seed.
[[nodiscard]] inline Bytes some_bytes(std::size_t size, unsigned seed) {
  Bytes bytes(size, '\0');
  for (std::size_t at = 0; at < size; ++at) bytes[at] = static_cast<char>((at * 7 + at / 997 + seed) % 251);
  return bytes;
}

[[nodiscard]] inline Contents some_contents(unsigned seed, std::size_t values = storage::snapshot_chunk_size + 5000) {
  return {{"empty", ""}, {"keys.0", some_bytes(1000 + seed, seed)}, {"values", some_bytes(values, seed)}};
}

// Writes in pieces of an odd size, in an order that is not that of the names.
[[nodiscard]] inline node::SnapshotTask task_of(Contents contents) {
  return [contents = std::move(contents)](node::SnapshotWriter& writer) -> Result<> {
    for (auto file = contents.rbegin(); file != contents.rend(); ++file) {
      if (auto begun = writer.begin(file->first); !begun) return begun;
      for (BytesView left = file->second; !left.empty();) {
        const BytesView part = left.substr(0, 700'001);
        if (auto done = writer.append(part); !done) return done;
        left.remove_prefix(part.size());
      }
    }
    return {};
  };
}

[[nodiscard]] inline storage::SnapshotManifest manifest_of(const raft::SnapshotMeta& meta, const Contents& contents) {
  storage::SnapshotManifest manifest{.group = {10}, .backend = "memory", .meta = meta, .files = {}};
  for (const auto& [name, bytes] : contents) {
    storage::SnapshotFile file{.name = name, .size = bytes.size(), .chunks = {}};
    for (std::size_t at = 0; at < bytes.size(); at += storage::snapshot_chunk_size) {
      file.chunks.push_back(crc32c(BytesView(bytes).substr(at, storage::snapshot_chunk_size)));
    }
    manifest.files.push_back(std::move(file));
  }
  return manifest;
}

[[nodiscard]] inline Result<storage::SnapshotManifest> save(storage::Files& files, const std::string& directory,
                                                            const raft::SnapshotMeta& meta, Contents contents) {
  return storage::write_snapshot(files, directory, {10}, "memory", meta, task_of(std::move(contents)));
}

// All that a machine would read; empty after an error.
[[nodiscard]] inline Contents read_all(storage::Files& files, const std::string& directory, raft::Position position) {
  Contents contents;
  auto reader = storage::open_snapshot(files, directory, position);
  if (!reader) return {};
  for (const std::string& name : (*reader)->files()) {
    auto bytes = (*reader)->read(name, 0, (*reader)->size(name).value_or(0));
    if (!bytes) return {};
    contents[name] = std::move(*bytes);
  }
  return contents;
}

// Fetches chunk by chunk what is missing, and finishes.
[[nodiscard]] inline Result<> fetch(storage::Files& files, const std::string& directory,
                                    const storage::SnapshotManifest& manifest, const Contents& contents) {
  auto incoming = storage::IncomingSnapshot::begin(files, directory, manifest);
  if (!incoming) return fail(incoming);
  for (const auto& chunk : incoming->missing()) {
    const storage::SnapshotFile& file = manifest.files[chunk.file];
    const BytesView bytes =
        BytesView(contents.at(file.name))
            .substr(chunk.number * storage::snapshot_chunk_size, storage::chunk_length(file.size, chunk.number));
    if (auto done = incoming->put(chunk, bytes); !done) return done;
  }
  return incoming->finish();
}

}  // namespace zraft::test
