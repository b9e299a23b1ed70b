// SPDX-License-Identifier: Apache-2.0
//
// One member of one group: the only place where the core meets the world. It queues what happens, and once a turn of
// the loop steps the core through all of it, then performs the one output: sends, starts the one write, hands the
// committed entries to the state machine. So all that arrived meanwhile is one batch, and group commit needs no code.
// Everything here happens on the loop; callbacks come on the loop, never before the call that gave them returns.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "zraft/node/driver.h"
#include "zraft/node/loop.h"
#include "zraft/node/storage.h"
#include "zraft/node/transport.h"
#include "zraft/raft/core.h"

namespace zraft::node {

// log_sync_mode. `durable` is the only one that keeps the promises of the README through a loss of power.
enum class SyncMode : std::uint8_t {
  durable,
  leader_dirty,  // a leader counts its own copy before it is durable; followers do not
  dirty,         // nobody waits for the disk
};

// The outcome of a request. `leader` goes with Code::not_leader.
struct Reply {
  Error error;  // code ok: it is done
  Bytes data;
  std::optional<raft::NodeId> leader;
  // Of a query that was answered: what a watch on it listens to, from the first change behind `index` on.
  std::vector<Watchable> watchable = {};
  raft::Index index = {};
};
using Done = std::move_only_function<void(Reply)>;

enum class ReadMode : std::uint8_t {
  linearizable,  // sees every write that was acknowledged before the read began; the leader answers
  lease,         // like it, without asking the others while the lease lasts: trusts that clocks run alike
  follower,      // like linearizable, and any member answers: it asks the leader how far it has to be
  stale,         // what this member has applied
  bounded,       // by any member: what was linearizable some time ago, and no longer than the caller names
};

// What happens to a node, told as it happens. It must not call back into the node.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_event(const raft::Event& event) = 0;
  // `effects`: what it changed, and whose session it ended; the result is not in it.
  virtual void on_applied(const raft::Record& record, Outcome effects) { (void)record, (void)effects; }
  // The state machine holds what that snapshot of another member covers, in place of what it held.
  virtual void on_installed(const raft::SnapshotMeta& snapshot) { (void)snapshot; }
  // A snapshot could not be written, or fetched: everything is as it was. It is tried again, so much later.
  virtual void on_snapshot_failed(const Error& why, Duration again) { (void)why, (void)again; }
  // This member was removed from its group. The node goes on, but has nothing more to do.
  virtual void on_removed() {}
  // The node has stopped for good: its disk failed, or its state machine threw.
  virtual void on_stopped(const Error& why) = 0;
};

class Node final : private Driver::Owner {
 public:
  struct Seams {
    Loop& loop;
    Worker& worker;
    GroupLog& log;
    Snapshots& snapshots;
    Transport& transport;
    std::shared_ptr<Machine> machine;  // restored from the newest snapshot
    Observer& observer;
  };
  struct Options {
    raft::Config core;
    SyncMode sync_mode = SyncMode::durable;
    SnapshotRules snapshots;
    std::size_t requests_max = 100'000;  // under way at once; beyond: busy
  };

  Node(Seams seams, Options options, raft::Recovered recovered);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void receive(raft::Message message);
  // The process of a member was lost, or came back: see Transport::heard.
  void wake();

  // Replicates and applies `data`. ok: applied at a majority's word, `data` is the state machine's result.
  // not_leader, busy, too_large, stopped: not applied, and never will be. timeout_unknown_outcome: perhaps.
  void propose(Bytes data, Instant deadline, Done done) {
    propose(raft::EntryType::command, std::move(data), deadline, std::move(done));
  }
  // The same of an entry for the layer of sessions, which may refuse it with codes of its own (session/entry.h).
  void propose(raft::EntryType type, Bytes data, Instant deadline, Done done);

  // Asks the state machine. timeout: no answer in time. `staleness_max` is of ReadMode::bounded: how old the answer may
  // be when it is given. If the last linearizable read here was that long ago or less, what it saw will do, and nobody
  // else is asked; otherwise this one becomes such a read.
  void query(Bytes data, ReadMode mode, Instant deadline, Done done, Duration staleness_max = {});

  // Changes the members (raft::Reconfigure says what is refused). ok: the new membership is committed. It goes on
  // after the deadline, and may come about: timeout_unknown_outcome.
  void reconfigure(raft::Index expected, raft::Membership wanted, Instant deadline, Done done);

  // Lets another member lead (raft::Transfer says what is refused).
  void transfer(std::optional<raft::NodeId> target, Instant deadline, Done done);

  // A snapshot of what is applied now, or a moment later. ok: it is durable.
  void save_snapshot(Driver::Saved done);
  // The newest snapshot was lost: another one is written, even if nothing was applied since.
  void replace_snapshot();

  // The log up to `index` is to go as soon as a snapshot covers it (raft::FreeLog); if none does, one is written.
  void free_log(raft::Index index);

  // At the leader: which sessions seem to be over, at what cluster time. Not told if it does not lead, or stops.
  void look_at_sessions(std::move_only_function<void(ClusterTime now, Sessions)> then);

  [[nodiscard]] const raft::Core& core() const { return core_; }
  [[nodiscard]] const Driver& driver() const { return driver_; }
  [[nodiscard]] const std::optional<Error>& stopped() const { return stopped_; }

 private:
  struct Asked {
    Done done;
    Instant deadline;
    Bytes query;
    raft::Term term;    // of an accepted proposal
    bool is_read = false;
    bool by_lease = false;
    std::optional<Duration> staleness_max;  // of a read that goes by what an earlier one saw
    Instant since;                          // what it will see was linearizable then, or later
  };
  // What a read that was confirmed by others saw: everything that was committed at `since`.
  struct Seen {
    Instant since;
    raft::Index index;
  };

  void give(Instant now, raft::Input input);
  void want_turn();
  void turn();
  void perform(raft::Output output);
  void start(raft::Write write);
  void fetch(const raft::Fetch& wanted);
  void on_applied(const raft::Record& record, Outcome outcome) override;
  void on_applied_to(raft::Index index) override;
  void on_saved(const raft::SnapshotMeta& meta) override;
  void on_restored(const raft::SnapshotMeta& meta) override;
  void on_broken(const Error& why) override;
  void on_snapshot_failed(const Error& why, Duration again) override;
  [[nodiscard]] raft::SnapshotMeta meta_at(raft::Index index) const override { return core_.log().meta_at(index); }
  [[nodiscard]] std::size_t log_bytes_between(raft::Index first, raft::Index last) const override;
  void settle(raft::Index index, raft::Term term, Outcome outcome);
  void take(const raft::Answer& answer);
  void answer_reads();
  void answer_query(Asked asked);
  void give_answer(raft::RequestId id, Result<Queried> answer);
  void arm_timer();
  void sweep();
  void arm_sweep();
  void stop(Error why);
  [[nodiscard]] bool admits(Asked& asked);
  [[nodiscard]] raft::RequestId ask(Asked asked);

  Seams seams_;
  const SyncMode sync_mode_;
  const std::size_t requests_max_;
  raft::Core core_;
  Driver driver_;
  std::vector<raft::Input> inputs_;
  bool turn_is_wanted_ = false;
  bool is_performing_ = false;  // a turn goes on anyway
  std::uint64_t last_request_ = 0;
  std::map<raft::RequestId, Asked> asked_;        // the core has not answered yet
  std::multimap<raft::Index, Asked> accepted_;    // proposals that have a place in the log
  std::optional<Seen> seen_;                      // by the newest of such reads
  std::multimap<raft::Index, Asked> reads_;       // wait until that index is applied
  std::map<raft::RequestId, Asked> asking_;       // reads that wait for the machine
  std::optional<Instant> timer_at_;
  TimerId timer_;
  TimerId sweep_timer_;
  std::optional<Error> stopped_;
  Lifetime lifetime_;
};

}  // namespace zraft::node
