// SPDX-License-Identifier: Apache-2.0
//
// The one file of a snapshot of the backend `memory`, named `kv`. It depends on what the store holds and on nothing
// else, so members that hold the same write the same bytes. Numbers are little-endian; `bytes` is a u32 length and
// that many bytes.
//
//   header  "zraft-kv", u16 2 (the format's version)
//   block   u32 length (not 0), items of that length in all, u32 CRC32C of every byte of the file before it
//   end     u32 0, u64 number of items, u32 CRC32C of every byte of the file before it; nothing follows
//   item    u64 version, u64 owner (0: none), bytes key, bytes value
//
// Laws: keys have a byte at least, and rise from item to item; a block ends with the item by which it reaches
// kv_block_bytes, and the last block where the items end. So a store has one form, and a reader needs memory for one
// block besides what it makes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "zraft/machines/cow_map.h"
#include "zraft/node/state_machine.h"

namespace zraft::machines {

constexpr const char* kv_file_name = "kv";
constexpr BytesView kv_file_magic = "zraft-kv";
constexpr std::uint16_t kv_file_version = 2;
constexpr std::size_t kv_block_bytes = std::size_t{256} << 10;
// The last item of a block came in one record of the log (64 MiB).
constexpr std::size_t kv_block_bytes_max = kv_block_bytes + (std::size_t{64} << 20);

// Errors: the writer's.
[[nodiscard]] Result<> write_kv_file(const CowMap& values, node::SnapshotWriter& writer);
// Errors: corrupt, naming the offset; unsupported (of another version); the reader's.
[[nodiscard]] Result<CowMap> read_kv_file(node::SnapshotReader& reader);

}  // namespace zraft::machines
