// SPDX-License-Identifier: Apache-2.0
//
// CRC32C (Castagnoli), as in iSCSI and ext4: by the processor's instruction where it has one, else by table. Both
// give the same number, so files and frames move between machines.
#pragma once

#include <cstdint>

#include "zraft/base/bytes.h"

namespace zraft {

// The checksum of `data`, or of what `previous` covered followed by `data`.
[[nodiscard]] std::uint32_t crc32c(BytesView data, std::uint32_t previous = 0);

// The checksum of two parts, one behind the other, from those of the parts alone. It takes no longer for long parts.
[[nodiscard]] std::uint32_t crc32c_combine(std::uint32_t first, std::uint32_t second, std::uint64_t second_length);

// The table version, for the test that holds the two against each other.
[[nodiscard]] std::uint32_t crc32c_by_table(BytesView data, std::uint32_t previous = 0);

}  // namespace zraft
