// SPDX-License-Identifier: Apache-2.0
//
// What may be said only when a write is durable. Each write has an id; a promise is kept with the id of the write
// that makes it true and let out by its Written (P01, P28). The durable index follows truncations: a completion says
// that a write is done, and what of it still stands is known here, so that entries that were overwritten meanwhile
// do not count as durable (P29).
// Laws: ids rise; writes complete in order; durable never exceeds what was written and not cut since.
#pragma once

#include <algorithm>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "zraft/base/queue.h"
#include "zraft/base/time.h"
#include "zraft/raft/message.h"
#include "zraft/raft/output.h"

namespace zraft::raft {

// The candidate's vote for itself, as good as any other: counted when it is durable.
struct OwnVote {
  Term term;
};

class Promises {
 public:
  using Kept = std::variant<Message, OwnVote>;
  // What must be durable first: the present term and vote, or everything written so far.
  enum class Needs : std::uint8_t { term, everything };

  explicit Promises(Index durable) : durable_(durable) {}

  [[nodiscard]] Index durable() const { return durable_; }
  [[nodiscard]] WriteId last_write() const { return last_write_; }
  // When the oldest write that is not done was begun.
  [[nodiscard]] std::optional<Instant> waiting_since() const;

  // A new write begins to be gathered.
  WriteId open(Instant now);
  // What the newest write holds: called as it grows.
  void wrote_hard_state() { hard_state_write_ = last_write_; }
  void wrote_to(Index last) { writes_.back().last = last; }
  void truncated_from(Index index);
  // A durable snapshot holds everything up to there.
  void installed(Index index) { durable_ = std::max(durable_, index); }

  // False: nothing needs to be waited for, say it now.
  [[nodiscard]] bool must_wait(Needs needs) const { return done_ < after(needs); }
  // Requires: must_wait(needs).
  void keep(Kept kept, Needs needs);
  // The promises that became true, in the order they were made. A completion out of order is a bug of the caller.
  [[nodiscard]] std::vector<Kept> written(WriteId id);
  // Promises of an older term bind nobody any more.
  void forget() { kept_.clear(); }

 private:
  struct Pending {
    WriteId id;
    Instant since;
    std::optional<Index> last;
  };
  struct Held {
    WriteId after;
    Kept kept;
  };

  [[nodiscard]] WriteId after(Needs needs) const {
    return needs == Needs::everything ? last_write_ : hard_state_write_;
  }

  Index durable_;
  WriteId last_write_;
  WriteId done_;
  WriteId hard_state_write_;
  Queue<Pending> writes_;
  std::vector<Held> kept_;
};

}  // namespace zraft::raft
