// SPDX-License-Identifier: Apache-2.0
//
// A backup from front to end, and its header alone.
#include "cli/backup_format.h"
#include "fuzz/fuzzer.h"
#include "fuzz/mend.h"

namespace {

using namespace zraft;

void read_to_the_end(BytesView backup) {
  auto reader = cli::BackupReader::open([&](std::uint64_t offset, std::size_t length) -> Result<Bytes> {
    return offset < backup.size() ? Bytes(backup.substr(offset, length)) : Bytes();
  });
  if (!reader) return fuzz::expect_refusal(reader.error());
  std::uint64_t bytes = 0;
  while (!reader->is_at_end()) {
    const auto chunk = reader->next();
    if (!chunk) return fuzz::expect_refusal(chunk.error());
    bytes += chunk->size();
  }
  CHECK(bytes == reader->header().manifest.bytes(), "every byte of every file came");
  CHECK(reader->offset() <= backup.size(), "it read what was there");
  if (const auto ended = reader->finish(); !ended) fuzz::expect_refusal(ended.error());
}

// The checksums of the head, the header and each chunk, where they would stand.
void mend_backup(std::span<char> bytes) {
  if (bytes.size() < cli::backup_head_size) return;
  fuzz::put_u32(bytes, 20, crc32c(fuzz::view(bytes.first(20))));
  const auto length = cli::backup_header_length(fuzz::view(bytes));
  if (!length || *length > bytes.size()) return;
  fuzz::mend_trailer(bytes.first(*length));
  std::span<char> rest = bytes.subspan(*length);
  while (rest.size() >= 8) {
    const std::size_t frame = std::min<std::size_t>(rest.size() - 8, fuzz::u32_at(rest, 0));
    fuzz::put_u32(rest, 4, crc32c(fuzz::view(rest.subspan(8, frame)), crc32c(fuzz::view(rest.first(4)))));
    rest = rest.subspan(8 + frame);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const BytesView input = fuzz::view(data, size);
  read_to_the_end(input);
  fuzz::expect_one_encoding(input, cli::decode_backup_header,
                            [](const cli::BackupHeader& value) { return cli::encode(value); });
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return zraft::fuzz::mutate_and_mend(data, size, size_max, seed, mend_backup);
}
