// SPDX-License-Identifier: Apache-2.0
//
// The files of a RocksDB that is not open: into a snapshot and out of it, by hard links where that is possible. Paths
// are those of the operating system. Errors, of every call: io, no_space.
#pragma once

#include <cstdint>
#include <filesystem>
#include <system_error>

#include "zraft/base/bytes.h"
#include "zraft/base/result.h"
#include "zraft/node/state_machine.h"
#include "zraft/raft/types.h"

namespace zraft::machines {

[[nodiscard]] Result<> checked(const std::error_code& error, const std::filesystem::path& path);

// That it is not there is no error.
[[nodiscard]] Result<> remove_tree(const std::filesystem::path& path);
[[nodiscard]] Result<> move_directory(const std::filesystem::path& from, const std::filesystem::path& to);
[[nodiscard]] Result<> sync_directory(const std::filesystem::path& path);

// A snapshot has one file of ours besides RocksDB's, named `applied`: a MANIFEST that is cut short opens as an older
// database, and nothing in RocksDB would tell. Little-endian:
//
//   "zraft-rk", u16 format (1), u64 index of the last command that was applied, u32 CRC32C of all before it
inline constexpr const char* applied_file_name = "applied";
inline constexpr std::uint16_t applied_file_version = 1;

[[nodiscard]] Bytes encode_applied_file(raft::Index applied);
// Errors: corrupt, unsupported.
[[nodiscard]] Result<raft::Index> decode_applied_file(BytesView bytes);

// Makes the files of a checkpoint those of a snapshot. Requires: nothing writes to them any more. Errors: the writer's.
[[nodiscard]] Result<> hand_over(const std::filesystem::path& checkpoint, raft::Index applied,
                                 node::SnapshotWriter& writer);
// Makes a directory with RocksDB's files of a snapshot, durable and ready to be opened; gives what must have been
// applied in it. Requires: there is no `to`. Errors: corrupt and unsupported (they are none of this backend), the
// reader's.
[[nodiscard]] Result<raft::Index> take_over(node::SnapshotReader& reader, const std::filesystem::path& to);

}  // namespace zraft::machines
