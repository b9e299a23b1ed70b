// SPDX-License-Identifier: Apache-2.0
//
// See backup_format.h. This file alone sees zstd (Debian's libzstd-dev).
#include "cli/backup_format.h"

#include <zstd.h>

#include <utility>

#include "zraft/base/check.h"
#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::cli {
namespace {

constexpr BytesView magic = "zraftbak";
constexpr std::uint32_t version = 1;
constexpr std::size_t checksum_size = sizeof(std::uint32_t);
constexpr std::size_t chunk_head_size = 8;
constexpr int level = 3;  // the usual one: about as fast as a disk writes

std::string at(std::uint64_t offset) { return "the backup at byte " + std::to_string(offset) + ": "; }

std::uint32_t checksum_of(BytesView length, BytesView frame) { return crc32c(frame, crc32c(length)); }

}  // namespace

Bytes encode(const BackupHeader& header) {
  CHECK(!header.group.empty() && header.group.size() <= backup_name_max, "the name of a group has 1 to 256 bytes");
  const Bytes manifest = storage::encode(header.manifest);
  Bytes out;
  Encoder to(out);
  to.raw(magic);
  to.u32(version);
  to.u32(static_cast<std::uint32_t>(header.group.size()));
  to.u32(static_cast<std::uint32_t>(manifest.size()));
  to.u32(crc32c(out));
  to.raw(header.group);
  to.raw(manifest);
  to.u32(crc32c(out));
  return out;
}

Result<std::size_t> backup_header_length(BytesView head) {
  if (head.size() < backup_head_size) return fail(Code::corrupt, "a backup that is cut short in its header");
  Decoder from(head);
  const bool is_backup = from.raw(magic.size()) == magic;
  const std::uint32_t found_version = from.u32();
  const std::size_t name = from.u32();
  const std::size_t manifest = from.u32();
  if (!is_backup) return fail(Code::corrupt, "no backup: its magic number is another");
  if (from.u32() != crc32c(head.substr(0, backup_head_size - checksum_size))) {
    return fail(Code::corrupt, "a backup whose first 24 bytes have a wrong checksum");
  }
  if (found_version != version) {
    return fail(Code::unsupported, "a backup of format version " + std::to_string(found_version) +
                                       "; this build reads version 1: run a newer build");
  }
  if (name == 0 || name > backup_name_max || manifest > storage::manifest_bytes_max) {
    return fail(Code::corrupt, "a backup with an impossible length in its header");
  }
  return backup_head_size + name + manifest + checksum_size;
}

Result<BackupHeader> decode_backup_header(BytesView bytes) {
  const auto length = backup_header_length(bytes);
  if (!length) return fail(length);
  if (bytes.size() != *length)
    return fail(Code::corrupt, "a backup's header whose length is not that of what is in it");
  const BytesView checked = bytes.substr(0, bytes.size() - checksum_size);
  if (Decoder(bytes.substr(checked.size())).u32() != crc32c(checked)) {
    return fail(Code::corrupt, "a backup whose header has a wrong checksum");
  }
  Decoder from(checked);
  from.raw(magic.size() + sizeof(std::uint32_t));
  const std::size_t name = from.u32();
  const std::size_t manifest_size = from.u32();
  from.u32();
  BackupHeader header{.group = std::string(from.raw(name)), .manifest = {}};
  auto manifest = storage::decode_manifest(from.raw(manifest_size));
  if (!manifest) return fail(manifest.error().code, "a backup with " + manifest.error().text);
  header.manifest = std::move(*manifest);
  return header;
}

Bytes encode_backup_chunk(BytesView chunk) {
  Bytes frame(ZSTD_compressBound(chunk.size()), '\0');
  const std::size_t size = ZSTD_compress(frame.data(), frame.size(), chunk.data(), chunk.size(), level);
  CHECK(ZSTD_isError(size) == 0 && size <= backup_frame_max, "what zstd needs at most it was given");
  frame.resize(size);
  Bytes out;
  Encoder to(out);
  to.u32(static_cast<std::uint32_t>(size));
  to.u32(checksum_of(out, frame));
  to.raw(frame);
  return out;
}

BackupReader::BackupReader(Read read, BackupHeader header, std::uint64_t offset)
    : read_(std::move(read)), header_(std::move(header)), offset_(offset) {
  pass_empty_files();
}

void BackupReader::pass_empty_files() {
  const auto& files = header_.manifest.files;
  while (file_ < files.size() && chunk_ == files[file_].chunks.size()) {
    ++file_;
    chunk_ = 0;
  }
}

Result<BackupReader> BackupReader::open(Read read) {
  auto head = read(0, backup_head_size);
  if (!head) return fail(head);
  const auto length = backup_header_length(*head);
  if (!length) return fail(length);
  auto bytes = read(0, *length);
  if (!bytes) return fail(bytes);
  auto header = decode_backup_header(*bytes);
  if (!header) return fail(header);
  return BackupReader(std::move(read), std::move(*header), *length);
}

Result<BackupReader::Found> BackupReader::find(Place place) const {
  const std::uint64_t offset = place.offset;
  auto head = read_(offset, chunk_head_size);
  if (!head) return fail(head);
  Decoder from(*head);
  const std::uint32_t length = from.u32();
  const std::uint32_t checksum = from.u32();
  if (from.failed()) return fail(Code::corrupt, at(offset) + "it is cut short");
  if (length > backup_frame_max) return fail(Code::corrupt, at(offset) + "an impossible length");
  auto frame = read_(offset + chunk_head_size, length);
  if (!frame) return fail(frame);
  if (frame->size() != length) return fail(Code::corrupt, at(offset) + "it is cut short");
  if (checksum_of(BytesView(*head).substr(0, sizeof length), *frame) != checksum) {
    return fail(Code::corrupt, at(offset) + "the checksum of this chunk is wrong");
  }
  const storage::SnapshotFile& file = header_.manifest.files[place.file];
  Found found{.chunk = Bytes(storage::chunk_length(file.size, place.chunk), '\0'),
              .end = offset + chunk_head_size + length};
  const std::size_t size = ZSTD_decompress(found.chunk.data(), found.chunk.size(), frame->data(), frame->size());
  if (ZSTD_isError(size) != 0 || size != found.chunk.size() || crc32c(found.chunk) != file.chunks[place.chunk]) {
    return fail(Code::corrupt,
                at(offset) + "it is not chunk " + std::to_string(place.chunk) + " of the file " + file.name);
  }
  return found;
}

Result<Bytes> BackupReader::next() {
  CHECK(!is_at_end(), "there is a chunk that was not read");
  auto found = find(place());
  if (!found) return fail(found);
  offset_ = found->end;
  ++chunk_;
  pass_empty_files();
  return std::move(found->chunk);
}

Result<Bytes> BackupReader::again(Place place) const {
  auto found = find(place);
  if (!found) return fail(found);
  return std::move(found->chunk);
}

Result<> BackupReader::finish() {
  CHECK(is_at_end(), "every chunk was read");
  const auto more = read_(offset_, 1);
  if (!more) return fail(more);
  if (!more->empty()) return fail(Code::corrupt, at(offset_) + "something is behind the end");
  return {};
}

}  // namespace zraft::cli
