// SPDX-License-Identifier: Apache-2.0
//
// How long things took, in a histogram of bounded size: each bucket is at most 1/64 of its time wide, so a quantile is
// right to 1.6 per cent, and never too small.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "zraft/base/time.h"

namespace zraft::cli {

class Latencies {
 public:
  void add(Duration latency);
  [[nodiscard]] std::uint64_t count() const { return count_; }
  [[nodiscard]] Duration longest() const { return longest_; }
  // The least time of the histogram that so many parts per million of all did not exceed. Of none: 0.
  [[nodiscard]] Duration quantile(std::uint64_t parts_per_million) const;

 private:
  static constexpr std::size_t bits = 6;
  static constexpr std::size_t per_octave = std::size_t{1} << bits;

  [[nodiscard]] static std::size_t bucket_of(std::uint64_t ns);
  [[nodiscard]] static std::uint64_t end_of(std::size_t bucket);

  std::array<std::uint64_t, per_octave*(64 - bits + 1)> buckets_{};
  std::uint64_t count_ = 0;
  Duration longest_;
};

}  // namespace zraft::cli
