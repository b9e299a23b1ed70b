// SPDX-License-Identifier: Apache-2.0
//
// The handshake and the raft messages. The layouts are in docs/wire_format.md; the number of a message on the wire is
// its place in raft::Body, counted from 1. Requests and replies are in wire_service.cc.
#include "zraft/net/wire.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/base/codec.h"

namespace zraft::net {
namespace {

constexpr std::size_t hello_name_max = 256;
constexpr std::size_t why_max = 1024;
constexpr std::size_t peer_header_max = 128;  // all that stands before the records of a message

// The numbers on the wire may not change when somebody sorts the variant.
template <std::uint8_t number, class Expected>
constexpr bool is_number_of = std::is_same_v<std::variant_alternative_t<number - 1, raft::Body>, Expected>;
static_assert(is_number_of<1, raft::RequestPreVote> && is_number_of<2, raft::PreVote> &&
              is_number_of<3, raft::RequestVote> && is_number_of<4, raft::Vote> && is_number_of<5, raft::Append> &&
              is_number_of<6, raft::Appended> && is_number_of<7, raft::AppendRejected> &&
              is_number_of<8, raft::Heartbeat> && is_number_of<9, raft::HeartbeatReply> &&
              is_number_of<10, raft::StaleTerm> && is_number_of<11, raft::TimeoutNow> &&
              is_number_of<12, raft::Removed> && is_number_of<13, raft::RequestReadIndex> &&
              is_number_of<14, raft::ReadIndex> && is_number_of<15, raft::OfferSnapshot> &&
              std::variant_size_v<raft::Body> == 15);

void put(Encoder& to, raft::Position position) {
  to.u64(position.term.value);
  to.u64(position.index.value);
}

raft::Position take_position(Decoder& from) {
  const raft::Term term{from.u64()};
  return {term, raft::Index{from.u64()}};
}

void put(Encoder& to, const raft::RequestPreVote& body) {
  to.u64(body.proposed.value);
  put(to, body.last);
  to.u64(body.membership.value);
}
void put(Encoder& to, const raft::PreVote& body) {
  to.u64(body.proposed.value);
  to.boolean(body.granted);
}
void put(Encoder& to, const raft::RequestVote& body) {
  put(to, body.last);
  to.boolean(body.transfer);
}
void put(Encoder& to, const raft::Vote& body) { to.boolean(body.granted); }
// The records follow as pieces of their own.
void put(Encoder& to, const raft::Append& body) {
  put(to, body.previous);
  to.u64(body.commit.value);
  to.u32(static_cast<std::uint32_t>(body.entries.size()));
}
void put(Encoder& to, const raft::Appended& body) { to.u64(body.match.value); }
void put(Encoder& to, const raft::AppendRejected& body) {
  to.u64(body.rejected.value);
  put(to, body.hint);
}
void put(Encoder& to, const raft::Heartbeat& body) {
  to.u64(body.commit.value);
  to.u64(body.round.value);
  to.i64(body.sent.ns);
  to.boolean(body.may_quiesce);
}
void put(Encoder& to, const raft::HeartbeatReply& body) {
  to.u64(body.round.value);
  to.i64(body.sent.ns);
  to.boolean(body.quiesces);
}
void put(Encoder& to, const raft::RequestReadIndex& body) { to.u64(body.attempt); }
void put(Encoder& to, const raft::ReadIndex& body) {
  to.u64(body.attempt);
  to.u64(body.index.value);
}
void put(Encoder& to, const raft::OfferSnapshot& body) { put(to, body.last); }
void put(Encoder&, const raft::StaleTerm&) {}
void put(Encoder&, const raft::TimeoutNow&) {}
void put(Encoder& to, const raft::Removed& body) { to.u64(body.membership.value); }

void take(Decoder& from, raft::RequestPreVote& body) {
  body.proposed.value = from.u64();
  body.last = take_position(from);
  body.membership.value = from.u64();
}
void take(Decoder& from, raft::PreVote& body) {
  body.proposed.value = from.u64();
  body.granted = from.boolean();
}
void take(Decoder& from, raft::RequestVote& body) {
  body.last = take_position(from);
  body.transfer = from.boolean();
}
void take(Decoder& from, raft::Vote& body) { body.granted = from.boolean(); }
void take(Decoder& from, raft::Appended& body) { body.match.value = from.u64(); }
void take(Decoder& from, raft::AppendRejected& body) {
  body.rejected.value = from.u64();
  body.hint = take_position(from);
}
void take(Decoder& from, raft::Heartbeat& body) {
  body.commit.value = from.u64();
  body.round.value = from.u64();
  body.sent.ns = from.i64();
  body.may_quiesce = from.boolean();
}
void take(Decoder& from, raft::HeartbeatReply& body) {
  body.round.value = from.u64();
  body.sent.ns = from.i64();
  body.quiesces = from.boolean();
}
void take(Decoder& from, raft::RequestReadIndex& body) { body.attempt = from.u64(); }
void take(Decoder& from, raft::ReadIndex& body) {
  body.attempt = from.u64();
  body.index.value = from.u64();
}
void take(Decoder& from, raft::OfferSnapshot& body) { body.last = take_position(from); }
void take(Decoder&, raft::StaleTerm&) {}
void take(Decoder&, raft::TimeoutNow&) {}
void take(Decoder& from, raft::Removed& body) { body.membership.value = from.u64(); }

// An Append is apart: its records borrow, and each can be wrong in a way worth telling.
Result<raft::Append> take_append(Decoder& from, raft::GroupId group, const SharedBytes& owner) {
  raft::Append append;
  append.previous = take_position(from);
  append.commit.value = from.u64();
  const std::size_t count = from.count(raft::record_header_size);
  append.entries.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    auto record = raft::Record::parse(owner, from.rest());
    if (!record) return fail(record);
    if (record->group() != group) return fail(Code::corrupt, "peer frame: a record of another group (P57)");
    static_cast<void>(from.raw(record->size()));
    append.entries.push_back(*std::move(record));
  }
  return append;
}

template <class Body>
Result<raft::Body> take_body(Decoder& from) {
  Body body;
  take(from, body);
  return body;
}

Result<raft::Body> take_body(std::uint8_t number, Decoder& from, raft::GroupId group, const SharedBytes& owner) {
  switch (number) {
    case 1: return take_body<raft::RequestPreVote>(from);
    case 2: return take_body<raft::PreVote>(from);
    case 3: return take_body<raft::RequestVote>(from);
    case 4: return take_body<raft::Vote>(from);
    case 5: return take_append(from, group, owner);
    case 6: return take_body<raft::Appended>(from);
    case 7: return take_body<raft::AppendRejected>(from);
    case 8: return take_body<raft::Heartbeat>(from);
    case 9: return take_body<raft::HeartbeatReply>(from);
    case 10: return take_body<raft::StaleTerm>(from);
    case 11: return take_body<raft::TimeoutNow>(from);
    case 12: return take_body<raft::Removed>(from);
    case 13: return take_body<raft::RequestReadIndex>(from);
    case 14: return take_body<raft::ReadIndex>(from);
    case 15: return take_body<raft::OfferSnapshot>(from);
    default: return fail(Code::corrupt, "peer frame: no message has the number " + std::to_string(number));
  }
}

}  // namespace

Bytes encode(const Hello& hello) {
  Bytes out;
  Encoder to(out);
  to.u16(hello.version);
  to.u16(hello.version_oldest);
  to.u8(static_cast<std::uint8_t>(hello.role));
  to.u64(hello.features);
  to.bytes(BytesView(hello.name).substr(0, hello_name_max));
  to.bytes(hello.address.size() > hello_name_max ? BytesView{} : BytesView(hello.address));
  to.u64(hello.run);
  to.bytes(hello.bulk_address.size() > hello_name_max ? BytesView{} : BytesView(hello.bulk_address));
  return out;
}

Result<Hello> decode_hello(BytesView bytes) {
  Decoder from(bytes);
  Hello hello;
  hello.version = from.u16();
  hello.version_oldest = from.u16();
  const std::uint8_t role = from.u8();
  hello.features = from.u64();
  hello.name = from.bytes();
  hello.address = from.bytes();
  hello.run = from.u64();
  hello.bulk_address = from.bytes();
  if (!from.ok()) return fail(Code::corrupt, "hello: the bytes are not of its format");
  if (hello.version_oldest == 0 || hello.version < hello.version_oldest) {
    return fail(Code::corrupt, "hello: the versions are out of order");
  }
  if (role != static_cast<std::uint8_t>(Hello::Role::host) && role != static_cast<std::uint8_t>(Hello::Role::client)) {
    return fail(Code::corrupt, "hello: no role has the number " + std::to_string(role));
  }
  if (hello.name.size() > hello_name_max) return fail(Code::corrupt, "hello: the name is longer than 256 bytes");
  if (hello.address.size() > hello_name_max || hello.bulk_address.size() > hello_name_max) {
    return fail(Code::corrupt, "hello: an address is longer than 256 bytes");
  }
  hello.role = static_cast<Hello::Role>(role);
  return hello;
}

Bytes encode(const TurnedAway& turned_away) {
  Bytes out;
  Encoder to(out);
  to.u64(turned_away.group.value);
  to.u64(turned_away.from.value);
  to.u64(turned_away.to.value);
  to.bytes(BytesView(turned_away.why).substr(0, why_max));
  return out;
}

Result<TurnedAway> decode_turned_away(BytesView bytes) {
  Decoder from(bytes);
  TurnedAway turned_away;
  turned_away.group.value = from.u64();
  turned_away.from.value = from.u64();
  turned_away.to.value = from.u64();
  turned_away.why = from.bytes();
  if (!from.ok()) return fail(Code::corrupt, "turned away: the bytes are not of its format");
  if (turned_away.why.size() > why_max) return fail(Code::corrupt, "turned away: the reason is longer than 1024 bytes");
  return turned_away;
}

Bytes encode(const Beat& beat) {
  Bytes out;
  Encoder to(out);
  to.u64(beat.run);
  to.u64(beat.number);
  return out;
}

Result<Beat> decode_beat(BytesView bytes) {
  Decoder from(bytes);
  Beat beat;
  beat.run = from.u64();
  beat.number = from.u64();
  if (!from.ok()) return fail(Code::corrupt, "beat: the bytes are not of its format");
  return beat;
}

Result<std::uint16_t> agree(const Hello& ours, const Hello& theirs) {
  const std::uint16_t version = std::min(ours.version, theirs.version);
  if (version >= ours.version_oldest && version >= theirs.version_oldest) return version;
  const auto range = [](const Hello& hello) {
    return std::to_string(hello.version_oldest) + " to " + std::to_string(hello.version);
  };
  return fail(Code::unsupported, "this side speaks wire versions " + range(ours) + ", the other side " +
                                     range(theirs) + ": run builds that have one in common");
}

Pieces encode(const PeerFrame& frame) {
  Bytes header;
  header.reserve(peer_header_max);
  Encoder to(header);
  to.u64(frame.group.value);
  to.u64(frame.message.from.value);
  to.u64(frame.message.to.value);
  to.u64(frame.message.term.value);
  to.u8(static_cast<std::uint8_t>(frame.message.body.index() + 1));
  std::visit([&to](const auto& body) { put(to, body); }, frame.message.body);
  Pieces pieces;
  const auto* append = std::get_if<raft::Append>(&frame.message.body);
  pieces.reserve(1 + (append != nullptr ? append->entries.size() : 0));
  pieces.push_back(piece_of(std::move(header)));
  if (append == nullptr) return pieces;
  for (const raft::Record& record : append->entries) {
    CHECK(record.group() == frame.group, "a record goes out in a frame of its own group");
    pieces.push_back({record.owner(), record.bytes()});
  }
  return pieces;
}

Result<PeerFrame> decode_peer_frame(const SharedBytes& bytes) {
  Decoder from(*bytes);
  PeerFrame frame;
  frame.group.value = from.u64();
  frame.message.from.value = from.u64();
  frame.message.to.value = from.u64();
  frame.message.term.value = from.u64();
  const std::uint8_t number = from.u8();
  if (from.failed()) return fail(Code::corrupt, "peer frame: shorter than its header");
  auto body = take_body(number, from, frame.group, bytes);
  if (!body) return fail(body);
  if (!from.ok()) return fail(Code::corrupt, "peer frame: the message is cut short or something follows it");
  frame.message.body = *std::move(body);
  return frame;
}

}  // namespace zraft::net
