// SPDX-License-Identifier: Apache-2.0
//
// What a host answers to a client.
#include "fuzz/fuzzer.h"
#include "zraft/net/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  const auto reply = fuzz::expect_one_encoding(
      fuzz::view(data, size), [](BytesView input) { return net::decode_reply(input); },
      [](const net::Reply& value) { return net::encode(value); });
  if (reply) CHECK(name_of(reply->error.code) != "unknown", "a code is one that the client knows");
  return 0;
}
