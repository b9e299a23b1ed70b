// SPDX-License-Identifier: Apache-2.0
//
// The one encoding of everything on disk and on the wire: little-endian fixed-width numbers, byte strings with a
// 32-bit length before them. The Decoder is total: any bytes give values or a failure, it never reads past its end,
// and after a failure every further read gives zero or empty, so a decoder checks `ok()` once at its end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "zraft/base/bytes.h"

namespace zraft {

class Encoder {
 public:
  explicit Encoder(Bytes& out) : out_(out) {}

  void u8(std::uint8_t v) { number(v); }
  void u16(std::uint16_t v) { number(v); }
  void u32(std::uint32_t v) { number(v); }
  void u64(std::uint64_t v) { number(v); }
  void i64(std::int64_t v) { number(static_cast<std::uint64_t>(v)); }
  void boolean(bool v) { u8(v ? 1 : 0); }
  void raw(BytesView v) { out_.append(v); }
  // Requires: v is shorter than 4 GiB (every caller has a far smaller limit).
  void bytes(BytesView v) {
    u32(static_cast<std::uint32_t>(v.size()));
    raw(v);
  }
  [[nodiscard]] std::size_t size() const { return out_.size(); }

 private:
  template <class T>
  void number(T v) {
    char text[sizeof(T)];
    for (std::size_t i = 0; i < sizeof(T); ++i) text[i] = static_cast<char>((v >> (8 * i)) & 0xff);
    out_.append(text, sizeof(T));
  }

  Bytes& out_;
};

class Decoder {
 public:
  explicit Decoder(BytesView in) : in_(in) {}

  std::uint8_t u8() { return number<std::uint8_t>(); }
  std::uint16_t u16() { return number<std::uint16_t>(); }
  std::uint32_t u32() { return number<std::uint32_t>(); }
  std::uint64_t u64() { return number<std::uint64_t>(); }
  std::int64_t i64() { return static_cast<std::int64_t>(number<std::uint64_t>()); }
  // Only 0 and 1 are booleans: an encoding has one form.
  bool boolean() {
    const std::uint8_t v = u8();
    if (v > 1) failed_ = true;
    return v == 1;
  }
  // Borrowed from the input.
  BytesView raw(std::size_t n) {
    if (failed_ || in_.size() < n) {
      failed_ = true;
      return {};
    }
    const BytesView out = in_.substr(0, n);
    in_.remove_prefix(n);
    return out;
  }
  BytesView bytes() { return raw(u32()); }

  // A count of things that each take at least `size_min` bytes: never more than the input could hold, so that a
  // caller may reserve by it.
  std::size_t count(std::size_t size_min) {
    const std::uint32_t n = u32();
    if (failed_ || n > in_.size() / (size_min == 0 ? 1 : size_min)) {
      failed_ = true;
      return 0;
    }
    return n;
  }

  void fail() { failed_ = true; }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] std::size_t left() const { return in_.size(); }
  [[nodiscard]] BytesView rest() const { return failed_ ? BytesView{} : in_; }
  // Everything was there, and nothing is left over.
  [[nodiscard]] bool ok() const { return !failed_ && in_.empty(); }

 private:
  template <class T>
  T number() {
    const BytesView text = raw(sizeof(T));
    if (text.size() != sizeof(T)) return 0;
    std::uint64_t v = 0;
    for (std::size_t i = 0; i < sizeof(T); ++i) {
      v |= static_cast<std::uint64_t>(static_cast<unsigned char>(text[i])) << (8 * i);
    }
    return static_cast<T>(v);
  }

  BytesView in_;
  bool failed_ = false;
};

}  // namespace zraft
