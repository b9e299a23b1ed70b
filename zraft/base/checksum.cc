// SPDX-License-Identifier: Apache-2.0
//
// CRC32C. The hardware version reads eight bytes an instruction; it is chosen once, by what the processor says.
// A checksum is the remainder of a polynomial, its bits reversed: bit 31 is x^0, bit 30 is x^1. To put n more bytes
// behind what it covers is to multiply it by x^(8n), and remainders are added by xor.
#include "zraft/base/checksum.h"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <nmmintrin.h>
#endif

namespace zraft {
namespace {

constexpr std::uint32_t polynomial = 0x82f63b78;  // Castagnoli, bits reversed

constexpr std::array<std::uint32_t, 256> make_table() {
  std::array<std::uint32_t, 256> table{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
    table[i] = crc;
  }
  return table;
}

constexpr auto table = make_table();

// a * b modulo the polynomial.
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (std::uint32_t bit = std::uint32_t{1} << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? polynomial : 0);
  }
  return product;
}

// x^(8 * 2^k) for each bit k of a length in bytes.
constexpr std::array<std::uint32_t, 64> make_powers() {
  std::array<std::uint32_t, 64> powers{};
  std::uint32_t power = std::uint32_t{1} << 23;  // x^8
  for (std::uint32_t& one : powers) {
    one = power;
    power = multiply(power, power);
  }
  return powers;
}

constexpr auto powers = make_powers();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) std::uint32_t by_instruction(BytesView data, std::uint32_t previous) {
  std::uint64_t crc = ~previous;
  const char* at = data.data();
  std::size_t left = data.size();
  for (; left >= 8; at += 8, left -= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    crc = _mm_crc32_u64(crc, word);
  }
  auto crc32 = static_cast<std::uint32_t>(crc);
  for (; left > 0; ++at, --left) crc32 = _mm_crc32_u8(crc32, static_cast<unsigned char>(*at));
  return ~crc32;
}
#endif

}  // namespace

std::uint32_t crc32c_by_table(BytesView data, std::uint32_t previous) {
  std::uint32_t crc = ~previous;
  for (const char c : data) crc = table[(crc ^ static_cast<unsigned char>(c)) & 0xff] ^ (crc >> 8);
  return ~crc;
}

std::uint32_t crc32c(BytesView data, std::uint32_t previous) {
#if defined(__x86_64__)
  static const bool has_instruction = __builtin_cpu_supports("sse4.2") != 0;
  if (has_instruction) return by_instruction(data, previous);
#endif
  return crc32c_by_table(data, previous);
}

std::uint32_t crc32c_combine(std::uint32_t first, std::uint32_t second, std::uint64_t second_length) {
  for (std::size_t k = 0; second_length != 0; ++k, second_length >>= 1) {
    if ((second_length & 1) != 0) first = multiply(powers[k], first);
  }
  return first ^ second;
}

}  // namespace zraft
