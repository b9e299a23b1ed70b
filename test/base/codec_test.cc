// SPDX-License-Identifier: Apache-2.0
//
// The codec: numbers come back as they went, little-endian, and a decoder never reads past its end.
#include "zraft/base/codec.h"

#include <gtest/gtest.h>

#include <limits>

#include "zraft/base/random.h"

namespace zraft {
namespace {

TEST(Codec, WritesLittleEndian) {
  Bytes out;
  Encoder encoder(out);
  encoder.u8(0x01);
  encoder.u16(0x0302);
  encoder.u32(0x07060504);
  encoder.u64(0x0f0e0d0c0b0a0908);
  encoder.i64(-2);
  encoder.boolean(true);
  encoder.bytes("ab");
  encoder.raw("c");
  EXPECT_EQ(out, Bytes("\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"
                       "\xfe\xff\xff\xff\xff\xff\xff\xff\x01\x02\0\0\0abc", 31));
  EXPECT_EQ(encoder.size(), 31u);
}

TEST(Codec, ReadsWhatItWrote) {
  Bytes out;
  Encoder encoder(out);
  encoder.u8(255);
  encoder.u16(65535);
  encoder.u32(std::numeric_limits<std::uint32_t>::max());
  encoder.u64(std::numeric_limits<std::uint64_t>::max());
  encoder.i64(std::numeric_limits<std::int64_t>::min());
  encoder.boolean(false);
  encoder.bytes("");
  encoder.bytes(Bytes("\0x", 2));
  Decoder in(out);
  EXPECT_EQ(in.u8(), 255);
  EXPECT_EQ(in.u16(), 65535);
  EXPECT_EQ(in.u32(), std::numeric_limits<std::uint32_t>::max());
  EXPECT_EQ(in.u64(), std::numeric_limits<std::uint64_t>::max());
  EXPECT_EQ(in.i64(), std::numeric_limits<std::int64_t>::min());
  EXPECT_FALSE(in.boolean());
  EXPECT_EQ(in.bytes(), "");
  EXPECT_FALSE(in.ok());  // something is left
  EXPECT_EQ(in.bytes(), BytesView("\0x", 2));
  EXPECT_TRUE(in.ok());
}

TEST(Decoder, GivesZerosAfterAFailure) {
  Decoder in("\x01");
  EXPECT_EQ(in.u32(), 0u);
  EXPECT_TRUE(in.failed());
  EXPECT_EQ(in.u8(), 0);  // although one byte is there
  EXPECT_EQ(in.bytes(), "");
  EXPECT_EQ(in.rest(), "");
  EXPECT_EQ(in.count(1), 0u);
  EXPECT_FALSE(in.ok());
}

TEST(Decoder, KnowsOnlyTwoBooleans) {
  Decoder in(BytesView("\x02"));
  static_cast<void>(in.boolean());
  EXPECT_TRUE(in.failed());
}

TEST(Decoder, RefusesALengthBeyondItsInput) {
  Decoder whole(BytesView("\x02\0\0\0ab", 6));
  EXPECT_EQ(whole.bytes(), "ab");
  EXPECT_TRUE(whole.ok());
  Decoder cut(BytesView("\x02\0\0\0a", 5));
  EXPECT_EQ(cut.bytes(), "");
  EXPECT_TRUE(cut.failed());
  Decoder huge(BytesView("\xff\xff\xff\xff", 4));
  EXPECT_EQ(huge.bytes(), "");
  EXPECT_TRUE(huge.failed());
}

TEST(Decoder, RefusesACountThatItsInputCannotHold) {
  const Bytes three("\x03\0\0\0abcdef", 10);
  EXPECT_EQ(Decoder(three).count(2), 3u);
  EXPECT_EQ(Decoder(three).count(0), 3u);
  Decoder in(three);
  EXPECT_EQ(in.count(3), 0u);
  EXPECT_TRUE(in.failed());
}

TEST(Decoder, NeverReadsPastItsEndWhateverIsAsked) {
  Random random(1);
  for (int round = 0; round < 10'000; ++round) {
    // A heap block of the exact size, so that a sanitizer sees a read past it.
    const Bytes bytes(random.below(20), static_cast<char>(random.below(4)));
    Decoder in(bytes);
    std::size_t left = in.left();
    for (int step = 0; step < 8; ++step) {
      switch (random.below(7)) {
        case 0: in.u8(); break;
        case 1: in.u16(); break;
        case 2: in.u32(); break;
        case 3: in.u64(); break;
        case 4: in.boolean(); break;
        case 5: in.raw(random.below(8)); break;
        default: in.bytes(); break;
      }
      ASSERT_LE(in.left(), left);
      left = in.left();
    }
  }
}

}  // namespace
}  // namespace zraft
