// SPDX-License-Identifier: Apache-2.0
//
// The write-ahead log of one shard, shared by all its groups. It is read once, at start; from then on it is only
// written. One durable write is under way at a time; what all groups want written meanwhile goes into the next one
// together, which is group commit. After a failed write or sync nothing is acknowledged any more (decision 11).
//
// What is called a group here is the log of one peer: the caller names it by a number of its own, so that two peers of
// one group can share a log.
//
// The road not taken: a log file a group. It makes every durable write of every group a sync of its own, and a
// thousand idle groups a thousand open files.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "zraft/node/loop.h"
#include "zraft/node/storage.h"
#include "zraft/node/worker.h"
#include "zraft/raft/core.h"
#include "zraft/storage/file.h"

namespace zraft::storage {

class LogWriter;

// Groups, and for each the index up to which its entries keep segments.
using Pinned = std::vector<std::pair<raft::GroupId, raft::Index>>;

class Wal {
 public:
  struct Options {
    std::string directory = "log";  // within Files; made if it is not there
    std::string owner;              // the name of this host; another one's directory is refused
    // The directory's id if it is made now. Drawn at random by the caller (P57).
    std::uint64_t new_directory_id = 0;
    std::uint64_t max_segment_size = std::uint64_t{16} << 20;  // 64 KiB to 1 GiB, a multiple of 4096
    std::uint64_t batch_bytes_max = std::uint64_t{8} << 20;    // what one durable write may hold, if a record allows
    // After that long without a write, the log notes that its last batch was durable, so that damage to it is known
    // as such at the next start and not taken for a torn tail.
    Duration idle_mark_after = Duration::milliseconds(50);
    // When there are more bytes of segments, at least two, whoever keeps the oldest is told of at the beginning of each
    // segment. 0, or null: nobody is.
    std::uint64_t bytes_wanted = 0;
    std::function<void(const Pinned&)> on_pinned;
    // Told once, on the loop, when a write or a sync has failed: nothing is acknowledged any more. May be null.
    std::function<void(const Error&)> on_failed;
    // Given a line when something is wrong that is not fatal.
    std::function<void(const std::string&)> tell = [](const std::string&) {};
  };

  struct Opened {
    std::unique_ptr<Wal> wal;
    std::map<raft::GroupId, raft::Recovered> groups;
    std::vector<std::string> story;  // what start-up found and did, for the log
  };

  using Done = std::move_only_function<void(Result<>)>;

  // What read() found, for begin().
  struct Contents {
    Contents();
    Contents(Contents&&) noexcept;
    Contents& operator=(Contents&&) noexcept;
    ~Contents();

    struct Impl;
    std::unique_ptr<Impl> impl;
  };

  // Takes the directory and reads it, making it if it is not there. Blocks; on any thread. Requires: `files` outlives
  // the Wal. Errors, each with what to do: busy, wrong_owner, unsupported, corrupt (all: nothing was changed),
  // bad_request (options), io, no_space.
  static Result<Contents> read(Files& files, Options options);
  // Goes on where the log ends; on the loop. Requires: `contents` is of read() with the same `files`; `files` and
  // `worker` outlive every job, `loop` the Wal.
  static Opened begin(node::Loop& loop, node::Worker& worker, Files& files, Contents contents);
  // The two together.
  static Result<Opened> open(node::Loop& loop, node::Worker& worker, Files& files, Options options);

  ~Wal();  // writes under way end by themselves; their `done` is not called
  Wal(const Wal&) = delete;
  Wal& operator=(const Wal&) = delete;

  // --- all on the loop; every `done` comes in the order of the calls, never before the call returns ---

  // Begins a group, whole or not at all: durable when `done` is told so. Requires: the log does not have it.
  void start_group(raft::GroupId group, raft::SnapshotMeta base, std::vector<raft::Record> entries,
                   raft::HardState hard_state, Done done);
  // Forgets a group. Later writes to it fail with `stopped`, and harm nobody else.
  void end_group(raft::GroupId group, Done done);

  [[nodiscard]] bool has(raft::GroupId group) const;
  // Requires: has(group); the Wal outlives what is returned.
  [[nodiscard]] std::unique_ptr<node::GroupLog> log_of(raft::GroupId group);

 private:
  explicit Wal(std::unique_ptr<LogWriter> writer);

  std::unique_ptr<LogWriter> writer_;
};

}  // namespace zraft::storage
