// SPDX-License-Identifier: Apache-2.0
//
// The manifest of a snapshot, from a disk and from the wire.
#include "fuzz/fuzzer.h"
#include "fuzz/mend.h"
#include "zraft/storage/snapshot_format.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  const auto manifest =
      fuzz::expect_one_encoding(fuzz::view(data, size), storage::decode_manifest,
                                [](const storage::SnapshotManifest& value) { return storage::encode(value); });
  if (!manifest) return 0;
  CHECK(storage::decode_manifest(storage::encode(*manifest)) == manifest, "it comes back as it was");
  CHECK(manifest->bytes() <= size / 4 * storage::snapshot_chunk_size, "there is a checksum for each chunk");
  for (const storage::SnapshotFile& file : manifest->files) {
    CHECK(storage::is_snapshot_file_name(file.name), "no name leads elsewhere");
  }
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return zraft::fuzz::mutate_and_mend(data, size, size_max, seed, zraft::fuzz::mend_trailer);
}
