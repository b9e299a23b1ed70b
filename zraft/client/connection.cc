// SPDX-License-Identifier: Apache-2.0
//
// See connection.h.
#include "zraft/client/connection.h"

#include <algorithm>
#include <utility>

namespace zraft::client {

net::Hello LightSession::Connection::hello() const {
  return {.role = net::Hello::Role::client, .name = session_.settings_.name};
}

void LightSession::Connection::open() {
  if (link_ != nullptr) return;
  opened_ = session_.loop_.now();
  link_ = session_.network_.connect(host_, this);
  link_->send(node::FrameKind::hello, {piece_of(net::encode(hello()))});
}

bool LightSession::Connection::is_ignored(Instant now) const {
  return link_ != nullptr && !is_up_ && now - opened_ >= session_.settings_.attempt_timeout;
}

void LightSession::Connection::avoid() {
  const Settings& settings = session_.settings_;
  pause_ = pause_.ns == 0 ? settings.pause_min : std::min(pause_ * 2, settings.pause_max);
  // Half of it is chance, so that many clients do not come back at one moment.
  usable_from_ = session_.loop_.now() + Duration{session_.random_.between(pause_.ns / 2, pause_.ns)};
}

void LightSession::Connection::close(const Error& why) {
  if (link_ == nullptr) return;
  link_.reset();
  is_up_ = false;
  avoid();
  session_.on_lost(*this, why);
}

Result<> LightSession::Connection::greet(node::FrameKind kind, const SharedBytes& body) {
  if (kind != node::FrameKind::hello)
    return fail(Code::corrupt, host_ + " does not begin with a hello: is it a zraftd?");
  const auto theirs = net::decode_hello(*body);
  if (!theirs) return fail(theirs.error().code, host_ + " sent a bad " + theirs.error().text);
  if (theirs->role != net::Hello::Role::host) return fail(Code::wrong_owner, host_ + " is not a host");
  const auto version = net::agree(hello(), *theirs);
  if (!version) return fail(version.error().code, host_ + ": " + version.error().text);
  return {};
}

void LightSession::Connection::on_frame(node::FrameKind kind, const SharedBytes& body) {
  if (!is_up_) {
    if (const auto greeted = greet(kind, body); !greeted) return close(greeted.error());
    is_up_ = true;
    return session_.on_up(*this);
  }
  if (kind == node::FrameKind::watch_event) {
    auto event = net::decode_watch_event(*body);
    if (!event) return close({event.error().code, host_ + " sent a bad " + event.error().text});
    return session_.on_event(host_, std::move(*event));
  }
  if (kind != node::FrameKind::reply) return close({Code::corrupt, host_ + " sent a frame that does not belong here"});
  auto reply = net::decode_reply(*body);
  if (!reply) return close({reply.error().code, host_ + " sent a bad " + reply.error().text});
  pause_ = {};  // it works, and not only takes links
  usable_from_ = {};
  session_.on_reply(host_, std::move(*reply));
}

}  // namespace zraft::client
