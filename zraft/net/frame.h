// SPDX-License-Identifier: Apache-2.0
//
// How a body travels: after a header of 16 bytes (docs/wire_format.md). Little-endian, checksums are CRC32C.
//
//   offset 0  u16  magic 0x465a ("ZF")       offset  8  u32  checksum of the body
//          2  u8   version of this layout, 1        12  u32  checksum of bytes 0..11
//          3  u8   kind (node::FrameKind)           16       body
//          4  u32  length of the body
//
// The header is checked before its length is believed, and the length against a limit before memory is taken for it.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "zraft/base/piece.h"
#include "zraft/base/result.h"
#include "zraft/node/network.h"

namespace zraft::net {

constexpr std::size_t frame_header_size = 16;
constexpr std::size_t frame_body_max = std::size_t{64} << 20;  // unless a setting says otherwise

using FrameHeader = std::array<char, frame_header_size>;

// Requires: the body is shorter than 4 GiB.
[[nodiscard]] FrameHeader frame_header(node::FrameKind kind, const Pieces& body);
// Of a body that is `head` and the part of a file behind it, which is not read for that.
[[nodiscard]] FrameHeader frame_header(node::FrameKind kind, BytesView head, const node::FilePart& part);

struct Frame {
  node::FrameKind kind = node::FrameKind::hello;
  SharedBytes body;
};

// Takes a stream apart, however it is cut.
class FrameReader {
 public:
  explicit FrameReader(std::size_t body_max = frame_body_max) : body_max_(body_max) {}

  // Takes bytes from the front of `input` until a frame is complete, or `input` is empty and nothing is given. The
  // memory taken grows with the bytes that came, not with the length that was announced.
  // Errors: corrupt, unsupported (another version of the layout), too_large. After one, every call gives it again.
  [[nodiscard]] Result<std::optional<Frame>> take(BytesView& input);

  // What the frame that is under way occupies.
  [[nodiscard]] std::size_t memory() const { return body_.capacity(); }

 private:
  [[nodiscard]] Result<> read_header();

  std::size_t body_max_;
  FrameHeader header_{};
  std::size_t header_size_ = 0;  // bytes of it that are here
  node::FrameKind kind_ = node::FrameKind::hello;
  std::size_t body_size_ = 0;
  std::uint32_t checksum_ = 0;
  Bytes body_;
  std::optional<Error> failed_;
};

}  // namespace zraft::net
