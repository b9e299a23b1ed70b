// SPDX-License-Identifier: Apache-2.0
//
// Who has a session, until when, and what he was answered: replicated state, changed by committed entries alone, so it
// is the same at every member (thesis 6.3; P74, P75, P79). Time is the cluster's. Laws:
//   - a session ends by an entry that says so, never by the passing of time alone;
//   - an answer is kept until its client has acknowledged it; what would not fit is refused, nothing is dropped (P79);
//   - a new leader gives each session its whole timeout again, once until it is heard of the next time (P77).
// Pure values. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "zraft/node/machine.h"
#include "zraft/session/entry.h"

namespace zraft::session {

// The same for all members of all groups, or they would answer differently.
constexpr std::size_t sessions_max = 1'000'000;
constexpr std::size_t replies_max = 1'024;                         // of one session, not acknowledged
constexpr std::size_t reply_bytes_max = std::size_t{1} << 20;      // one more write is taken while they are below

// What was answered to a write.
struct StoredReply {
  Bytes result;
  Error refusal;
  friend bool operator==(const StoredReply&, const StoredReply&) = default;
};

struct SessionState {
  Nonce nonce{};
  Duration timeout;
  ClusterTime seen;      // when an entry last showed that it lives
  ClusterTime deadline;  // from then on it may be ended
  bool is_extended = false;  // by a new leader, since it was seen
  std::uint64_t acknowledged = 0;
  std::map<std::uint64_t, std::shared_ptr<const StoredReply>> replies;  // by sequence, all above `acknowledged`
  std::size_t reply_bytes = 0;
};

class SessionTable {
 public:
  // With `keeps_asides`, take_asides() gives what changed since it was last asked.
  explicit SessionTable(bool keeps_asides) : changes_(keeps_asides ? std::make_unique<Changes>() : nullptr) {}

  [[nodiscard]] std::size_t size() const { return sessions_.size(); }
  [[nodiscard]] const SessionState* find(SessionId session) const;
  [[nodiscard]] const std::map<SessionId, SessionState>& all() const { return sessions_; }

  // The session of that nonce: the one that is open, or a new one named by the entry's index. Errors: busy.
  [[nodiscard]] Result<SessionId> open(const Open& open, raft::Index index, ClusterTime now);
  // False: there is none, or no more.
  bool keep_alive(const Alive& alive, ClusterTime now);
  // True: it was there, and is to be ended by the state machine too.
  bool close(SessionId session);
  // The same, if it may be ended at that time and was not seen after the one that `expire` names.
  bool expire(const Expire& expire, ClusterTime now);
  void begin_term(ClusterTime now);

  // A write of a session: what becomes of it before the state machine is asked. `apply`: it is to be asked, and told()
  // is called. Else `reply` is the answer.
  struct Decision {
    bool apply = false;
    std::shared_ptr<const StoredReply> reply;
  };
  [[nodiscard]] Decision begin_write(const Write& write, ClusterTime now);
  void told(SessionId session, std::uint64_t sequence, StoredReply reply);

  [[nodiscard]] node::Sessions look(ClusterTime now) const;

  // All of it as bytes, the same at every member (docs/snapshot_format.md), and back. Errors: corrupt, unsupported.
  [[nodiscard]] Bytes encode() const;
  [[nodiscard]] static Result<SessionTable> decode(BytesView bytes, bool keeps_asides);

  [[nodiscard]] std::vector<node::Aside> take_asides();
  // Of what was put aside: called for each, in the order of the keys. Errors: corrupt.
  Result<> recall(BytesView key, BytesView value);

 private:
  // What is to be put aside.
  struct Changes {
    std::set<SessionId> sessions;
    std::set<std::pair<SessionId, std::uint64_t>> replies;
  };

  void see(SessionId session, SessionState& state, ClusterTime now);
  void set_deadline(SessionId session, SessionState& state, ClusterTime deadline);
  void acknowledge(SessionId session, SessionState& state, std::uint64_t acknowledged);
  void insert(SessionId session, SessionState state);
  void changed(SessionId session);
  void changed(SessionId session, std::uint64_t sequence);

  std::map<SessionId, SessionState> sessions_;
  std::map<Nonce, SessionId> by_nonce_;
  std::set<std::pair<ClusterTime, SessionId>> by_deadline_;
  std::unique_ptr<Changes> changes_;  // since take_asides(); null: nobody asks for them
};

}  // namespace zraft::session
