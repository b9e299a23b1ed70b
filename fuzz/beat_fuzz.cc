// SPDX-License-Identifier: Apache-2.0
//
// The word of a host that it lives.
#include "fuzz/fuzzer.h"
#include "zraft/net/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  static_cast<void>(fuzz::expect_one_encoding(fuzz::view(data, size), net::decode_beat,
                                              [](const net::Beat& value) { return net::encode(value); }));
  return 0;
}
