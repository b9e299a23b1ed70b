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
#include "zraft/node/state_machine.h"
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
  std::uint64_t run = 0;       // of a host: drawn anew at each start of its process; 0: it does not say
  std::string bulk_address;    // of a host: where its snapshots can be fetched; empty: at `address`
};

// A host says to another that it lives, once for all the groups that they share. Of those that come out of order the
// largest number counts.
struct Beat {
  std::uint64_t run = 0;
  std::uint64_t number = 0;
};

// A raft message was for a member that does not run here: why, to whoever sent it.
struct TurnedAway {
  raft::GroupId group;
  raft::NodeId from;  // the message's
  raft::NodeId to;
  std::string why;  // a sentence for people; no more than 1,024 bytes of it are sent
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
  bounded = 5,   // by any member: what was linearizable some time ago, and no longer than the caller names
};

// How a query is answered: one word, or, of `bounded`, how old the answer may be.
struct ReadChoice {
  Consistency consistency = Consistency::linearizable;
  Duration staleness_max{};

  ReadChoice() = default;
  ReadChoice(Consistency any) : consistency(any) {}
  [[nodiscard]] static ReadChoice within(Duration staleness_max) {
    ReadChoice choice(Consistency::bounded);
    choice.staleness_max = staleness_max;
    return choice;
  }
};

struct Propose {
  std::string group;
  Bytes data;
};
struct Query {
  std::string group;
  Consistency consistency = Consistency::linearizable;
  Bytes data;
  std::uint32_t staleness_max_ms = 0;  // of `bounded`; 0 of all others
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

// That host's member writes a snapshot now. Answered when it is durable.
struct SaveSnapshot {
  std::string group;
};

// Starts the first peer of a new group, with a state that the caller has: that is a snapshot under the new group's id
// and membership, which the host fetches over the very link on which this came (wire_bulk.h, with the roles the other
// way round). Durable when answered. A link that goes before that undoes it.
struct RestorePeer {
  std::string group;
  raft::GroupId group_id;
  std::string backend;
  raft::NodeId self;
  std::string peer;
  raft::Membership membership;
};

// --- sessions (session/entry.h says what they mean) and watches; to the leader ---

// Answered by SessionOpened. The same nonce opens one session, however often it is sent.
struct OpenSession {
  std::string group;
  std::uint64_t nonce[2] = {0, 0};
  std::uint32_t session_timeout_ms = 0;
};
// Applied once, however often it is sent. Answered by Data; session_expired, busy, ... : it did nothing.
struct SessionWrite {
  std::string group;
  node::SessionId session;
  std::uint64_t sequence = 0;
  std::uint64_t acknowledged = 0;
  bool is_ephemeral = false;
  Bytes data;
};
// Answered when it is committed that the session lives, or session_expired.
struct KeepAlive {
  std::string group;
  node::SessionId session;
  std::uint64_t acknowledged = 0;
};
struct CloseSession {
  std::string group;
  node::SessionId session;
};
// Answered by Watching, and from then on, over the same link, by frames of the kind watch_event that carry the id of
// this request, until one of them says that it was the last. With a query: listens to what it read, from there on.
// With `after` (a watch that goes on): to `watchable`, from the first change behind that index on; compacted if this
// member does not remember changes that far back.
struct Watch {
  std::string group;
  node::SessionId session;  // 0: of none. Else the watch ends with it
  bool is_persistent = false;  // false: the first change is the last
  Bytes query;
  Consistency consistency = Consistency::linearizable;
  std::optional<raft::Index> after;           // instead of the query
  std::vector<node::Watchable> watchable;     // with `after`
};
// Ends the watch of that request, which came over the same link. Answered by Nothing; no event comes after that.
struct CancelWatch {
  std::uint64_t watch = 0;
};

using RequestBody =
    std::variant<Propose, Query, GetStatus, CheckPeer, StartPeer, UndoPeer, ChangeMembers, TransferLeadership,
                 DestroyPeer, SaveSnapshot, OpenSession, SessionWrite, KeepAlive, CloseSession, Watch, CancelWatch,
                 RestorePeer>;

struct Request {
  std::uint64_t id = 0;          // of this link; the reply carries it
  std::uint32_t timeout_ms = 0;  // how long the caller still waits
  RequestBody body;
};

// A snapshot that is on its way; all 0: none is.
struct SnapshotProgress {
  raft::Index index;  // where it ends
  std::uint64_t bytes = 0;  // that are there
  std::uint64_t bytes_total = 0;
  std::uint64_t bytes_per_second = 0;
  friend bool operator==(const SnapshotProgress&, const SnapshotProgress&) = default;
};

// What a leader knows of another member.
struct FollowerStatus {
  raft::NodeId id;
  raft::Index match;
  bool is_replicating = false;   // false: it looks where the logs agree
  std::uint32_t heard_ms = 0;    // ago
  bool needs_snapshot = false;   // the log does not go back to what it needs
  SnapshotProgress sending;      // to it, by the leader's host
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
  raft::Index snapshot;                // where the newest ends; 0: there is none
  std::uint64_t snapshot_bytes = 0;    // of its files
  bool is_saving = false;              // another one is being written
  SnapshotProgress fetching;           // from another member
  raft::Membership membership;
  raft::Index membership_index;            // where it stands in the log
  std::vector<FollowerStatus> followers;   // of a leader
  std::string problem;                     // why it is stopped
  std::uint64_t sessions = 0;              // of a leader: that are open, as it last looked
  std::uint64_t watches = 0;               // of a leader: that are set
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
struct SessionOpened {
  node::SessionId session;
};
struct Watching {
  Bytes data;         // what the query gave
  raft::Index index;  // changes behind it will be told
  std::vector<node::Watchable> watchable;
};

using ReplyBody = std::variant<Nothing, Data, Status, SessionOpened, Watching>;

// The body of a frame of the kind watch_event.
struct WatchEvent {
  // changed: `changes`, all of one entry, in their order. progress: nothing changed up to `index`; a watch that goes on
  // need not ask for what is before. Of the others each is the last event:
  enum class What : std::uint8_t {
    changed = 1,
    progress = 2,
    leader_changed = 3,  // this member does not lead any more: go on at the leader
    closed = 4,          // `error` says why: session_expired, busy (too slow), stopped, ...
  };
  std::uint64_t watch = 0;  // the id of the request that set it
  What what = What::changed;
  bool is_last = false;
  raft::Index index;
  std::vector<node::Change> changes;
  Error error;
};

struct Reply {
  std::uint64_t id = 0;
  Error error;         // code ok, or why not
  std::string leader;  // with not_leader: the peer to ask, if known
  ReplyBody body;
};

[[nodiscard]] Bytes encode(const Hello& hello);
[[nodiscard]] Result<Hello> decode_hello(BytesView bytes);
[[nodiscard]] Bytes encode(const TurnedAway& turned_away);
[[nodiscard]] Result<TurnedAway> decode_turned_away(BytesView bytes);
[[nodiscard]] Bytes encode(const Beat& beat);
[[nodiscard]] Result<Beat> decode_beat(BytesView bytes);
// The version that the two speak. Errors: unsupported, if they have none in common.
[[nodiscard]] Result<std::uint16_t> agree(const Hello& ours, const Hello& theirs);

[[nodiscard]] Pieces encode(const PeerFrame& frame);
// The records borrow from `bytes` and keep it alive.
[[nodiscard]] Result<PeerFrame> decode_peer_frame(const SharedBytes& bytes);

[[nodiscard]] Bytes encode(const Request& request);
[[nodiscard]] Result<Request> decode_request(BytesView bytes);

[[nodiscard]] Bytes encode(const WatchEvent& event);
// For ten thousand who are told the same: `changes`, from encode_changes(), takes the place of event.changes, and all
// their frames share it.
[[nodiscard]] Piece encode_changes(const std::vector<node::Change>& changes);
[[nodiscard]] Pieces encode(const WatchEvent& event, const Piece& changes);
[[nodiscard]] Result<WatchEvent> decode_watch_event(BytesView bytes);

[[nodiscard]] Bytes encode(const Reply& reply);
[[nodiscard]] Result<Reply> decode_reply(BytesView bytes);

// "name@host:port" taken apart; `address` is "host:port". Errors: bad_request, naming what is wrong.
struct PeerName {
  std::string name;
  std::string address;
};
[[nodiscard]] Result<PeerName> parse_peer(BytesView text);

}  // namespace zraft::net
