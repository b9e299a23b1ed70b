// SPDX-License-Identifier: Apache-2.0
//
// The manifest of a snapshot: docs/snapshot_format.md holds an example, which is decoded here and encoded again to the
// same bytes. What was encoded comes back, and nothing that breaks a law is taken for a manifest.
#include "zraft/storage/snapshot_format.h"

#include <gtest/gtest.h>

#include <functional>

#include "test/format_document.h"
#include "test/seeds.h"
#include "test/storage/snapshots.h"
#include "zraft/base/codec.h"

namespace zraft::storage {
namespace {

SnapshotManifest example() {
  return {.group = {0x0807060504030201},
          .backend = "memory",
          .meta = {.last = {{3}, {7}},
                   .membership = raft::membership_of({{{1}, "one@10.0.0.1:7000"}}),
                   .membership_index = {1},
                   .time = {.ns = 1'000'000'000}},
          .files = {{.name = "empty", .size = 0, .chunks = {}},
                    {.name = "values", .size = 1'048'577, .chunks = {0x44332211, crc32c("x")}}}};
}

TEST(SnapshotFormat, W57_TheExampleOfTheDocumentIsWhatIsWritten) {
  const auto examples = zraft::test::examples_of_document("snapshot_format.md");
  ASSERT_TRUE(examples.contains("meta"));
  const auto decoded = decode_manifest(examples.at("meta"));
  ASSERT_TRUE(decoded) << decoded.error().text;
  EXPECT_EQ(*decoded, example());
  EXPECT_EQ(examples.at("meta"), encode(example()));
}

TEST(SnapshotFormat, ComesBackAsItWas) {
  for (const SnapshotManifest& manifest : {SnapshotManifest{}, example()}) {
    const auto decoded = decode_manifest(encode(manifest));
    ASSERT_TRUE(decoded) << decoded.error().text;
    EXPECT_EQ(*decoded, manifest);
  }
  EXPECT_EQ(example().bytes(), 1'048'577U);
}

TEST(SnapshotFormat, IsNotTakenFromBytesThatWereCutOrChanged) {
  const Bytes whole = encode(example());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_manifest(BytesView(whole).substr(0, size))) << size;
  }
  EXPECT_FALSE(decode_manifest(whole + '\0'));
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_manifest(changed)) << bit;
  }
}

// Changes the bytes and makes the checksum right again.
Result<SnapshotManifest> decode_changed(const std::function<void(Bytes&)>& change) {
  Bytes bytes = encode(example());
  bytes.resize(bytes.size() - 4);
  change(bytes);
  const std::uint32_t checksum = crc32c(bytes);
  Encoder(bytes).u32(checksum);
  return decode_manifest(bytes);
}

void expect_refused(const std::string& words, const std::function<void(Bytes&)>& change, Code code = Code::corrupt) {
  const auto decoded = decode_changed(change);
  ASSERT_FALSE(decoded) << words;
  EXPECT_EQ(decoded.error().code, code);
  EXPECT_NE(decoded.error().text.find(words), std::string::npos) << decoded.error().text;
}

TEST(SnapshotFormat, RefusesWhatBreaksALaw) {
  EXPECT_TRUE(decode_changed([](Bytes&) {}));
  const auto replace = [](const std::string& from, const std::string& to) {
    return [=](Bytes& bytes) { bytes.replace(bytes.find(from), from.size(), to); };
  };
  expect_refused("magic", replace("zraftsna", "zraftwal"));
  expect_refused(
      "version 2", [](Bytes& bytes) { bytes[8] = 2; }, Code::unsupported);
  expect_refused("chunk size", [](Bytes& bytes) { bytes[12] = 1; });
  expect_refused("sorted", replace("empty", "zmpty"));
  expect_refused("sorted", replace(Bytes("\x05\0\0\0empty", 9), Bytes("\x06\0\0\0values", 10)));
  expect_refused("whose name is none", replace("values", "../etc"));
  expect_refused("whose name is none", replace("values", Bytes("val\0es", 6)));
  expect_refused("whose name is none", replace(Bytes("\x06\0\0\0values", 10), Bytes("\x04\0\0\0meta", 8)));
  expect_refused("length", [](Bytes& bytes) { bytes += "more"; });
  const std::string size("\x01\0\x10\0\0\0\0\0", 8);  // of "values"
  expect_refused("a checksum for each chunk", replace(size, Bytes("\x01\0\x20\0\0\0\0\0", 8)));
  expect_refused("a checksum for each chunk", replace(size, Bytes(8, '\xff')));
  expect_refused("length", replace(size, Bytes("\x01\0\0\0\0\0\0\0", 8)));
  const std::string count("\x02\0\0\0\x05\0\0\0empty", 13);
  expect_refused("length", replace(count, Bytes("\xff\xff\xff\xff\x05\0\0\0empty", 13)));
  // Who votes is no member.
  expect_refused("", replace(Bytes("\x01\0\0\0\0\0\0\0\x11", 9), Bytes("\x02\0\0\0\0\0\0\0\x11", 9)));
}

TEST(SnapshotFormat, W62_KnowsNamesThatLeadNowhereElse) {
  for (const char* name : {"a", "000012.sst", "MANIFEST-000004", "a..b", "-", "_"}) {
    EXPECT_TRUE(is_snapshot_file_name(name)) << name;
  }
  EXPECT_TRUE(is_snapshot_file_name(std::string(64, 'x')));
  for (const char* name : {"", ".", "..", ".x", "a/b", "/", "a b", "meta", "a\n", "ä"}) {
    EXPECT_FALSE(is_snapshot_file_name(name)) << name;
  }
  EXPECT_FALSE(is_snapshot_file_name(std::string(65, 'x')));
}

TEST(SnapshotFormat, CountsChunks) {
  EXPECT_EQ(chunk_count(0), 0U);
  EXPECT_EQ(chunk_count(1), 1U);
  EXPECT_EQ(chunk_count(snapshot_chunk_size), 1U);
  EXPECT_EQ(chunk_count(snapshot_chunk_size + 1), 2U);
  EXPECT_EQ(chunk_count(~std::uint64_t{0}), std::uint64_t{1} << 44);
  EXPECT_EQ(chunk_length(snapshot_chunk_size + 1, 0), snapshot_chunk_size);
  EXPECT_EQ(chunk_length(snapshot_chunk_size + 1, 1), 1U);
}

TEST(SnapshotFormat, TheCorpusOfTheFuzzerHoldsWhatIsWritten) {
  zraft::test::expect_seeds("manifest", {{"nothing", encode(SnapshotManifest{})}, {"example", encode(example())}});
}

}  // namespace
}  // namespace zraft::storage
