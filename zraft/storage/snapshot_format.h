// SPDX-License-Identifier: Apache-2.0
//
// What stands beside the files of a snapshot: the manifest, in a file named `meta` (docs/snapshot_format.md, byte by
// byte). It says what the snapshot covers, and of each file its name, its size and the checksum of each of its chunks,
// so that a part of a file can be checked by itself: while it is fetched, sent, or read again years later. Members
// that write the same files at the same index have the same manifest, byte for byte (I14).
// Laws: files are sorted by name, no name twice; a name is one that a SnapshotWriter takes, and not `meta`; a file has
// as many checksums as it has chunks (an empty one has none). A manifest has one encoding.
//
//   offset  0  8 bytes  "zraftsna"               file, files stand back to back
//           8  u32  version, 1                   bytes  name
//          12  u32  chunk size, 1048576          u64    size
//          16  u64  group                        u32    checksum of each chunk
//          24  bytes  backend
//              a base, as wal_format.h says
//              u32  number of files
//              the files
//              u32  checksum of all bytes before it
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "zraft/base/result.h"
#include "zraft/raft/types.h"

namespace zraft::storage {

constexpr std::uint64_t snapshot_chunk_size = std::uint64_t{1} << 20;  // the last chunk of a file may be shorter
constexpr const char* manifest_name = "meta";
// Of an encoded one. That is enough for 16 TiB, and bounds what a length can make us read.
constexpr std::size_t manifest_bytes_max = std::size_t{64} << 20;

struct SnapshotFile {
  std::string name;
  std::uint64_t size = 0;
  std::vector<std::uint32_t> chunks;  // CRC32C of each
  friend bool operator==(const SnapshotFile&, const SnapshotFile&) = default;
};

struct SnapshotManifest {
  raft::GroupId group;
  std::string backend;  // the state machine's name; another one cannot read the files
  raft::SnapshotMeta meta;
  std::vector<SnapshotFile> files;

  [[nodiscard]] std::uint64_t bytes() const;  // of all files
  friend bool operator==(const SnapshotManifest&, const SnapshotManifest&) = default;
};

// `meta` is none. No such name leads out of its directory (W-62).
[[nodiscard]] bool is_snapshot_file_name(std::string_view name);
[[nodiscard]] constexpr std::uint64_t chunk_count(std::uint64_t size) {
  return size / snapshot_chunk_size + (size % snapshot_chunk_size == 0 ? 0 : 1);
}
// Of the chunk with that number. Requires: there is one.
[[nodiscard]] constexpr std::size_t chunk_length(std::uint64_t size, std::uint64_t chunk) {
  const std::uint64_t left = size - chunk * snapshot_chunk_size;
  return static_cast<std::size_t>(left < snapshot_chunk_size ? left : snapshot_chunk_size);
}

// Requires: the laws hold.
[[nodiscard]] Bytes encode(const SnapshotManifest& manifest);
// Total. Errors: corrupt, unsupported.
[[nodiscard]] Result<SnapshotManifest> decode_manifest(BytesView bytes);

}  // namespace zraft::storage
