// SPDX-License-Identifier: Apache-2.0
//
// Checksums put right after a mutation, in place: without that hardly any mutated input gets beyond the first check.
// A mutator mends three of four inputs; the fourth keeps the checks themselves honest.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>

#include "zraft/base/bytes.h"
#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"
#include "zraft/net/frame.h"
#include "zraft/raft/record.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t size_max);

namespace zraft::fuzz {

[[nodiscard]] inline BytesView view(std::span<char> bytes) { return {bytes.data(), bytes.size()}; }

// Requires: there are 4 bytes at `at`.
[[nodiscard]] inline std::uint32_t u32_at(std::span<char> bytes, std::size_t at) {
  return Decoder(view(bytes.subspan(at))).u32();
}
inline void put_u32(std::span<char> bytes, std::size_t at, std::uint32_t value) {
  Bytes encoded;
  Encoder(encoded).u32(value);
  std::ranges::copy(encoded, bytes.subspan(at).begin());
}

// The last 4 bytes are a checksum of all before them.
inline void mend_trailer(std::span<char> bytes) {
  if (bytes.size() < 4) return;
  put_u32(bytes, bytes.size() - 4, crc32c(view(bytes.first(bytes.size() - 4))));
}

// Records back to back.
inline void mend_records(std::span<char> bytes) {
  while (bytes.size() >= raft::record_header_size) {
    const std::span<char> rest = bytes.subspan(raft::record_header_size);
    const std::span<char> payload = rest.first(std::min<std::size_t>(rest.size(), u32_at(bytes, 4)));
    put_u32(bytes, 40, crc32c(view(payload)));
    put_u32(bytes, 44, crc32c(view(bytes.first(44))));
    bytes = rest.subspan(payload.size());
  }
}

// Frames back to back.
inline void mend_frames(std::span<char> bytes) {
  while (bytes.size() >= net::frame_header_size) {
    const std::span<char> rest = bytes.subspan(net::frame_header_size);
    const std::span<char> body = rest.first(std::min<std::size_t>(rest.size(), u32_at(bytes, 4)));
    put_u32(bytes, 8, crc32c(view(body)));
    put_u32(bytes, 12, crc32c(view(bytes.first(12))));
    bytes = rest.subspan(body.size());
  }
}

// For LLVMFuzzerCustomMutator. Each caller's decoder sees `seed` of libFuzzer, so a run can be repeated.
template <class Mend>
std::size_t mutate_and_mend(std::uint8_t* data, std::size_t size, std::size_t size_max, unsigned seed, Mend mend) {
  size = LLVMFuzzerMutate(data, size, size_max);
  if (seed % 4 != 0) mend(std::span<char>(reinterpret_cast<char*>(data), size));
  return size;
}

}  // namespace zraft::fuzz
