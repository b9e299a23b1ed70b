// SPDX-License-Identifier: Apache-2.0
//
// The bytes of the write-ahead log (docs/log_format.md tells the same with an example). A segment file is one header
// block, then batches. Everything starts at a multiple of 4096 bytes, so a block that was made durable is never
// written again and a torn write cannot harm its neighbour. All numbers are little-endian, checksums are CRC32C.
//
//   segment header, one block            batch header, at the start of a block
//   offset  0  8 bytes  "zraftwal"       offset  0  u32  magic 0x5442525a ("ZRBT")
//           8  u32  version, 1                   4  u16  version, 1
//          12  u32  block size, 4096             6  u16  zero
//          16  u64  id of the directory          8  u64  id of the directory
//          24  u64  segment number              16  u64  segment number
//          32  u64  size of the file            24  u64  sequence: rises by 1 over the whole log
//          40  u32  checksum of 0..39           32  u64  synced_upto: durable when this batch was issued
//          44       zeros to 4096               40  u32  chain: the checksum of the header before (60..63 there)
//                                               44  u32  where it stands: number of the block in the file
//   item, items stand back to back              48  u32  length of the body
//   offset  0  u8   kind (ItemKind)             52  u32  number of items in the body
//           1  3 bytes, zero                    56  u32  checksum of the body
//           4  u32  length of the payload       60  u32  checksum of 0..59
//           8  u64  group                       64       body, then zeros to the end of its last block
//          16       payload
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "zraft/base/codec.h"
#include "zraft/raft/record.h"
#include "zraft/raft/types.h"

namespace zraft::storage {

constexpr std::uint64_t block_size = 4096;
constexpr std::size_t batch_header_size = 64;
constexpr std::size_t item_header_size = 16;
constexpr std::uint64_t first_batch_offset = block_size;
constexpr std::uint64_t segment_size_min = std::uint64_t{64} << 10;
// A block number is 32 bits and no record is near this; it bounds what a header can make us read.
constexpr std::uint64_t segment_size_max = std::uint64_t{1} << 31;

[[nodiscard]] constexpr std::uint64_t round_to_block(std::uint64_t n) {
  return (n + block_size - 1) / block_size * block_size;
}

struct SegmentHeader {
  std::uint64_t directory = 0;
  std::uint64_t segment = 0;
  std::uint64_t size = 0;
};

[[nodiscard]] Bytes encode_segment_header(const SegmentHeader& header);  // a whole block
// Errors: corrupt, unsupported (the sentence says what it found).
[[nodiscard]] Result<SegmentHeader> decode_segment_header(BytesView bytes);

struct BatchHeader {
  std::uint64_t directory = 0;
  std::uint64_t segment = 0;
  std::uint64_t sequence = 0;
  std::uint64_t synced_upto = 0;
  std::uint32_t chain = 0;
  std::uint32_t block = 0;
  std::uint32_t body_length = 0;
  std::uint32_t item_count = 0;
  std::uint32_t body_checksum = 0;
  std::uint32_t checksum = 0;  // of the header, and so of all before: the chain of the next one

  // The blocks it takes in the file, in bytes.
  [[nodiscard]] std::uint64_t extent() const { return round_to_block(batch_header_size + body_length); }
};

// Fills in `checksum`.
[[nodiscard]] Bytes encode_batch_header(BatchHeader& header);
// Errors: corrupt, unsupported.
[[nodiscard]] Result<BatchHeader> decode_batch_header(BytesView bytes);

enum class ItemKind : std::uint8_t {
  hard_state = 1,
  truncate = 2,
  entries = 3,
  group_start = 4,
  group_end = 5,
  carry = 6,
  mark = 7,
};

// u64 term, u64 vote (0 is none)
struct HardStateItem {
  raft::HardState state;
};
// u64 index: every entry from there on is dropped
struct TruncateItem {
  raft::Index from;
};
// Records back to back, as raft/record.h draws them; the first follows the last entry of its group.
struct EntriesItem {
  std::vector<raft::Record> records;
};
// A base (below): the group begins here, with nothing else.
struct GroupStartItem {
  raft::SnapshotMeta base;
};
// Nothing: the group and all it had is gone.
struct GroupEndItem {};
// u64 term, u64 vote, u64 last index, base. Said of each group at the start of each segment but the first.
struct CarryItem {
  raft::HardState state;
  raft::Index last;
  raft::SnapshotMeta base;
};
// A base: entries up to it are not needed any more.
struct MarkItem {
  raft::SnapshotMeta base;
};
// A base is u64 term, u64 index, u64 index of the membership, i64 cluster time, u32 length and the membership
// (length 0: none, that of a group before its first entry).

using ItemBody =
    std::variant<HardStateItem, TruncateItem, EntriesItem, GroupStartItem, GroupEndItem, CarryItem, MarkItem>;

struct Item {
  raft::GroupId group;
  ItemBody body;
};

// The items of a body whose checksum was right. Records borrow from `owner`. Errors: corrupt, unsupported.
[[nodiscard]] Result<std::vector<Item>> decode_items(const std::shared_ptr<const void>& owner, BytesView body,
                                                     std::uint32_t count);

void encode_hard_state(const raft::HardState& state, Bytes& out);
void encode_base(const raft::SnapshotMeta& base, Bytes& out);
// Takes a base off the front. Errors: corrupt; a decoder that has failed shows only there.
[[nodiscard]] Result<raft::SnapshotMeta> decode_base(Decoder& from);

}  // namespace zraft::storage
