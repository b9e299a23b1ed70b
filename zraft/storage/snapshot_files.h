// SPDX-License-Identifier: Apache-2.0
//
// What the parts of the snapshot store share (snapshot_store.h draws the directory): names, reading with the checksum
// at hand, and the one step by which a snapshot gets its name.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "zraft/storage/file.h"
#include "zraft/storage/snapshot_format.h"

namespace zraft::storage {

constexpr const char* complete_prefix = "snap-";
constexpr const char* partial_prefix = "part-";
constexpr const char* temporary_prefix = "tmp-";

// "<prefix><index>-<term>"
[[nodiscard]] std::string snapshot_name(const std::string& prefix, raft::Position position);
// Only what snapshot_name() gives.
[[nodiscard]] std::optional<raft::Position> parse_snapshot_name(const std::string& prefix, const std::string& name);

// The manifest in the directory `path`, and that it is the one of that position. Errors: corrupt (not there, too),
// unsupported, io.
[[nodiscard]] Result<SnapshotManifest> read_manifest(Files& files, const std::string& path, raft::Position position);
// The same, and that every file is there with its size. Contents are not looked at.
[[nodiscard]] Result<SnapshotManifest> read_complete(Files& files, const std::string& path, raft::Position position);
// Durable, but for its name. Requires: it is not there. Errors: too_large, no_space, io.
[[nodiscard]] Result<> write_manifest(Files& files, const std::string& path, const SnapshotManifest& manifest);

// A file of a snapshot that should have that size. Errors: corrupt (not there, another size), io.
[[nodiscard]] Result<std::unique_ptr<File>> open_file_of_snapshot(Files& files, const std::string& path,
                                                                  std::uint64_t size);
// Requires: there is such a chunk. Errors: corrupt, naming file and offset; io.
[[nodiscard]] Result<Bytes> read_chunk(File& from, const std::string& path, const SnapshotFile& file,
                                       std::uint64_t chunk);
// Durable before the next one is written: one long flush at the end would hold up the log, if that is on the same disk,
// for longer than a leader may be silent. Beside three that write so, a durable write of 4 KiB took 27 ms at p99; 58 ms
// with four chunks at a time, which went no faster.
[[nodiscard]] Result<> write_chunk_now(File& to, std::uint64_t offset, BytesView chunk);
[[nodiscard]] Result<> verify_files(Files& files, const std::string& path, const SnapshotManifest& manifest,
                                    const std::function<bool(std::size_t)>& go_on);

// A file, or a directory with all in it; that it is not there is no error.
[[nodiscard]] Result<> remove_tree(Files& files, const std::string& path);

// Renames the directory `from`, which is durable and right, to the name of a complete snapshot, durably. If there is
// one already that is right as well, that one stays and `from` goes; a damaged one makes room. After an error it is
// called `from` again, as far as that can be done.
[[nodiscard]] Result<> give_name(Files& files, const std::string& directory, const std::string& from,
                                 raft::Position position);

}  // namespace zraft::storage
