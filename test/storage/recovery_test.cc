// SPDX-License-Identifier: Apache-2.0
//
// Start-up after everything that a crash and a bad disk can do: cut and flipped at every byte, calls that fail one by
// one, files that are missing or of somebody else. What was acknowledged is found, or the log refuses to start and
// leaves every file as it was.
#include <gtest/gtest.h>

#include "test/storage/log_life.h"
#include "zraft/storage/directory.h"
#include "zraft/storage/segment.h"

namespace zraft::test {
namespace {

std::string path_of(std::uint64_t segment) { return "log/" + storage::segment_name(segment); }

// Two groups with a little of everything. Every unit is acknowledged; the last one is known to be durable if `idle`.
std::string write_a_little(LogLife& life) {
  life.start(group_a);
  life.start(group_b, base_at(3, 40));
  life.run();
  life.append(group_a, 1, 3);
  life.append(group_b, 3, 2);
  life.run();
  life.vote(group_a, 2, 7);
  life.run();
  life.write(group_a, {.id = {}, .truncate_from = raft::Index{2}, .entries = {entry(group_a, 2, 2, "other")}});
  life.run();
  EXPECT_EQ(life.history.acknowledged, 6U);
  return life.history.states.back();
}

struct Image {
  std::map<std::string, Bytes> files;
  explicit Image(MemoryDisk& disk) {
    for (const std::string& path : disk.paths()) files[path] = disk.bytes(path);
  }
  void restore(MemoryDisk& disk) const {
    for (const auto& [path, bytes] : files) {
      disk.bytes(path) = bytes;
      disk.touched(path);
    }
  }
  friend bool operator==(const Image&, const Image&) = default;
};

// Where the batches of a segment end.
std::size_t used(MemoryDisk& disk, std::uint64_t segment) {
  return (disk.bytes(path_of(segment)).find_last_not_of('\0') / 4096 + 1) * 4096;
}

TEST(Recovery, W51_ATornTailOfAFewBytesIsCut) {
  MemoryDisk before;
  std::string acknowledged;
  {
    LogLife life(before);
    acknowledged = write_a_little(life);
  }
  MemoryDisk after(before);
  const std::size_t start = used(before, 1);
  {
    LogLife life(after);
    life.append(group_a, 2, 2, 3000);
    life.run();
  }
  const Bytes whole = after.bytes(path_of(1));
  const std::size_t end = used(after, 1);
  ASSERT_GT(end, start + 4096);
  for (std::size_t cut = start; cut < start + 6170; cut += cut < start + 256 ? 1 : 13) {
    before.bytes(path_of(1)).replace(start, end - start, whole.substr(start, cut - start) + Bytes(end - cut, '\0'));
    before.touched(path_of(1));
    std::vector<std::string> story;
    auto found = reopen(before, &story);
    ASSERT_TRUE(found) << cut << ": " << found.error().text;
    ASSERT_EQ(describe(*found), acknowledged) << cut;
    ASSERT_EQ(story.size(), cut >= start + 64 ? 1U : 0U) << "a cut is reported";
  }
}

TEST(Recovery, GoesOnBehindACutAndFindsBothSidesLater) {
  MemoryDisk disk;
  {
    LogLife life(disk);
    write_a_little(life);
    life.append(group_a, 2, 1, 9000);
    life.run();
  }
  disk.bytes(path_of(1))[used(disk, 1) - 4096] ^= 1;  // in the last block of the last batch, which nobody vouches for
  disk.touched(path_of(1));
  std::string state;
  {
    LogLife life(disk);
    ASSERT_TRUE(life.is_open()) << life.error.text;
    EXPECT_EQ(life.story.size(), 1U);
    life.append(group_a, 2, 1);
    life.run();
    state = life.history.states.back();
  }
  std::vector<std::string> story;
  auto found = reopen(disk, &story);
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(describe(*found), state);
  EXPECT_TRUE(story.empty());
}

TEST(Recovery, AFlippedByteIsHarmlessOrRefusedAndNothingAcknowledgedIsLost) {
  MemoryDisk disk;
  std::string acknowledged;
  {
    LogLife life(disk);
    acknowledged = write_a_little(life);
    life.idle();
  }
  const Image image(disk);
  std::size_t refused = 0;
  for (const std::string& path : disk.paths()) {
    const bool is_segment = path.find("wal-") != std::string::npos;
    const std::size_t end = is_segment ? (path == path_of(1) ? used(disk, 1) : 4096) : disk.bytes(path).size();
    const Bytes original = disk.bytes(path);
    for (std::size_t at = 0; at < end; ++at) {
      // In the middle of padding one byte in 64 will do.
      const bool is_padding = BytesView(original).substr(at & ~63U, 64).find_first_not_of('\0') == BytesView::npos;
      if (is_padding && at % 64 != 0) continue;
      char& byte = disk.bytes(path)[at];
      byte = static_cast<char>(byte ^ (1 << (at % 8)));
      disk.touched(path);
      const Image flipped(disk);
      auto found = reopen(disk);
      if (found) {
        ASSERT_EQ(describe(*found), acknowledged) << path << " at " << at;
      } else {
        ASSERT_TRUE(Image(disk) == flipped) << "a refusal changes nothing";
        ASSERT_NE(found.error().text.find("log"), std::string::npos) << found.error().text;
        ++refused;
      }
      image.restore(disk);
    }
  }
  EXPECT_GT(refused, 500U);
}

TEST(Recovery, ASegmentCutAtAnyByteIsRefused) {
  MemoryDisk disk;
  {
    LogLife life(disk);
    write_a_little(life);
  }
  const Image image(disk);
  for (std::size_t size = 0; size < 64 << 10; size += size < used(disk, 1) ? 7 : 4096) {
    disk.bytes(path_of(1)).resize(size);
    disk.touched(path_of(1));
    auto found = reopen(disk);
    ASSERT_FALSE(found) << "segments have their full size before they are used";
    ASSERT_EQ(found.error().code, Code::corrupt);
    ASSERT_EQ(disk.bytes(path_of(1)).size(), size);
    image.restore(disk);
  }
}

TEST(Recovery, W53_DamageInAClosedSegmentIsRefusedAndNothingIsDeleted) {
  MemoryDisk disk;
  {
    LogLife life(disk);
    life.start(group_a);
    for (int i = 0; i < 40; ++i) {
      life.append(group_a, 1, 1, 5000);
      life.run();
    }
  }
  ASSERT_TRUE(disk.has(path_of(4)));
  const Image whole(disk);
  for (std::size_t at = 4096; at < 64 << 10; at += 512) {
    whole.restore(disk);
    disk.bytes(path_of(2))[at + 20] ^= 4;
    disk.touched(path_of(2));
    const Image flipped(disk);
    auto found = reopen(disk);
    if (found) {
      EXPECT_EQ(found->at(group_a).entries.size(), 40U) << "only padding may be harmed without a refusal";
      continue;
    }
    EXPECT_EQ(found.error().code, Code::corrupt);
    EXPECT_NE(found.error().text.find(path_of(2)), std::string::npos) << found.error().text;
    EXPECT_TRUE(Image(disk) == flipped);
  }
}

TEST(Recovery, RefusesWhenASegmentInTheMiddleIsMissing) {
  MemoryDisk disk;
  {
    LogLife life(disk);
    life.start(group_a);
    for (int i = 0; i < 40; ++i) {
      life.append(group_a, 1, 1, 5000);
      life.run();
    }
  }
  disk.remove(path_of(2));
  auto found = reopen(disk);
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().text.find(path_of(2) + " is missing"), std::string::npos) << found.error().text;
}

TEST(Recovery, RefusesWhenTheOldestSegmentsAreMissing) {
  MemoryDisk disk;
  {
    LogLife life(disk);
    life.start(group_a);
    for (int i = 0; i < 40; ++i) {
      life.append(group_a, 1, 1, 5000);
      life.run();
    }
  }
  disk.remove(path_of(1));
  auto found = reopen(disk);
  ASSERT_FALSE(found);
  EXPECT_NE(found.error().text.find("are gone"), std::string::npos) << found.error().text;
}

TEST(Recovery, P05_NeverAssumesThatAnEmptyLogIsANewOne) {
  for (const char* removed : {"log/zraft.id", "segments"}) {
    MemoryDisk disk;
    {
      LogLife life(disk);
      write_a_little(life);
    }
    for (const std::string& path : disk.paths()) {
      if (path == removed || (std::string(removed) == "segments" && path.find("wal-") != std::string::npos)) {
        disk.remove(path);
      }
    }
    auto found = reopen(disk);
    ASSERT_FALSE(found) << removed;
    EXPECT_EQ(found.error().code, Code::corrupt);
  }
}

TEST(Recovery, RefusesTheDirectoryOfAnotherHostAndSaysWhose) {
  MemoryDisk disk;
  { LogLife life(disk); }
  auto options = small_log();
  options.owner = "two";
  LogLife other(disk, options);
  EXPECT_FALSE(other.is_open());
  EXPECT_EQ(other.error.code, Code::wrong_owner);
  EXPECT_NE(other.error.text.find("belongs to the host 'one', and this is 'two'"), std::string::npos);
}

TEST(Recovery, RefusesADirectoryThatIsInUse) {
  MemoryDisk disk;
  LogLife life(disk);
  LogLife second(disk);
  EXPECT_TRUE(life.is_open());
  EXPECT_EQ(second.error.code, Code::busy);
}

TEST(Recovery, RefusesASegmentOfAnotherDirectory) {
  MemoryDisk disk;
  MemoryDisk other;
  auto options = small_log();
  options.new_directory_id = 78;
  { LogLife life(other, options); }
  {
    LogLife life(disk);
    write_a_little(life);
  }
  disk.bytes(path_of(1)) = other.bytes(path_of(1));
  disk.touched(path_of(1));
  auto found = reopen(disk);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::wrong_owner);
}

TEST(Recovery, RefusesTheFormatOfALaterBuildAndChangesNothing) {
  MemoryDisk disk;
  { LogLife life(disk); }
  auto identity = storage::encode_identity({.id = 77, .owner = "one"});
  identity.replace(identity.find("format 1"), 8, "format 2");
  disk.bytes("log/zraft.id") = identity;
  disk.touched("log/zraft.id");
  auto found = reopen(disk);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::unsupported);
  EXPECT_NE(found.error().text.find("run a newer build"), std::string::npos);
  EXPECT_EQ(disk.bytes("log/zraft.id"), identity);
}

TEST(Recovery, RefusesATermBelowThatOfTheLastEntry) {  // decision 10
  MemoryDisk disk;
  {
    LogLife life(disk);
    life.start(group_a);
    life.write(group_a, {.id = {}, .entries = {entry(group_a, 5, 1)}});  // without the term that it belongs to
    life.run();
  }
  auto found = reopen(disk);
  ASSERT_FALSE(found);
  EXPECT_EQ(found.error().code, Code::corrupt);
  EXPECT_NE(found.error().text.find("its last entry has term 5"), std::string::npos) << found.error().text;
}

}  // namespace
}  // namespace zraft::test
