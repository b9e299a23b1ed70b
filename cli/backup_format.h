// SPDX-License-Identifier: Apache-2.0
//
// A backup is one file: whose state it is, the manifest of a snapshot, and the bytes of the snapshot's files, each
// chunk compressed by itself (docs/backup_format.md, byte by byte). Every byte stands under a checksum, and every chunk
// is compared with the manifest's besides. The decoders are total, and take no more memory than a chunk and the
// manifest.
//
//   head, 24 bytes | the group's name | manifest | checksum || chunk | chunk | ...
//
//   head   0  8 bytes  "zraftbak"                   chunk  0  u32  length of the frame
//          8  u32  version, 1                              4  u32  checksum of bytes 0 to 3 and the frame
//         12  u32  length of the group's name              8       a frame of zstd
//         16  u32  length of the manifest
//         20  u32  checksum of bytes 0 to 19
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "zraft/base/bytes.h"
#include "zraft/base/result.h"
#include "zraft/storage/snapshot_format.h"

namespace zraft::cli {

constexpr std::size_t backup_head_size = 24;
constexpr std::size_t backup_name_max = 256;
constexpr std::size_t backup_frame_max = storage::snapshot_chunk_size + (std::size_t{16} << 10);  // of no use to zstd

struct BackupHeader {
  std::string group;
  storage::SnapshotManifest manifest;
  friend bool operator==(const BackupHeader&, const BackupHeader&) = default;
};

// Requires: a name of 1 to 256 bytes, and the laws of a manifest.
[[nodiscard]] Bytes encode(const BackupHeader& header);
// The length of the whole header, of its first 24 bytes. Errors: corrupt, unsupported.
[[nodiscard]] Result<std::size_t> backup_header_length(BytesView head);
[[nodiscard]] Result<BackupHeader> decode_backup_header(BytesView bytes);
// Requires: a chunk of a snapshot.
[[nodiscard]] Bytes encode_backup_chunk(BytesView chunk);

// Reads a backup from its front to its end.
class BackupReader {
 public:
  // May give fewer bytes only at the end.
  using Read = std::function<Result<Bytes>(std::uint64_t offset, std::size_t length)>;

  // Where a chunk is.
  struct Place {
    std::size_t file = 0;  // of the manifest
    std::uint64_t chunk = 0;
    std::uint64_t offset = 0;
  };

  // Errors: corrupt, unsupported, and what `read` says.
  [[nodiscard]] static Result<BackupReader> open(Read read);

  [[nodiscard]] const BackupHeader& header() const { return header_; }
  // All chunks were read.
  [[nodiscard]] bool is_at_end() const { return file_ == header_.manifest.files.size(); }
  // The next chunk, in the order of the manifest. Requires: not at the end. Errors: corrupt, naming the offset.
  [[nodiscard]] Result<Bytes> next();
  [[nodiscard]] Place place() const { return {file_, chunk_, offset_}; }  // of the next chunk
  // Once more a chunk whose place was that. Errors: the same.
  [[nodiscard]] Result<Bytes> again(Place place) const;
  // That nothing is behind the last chunk. Requires: at the end.
  [[nodiscard]] Result<> finish();

  [[nodiscard]] std::uint64_t offset() const { return offset_; }  // that was come to

 private:
  struct Found {
    Bytes chunk;
    std::uint64_t end = 0;  // the offset behind it
  };

  BackupReader(Read read, BackupHeader header, std::uint64_t offset);
  [[nodiscard]] Result<Found> find(Place place) const;
  void pass_empty_files();

  Read read_;
  BackupHeader header_;
  std::uint64_t offset_ = 0;
  std::size_t file_ = 0;
  std::uint64_t chunk_ = 0;
};

}  // namespace zraft::cli
