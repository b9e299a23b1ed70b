// SPDX-License-Identifier: Apache-2.0
//
// The handshake, and what the two sides make of each other's versions: both come to the same one, and both speak it.
#include "fuzz/fuzzer.h"
#include "zraft/net/wire.h"

namespace zraft::fuzz {
namespace {

void expect_agreement(const net::Hello& ours, const net::Hello& theirs) {
  const auto version = net::agree(ours, theirs);
  const auto seen_from_there = net::agree(theirs, ours);
  CHECK(version.has_value() == seen_from_there.has_value(), "both sides go on, or both refuse");
  if (!version) return expect_refusal(version.error());
  CHECK(*version == *seen_from_there, "both sides come to one version");
  for (const net::Hello* hello : {&ours, &theirs}) {
    CHECK(hello->version_oldest <= *version && *version <= hello->version, "both sides speak it");
  }
}

void run(BytesView input) {
  const auto hello =
      expect_one_encoding(input, net::decode_hello, [](const net::Hello& value) { return net::encode(value); });
  if (!hello) return;
  CHECK(hello->role == net::Hello::Role::host || hello->role == net::Hello::Role::client, "a role is a known one");
  CHECK(hello->name.size() <= 256, "a name has its limit");
  expect_agreement({}, *hello);
  expect_agreement({.version = 300, .version_oldest = 2}, *hello);
}

}  // namespace
}  // namespace zraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  zraft::fuzz::run(zraft::fuzz::view(data, size));
  return 0;
}
