// SPDX-License-Identifier: Apache-2.0
//
// Watches: a query whose answer somebody wants to know the changes of. They are set at the leader of the group. Laws:
//   - what is told is committed, in the order of the log, each change once, with no gap from what the query gave on;
//   - a persistent watch outlives its link and its leader: it goes on behind the last index it was told of. If the
//     group does not remember so far back, it is closed with not_found: changes may have been missed, read again;
//   - a one-shot watch ends with its first event: `changed`, `leader_changed` (also if the link broke: whether anything
//     has changed is not known) or `closed`, of which there is one (W-21);
//   - no event before watch() has returned, after cancel(), after `is_last`, or after the end of this object.
// A host that hangs is found out by asking it, three times as seldom as a host may stay silent (attempt_timeout).
// Not thread-safe: everything happens on the loop. For programs with threads: client.h.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "zraft/client/light_session.h"

namespace zraft::client {

// Where a watch stands: all up to `after` was told. With it another watch can go on, in another process too.
struct WatchPosition {
  raft::Index after;
  std::vector<node::Watchable> watchable;
};

struct WatchOptions {
  bool is_persistent = false;
  Bytes query;  // the watch listens to what it reads
  net::Consistency consistency = net::Consistency::linearizable;  // or lease
  std::optional<WatchPosition> from = std::nullopt;  // goes on from there, instead of the query
};

struct Event {
  enum class What : std::uint8_t {
    set,             // the first: the watch is set; `data` is the answer to the query, `index` from where on it is told
    changed,         // `changes`, all of one entry, in their order; the entry is that of `index`
    leader_changed,  // of a one-shot watch: changes may come that it does not see; the last event
    closed,          // `error` says why; the last event
  };
  What what = What::set;
  bool is_last = false;
  raft::Index index;
  Bytes data;
  std::vector<node::Change> changes;
  Error error;
};
// May set and cancel watches; must not destroy the object that calls it.
using OnEvent = std::move_only_function<void(Event)>;

struct WatchNumber {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(WatchNumber, WatchNumber) = default;
};

class Watches final : private EventSink {
 public:
  // Requires: the loop and the light session outlive it. `session`: the watches end with it; 0: of none; nullopt: they
  // wait for begin().
  Watches(node::Loop& loop, LightSession& light, Random random,
          std::optional<node::SessionId> session = node::SessionId{});
  ~Watches() override;
  Watches(const Watches&) = delete;
  Watches& operator=(const Watches&) = delete;

  // Tells `set`, or, if that has not come about by the deadline or is refused, `closed`.
  WatchNumber watch(WatchOptions options, Instant deadline, OnEvent on_event);
  // A watch that is over, or none: nothing happens.
  void cancel(WatchNumber watch);
  // nullopt: it is over, or not set yet.
  [[nodiscard]] std::optional<WatchPosition> position(WatchNumber watch) const;
  [[nodiscard]] std::size_t size() const { return watches_.size(); }

  // --- for the session that they belong to ---
  void begin(node::SessionId session);
  // All are told `closed`.
  void end_all(const Error& why);
  // Called when a host says that the session is over, before the watch is told.
  void set_on_expired(std::function<void(const Error&)> on_expired) { on_expired_ = std::move(on_expired); }

 private:
  struct Watch {
    WatchOptions options;
    Instant deadline;  // until it is set
    OnEvent on_event;
    std::optional<WatchPosition> position;  // once it was set
    std::string host;      // where it is set; empty: nowhere
    std::uint64_t id = 0;  // there
    Instant set_at;
    Duration pause{};  // before it is set again
    node::TimerId timer;
  };

  bool on_event(const std::string& host, net::WatchEvent& event) override;
  void on_link_lost(const std::string& host, const Error& why) override;
  void ask(WatchNumber number);
  void on_answer(WatchNumber number, Repeated answer);
  void on_refusal(WatchNumber number, Error error);
  void on_changed(WatchNumber number, net::WatchEvent& event);
  void on_gone(WatchNumber number, const Error& why);
  void ask_later(WatchNumber number);
  void forget_place(Watch& watch);
  void tell(WatchNumber number, Event event);
  void close(WatchNumber number, Event::What what, Error why);
  void arm_probe();

  node::Loop& loop_;
  LightSession& light_;
  Random random_;
  std::optional<node::SessionId> session_;
  std::uint64_t last_ = 0;
  std::map<WatchNumber, Watch> watches_;
  std::map<std::uint64_t, WatchNumber> by_id_;  // of those that are set
  std::function<void(const Error&)> on_expired_;
  node::TimerId probe_timer_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::client
