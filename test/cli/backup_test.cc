// SPDX-License-Identifier: Apache-2.0
//
// A backup as a file: that what went in comes out, that every flipped byte and every cut is found, and that a name is
// given to whole files alone.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "cli/backup_file.h"
#include "test/storage/snapshots.h"
#include "zraft/net/asio_loop.h"
#include "zraft/storage/real_files.h"

namespace zraft::cli {
namespace {

using zraft::test::Contents;

const Contents small_contents{{"empty", ""}, {"keys", zraft::test::some_bytes(900, 3)}, {"nothing", ""}};

BackupHeader header_of(const Contents& contents) {
  return {.group = "kv", .manifest = zraft::test::manifest_of(zraft::test::meta_at(3, 7), contents)};
}

std::vector<Bytes> chunks_of(const Contents& contents) {
  std::vector<Bytes> chunks;
  for (const auto& [name, bytes] : contents) {
    for (std::size_t at = 0; at < bytes.size(); at += storage::snapshot_chunk_size) {
      chunks.push_back(bytes.substr(at, storage::snapshot_chunk_size));
    }
  }
  return chunks;
}

Bytes backup_of(const Contents& contents) {
  Bytes bytes = encode(header_of(contents));
  for (const Bytes& chunk : chunks_of(contents)) bytes += encode_backup_chunk(chunk);
  return bytes;
}

// Every chunk of it.
Result<std::vector<Bytes>> read_all(const Bytes& backup) {
  auto reader = BackupReader::open([&](std::uint64_t offset, std::size_t length) -> Result<Bytes> {
    return offset < backup.size() ? backup.substr(offset, length) : Bytes();
  });
  if (!reader) return fail(reader);
  std::vector<Bytes> chunks;
  while (!reader->is_at_end()) {
    auto chunk = reader->next();
    if (!chunk) return fail(chunk);
    chunks.push_back(std::move(*chunk));
  }
  if (auto ended = reader->finish(); !ended) return fail(ended);
  return chunks;
}

TEST(Backup, GivesBackWhatWentIn) {
  for (const Contents& contents :
       {Contents{}, Contents{{"empty", ""}}, small_contents, zraft::test::some_contents(1)}) {
    const Bytes backup = backup_of(contents);
    const auto chunks = read_all(backup);
    ASSERT_TRUE(chunks) << chunks.error().text;
    EXPECT_EQ(*chunks, chunks_of(contents));
    const Bytes header = encode(header_of(contents));
    EXPECT_EQ(decode_backup_header(header).value(), header_of(contents));
    EXPECT_EQ(backup_header_length(backup.substr(0, backup_head_size)).value(), header.size());
  }
}

TEST(Backup, StartsAsTheDocumentDrawsIt) {
  const Bytes backup = backup_of(small_contents);
  EXPECT_EQ(backup.substr(0, 16), BytesView("zraftbak\x01\0\0\0\x02\0\0\0", 16));
  EXPECT_EQ(backup.substr(24, 10), "kvzraftsna");
}

TEST(Backup, FindsEveryFlippedByteEveryCutAndWhatIsBehind) {
  const Bytes backup = backup_of(small_contents);
  ASSERT_TRUE(read_all(backup));
  for (std::size_t at = 0; at < backup.size(); ++at) {
    Bytes flipped = backup;
    flipped[at] = static_cast<char>(flipped[at] ^ 0x10);
    EXPECT_EQ(read_all(flipped).error().code, Code::corrupt) << "byte " << at;
    EXPECT_EQ(read_all(backup.substr(0, at)).error().code, Code::corrupt) << "cut at " << at;
  }
  EXPECT_EQ(read_all(backup + "x").error().code, Code::corrupt);
}

TEST(Backup, TakesNoChunkOfAnotherPlace) {
  const Contents two{{"a", "one"}, {"b", "two"}};
  Bytes backup = encode(header_of(two));
  backup += encode_backup_chunk("two") + encode_backup_chunk("one");
  const auto read = read_all(backup);
  EXPECT_EQ(read.error().code, Code::corrupt);
  EXPECT_NE(read.error().text.find("chunk 0 of the file a"), std::string::npos) << read.error().text;
}

class BackupFile : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = std::filesystem::temp_directory_path() / "zraft_backup_XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    place_ = path;
    files_ = std::move(*storage::RealFiles::make(*loop_, place_));
  }
  void TearDown() override { std::filesystem::remove_all(place_); }
  [[nodiscard]] std::vector<std::string> names() { return files_->list("").value(); }

  std::filesystem::path place_;
  std::unique_ptr<net::AsioLoop> loop_ = std::move(*net::AsioLoop::open());
  std::unique_ptr<storage::RealFiles> files_;
  const Contents contents_ = zraft::test::some_contents(1);
};

TEST_F(BackupFile, HasItsNameOnlyWhenItIsWhole) {
  {
    auto writer = BackupWriter::begin(*files_, "kv.bak", "kv.tmp", header_of(contents_));
    ASSERT_TRUE(writer) << writer.error().text;
    for (const Bytes& chunk : chunks_of(contents_)) ASSERT_TRUE(writer->append(chunk));
    EXPECT_EQ(names(), std::vector<std::string>{"kv.tmp"});
    ASSERT_TRUE(writer->finish());
    EXPECT_EQ(names(), std::vector<std::string>{"kv.bak"});
    EXPECT_EQ(writer->bytes(), std::filesystem::file_size(place_ / "kv.bak"));
  }
  EXPECT_EQ(verify_backup(*files_, "kv.bak").value(), header_of(contents_));
  EXPECT_EQ(verify_backup(*files_, "other").error().code, Code::not_found);
  EXPECT_EQ(BackupWriter::begin(*files_, "kv.bak", "kv.tmp", header_of(contents_)).error().code, Code::already_present);
}

TEST_F(BackupFile, LeavesNothingWhenItIsNotFinishedOrNotRight) {
  {
    auto writer = BackupWriter::begin(*files_, "kv.bak", "kv.tmp", header_of(contents_));
    ASSERT_TRUE(writer && writer->append(chunks_of(contents_).front()));
  }
  EXPECT_TRUE(names().empty());
  {
    auto writer = BackupWriter::begin(*files_, "kv.bak", "kv.tmp", header_of(contents_));
    ASSERT_TRUE(writer && writer->append("of another snapshot"));
    EXPECT_EQ(writer->finish().error().code, Code::corrupt);
  }
  EXPECT_TRUE(names().empty());
}

TEST_F(BackupFile, IsReadAgainInAnyOrderAndEveryChunkIsComparedAgain) {
  {
    auto writer = BackupWriter::begin(*files_, "kv.bak", "kv.tmp", header_of(contents_));
    ASSERT_TRUE(writer);
    for (const Bytes& chunk : chunks_of(contents_)) ASSERT_TRUE(writer->append(chunk));
    ASSERT_TRUE(writer->finish());
  }
  EXPECT_EQ(OpenBackup::open(*files_, "other").error().code, Code::not_found);
  const auto backup = OpenBackup::open(*files_, "kv.bak");
  ASSERT_TRUE(backup) << backup.error().text;
  EXPECT_EQ((*backup)->bytes(), std::filesystem::file_size(place_ / "kv.bak"));
  const auto files = files_of(*backup);
  const auto& manifest = (*backup)->header().manifest;
  ASSERT_EQ(files.size(), manifest.files.size());
  for (std::size_t at = files.size(); at-- > 0;) {
    const Bytes& content = contents_.at(manifest.files[at].name);
    EXPECT_EQ(files[at]->size(), content.size());
    for (std::size_t from = 0; from < content.size(); from += storage::snapshot_chunk_size) {
      const Bytes chunk = content.substr(from, storage::snapshot_chunk_size);
      EXPECT_EQ(files[at]->read(from, chunk.size()).value(), chunk);
    }
  }
  // The last chunk changes on the disk, after it was found right.
  const auto size = std::filesystem::file_size(place_ / "kv.bak");
  auto file = files_->open("kv.bak", storage::OpenMode::read_write);
  ASSERT_TRUE(file && (*file)->write_now(size - 2, "xx"));
  const std::size_t last = files.size() - 1;
  const std::uint64_t chunk = manifest.files[last].chunks.size() - 1;
  const std::size_t length = storage::chunk_length(manifest.files[last].size, chunk);
  EXPECT_EQ(files[last]->read(chunk * storage::snapshot_chunk_size, length).error().code, Code::corrupt);
}

}  // namespace
}  // namespace zraft::cli
