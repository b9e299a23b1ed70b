// SPDX-License-Identifier: Apache-2.0
//
// The numbers of the protocol, each a type of its own: a term cannot be passed for an index. A Position is (term,
// index) and its order is the law of elections: a log is as good as another if its last position is not smaller
// (thesis 3.6.1). Index 0 and term 0 mean "before the first".
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "zraft/base/bytes.h"
#include "zraft/base/result.h"
#include "zraft/base/time.h"

namespace zraft::raft {

template <class Tag>
struct Number {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Number, Number) = default;
};

using Term = Number<struct TermTag>;
using NodeId = Number<struct NodeIdTag>;    // a member of one group, for ever: an id is never used twice
using GroupId = Number<struct GroupIdTag>;  // random, so a stale or foreign message is known as such (P57)
using WriteId = Number<struct WriteIdTag>;
using RequestId = Number<struct RequestIdTag>;
using Round = Number<struct RoundTag>;  // of heartbeats; a fresh one for each batch of reads (P37)

struct Index {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(Index, Index) = default;
  friend constexpr Index operator+(Index a, std::uint64_t n) { return {a.value + n}; }
  // Requires: n <= a.value.
  friend constexpr Index operator-(Index a, std::uint64_t n) { return {a.value - n}; }
  // Requires: b <= a.
  friend constexpr std::uint64_t operator-(Index a, Index b) { return a.value - b.value; }
};

template <class Tag>
constexpr Number<Tag> next(Number<Tag> n) {
  return {n.value + 1};
}
constexpr Index next(Index i) { return {i.value + 1}; }

struct Position {
  Term term;
  Index index;
  friend constexpr auto operator<=>(const Position&, const Position&) = default;
};

// Term and vote are one record, written at once (P02). Persisted before any promise that rests on it.
struct HardState {
  Term term;
  std::optional<NodeId> vote;
  friend bool operator==(const HardState&, const HardState&) = default;
};

// A member: its id, and where it is found: "name@host:port". Names are for people, ids for the protocol. Of two voters
// that could lead, the one with the higher priority is to; one with priority 0 never stands by itself.
struct Member {
  NodeId id;
  std::string peer;
  std::uint32_t priority = 1;
  friend bool operator==(const Member&, const Member&) = default;
};

constexpr std::size_t removed_max = 64;

// Who is in the group. A majority of `voters` decides and, while `outgoing` is not empty (joint consensus, thesis
// 4.3), a majority of `outgoing` as well. A member in neither list is a learner: replicated to, never counted (P54).
// A learner in `promoting` becomes a voter as soon as it has caught up. Whoever is in `leaving` is no member any more
// once the joint membership is left; an outgoing voter that is not becomes a learner.
// Laws: members are sorted by id, no id and no peer twice; the lists are sorted and name only members; voters is not
// empty; promoting names learners only; leaving names outgoing voters that are not in voters.
struct Membership {
  std::vector<Member> members;
  std::vector<NodeId> voters;
  std::vector<NodeId> outgoing;
  std::vector<NodeId> promoting;
  std::vector<NodeId> leaving;
  // The last removed_max that were members and are no more, oldest first. None of them comes back: it was told so, and
  // stopped.
  std::vector<NodeId> removed;

  [[nodiscard]] bool is_joint() const { return !outgoing.empty(); }
  [[nodiscard]] bool is_voter(NodeId id) const;  // in either list
  [[nodiscard]] const Member* find(NodeId id) const;
  [[nodiscard]] Result<> valid() const;
  friend bool operator==(const Membership&, const Membership&) = default;
};

// A membership all of whose members vote. Sorts; does not judge (valid() does).
[[nodiscard]] Membership membership_of(std::vector<Member> members);

// How to get from one membership to another (thesis 4.3): at once if the voters stay the same, else by way of a joint
// one, whose next step is the goal. Requires: `from` is not joint, nor is `to`; both are valid.
[[nodiscard]] Membership first_step(const Membership& from, Membership to);
// Requires: joint.is_joint().
[[nodiscard]] Membership last_step(const Membership& joint);

void encode(const Membership& membership, Bytes& out);
[[nodiscard]] Result<Membership> decode_membership(BytesView bytes);

// What a snapshot covers: everything up to `last`, with the membership that was committed there (P47). A group that
// has no snapshot has the one at position 0^0 with an empty membership.
struct SnapshotMeta {
  Position last;
  Membership membership;
  Index membership_index;  // where that membership stood in the log
  ClusterTime time;
  friend bool operator==(const SnapshotMeta&, const SnapshotMeta&) = default;
};

}  // namespace zraft::raft
