// SPDX-License-Identifier: Apache-2.0
//
// The histogram against a sorted list of what went in.
#include "cli/latencies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "zraft/base/random.h"

namespace zraft::cli {
namespace {

TEST(Latencies, OfNoneAreZero) {
  const Latencies none;
  EXPECT_EQ(none.count(), 0U);
  EXPECT_EQ(none.quantile(500'000), Duration{});
  EXPECT_EQ(none.longest(), Duration{});
}

TEST(Latencies, AreExactWhereTheyAreShort) {
  Latencies latencies;
  for (int ns = 100; ns > 0; --ns) latencies.add(Duration{ns});
  EXPECT_EQ(latencies.quantile(10'000).ns, 1);
  EXPECT_EQ(latencies.quantile(500'000).ns, 50);
  EXPECT_EQ(latencies.quantile(990'000).ns, 99);
  EXPECT_EQ(latencies.quantile(1'000'000).ns, 100);
  EXPECT_EQ(latencies.longest().ns, 100);
}

TEST(Latencies, AreNeverTooSmallAndAtMostOnePartInSixtyFourTooLarge) {
  Random random(11);
  Latencies latencies;
  std::vector<std::int64_t> all;
  for (int i = 0; i < 10'000; ++i) {
    all.push_back(static_cast<std::int64_t>(random.next() >> (1 + random.below(63))));
    latencies.add(Duration{all.back()});
  }
  std::ranges::sort(all);
  for (const std::uint64_t ppm : {1U, 10'000U, 333'333U, 500'000U, 900'000U, 990'000U, 999'000U, 1'000'000U}) {
    const auto rank = (all.size() * ppm + 999'999) / 1'000'000;
    const std::int64_t exact = all[rank - 1];
    EXPECT_GE(latencies.quantile(ppm).ns, exact) << ppm;
    EXPECT_LE(latencies.quantile(ppm).ns - exact, exact / 64 + 1) << ppm;
  }
}

TEST(Latencies, TakeWhatCannotBeAsNothing) {
  Latencies latencies;
  latencies.add(Duration{-5});
  EXPECT_EQ(latencies.quantile(500'000).ns, 0);
}

}  // namespace
}  // namespace zraft::cli
