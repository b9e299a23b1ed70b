// SPDX-License-Identifier: Apache-2.0
//
// Encoding and the total decoding of what wal_format.h draws.
#include "zraft/storage/wal_format.h"

#include <utility>

#include "zraft/base/check.h"
#include "zraft/base/checksum.h"

namespace zraft::storage {
namespace {

constexpr BytesView segment_magic = "zraftwal";
constexpr std::uint32_t batch_magic = 0x5442525a;
constexpr std::uint16_t version = 1;
constexpr std::size_t segment_header_checked = 40;
constexpr std::size_t batch_header_checked = 60;
static_assert(batch_header_checked + sizeof(std::uint32_t) == batch_header_size);

std::string newer(const char* what, std::uint32_t found) {
  return std::string(what) + " of format version " + std::to_string(found) +
         "; this build reads version 1: run a newer build";
}

raft::HardState decode_hard_state(Decoder& from) {
  raft::HardState state;
  state.term.value = from.u64();
  if (const std::uint64_t vote = from.u64(); vote != 0) state.vote = raft::NodeId{vote};
  return state;
}

Result<ItemBody> decode_entries(const std::shared_ptr<const void>& owner, BytesView payload) {
  EntriesItem item;
  while (!payload.empty()) {
    auto record = raft::Record::parse(owner, payload);
    if (!record) return fail(record);
    payload.remove_prefix(record->size());
    item.records.push_back(std::move(*record));
  }
  if (item.records.empty()) return fail(Code::corrupt, "an item of entries without any");
  return item;
}

Result<ItemBody> decode_body(ItemKind kind, const std::shared_ptr<const void>& owner,
                             BytesView payload) {
  if (kind == ItemKind::entries) return decode_entries(owner, payload);
  Decoder from(payload);
  ItemBody body = GroupEndItem{};
  Result<raft::SnapshotMeta> base;
  switch (kind) {
    case ItemKind::hard_state: body = HardStateItem{decode_hard_state(from)}; break;
    case ItemKind::truncate: body = TruncateItem{raft::Index{from.u64()}}; break;
    case ItemKind::group_start:
      if (base = decode_base(from); base) body = GroupStartItem{std::move(*base)};
      break;
    case ItemKind::carry: {
      CarryItem carry{.state = decode_hard_state(from), .last = {from.u64()}, .base = {}};
      if (base = decode_base(from); base) carry.base = std::move(*base);
      body = std::move(carry);
      break;
    }
    case ItemKind::mark:
      if (base = decode_base(from); base) body = MarkItem{std::move(*base)};
      break;
    case ItemKind::entries:
    case ItemKind::group_end: break;
    default: return fail(Code::unsupported, "an item of unknown kind " + std::to_string(static_cast<unsigned>(kind)));
  }
  if (!base) return fail(base);
  if (!from.ok()) return fail(Code::corrupt, "an item whose length is not that of its kind");
  return body;
}

}  // namespace

Bytes encode_segment_header(const SegmentHeader& header) {
  Bytes out;
  out.reserve(block_size);
  Encoder to(out);
  to.raw(segment_magic);
  to.u32(version);
  to.u32(static_cast<std::uint32_t>(block_size));
  to.u64(header.directory);
  to.u64(header.segment);
  to.u64(header.size);
  CHECK(out.size() == segment_header_checked, "the drawing in wal_format.h");
  to.u32(crc32c(out));
  out.resize(block_size);
  return out;
}

Result<SegmentHeader> decode_segment_header(BytesView bytes) {
  if (bytes.size() < segment_header_checked + sizeof(std::uint32_t)) {
    return fail(Code::corrupt, "a segment header that is cut short");
  }
  Decoder from(bytes);
  const BytesView magic = from.raw(segment_magic.size());
  const std::uint32_t found_version = from.u32();
  const std::uint32_t block = from.u32();
  SegmentHeader header{.directory = from.u64(), .segment = from.u64(), .size = from.u64()};
  if (magic != segment_magic) return fail(Code::corrupt, "a segment header whose magic number is wrong");
  if (from.u32() != crc32c(bytes.substr(0, segment_header_checked))) {
    return fail(Code::corrupt, "a segment header whose checksum is wrong");
  }
  if (found_version != version) return fail(Code::unsupported, newer("a segment", found_version));
  if (block != block_size || header.size % block_size != 0 || header.size < 2 * block_size ||
      header.size > segment_size_max) {
    return fail(Code::corrupt, "a segment header with an impossible size");
  }
  return header;
}

Bytes encode_batch_header(BatchHeader& header) {
  Bytes out;
  out.reserve(batch_header_size);
  Encoder to(out);
  to.u32(batch_magic);
  to.u16(version);
  to.u16(0);
  to.u64(header.directory);
  to.u64(header.segment);
  to.u64(header.sequence);
  to.u64(header.synced_upto);
  to.u32(header.chain);
  to.u32(header.block);
  to.u32(header.body_length);
  to.u32(header.item_count);
  to.u32(header.body_checksum);
  CHECK(out.size() == batch_header_checked, "the drawing in wal_format.h");
  header.checksum = crc32c(out);
  to.u32(header.checksum);
  return out;
}

Result<BatchHeader> decode_batch_header(BytesView bytes) {
  if (bytes.size() < batch_header_size) return fail(Code::corrupt, "a batch header that is cut short");
  Decoder from(bytes);
  const std::uint32_t magic = from.u32();
  const std::uint16_t found_version = from.u16();
  const std::uint16_t zero = from.u16();
  BatchHeader header;
  header.directory = from.u64();
  header.segment = from.u64();
  header.sequence = from.u64();
  header.synced_upto = from.u64();
  header.chain = from.u32();
  header.block = from.u32();
  header.body_length = from.u32();
  header.item_count = from.u32();
  header.body_checksum = from.u32();
  header.checksum = from.u32();
  if (magic != batch_magic) return fail(Code::corrupt, "no batch");
  if (header.checksum != crc32c(bytes.substr(0, batch_header_checked))) {
    return fail(Code::corrupt, "a batch header whose checksum is wrong");
  }
  if (found_version != version) return fail(Code::unsupported, newer("a batch", found_version));
  if (zero != 0) return fail(Code::corrupt, "a batch header with bytes that mean nothing");
  return header;
}

Result<std::vector<Item>> decode_items(const std::shared_ptr<const void>& owner, BytesView body, std::uint32_t count) {
  std::vector<Item> items;
  Decoder from(body);
  while (from.left() > 0) {
    const auto kind = static_cast<ItemKind>(from.u8());
    const BytesView zeros = from.raw(3);
    const std::uint32_t length = from.u32();
    const raft::GroupId group{from.u64()};
    const BytesView payload = from.raw(length);
    if (from.failed()) return fail(Code::corrupt, "an item that is cut short");
    if (zeros != BytesView("\0\0\0", 3)) return fail(Code::corrupt, "an item with bytes that mean nothing");
    auto item = decode_body(kind, owner, payload);
    if (!item) return fail(item);
    items.push_back({group, std::move(*item)});
  }
  if (items.size() != count) return fail(Code::corrupt, "a batch with another number of items than it says");
  return items;
}

void encode_hard_state(const raft::HardState& state, Bytes& out) {
  Encoder to(out);
  to.u64(state.term.value);
  to.u64(state.vote ? state.vote->value : 0);
}

void encode_base(const raft::SnapshotMeta& base, Bytes& out) {
  Encoder to(out);
  to.u64(base.last.term.value);
  to.u64(base.last.index.value);
  to.u64(base.membership_index.value);
  to.i64(base.time.ns);
  Bytes membership;
  if (!base.membership.members.empty()) raft::encode(base.membership, membership);
  to.bytes(membership);
}

Result<raft::SnapshotMeta> decode_base(Decoder& from) {
  raft::SnapshotMeta base;
  base.last.term.value = from.u64();
  base.last.index.value = from.u64();
  base.membership_index.value = from.u64();
  base.time.ns = from.i64();
  const BytesView membership = from.bytes();
  if (!membership.empty()) {
    auto decoded = raft::decode_membership(membership);
    if (!decoded) return fail(decoded);
    base.membership = std::move(*decoded);
  }
  return base;
}

}  // namespace zraft::storage
