// SPDX-License-Identifier: Apache-2.0
//
// docs/log_format.md holds an example. It is decoded here, and encoded again to the same bytes. REWRITE=1 writes the
// example anew.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "fuzz/wal_input.h"
#include "test/storage/log_life.h"
#include "zraft/base/codec.h"
#include "zraft/storage/batch_builder.h"
#include "zraft/storage/directory.h"
#include "zraft/storage/recovery.h"
#include "zraft/storage/segment.h"
#include "zraft/storage/wal_format.h"

namespace zraft::test {
namespace {

constexpr const char* document = ZRAFT_SOURCE_DIR "/docs/log_format.md";
constexpr std::uint64_t directory_id = 0x00c0ffee00c0ffee;

std::string read_document() {
  std::ifstream file(document);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// Where the content of the block ```hex `name` stands.
std::pair<std::size_t, std::size_t> block(const std::string& text, const std::string& name) {
  const std::string fence = "```hex " + name + "\n";
  const std::size_t start = text.find(fence) + fence.size();
  return {start, text.find("```", start) - start};
}

Bytes bytes_of(const std::string& text, const std::string& name) {
  const auto [start, length] = block(text, name);
  std::istringstream lines(text.substr(start, length));
  Bytes bytes;
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line.substr(line.find(':') + 1));
    for (std::string word; words >> word;) bytes.push_back(static_cast<char>(std::stoi(word, nullptr, 16)));
  }
  return bytes;
}

std::string hex_lines(BytesView bytes) {
  std::ostringstream out;
  char text[32];
  for (std::size_t at = 0; at < bytes.size(); ++at) {
    if (at % 16 == 0) {
      std::snprintf(text, sizeof text, "%04zx:", at);
      out << (at == 0 ? "" : "\n") << text;
    }
    std::snprintf(text, sizeof text, " %02x", static_cast<unsigned>(static_cast<unsigned char>(bytes[at])));
    out << text;
  }
  return out.str() + "\n";
}

Bytes example_segment() {
  return storage::encode_segment_header({.directory = directory_id, .segment = 1, .size = 65536}).substr(0, 48);
}

Bytes example_batch() {
  storage::BatchBuilder items;
  items.group_start(group_a, {});
  items.hard_state(group_a, {.term = {1}, .vote = raft::NodeId{1}});
  items.entry(group_a, entry(group_a, 1, 1, "hello"));
  storage::BatchHeader header{.directory = directory_id, .segment = 1, .sequence = 1, .block = 1};
  Bytes whole;
  for (const Piece& piece : std::move(items).finish(header)) whole += piece.bytes;
  EXPECT_EQ(whole.size(), 4096U);
  return whole.substr(0, storage::batch_header_size + header.body_length);
}

TEST(LogFormat, TheExampleOfTheDocumentIsWhatIsWritten) {
  std::string text = read_document();
  if (std::getenv("REWRITE") != nullptr) {
    for (const auto& [name, bytes] : {std::pair("segment", example_segment()), std::pair("batch", example_batch())}) {
      const auto [start, length] = block(text, name);
      text.replace(start, length, hex_lines(bytes));
    }
    std::ofstream(document) << text;
  }
  EXPECT_EQ(hex_lines(bytes_of(text, "segment")), hex_lines(example_segment()));
  EXPECT_EQ(hex_lines(bytes_of(text, "batch")), hex_lines(example_batch()));
}

TEST(LogFormat, W57_TheExampleOfTheDocumentDecodesToWhatItSays) {
  const std::string text = read_document();
  const auto segment = storage::decode_segment_header(bytes_of(text, "segment"));
  ASSERT_TRUE(segment) << segment.error().text;
  EXPECT_EQ(segment->segment, 1U);
  EXPECT_EQ(segment->size, 65536U);
  auto bytes = std::make_shared<const Bytes>(bytes_of(text, "batch"));
  const auto header = storage::decode_batch_header(*bytes);
  ASSERT_TRUE(header) << header.error().text;
  EXPECT_EQ(header->sequence, 1U);
  const auto items =
      storage::decode_items(bytes, BytesView(*bytes).substr(storage::batch_header_size), header->item_count);
  ASSERT_TRUE(items) << items.error().text;
  ASSERT_EQ(items->size(), 3U);
  EXPECT_EQ(std::get<storage::HardStateItem>((*items)[1].body).state.vote, raft::NodeId{1});
  const auto& records = std::get<storage::EntriesItem>((*items)[2].body).records;
  ASSERT_EQ(records.size(), 1U);
  EXPECT_EQ(records[0].payload(), "hello");
  EXPECT_EQ(records[0].position(), (raft::Position{{1}, {1}}));
}

TEST(LogFormat, TheIdentityOfTheDocumentIsRead) {
  std::string text = read_document();
  text = text.substr(text.find("    zraft data directory"));
  std::istringstream lines(text);
  Bytes identity;
  for (std::string line; std::getline(lines, line) && line.starts_with("    ");) identity += line.substr(4) + "\n";
  const auto decoded = storage::decode_identity(identity);
  ASSERT_TRUE(decoded) << decoded.error().text << "\nit should be\n"
                       << storage::encode_identity({.id = directory_id, .owner = "one"});
  EXPECT_EQ(*decoded, (storage::Identity{.id = directory_id, .owner = "one"}));
}

TEST(LogFormat, AMembershipInABaseComesBackAsItWas) {
  const auto base = base_at(3, 40);
  storage::BatchBuilder items;
  items.carry(group_b, {.state = {.term = {4}, .vote = {}}, .last = {55}, .base = base});
  items.mark(group_b, base);
  items.truncate(group_b, {50});
  items.group_end(group_b);
  storage::BatchHeader header;
  auto whole = std::make_shared<Bytes>();
  for (const Piece& piece : std::move(items).finish(header)) *whole += piece.bytes;
  const auto decoded = storage::decode_items(
      whole, BytesView(*whole).substr(storage::batch_header_size, header.body_length), header.item_count);
  ASSERT_TRUE(decoded) << decoded.error().text;
  ASSERT_EQ(decoded->size(), 4U);
  EXPECT_EQ(std::get<storage::CarryItem>((*decoded)[0].body).base, base);
  EXPECT_EQ(std::get<storage::CarryItem>((*decoded)[0].body).last, raft::Index{55});
  EXPECT_EQ(std::get<storage::MarkItem>((*decoded)[1].body).base, base);
}

TEST(LogFormat, DecodesNothingFromBytesThatAreNotItsOwn) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    Bytes bytes(random.below(200), '\0');
    for (char& byte : bytes) byte = static_cast<char>(random.below(random.chance(500'000) ? 256 : 8));
    EXPECT_FALSE(storage::decode_segment_header(bytes));
    EXPECT_FALSE(storage::decode_batch_header(bytes));
    EXPECT_FALSE(storage::decode_identity(bytes));
    (void)storage::decode_items(nullptr, bytes, 1);
  }
}

// The seeds of the fuzzer: a log as it is written, the same with a torn end, and bodies for which it makes headers.
std::map<std::string, Bytes> seeds() {
  MemoryDisk disk;
  LogLife life(disk);
  life.start(group_a);
  life.start(group_b, base_at(3, 40));
  life.append(group_a, 1, 3);
  life.run();
  life.write(group_a, {.id = {},
                       .hard_state = raft::HardState{.term = {2}, .vote = raft::NodeId{3}},
                       .truncate_from = raft::Index{2},
                       .entries = {entry(group_a, 2, 2)}});
  life.release(group_b, 3, 50);
  life.run();
  life.end(group_b);
  life.run();
  Bytes segment = disk.bytes("log/" + storage::segment_name(1));
  const std::size_t end = segment.find_last_not_of('\0') + 1;
  std::map<std::string, Bytes> result;
  result["segment"] = Bytes(1, '\0') + segment.substr(0, end);
  result["torn"] = Bytes(1, '\0') + segment.substr(0, end - 10);
  Bytes& bodies = result["bodies"];
  bodies = "\1";
  for (std::size_t at = storage::first_batch_offset; at < end;) {
    const auto header = storage::decode_batch_header(BytesView(segment).substr(at)).value();
    Encoder to(bodies);
    to.u16(static_cast<std::uint16_t>(header.body_length));
    to.raw(BytesView(segment).substr(at + storage::batch_header_size, header.body_length));
    at += header.extent();
  }
  return result;
}

TEST(LogFormat, TheSeedsOfTheFuzzerAreLogs) {
  const std::filesystem::path corpus = ZRAFT_SOURCE_DIR "/fuzz/corpus/wal";
  for (const auto& [name, bytes] : seeds()) {
    if (std::getenv("REWRITE") != nullptr) {
      std::filesystem::create_directories(corpus);
      std::ofstream(corpus / name, std::ios::binary) << bytes;
    }
    std::ifstream file(corpus / name, std::ios::binary);
    std::stringstream content;
    content << file.rdbuf();
    ASSERT_EQ(content.str(), bytes) << name << ": run this test with REWRITE=1";
    MemoryDisk disk;
    { LogLife life(disk); }
    const std::string path = "log/" + storage::segment_name(1);
    disk.bytes(path) = fuzz::segment_of(bytes);
    disk.touched(path);
    const auto found = reopen(disk);
    ASSERT_TRUE(found) << name << ": " << found.error().text;
    EXPECT_EQ(found->at(group_a).entries.size(), 2U) << name;
  }
}

}  // namespace
}  // namespace zraft::test
