// SPDX-License-Identifier: Apache-2.0
//
// See peer_mesh.h. A HostLink goes round: connecting -> open (our hello and messages may flow) -> up (theirs came, the
// versions agree) -> paused -> connecting. Only `up` makes the pauses short again: a host that takes connections and
// drops them at once is not asked more often than one that is down.
#include "zraft/net/peer_mesh.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "zraft/base/check.h"

namespace zraft::net {

namespace {
constexpr std::size_t learned_max = 16;  // of one member; more than a group has that changed while it was behind
constexpr std::size_t turned_away_max = 1'000;  // of a link; who has more troubles than that knows it
constexpr Duration forget_after = Duration::seconds(60);  // a host that sent no beat; longer than any is lost after
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
  [[nodiscard]] const std::string& address() const { return status_.address; }
  [[nodiscard]] bool is_up() const { return status_.is_up; }
  void beat(const Bytes& body);
  // True if the process at the other side was lost since the last look, or came, or is another one.
  [[nodiscard]] bool review();
  // Empty: it was lost at the last look.
  [[nodiscard]] std::optional<Instant> heard() const;

 private:
  void on_frame(node::FrameKind kind, const SharedBytes& body) override;
  void on_closed(const Error& why) override { pause(why); }
  [[nodiscard]] Result<> take_turned_away(const SharedBytes& body);

  [[nodiscard]] bool is_paused() const { return link_ == nullptr; }
  [[nodiscard]] Hello hello() const {
    return {.role = Hello::Role::host,
            .name = mesh_.settings_.name,
            .address = mesh_.settings_.address,
            .run = mesh_.settings_.run,
            .bulk_address = mesh_.settings_.bulk_address};
  }
  void connect();
  void pause(const Error& why);
  [[nodiscard]] Result<Hello> check_hello(node::FrameKind kind, const SharedBytes& body) const;

  PeerMesh& mesh_;
  std::size_t users_ = 0;  // transports whose membership names this address
  std::unique_ptr<node::Link> link_;  // null: paused
  Duration pause_;                    // the next one is about that long
  Instant began_;                     // the last attempt
  node::TimerId timer_;
  LinkStatus status_;
  std::uint64_t run_ = 0;            // of the process at the other side, while the link is up
  std::uint64_t lives_as_ = 0;       // the run that lived at the last look; 0: none
  std::optional<std::string> told_;  // the failure that was last told of
  // How often messages were turned away since the link is up: group, from, to.
  std::map<std::tuple<raft::GroupId, raft::NodeId, raft::NodeId>, std::size_t> turned_away_;
};

void PeerMesh::HostLink::connect() {
  ++status_.attempts;
  began_ = mesh_.loop_.now();
  link_ = mesh_.network_.connect(status_.address, this);
  link_->send(node::FrameKind::hello, {piece_of(encode(hello()))});
}

// Whoever is heard can be reached: an attempt that hangs, made when he could not, is given up.
void PeerMesh::HostLink::retry_now() {
  const bool hangs = !is_paused() && !is_up() && mesh_.settings_.lost_after * 3 <= mesh_.loop_.now() - began_;
  if (hangs) return connect();
  if (!is_paused()) return;
  mesh_.loop_.cancel(timer_);
  --mesh_.paused_;
  connect();
}

void PeerMesh::HostLink::pause(const Error& why) {
  if (is_paused()) return;
  link_.reset();
  status_.is_up = false;
  run_ = 0;
  ++mesh_.paused_;
  // Half of it is chance, so that hosts that lost each other at one moment do not come back at one moment.
  const Duration pause{mesh_.random_.between(pause_.ns / 2, pause_.ns)};
  pause_ = std::min(pause_ * 2, mesh_.settings_.pause_max);
  timer_ = mesh_.loop_.wake_at(mesh_.loop_.now() + pause, [this] { retry_now(); });
  if (told_ == why.text) return;
  told_ = why.text;
  if (mesh_.on_event_) mesh_.on_event_({.address = status_.address, .is_up = false, .why = why});
}

Result<Hello> PeerMesh::HostLink::check_hello(node::FrameKind kind, const SharedBytes& body) const {
  if (kind != node::FrameKind::hello || status_.is_up) {
    return fail(Code::corrupt, status_.address + " sent a frame that does not belong on this link");
  }
  auto theirs = decode_hello(*body);
  if (!theirs) return fail(theirs.error().code, status_.address + " sent a bad " + theirs.error().text);
  if (theirs->role != Hello::Role::host) return fail(Code::wrong_owner, status_.address + " is not a host");
  const auto version = agree(hello(), *theirs);
  if (!version) return fail(version.error().code, status_.address + ": " + version.error().text);
  return theirs;
}

void PeerMesh::HostLink::on_frame(node::FrameKind kind, const SharedBytes& body) {
  if (kind == node::FrameKind::turned_away && status_.is_up) {
    if (const Result<> taken = take_turned_away(body); !taken) pause(taken.error());
    return;
  }
  const auto theirs = check_hello(kind, body);
  if (!theirs) return pause(theirs.error());
  status_.is_up = true;
  turned_away_.clear();
  run_ = theirs->run;
  pause_ = mesh_.settings_.pause_min;
  told_.reset();
  if (mesh_.on_event_) mesh_.on_event_({.address = status_.address, .is_up = true, .why = {}});
}

Result<> PeerMesh::HostLink::take_turned_away(const SharedBytes& body) {
  auto told = decode_turned_away(*body);
  if (!told) return fail(told.error().code, status_.address + " sent a bad " + told.error().text);
  if (turned_away_.size() >= turned_away_max) return {};
  const bool is_second = ++turned_away_[{told->group, told->from, told->to}] == 2;
  if (!is_second || !mesh_.on_turned_away_ || !mesh_.transports_.contains({told->group, told->from})) return {};
  mesh_.on_turned_away_({.address = status_.address,
                         .group = told->group,
                         .from = told->from,
                         .to = told->to,
                         .why = std::move(told->why)});
  return {};
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

void PeerMesh::HostLink::beat(const Bytes& body) {
  const bool has_room = status_.is_up && link_->queued_bytes() + body.size() <= mesh_.settings_.queue_bytes_max;
  if (has_room) link_->send(node::FrameKind::beat, {piece_of(body)});
}

bool PeerMesh::HostLink::review() {
  const auto beat = mesh_.heard_.find(run_);
  const bool lives = run_ != 0 && beat != mesh_.heard_.end() &&
                     mesh_.loop_.now() - beat->second.when < mesh_.settings_.lost_after;
  const std::uint64_t before = std::exchange(lives_as_, lives ? run_ : 0);
  return before != lives_as_;
}

std::optional<Instant> PeerMesh::HostLink::heard() const {
  const auto beat = mesh_.heard_.find(lives_as_);
  if (lives_as_ == 0 || beat == mesh_.heard_.end()) return std::nullopt;
  return beat->second.when;
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
    for (const auto& [id, link] : routes_) mesh_.unuse(*link);
    for (const auto& [id, link] : learned_) mesh_.unuse(*link);
  }

  void send(raft::Message message) override;
  void connect(const std::vector<raft::Member>& members) override;
  [[nodiscard]] const Deliver& deliver() const { return deliver_; }
  void hear(raft::NodeId member, const std::string& address);
  [[nodiscard]] std::optional<Instant> heard(raft::NodeId member) const override;
  [[nodiscard]] bool uses(const std::vector<const HostLink*>& links) const;

 private:
  PeerMesh& mesh_;
  const MemberKey self_;
  const Deliver deliver_;
  // By id. A few, of very many groups: so no map.
  using Routes = std::vector<std::pair<raft::NodeId, HostLink*>>;

  [[nodiscard]] static HostLink* find(const Routes& routes, raft::NodeId member) {
    const auto route = std::ranges::find(routes, member, &Routes::value_type::first);
    return route == routes.end() ? nullptr : route->second;
  }
  [[nodiscard]] HostLink* link_to(raft::NodeId member) const;
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
  if (HostLink* link = link_to(to)) link->send({self_.first, std::move(message)});
}

PeerMesh::HostLink* PeerMesh::GroupTransport::link_to(raft::NodeId member) const {
  HostLink* link = find(routes_, member);
  if (link != nullptr && link->is_up()) return link;
  HostLink* other = find(learned_, member);
  return other != nullptr ? other : link;
}

// Who lives in this process lives as long as it does.
std::optional<Instant> PeerMesh::GroupTransport::heard(raft::NodeId member) const {
  if (mesh_.transports_.contains({self_.first, member})) return mesh_.loop_.now();
  const HostLink* link = link_to(member);
  return link == nullptr ? std::nullopt : link->heard();
}

bool PeerMesh::GroupTransport::uses(const std::vector<const HostLink*>& links) const {
  const auto is_one = [&links](const auto& route) {
    return std::ranges::find(links, route.second) != links.end();
  };
  return std::ranges::any_of(routes_, is_one) || std::ranges::any_of(learned_, is_one);
}

void PeerMesh::GroupTransport::hear(raft::NodeId member, const std::string& address) {
  HostLink* link = find(routes_, member);
  if (link != nullptr && link->is_up()) return;
  if (link != nullptr) link->retry_now();
  if (!address.empty() && (link == nullptr || link->address() != address)) learn(member, address);
  if (HostLink* other = find(learned_, member)) other->retry_now();
}

void PeerMesh::GroupTransport::learn(raft::NodeId member, const std::string& address) {
  const auto known = std::ranges::find(learned_, member, &Routes::value_type::first);
  if (known != learned_.end() && known->second->address() == address) return;
  HostLink* const link = mesh_.use(address);
  const auto goes = known == learned_.end() && learned_.size() == learned_max ? learned_.begin() : known;
  if (goes != learned_.end()) {
    mesh_.unuse(*goes->second);
    learned_.erase(goes);
  }
  learned_.emplace(std::ranges::lower_bound(learned_, member, {}, &Routes::value_type::first), member, link);
}

void PeerMesh::GroupTransport::connect(const std::vector<raft::Member>& members) {
  const auto self = std::ranges::find(members, self_.second, &raft::Member::id);
  const auto here = self == members.end() ? fail(Code::not_found, "") : parse_peer(self->peer);
  Routes routes;
  routes.reserve(members.size());
  for (const raft::Member& member : members) {
    const auto peer = parse_peer(member.peer);
    // At our own address lives nobody that the mesh does not know.
    if (!peer || member.id == self_.second || (here && here->address == peer->address)) continue;
    routes.emplace_back(member.id, mesh_.use(peer->address));
  }
  std::ranges::sort(routes, {}, &Routes::value_type::first);
  // The old ones go after the new ones came, so a link that both name stays.
  for (const auto& [id, link] : std::exchange(routes_, std::move(routes))) mesh_.unuse(*link);
}

PeerMesh::PeerMesh(node::Loop& loop, node::Network& network, MeshSettings settings, Random random,
                   std::function<void(const LinkEvent&)> on_event,
                   std::function<void(const TurnedAwayEvent&)> on_turned_away)
    : loop_(loop),
      network_(network),
      settings_(std::move(settings)),
      random_(random),
      on_event_(std::move(on_event)),
      on_turned_away_(std::move(on_turned_away)) {}

PeerMesh::~PeerMesh() { CHECK(transports_.empty(), "the mesh outlives its transports"); }

std::unique_ptr<node::Transport> PeerMesh::transport_for(raft::GroupId group, raft::NodeId self, Deliver deliver) {
  return std::make_unique<GroupTransport>(*this, MemberKey{group, self}, std::move(deliver));
}

void PeerMesh::heard_from(raft::GroupId group, raft::NodeId self, raft::NodeId member, const std::string& address) {
  const auto found = transports_.find({group, self});
  if (found != transports_.end()) found->second->hear(member, address);
}

std::vector<PeerMesh::MemberKey> PeerMesh::beat() {
  // Several shards of a process beat, each by itself: the time that they share puts their numbers in one order.
  beats_ = std::max(beats_ + 1, static_cast<std::uint64_t>(loop_.now().ns));
  const Bytes body = encode(Beat{.run = settings_.run, .number = beats_});
  std::vector<const HostLink*> changed;
  for (const auto& [address, link] : links_) {
    link->beat(body);
    if (link->review()) changed.push_back(link.get());
  }
  const Instant now = loop_.now();
  std::erase_if(heard_, [&](const auto& one) { return forget_after < now - one.second.when; });
  std::vector<MemberKey> out;
  if (changed.empty()) return out;
  for (const auto& [key, transport] : transports_) {
    if (transport->uses(changed)) out.push_back(key);
  }
  return out;
}

// One that was late, or came twice, says nothing of now.
void PeerMesh::heard_beat(const Beat& beat) {
  const auto [known, is_new] = heard_.try_emplace(beat.run, LastBeat{loop_.now(), beat.number});
  if (!is_new && known->second.number < beat.number) known->second = {loop_.now(), beat.number};
}

PeerMesh::HostLink* PeerMesh::use(const std::string& address) {
  std::unique_ptr<HostLink>& link = links_[address];
  if (link == nullptr) link = std::make_unique<HostLink>(*this, address);
  link->add_user();
  return link.get();
}

void PeerMesh::unuse(HostLink& link) {
  const auto found = links_.find(link.address());
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
