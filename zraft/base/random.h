// SPDX-License-Identifier: Apache-2.0
//
// A random generator whose numbers depend on the seed alone: the same on every compiler and machine (the standard
// library's distributions are not). xoshiro256** by Blackman and Vigna, seeded by splitmix64. Not for secrets.
#pragma once

#include <cstdint>

namespace zraft {

class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (auto& word : state_) {
      seed += 0x9e3779b97f4a7c15;
      std::uint64_t z = seed;
      z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
      z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
      word = z ^ (z >> 31);
    }
  }

  std::uint64_t next() {
    const std::uint64_t result = rotate(state_[1] * 5, 7) * 9;
    const std::uint64_t t = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= t;
    state_[3] = rotate(state_[3], 45);
    return result;
  }

  // A number in [0, n). Requires: n > 0. The bias is below 2^-32 for every n we use.
  std::uint64_t below(std::uint64_t n) { return static_cast<std::uint64_t>((static_cast<Wide>(next()) * n) >> 64); }

  // A number in [low, high].
  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(below(static_cast<std::uint64_t>(high - low) + 1));
  }

  // True in `parts_per_million` of a million draws.
  bool chance(std::uint64_t parts_per_million) { return below(1'000'000) < parts_per_million; }

  // A generator of its own for a part, so that what one part draws does not move the others.
  Random fork() { return Random(next()); }

 private:
  __extension__ using Wide = unsigned __int128;
  static std::uint64_t rotate(std::uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

  std::uint64_t state_[4];
};

}  // namespace zraft
