// SPDX-License-Identifier: Apache-2.0
//
// "host:port" taken apart. A host is a name, an IPv4 address, or an IPv6 address in brackets; a port is a number
// without leading zeros. One address has one form, so that two of them can be compared as text.
#pragma once

#include <cstdint>
#include <string>

#include "zraft/base/bytes.h"
#include "zraft/base/result.h"

namespace zraft::net {

struct Address {
  std::string host;        // without brackets
  std::uint16_t port = 0;  // 0 asks the listener for any free one
};

// Errors: bad_request, naming what is wrong.
[[nodiscard]] Result<Address> parse_address(BytesView text);

// The reverse; an IPv6 host gets its brackets.
[[nodiscard]] std::string to_text(const Address& address);

}  // namespace zraft::net
