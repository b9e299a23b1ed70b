// SPDX-License-Identifier: Apache-2.0
//
// See peer_mesh.h. A HostLink goes round: connecting -> open (our hello and messages may flow) -> up (theirs came, the
// versions agree) -> paused -> connecting. Only `up` makes the pauses short again: a host that takes connections and
// drops them at once is not asked more often than one that is down.
#include "zraft/net/peer_mesh.h"

#include <algorithm>
#include <optional>

#include "zraft/base/check.h"

namespace zraft::net {

namespace {
constexpr std::size_t learned_max = 16;  // of one member; more than a group has that changed while it was behind
}

class PeerMesh::HostLink final : private node::LinkHandler {
 public:
  HostLink(PeerMesh& mesh, std::string address) : mesh_(mesh), pause_(mesh.settings_.pause_min) {
    status_.address = std::move(address);
    connect();
  }
  ~HostLink() override {
    mesh_.loop_.cancel(timer_);
    if (is_paused()) --mesh_.paused_;
  }
  HostLink(const HostLink&) = delete;
  HostLink& operator=(const HostLink&) = delete;

  void send(const PeerFrame& frame);
  void retry_now();
  void add_user() { ++users_; }
  [[nodiscard]] bool drop_user() { return --users_ == 0; }
  [[nodiscard]] LinkStatus status() const;
  [[nodiscard]] bool is_up() const { return status_.is_up; }

 private:
  void on_frame(node::FrameKind kind, const SharedBytes& body) override;
  void on_closed(const Error& why) override { pause(why); }

  [[nodiscard]] bool is_paused() const { return link_ == nullptr; }
  [[nodiscard]] Hello hello() const {
    return {.role = Hello::Role::host,
            .name = mesh_.settings_.name,
            .address = mesh_.settings_.address ? mesh_.settings_.address() : std::string()};
  }
  void connect();
  void pause(const Error& why);
  [[nodiscard]] Result<> check_hello(node::FrameKind kind, const SharedBytes& body) const;

  PeerMesh& mesh_;
  std::size_t users_ = 0;  // transports whose membership names this address
  std::unique_ptr<node::Link> link_;  // null: paused
  Duration pause_;                    // the next one is about that long
  node::TimerId timer_;
  LinkStatus status_;
  std::optional<std::string> told_;  // the failure that was last told of
};

void PeerMesh::HostLink::connect() {
  ++status_.attempts;
  link_ = mesh_.network_.connect(status_.address, this);
  link_->send(node::FrameKind::hello, {piece_of(encode(hello()))});
}

void PeerMesh::HostLink::retry_now() {
  if (!is_paused()) return;
  mesh_.loop_.cancel(timer_);
  --mesh_.paused_;
  connect();
}

void PeerMesh::HostLink::pause(const Error& why) {
  if (is_paused()) return;
  link_.reset();
  status_.is_up = false;
  ++mesh_.paused_;
  // Half of it is chance, so that hosts that lost each other at one moment do not come back at one moment.
  const Duration pause{mesh_.random_.between(pause_.ns / 2, pause_.ns)};
  pause_ = std::min(pause_ * 2, mesh_.settings_.pause_max);
  timer_ = mesh_.loop_.wake_at(mesh_.loop_.now() + pause, [this] { retry_now(); });
  if (told_ == why.text) return;
  told_ = why.text;
  if (mesh_.on_event_) mesh_.on_event_({.address = status_.address, .is_up = false, .why = why});
}

Result<> PeerMesh::HostLink::check_hello(node::FrameKind kind, const SharedBytes& body) const {
  if (kind != node::FrameKind::hello || status_.is_up) {
    return fail(Code::corrupt, status_.address + " sent a frame that does not belong on this link");
  }
  const auto theirs = decode_hello(*body);
  if (!theirs) return fail(theirs.error().code, status_.address + " sent a bad " + theirs.error().text);
  if (theirs->role != Hello::Role::host) return fail(Code::wrong_owner, status_.address + " is not a host");
  const auto version = agree(hello(), *theirs);
  if (!version) return fail(version.error().code, status_.address + ": " + version.error().text);
  return {};
}

void PeerMesh::HostLink::on_frame(node::FrameKind kind, const SharedBytes& body) {
  if (auto good = check_hello(kind, body); !good) return pause(good.error());
  status_.is_up = true;
  pause_ = mesh_.settings_.pause_min;
  told_.reset();
  if (mesh_.on_event_) mesh_.on_event_({.address = status_.address, .is_up = true, .why = {}});
}

void PeerMesh::HostLink::send(const PeerFrame& frame) {
  if (!is_paused()) {
    Pieces pieces = encode(frame);
    const std::size_t size = size_of(pieces);
    if (size <= mesh_.settings_.frame_bytes_max && link_->queued_bytes() + size <= mesh_.settings_.queue_bytes_max) {
      ++status_.sent;
      return link_->send(node::FrameKind::peer, std::move(pieces));
    }
  }
  ++status_.dropped;
}

LinkStatus PeerMesh::HostLink::status() const {
  LinkStatus status = status_;
  if (link_ != nullptr) status.queued_bytes = link_->queued_bytes();
  return status;
}

// Where the members of one group are. Members in this process are found by the mesh, before any address is looked at.
class PeerMesh::GroupTransport final : public node::Transport {
 public:
  GroupTransport(PeerMesh& mesh, MemberKey self, Deliver deliver)
      : mesh_(mesh), self_(self), deliver_(std::move(deliver)) {
    const bool is_new = mesh_.transports_.emplace(self_, this).second;
    CHECK(is_new, "a member has one transport");
  }
  ~GroupTransport() override {
    mesh_.transports_.erase(self_);
    for (const auto& [id, route] : routes_) mesh_.unuse(route.address);
    for (const auto& [id, route] : learned_) mesh_.unuse(route.address);
  }

  void send(raft::Message message) override;
  void connect(const std::vector<raft::Member>& members) override;
  [[nodiscard]] const Deliver& deliver() const { return deliver_; }
  void hear(raft::NodeId member, const std::string& address);

 private:
  struct Route {
    std::string address;
    HostLink* link = nullptr;
  };

  PeerMesh& mesh_;
  const MemberKey self_;
  const Deliver deliver_;
  using Routes = std::map<raft::NodeId, Route>;

  [[nodiscard]] static HostLink* find(const Routes& routes, raft::NodeId member) {
    const auto route = routes.find(member);
    return route == routes.end() ? nullptr : route->second.link;
  }
  void learn(raft::NodeId member, const std::string& address);

  Routes routes_;   // as the membership says
  Routes learned_;  // as whoever sent something said, where the membership says nothing or is wrong
};

void PeerMesh::GroupTransport::send(raft::Message message) {
  const raft::NodeId to = message.to;
  if (const MemberKey key{self_.first, to}; mesh_.transports_.contains(key)) {
    mesh_.loop_.post([&mesh = mesh_, life = mesh_.lifetime_.watch(), key, message = std::move(message)]() mutable {
      if (!life.is_over()) mesh.deliver(key, std::move(message));
    });
    return;
  }
  HostLink* link = find(routes_, to);
  if (link == nullptr || !link->is_up()) {
    if (HostLink* other = find(learned_, to)) link = other;
  }
  if (link != nullptr) link->send({self_.first, std::move(message)});
}

void PeerMesh::GroupTransport::hear(raft::NodeId member, const std::string& address) {
  HostLink* link = find(routes_, member);
  if (link != nullptr && link->is_up()) return;
  if (link != nullptr) link->retry_now();
  const auto known = routes_.find(member);
  if (!address.empty() && (known == routes_.end() || known->second.address != address)) learn(member, address);
  if (HostLink* other = find(learned_, member)) other->retry_now();
}

void PeerMesh::GroupTransport::learn(raft::NodeId member, const std::string& address) {
  const auto known = learned_.find(member);
  if (known != learned_.end() && known->second.address == address) return;
  const Route route{address, mesh_.use(address)};
  if (known != learned_.end()) {
    mesh_.unuse(known->second.address);
    learned_.erase(known);
  } else if (learned_.size() == learned_max) {
    mesh_.unuse(learned_.begin()->second.address);
    learned_.erase(learned_.begin());
  }
  learned_.emplace(member, route);
}

void PeerMesh::GroupTransport::connect(const std::vector<raft::Member>& members) {
  const auto self = std::ranges::find(members, self_.second, &raft::Member::id);
  const auto here = self == members.end() ? fail(Code::not_found, "") : parse_peer(self->peer);
  std::map<raft::NodeId, Route> routes;
  for (const raft::Member& member : members) {
    const auto peer = parse_peer(member.peer);
    // At our own address lives nobody that the mesh does not know.
    if (!peer || member.id == self_.second || (here && here->address == peer->address)) continue;
    routes.emplace(member.id, Route{peer->address, mesh_.use(peer->address)});
  }
  // The old ones go after the new ones came, so a link that both name stays.
  for (const auto& [id, route] : std::exchange(routes_, std::move(routes))) mesh_.unuse(route.address);
}

PeerMesh::PeerMesh(node::Loop& loop, node::Network& network, MeshSettings settings, Random random,
                   std::function<void(const LinkEvent&)> on_event)
    : loop_(loop),
      network_(network),
      settings_(std::move(settings)),
      random_(random),
      on_event_(std::move(on_event)) {}

PeerMesh::~PeerMesh() { CHECK(transports_.empty(), "the mesh outlives its transports"); }

std::unique_ptr<node::Transport> PeerMesh::transport_for(raft::GroupId group, raft::NodeId self, Deliver deliver) {
  return std::make_unique<GroupTransport>(*this, MemberKey{group, self}, std::move(deliver));
}

void PeerMesh::heard_from(raft::GroupId group, raft::NodeId self, raft::NodeId member, const std::string& address) {
  const auto found = transports_.find({group, self});
  if (found != transports_.end()) found->second->hear(member, address);
}

PeerMesh::HostLink* PeerMesh::use(const std::string& address) {
  std::unique_ptr<HostLink>& link = links_[address];
  if (link == nullptr) link = std::make_unique<HostLink>(*this, address);
  link->add_user();
  return link.get();
}

void PeerMesh::unuse(const std::string& address) {
  const auto found = links_.find(address);
  CHECK(found != links_.end(), "a link that is used exists");
  if (found->second->drop_user()) links_.erase(found);
}

void PeerMesh::deliver(MemberKey to, raft::Message message) {
  const auto found = transports_.find(to);
  if (found == transports_.end()) return;
  const Deliver take = found->second->deliver();  // a copy: it may destroy the transport
  take(std::move(message));
}

std::vector<LinkStatus> PeerMesh::links() const {
  std::vector<LinkStatus> all;
  for (const auto& [address, link] : links_) all.push_back(link->status());
  return all;
}

}  // namespace zraft::net
