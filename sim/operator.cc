// SPDX-License-Identifier: Apache-2.0
//
// See operator.h.
#include "sim/operator.h"

#include <utility>

namespace zraft::sim {

Operator::Operator(World& world, Fabric& fabric, HostId id, std::vector<std::string> hosts)
    : world_(world),
      fabric_(fabric),
      random_(world.fork()),
      hosts_(std::move(hosts)),
      process_(world.start(id, 0)),
      loop_(world, process_),
      network_(fabric, process_, world.name_of(id)),
      session_(loop_, network_, {.hosts = hosts_, .name = "simulated operator"}, random_.fork()) {}

Operator::~Operator() {
  world_.kill(process_);
  fabric_.on_end(process_, Ending::killed);
}

void Operator::create(const std::string& group, Duration patience, std::function<void(Result<>)> done) {
  client::NewGroup wanted{.name = group, .peers = {}};
  for (std::size_t i = 0; i < hosts_.size(); ++i) wanted.peers.push_back("p" + std::to_string(i + 1) + "@" + hosts_[i]);
  client::create_group(loop_, session_, std::move(wanted), loop_.now() + patience, random_.fork(), std::move(done));
}

}  // namespace zraft::sim
