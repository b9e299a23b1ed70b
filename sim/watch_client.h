// SPDX-License-Identifier: Apache-2.0
//
// A watcher of a simulated cluster: the watches that ship, of a session or of none. It watches keys and prefixes,
// persistently or for one event, gives some up, and is killed and comes back, with new watches or where it was. What it
// is told is held against the ghost's committed changes:
//   I33, I35 in the order of the log, nothing twice    I34 nothing is left out from `set` to the end of the watch
//   I36 all changes of one entry together              I37 only what is committed
//   I39 it stands nowhere beyond what it was not told  I40 with the events that the changes were, and of no other key
// A one-shot watch is told one last event, and nothing after it.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/network.h"
#include "sim/session_ghost.h"
#include "sim/world.h"
#include "zraft/client/session.h"
#include "zraft/client/watch.h"

namespace zraft::sim {

struct WatchClientOptions {
  std::vector<std::string> hosts;
  std::string group;
  Duration timeout = Duration::milliseconds(600);  // for a watch to be set
  Duration think_mean = Duration::milliseconds(100);
  std::vector<Bytes> keys;
  std::size_t watches_max = 4;
  Duration session_timeout{};  // 0: the watches are of no session
  // Shares of the turns, in parts per million.
  std::uint64_t cancel_ppm = 20'000;
  std::uint64_t crash_ppm = 5'000;
  std::uint64_t resume_ppm = 500'000;  // of the crashes
};

class WatchClient {
 public:
  // Requires: the rest outlives it.
  WatchClient(World& world, Fabric& fabric, const SessionGhost& ghost, HostId id, WatchClientOptions options);
  ~WatchClient();
  WatchClient(const WatchClient&) = delete;
  WatchClient& operator=(const WatchClient&) = delete;

  void start() { come_up(); }
  // From now on it stays alive, and keeps the watches it has.
  void calm() { is_calm_ = true; }
  // Without a word; for ever, if it is calm.
  void leave();
  // It has a persistent watch, and each of them was told all that was committed.
  [[nodiscard]] bool has_seen_all() const;
  [[nodiscard]] node::SessionId session() const;
  [[nodiscard]] std::string state() const;
  [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }
  [[nodiscard]] std::vector<std::string> take_broken() { return std::exchange(broken_, {}); }

 private:
  struct Life {
    Life(World& world, Fabric& fabric, HostId host, const WatchClientOptions& options, Random random);
    Process process;
    SimLoop loop;
    SimNetwork network;
    client::LightSession light;
    std::unique_ptr<client::Session> session;  // null: of no session
    std::unique_ptr<client::Watches> watches;  // null: those of the session
  };
  struct Watch {
    client::WatchNumber number;
    bool is_persistent = false;
    bool goes_on = false;  // from where another one was
    Bytes query;
    node::Watchable watchable;
    bool is_set = false;
    std::uint64_t after = 0;  // all up to there was told
  };

  void come_up();
  void crash();
  void open_session();
  void think();
  void act();
  void watch(std::optional<client::WatchPosition> from);
  void on_event(std::uint64_t id, const client::Event& event);
  void on_set(Watch& watch, const client::Event& event);
  void on_changed(Watch& watch, const client::Event& event);
  void on_last(const Watch& watch, const client::Event& event);
  void check_position(const Watch& watch, const std::optional<client::WatchPosition>& position);
  [[nodiscard]] const client::Watches& watches() const;
  // The first entry behind `after` that changed something there, and what; 0: none yet.
  [[nodiscard]] std::pair<std::uint64_t, std::vector<node::Change>> next_change(const Watch& watch) const;
  void expect(bool is_met, const std::string& law, const Watch& watch, const client::Event& event);

  World& world_;
  Fabric& fabric_;
  const SessionGhost& ghost_;
  const HostId host_;
  const WatchClientOptions options_;
  Random random_;
  std::unique_ptr<Life> life_;
  std::optional<client::WatchPosition> left_;  // by the life before, to go on from
  std::uint64_t last_id_ = 0;
  std::map<std::uint64_t, Watch> all_;  // that are not over
  bool is_calm_ = false;
  std::map<std::string, std::uint64_t> counts_;
  std::vector<std::string> broken_;
};

}  // namespace zraft::sim
