// SPDX-License-Identifier: Apache-2.0
//
// Encoding and the total decoding of what snapshot_format.h draws.
#include "zraft/storage/snapshot_format.h"

#include <algorithm>
#include <utility>

#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"
#include "zraft/storage/wal_format.h"

namespace zraft::storage {
namespace {

constexpr BytesView magic = "zraftsna";
constexpr std::uint32_t version = 1;
constexpr std::size_t head_size = 16;  // magic, version, chunk size
constexpr std::size_t checksum_size = sizeof(std::uint32_t);
constexpr std::size_t file_size_min = sizeof(std::uint32_t) + 1 + sizeof(std::uint64_t);
constexpr std::size_t name_length_max = 64;

Result<SnapshotFile> decode_file(Decoder& from) {
  SnapshotFile file{.name = Bytes(from.bytes()), .size = from.u64(), .chunks = {}};
  const std::uint64_t chunks = chunk_count(file.size);
  // Before anything is allocated for them: they must be there.
  if (from.failed() || chunks > from.left() / checksum_size) {
    return fail(Code::corrupt, "a manifest that does not have a checksum for each chunk of each file");
  }
  if (!is_snapshot_file_name(file.name)) {
    return fail(Code::corrupt, "a manifest with a file whose name is none for a file of a snapshot");
  }
  file.chunks.reserve(static_cast<std::size_t>(chunks));
  for (std::uint64_t i = 0; i < chunks; ++i) file.chunks.push_back(from.u32());
  return file;
}

Result<SnapshotManifest> decode_body(Decoder& from) {
  SnapshotManifest manifest{.group = {from.u64()}, .backend = Bytes(from.bytes()), .meta = {}, .files = {}};
  auto meta = decode_base(from);
  if (!meta) return fail(meta);
  manifest.meta = std::move(*meta);
  const std::size_t count = from.count(file_size_min);
  manifest.files.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto file = decode_file(from);
    if (!file) return fail(file);
    if (!manifest.files.empty() && file->name <= manifest.files.back().name) {
      return fail(Code::corrupt, "a manifest whose files are not sorted by name, or not each there once");
    }
    manifest.files.push_back(std::move(*file));
  }
  if (!from.ok()) return fail(Code::corrupt, "a manifest whose length is not that of what is in it");
  return manifest;
}

}  // namespace

std::uint64_t SnapshotManifest::bytes() const {
  std::uint64_t sum = 0;
  for (const SnapshotFile& file : files) sum += file.size;
  return sum;
}

bool is_snapshot_file_name(std::string_view name) {
  const auto is_allowed = [](char c) {
    return ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || ('0' <= c && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !name.empty() && name.size() <= name_length_max && name.front() != '.' && name != manifest_name &&
         std::ranges::all_of(name, is_allowed);
}

Bytes encode(const SnapshotManifest& manifest) {
  Bytes out;
  Encoder to(out);
  to.raw(magic);
  to.u32(version);
  to.u32(static_cast<std::uint32_t>(snapshot_chunk_size));
  to.u64(manifest.group.value);
  to.bytes(manifest.backend);
  encode_base(manifest.meta, out);
  to.u32(static_cast<std::uint32_t>(manifest.files.size()));
  for (const SnapshotFile& file : manifest.files) {
    to.bytes(file.name);
    to.u64(file.size);
    for (const std::uint32_t checksum : file.chunks) to.u32(checksum);
  }
  to.u32(crc32c(out));
  return out;
}

Result<SnapshotManifest> decode_manifest(BytesView bytes) {
  if (bytes.size() < head_size + checksum_size) return fail(Code::corrupt, "a manifest that is cut short");
  const BytesView checked = bytes.substr(0, bytes.size() - checksum_size);
  Decoder from(checked);
  const bool is_manifest = from.raw(magic.size()) == magic;
  const std::uint32_t found_version = from.u32();
  const std::uint32_t chunk_size = from.u32();
  if (!is_manifest) return fail(Code::corrupt, "a manifest whose magic number is wrong");
  if (Decoder(bytes.substr(checked.size())).u32() != crc32c(checked)) {
    return fail(Code::corrupt, "a manifest whose checksum is wrong");
  }
  if (found_version != version) {
    return fail(Code::unsupported, "a manifest of format version " + std::to_string(found_version) +
                                       "; this build reads version 1: run a newer build");
  }
  if (chunk_size != snapshot_chunk_size) return fail(Code::corrupt, "a manifest with an impossible chunk size");
  return decode_body(from);
}

}  // namespace zraft::storage
