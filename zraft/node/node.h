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

#include "zraft/node/loop.h"
#include "zraft/node/state_machine.h"
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
};
using Done = std::move_only_function<void(Reply)>;

enum class ReadMode : std::uint8_t {
  linearizable,  // sees every write that was acknowledged before the read began; the leader answers
  lease,         // like it, without asking the others while the lease lasts: trusts that clocks run alike
  follower,      // like linearizable, and any member answers: it asks the leader how far it has to be
  stale,         // what this member has applied
};

// What happens to a node, told as it happens. It must not call back into the node.
class Observer {
 public:
  virtual ~Observer() = default;
  virtual void on_event(const raft::Event& event) = 0;
  virtual void on_applied(const raft::Record& record) { (void)record; }
  // This member was removed from its group. The node goes on, but has nothing more to do.
  virtual void on_removed() {}
  // The node has stopped for good: its disk failed, or its state machine threw.
  virtual void on_stopped(const Error& why) = 0;
};

class Node {
 public:
  struct Seams {
    Loop& loop;
    GroupLog& log;
    Transport& transport;
    StateMachine& machine;
    Observer& observer;
  };
  struct Options {
    raft::Config core;
    SyncMode sync_mode = SyncMode::durable;
    std::size_t requests_max = 100'000;  // under way at once; beyond: busy
  };

  Node(Seams seams, Options options, raft::Recovered recovered);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  void receive(raft::Message message);

  // Replicates and applies `data`. ok: applied at a majority's word, `data` is the state machine's result.
  // not_leader, busy, too_large, stopped: not applied, and never will be. timeout_unknown_outcome: perhaps.
  void propose(Bytes data, Instant deadline, Done done);

  // Asks the state machine. timeout: no answer in time.
  void query(Bytes data, ReadMode mode, Instant deadline, Done done);

  // Changes the members (raft::Reconfigure says what is refused). ok: the new membership is committed. It goes on
  // after the deadline, and may come about: timeout_unknown_outcome.
  void reconfigure(raft::Index expected, raft::Membership wanted, Instant deadline, Done done);

  // Lets another member lead (raft::Transfer says what is refused).
  void transfer(std::optional<raft::NodeId> target, Instant deadline, Done done);

  [[nodiscard]] const raft::Core& core() const { return core_; }
  [[nodiscard]] const std::optional<Error>& stopped() const { return stopped_; }

 private:
  struct Asked {
    Done done;
    Instant deadline;
    Bytes query;
    raft::Term term;    // of an accepted proposal
    bool is_read = false;
    bool by_lease = false;
  };

  void want_turn();
  void turn();
  void perform(raft::Output output);
  void start(raft::Write write);
  void apply(const std::vector<raft::Record>& records);
  [[nodiscard]] Bytes apply_one(const raft::Record& record);
  void settle(raft::Index index, raft::Term term, Bytes result);
  void take(const raft::Answer& answer);
  void answer_reads();
  void answer_query(Asked asked);
  void arm_timer();
  void sweep();
  void arm_sweep();
  void stop(Error why);
  [[nodiscard]] bool admits(Asked& asked);
  [[nodiscard]] raft::RequestId ask(Asked asked);

  Seams seams_;
  const Options options_;
  raft::Core core_;
  std::vector<raft::Input> inputs_;
  bool turn_is_wanted_ = false;
  std::uint64_t last_request_ = 0;
  std::map<raft::RequestId, Asked> asked_;        // the core has not answered yet
  std::multimap<raft::Index, Asked> accepted_;    // proposals that have a place in the log
  std::multimap<raft::Index, Asked> reads_;       // wait until that index is applied
  std::optional<Instant> timer_at_;
  TimerId timer_;
  TimerId sweep_timer_;
  std::optional<Error> stopped_;
  Lifetime lifetime_;
};

}  // namespace zraft::node
