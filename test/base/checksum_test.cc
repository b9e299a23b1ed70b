// SPDX-License-Identifier: Apache-2.0
//
// CRC32C: the vectors of RFC 3720 (iSCSI) B.4, and the processor's instruction held against the table.
#include "zraft/base/checksum.h"

#include <gtest/gtest.h>

#include "zraft/base/random.h"

namespace zraft {
namespace {

Bytes rising(int n) {
  Bytes bytes;
  for (int i = 0; i < n; ++i) bytes.push_back(static_cast<char>(i));
  return bytes;
}

TEST(Checksum, GivesTheKnownVectors) {
  for (const auto crc : {&crc32c, &crc32c_by_table}) {
    EXPECT_EQ(crc("", 0), 0u);
    EXPECT_EQ(crc("123456789", 0), 0xe3069283u);
    EXPECT_EQ(crc(Bytes(32, '\0'), 0), 0x8a9136aau);
    EXPECT_EQ(crc(Bytes(32, '\xff'), 0), 0x62a8ab43u);
    EXPECT_EQ(crc(rising(32), 0), 0x46dd794eu);
    const Bytes up = rising(32);
    EXPECT_EQ(crc(Bytes(up.rbegin(), up.rend()), 0), 0x113fdb5cu);
  }
}

TEST(Checksum, InstructionAndTableAgreeAtEveryLengthAndOffset) {
  Random random(1);
  Bytes bytes;
  for (int i = 0; i < 300; ++i) bytes.push_back(static_cast<char>(random.next()));
  for (std::size_t offset = 0; offset < 9; ++offset) {
    for (std::size_t size = 0; size + offset <= bytes.size(); ++size) {
      const BytesView part = BytesView(bytes).substr(offset, size);
      ASSERT_EQ(crc32c(part), crc32c_by_table(part));
    }
  }
}

TEST(Checksum, GoesOnWhereAPreviousOneEnded) {
  const Bytes whole = "the same bytes, in two parts";
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    const BytesView view = whole;
    EXPECT_EQ(crc32c(view.substr(cut), crc32c(view.substr(0, cut))), crc32c(whole));
  }
}

TEST(Checksum, OfTwoPartsComesFromThoseOfTheParts) {
  Random random(2);
  Bytes bytes;
  for (int i = 0; i < 600; ++i) bytes.push_back(static_cast<char>(random.next()));
  const BytesView view = bytes;
  for (std::size_t cut = 0; cut <= 300; ++cut) {
    for (std::size_t size = cut; size <= bytes.size(); size += 1 + random.below(9)) {
      const BytesView second = view.substr(cut, size - cut);
      ASSERT_EQ(crc32c_combine(crc32c(view.substr(0, cut)), crc32c(second), second.size()),
                crc32c(view.substr(0, size)));
    }
  }
}

TEST(Checksum, OfTwoPartsComesFromThoseOfLongParts) {
  const Bytes first = "a head";
  for (const std::uint64_t length : {std::uint64_t{1} << 16, (std::uint64_t{1} << 20) - 1, std::uint64_t{1} << 20,
                                     (std::uint64_t{1} << 20) + 13, std::uint64_t{1} << 26}) {
    const Bytes second(length, 'x');
    ASSERT_EQ(crc32c_combine(crc32c(first), crc32c(second), length), crc32c(second, crc32c(first)));
  }
}

// Beyond what memory holds: parts may be joined in any order.
TEST(Checksum, OfThreePartsIsTheSameHoweverTheyAreJoined) {
  Random random(3);
  for (int i = 0; i < 1000; ++i) {
    const auto a = static_cast<std::uint32_t>(random.next());
    const auto b = static_cast<std::uint32_t>(random.next());
    const auto c = static_cast<std::uint32_t>(random.next());
    const std::uint64_t b_length = random.next() >> random.between(1, 63);
    const std::uint64_t c_length = random.next() >> random.between(1, 63);
    ASSERT_EQ(crc32c_combine(crc32c_combine(a, b, b_length), c, c_length),
              crc32c_combine(a, crc32c_combine(b, c, c_length), b_length + c_length));
  }
}

TEST(Checksum, SeesEveryFlippedBit) {
  Bytes bytes = rising(64);
  const std::uint32_t before = crc32c(bytes);
  for (char& byte : bytes) {
    for (int bit = 0; bit < 8; ++bit) {
      const char whole = byte;
      byte = static_cast<char>(byte ^ (1 << bit));
      EXPECT_NE(crc32c(bytes), before);
      byte = whole;
    }
  }
}

}  // namespace
}  // namespace zraft
