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
      process_(world.start(id, 0)),
      loop_(world, process_),
      network_(fabric, process_, world.name_of(id)),
      session_(loop_, network_, {.hosts = std::move(hosts), .name = "simulated operator"}, random_.fork()) {}

Operator::~Operator() {
  world_.kill(process_);
  fabric_.on_end(process_, Ending::killed);
}

void Operator::create(const std::string& group, std::vector<std::string> peers, Duration patience,
                      std::function<void(Result<>)> done) {
  client::create_group(loop_, session_, {.name = group, .peers = std::move(peers)}, loop_.now() + patience,
                       random_.fork(), std::move(done));
}

void Operator::change(client::MemberChange change, Duration patience, std::function<void(Result<>)> done) {
  client::change_members(loop_, session_, std::move(change), loop_.now() + patience, random_.fork(), {},
                         std::move(done));
}

void Operator::transfer(const std::string& group, const std::string& peer, Duration patience,
                        std::function<void(Result<std::string>)> done) {
  client::transfer_leadership(loop_, session_, group, peer, loop_.now() + patience, std::move(done));
}

void Operator::destroy(const std::string& group, const std::string& peer, Duration patience,
                       std::function<void(Result<>)> done) {
  client::destroy_group(loop_, session_, group, peer, loop_.now() + patience, std::move(done));
}

}  // namespace zraft::sim
