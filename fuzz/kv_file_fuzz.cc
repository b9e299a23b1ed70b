// SPDX-License-Identifier: Apache-2.0
//
// The file of a snapshot of the backend `memory`.
#include "fuzz/fuzzer.h"
#include "fuzz/mend.h"
#include "test/machines/memory_snapshot.h"
#include "zraft/machines/kv_file.h"

namespace zraft::fuzz {
namespace {

Result<machines::CowMap> decode(BytesView input) {
  const test::SnapshotFiles files{{machines::kv_file_name, Bytes(input)}};
  test::MemorySnapshotReader reader(files);
  return machines::read_kv_file(reader);
}

Bytes encode(const machines::CowMap& values) {
  test::MemorySnapshotWriter writer;
  CHECK(machines::write_kv_file(values, writer).has_value(), "memory takes everything");
  return writer.files[machines::kv_file_name];
}

// Behind the header come blocks and the end, each a length and that many bytes (8 at the end) before a checksum of
// everything so far.
void mend(std::span<char> bytes) {
  std::size_t at = machines::kv_file_magic.size() + 2;
  while (bytes.size() >= at + 4) {
    const std::size_t length = u32_at(bytes, at);
    const std::size_t left = bytes.size() - at - 4;
    const std::size_t covered = length == 0 ? 8 : length;
    if (left < covered || left - covered < 4) return;
    at += 4 + covered;
    put_u32(bytes, at, crc32c(view(bytes.first(at))));
    at += 4;
    if (length == 0) return;
  }
}

}  // namespace
}  // namespace zraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  static_cast<void>(fuzz::expect_one_encoding(fuzz::view(data, size), fuzz::decode, fuzz::encode));
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return zraft::fuzz::mutate_and_mend(data, size, size_max, seed, zraft::fuzz::mend);
}
