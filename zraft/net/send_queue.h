// SPDX-License-Identifier: Apache-2.0
//
// What a link has still to write: frames as they stand in memory, header by header and piece by piece, handed to the
// system many at a time; and parts of files, each the end of its frame, which the system takes from the file itself.
// Nothing is copied; a piece or a file is let go when its last byte was taken. Knows no socket.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <span>

#include "zraft/net/frame.h"

namespace zraft::net {

class SendQueue {
 public:
  // Of a file that comes next: what is left of the part.
  struct FileBytes {
    node::SendableFile* file = nullptr;
    std::uint64_t offset = 0;
    std::size_t length = 0;
  };

  void push(node::FrameKind kind, Pieces body);
  void push_file(node::FrameKind kind, Bytes head, node::FilePart part);

  // The bytes that come next, in order and up to the next file, as many pieces as `out` has room for. Gives how many
  // it filled; the views hold until the next call of push or consume.
  [[nodiscard]] std::size_t gather(std::span<BytesView> out) const;
  // Nothing: bytes in memory come next.
  [[nodiscard]] std::optional<FileBytes> next_file() const;

  // The first `size` bytes are written. Requires: size <= bytes().
  void consume(std::size_t size);

  [[nodiscard]] bool is_empty() const { return bytes_ == 0; }
  [[nodiscard]] std::size_t bytes() const { return bytes_; }

 private:
  // Its parts: the header, the pieces, and the part of a file if there is one.
  struct Outgoing {
    FrameHeader header;
    Pieces body;
    node::FilePart file;  // null: none
    [[nodiscard]] bool is_file(std::size_t at) const { return at > body.size(); }
    // Requires: it is no file.
    [[nodiscard]] BytesView part(std::size_t at) const {
      return at == 0 ? BytesView(header.data(), header.size()) : body[at - 1].bytes;
    }
    [[nodiscard]] std::size_t size_of_part(std::size_t at) const { return is_file(at) ? file.length : part(at).size(); }
    [[nodiscard]] std::size_t parts() const { return body.size() + (file.file != nullptr ? 2 : 1); }
  };

  std::deque<Outgoing> frames_;
  std::size_t part_ = 0;    // of the first frame: where the next byte is
  std::size_t offset_ = 0;  // in that part
  std::size_t bytes_ = 0;
};

}  // namespace zraft::net
