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
//   base <= snapshot <= applied <= handed <= commit <= last,  handed <= durable <= last,  term and commit never go
//   back,
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
  // Of the entries that a snapshot covers, so many bytes are kept for members that are a little behind.
  std::size_t log_bytes_retained = std::size_t{8} << 20;
  std::size_t reads_max = 100'000;                            // waiting for a round; beyond: busy
  ReplicationLimits replication;
  // Reads by lease are allowed; the same at every member. Then whoever starts votes for nobody for an election timeout,
  // because it may have promised a leader just before not to.
  bool lease_reads = false;
  // How much of a lease is not used, in percent of election_timeout: as much as two clocks may differ in speed.
  std::int64_t lease_margin_percent = 10;
  // A group to which nothing happens for that long sends no heartbeats any more, until something happens (quiesce.cc).
  // Only for a caller that watches the processes of the members (Wake). 0: never.
  Duration quiesce_after{};
  std::uint64_t seed = 1;   // of the election timeouts, and of the numbers of attempts
  bool check_laws = false;  // after every step
};

// What a member has at start-up. It always has a membership: in `base`, in `snapshot` or among the entries.
struct Recovered {
  HardState hard_state;
  SnapshotMeta base;
  std::vector<Record> entries;  // from base.last.index + 1 on, without gaps; all durable
  SnapshotMeta snapshot;        // the newest one, durable; the state machine was restored from it
  Index applied;                // what the state machine holds besides, being on a disk itself; 0: nothing
};
// Does it make sense together? What is on one disk may be of different times (RELIABILITY 2.3, rows 8 to 10). Errors:
// corrupt, with what does not fit and what to do.
[[nodiscard]] Result<> check(const Recovered& recovered);

struct Follower {
  std::optional<NodeId> leader;
  std::vector<RequestId> reads;          // not yet asked about
  std::vector<RequestId> asked;          // the leader was asked, by the newest attempt
  std::optional<std::uint64_t> attempt;
  Instant asked_at;
};

struct Candidate {
  enum class Phase : std::uint8_t { pre_vote, vote };
  Phase phase = Phase::pre_vote;
  std::vector<NodeId> granted;
  std::vector<NodeId> refused;
};

// A leader that is about to let another one lead (thesis 3.10). Takes no proposals and begins no change meanwhile.
struct Handover {
  NodeId target;
  Instant end;                    // then it is given up (P70)
  std::optional<RequestId> id;    // who asked, if anybody did
  bool is_told = false;           // the target has everything and was told to stand
};

// A learner's way to the vote: rounds as in thesis 4.2.1. It has caught up when it took no longer than an election
// timeout to get what was in the log when the round began.
struct CatchUp {
  NodeId learner;
  Index target;
  Instant began;
};

struct Leader {
  Index term_start;  // the no-op of this term; until it commits, nothing of earlier terms counts as committed
  Progresses progresses;  // of every other member
  Reads reads;
  Instant heartbeat_due;
  bool heartbeat_wanted = false;  // a round for waiting reads
  Instant began;
  ClusterTime time_at_begin;
  Index settled_membership;  // the newest one whose commit was acted upon
  std::optional<RequestId> change;  // who asked for the change that is under way
  std::optional<Handover> handover;
  std::vector<CatchUp> catching_up;
  Instant handover_pause;  // no handover by priority before
  Instant disturbed;           // when something last happened
  std::vector<NodeId> agreed;  // to quiesce, since then
  bool lease_is_void = false;  // somebody was told to stand: the others need not protect this leader any more (P40)
};

using Role = std::variant<Follower, Candidate, Leader>;

class Laws;

class Core {
 public:
  // Requires: check(recovered); recovered.entries are contiguous; the membership in them is valid.
  Core(Config config, Recovered recovered, Instant now);

  void step(Instant now, Input input);
  // Everything wanted since the last call. If `has_more()` then, call again soon.
  [[nodiscard]] Output take_output();
  [[nodiscard]] bool has_more() const;
  // When to step(Tick) if nothing else happens; never, while it is quiesced.
  [[nodiscard]] Instant deadline() const;

  // --- to look at, never to decide by ---
  [[nodiscard]] const Config& config() const { return config_; }
  [[nodiscard]] const Role& role() const { return role_; }
  [[nodiscard]] bool is_leader() const { return std::holds_alternative<Leader>(role_); }
  [[nodiscard]] std::optional<NodeId> leader() const;
  // Thesis 6.4.1: no other leader can have committed anything before `now`, if no clock is faster than another by more
  // than lease_margin_percent. Requires: `now` is not before the last step.
  [[nodiscard]] bool has_lease(Instant now) const;
  // Of a leader: the time that an entry would have now. None: of a member that does not lead.
  [[nodiscard]] std::optional<ClusterTime> cluster_time(Instant now) const;
  // When a leader was last heard; for reads that may be stale by a bound.
  [[nodiscard]] Instant leader_heard() const { return leader_heard_; }
  [[nodiscard]] const HardState& hard_state() const { return hard_; }
  [[nodiscard]] Term term() const { return hard_.term; }
  [[nodiscard]] Index commit() const { return commit_; }
  [[nodiscard]] Index applied() const { return applied_; }
  [[nodiscard]] Index durable() const { return promises_.durable(); }
  [[nodiscard]] const LogWindow& log() const { return log_; }
  [[nodiscard]] const SnapshotMeta& snapshot() const { return snapshot_; }  // the newest one here
  [[nodiscard]] const Membership& membership() const { return log_.membership(); }
  // Who can be sent to: the members, and those that the newest change made no members.
  [[nodiscard]] std::vector<Member> reachable() const;
  // It sends no heartbeats, or waits for none.
  [[nodiscard]] bool is_quiesced() const { return is_quiesced_; }
  // This member was removed from its group: it may be stopped, and its data kept or not.
  [[nodiscard]] bool is_removed() const { return is_removed_; }

 private:
  // What a handler wants to become; performed in one place, after dispatch (`settle`), because assigning a variant
  // inside its own visit is undefined and no sanitizer sees it.
  struct BecomeFollower {
    std::optional<NodeId> leader;
    const char* why;
  };
  struct BecomeCandidate {
    Candidate::Phase phase;
    bool is_transfer = false;
  };
  struct BecomeLeader {};
  using Change = std::variant<std::monostate, BecomeFollower, BecomeCandidate, BecomeLeader>;

  // core.cc: dispatch, output, settling
  void on(const Tick&);
  void on(const Receive&);
  void on(const Propose&);
  void on(const ReadBarrier&);
  void on(const Reconfigure&);
  void on(const Transfer&);
  void on(const Written&);
  void on(const Applied&);
  void on(const SnapshotSaved&);
  void on(const FreeLog&);
  void on(const SnapshotInstalled&);
  void on(const Wake&);
  void on(const Heard&);
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
  [[nodiscard]] bool disk_answers() const;
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
  void hear_leader(Follower& role, NodeId leader);
  [[nodiscard]] bool has_quorum_contact(const Leader& role) const;
  [[nodiscard]] bool is_well_formed(const Message& message, const Append& body) const;
  [[nodiscard]] ClusterTime cluster_time(const Leader& role, Instant now) const;
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

  // snapshots.cc: thesis 5
  void take_over(const SnapshotMeta& snapshot);
  void cut_log();
  [[nodiscard]] Index index_to_cut_to() const;
  void offer_snapshot(Progress& progress);
  void repeat_offer(Progress& progress);
  void on(Follower&, const Message&, const OfferSnapshot&);
  void on(Candidate&, const Message&, const OfferSnapshot&);
  void on(Leader&, const Message&, const OfferSnapshot&);

  // read_index.cc: thesis 6.4, 6.4.1
  void on(Follower&, const ReadBarrier&);
  void on(Candidate&, const ReadBarrier&);
  void on(Leader&, const ReadBarrier&);
  void ask_leader(Follower& role);
  void refuse_reads(Follower& role);
  void settle_reads(Leader& role);
  void on(Follower&, const Message&, const RequestReadIndex&);
  void on(Follower&, const Message&, const ReadIndex&);
  void on(Candidate&, const Message&, const RequestReadIndex&);
  void on(Candidate&, const Message&, const ReadIndex&);
  void on(Leader&, const Message&, const RequestReadIndex&);
  void on(Leader&, const Message&, const ReadIndex&);

  // reconfigure.cc: thesis 3.10, 4.1 to 4.3
  [[nodiscard]] std::optional<Code> reason_to_refuse(const Leader& role, const Reconfigure& input) const;
  [[nodiscard]] bool names_removed(const Membership& wanted) const;
  [[nodiscard]] bool would_be_heard(const Leader& role, const Membership& wanted) const;
  void adopt(Leader& role, const Membership& membership);
  void drive_membership(Leader& role);
  void settle_membership(Leader& role);
  void promote(Leader& role);
  [[nodiscard]] bool has_caught_up(Leader& role, NodeId learner);
  [[nodiscard]] std::optional<NodeId> best_successor(const Leader& role) const;
  void hand_over_to(Leader& role, NodeId target, std::optional<RequestId> id);
  void drive_handover(Leader& role);
  void prefer_by_priority(Leader& role);
  void leave_office(Leader& role);
  void be_removed(NodeId told_by);
  bool tell_removed(NodeId who, Index its_membership);
  void on(Follower&, const Message&, const TimeoutNow&);
  void on(Follower&, const Message&, const Removed&);
  void on(Candidate&, const Message&, const TimeoutNow&);
  void on(Candidate&, const Message&, const Removed&);
  void on(Leader&, const Message&, const TimeoutNow&);
  void on(Leader&, const Message&, const Removed&);

  // quiesce.cc
  [[nodiscard]] bool disturbs(const Input& input) const;
  void wake(const Input& input);
  [[nodiscard]] bool is_away(const Progress& progress) const;
  [[nodiscard]] bool may_quiesce(const Leader& role) const;
  void try_to_quiesce(Leader& role);
  void take_agreement(Leader& role, NodeId member, Instant sent);
  [[nodiscard]] bool agrees_to_quiesce(const Follower& role, const Heartbeat& body) const;
  void quiesce();

  const Config config_;
  Random random_;
  Instant now_;
  HardState hard_;
  LogWindow log_;
  SnapshotMeta snapshot_;
  Index commit_;
  Index free_to_;  // the log up to there is to be cut as soon as a snapshot covers it
  Index handed_;   // given out to be applied
  Index applied_;  // told to be applied
  Role role_;
  Change change_;
  Instant election_due_;
  Instant leader_heard_;  // by whatever role: a promise not to elect another for a while outlives a change of term
  Promises promises_;
  Output out_;
  bool is_removed_ = false;
  bool is_quiesced_ = false;
};

}  // namespace zraft::raft
