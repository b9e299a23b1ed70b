// SPDX-License-Identifier: Apache-2.0
//
// Rounds of reads: what waits shares the next round, an old round confirms nothing newer (P37).
#include "zraft/raft/reads.h"

#include <gtest/gtest.h>

#include <vector>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

Reads::Reader local(std::uint64_t number) { return {.follower = {}, .number = number}; }

std::vector<std::uint64_t> numbers_of(const std::vector<Reads::Reader>& readers) {
  std::vector<std::uint64_t> numbers;
  for (const Reads::Reader& reader : readers) numbers.push_back(reader.number);
  return numbers;
}

TEST(Reads, NoRoundIsWantedForNobody) {
  const Reads reads;
  EXPECT_FALSE(reads.is_round_wanted());
  EXPECT_EQ(reads.newest(), Round{0});
}

TEST(Reads, WhatWaitsSharesTheNextRound) {
  Reads reads;
  reads.add(local(1));
  reads.add(local(2));
  EXPECT_TRUE(reads.is_round_wanted());
  EXPECT_EQ(reads.begin_round({7}), Round{1});
  EXPECT_FALSE(reads.is_round_wanted());
  reads.add(local(3));
  EXPECT_EQ(reads.begin_round({9}), Round{2});
  const auto first = reads.confirmed({1});
  ASSERT_EQ(first.size(), 1U);
  EXPECT_EQ(first[0].index, Index{7});
  EXPECT_EQ(numbers_of(first[0].readers), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(reads.size(), 1U);
}

TEST(Reads, ALaterRoundConfirmsTheEarlierOnesInOrder) {
  Reads reads;
  for (std::uint64_t id = 1; id <= 3; ++id) {
    reads.add(local(id));
    (void)reads.begin_round({id});
  }
  const auto confirmed = reads.confirmed({3});
  ASSERT_EQ(confirmed.size(), 3U);
  for (std::uint64_t i = 0; i < 3; ++i) EXPECT_EQ(confirmed[i].round, Round{i + 1});
  EXPECT_EQ(reads.size(), 0U);
  EXPECT_TRUE(reads.confirmed({3}).empty());
}

TEST(Reads, AnEarlierRoundConfirmsNothing) {
  Reads reads;
  reads.add(local(1));
  (void)reads.begin_round({1});
  EXPECT_TRUE(reads.confirmed({0}).empty());
  EXPECT_EQ(reads.size(), 1U);
}

TEST(Reads, AllThatWaitCanBeTaken) {
  Reads reads;
  reads.add(local(1));
  (void)reads.begin_round({1});
  reads.add(local(2));
  EXPECT_EQ(numbers_of(reads.take_all()), (std::vector<std::uint64_t>{1, 2}));
  EXPECT_EQ(reads.size(), 0U);
  EXPECT_FALSE(reads.is_round_wanted());
  EXPECT_TRUE(reads.confirmed({9}).empty());
}

}  // namespace
}  // namespace zraft::raft
