// SPDX-License-Identifier: Apache-2.0
//
// Drives one state machine: feeds it what is committed, in order, asks it, has it write snapshots and restores it from
// others', one thing at a time. A machine that may block is called on the Worker, a batch at a time, and the loop never
// waits for it; another one is called at once. This is the one place where user code may throw (W-29).
//
//   committed --> [queue] --> apply --> applied
//                               |-- a snapshot is due: taken between two commands, written by the Worker meanwhile
//   a snapshot of another member: what runs ends, then the machine is restored, and the queue goes on behind it
//
// A snapshot is due at every index that is a multiple of `snapshot_entries`, counted from a place that depends on the
// group, so that members of one group write the same snapshots and those of many groups do not write at once; and when
// the log has grown by `snapshot_bytes`. One that could not be written is tried again after a pause.
// Everything here happens on the loop. Thesis 5.1.1, 5.1.2.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "zraft/base/queue.h"
#include "zraft/node/loop.h"
#include "zraft/node/machine.h"
#include "zraft/node/snapshots.h"
#include "zraft/node/worker.h"
#include "zraft/raft/record.h"

namespace zraft::node {

struct SnapshotRules {
  std::uint64_t entries = 100'000;                 // between two snapshots; 0: the number of entries makes none due
  std::uint64_t bytes = std::uint64_t{256} << 20;  // of the log since the last one; 0: they make none due
  Duration retry_min = Duration::seconds(1);
  Duration retry_max = Duration::seconds(60);
};

class Driver {
 public:
  struct Seams {
    Loop& loop;
    Worker& worker;
    Snapshots& snapshots;
    std::shared_ptr<Machine> machine;  // a job that runs when the driver goes keeps it
  };
  // Whom it serves. Calls may come from within feed(), ask() and pump().
  class Owner {
   public:
    virtual ~Owner() = default;
    virtual void on_applied(const raft::Record& record, Outcome outcome) = 0;  // of each entry, in order
    virtual void on_applied_to(raft::Index index) = 0;                      // of each batch, at its end
    virtual void on_saved(const raft::SnapshotMeta& meta) = 0;
    virtual void on_restored(const raft::SnapshotMeta& meta) = 0;
    // It cannot go on: an entry or the memory was damaged, or the machine threw or failed.
    virtual void on_broken(const Error& why) = 0;
    // Everything is as it was, and it is tried again so much later.
    virtual void on_snapshot_failed(const Error& why, Duration again) = 0;
    // What a snapshot of everything up to there covers, and how long the log is behind an index.
    [[nodiscard]] virtual raft::SnapshotMeta meta_at(raft::Index index) const = 0;
    [[nodiscard]] virtual std::size_t log_bytes_between(raft::Index first, raft::Index last) const = 0;
  };
  using Answer = std::move_only_function<void(Result<Queried>)>;
  using Saved = std::move_only_function<void(Result<raft::SnapshotMeta>)>;

  // `applied`: what the machine holds; `snapshot`: where the newest snapshot ends. `owner` outlives it.
  Driver(Seams seams, Owner& owner, SnapshotRules rules, raft::GroupId group, raft::Index applied,
         raft::Index snapshot);
  ~Driver();
  Driver(const Driver&) = delete;
  Driver& operator=(const Driver&) = delete;

  // Entries that follow each other. What the machine holds already is passed over.
  void feed(const std::vector<raft::Record>& records);
  // What the machine says of its present state, or a later one; a throw is bad_request.
  void ask(Bytes query, Answer answer);
  // Errors: the machine's.
  [[nodiscard]] Result<> admit(raft::EntryType type, BytesView data) const;
  // The sessions as they are now, or a moment later; not told if it stops. May be told before this returns.
  void look_at_sessions(ClusterTime now, std::move_only_function<void(Sessions)> then);

  // A snapshot of now, or of a moment later. ok: it is durable. Errors: what the machine or the disk says.
  void save_now(Saved done);
  // The newest one was lost: another one is written, even if nothing was applied since, and until that succeeds.
  void replace();
  // A snapshot of another member is durable here. If it is news, the machine is restored from it.
  void install(const raft::SnapshotMeta& meta);

  [[nodiscard]] raft::Index applied() const { return applied_; }
  [[nodiscard]] bool is_installing() const { return to_install_.has_value(); }
  [[nodiscard]] bool is_saving() const { return is_saving_; }
  // Questions that have no answer yet.
  [[nodiscard]] std::size_t questions() const { return questions_.size() + asked_.size(); }
  // Nothing more happens. Whoever waits for an answer is told `stopped`, and why.
  void stop(const std::string& why);

 private:
  // idle: nothing is under way, and nothing waits but a snapshot that may not be taken yet. busy: a call, a job, or a
  // restore is under way.
  enum class State : std::uint8_t { idle, busy, stopped };
  struct Batch;

  void pump();
  void pump_once();
  // Runs `work` where the machine may be called, then `then`, unless it was stopped meanwhile.
  template <class T>
  void on_machine(std::move_only_function<T(Machine&)> work, std::move_only_function<void(T)> then);
  void apply_here(const raft::Record& record);
  void apply_batch();
  void end_batch(Batch batch);
  void look();
  void answer_some();
  void restore();
  [[nodiscard]] bool is_due(raft::Index index) const;
  [[nodiscard]] bool may_take() const;
  [[nodiscard]] bool must_take() const;
  void want_one();
  void take();
  void write(const raft::SnapshotMeta& meta, Result<SnapshotTask> task);
  void end_save(const raft::SnapshotMeta& meta, Result<> written);
  void retry(const Error& why);
  void broken(const Error& why);

  const Seams seams_;
  Owner& owner_;
  const SnapshotRules rules_;
  const raft::GroupId group_;
  const bool may_block_;
  State state_ = State::idle;
  raft::Index applied_;
  raft::Index snapshot_;  // where the newest ends
  Queue<raft::Record> queue_;
  Queue<std::pair<Bytes, Answer>> questions_;
  Queue<std::pair<ClusterTime, std::move_only_function<void(Sessions)>>> looks_;
  std::vector<Answer> asked_;   // of the questions that the machine is looking at
  bool answered_last_ = false;  // the queue is next
  std::optional<raft::SnapshotMeta> to_install_;
  bool is_saving_ = false;
  bool is_wanted_ = false;             // a snapshot, as soon as it may be
  bool is_lost_ = false;               // the newest one: another one is written even where it ended
  std::optional<Error> no_snapshots_;  // the machine has none, in its words
  std::vector<Saved> waiting_;         // for the one that is wanted
  std::vector<Saved> served_;          // by the one that is being written
  Duration retry_after_;
  TimerId retry_timer_;
  std::string why_stopped_;
  Lifetime lifetime_;
};

}  // namespace zraft::node
