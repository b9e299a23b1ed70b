// SPDX-License-Identifier: Apache-2.0
//
// A cluster of cores in one thread: virtual time, a network and disks of a few lines, no node and no real storage.
// Everything happens at an instant and in an order that depend on the calls alone. Messages take `network`, writes
// take `disk`; what a crashed member had not made durable is lost. The laws of cores and of the cluster are checked
// after every step; a broken one fails the running test.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "test/raft/cluster_laws.h"
#include "zraft/raft/core.h"

namespace zraft::raft {

// "append", "appended", "heartbeat", ...: the name of a message in scripts.
[[nodiscard]] std::string_view kind_of(const Message& message);
// A seed for which the first election timers end at about 302, 373, 437, 514 and 574 ms: 1 leads if nothing is done.
inline constexpr std::uint64_t first_is_one = 5755;
// Members 1 to n, all of them voters.
[[nodiscard]] Membership voters_up_to(std::uint64_t n);
// The same after these had gone.
[[nodiscard]] Membership with_removed(Membership membership, std::vector<NodeId> removed);

class CoreCluster {
 public:
  struct Options {
    Membership membership;
    Config config;  // of every member; self and seed are set by the cluster
    Duration network = Duration::milliseconds(10);
    Duration disk = Duration::milliseconds(1);
    Duration transfer = Duration::milliseconds(50);  // of a snapshot, from whoever has one
  };
  // What happens to the next `times` messages that match.
  struct Rule {
    enum class Kind : std::uint8_t { drop, delay, duplicate };
    Kind kind = Kind::drop;
    std::string message;  // empty: any
    NodeId from;          // 0: any
    NodeId to;
    Duration by;  // of a delay, and of the second copy
    std::uint64_t times = 1;
  };
  // Told what happens: who, and what it was.
  struct Watcher {
    std::function<void(NodeId, const Output&)> on_output;
    std::function<void(const Message&)> on_dropped;
  };

  explicit CoreCluster(Options options, Watcher watcher = {});

  // Replaces the durable state of a member and starts it anew: entry 1 is the membership, the others are commands
  // whose bytes depend on their position alone. terms[0] is the term of entry 1.
  void set_log(NodeId id, const std::vector<std::uint64_t>& terms, HardState hard_state);

  void advance(Duration duration);
  // Gives the member its election tick at its own deadline; until then nobody else's timers run.
  void campaign(NodeId id);
  void run_timers(NodeId id, bool do_run);

  void step(NodeId id, std::vector<Input> inputs);  // all in one turn
  void propose(NodeId id, const std::vector<std::string>& commands);
  void read(NodeId id, std::uint64_t count = 1);

  // A new member with nothing on its disk, as the host makes it before it asks the leader to take it in.
  void join(NodeId id);
  void reconfigure(NodeId id, Membership wanted);
  void transfer(NodeId id, std::optional<NodeId> target);

  // Writes a snapshot of what it has applied, as fast as its disk is.
  void snapshot(NodeId id);

  void crash(NodeId id);
  void restart(NodeId id);
  void hold_writes(NodeId id);
  void release_writes(NodeId id);
  void partition(const std::vector<std::vector<std::uint64_t>>& sides);
  void cut(NodeId from, NodeId to);
  void heal();  // partitions, cuts and rules
  void add_rule(Rule rule) { rules_.push_back(std::move(rule)); }
  void inject(Message message) { schedule(now_, [this, message] { deliver(message); }); }

  [[nodiscard]] Instant now() const { return now_; }
  [[nodiscard]] std::vector<NodeId> ids() const;
  [[nodiscard]] bool is_up(NodeId id) const { return members_.at(id).core.has_value(); }
  [[nodiscard]] const Core& core(NodeId id) const { return *members_.at(id).core; }
  [[nodiscard]] const DurableState& disk(NodeId id) const { return members_.at(id).disk; }
  [[nodiscard]] std::optional<NodeId> leader() const;  // of the highest term
  [[nodiscard]] const std::vector<std::string>& applied(NodeId id) const { return members_.at(id).applied; }
  [[nodiscard]] const std::vector<std::pair<NodeId, Answer>>& answers() const { return answers_; }
  [[nodiscard]] std::uint64_t sent(std::string_view kind) const;
  void forget_sent() { sent_.clear(); }

 private:
  using Action = std::function<void()>;
  struct Member {
    DurableState disk;
    std::optional<Core> core;
    std::deque<Write> writes;
    bool writes_are_held = false;
    bool timers_run = true;
    std::uint64_t starts = 0;
    std::vector<std::string> applied;
    bool is_fetching = false;
  };

  void schedule(Instant at, Action action);
  void run_until(Instant end, std::optional<NodeId> only_timer_of);
  void start(NodeId id);
  void drain(NodeId id);
  void perform(NodeId id, const Output& output);
  void fetch(NodeId id, NodeId from);
  void install(NodeId id, NodeId from);
  void send(const Message& message);
  void deliver(const Message& message);
  void schedule_write(NodeId id, WriteId write);
  void complete_write(NodeId id, WriteId write);
  [[nodiscard]] Record bootstrap(Term term) const;

  const Options options_;
  Watcher watcher_;
  ClusterLaws laws_;
  Instant now_{};
  std::uint64_t order_ = 0;
  std::map<std::pair<Instant, std::uint64_t>, Action> queue_;
  std::map<NodeId, Member> members_;
  std::set<std::pair<NodeId, NodeId>> cuts_;
  std::vector<Rule> rules_;
  std::uint64_t last_request_ = 0;
  std::vector<std::pair<NodeId, Answer>> answers_;
  std::map<std::string, std::uint64_t, std::less<>> sent_;
};

}  // namespace zraft::raft
