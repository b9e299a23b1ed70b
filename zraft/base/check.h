// SPDX-License-Identifier: Apache-2.0
//
// CHECK is for our own bugs only: always on, prints what and why, aborts. What the world or a peer can cause is a
// value (base/result.h), never a CHECK.
#pragma once

#include <string_view>

namespace zraft {

[[noreturn]] void check_failed(const char* file, int line, const char* claim, std::string_view why);

}  // namespace zraft

// CHECK(claim, why): `why` is evaluated only when the claim does not hold.
#define CHECK(claim, why)                                                   \
  do {                                                                      \
    if (!(claim)) [[unlikely]]                                              \
      ::zraft::check_failed(__FILE__, __LINE__, #claim, (why));             \
  } while (false)

#define UNREACHABLE(why) ::zraft::check_failed(__FILE__, __LINE__, "unreachable", (why))
