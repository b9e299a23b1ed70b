// SPDX-License-Identifier: Apache-2.0
//
// A link that another side made to this host: first the hellos, then raft messages of another host, or requests of a
// client. A side that breaks the format, or that does not take in its answers, loses the link; one with too many
// requests under way is told `busy`. Answers may come after the link is gone: they are dropped.
#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "zraft/host/host.h"

namespace zraft::host {

class Host::Inbound final : private node::LinkHandler {
 public:
  Inbound(Host& host, std::uint64_t id, std::unique_ptr<node::Link> link);

 private:
  void on_frame(node::FrameKind kind, const SharedBytes& body) override;
  void on_closed(const Error& why) override;

  [[nodiscard]] Result<> take(node::FrameKind kind, const SharedBytes& body);
  [[nodiscard]] Result<> greet(const SharedBytes& body);
  [[nodiscard]] Result<> serve(const SharedBytes& body);
  void answer(const net::Reply& reply);
  void close();

  Host& host_;
  const std::uint64_t id_;
  std::unique_ptr<node::Link> link_;  // null: closed, and about to be dropped
  std::optional<net::Hello> theirs_;
  std::string sender_;  // where the other side can be reached, if it is a host that says so
  std::size_t under_way_ = 0;
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
