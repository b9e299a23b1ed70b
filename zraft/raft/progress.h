// SPDX-License-Identifier: Apache-2.0
//
// What a leader knows of one other member, and how fast it may send to it. Optimistic (pipelined) replication, thesis
// 10.2.1: in `replicate`, entries go out one after the other without waiting, bounded by a window; a rejection falls
// back to `probe`, one message at a time, until the logs are found to agree. Whoever misses what the leader's log does
// not have any more is in `snapshot`: nothing is sent but the offer, until it has acknowledged where that log begins.
// From the offer until it is near the end of the log, what it needs next is kept for it (RELIABILITY P64).
// Laws: match < next; match only rises; the window is bounded; in `probe` at most one message with entries is under
// way.
#pragma once

#include <cstddef>
#include <vector>

#include "zraft/base/queue.h"
#include "zraft/base/time.h"
#include "zraft/raft/types.h"

namespace zraft::raft {

struct ReplicationLimits {
  std::size_t append_bytes_max = std::size_t{512} << 10;  // of one message; one entry always fits
  std::size_t inflight_messages_max = 128;
  std::size_t inflight_bytes_max = std::size_t{8} << 20;
};

class Progress {
 public:
  enum class State : std::uint8_t { probe, replicate, snapshot };

  Progress(NodeId id, Index last, Instant now) : id_(id), next_(zraft::raft::next(last)), heard_(now) {}

  [[nodiscard]] NodeId id() const { return id_; }
  [[nodiscard]] State state() const { return state_; }
  [[nodiscard]] Index match() const { return match_; }
  [[nodiscard]] Index next() const { return next_; }
  [[nodiscard]] Instant heard() const { return heard_; }
  [[nodiscard]] Round acknowledged() const { return acknowledged_; }
  // When the newest heartbeat was sent that this member has answered.
  [[nodiscard]] Instant lease_from() const { return lease_from_; }
  [[nodiscard]] std::size_t inflight_bytes() const { return inflight_bytes_; }
  [[nodiscard]] std::size_t inflight_messages() const { return inflight_.size(); }

  [[nodiscard]] bool can_send(const ReplicationLimits& limits) const;

  void on_heard(Instant now) { heard_ = now; }
  void on_round(Round round, Instant sent);
  // A message with the entries [next, last] goes out; `last` < next means it has none.
  void on_sent(Index last, std::size_t bytes);
  // True if match rose.
  bool on_appended(Index match);
  // It needs what lies before the leader's log; a snapshot up to `last` is there.
  void begin_snapshot(Position last);
  // Of the state `snapshot`: the one that was offered.
  [[nodiscard]] Position snapshot() const { return snapshot_; }
  // The log goes on behind match().
  void end_snapshot();
  // It was offered a snapshot, and the end of the log was far away ever since.
  [[nodiscard]] bool catches_up() const { return catches_up_; }
  void end_catching_up() { catches_up_ = false; }
  // The entries behind this one are wanted next.
  [[nodiscard]] Index wanted_after() const { return state_ == State::snapshot ? snapshot_.index : match_; }
  // `agreed` is where the two logs can agree at most. False: an old rejection that says nothing new (P32).
  bool on_rejected(Index rejected, Index agreed);

 private:
  struct Inflight {
    Index last;
    std::size_t bytes;
  };

  NodeId id_;
  State state_ = State::probe;
  bool probe_is_out_ = false;
  Index match_;
  Index next_;
  Instant heard_;
  Round acknowledged_;
  Instant lease_from_;
  Position snapshot_;
  bool catches_up_ = false;
  Queue<Inflight> inflight_;
  std::size_t inflight_bytes_ = 0;
};

// Sorted by id.
class Progresses {
 public:
  // Makes the list hold exactly the other members; what is known of those that stay is kept (P58).
  void follow(const Membership& membership, NodeId self, Index last, Instant now);
  [[nodiscard]] Progress* find(NodeId id);
  [[nodiscard]] const Progress* find(NodeId id) const;
  [[nodiscard]] auto begin() { return all_.begin(); }
  [[nodiscard]] auto end() { return all_.end(); }
  [[nodiscard]] auto begin() const { return all_.begin(); }
  [[nodiscard]] auto end() const { return all_.end(); }

 private:
  std::vector<Progress> all_;
};

}  // namespace zraft::raft
