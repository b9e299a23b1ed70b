// SPDX-License-Identifier: Apache-2.0
//
// One run of the simulator: the hosts, the clients and the ghosts of a scenario in a world of their own. First the
// groups are created in peace; then comes the safety phase, with faults, in which nothing may ever be wrong; then
// everything is healed, and in the liveness phase the cluster must come back within bounded simulated time: one
// leader, all members alike, every operation ended (I50), no member left half way in or out (I21), and no election
// while nothing is wrong (I51).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "sim/churn.h"
#include "sim/crowd.h"
#include "sim/ghost.h"
#include "sim/history.h"
#include "sim/kv_client.h"
#include "sim/nemesis.h"
#include "sim/operator.h"
#include "sim/scenario.h"
#include "sim/sim_host.h"

namespace zraft::sim {

struct RunResult {
  std::vector<std::string> broken;  // laws, in words; empty: the seed passed
  std::uint64_t events = 0;
  std::uint64_t faults = 0;
  std::uint64_t trace_hash = 0;
  Instant simulated;
  std::map<std::string, std::uint64_t> counts;  // what happened, by name (I52)
};

class Cluster {
 public:
  // `narrator` may be empty.
  Cluster(const Scenario& scenario, World::Narrator narrator);
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  RunResult run();

 private:
  struct Group {
    std::string name;
    raft::GroupId id;
    History history;
    std::vector<std::unique_ptr<KvClient>> clients;
    std::unique_ptr<Crowd> crowd;  // null: nobody has sessions
  };

  [[nodiscard]] std::vector<std::string> first_peers() const;
  void create_groups();
  void try_creation();
  void check_creation();
  void add_clients(Group& group);
  // Runs until `is_over`, a law is broken, or that much time has passed; true if it was over in time.
  bool run_until(Duration limit, const std::function<bool()>& is_over);
  void run_for(Duration length);
  void on_event(HostId host);
  void end_churn();
  void check_last_change();
  void gather(Ghost& ghost, const std::string& group);
  void gather_of_crowds();
  void end_sessions();
  void end_calm();
  void end_crowds();
  void live();
  void check_histories();
  // The members by the newest leader's membership; empty: nobody leads, or one of them is not running.
  [[nodiscard]] std::vector<const host::Group*> members_of(const Group& group) const;
  [[nodiscard]] bool has_one_leader(const Group& group) const;
  [[nodiscard]] bool have_applied(const Group& group, raft::Index index) const;
  [[nodiscard]] bool has_converged(const Group& group) const;
  [[nodiscard]] std::string state_of(const Group& group) const;
  [[nodiscard]] bool all_groups(const std::function<bool(const Group&)>& claim) const;
  void expect(bool is_met, const std::string& law, const std::string& what);
  void count(RunResult& result) const;

  const Scenario scenario_;
  World world_;
  Fabric fabric_;
  SimHost::Ghosts ghosts_;
  SimHost::SessionGhosts session_ghosts_;
  std::vector<std::unique_ptr<SimHost>> hosts_;
  std::vector<std::unique_ptr<Group>> groups_;
  std::unique_ptr<Operator> operator_;
  std::unique_ptr<Nemesis> nemesis_;
  std::unique_ptr<Churn> churn_;
  std::optional<Result<>> created_under_faults_;
  std::vector<std::string> broken_;
  std::uint64_t undecided_ = 0;
};

}  // namespace zraft::sim
