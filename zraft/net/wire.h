// SPDX-License-Identifier: Apache-2.0
//
// What the bodies of frames say (node/network.h has the kinds): the handshake, raft messages between hosts, and the
// requests and replies of the client and admin service. Byte by byte in docs/wire_format.md. Every decoder is total:
// any bytes give a value or an Error{corrupt}, and a value encodes to the bytes it came from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "zraft/base/piece.h"
#include "zraft/raft/message.h"

namespace zraft::net {

constexpr std::uint16_t wire_version = 1;
constexpr std::uint16_t wire_version_oldest = 1;  // that this build still speaks

// The first frame of each side of a link. The two speak the smaller of their versions; where that is below the
// other's oldest, the link is closed with a sentence that says so.
struct Hello {
  enum class Role : std::uint8_t { host = 1, client = 2 };
  std::uint16_t version = wire_version;
  std::uint16_t version_oldest = wire_version_oldest;
  Role role = Role::client;
  std::uint64_t features = 0;  // none yet
  std::string name;            // for people: who is at the other end; no more than 256 bytes of it are sent
  std::string address;         // of a host: where it can be reached, "host:port"; empty: it does not say
};

// One raft message of one group. The records of an Append are carried as they are, not encoded again.
struct PeerFrame {
  raft::GroupId group;
  raft::Message message;
};

// --- client and admin service ---

enum class Consistency : std::uint8_t {
  linearizable = 1,
  stale = 2,     // whatever the asked member has applied
  lease = 3,     // like linearizable, if clocks run alike: no round of messages while the leader's lease lasts
  follower = 4,  // like linearizable, answered by whichever member is asked
};

struct Propose {
  std::string group;
  Bytes data;
};
struct Query {
  std::string group;
  Consistency consistency = Consistency::linearizable;
  Bytes data;
};
struct GetStatus {
  std::string group;  // empty: of every group of that host
};
// Could a peer of that group be started here? ok, or already_present, bad_request, ...
struct CheckPeer {
  std::string group;
  std::string peer;
  std::string backend;
};
// Starts a peer, durable when answered: with a membership, one of the first members of a new group; without, one that
// has nothing yet and is to be taken in by a ChangeMembers.
struct StartPeer {
  std::string group;
  raft::GroupId group_id;
  std::string backend;
  raft::NodeId self;
  std::string peer;
  raft::Membership membership;
};
// Undoes a StartPeer of a creation that could not finish; one that is under way or comes later is refused from then on.
struct UndoPeer {
  std::string group;
  raft::GroupId group_id;
  raft::NodeId self;
};

// To the leader: the members are to be others. `expected` is where the membership stands that the caller has seen
// (PeerStatus::membership_index). What is refused, and with which codes: raft::Reconfigure.
struct ChangeMembers {
  std::string group;
  raft::Index expected;
  raft::Membership wanted;
};
// To the leader: another member is to lead; 0: the one that can best.
struct TransferLeadership {
  std::string group;
  raft::NodeId target;
};
// Stops a peer and forgets its data, whether it is a member or not. Nothing happens if that peer is not here.
struct DestroyPeer {
  std::string group;
  raft::GroupId group_id;
  raft::NodeId self;
};

using RequestBody = std::variant<Propose, Query, GetStatus, CheckPeer, StartPeer, UndoPeer, ChangeMembers,
                                 TransferLeadership, DestroyPeer>;

struct Request {
  std::uint64_t id = 0;          // of this link; the reply carries it
  std::uint32_t timeout_ms = 0;  // how long the caller still waits
  RequestBody body;
};

// What a leader knows of another member.
struct FollowerStatus {
  raft::NodeId id;
  raft::Index match;
  bool is_replicating = false;   // false: it looks where the logs agree
  std::uint32_t heard_ms = 0;    // ago
};
struct PeerStatus {
  std::string group;
  raft::GroupId group_id;
  std::string backend;
  std::string peer;
  raft::NodeId self;
  std::string role;    // "follower", "learner", "candidate", "leader", "loading", "removed", "stopped"
  std::string leader;  // peer, empty if not known
  raft::Term term;
  raft::Index first;  // of the log in memory
  raft::Index last;
  raft::Index durable;
  raft::Index commit;
  raft::Index applied;
  std::uint64_t log_bytes = 0;
  raft::Membership membership;
  raft::Index membership_index;            // where it stands in the log
  std::vector<FollowerStatus> followers;   // of a leader
  std::string problem;                     // why it is stopped
};
struct Status {
  std::string host;     // name of the host
  std::string version;  // of the build
  std::vector<PeerStatus> peers;
};
struct Data {
  Bytes data;
};
struct Nothing {};

using ReplyBody = std::variant<Nothing, Data, Status>;

struct Reply {
  std::uint64_t id = 0;
  Error error;         // code ok, or why not
  std::string leader;  // with not_leader: the peer to ask, if known
  ReplyBody body;
};

[[nodiscard]] Bytes encode(const Hello& hello);
[[nodiscard]] Result<Hello> decode_hello(BytesView bytes);
// The version that the two speak. Errors: unsupported, if they have none in common.
[[nodiscard]] Result<std::uint16_t> agree(const Hello& ours, const Hello& theirs);

[[nodiscard]] Pieces encode(const PeerFrame& frame);
// The records borrow from `bytes` and keep it alive.
[[nodiscard]] Result<PeerFrame> decode_peer_frame(const SharedBytes& bytes);

[[nodiscard]] Bytes encode(const Request& request);
[[nodiscard]] Result<Request> decode_request(BytesView bytes);

[[nodiscard]] Bytes encode(const Reply& reply);
[[nodiscard]] Result<Reply> decode_reply(BytesView bytes);

// "name@host:port" taken apart; `address` is "host:port". Errors: bad_request, naming what is wrong.
struct PeerName {
  std::string name;
  std::string address;
};
[[nodiscard]] Result<PeerName> parse_peer(BytesView text);

}  // namespace zraft::net
