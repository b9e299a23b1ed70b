// SPDX-License-Identifier: Apache-2.0
//
// Seam: how a node's messages get to the other members. Implemented by net/peer_mesh over the Network seam.
#pragma once

#include <optional>
#include <vector>

#include "zraft/raft/message.h"

namespace zraft::node {

class Transport {
 public:
  virtual ~Transport() = default;

  // Takes the message or drops it; never blocks, never fails.
  virtual void send(raft::Message message) = 0;

  // From now on these members, and no others, can be sent to. Called at the start and whenever they change.
  virtual void connect(const std::vector<raft::Member>& members) = 0;

  // When the process of that member was last heard. While it gives something, a group may quiesce, because somebody
  // calls Node::wake() when that process is lost or another. Empty: it is lost, or nobody watches it.
  [[nodiscard]] virtual std::optional<Instant> heard(raft::NodeId member) const {
    static_cast<void>(member);
    return std::nullopt;
  }
};

}  // namespace zraft::node
