// SPDX-License-Identifier: Apache-2.0
//
// Requests and replies of the client and admin service; layouts in docs/wire_format.md. The number of a body on the
// wire is its place in RequestBody or ReplyBody, counted from 1. What a watch is told is in wire_watch.cc.
#include <type_traits>
#include <utility>

#include "zraft/base/codec.h"
#include "zraft/net/wire.h"

namespace zraft::net {
namespace {

// The least that a PeerStatus takes: its six texts and the membership empty.
constexpr std::size_t progress_size = 4 * 8;
constexpr std::size_t peer_status_min = 8 * 4 + 12 * 8 + 1 + progress_size;
constexpr std::size_t follower_status_size = 8 + 8 + 1 + 4 + 1 + progress_size;
constexpr std::size_t watchable_min = 4 + 1;

template <std::uint8_t number, class Variant, class Expected>
constexpr bool is_number_of = std::is_same_v<std::variant_alternative_t<number - 1, Variant>, Expected>;
static_assert(is_number_of<1, RequestBody, Propose> && is_number_of<2, RequestBody, Query> &&
              is_number_of<3, RequestBody, GetStatus> && is_number_of<4, RequestBody, CheckPeer> &&
              is_number_of<5, RequestBody, StartPeer> && is_number_of<6, RequestBody, UndoPeer> &&
              is_number_of<7, RequestBody, ChangeMembers> && is_number_of<8, RequestBody, TransferLeadership> &&
              is_number_of<9, RequestBody, DestroyPeer> && is_number_of<10, RequestBody, SaveSnapshot> &&
              is_number_of<11, RequestBody, OpenSession> && is_number_of<12, RequestBody, SessionWrite> &&
              is_number_of<13, RequestBody, KeepAlive> && is_number_of<14, RequestBody, CloseSession> &&
              is_number_of<15, RequestBody, Watch> && is_number_of<16, RequestBody, CancelWatch> &&
              is_number_of<17, RequestBody, RestorePeer> && std::variant_size_v<RequestBody> == 17);
static_assert(is_number_of<1, ReplyBody, Nothing> && is_number_of<2, ReplyBody, Data> &&
              is_number_of<3, ReplyBody, Status> && is_number_of<4, ReplyBody, SessionOpened> &&
              is_number_of<5, ReplyBody, Watching> && std::variant_size_v<ReplyBody> == 5);

// A membership without members (of a peer that is not open yet) is empty bytes.
void put(Encoder& to, const raft::Membership& membership) {
  Bytes bytes;
  if (!membership.members.empty()) raft::encode(membership, bytes);
  to.bytes(bytes);
}

raft::Membership take_membership(Decoder& from) {
  const BytesView bytes = from.bytes();
  if (bytes.empty()) return {};
  auto membership = raft::decode_membership(bytes);
  if (!membership) {
    from.fail();
    return {};
  }
  return *std::move(membership);
}

std::string take_text(Decoder& from) { return std::string(from.bytes()); }

Consistency take_consistency(Decoder& from) {
  const std::uint8_t consistency = from.u8();
  if (consistency < static_cast<std::uint8_t>(Consistency::linearizable) ||
      consistency > static_cast<std::uint8_t>(Consistency::bounded)) {
    from.fail();
    return {};
  }
  return static_cast<Consistency>(consistency);
}

void put(Encoder& to, const std::vector<node::Watchable>& watchable) {
  to.u32(static_cast<std::uint32_t>(watchable.size()));
  for (const node::Watchable& any : watchable) {
    to.bytes(any.key);
    to.boolean(any.is_prefix);
  }
}

std::vector<node::Watchable> take_watchable(Decoder& from) {
  std::vector<node::Watchable> watchable(from.count(watchable_min));
  for (node::Watchable& any : watchable) {
    any.key = from.bytes();
    any.is_prefix = from.boolean();
  }
  return watchable;
}

void put(Encoder& to, const Propose& body) {
  to.bytes(body.group);
  to.bytes(body.data);
}
void put(Encoder& to, const Query& body) {
  to.bytes(body.group);
  to.u8(static_cast<std::uint8_t>(body.consistency));
  to.u32(body.staleness_max_ms);
  to.bytes(body.data);
}
void put(Encoder& to, const GetStatus& body) { to.bytes(body.group); }
void put(Encoder& to, const CheckPeer& body) {
  to.bytes(body.group);
  to.bytes(body.peer);
  to.bytes(body.backend);
}
// Of a StartPeer, a RestorePeer.
void put_start(Encoder& to, const auto& body) {
  to.bytes(body.group);
  to.u64(body.group_id.value);
  to.bytes(body.backend);
  to.u64(body.self.value);
  to.bytes(body.peer);
  put(to, body.membership);
}
void put(Encoder& to, const StartPeer& body) { put_start(to, body); }
void put(Encoder& to, const RestorePeer& body) { put_start(to, body); }
void put(Encoder& to, const ChangeMembers& body) {
  to.bytes(body.group);
  to.u64(body.expected.value);
  put(to, body.wanted);
}
void put(Encoder& to, const TransferLeadership& body) {
  to.bytes(body.group);
  to.u64(body.target.value);
}
void put(Encoder& to, const DestroyPeer& body) {
  to.bytes(body.group);
  to.u64(body.group_id.value);
  to.u64(body.self.value);
}
void put(Encoder& to, const SaveSnapshot& body) { to.bytes(body.group); }
void put(Encoder& to, const UndoPeer& body) {
  to.bytes(body.group);
  to.u64(body.group_id.value);
  to.u64(body.self.value);
}

void put(Encoder& to, const OpenSession& body) {
  to.bytes(body.group);
  to.u64(body.nonce[0]);
  to.u64(body.nonce[1]);
  to.u32(body.session_timeout_ms);
}
void put(Encoder& to, const SessionWrite& body) {
  to.bytes(body.group);
  to.u64(body.session.value);
  to.u64(body.sequence);
  to.u64(body.acknowledged);
  to.boolean(body.is_ephemeral);
  to.bytes(body.data);
}
void put(Encoder& to, const KeepAlive& body) {
  to.bytes(body.group);
  to.u64(body.session.value);
  to.u64(body.acknowledged);
}
void put(Encoder& to, const CloseSession& body) {
  to.bytes(body.group);
  to.u64(body.session.value);
}
// The query, or where it goes on; never both.
void put(Encoder& to, const Watch& body) {
  to.bytes(body.group);
  to.u64(body.session.value);
  to.boolean(body.is_persistent);
  to.u8(static_cast<std::uint8_t>(body.consistency));
  to.boolean(body.after.has_value());
  if (!body.after) return to.bytes(body.query);
  to.u64(body.after->value);
  put(to, body.watchable);
}
void put(Encoder& to, const CancelWatch& body) { to.u64(body.watch); }

void take(Decoder& from, Propose& body) {
  body.group = take_text(from);
  body.data = from.bytes();
}
void take(Decoder& from, Query& body) {
  body.group = take_text(from);
  body.consistency = take_consistency(from);
  body.staleness_max_ms = from.u32();
  if (body.staleness_max_ms != 0 && body.consistency != Consistency::bounded) from.fail();
  body.data = from.bytes();
}
void take(Decoder& from, GetStatus& body) { body.group = take_text(from); }
void take(Decoder& from, CheckPeer& body) {
  body.group = take_text(from);
  body.peer = take_text(from);
  body.backend = take_text(from);
}
void take_start(Decoder& from, auto& body) {
  body.group = take_text(from);
  body.group_id.value = from.u64();
  body.backend = take_text(from);
  body.self.value = from.u64();
  body.peer = take_text(from);
  body.membership = take_membership(from);
}
void take(Decoder& from, StartPeer& body) { take_start(from, body); }
void take(Decoder& from, RestorePeer& body) { take_start(from, body); }
void take(Decoder& from, ChangeMembers& body) {
  body.group = take_text(from);
  body.expected.value = from.u64();
  body.wanted = take_membership(from);
}
void take(Decoder& from, TransferLeadership& body) {
  body.group = take_text(from);
  body.target.value = from.u64();
}
void take(Decoder& from, DestroyPeer& body) {
  body.group = take_text(from);
  body.group_id.value = from.u64();
  body.self.value = from.u64();
}
void take(Decoder& from, SaveSnapshot& body) { body.group = take_text(from); }
void take(Decoder& from, UndoPeer& body) {
  body.group = take_text(from);
  body.group_id.value = from.u64();
  body.self.value = from.u64();
}

void take(Decoder& from, OpenSession& body) {
  body.group = take_text(from);
  body.nonce[0] = from.u64();
  body.nonce[1] = from.u64();
  body.session_timeout_ms = from.u32();
}
void take(Decoder& from, SessionWrite& body) {
  body.group = take_text(from);
  body.session.value = from.u64();
  body.sequence = from.u64();
  body.acknowledged = from.u64();
  body.is_ephemeral = from.boolean();
  body.data = from.bytes();
}
void take(Decoder& from, KeepAlive& body) {
  body.group = take_text(from);
  body.session.value = from.u64();
  body.acknowledged = from.u64();
}
void take(Decoder& from, CloseSession& body) {
  body.group = take_text(from);
  body.session.value = from.u64();
}
void take(Decoder& from, Watch& body) {
  body.group = take_text(from);
  body.session.value = from.u64();
  body.is_persistent = from.boolean();
  body.consistency = take_consistency(from);
  if (!from.boolean()) {
    body.query = from.bytes();
    return;
  }
  body.after = raft::Index{from.u64()};
  body.watchable = take_watchable(from);
}
void take(Decoder& from, CancelWatch& body) { body.watch = from.u64(); }

void put(Encoder& to, const SnapshotProgress& progress) {
  to.u64(progress.index.value);
  to.u64(progress.bytes);
  to.u64(progress.bytes_total);
  to.u64(progress.bytes_per_second);
}

void take(Decoder& from, SnapshotProgress& progress) {
  progress.index.value = from.u64();
  progress.bytes = from.u64();
  progress.bytes_total = from.u64();
  progress.bytes_per_second = from.u64();
}

void put(Encoder& to, const PeerStatus& peer) {
  to.bytes(peer.group);
  to.u64(peer.group_id.value);
  to.bytes(peer.backend);
  to.bytes(peer.peer);
  to.u64(peer.self.value);
  to.bytes(peer.role);
  to.bytes(peer.leader);
  to.u64(peer.term.value);
  to.u64(peer.first.value);
  to.u64(peer.last.value);
  to.u64(peer.durable.value);
  to.u64(peer.commit.value);
  to.u64(peer.applied.value);
  to.u64(peer.log_bytes);
  to.u64(peer.snapshot.value);
  to.u64(peer.snapshot_bytes);
  to.boolean(peer.is_saving);
  put(to, peer.fetching);
  put(to, peer.membership);
  to.u64(peer.membership_index.value);
  to.u32(static_cast<std::uint32_t>(peer.followers.size()));
  for (const FollowerStatus& follower : peer.followers) {
    to.u64(follower.id.value);
    to.u64(follower.match.value);
    to.boolean(follower.is_replicating);
    to.u32(follower.heard_ms);
    to.boolean(follower.needs_snapshot);
    put(to, follower.sending);
  }
  to.bytes(peer.problem);
  to.u64(peer.sessions);
  to.u64(peer.watches);
}

void take(Decoder& from, PeerStatus& peer) {
  peer.group = take_text(from);
  peer.group_id.value = from.u64();
  peer.backend = take_text(from);
  peer.peer = take_text(from);
  peer.self.value = from.u64();
  peer.role = take_text(from);
  peer.leader = take_text(from);
  peer.term.value = from.u64();
  peer.first.value = from.u64();
  peer.last.value = from.u64();
  peer.durable.value = from.u64();
  peer.commit.value = from.u64();
  peer.applied.value = from.u64();
  peer.log_bytes = from.u64();
  peer.snapshot.value = from.u64();
  peer.snapshot_bytes = from.u64();
  peer.is_saving = from.boolean();
  take(from, peer.fetching);
  peer.membership = take_membership(from);
  peer.membership_index.value = from.u64();
  peer.followers.resize(from.count(follower_status_size));
  for (FollowerStatus& follower : peer.followers) {
    follower.id.value = from.u64();
    follower.match.value = from.u64();
    follower.is_replicating = from.boolean();
    follower.heard_ms = from.u32();
    follower.needs_snapshot = from.boolean();
    take(from, follower.sending);
  }
  peer.problem = take_text(from);
  peer.sessions = from.u64();
  peer.watches = from.u64();
}

void put(Encoder&, const Nothing&) {}
void put(Encoder& to, const Data& body) { to.bytes(body.data); }
void put(Encoder& to, const Status& body) {
  to.bytes(body.host);
  to.bytes(body.version);
  to.u32(static_cast<std::uint32_t>(body.peers.size()));
  for (const PeerStatus& peer : body.peers) put(to, peer);
}

void put(Encoder& to, const SessionOpened& body) { to.u64(body.session.value); }
void put(Encoder& to, const Watching& body) {
  to.bytes(body.data);
  to.u64(body.index.value);
  put(to, body.watchable);
}

void take(Decoder&, Nothing&) {}
void take(Decoder& from, Data& body) { body.data = from.bytes(); }
void take(Decoder& from, Status& body) {
  body.host = take_text(from);
  body.version = take_text(from);
  // The count is bounded by the bytes at hand, but a PeerStatus in memory is bigger than its encoding: grow as they
  // come.
  for (std::size_t left = from.count(peer_status_min); left > 0 && !from.failed(); --left) {
    take(from, body.peers.emplace_back());
  }
}

void take(Decoder& from, SessionOpened& body) { body.session.value = from.u64(); }
void take(Decoder& from, Watching& body) {
  body.data = from.bytes();
  body.index.value = from.u64();
  body.watchable = take_watchable(from);
}

// Reads the alternative of that number, counted from 1. False: there is none.
template <class Variant, std::size_t at = 0>
bool take_alternative(std::uint8_t number, Decoder& from, Variant& body) {
  if constexpr (at < std::variant_size_v<Variant>) {
    if (number != at + 1) return take_alternative<Variant, at + 1>(number, from, body);
    take(from, body.template emplace<at>());
    return true;
  }
  return false;
}

}  // namespace

Bytes encode(const Request& request) {
  Bytes out;
  Encoder to(out);
  to.u64(request.id);
  to.u32(request.timeout_ms);
  to.u8(static_cast<std::uint8_t>(request.body.index() + 1));
  std::visit([&to](const auto& body) { put(to, body); }, request.body);
  return out;
}

Result<Request> decode_request(BytesView bytes) {
  Decoder from(bytes);
  Request request;
  request.id = from.u64();
  request.timeout_ms = from.u32();
  const std::uint8_t number = from.u8();
  if (from.failed()) return fail(Code::corrupt, "request: shorter than its header");
  if (!take_alternative(number, from, request.body)) {
    return fail(Code::corrupt, "request: none has the number " + std::to_string(number));
  }
  if (!from.ok()) return fail(Code::corrupt, "request: the bytes are not of its format");
  return request;
}

Bytes encode(const Reply& reply) {
  Bytes out;
  Encoder to(out);
  to.u64(reply.id);
  to.u8(static_cast<std::uint8_t>(reply.error.code));
  to.bytes(reply.error.text);
  to.bytes(reply.leader);
  to.u8(static_cast<std::uint8_t>(reply.body.index() + 1));
  std::visit([&to](const auto& body) { put(to, body); }, reply.body);
  return out;
}

Result<Reply> decode_reply(BytesView bytes) {
  Decoder from(bytes);
  Reply reply;
  reply.id = from.u64();
  const auto code = static_cast<Code>(from.u8());
  reply.error = {code, take_text(from)};
  reply.leader = take_text(from);
  const std::uint8_t number = from.u8();
  if (from.failed()) return fail(Code::corrupt, "reply: shorter than its header");
  if (name_of(code) == "unknown") return fail(Code::corrupt, "reply: an error code that this build does not know");
  if (!take_alternative(number, from, reply.body)) {
    return fail(Code::corrupt, "reply: none has the number " + std::to_string(number));
  }
  if (!from.ok()) return fail(Code::corrupt, "reply: the bytes are not of its format");
  return reply;
}

}  // namespace zraft::net
