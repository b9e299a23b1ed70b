// SPDX-License-Identifier: Apache-2.0
//
// Bytes to be written, gathered from several places without a copy. Each piece keeps what it borrows from alive.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "zraft/base/bytes.h"

namespace zraft {

struct Piece {
  std::shared_ptr<const void> owner;
  BytesView bytes;
};

using Pieces = std::vector<Piece>;

[[nodiscard]] inline Piece piece_of(Bytes bytes) {
  auto owner = std::make_shared<const Bytes>(std::move(bytes));
  const BytesView view = *owner;
  return {std::move(owner), view};
}

[[nodiscard]] inline std::size_t size_of(const Pieces& pieces) {
  std::size_t size = 0;
  for (const Piece& piece : pieces) size += piece.bytes.size();
  return size;
}

}  // namespace zraft
