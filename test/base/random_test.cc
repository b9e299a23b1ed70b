// SPDX-License-Identifier: Apache-2.0
//
// The random numbers are part of what a seed means: the same on every compiler and machine. The vectors were made by
// another implementation of xoshiro256** and splitmix64.
#include "zraft/base/random.h"

#include <gtest/gtest.h>

#include <set>
#include <vector>

namespace zraft {
namespace {

using Numbers = std::vector<std::uint64_t>;

Numbers draw(Random random, int n) {
  Numbers numbers;
  for (int i = 0; i < n; ++i) numbers.push_back(random.next());
  return numbers;
}

TEST(Random, GivesTheSameNumbersEverywhere) {
  EXPECT_EQ(draw(Random(0), 4),
            (Numbers{0x99ec5f36cb75f2b4, 0xbf6e1f784956452a, 0x1a5f849d4933e6e0, 0x6aa594f1262d2d2c}));
  EXPECT_EQ(draw(Random(1), 4),
            (Numbers{0xb3f2af6d0fc710c5, 0x853b559647364cea, 0x92f89756082a4514, 0x642e1c7bc266a3a7}));
  EXPECT_EQ(draw(Random(42), 4),
            (Numbers{0x15780b2e0c2ec716, 0x6104d9866d113a7e, 0xae17533239e499a1, 0xecb8ad4703b360a1}));
}

TEST(Random, DrawsBelowABoundTheSameEverywhere) {
  Random random(1);
  Numbers drawn;
  for (int i = 0; i < 12; ++i) drawn.push_back(random.below(10));
  EXPECT_EQ(drawn, (Numbers{7, 5, 5, 3, 6, 1, 0, 3, 8, 5, 9, 9}));
}

TEST(Random, ReachesBothEndsOfARange) {
  Random random(3);
  std::set<std::int64_t> drawn;
  for (int i = 0; i < 1'000; ++i) drawn.insert(random.between(-2, 2));
  EXPECT_EQ(drawn, (std::set<std::int64_t>{-2, -1, 0, 1, 2}));
  EXPECT_EQ(random.between(5, 5), 5);
}

TEST(Random, HitsAChanceAboutAsOftenAsAsked) {
  Random random(4);
  int hits = 0;
  for (int i = 0; i < 100'000; ++i) hits += random.chance(250'000) ? 1 : 0;
  EXPECT_NEAR(hits, 25'000, 500);
  EXPECT_FALSE(random.chance(0));
  EXPECT_TRUE(random.chance(1'000'000));
}

TEST(Random, AForkDrawsNumbersOfItsOwn) {
  Random a(9);
  Random b(9);
  Random fork = a.fork();
  fork.next();
  fork.next();
  b.next();  // what the fork cost
  EXPECT_EQ(draw(a, 3), draw(b, 3));
  EXPECT_NE(draw(fork, 3), draw(a, 3));
}

}  // namespace
}  // namespace zraft
