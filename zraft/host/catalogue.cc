// SPDX-License-Identifier: Apache-2.0
//
// The catalogue file: magic, version, entries, CRC32C of all before it. A damaged one is never taken for an empty
// one: then the groups would seem not to exist, and could be created again over their own data.
#include "zraft/host/catalogue.h"

#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::host {
namespace {

constexpr const char* catalogue_path = "catalogue";
constexpr std::uint32_t magic = 0x4743525a;  // "ZRCG"
constexpr std::uint16_t version = 1;
constexpr std::size_t size_max = std::size_t{64} << 20;
constexpr std::size_t entry_size_min = 4 + 8 + 4 + 8 + 4 + 8 + 1;

}  // namespace

Bytes encode(const Catalogue& catalogue) {
  Bytes out;
  Encoder to(out);
  to.u32(magic);
  to.u16(version);
  to.u32(static_cast<std::uint32_t>(catalogue.size()));
  for (const CatalogueEntry& entry : catalogue) {
    to.bytes(entry.group);
    to.u64(entry.group_id.value);
    to.bytes(entry.backend);
    to.u64(entry.self.value);
    to.bytes(entry.peer);
    to.u64(entry.log.value);
    to.boolean(entry.is_removed);
  }
  to.u32(crc32c(out));
  return out;
}

Result<Catalogue> decode_catalogue(BytesView bytes) {
  Decoder from(bytes);
  if (from.u32() != magic) return fail(Code::corrupt, "the file `catalogue` is not a catalogue of zraft");
  const std::uint16_t found = from.u16();
  if (bytes.size() < 14 || Decoder(bytes.substr(bytes.size() - 4)).u32() != crc32c(bytes.substr(0, bytes.size() - 4))) {
    return fail(Code::corrupt,
                "the file `catalogue` is damaged: its checksum is wrong; restore it from a copy, or replace this host");
  }
  if (found != version) {
    return fail(Code::unsupported, "the file `catalogue` has format version " + std::to_string(found) +
                                       "; this build reads version 1: run a newer build");
  }
  Catalogue catalogue(from.count(entry_size_min));
  for (CatalogueEntry& entry : catalogue) {
    entry.group = from.bytes();
    entry.group_id.value = from.u64();
    entry.backend = from.bytes();
    entry.self.value = from.u64();
    entry.peer = from.bytes();
    entry.log.value = from.u64();
    entry.is_removed = from.boolean();
  }
  (void)from.u32();  // the checksum, seen above
  if (!from.ok()) return fail(Code::corrupt, "the file `catalogue` is not of its format");
  return catalogue;
}

Result<Catalogue> read_catalogue(storage::Files& files) {
  const auto present = files.exists(catalogue_path);
  if (!present) return fail(present);
  if (!*present) return Catalogue{};
  const auto bytes = storage::read_file(files, catalogue_path, size_max);
  if (!bytes) return fail(bytes);
  return decode_catalogue(*bytes);
}

Result<> write_catalogue(storage::Files& files, const Bytes& encoded) {
  return storage::replace_file(files, catalogue_path, encoded);
}

std::string directory_of_shard(std::size_t number) { return number == 0 ? "" : "shard-" + std::to_string(number); }

}  // namespace zraft::host
