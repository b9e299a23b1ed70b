// SPDX-License-Identifier: Apache-2.0
//
// A light session's link to one host. It is made when a request wants it, carries requests once the two sides have
// agreed on a version, and, when it broke, is not made again before a pause that grows up to a bound, with jitter.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "zraft/client/light_session.h"

namespace zraft::client {

class LightSession::Connection final : private node::LinkHandler {
 public:
  Connection(LightSession& session, std::string host) : session_(session), host_(std::move(host)) {}

  [[nodiscard]] const std::string& host() const { return host_; }
  [[nodiscard]] bool is_up() const { return is_up_; }
  [[nodiscard]] bool is_usable(Instant now) const { return usable_from_ <= now; }
  [[nodiscard]] Instant usable_from() const { return usable_from_; }
  [[nodiscard]] std::size_t queued_bytes() const { return link_ == nullptr ? 0 : link_->queued_bytes(); }

  // Makes the link if there is none.
  void open();
  // Requires: is_up().
  void send(const net::Request& request) { link_->send(node::FrameKind::request, {piece_of(net::encode(request))}); }
  // Nobody has answered the hello for so long: the host hangs, or the other end of the link is gone and nobody says so.
  [[nodiscard]] bool is_ignored(Instant now) const;
  void give_up() { close({Code::timeout, host_ + " does not answer"}); }
  // It does not answer: leave it alone for a while. The link stays, because answers may still come.
  void avoid();
  void set_waiting(std::uint64_t id) { waiting_.insert(id); }
  [[nodiscard]] std::set<std::uint64_t> take_waiting() { return std::exchange(waiting_, {}); }

 private:
  void on_frame(node::FrameKind kind, const SharedBytes& body) override;
  void on_closed(const Error& why) override { close(why); }

  [[nodiscard]] Result<> greet(node::FrameKind kind, const SharedBytes& body);
  [[nodiscard]] net::Hello hello() const;
  void close(const Error& why);

  LightSession& session_;
  const std::string host_;
  std::unique_ptr<node::Link> link_;
  bool is_up_ = false;
  Duration pause_{};
  Instant usable_from_;
  Instant opened_;
  std::set<std::uint64_t> waiting_;  // requests that go out when it is up
};

}  // namespace zraft::client
