// SPDX-License-Identifier: Apache-2.0
//
// The table of sessions, as a snapshot holds it.
#include "fuzz/fuzzer.h"
#include "zraft/session/session_table.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  static_cast<void>(fuzz::expect_one_encoding(
      fuzz::view(data, size), [](BytesView input) { return session::SessionTable::decode(input, false); },
      [](const session::SessionTable& table) { return table.encode(); }));
  return 0;
}
