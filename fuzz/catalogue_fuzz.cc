// SPDX-License-Identifier: Apache-2.0
//
// The list of the peers of a host.
#include "fuzz/fuzzer.h"
#include "fuzz/mend.h"
#include "zraft/host/catalogue.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  const auto catalogue = fuzz::expect_one_encoding(fuzz::view(data, size), host::decode_catalogue,
                                                   [](const host::Catalogue& value) { return host::encode(value); });
  if (catalogue) CHECK(host::decode_catalogue(host::encode(*catalogue)) == catalogue, "it comes back as it was");
  return 0;
}

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t size_max,
                                               unsigned seed) {
  return zraft::fuzz::mutate_and_mend(data, size, size_max, seed, zraft::fuzz::mend_trailer);
}
