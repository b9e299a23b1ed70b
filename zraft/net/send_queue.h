// SPDX-License-Identifier: Apache-2.0
//
// What a link has still to write: frames as they stand in memory, header by header and piece by piece, handed to the
// system many at a time. Nothing is copied; a piece is let go when its last byte was taken. Knows no socket.
#pragma once

#include <cstddef>
#include <deque>
#include <span>

#include "zraft/net/frame.h"

namespace zraft::net {

class SendQueue {
 public:
  void push(node::FrameKind kind, Pieces body);

  // The bytes that come next, in order, as many pieces as `out` has room for. Gives how many it filled; the views
  // hold until the next call of push or consume.
  [[nodiscard]] std::size_t gather(std::span<BytesView> out) const;

  // The first `size` bytes are written. Requires: size <= bytes().
  void consume(std::size_t size);

  [[nodiscard]] bool is_empty() const { return bytes_ == 0; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  struct Outgoing {
    FrameHeader header;
    Pieces body;
    [[nodiscard]] BytesView part(std::size_t at) const {
      return at == 0 ? BytesView(header.data(), header.size()) : body[at - 1].bytes;
    }
    [[nodiscard]] std::size_t parts() const { return body.size() + 1; }
  };

  std::deque<Outgoing> frames_;
  std::size_t part_ = 0;    // of the first frame: where the next byte is
  std::size_t offset_ = 0;  // in that part
  std::size_t bytes_ = 0;
};

}  // namespace zraft::net
