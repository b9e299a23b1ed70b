// SPDX-License-Identifier: Apache-2.0
//
// Whoever administers a simulated cluster: a process of its own that creates groups and changes
// their members through the client library.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "sim/network.h"
#include "sim/world.h"
#include "zraft/client/admin.h"
#include "zraft/client/members.h"

namespace zraft::sim {

class Operator {
 public:
  // Requires: the rest outlives it.
  Operator(World& world, Fabric& fabric, HostId id, std::vector<std::string> hosts);
  ~Operator();
  Operator(const Operator&) = delete;
  Operator& operator=(const Operator&) = delete;

  // `done` comes within `patience` and the two seconds that an undoing takes. Peers are "name@host:port".
  void create(const std::string& group, std::vector<std::string> peers, Duration patience,
              std::function<void(Result<>)> done);
  // `done` comes within `patience` and a moment.
  void change(client::MemberChange change, Duration patience, std::function<void(Result<>)> done);
  void transfer(const std::string& group, const std::string& peer, Duration patience,
                std::function<void(Result<std::string>)> done);
  void destroy(const std::string& group, const std::string& peer, Duration patience,
               std::function<void(Result<>)> done);

 private:
  World& world_;
  Fabric& fabric_;
  Random random_;
  Process process_;
  SimLoop loop_;
  SimNetwork network_;
  client::LightSession session_;
};

}  // namespace zraft::sim
