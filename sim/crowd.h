// SPDX-License-Identifier: Apache-2.0
//
// All that has sessions in one group of a simulated cluster: the clients, the watchers, and the ghost that they are
// held against.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/history.h"
#include "sim/session_client.h"
#include "sim/session_ghost.h"
#include "sim/watch_client.h"

namespace zraft::sim {

class Nemesis;

struct SessionPlan {
  std::size_t clients = 0;  // 0: no sessions in this run
  SessionClientOptions client;
  std::size_t watchers = 0;  // every other one has a session
  WatchClientOptions watcher;
};

class Crowd {
 public:
  // Requires: the rest outlives it.
  Crowd(World& world, Fabric& fabric, History& history, SessionGhost& ghost, Nemesis& nemesis, const SessionPlan& plan);
  ~Crowd();
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // All is healed: from now on nobody dies or is paused.
  void calm();
  // Each client has been served twice since it was calm.
  [[nodiscard]] bool is_served() const;
  void stop();
  // Everybody goes, without a word; then their sessions expire.
  void leave();
  [[nodiscard]] bool is_over() const { return ghost_.alive().empty(); }
  // Whoever has a session is alive, and knows of it; who watches has seen everything.
  [[nodiscard]] bool is_tidy() const;
  // When it is not, in words.
  [[nodiscard]] std::string state() const;
  void check_end();
  [[nodiscard]] std::vector<std::string> take_broken();
  void count(std::map<std::string, std::uint64_t>& counts) const;

 private:
  void on_news(const SessionGhost::News& news);

  World& world_;
  History& history_;
  SessionGhost& ghost_;
  std::vector<std::unique_ptr<SessionClient>> clients_;
  std::vector<std::unique_ptr<WatchClient>> watchers_;
  std::size_t sessions_ = 0;  // that there are when all is well
  std::map<const SessionClient*, std::uint64_t> done_before_;
};

}  // namespace zraft::sim
