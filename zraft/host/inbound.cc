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
  unwatch_all();
  if (fetch_ != nullptr) fetch_->give_up();
  fetch_.reset();
  snapshots_.reset();
  link_.reset();
  // Whoever wanted it will never know whether it was done.
  if (restoring_) host_.serve({.id = 0, .timeout_ms = 0, .body = *std::exchange(restoring_, {})}, [](net::Reply) {});
  host_.drop(id_);
}

Result<> Host::Inbound::take(node::FrameKind kind, const SharedBytes& body) {
  if (!theirs_) {
    if (kind == node::FrameKind::hello) return greet(body);
    return fail(Code::corrupt, "its first frame is not a hello: it is no zraft, or a damaged one");
  }
  const bool is_host = theirs_->role == net::Hello::Role::host;
  if (kind == node::FrameKind::request && !is_host) return serve(body);
  if (kind == node::FrameKind::bulk) return serve_bulk(body);
  if (kind == node::FrameKind::beat && is_host) {
    const auto beat = net::decode_beat(*body);
    if (!beat) return fail(beat);
    host_.heard_beat(*beat);
    return {};
  }
  if (kind != node::FrameKind::peer || !is_host)
    return fail(Code::corrupt, "it sent a frame that does not belong here");
  auto frame = net::decode_peer_frame(body);
  if (!frame) return fail(frame);
  host_.route(std::move(*frame), id_, sender_);
  return {};
}

Result<> Host::Inbound::greet(const SharedBytes& body) {
  auto theirs = net::decode_hello(*body);
  if (!theirs) return fail(theirs);
  // Ours goes out in any case: it tells the other side why they do not agree.
  const net::Hello ours = host_.hello();
  link_->send(node::FrameKind::hello, {piece_of(net::encode(ours))});
  if (const auto version = net::agree(ours, *theirs); !version) return fail(version);
  sender_ = {.address = reachable_at(theirs->address, link_->remote()),
             .bulk_address = reachable_at(theirs->bulk_address, link_->remote())};
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
  if (const auto* cancel = std::get_if<net::CancelWatch>(&request->body)) return cancel_watch(*cancel, id);
  ++under_way_;
  auto done = [this, id, life = lifetime_.watch()](net::Reply reply) {
    if (life.is_over()) return;
    --under_way_;
    reply.id = id;
    answer(reply);
  };
  if (auto* peer = std::get_if<net::RestorePeer>(&request->body)) {
    restore(std::move(*peer), std::move(done));
  } else if (std::holds_alternative<net::Watch>(request->body)) {
    watch(std::move(*request), std::move(done));
  } else {
    host_.serve(std::move(*request), std::move(done), id_);
  }
  return {};
}

// One that is set when its link is gone would be told to nobody.
void Host::Inbound::watch(net::Request request, Answer answer) {
  const std::string group = std::get<net::Watch>(request.body).group;
  const session::WatchId watch{id_, request.id};
  host_.serve(
      std::move(request),
      [this, &host = host_, group, watch, host_life = host_.lifetime_.watch(), life = lifetime_.watch(),
       answer = std::move(answer)](net::Reply reply) mutable {
        const bool is_set = reply.error.code == Code::ok;
        if (life.is_over() || link_ == nullptr) {
          if (!is_set || host_life.is_over()) return;
          // Later: it is set when this answer was given.
          return host.seams_.front().loop.post([&host, group, watch, life = host_life] {
            if (!life.is_over()) host.unwatch(group, watch);
          });
        }
        if (is_set) watches_.insert_or_assign(watch.request, group);
        answer(std::move(reply));
      },
      id_);
}

Result<> Host::Inbound::cancel_watch(const net::CancelWatch& cancel, std::uint64_t id) {
  if (const auto found = watches_.find(cancel.watch); found != watches_.end()) {
    host_.unwatch(found->second, {id_, cancel.watch});
    watches_.erase(found);
  }
  answer({.id = id, .error = {}, .leader = {}, .body = {}});
  return {};
}

void Host::Inbound::tell(const WatchTold& told) {
  const auto found = watches_.find(told.watch.request);
  if (found == watches_.end() || link_ == nullptr) return;  // it is over, and was told so
  if (link_->queued_bytes() > host_.options_.watch_queue_bytes_max) return cut_off_watches();
  if (told.is_last) watches_.erase(found);
  send_event(told);
}

// Later: whoever tells is just looking at all its watches.
void Host::Inbound::unwatch_all() {
  if (watches_.empty()) return;
  host_.seams_.front().loop.post(
      [&host = host_, life = host_.lifetime_.watch(), link = id_, watches = std::exchange(watches_, {})] {
        if (life.is_over()) return;
        for (const auto& [request, group] : watches) host.unwatch(group, {link, request});
      });
}

void Host::Inbound::cut_off_watches() {
  host_.say(LogLevel::warning, link_->remote() + " does not take in what it watches: its " +
                                   std::to_string(watches_.size()) + " watches are ended");
  for (const auto& [request, group] : watches_) {
    send_event({.watch = {id_, request},
                .what = net::WatchEvent::What::closed,
                .is_last = true,
                .index = {},
                .changes = nullptr,
                .error = {Code::busy, "changes come faster than they are taken in (watch_queue_bytes_max is reached): "
                                      "watch again, from the last index that was told"}});
  }
  unwatch_all();
}

void Host::Inbound::send_event(const WatchTold& told) {
  const net::WatchEvent event{.watch = told.watch.request,
                              .what = told.what,
                              .is_last = told.is_last,
                              .index = told.index,
                              .changes = {},
                              .error = told.error};
  if (told.changes == nullptr) {
    link_->send(node::FrameKind::watch_event, {piece_of(net::encode(event))});
  } else {
    link_->send(node::FrameKind::watch_event, net::encode(event, host_.encoded(told.changes)));
  }
}

void Host::Inbound::restore(net::RestorePeer body, Answer answer) {
  if (restoring_) {
    return answer({.id = 0,
                   .error = {Code::busy, "another peer is restored over this link: make one for each"},
                   .leader = {},
                   .body = {}});
  }
  restoring_ = net::UndoPeer{.group = body.group, .group_id = body.group_id, .self = body.self};
  host_.restore(std::move(body), id_,
                [this, life = lifetime_.watch(), answer = std::move(answer)](net::Reply reply) mutable {
                  if (!life.is_over()) restoring_.reset();
                  answer(std::move(reply));
                });
}

void Host::Inbound::fetch(storage::Files& files, SnapshotFetcher::Wanted wanted, SnapshotFetcher::Done done) {
  if (link_ == nullptr) return done(fail(Code::stopped, "the link over which the state was to come is gone"));
  const Host::Seams& seams = host_.seams_.front();
  wanted.address = link_->remote();
  const auto tell = [this, group = restoring_ ? restoring_->group : std::string()](LogLevel level,
                                                                                   std::string_view line) {
    host_.say(level, "group " + group + ": " + std::string(line));
  };
  fetch_ = std::make_unique<InboundFetch>(
      InboundFetch::Seams{.loop = seams.loop, .worker = seams.worker, .files = files}, *link_, std::move(wanted),
      host_.random_.fork(), tell, std::move(done));
}

Result<> Host::Inbound::serve_bulk(const SharedBytes& body) {
  if (fetch_ != nullptr) return fetch_->on_message(body);
  if (snapshots_ == nullptr) {
    const auto lookup = [this](const net::FetchSnapshot& asked, SnapshotSender::Found found) {
      host_.open_snapshot(asked, std::move(found));
    };
    snapshots_ = std::make_unique<SnapshotSender>(host_.seams_.front().loop, *link_, host_.bulk_rate_, lookup);
  }
  return snapshots_->on_message(*body);
}

std::optional<SnapshotSender::Progress> Host::Inbound::sending() const {
  return snapshots_ == nullptr ? std::nullopt : snapshots_->progress();
}

// Who does not even read that needs no second word.
void Host::Inbound::turn_away(const net::TurnedAway& told) {
  if (link_ == nullptr || link_->queued_bytes() > 0) return;
  link_->send(node::FrameKind::turned_away, {piece_of(net::encode(told))});
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
