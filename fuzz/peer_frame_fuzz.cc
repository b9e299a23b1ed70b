// SPDX-License-Identifier: Apache-2.0
//
// Raft messages of a peer, with the records that an Append carries. Records borrow from the input and are whole.
#include "fuzz/fuzzer.h"
#include "fuzz/mend.h"
#include "zraft/net/wire.h"

namespace zraft::fuzz {
namespace {

constexpr std::size_t group_size = 8;
constexpr std::size_t number_at = 32;
constexpr char number_of_append = 5;
constexpr std::size_t records_at = number_at + 1 + 8 + 8 + 8 + 4;  // previous, commit, count
constexpr std::size_t record_group_at = 8;

// The records of an Append get the group of their frame and right checksums.
void mend(std::span<char> bytes) {
  if (bytes.size() < records_at || bytes[number_at] != number_of_append) return;
  std::span<char> records = bytes.subspan(records_at);
  for (std::span<char> rest = records; rest.size() >= raft::record_header_size;) {
    std::ranges::copy(bytes.first(group_size), rest.subspan(record_group_at).begin());
    rest = rest.subspan(raft::record_header_size);
    rest = rest.subspan(std::min<std::size_t>(
        rest.size(),
        u32_at(bytes, static_cast<std::size_t>(rest.data() - bytes.data()) - raft::record_header_size + 4)));
  }
  mend_records(records);
}

Bytes encoded(const net::PeerFrame& frame) {
  Bytes out;
  for (const Piece& piece : net::encode(frame)) out += piece.bytes;
  return out;
}

void run(BytesView input) {
  const auto bytes = std::make_shared<const Bytes>(input);
  const auto frame = expect_one_encoding(
      *bytes, [](BytesView body) { return net::decode_peer_frame(std::make_shared<const Bytes>(body)); }, encoded);
  if (!frame) return;
  const auto* append = std::get_if<raft::Append>(&frame->message.body);
  if (append == nullptr) return;
  for (const raft::Record& record : append->entries) {
    CHECK(record.group() == frame->group, "P57: a frame carries records of its own group");
    CHECK(record.is_intact(), "a record that was taken is whole");
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
