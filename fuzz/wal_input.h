// SPDX-License-Identifier: Apache-2.0
//
// How the bytes of the log's fuzzer become a segment. Byte 0 says how the rest is read:
//   even   as the segment itself, zeros behind it
//   odd    as bodies, each with its length (u16) before it, for which right headers are made: so the rules of the
//          items are reached, which no flipped byte would reach through the checksums
#pragma once

#include <algorithm>

#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"
#include "zraft/storage/wal_format.h"

namespace zraft::fuzz {

inline constexpr std::uint64_t directory_id = 77;
inline constexpr std::size_t segment_size = std::size_t{64} << 10;

[[nodiscard]] inline Bytes segment_of(BytesView input) {
  const bool makes_headers = !input.empty() && (input[0] & 1) != 0;
  input.remove_prefix(std::min<std::size_t>(1, input.size()));
  if (!makes_headers) {
    Bytes segment(input.substr(0, segment_size));
    segment.resize(segment_size);
    return segment;
  }
  Bytes segment = storage::encode_segment_header({.directory = directory_id, .segment = 1, .size = segment_size});
  Decoder from(input);
  storage::BatchHeader header{.directory = directory_id, .segment = 1};
  while (from.left() >= 2 && segment.size() < segment_size) {
    const std::size_t length = std::min<std::size_t>(from.u16(), from.left());
    const BytesView body = from.raw(length);
    header.synced_upto = header.sequence++;
    header.chain = header.checksum;
    header.block = static_cast<std::uint32_t>(segment.size() / storage::block_size);
    header.body_length = static_cast<std::uint32_t>(length);
    header.body_checksum = crc32c(body);
    // The number of items is not checked by a checksum of its own: count them as the reader will.
    header.item_count = 0;
    for (Decoder items(body); items.left() > 0 && !items.failed(); ++header.item_count) {
      (void)items.u32();
      const std::uint32_t payload = items.u32();
      (void)items.u64();
      (void)items.raw(payload);
    }
    segment += storage::encode_batch_header(header);
    segment += body;
    segment.resize(storage::round_to_block(segment.size()));
  }
  segment.resize(segment_size);
  return segment;
}

}  // namespace zraft::fuzz
