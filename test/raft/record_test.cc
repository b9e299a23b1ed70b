// SPDX-License-Identifier: Apache-2.0
//
// Records: what goes in comes out, the layout is the one that record.h draws, and no flipped bit and no missing byte
// passes.
#include "zraft/raft/record.h"

#include <gtest/gtest.h>

#include "test/raft/one_core.h"
#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::raft {
namespace {

const Bytes payload = "put colour blue";

Record sample() { return Record::make({9}, at(3, 7), EntryType::command, {-5}, payload); }

Result<Record> parse(BytesView bytes) {
  auto owner = std::make_shared<const Bytes>(bytes);
  return Record::parse(owner, *owner);
}

// The bytes of a sample with one field replaced, and the header's checksum made right again.
Bytes with(std::size_t offset, BytesView field) {
  Bytes bytes(sample().bytes());
  bytes.replace(offset, field.size(), field);
  Bytes checksum;
  Encoder(checksum).u32(crc32c(BytesView(bytes).substr(0, 44)));
  return bytes.replace(44, 4, checksum);
}

TEST(Record, WhatGoesInComesOut) {
  const auto record = parse(sample().bytes());
  ASSERT_TRUE(record);
  EXPECT_EQ(record->group(), GroupId{9});
  EXPECT_EQ(record->position(), at(3, 7));
  EXPECT_EQ(record->type(), EntryType::command);
  EXPECT_EQ(record->time(), ClusterTime{-5});
  EXPECT_EQ(record->payload(), payload);
  EXPECT_EQ(record->payload_checksum(), crc32c(payload));
  EXPECT_EQ(record->size(), record_header_size + payload.size());
  EXPECT_TRUE(record->is_intact());
}

TEST(Record, IsLaidOutAsDrawn) {
  Bytes expected;
  Encoder to(expected);
  to.raw("ZR");
  to.u8(1);
  to.u8(2);
  to.u32(static_cast<std::uint32_t>(payload.size()));
  to.u64(9);
  to.u64(3);
  to.u64(7);
  to.i64(-5);
  to.u32(crc32c(payload));
  to.u32(crc32c(expected));
  to.raw(payload);
  EXPECT_EQ(sample().bytes(), expected);
}

TEST(Record, AnEmptyPayloadIsARecord) {
  const auto record = parse(Record::make({9}, at(1, 1), EntryType::noop, {}, {}).bytes());
  ASSERT_TRUE(record);
  EXPECT_EQ(record->payload(), "");
}

TEST(Record, EveryFlippedBitIsDetected) {
  const Bytes good(sample().bytes());
  for (std::size_t at_byte = 0; at_byte < good.size(); ++at_byte) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes bad = good;
      bad[at_byte] = static_cast<char>(bad[at_byte] ^ (1 << bit));
      const auto record = parse(bad);
      ASSERT_FALSE(record) << "byte " << at_byte << " bit " << bit;
      EXPECT_EQ(record.error().code, Code::corrupt);
      EXPECT_FALSE(record.error().text.empty());
    }
  }
}

TEST(Record, EveryCutIsDetected) {
  const Bytes good(sample().bytes());
  for (std::size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(parse(BytesView(good).substr(0, size))) << "cut to " << size << " bytes";
  }
}

TEST(Record, WhatFollowsIsNotLookedAt) {
  const auto record = parse(Bytes(sample().bytes()) + "garbage");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->bytes(), sample().bytes());
}

TEST(Record, TheIdentityIsKnownWhenThePayloadIsLost) {
  Bytes bytes(sample().bytes());
  bytes.back() = '!';
  EXPECT_FALSE(parse(bytes));
  const auto header = Record::parse_header(bytes);
  ASSERT_TRUE(header);
  EXPECT_EQ(header->position(), at(3, 7));
  EXPECT_EQ(header->group(), GroupId{9});
}

TEST(Record, AnUnknownVersionOrTypeIsUnsupportedNotCorrupt) {
  EXPECT_EQ(parse(with(2, "\x02")).error().code, Code::unsupported);
  EXPECT_EQ(parse(with(3, "\x09")).error().code, Code::unsupported);
  EXPECT_EQ(parse(with(3, BytesView("\0", 1))).error().code, Code::unsupported);
}

TEST(Record, ALengthBeyondTheBoundIsRefusedBeforeItIsTrusted) {
  EXPECT_EQ(parse(with(4, "\xff\xff\xff\xff")).error().code, Code::corrupt);
}

TEST(Record, DamageInMemoryIsNoticed) {
  auto owner = std::make_shared<Bytes>(sample().bytes());
  const auto record = Record::parse(owner, *owner);
  ASSERT_TRUE(record && record->is_intact());
  (*owner)[record_header_size] = '!';
  EXPECT_FALSE(record->is_intact());
}

}  // namespace
}  // namespace zraft::raft
