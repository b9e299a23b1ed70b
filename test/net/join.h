// SPDX-License-Identifier: Apache-2.0
//
// Gathered bytes as one string, as the other side of a link will see them, and bytes as hexadecimal text and back.
#pragma once

#include "zraft/base/piece.h"

namespace zraft::net::test {

[[nodiscard]] inline Bytes join(const Pieces& pieces) {
  Bytes joined;
  for (const Piece& piece : pieces) joined.append(piece.bytes);
  return joined;
}

[[nodiscard]] inline std::string hex(BytesView bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : bytes) {
    if (!out.empty()) out += ' ';
    out += digits[static_cast<unsigned char>(c) >> 4];
    out += digits[static_cast<unsigned char>(c) & 15];
  }
  return out;
}

}  // namespace zraft::net::test
