// SPDX-License-Identifier: Apache-2.0
//
// From "host:port" to a connected TCP socket, or to the reason why not, within a time that covers both the resolving
// and the connecting. A name is resolved on a thread of Asio's own and its addresses are tried in their order; a
// numeric address needs neither. Part of asio_network.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "zraft/net/asio_loop.h"

namespace zraft::net {

struct ConnectedSocket {
  int handle = -1;  // whoever is given it closes it
  bool is_ipv6 = false;
};

class AsioDialer {
 public:
  using Done = std::move_only_function<void(Result<ConnectedSocket>)>;

  AsioDialer(AsioLoop& loop, std::string address, Duration timeout);
  ~AsioDialer();  // gives up: `done` does not run any more
  AsioDialer(const AsioDialer&) = delete;
  AsioDialer& operator=(const AsioDialer&) = delete;

  // Once. `done` does not run before this returns, and may destroy the dialer. Errors: io, bad_request.
  void start(Done done);

 private:
  class Attempt;
  std::shared_ptr<Attempt> attempt_;
};

}  // namespace zraft::net
