// SPDX-License-Identifier: Apache-2.0
//
// Below 64 ns a bucket is one nanosecond; from there each doubling is cut into 64 buckets of the same width.
#include "cli/latencies.h"

#include <algorithm>
#include <bit>

namespace zraft::cli {

std::size_t Latencies::bucket_of(std::uint64_t ns) {
  if (ns < per_octave) return static_cast<std::size_t>(ns);
  const auto shift = static_cast<std::size_t>(std::bit_width(ns)) - bits - 1;
  return shift * per_octave + static_cast<std::size_t>(ns >> shift);
}

// The largest time that falls into the bucket.
std::uint64_t Latencies::end_of(std::size_t bucket) {
  if (bucket < 2 * per_octave) return bucket;
  const std::size_t shift = bucket / per_octave - 1;
  const std::uint64_t mantissa = bucket - shift * per_octave;
  return ((mantissa + 1) << shift) - 1;
}

void Latencies::add(Duration latency) {
  ++buckets_[bucket_of(static_cast<std::uint64_t>(std::max<std::int64_t>(latency.ns, 0)))];
  ++count_;
  longest_ = std::max(longest_, latency);
}

Duration Latencies::quantile(std::uint64_t parts_per_million) const {
  // The rank, rounded up, so that the quantile of few is not too small.
  const std::uint64_t rank = (count_ * parts_per_million + 999'999) / 1'000'000;
  std::uint64_t passed = 0;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    passed += buckets_[bucket];
    if (passed >= rank && passed > 0) return std::min(longest_, Duration{static_cast<std::int64_t>(end_of(bucket))});
  }
  return longest_;
}

}  // namespace zraft::cli
