// SPDX-License-Identifier: Apache-2.0
//
// How a segment is made, from nothing and from a spare: its file has the size that its header says, or the next start
// takes the log for damaged.
#include "zraft/storage/segment.h"

#include <gtest/gtest.h>

#include "test/storage/manual_loop.h"
#include "test/storage/memory_files.h"
#include "zraft/storage/wal_format.h"

namespace zraft::test {
namespace {

constexpr std::uint64_t small_size = std::uint64_t{64} << 10;
constexpr std::uint64_t large_size = std::uint64_t{256} << 10;

// 1. A host runs with small segments and keeps one as a spare.  2. It, or `zraft recover`, opens the log with another
// size.  3. The spare becomes a segment.
TEST(Segment, ASpareOfAnotherSizeIsMadeAnew) {
  for (const std::uint64_t spare_size : {small_size, large_size, small_size + large_size}) {
    MemoryDisk disk;
    ManualLoop loop;
    MemoryFiles files(disk, loop);
    ASSERT_TRUE(files.make_directory("log"));
    auto spare = files.open("log/" + storage::spare_name(3), storage::OpenMode::create);
    ASSERT_TRUE(spare && (*spare)->preallocate(spare_size));
    const auto made = storage::make_segment(files, "log", 7, 5, large_size, storage::spare_name(3));
    ASSERT_TRUE(made) << made.error().text;
    EXPECT_EQ(made->file->size().value(), large_size);
    EXPECT_EQ(files.list("log").value(), std::vector<std::string>{storage::segment_name(5)});
    const auto header = storage::decode_segment_header(made->file->read(0, 4096).value());
    ASSERT_TRUE(header) << header.error().text;
    EXPECT_EQ(header->size, large_size);
  }
}

}  // namespace
}  // namespace zraft::test
