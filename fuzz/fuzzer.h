// SPDX-License-Identifier: Apache-2.0
//
// What every fuzzer asks of a decoder, beyond that it comes back:
//   1. What it refuses it refuses with a code and a sentence.
//   2. What it takes encodes to the bytes it came from, so a value has one encoding, and decodes to the same again.
//   3. The memory it takes is bounded by the bytes that came, whatever lengths and counts they announce.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "zraft/base/bytes.h"
#include "zraft/base/check.h"
#include "zraft/base/result.h"

namespace zraft::fuzz {

// Of each byte of the input, and besides. A PeerStatus without any text is the widest: 100 bytes on the wire, four
// times that in memory, and a vector has up to three times what is in it while it grows.
inline constexpr std::size_t memory_per_byte = 16;
inline constexpr std::size_t memory_besides = 4096;

[[nodiscard]] inline BytesView view(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// The most memory that was allocated at one time during `work`, beyond what was before it.
[[nodiscard]] std::size_t memory_peak(const std::function<void()>& work);

// Law 3 for one call of a decoder.
template <class Decode>
[[nodiscard]] auto decode_within(BytesView input, std::size_t besides, Decode decode) {
  decltype(decode(input)) result = fail(Code::bad_request, "");
  const std::size_t peak = memory_peak([&] { result = decode(input); });
  CHECK(peak <= memory_per_byte * input.size() + besides,
        std::to_string(input.size()) + " bytes made a decoder take " + std::to_string(peak));
  return result;
}

// Law 1.
inline void expect_refusal(const Error& error) {
  CHECK(error.code != Code::ok && name_of(error.code) != "unknown", "a refusal has a code");
  CHECK(!error.text.empty(), "a refusal has a sentence");
}

// All laws. Gives what was decoded.
template <class Decode, class Encode>
auto expect_one_encoding(BytesView input, Decode decode, Encode encode_value) {
  auto value = decode_within(input, memory_besides, decode);
  if (!value) {
    expect_refusal(value.error());
    return value;
  }
  const Bytes again = encode_value(*value);
  CHECK(again == input, "a value encodes to the bytes it came from");
  const auto twice = decode(BytesView(again));
  CHECK(twice.has_value(), twice.error().text);
  CHECK(encode_value(*twice) == again, "it decodes to the same again");
  return value;
}

}  // namespace zraft::fuzz
