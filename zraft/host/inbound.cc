// SPDX-License-Identifier: Apache-2.0
//
// See inbound.h.
#include "zraft/host/inbound.h"

#include <utility>

#include "zraft/net/address.h"

namespace zraft::host {
namespace {

// Who listens everywhere is reached where the link comes from.
std::string reachable_at(const std::string& told, const std::string& remote) {
  auto address = net::parse_address(told);
  if (!address || address->port == 0) return {};
  if (address->host != "0.0.0.0" && address->host != "::") return told;
  const auto from = net::parse_address(remote);
  if (!from) return {};
  address->host = from->host;
  return net::to_text(*address);
}

}  // namespace

Host::Inbound::Inbound(Host& host, std::uint64_t id, std::unique_ptr<node::Link> link)
    : host_(host), id_(id), link_(std::move(link)) {
  link_->set_handler(this);
}

void Host::Inbound::on_frame(node::FrameKind kind, const SharedBytes& body) {
  const Result<> taken = take(kind, body);
  if (taken || link_ == nullptr) return;
  host_.say(LogLevel::warning, "closed the link from " + link_->remote() + ": " + taken.error().text);
  close();
}

void Host::Inbound::on_closed(const Error& why) {
  // That one goes is everyday; that one brings what is no frame is not.
  const LogLevel level = why.code == Code::io ? LogLevel::debug : LogLevel::warning;
  host_.say(level, "the link from " + link_->remote() + " is gone: " + why.text);
  close();
}

void Host::Inbound::close() {
  link_.reset();
  host_.drop(id_);
}

Result<> Host::Inbound::take(node::FrameKind kind, const SharedBytes& body) {
  if (!theirs_) {
    if (kind == node::FrameKind::hello) return greet(body);
    return fail(Code::corrupt, "its first frame is not a hello: it is no zraft, or a damaged one");
  }
  const bool is_host = theirs_->role == net::Hello::Role::host;
  if (kind == node::FrameKind::request && !is_host) return serve(body);
  if (kind != node::FrameKind::peer || !is_host)
    return fail(Code::corrupt, "it sent a frame that does not belong here");
  const auto frame = net::decode_peer_frame(body);
  if (!frame) return fail(frame);
  host_.route(*frame, sender_);
  return {};
}

Result<> Host::Inbound::greet(const SharedBytes& body) {
  auto theirs = net::decode_hello(*body);
  if (!theirs) return fail(theirs);
  // Ours goes out in any case: it tells the other side why they do not agree.
  const net::Hello ours{.role = net::Hello::Role::host, .name = host_.options_.name};
  link_->send(node::FrameKind::hello, {piece_of(net::encode(ours))});
  if (const auto version = net::agree(ours, *theirs); !version) return fail(version);
  sender_ = reachable_at(theirs->address, link_->remote());
  theirs_ = std::move(*theirs);
  return {};
}

Result<> Host::Inbound::serve(const SharedBytes& body) {
  auto request = net::decode_request(*body);
  if (!request) return fail(request);
  const std::uint64_t id = request->id;
  if (under_way_ >= host_.options_.requests_per_link_max) {
    answer(
        {.id = id,
         .error = {Code::busy, "too many requests of this link are under way (requests_per_link_max is " +
                                   std::to_string(host_.options_.requests_per_link_max) + "): wait for answers first"},
         .leader = {},
         .body = {}});
    return {};
  }
  ++under_way_;
  host_.serve(std::move(*request), [this, id, life = lifetime_.watch()](net::Reply reply) {
    if (life.is_over()) return;
    --under_way_;
    reply.id = id;
    answer(reply);
  });
  return {};
}

void Host::Inbound::answer(const net::Reply& reply) {
  if (link_ == nullptr) return;
  if (link_->queued_bytes() > host_.options_.link_queue_bytes_max) {
    host_.say(LogLevel::warning, "closed the link from " + link_->remote() +
                                     ": it does not read its answers (link_queue_bytes_max is reached)");
    return close();
  }
  link_->send(node::FrameKind::reply, {piece_of(net::encode(reply))});
}

}  // namespace zraft::host
