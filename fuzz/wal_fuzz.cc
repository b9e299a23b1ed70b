// SPDX-License-Identifier: Apache-2.0
//
// Start-up on arbitrary bytes. It gives the groups or an error, never anything else; what it refuses it does not
// touch; what it accepts it accepts the same way again.
#include <cstdint>

#include "fuzz/wal_input.h"
#include "test/storage/groups.h"
#include "test/storage/manual_loop.h"
#include "test/storage/memory_files.h"
#include "zraft/base/check.h"
#include "zraft/storage/directory.h"
#include "zraft/storage/recovery.h"
#include "zraft/storage/segment.h"

namespace zraft {
namespace {

void put(test::MemoryFiles& files, const std::string& path, BytesView content) {
  auto file = files.open(path, storage::OpenMode::create);
  CHECK(file && (*file)->write_now(0, content) && (*file)->sync(), "a disk in memory takes everything");
}

void run(BytesView input) {
  const std::string path = "log/" + storage::segment_name(1);
  const storage::Identity identity{.id = fuzz::directory_id, .owner = "one"};
  test::MemoryDisk disk;
  test::ManualLoop loop;
  test::MemoryFiles files(disk, loop);
  const Bytes segment = fuzz::segment_of(input);
  put(files, path, segment);
  auto first = storage::recover(files, "log", identity);
  if (!first) {
    CHECK(disk.bytes(path) == segment, "a refusal changes nothing");
    return;
  }
  auto second = storage::recover(files, "log", identity);
  CHECK(second.has_value(), second.error().text);
  CHECK(test::describe(first->groups) == test::describe(second->groups), "the same log is the same twice");
  CHECK(second->story.empty(), "what was cut is gone");
}

}  // namespace
}  // namespace zraft

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  zraft::run({reinterpret_cast<const char*>(data), size});
  return 0;
}
