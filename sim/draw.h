// SPDX-License-Identifier: Apache-2.0
//
// Draws of the simulated world. Integers only: floating point differs between compilers and would make the trace
// differ with it (I53). Never two draws in one expression: the order in which arguments are evaluated is not fixed.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/base/time.h"

namespace zraft::sim {

// About exponential: mean as given, never above 64 times that. -log2 by leading zeros and a straight line between
// powers of two.
[[nodiscard]] inline Duration draw_exponential(Random& random, Duration mean) {
  const std::uint64_t bits = random.next() | 2;
  const int zeros = std::countl_zero(bits);
  const auto fraction = static_cast<std::int64_t>((bits << (zeros + 1)) >> 48);
  const std::int64_t log2_times_65536 = ((zeros + 1) * std::int64_t{65'536}) - fraction;
  constexpr std::int64_t ln2_times_65536 = 45'426;
  return {((mean.ns * log2_times_65536) / 65'536) * ln2_times_65536 / 65'536};
}

[[nodiscard]] inline Duration draw_between(Random& random, Duration low, Duration high) {
  return {random.between(low.ns, high.ns)};
}

[[nodiscard]] inline std::size_t draw_index(Random& random, std::size_t size) {
  return static_cast<std::size_t>(random.below(size));
}

// std::shuffle is not the same in every standard library.
template <class T>
void shuffle(Random& random, std::vector<T>& all) {
  for (std::size_t i = all.size(); i > 1; --i) {
    const std::size_t other = draw_index(random, i);
    std::swap(all[i - 1], all[other]);
  }
}

// How long clients think at least when all is healed and only convergence is waited for: to go on at full speed for
// half a minute would show nothing more, and take most of the time.
constexpr Duration calm_think = Duration::milliseconds(20);

}  // namespace zraft::sim
