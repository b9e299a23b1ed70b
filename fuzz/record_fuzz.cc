// SPDX-License-Identifier: Apache-2.0
//
// A record with anything behind it. It is a prefix of the input, its header alone says the same of it, and making it
// anew from its fields gives the same bytes.
#include "fuzz/fuzzer.h"
#include "fuzz/mend.h"
#include "zraft/raft/record.h"

namespace zraft::fuzz {
namespace {

void run(BytesView input) {
  const auto parse = [](BytesView bytes) { return raft::Record::parse(nullptr, bytes); };
  const auto record = decode_within(input, memory_besides, parse);
  const auto header = raft::Record::parse_header(input);
  if (!record) {
    expect_refusal(record.error());
    if (!header) CHECK(header.error() == record.error(), "a wrong header is told the same way");
    return;
  }
  CHECK(header.has_value() && header->group() == record->group() && header->position() == record->position() &&
            header->type() == record->type() && header->time() == record->time() &&
            header->payload_checksum() == record->payload_checksum(),
        "the header alone says the same");
  CHECK(input.starts_with(record->bytes()) && record->is_intact(), "a record is the front of what it was read from");
  const auto again =
      raft::Record::make(record->group(), record->position(), record->type(), record->time(), record->payload());
  CHECK(again.bytes() == record->bytes(), "a record has one encoding");
}

}  // namespace
}  // namespace zraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  zraft::fuzz::run(zraft::fuzz::view(data, size));
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return zraft::fuzz::mutate_and_mend(data, size, size_max, seed, zraft::fuzz::mend_records);
}
