// SPDX-License-Identifier: Apache-2.0
//
// The one writer of the log. A queue of units (one write of one group, or its begin or end), of which as many
// as fit go into a batch; one batch under way at a time. Laws:
//   - units go to the disk, and are answered, in the order they came;
//   - a segment is durable as a whole before the next one gets its first batch;
//   - `synced_upto` of a batch is at most what was durable when it was issued;
//   - after the first error nothing is written and everything fails with that error.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "zraft/node/loop.h"
#include "zraft/node/storage.h"
#include "zraft/storage/recovery.h"
#include "zraft/storage/segment_pool.h"

namespace zraft::storage {

class LogWriter {
 public:
  struct Options {
    std::uint64_t directory_id = 0;
    std::string directory;
    std::uint64_t batch_bytes_max = 0;
    Duration idle_mark_after;
    std::uint64_t segments_max = 0;               // how many are to be there; 0: any number
    std::function<void(const std::vector<std::pair<raft::GroupId, raft::Index>>&)> on_pinned;  // may be null
    std::function<void(const Error&)> on_failed;  // may be null
  };
  using Done = std::move_only_function<void(Result<>)>;

  // One thing to be written, and whom to tell.
  struct Unit {
    enum class Kind : std::uint8_t { write, start, end };
    Kind kind = Kind::write;
    raft::GroupId group;
    raft::SnapshotMeta base;  // of start
    raft::Write write;
    bool durable = true;
    Done done;
    std::size_t placed = 0;  // entries that are in a batch already
    bool is_begun = false;   // what comes before the entries is
    std::optional<Error> refusal;  // nothing is written, this is the answer
  };

  LogWriter(node::Loop& loop, Options options, Ledger ledger, Segment current, Tail tail,
            std::unique_ptr<SegmentPool> pool);
  ~LogWriter();
  LogWriter(const LogWriter&) = delete;
  LogWriter& operator=(const LogWriter&) = delete;

  void submit(Unit unit);
  // Of the groups that are begun and not ended by the units submitted so far.
  [[nodiscard]] bool has(raft::GroupId group) const { return groups_.contains(group); }

 private:
  struct Batch {
    BatchBuilder items;
    std::vector<Unit> whole;  // units that end in this batch
    bool durable = false;
    bool is_begun = false;    // something was placed, be it nothing to write
    bool frees = false;       // has an end or a mark
  };

  void pump_soon();
  void pump();
  void fill(Batch& batch);
  bool place(Batch& batch, Unit& unit);
  void place_head(Batch& batch, Unit& unit);
  void place_entry(Batch& batch, raft::GroupId group, const raft::Record& record);
  void issue(Batch batch);
  void on_written(Result<> written, std::vector<Unit> units, bool durable, bool frees);
  void next_segment();
  void begin_segment(Segment segment);
  void tell_pinned();
  void poison(const Error& error);
  void fail_all();
  void mark_when_idle();
  [[nodiscard]] std::uint64_t room() const;  // in the current segment

  node::Loop& loop_;
  const Options options_;
  Ledger ledger_;
  Segment current_;
  Tail tail_;
  std::unique_ptr<SegmentPool> pool_;
  std::set<raft::GroupId> groups_;
  std::deque<Unit> queue_;
  std::optional<Error> error_;
  struct {
    bool is_busy = false;       // a batch, a sync or a wait for a segment is under way
    bool is_pump_posted = false;
    bool must_carry = false;    // the next batch is the first of its segment
    Instant last_issue;
  } state_;
  node::TimerId idle_timer_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::storage
