// SPDX-License-Identifier: Apache-2.0
//
// How a failed CHECK ends the process: one line on standard error, then abort (a core dump shows the rest).
#include "zraft/base/check.h"

#include <cstdio>
#include <cstdlib>

namespace zraft {

void check_failed(const char* file, int line, const char* claim, std::string_view why) {
  std::fprintf(stderr, "%s:%d: CHECK failed: %s: %.*s\n", file, line, claim, static_cast<int>(why.size()), why.data());
  std::fflush(stderr);
  std::abort();
}

}  // namespace zraft
