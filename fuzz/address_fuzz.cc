// SPDX-License-Identifier: Apache-2.0
//
// Addresses and names of peers, which come from the wire within memberships. An address has one form, so that two of
// them can be compared as text.
#include "fuzz/fuzzer.h"
#include "zraft/net/address.h"
#include "zraft/net/wire.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  const BytesView input = fuzz::view(data, size);
  (void)fuzz::expect_one_encoding(input, net::parse_address,
                                  [](const net::Address& address) { return net::to_text(address); });
  const auto peer = fuzz::expect_one_encoding(input, net::parse_peer,
                                              [](const net::PeerName& name) { return name.name + "@" + name.address; });
  if (peer) CHECK(net::parse_address(peer->address).has_value(), "the address of a peer is one");
  return 0;
}
