// SPDX-License-Identifier: Apache-2.0
//
// Entries of the log for the layer of sessions.
#include "fuzz/fuzzer.h"
#include "zraft/session/entry.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  const auto entry = fuzz::expect_one_encoding(
      fuzz::view(data, size), [](BytesView input) { return session::decode_entry(input); },
      [](const session::Entry& value) { return session::encode(value); });
  if (entry) static_cast<void>(session::admit(*entry));
  return 0;
}
