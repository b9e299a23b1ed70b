// SPDX-License-Identifier: Apache-2.0
//
// What a seed means: the cluster, its settings, the network, the disks, the faults and the clients of one run, all
// drawn from the seed. Swarm testing (Groce et al. 2012): each class of faults is left out with even chance, so that
// rare pairs of faults meet without all the others drowning them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <optional>

#include "sim/crowd.h"
#include "sim/kv_client.h"
#include "sim/partitions.h"
#include "sim/sim_host.h"

namespace zraft::sim {

// Mean times between faults; 0 is never.
struct FaultPlan {
  Duration partition_every{};
  Duration partition_length{};
  std::vector<Shape> shapes;
  std::uint64_t cut_clients_ppm = 0;  // of the partitions: clients are cut off from some hosts as well

  Duration crash_every{};
  Duration restart_after{};
  std::uint64_t power_ppm = 0;     // of the crashes: the machine loses power
  std::uint64_t fuse_ppm = 0;      // of the crashes: between two calls to the disk
  std::uint64_t all_down_ppm = 0;  // of the crashes: all hosts at once
  std::uint64_t new_term_ppm = 0;  // of the times that a host sees a new term: it loses power very soon

  Duration pause_every{};
  Duration pause_max{};

  Duration reset_every{};  // of links

  Duration full_disk_every{};
  Duration full_disk_length{};

  Duration slow_disk_every{};
  Duration slow_disk_length{};
  std::int64_t slow_disk_factor = 1;
};

// Changes of members and leaders, by an operator. Mean times; 0 is never.
struct ChurnPlan {
  Duration change_every{};
  Duration wipe_every{};  // of a host that loses its disk, and whose member is replaced
  Duration patience = Duration::seconds(2);  // of the operator, with one change
  std::size_t members_max = 5;
};

struct Scenario {
  std::uint64_t seed = 0;
  std::size_t members = 3;
  std::size_t spares = 0;  // hosts without a member at first
  std::size_t groups = 1;
  std::size_t clients = 3;  // of each group
  SimHost::Options host;
  NetworkSettings network;
  FaultPlan faults;
  ChurnPlan churn;
  KvClientOptions client;
  SessionPlan sessions;
  // Every other client only reads, the rest only write. Who mixes finds out soon that the leader has changed; who only
  // reads stays with an old one for as long as that answers.
  bool has_readers = false;
  bool has_uneven_shards = false;  // every other host has one more than the rest
  bool has_bulk_listeners = false;  // snapshots have a port of their own
  Duration safety_phase;
  // One more group is created while the faults go on; that must succeed, or leave nothing behind.
  std::optional<Duration> creation_at;
  Duration creation_patience;
};

[[nodiscard]] Scenario draw_scenario(std::uint64_t seed);
// The same with members that come and go.
[[nodiscard]] Scenario draw_membership_scenario(std::uint64_t seed);
// The same with clients that have sessions, and watchers.
[[nodiscard]] Scenario draw_session_scenario(std::uint64_t seed);

// In one line, for people.
[[nodiscard]] std::string describe(const Scenario& scenario);

}  // namespace zraft::sim
