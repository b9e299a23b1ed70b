// SPDX-License-Identifier: Apache-2.0
//
// Whoever administers a simulated cluster: a process of its own that creates groups through the client library.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sim/network.h"
#include "sim/world.h"
#include "zraft/client/admin.h"

namespace zraft::sim {

class Operator {
 public:
  // Requires: the rest outlives it.
  Operator(World& world, Fabric& fabric, HostId id, std::vector<std::string> hosts);
  ~Operator();
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  // A member on each of the hosts. `done` comes within `patience` and the two seconds that an undoing takes.
  void create(const std::string& group, Duration patience, std::function<void(Result<>)> done);

 private:
  World& world_;
  Fabric& fabric_;
  Random random_;
  const std::vector<std::string> hosts_;
  Process process_;
  SimLoop loop_;
  SimNetwork network_;
  client::LightSession session_;
};

}  // namespace zraft::sim
