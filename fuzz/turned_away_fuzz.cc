// SPDX-License-Identifier: Apache-2.0
//
// The word of a host that a message is for nobody.
#include "fuzz/fuzzer.h"
#include "zraft/net/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  static_cast<void>(fuzz::expect_one_encoding(fuzz::view(data, size), net::decode_turned_away,
                                              [](const net::TurnedAway& value) { return net::encode(value); }));
  return 0;
}
