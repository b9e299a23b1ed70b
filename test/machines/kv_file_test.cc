// SPDX-License-Identifier: Apache-2.0
//
// The file of the backend `memory`: the drawn bytes are the written ones, a store has one form, and everything else is
// refused: every cut, every changed byte, every break of a law behind right checksums.
#include "zraft/machines/kv_file.h"

#include <gtest/gtest.h>

#include "test/machines/memory_snapshot.h"
#include "test/seeds.h"
#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::machines {
namespace {

using zraft::test::MemorySnapshotReader;
using zraft::test::MemorySnapshotWriter;

Bytes file_of(const CowMap& values) {
  MemorySnapshotWriter writer;
  EXPECT_TRUE(write_kv_file(values, writer).has_value());
  EXPECT_EQ(writer.files.size(), 1U);
  return writer.files[kv_file_name];
}

Result<CowMap> read_file(const Bytes& file) {
  const zraft::test::SnapshotFiles files{{kv_file_name, file}};
  MemorySnapshotReader reader(files);
  return read_kv_file(reader);
}

CowMap some_items() {
  CowMap values;
  values.put("b", 2, "vw");
  values.put("a", 513, "", 258);
  return values;
}

// A file by hand, so that it may break laws; its checksums are right.
struct Draft {
  Draft() {
    bytes = kv_file_magic;
    Encoder(bytes).u16(kv_file_version);
  }
  Draft& seal() {
    const std::uint32_t checksum = crc32c(bytes);
    Encoder(bytes).u32(checksum);
    return *this;
  }
  Draft& block(const Bytes& items) {
    Encoder(bytes).bytes(items);
    return seal();
  }
  Bytes end(std::uint64_t items) {
    Encoder encoder(bytes);
    encoder.u32(0);
    encoder.u64(items);
    seal();
    return bytes;
  }
  Bytes bytes;
};

Bytes item(BytesView key, BytesView value = "v") {
  Bytes bytes;
  Encoder encoder(bytes);
  encoder.u64(1);
  encoder.u64(0);
  encoder.bytes(key);
  encoder.bytes(value);
  return bytes;
}

TEST(KvFile, WritesTheBytesThatTheHeaderDraws) {
  const Bytes a("\x01\x02\0\0\0\0\0\0\x02\x01\0\0\0\0\0\0\x01\0\0\0a\0\0\0\0", 25);
  const Bytes b("\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0b\x02\0\0\0vw", 27);
  EXPECT_EQ(file_of(some_items()), Draft().block(a + b).end(2));
  EXPECT_EQ(file_of(CowMap()), Draft().end(0));
}

TEST(KvFile, ReadsWhatItWrote) {
  const Bytes file = file_of(some_items());
  const Result<CowMap> values = read_file(file);
  ASSERT_TRUE(values.has_value()) << values.error().text;
  EXPECT_EQ(values->size(), 2U);
  EXPECT_EQ(values->find("a")->version(), 513U);
  EXPECT_EQ(values->find("a")->owner(), 258U);
  EXPECT_EQ(values->find("b")->owner(), 0U);
  EXPECT_EQ(values->find("b")->value(), "vw");
  EXPECT_EQ(file_of(*values), file);
  EXPECT_EQ(read_file(file_of(CowMap()))->size(), 0U);
}

TEST(KvFile, HasOneFormHoweverTheStoreCameToBe) {
  CowMap rising;
  CowMap falling;
  for (int i = 0; i < 5'000; ++i) {
    rising.put(std::to_string(i), 1, Bytes(200, 'v'));
    falling.put(std::to_string(4'999 - i), 1, "other");
    falling.put(std::to_string(4'999 - i), 1, Bytes(200, 'v'));
  }
  falling.put("x", 1, "v");
  falling.erase("x");
  EXPECT_EQ(file_of(rising), file_of(falling));
}

TEST(KvFile, IsWrittenInBlocksAndNotAsAWhole) {
  CowMap values;
  for (int i = 0; i < 4'000; ++i) values.put(std::to_string(i), 1, Bytes(300, 'v'));
  values.put("large", 1, Bytes(std::size_t{3} << 20, 'v'));
  values.put("larger", 1, Bytes(std::size_t{1} << 20, 'v'));
  MemorySnapshotWriter writer;
  ASSERT_TRUE(write_kv_file(values, writer).has_value());
  EXPECT_LT(writer.append_max, kv_block_bytes + (std::size_t{3} << 20) + 100);
  const Result<CowMap> again = read_file(writer.files[kv_file_name]);
  ASSERT_TRUE(again.has_value()) << again.error().text;
  EXPECT_EQ(file_of(*again), writer.files[kv_file_name]);
}

TEST(KvFile, RefusesEveryCutEveryExtraByteAndEveryChangedByte) {
  const Bytes file = file_of(some_items());
  for (std::size_t n = 0; n < file.size(); ++n) {
    EXPECT_FALSE(read_file(file.substr(0, n)).has_value()) << n;
    Bytes changed = file;
    changed[n] = static_cast<char>(changed[n] ^ 0x10);
    EXPECT_FALSE(read_file(changed).has_value()) << n;
  }
  EXPECT_EQ(read_file(file + '\0').error().code, Code::corrupt);
}

TEST(KvFile, RefusesABreakOfALawBehindRightChecksums) {
  ASSERT_TRUE(read_file(Draft().block(item("a") + item("b")).end(2)).has_value());
  const Bytes broken[] = {
      Draft().block(item("b") + item("a")).end(2),                              // falling
      Draft().block(item("a") + item("a")).end(2),                              // twice
      Draft().block(item("")).end(1),                                           // a key without a byte
      Draft().block(item("a")).end(2),                                          // another number
      Draft().block(item("a") + "x").end(1),                                    // no item
      Draft().block(item("a")).block(item("b")).end(2),                         // the first block ended too early
      Draft().block(item("a", Bytes(kv_block_bytes, 'v')) + item("b")).end(2),  // too late
  };
  for (const Bytes& file : broken) {
    const Result<CowMap> values = read_file(file);
    ASSERT_FALSE(values.has_value());
    EXPECT_EQ(values.error().code, Code::corrupt) << values.error().text;
  }
}

TEST(KvFile, BelievesNoLengthBeyondTheFile) {
  Draft draft;
  Encoder(draft.bytes).u32(0x7fffffff);
  EXPECT_EQ(read_file(draft.bytes + "xyz").error().code, Code::corrupt);
}

TEST(KvFile, TellsAnotherVersionFromDamage) {
  Bytes file = file_of(CowMap());
  file[8] = 1;
  EXPECT_EQ(read_file(file).error().code, Code::unsupported);
  EXPECT_TRUE(read_file(file).error().text.ends_with("fetch or take another snapshot"));
  file[8] = 3;
  EXPECT_EQ(read_file(file).error().code, Code::unsupported);
  EXPECT_TRUE(read_file(file).error().text.ends_with("run a newer one"));
  EXPECT_EQ(read_file("something else altogether").error().code, Code::corrupt);
}

TEST(KvFile, RefusesTheFilesOfAnotherBackend) {
  const zraft::test::SnapshotFiles files{{"CURRENT", "MANIFEST-000005\n"}, {"kv", file_of(CowMap())}};
  MemorySnapshotReader reader(files);
  EXPECT_EQ(read_kv_file(reader).error().code, Code::corrupt);
}

TEST(KvFile, TheCorpusOfTheFuzzerHoldsFilesThatItReads) {
  zraft::test::expect_seeds("kv_file", {{"empty", file_of(CowMap())}, {"two", file_of(some_items())}});
}

}  // namespace
}  // namespace zraft::machines
