// SPDX-License-Identifier: Apache-2.0
//
// What stands at the head of things on the disk: segments, batches, the identity of the directory, names of files. The
// items of batches, and what start-up makes of it all, are wal_fuzz's.
#include "fuzz/fuzzer.h"
#include "fuzz/mend.h"
#include "zraft/storage/directory.h"
#include "zraft/storage/segment.h"
#include "zraft/storage/wal_format.h"

namespace zraft::fuzz {
namespace {

constexpr std::size_t segment_checked = 40;
constexpr std::size_t batch_checked = 60;

void run(BytesView input) {
  if (const auto segment = decode_within(input, memory_besides, storage::decode_segment_header)) {
    const Bytes again = storage::encode_segment_header(*segment);
    CHECK(again.substr(0, segment_checked + 4) == input.substr(0, segment_checked + 4), "a segment has one header");
  } else {
    expect_refusal(segment.error());
  }
  if (auto batch = decode_within(input, memory_besides, storage::decode_batch_header)) {
    CHECK(storage::encode_batch_header(*batch) == input.substr(0, storage::batch_header_size),
          "a batch has one header");
  } else {
    expect_refusal(batch.error());
  }
  if (const auto identity = decode_within(input, memory_besides, storage::decode_identity)) {
    CHECK(storage::decode_identity(storage::encode_identity(*identity)) == *identity, "it comes back as it was");
  } else {
    expect_refusal(identity.error());
  }
  if (const auto number = storage::parse_segment_name(input)) {
    CHECK(storage::segment_name(*number) == input, "a segment has one name");
    CHECK(!storage::parse_spare_name(input), "a segment is no spare");
  }
  if (const auto number = storage::parse_spare_name(input)) CHECK(storage::spare_name(*number) == input, "as above");
}

// As whichever of the two headers it looks like.
void mend(std::span<char> bytes) {
  if (bytes.size() > segment_checked + 4 && bytes[0] == 'z') {
    put_u32(bytes, segment_checked, crc32c(view(bytes.first(segment_checked))));
  } else if (bytes.size() >= batch_checked + 4) {
    put_u32(bytes, batch_checked, crc32c(view(bytes.first(batch_checked))));
  }
}

}  // namespace
}  // namespace zraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  zraft::fuzz::run(zraft::fuzz::view(data, size));
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return zraft::fuzz::mutate_and_mend(data, size, size_max, seed, zraft::fuzz::mend);
}
