// SPDX-License-Identifier: Apache-2.0
//
// The snapshots of one peer, in a directory of their own. Everything here blocks and is for the Worker; nothing is
// remembered between calls, so the caller sees to it that only one of those that change something runs at a time.
//
//   <directory>/snap-<index>-<term>/     complete: `meta` and the files; never changed again
//   <directory>/part-<index>-<term>/     being fetched: `meta`, and what has come of the files; gone on with
//   <directory>/tmp-<index>-<term>/      being written by this peer's machine, or removed; worthless after a crash
//
// A snapshot gets its name by one rename, after all of it was synced, read again and found right; then the directory
// is synced; it loses it by one rename, which is synced before the first file goes. So a crash leaves it whole or not
// there, and what bears the name and is not whole was damaged.
// RELIABILITY 2.3, rows 7, 8, 14; P61, P63; W-58 to W-60, W-62.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "zraft/node/state_machine.h"
#include "zraft/storage/file.h"
#include "zraft/storage/snapshot_format.h"

namespace zraft::storage {

struct FoundSnapshots {
  std::vector<SnapshotManifest> complete;  // oldest first; manifest and sizes are right, contents are not looked at
  std::vector<std::string> damaged;        // a sentence for each that is not; they are left as they are
  std::vector<raft::Position> worth_a_look;  // of those, what the disk has damaged: of no use when a newer one is there
  std::optional<SnapshotManifest> partial;  // that was being fetched; of several, the newest
  std::vector<std::string> worthless;       // names in the directory; find_snapshots() has removed them
};

// What is there, for whoever only looks: nothing is changed. A directory that is not there has none. Errors: io.
[[nodiscard]] Result<FoundSnapshots> look_for_snapshots(Files& files, const std::string& directory);

// Makes the directory if it is not there, makes durable what it finds, and removes what is worthless: tmp-*, and parts
// but the newest whose manifest is right. Errors: io, no_space.
[[nodiscard]] Result<FoundSnapshots> find_snapshots(Files& files, const std::string& directory);

// Writes a snapshot: runs `task`, and gives the manifest when all of it is durable under its name. One of that position
// that is there already is compared as verify_snapshot() does: it stays, and is given, or makes room. After an error
// nothing of it is left. Requires: `task` throws nothing. Errors: the task's, bad_request (names), no_space, io,
// corrupt (what was read back is not what was written).
[[nodiscard]] Result<SnapshotManifest> write_snapshot(Files& files, const std::string& directory, raft::GroupId group,
                                                      const std::string& backend, const raft::SnapshotMeta& meta,
                                                      node::SnapshotTask task);

// Reads every byte and compares. `go_on` is asked after each chunk and told its size: it may pause, or end this by
// false. Errors: corrupt (naming file and offset), io, cancelled as `timeout`.
[[nodiscard]] Result<> verify_snapshot(Files& files, const std::string& directory, const SnapshotManifest& manifest,
                                       const std::function<bool(std::size_t)>& go_on = nullptr);

// The same of one chunk; of a file that has none, that it is there and empty. Requires: there is such a file.
[[nodiscard]] Result<> verify_chunk(Files& files, const std::string& directory, const SnapshotManifest& manifest,
                                    std::size_t file, std::uint64_t chunk);

// To restore a machine from. Every chunk is compared with its checksum when it is read; directory() compares all of
// them first. Requires: `files` outlives what is given. Errors: not_found, corrupt, io.
[[nodiscard]] Result<std::unique_ptr<node::SnapshotReader>> open_snapshot(Files& files, const std::string& directory,
                                                                          raft::Position position);

// To send from, in the order of the manifest's files.
[[nodiscard]] Result<std::vector<std::shared_ptr<node::SendableFile>>> open_snapshot_to_send(
    Files& files, const std::string& directory, const SnapshotManifest& manifest);

// The complete snapshot of that manifest in the directory `from`, as one of another group in the directory `to`: the
// same files, of which no second copy is made where the file system has links. Durable and compared with its checksums
// when it is told; after an error there is none in `to`, and `from` is never changed. Requires: there is none of that
// position in `to`. Errors: corrupt (naming file and offset), no_space, io.
[[nodiscard]] Result<> copy_snapshot(Files& files, const std::string& from, SnapshotManifest manifest,
                                     const std::string& to, raft::GroupId new_group);

// That it is not there is no error. Whoever has it open keeps what he has.
[[nodiscard]] Result<> remove_snapshot(Files& files, const std::string& directory, raft::Position position);
// All of them, with the directory.
[[nodiscard]] Result<> remove_all_snapshots(Files& files, const std::string& directory);

// A snapshot that is being fetched, chunk by chunk, in any order. One at a time in a directory: begin() removes the
// parts of every other one.
class IncomingSnapshot {
 public:
  struct Chunk {
    std::size_t file = 0;  // of the manifest
    std::uint64_t number = 0;
    friend auto operator<=>(const Chunk&, const Chunk&) = default;
  };

  // Goes on with what has come of the same manifest before, byte for byte the same; each chunk that is there is
  // compared with its checksum.
  [[nodiscard]] static Result<IncomingSnapshot> begin(Files& files, const std::string& directory,
                                                      SnapshotManifest manifest);

  [[nodiscard]] const SnapshotManifest& manifest() const;
  [[nodiscard]] std::vector<Chunk> missing() const;  // in the order of the files
  // Errors: corrupt (length or checksum: nothing is written), bad_request (no such chunk), no_space, io.
  [[nodiscard]] Result<> put(Chunk chunk, BytesView bytes);
  // Makes all of it durable, compares it once more, and gives it its name; after that this must not be used any more.
  // A snapshot of that position that is there already stays if it is right, and makes room if it is damaged. Requires:
  // nothing is missing. Errors: corrupt: what was wrong is missing again, fetch it anew; io, no_space: begin() anew.
  [[nodiscard]] Result<> finish();

  IncomingSnapshot(IncomingSnapshot&&) noexcept;
  IncomingSnapshot& operator=(IncomingSnapshot&&) noexcept;
  ~IncomingSnapshot();

 private:
  struct State;
  explicit IncomingSnapshot(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace zraft::storage
