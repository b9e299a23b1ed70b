// SPDX-License-Identifier: Apache-2.0
//
// What a client asks of a host.
#include "fuzz/fuzzer.h"
#include "zraft/net/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  const auto request = fuzz::expect_one_encoding(
      fuzz::view(data, size), [](BytesView input) { return net::decode_request(input); },
      [](const net::Request& value) { return net::encode(value); });
  if (!request) return 0;
  if (const auto* query = std::get_if<net::Query>(&request->body)) {
    const auto kind = query->consistency;
    CHECK(net::Consistency::linearizable <= kind && kind <= net::Consistency::bounded,
          "a consistency is one that the host knows");
  }
  return 0;
}
