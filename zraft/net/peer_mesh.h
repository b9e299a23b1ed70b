// SPDX-License-Identifier: Apache-2.0
//
// The links from this host to the others, shared by all its groups: one to each address where a member of one of them
// lives. Messages go one way: ours over the links made here, those of the other hosts over the links they make to us,
// which belong to the host. A link that broke is made again after a pause that grows, with jitter, up to a second.
// Once an interval each side of a link tells the other that it lives, whatever groups there are (beat).
// A host that answers that a message is for nobody there is told of when it says so again: once means nothing where
// groups are just being created.
// Laws: a link exists exactly while some transport's membership names its address; nothing is queued for a host that
// is not connected or being connected (raft repeats what matters); a queue is bounded in bytes, and what comes beyond
// is dropped and counted (W-48). Knows the world only through Loop and Network, so the simulator runs it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/net/wire.h"
#include "zraft/node/loop.h"
#include "zraft/node/network.h"
#include "zraft/node/transport.h"

namespace zraft::net {

struct MeshSettings {
  std::string name;  // of this host, for the hello
  std::string address;  // where it can be reached, for the hello; empty: not known
  std::string bulk_address;  // where its snapshots can be fetched, for the hello; empty: at `address`
  Duration pause_min = Duration::milliseconds(20);
  Duration pause_max = Duration::seconds(1);
  std::size_t queue_bytes_max = std::size_t{64} << 20;  // of each link
  std::size_t frame_bytes_max = std::size_t{64} << 20;
  std::uint64_t run = 0;  // of this process, drawn at its start; for the hello and the beats
  // A host whose beats have not come for that long is lost.
  Duration lost_after = Duration::milliseconds(300);
};

// For the log: a link works again, or does not for a new reason. Not each failed attempt.
struct LinkEvent {
  std::string address;
  bool is_up = false;
  Error why;  // of !is_up
};

// For the log: a host does not run that member of that group.
struct TurnedAwayEvent {
  std::string address;  // of the host
  raft::GroupId group;
  raft::NodeId from;  // here
  raft::NodeId to;    // there
  std::string why;
};

struct LinkStatus {
  std::string address;
  bool is_up = false;  // and the two sides have agreed on a version
  std::uint64_t sent = 0;
  std::uint64_t dropped = 0;   // no link, or its queue was full
  std::uint64_t attempts = 0;  // to connect
  std::size_t queued_bytes = 0;
};

class PeerMesh {
 public:
  using Deliver = std::function<void(raft::Message)>;

  PeerMesh(node::Loop& loop, node::Network& network, MeshSettings settings, Random random,
           std::function<void(const LinkEvent&)> on_event = nullptr,
           std::function<void(const TurnedAwayEvent&)> on_turned_away = nullptr);
  ~PeerMesh();
  PeerMesh(const PeerMesh&) = delete;
  PeerMesh& operator=(const PeerMesh&) = delete;

  // How the member `self` of a group reaches the others. `deliver` is given what other members of the group that live
  // in this same process send to it; it runs on the loop, never within a send. Requires: one transport for a member
  // at a time; the mesh outlives it.
  std::unique_ptr<node::Transport> transport_for(raft::GroupId group, raft::NodeId self, Deliver deliver);

  // The member `self` heard from that one. If the link to it waits for its next attempt, that is now. Whoever is in no
  // membership that `self` knows, or cannot be reached where that says, is answered at `address` (may be empty).
  void heard_from(raft::GroupId group, raft::NodeId self, raft::NodeId member, const std::string& address);

  // To be called at regular intervals, several in `lost_after`: tells every other host that this one lives, and looks
  // who else does. Gives the members in this process (group and id) for whom a host was lost since the last call, or
  // came back, or is another process by now: they are to be woken.
  using MemberKey = std::pair<raft::GroupId, raft::NodeId>;
  [[nodiscard]] std::vector<MemberKey> beat();
  // A beat of another host came.
  void heard_beat(const Beat& beat);

  [[nodiscard]] std::vector<LinkStatus> links() const;

 private:
  class HostLink;
  class GroupTransport;

  HostLink* use(const std::string& address);
  void unuse(HostLink& link);
  void deliver(MemberKey to, raft::Message message);

  node::Loop& loop_;
  node::Network& network_;
  const MeshSettings settings_;
  Random random_;
  const std::function<void(const LinkEvent&)> on_event_;
  const std::function<void(const TurnedAwayEvent&)> on_turned_away_;
  struct LastBeat {
    Instant when;
    std::uint64_t number = 0;
  };
  std::uint64_t beats_ = 0;
  std::map<std::uint64_t, LastBeat> heard_;  // by the run of whoever sent it
  std::size_t paused_ = 0;  // links that wait for their next attempt
  std::map<std::string, std::unique_ptr<HostLink>> links_;
  std::map<MemberKey, GroupTransport*> transports_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::net
