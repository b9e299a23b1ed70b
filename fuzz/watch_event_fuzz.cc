// SPDX-License-Identifier: Apache-2.0
//
// What a host tells a client of a watch.
#include "fuzz/fuzzer.h"
#include "zraft/net/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  const auto event = fuzz::expect_one_encoding(fuzz::view(data, size), net::decode_watch_event,
                                               [](const net::WatchEvent& value) { return net::encode(value); });
  if (event) {
    CHECK(event->changes.empty() != (event->what == net::WatchEvent::What::changed), "what changed is in the event");
  }
  return 0;
}
