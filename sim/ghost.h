// SPDX-License-Identifier: Apache-2.0
//
// The laws that a whole cluster must keep, checked after every event, by an observer that sees all members at once
// and forgets nothing over crashes. Numbers are those of docs/protocol.md:
//   I1  one leader a term            I2  one vote a term, over restarts       I3  nothing is said that is not durable
//   I4  nothing goes back            I5  log matching                         I6  what is committed never changes
//   I7  committed: durable on a quorum   I8  by an entry of the leader's term   I9  no cut below the commit index
//   I10 purged <= snapshot <= applied <= commit <= last    I13 every machine sees the same entries
//   I14 snapshots of one index are the same bytes          I18 a snapshot has the membership that was committed there
//   I28 acknowledged: committed for ever                   I46 no log goes before a snapshot covers it
//   I15 one change of members at a time  I16 by way of both majorities  I17 the newest in the log is in force
//   I19 none before an entry of the own term is committed  I20 only voters count, and no removed member comes back
//   I22 while a lease lasts no later leader commits        I23 a leader that hears no majority says nothing
//   I24 a transfer ends in time      I41 nothing damaged is applied   I42 recovery finds all that was durable
// I21 (a joint membership is left) is asked of the whole cluster at the end.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "zraft/raft/core.h"

namespace zraft::sim {

class Ghost {
 public:
  // With `is_durable` unset the members may lose what they said (log_sync_mode dirty): I3, I7 and I42 are not asked.
  explicit Ghost(bool is_durable) : is_durable_(is_durable) {}

  // When something is looked at: by the member's clock, and whether it does in time what it is to do by a time.
  struct Moment {
    Instant now;
    bool is_timely = false;
  };

  // A member was started, or started again, with what its log gave.
  void on_start(raft::NodeId member, const raft::Core& core);
  // Something happened at that member.
  void on_step(raft::NodeId member, const raft::Core& core, const Moment& moment);
  // A member gives its vote, or its own to itself; it may not be durable yet, and is not sent before it is.
  void on_vote(raft::NodeId voter, raft::Term term, raft::NodeId candidate) { given_[{voter, term}] = candidate; }
  // A member says something, whether it will be heard or not.
  void on_sent(const raft::Message& message, const raft::Core& core, const Moment& moment);
  void on_applied(raft::NodeId member, const raft::Record& record);
  // The member's machine holds what that snapshot covers, in place of what it held.
  void on_installed(raft::NodeId member, const raft::SnapshotMeta& snapshot);
  // A member has a snapshot, durable: what it covers, and a checksum of all its bytes.
  void on_snapshot(raft::NodeId member, const raft::SnapshotMeta& snapshot, std::uint32_t checksum);
  // A client was told that its command is in the log at `index`.
  void on_acknowledged(std::uint64_t index, std::uint32_t command_checksum);

  [[nodiscard]] std::uint64_t commit() const { return committed_.size(); }
  // Of what a member has applied since its start, in order.
  [[nodiscard]] std::uint64_t applied_hash(raft::NodeId member) const;
  [[nodiscard]] std::uint64_t terms_led() const { return leaders_.size(); }
  [[nodiscard]] std::uint64_t memberships() const { return memberships_; }
  [[nodiscard]] std::uint64_t truncations() const { return truncations_; }
  [[nodiscard]] std::uint64_t snapshots() const { return snapshots_.size(); }
  [[nodiscard]] std::uint64_t installs() const { return installs_; }

  // Every law that was broken since the last call, in words.
  [[nodiscard]] std::vector<std::string> take_broken() { return std::exchange(broken_, {}); }

 private:
  struct Entry {
    raft::Term term;
    std::uint32_t checksum = 0;
    friend bool operator==(const Entry&, const Entry&) = default;
  };
  struct Member {
    std::vector<Entry> log;  // of index 1 and on; of what a snapshot covers, as it was committed
    raft::Index base;        // what the log itself does not have any more
    raft::Index durable;
    raft::Index commit;
    raft::Index applied;
    raft::Term term;
    raft::Term said;  // the largest term of any message it sent
    bool is_leader = false;
    std::vector<raft::Index> memberships;  // where they stand in `log`
    raft::Membership in_force;             // when it was last looked at
    Instant in_force_since;
    raft::Index fed;  // since its start
    std::uint64_t fed_hash = 0;
  };

  void check_new_membership(raft::NodeId id, const Member& member, const raft::Core& core, raft::Index index);
  void check_memberships(raft::NodeId id, const Member& member, const raft::Core& core);
  void check_election(raft::NodeId id, const raft::Core& core);
  void check_clock(raft::NodeId id, const raft::Core& core, const Moment& moment);
  void follow_members(raft::Index index, const raft::Core& core);
  void follow_base(raft::NodeId id, Member& member, const raft::Core& core);
  // Drops the last entry.
  void cut_one(raft::NodeId id, Member& member);
  // True if entries were cut.
  bool follow_log(raft::NodeId id, Member& member, const raft::Core& core);
  void check_recovery(raft::NodeId id, const Member& before, const raft::Core& core);
  void check_leader(raft::NodeId id, const Member& member, const raft::Core& core);
  void check_completeness(raft::NodeId id, const Member& member);
  void check_commit(raft::NodeId id, const Member& member, const raft::Core& core);
  void check_quorum(raft::Index index, const Member& member, const raft::Core& core);
  void check_matching(raft::NodeId id, const Member& member, raft::Index index);
  void vote(raft::NodeId voter, raft::Term term, raft::NodeId candidate);
  void broken(const std::string& law) { broken_.push_back(law); }

  const bool is_durable_;
  std::map<raft::NodeId, Member> members_;
  std::map<raft::Term, raft::NodeId> leaders_;
  std::map<std::pair<raft::NodeId, raft::Term>, raft::NodeId> votes_;  // that were sent
  // What stands at a position, and the term of the entry before it: the same wherever it stands.
  std::map<std::pair<raft::Index, raft::Term>, std::pair<std::uint32_t, raft::Term>> entries_;
  std::vector<Entry> committed_;         // of index 1 and on
  std::vector<raft::Term> committed_in_;  // of the member that was first seen to have it committed; never falls
  std::vector<std::uint64_t> fed_hash_;  // of the entries up to index 1 and on, by the first that applied it
  std::map<std::pair<raft::NodeId, raft::Term>, raft::NodeId> given_;  // votes, sent or not
  std::set<raft::NodeId> present_;  // in the newest committed membership
  std::set<raft::NodeId> gone_;     // in one before it
  std::map<raft::Index, raft::Membership> committed_memberships_;
  std::map<raft::Index, std::uint32_t> snapshots_;  // that anybody had, and their checksums
  std::uint64_t installs_ = 0;
  std::uint64_t memberships_ = 0;   // that were committed
  std::uint64_t truncations_ = 0;
  std::vector<std::string> broken_;
};

}  // namespace zraft::sim
