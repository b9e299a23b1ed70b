// SPDX-License-Identifier: Apache-2.0
//
// Who listens to what in one group, at its leader, and the last changes, so that a watch can go on where it broke off.
// A watch is told of every change of what it listens to, in the order of the log, each once, all changes of one entry
// together, and only of committed ones. It begins behind an index: that of the query that set it, so that nothing can
// slip between reading and watching, or that of the last event which a watch at another member gave.
// Ends: one-shot watches with their first event; all when this member leads no more (leader_changed) or stops; one
// with its session (P83, P84; W-21).
// Pure values: no loop, no link. What is to be told goes to the Sink at once. Not thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "zraft/base/queue.h"
#include "zraft/base/result.h"
#include "zraft/node/state_machine.h"

namespace zraft::session {

using node::SessionId;

// Given by whoever sets a watch; unique in one Watches.
struct WatchId {
  std::uint64_t link = 0;
  std::uint64_t request = 0;
  friend constexpr auto operator<=>(const WatchId&, const WatchId&) = default;
};

struct Wanted {
  bool is_persistent = false;
  SessionId session;  // 0: of none
  raft::Index after;  // changes behind it are told
  std::vector<node::Watchable> watchable;
};

// All changes of one entry that a watch listens to; shared by all that listen to the same.
struct Changed {
  raft::Index index;
  std::shared_ptr<const std::vector<node::Change>> changes;
};

constexpr std::size_t watchable_max = 1'000;

class Watches {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void on_changed(WatchId watch, const Changed& changed, bool is_last) = 0;
    // Nothing that it listens to has changed up to there.
    virtual void on_progress(WatchId watch, raft::Index index) = 0;
    // leader_changed, session_expired, stopped: the watch is over. Nothing comes after it.
    virtual void on_ended(WatchId watch, const Error& why) = 0;
  };

  // `history_bytes`: how much of the last changes is remembered. `sink` outlives it, and must not call back.
  // `applied`: changes before are not known.
  Watches(Sink& sink, std::size_t history_bytes, raft::Index applied);

  // Errors: compacted (changes behind `after` are not remembered any more), bad_request (nothing to listen to, or more
  // than watchable_max places; a watch of that id is there).
  [[nodiscard]] Result<> may_add(WatchId watch, const Wanted& wanted) const;
  // Tells at once what has happened since. Requires: may_add().
  void add(WatchId watch, Wanted wanted);
  // False: there is none, or it is over.
  bool remove(WatchId watch);
  void remove_link(std::uint64_t link);
  [[nodiscard]] std::size_t size() const { return set_ == nullptr ? 0 : set_->watches.size(); }

  // Of each entry that is applied, in order, whether this member leads or not.
  void on_applied(raft::Index index, std::vector<node::Change> changes);
  void on_session_ended(SessionId session);
  // A snapshot took the place of entries: what they changed is not known here.
  void on_installed(raft::Index index);
  void end_all(const Error& why);

 private:
  using ByKey = std::map<Bytes, std::set<WatchId>, std::less<>>;
  // Those that are set. Of most groups nobody watches anything, and they may be many.
  struct Set {
    std::map<WatchId, Wanted> watches;  // `after`: what it was told of
    ByKey by_key;
    ByKey by_prefix;
    std::map<SessionId, std::set<WatchId>> by_session;
  };

  // False: that was its last event, and it is gone.
  bool tell(WatchId watch, const Changed& what);
  static void collect(const Set& from, BytesView key, std::set<WatchId>& into);
  void note(WatchId watch, const Wanted& wanted);
  void remember(const Changed& what);
  void tell_progress();

  Sink& sink_;
  const std::size_t history_bytes_max_;
  Queue<Changed> history_;
  std::size_t history_bytes_ = 0;
  std::size_t told_bytes_ = 0;  // of changes, since all were told of their progress
  raft::Index known_from_;      // changes behind it are remembered
  raft::Index applied_;
  std::unique_ptr<Set> set_;    // null: none
};

}  // namespace zraft::session
