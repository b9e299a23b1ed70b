// SPDX-License-Identifier: Apache-2.0
//
// The protocol, pure: values in, values out. No clock, no thread, no file, no socket, no logger, no exception. The
// caller gives each input with the present time and takes the output; it may take one output for many steps, which
// is group commit. The core keeps back every promise (votes, acknowledgements, its own vote and its own match)
// until the Written that makes it true, so the caller has no ordering rule to obey.
//
// The road not taken: blocking calls to a log inside handlers. They make every handler a state machine of the disk.
//
// Laws, checked after each step in debug builds and in the simulator (invariants.cc):
//   base <= applied <= handed <= commit <= last,  handed <= durable <= last,  term and commit never go back,
//   a leader voted for itself and only appends, match <= last, match < next.
// Thesis: 3 (elections, replication, commit), 6.4 (reads), 9.6 (pre-vote), 10.2.1 (writing in parallel).
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/base/time.h"
#include "zraft/raft/input.h"
#include "zraft/raft/log_window.h"
#include "zraft/raft/output.h"
#include "zraft/raft/progress.h"
#include "zraft/raft/promises.h"
#include "zraft/raft/reads.h"

namespace zraft::raft {

struct Config {
  GroupId group;
  NodeId self;
  // A follower that hears no leader for this long, up to twice as long (drawn anew each time), asks for votes. A
  // leader that hears no majority for this long steps down.
  Duration election_timeout = Duration::milliseconds(300);
  Duration heartbeat_interval = Duration::milliseconds(60);
  std::size_t command_bytes_max = std::size_t{2} << 20;  // beyond: too_large
  std::size_t uncommitted_bytes_max = std::size_t{64} << 20;  // beyond: busy (P35)
  std::size_t log_bytes_max = std::size_t{4} << 30;           // entries since the snapshot; beyond: busy
  std::size_t reads_max = 100'000;                            // waiting for a round; beyond: busy
  ReplicationLimits replication;
  std::uint64_t seed = 1;   // of the election timeouts
  bool check_laws = false;  // after every step
};

// What the log held at start-up. A member of a group always has a membership: in `base` or among the entries.
struct Recovered {
  HardState hard_state;
  SnapshotMeta base;
  std::vector<Record> entries;  // from base.last.index + 1 on, without gaps; all durable
};

struct Follower {
  std::optional<NodeId> leader;
  std::optional<Instant> heard;  // when the leader of this term last spoke
};

struct Candidate {
  enum class Phase : std::uint8_t { pre_vote, vote };
  Phase phase = Phase::pre_vote;
  std::vector<NodeId> granted;
  std::vector<NodeId> refused;
};

struct Leader {
  Index term_start;  // the no-op of this term; until it commits, nothing of earlier terms counts as committed
  Progresses progresses;  // of every other member
  Reads reads;
  Instant heartbeat_due;
  bool heartbeat_wanted = false;  // a round for waiting reads
  Instant began;
  ClusterTime time_at_begin;
};

using Role = std::variant<Follower, Candidate, Leader>;

class Laws;

class Core {
 public:
  // Requires: recovered.entries are contiguous; the membership in them is valid.
  Core(Config config, Recovered recovered, Instant now);

  void step(Instant now, Input input);
  // Everything wanted since the last call. If `has_more()` then, call again soon.
  [[nodiscard]] Output take_output();
  [[nodiscard]] bool has_more() const;
  // When to step(Tick) if nothing else happens.
  [[nodiscard]] Instant deadline() const;

  // --- to look at, never to decide by ---
  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const Role& role() const { return role_; }
  [[nodiscard]] bool is_leader() const { return std::holds_alternative<Leader>(role_); }
  [[nodiscard]] std::optional<NodeId> leader() const;
  [[nodiscard]] const HardState& hard_state() const { return hard_; }
  [[nodiscard]] Term term() const { return hard_.term; }
  [[nodiscard]] Index commit() const { return commit_; }
  [[nodiscard]] Index applied() const { return applied_; }
  [[nodiscard]] Index durable() const { return promises_.durable(); }
  [[nodiscard]] const LogWindow& log() const { return log_; }
  [[nodiscard]] const Membership& membership() const { return log_.membership(); }

 private:


  // What a handler wants to become; performed in one place, after dispatch (`settle`), because assigning a variant
  // inside its own visit is undefined and no sanitizer sees it.
  struct BecomeFollower {
    std::optional<NodeId> leader;
    const char* why;
  };
  struct BecomeCandidate {
    Candidate::Phase phase;
  };
  struct BecomeLeader {};
  using Change = std::variant<std::monostate, BecomeFollower, BecomeCandidate, BecomeLeader>;

  // core.cc: dispatch, output, settling
  void on(const Tick&);
  void on(const Receive&);
  void on(const Propose&);
  void on(const ReadBarrier&);
  void on(const Written&);
  void on(const Applied&);
  void settle();
  void become(BecomeFollower);
  void become(BecomeCandidate);
  void become(BecomeLeader);
  Write& write();
  void save_hard_state();
  void send(NodeId to, Body body, Promises::Needs needs = Promises::Needs::term);
  void tell(Event::Kind kind, NodeId peer = {}, Position position = {}, const char* why = "");
  void hand_over_committed();
  void commit_to(Index index);

  // election.cc: thesis 3.4, 3.6.1, 9.6. One overload per (role, message): a new message does not compile until
  // every role has decided.
  void on(Follower&, const Tick&);
  void on(Candidate&, const Tick&);
  bool admit(const Message& message);  // the one prologue of every message (P21); false: it is dealt with
  void rise_to(Term term, NodeId told_by, std::optional<NodeId> leader);
  [[nodiscard]] const char* reason_to_refuse(const Message& message, Position last) const;
  [[nodiscard]] bool is_protecting_leader() const;
  [[nodiscard]] bool can_campaign() const;
  void answer_pre_vote(const Message& message, const RequestPreVote& body);
  void answer_vote(const Message& message, const RequestVote& body);
  void count_vote(Candidate& role, NodeId voter, bool granted);
  void arm_election();
  void on(Follower&, const Message&, const RequestPreVote&);
  void on(Follower&, const Message&, const PreVote&);
  void on(Follower&, const Message&, const RequestVote&);
  void on(Follower&, const Message&, const Vote&);
  void on(Candidate&, const Message&, const RequestPreVote&);
  void on(Candidate&, const Message&, const PreVote&);
  void on(Candidate&, const Message&, const RequestVote&);
  void on(Candidate&, const Message&, const Vote&);
  void on(Leader&, const Message&, const RequestPreVote&);
  void on(Leader&, const Message&, const PreVote&);
  void on(Leader&, const Message&, const RequestVote&);
  void on(Leader&, const Message&, const Vote&);

  // replication.cc: thesis 3.5, 3.6.2, 6.4, 10.2.1
  void on(Leader&, const Tick&);
  void append_own(EntryType type, BytesView payload);
  void replicate(Leader& role);
  void heartbeat(Leader& role);
  void send_entries(Progress& progress);
  void advance_commit(Leader& role);
  void settle_reads(Leader& role);
  void hear_leader(Follower& role, NodeId leader);
  [[nodiscard]] bool has_quorum_contact(const Leader& role) const;
  [[nodiscard]] bool is_well_formed(const Message& message, const Append& body) const;
  [[nodiscard]] ClusterTime cluster_time(const Leader& role) const;
  void take_entries(const Append& body);
  void on(Follower&, const Message&, const Append&);
  void on(Follower&, const Message&, const Appended&);
  void on(Follower&, const Message&, const AppendRejected&);
  void on(Follower&, const Message&, const Heartbeat&);
  void on(Follower&, const Message&, const HeartbeatReply&);
  void on(Follower&, const Message&, const StaleTerm&);
  void on(Candidate&, const Message&, const Append&);
  void on(Candidate&, const Message&, const Appended&);
  void on(Candidate&, const Message&, const AppendRejected&);
  void on(Candidate&, const Message&, const Heartbeat&);
  void on(Candidate&, const Message&, const HeartbeatReply&);
  void on(Candidate&, const Message&, const StaleTerm&);
  void on(Leader&, const Message&, const Append&);
  void on(Leader&, const Message&, const Appended&);
  void on(Leader&, const Message&, const AppendRejected&);
  void on(Leader&, const Message&, const Heartbeat&);
  void on(Leader&, const Message&, const HeartbeatReply&);
  void on(Leader&, const Message&, const StaleTerm&);

  const Config config_;
  Random random_;
  Instant now_;
  HardState hard_;
  LogWindow log_;
  Index commit_;
  Index handed_;   // given out to be applied
  Index applied_;  // told to be applied
  Role role_;
  Change change_;
  Instant election_due_;
  Promises promises_;
  Output out_;
};

}  // namespace zraft::raft
