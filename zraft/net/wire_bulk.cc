// SPDX-License-Identifier: Apache-2.0
//
// See wire_bulk.h; the layouts are in docs/wire_format.md. The number of a message on the wire is its place in
// BulkMessage, counted from 1. A SnapshotChunk says no length: its data is all that is left of the frame.
#include "zraft/net/wire_bulk.h"

#include <type_traits>
#include <utility>

#include "zraft/base/codec.h"

namespace zraft::net {
namespace {

constexpr std::size_t error_text_max = 1024;

template <std::uint8_t number, class Expected>
constexpr bool is_number_of = std::is_same_v<std::variant_alternative_t<number - 1, BulkMessage>, Expected>;
static_assert(is_number_of<1, FetchSnapshot> && is_number_of<2, SnapshotOffered> && is_number_of<3, WantChunk> &&
              is_number_of<4, SnapshotChunk> && std::variant_size_v<BulkMessage> == 4);

void put(Encoder& to, const FetchSnapshot& body) {
  to.u64(body.group.value);
  to.u64(body.from.value);
  to.u64(body.to.value);
  to.boolean(body.partial.has_value());
  if (!body.partial) return;
  to.u64(body.partial->term.value);
  to.u64(body.partial->index.value);
}
void put(Encoder& to, const SnapshotOffered& body) {
  to.u8(static_cast<std::uint8_t>(body.error.code));
  to.bytes(BytesView(body.error.text).substr(0, error_text_max));
  to.bytes(body.manifest);
}
void put(Encoder& to, const WantChunk& body) {
  to.u32(body.file);
  to.u64(body.chunk);
}
void put(Encoder& to, const SnapshotChunk& body) {
  to.u32(body.file);
  to.u64(body.chunk);
}

FetchSnapshot take_fetch(Decoder& from) {
  FetchSnapshot body;
  body.group.value = from.u64();
  body.from.value = from.u64();
  body.to.value = from.u64();
  if (!from.boolean()) return body;
  const raft::Term term{from.u64()};
  body.partial = raft::Position{term, raft::Index{from.u64()}};
  return body;
}

SnapshotOffered take_offered(Decoder& from) {
  SnapshotOffered body;
  body.error.code = static_cast<Code>(from.u8());
  body.error.text = from.bytes();
  body.manifest = from.bytes();
  // Either the one or the other.
  const bool is_refusal = body.error.code != Code::ok;
  if (name_of(body.error.code) == "unknown" || body.error.text.size() > error_text_max ||
      is_refusal != body.manifest.empty()) {
    from.fail();
  }
  return body;
}

WantChunk take_want(Decoder& from) {
  WantChunk body;
  body.file = from.u32();
  body.chunk = from.u64();
  return body;
}

SnapshotChunk take_chunk(Decoder& from) {
  SnapshotChunk body;
  body.file = from.u32();
  body.chunk = from.u64();
  body.data = from.raw(from.left());
  if (body.data.empty()) from.fail();
  return body;
}

}  // namespace

Bytes encode(const BulkMessage& message) {
  Bytes out;
  Encoder to(out);
  to.u8(static_cast<std::uint8_t>(message.index() + 1));
  std::visit([&to](const auto& body) { put(to, body); }, message);
  return out;
}

Result<BulkMessage> decode_bulk(BytesView bytes) {
  Decoder from(bytes);
  BulkMessage message;
  const std::uint8_t number = from.u8();
  switch (number) {
    case 1: message = take_fetch(from); break;
    case 2: message = take_offered(from); break;
    case 3: message = take_want(from); break;
    case 4: message = take_chunk(from); break;
    default: return fail(Code::corrupt, "bulk: no message has the number " + std::to_string(number));
  }
  if (!from.ok()) return fail(Code::corrupt, "bulk: the bytes are not of its format");
  return message;
}

}  // namespace zraft::net
