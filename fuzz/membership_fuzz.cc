// SPDX-License-Identifier: Apache-2.0
//
// A membership, as it stands in records, requests, statuses and the log's bases. What is taken keeps its laws.
#include "fuzz/fuzzer.h"
#include "zraft/raft/types.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  const auto membership =
      fuzz::expect_one_encoding(fuzz::view(data, size), raft::decode_membership, [](const raft::Membership& value) {
        Bytes out;
        raft::encode(value, out);
        return out;
      });
  if (!membership) return 0;
  CHECK(membership->valid().has_value(), "a membership that was decoded keeps its laws");
  for (const raft::Member& member : membership->members) {
    CHECK(membership->find(member.id) == &member, "every member is found by its id");
  }
  return 0;
}
