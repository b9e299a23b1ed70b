// SPDX-License-Identifier: Apache-2.0
//
// The one who breaks things: partitions, crashes and restarts, pauses, resets of links, slow disks, each at random
// times as the plan says, until told to rest. Then it mends everything and sees to it that every host is up.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/scenario.h"

namespace zraft::sim {

class Nemesis {
 public:
  Nemesis(World& world, Fabric& fabric, std::vector<std::unique_ptr<SimHost>>& hosts, FaultPlan plan);

  // Clients that partitions may cut off as well.
  void add_client(HostId client) { clients_.push_back(client); }
  void begin();
  // No more faults; all links, disks and hosts as good as new.
  void rest();

  // A host that failed or died by itself is ended and started again later. To be called after each of its events.
  void tend(SimHost& host);
  // That host ends, and comes back later with nothing. Requires: it is up.
  void take_disk_of(SimHost& host);
  // A host refused to start: that is a broken law, in words.
  [[nodiscard]] std::vector<std::string> take_refusals() { return std::exchange(refusals_, {}); }
  [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

 private:
  using Fault = void (Nemesis::*)();
  void repeat(Duration every, Fault fault);
  void partition();
  void heal_partition(std::uint64_t number);
  void crash();
  void pause();
  void reset();
  void slow_disk();
  void full_disk();
  void watch_terms(SimHost& host);
  void end(SimHost& host, Ending ending);
  void restart_later(SimHost& host);
  void restart(SimHost& host);
  void judge(const SimHost& host, const Error& refusal);
  [[nodiscard]] Ending draw_ending();
  [[nodiscard]] SimHost& any_host();
  [[nodiscard]] SimHost* leader();

  World& world_;
  Fabric& fabric_;
  std::vector<std::unique_ptr<SimHost>>& hosts_;
  const FaultPlan plan_;
  Random random_;
  std::vector<HostId> clients_;
  bool is_resting_ = true;
  std::uint64_t partitions_ = 0;
  std::map<HostId, raft::Term> terms_;  // the largest of each host's groups, as last seen
  std::vector<HostId> ending_;      // hosts that are to be ended or started by an event under way
  std::vector<std::string> refusals_;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace zraft::sim
