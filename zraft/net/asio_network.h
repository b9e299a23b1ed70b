// SPDX-License-Identifier: Apache-2.0
//
// The real Network: TCP. All that is sent in one turn of the loop goes out in one system call per link; what the
// kernel does not take waits in the link's queue, and nothing here ever waits for the other side. Names are resolved
// on another thread. A link that brings anything but good frames is closed and says why.
// Laws: no callback comes from within a call; after on_closed, or after the link is destroyed, none comes at all, also
// when the link is destroyed by a callback of its own (P87). The loop outlives the network, its links and listeners.
#pragma once

#include <cstddef>
#include <memory>

#include "zraft/base/time.h"
#include "zraft/net/asio_loop.h"
#include "zraft/net/frame.h"
#include "zraft/node/network.h"

namespace zraft::net {

struct NetworkSettings {
  std::size_t frame_bytes_max = frame_body_max;  // a body longer than this is neither taken in nor sent
  Duration connect_timeout = Duration::seconds(5);  // of resolving and connecting together
  // A connected host is gone if for this long its kernel says nothing, though asked, or takes in nothing of what waits
  // for it. Rather short: after a partition TCP tries again ever more rarely, and a new connection comes sooner.
  Duration dead_after = Duration::seconds(5);
  std::size_t inbound_max = 10'000;  // one more is closed as soon as it comes
  Duration accept_pause = Duration::milliseconds(100);  // when this process is out of file descriptors
};

class AsioNetwork final : public node::Network {
 public:
  explicit AsioNetwork(AsioLoop& loop, NetworkSettings settings = {});
  ~AsioNetwork() override;

  // A host name is resolved before this returns; a numeric address takes no time.
  Result<std::unique_ptr<node::Listener>> listen(const std::string& address,
                                                 std::function<void(std::unique_ptr<node::Link>)> accept) override;
  std::unique_ptr<node::Link> connect(const std::string& address, node::LinkHandler* handler) override;

  [[nodiscard]] std::size_t inbound() const;  // links that others made and that are open

  struct Shared;  // by the network, its links and its listeners

 private:
  std::shared_ptr<Shared> shared_;
};

}  // namespace zraft::net
