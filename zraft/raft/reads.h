// SPDX-License-Identifier: Apache-2.0
//
// Reads that wait until the leadership is confirmed (ReadIndex, thesis 6.4). All reads that came since the last
// round share the next one; a round is confirmed by acknowledgements of that round or a later one, never by answers
// to what was sent before the reads came (P37, P38). A round is never used twice in a term.
#pragma once

#include <vector>

#include "zraft/base/queue.h"
#include "zraft/raft/types.h"

namespace zraft::raft {

class Reads {
 public:
  // A read of this member, or all those of a follower that asked.
  struct Reader {
    NodeId follower;            // 0: this member
    std::uint64_t number = 0;   // the request's id, or the follower's attempt
  };
  struct Batch {
    Round round;
    Index index;  // the commit index when the round began
    std::vector<Reader> readers;
  };

  void add(Reader reader) { waiting_.push_back(reader); }
  [[nodiscard]] bool is_round_wanted() const { return !waiting_.empty(); }
  // All waiting reads go into a new round.
  Round begin_round(Index commit);
  // The newest round that was begun; heartbeats carry it.
  [[nodiscard]] Round newest() const { return newest_; }
  [[nodiscard]] std::vector<Batch> confirmed(Round up_to);
  // Leadership is lost: every read that still waits.
  [[nodiscard]] std::vector<Reader> take_all();
  [[nodiscard]] std::size_t size() const { return size_ + waiting_.size(); }

 private:
  Round newest_;
  std::vector<Reader> waiting_;
  Queue<Batch> rounds_;
  std::size_t size_ = 0;
};

}  // namespace zraft::raft
