// SPDX-License-Identifier: Apache-2.0
//
// What is said about a snapshot on its way. The data of a chunk borrows from the input, is not empty, and is what
// stands behind its head.
#include "fuzz/fuzzer.h"
#include "zraft/net/wire_bulk.h"

namespace zraft::fuzz {
namespace {

Bytes encoded(const net::BulkMessage& message) {
  Bytes out = net::encode(message);
  if (const auto* chunk = std::get_if<net::SnapshotChunk>(&message)) out += chunk->data;
  return out;
}

void run(BytesView input) {
  const auto message = expect_one_encoding(input, net::decode_bulk, encoded);
  if (!message) return;
  if (const auto* chunk = std::get_if<net::SnapshotChunk>(&*message)) {
    CHECK(!chunk->data.empty(), "a chunk has bytes");
    CHECK(chunk->data.data() + chunk->data.size() == input.data() + input.size(), "they are the end of the frame");
  }
  if (const auto* offered = std::get_if<net::SnapshotOffered>(&*message)) {
    CHECK(name_of(offered->error.code) != "unknown", "a code is one that the other side knows");
    CHECK((offered->error.code == Code::ok) != offered->manifest.empty(), "there is a manifest or a reason");
  }
}

}  // namespace
}  // namespace zraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  zraft::fuzz::run(zraft::fuzz::view(data, size));
  return 0;
}
