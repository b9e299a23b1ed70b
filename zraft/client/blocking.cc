// SPDX-License-Identifier: Apache-2.0
//
// See blocking.h.
#include "zraft/client/blocking.h"

#include <random>

namespace zraft::client {

std::uint64_t seed_of_the_system() {
  std::random_device device;
  return (std::uint64_t{device()} << 32) | device();
}

}  // namespace zraft::client
