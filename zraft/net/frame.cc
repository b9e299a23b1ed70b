// SPDX-License-Identifier: Apache-2.0
//
// Frames: the header, and the reader that waits for the rest.
#include "zraft/net/frame.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::net {
namespace {

constexpr std::uint16_t magic = 0x465a;
constexpr std::uint8_t version = 1;
constexpr std::size_t checksummed_header = 12;
static_assert(checksummed_header + sizeof(std::uint32_t) == frame_header_size);
// Taken for a body at once: that of a snapshot's chunk fits, with its head. A longer one makes room as it comes.
constexpr std::size_t reserve_max = (std::size_t{1} << 20) + 64;

FrameHeader make_header(node::FrameKind kind, std::size_t size, std::uint32_t checksum) {
  CHECK(size <= std::numeric_limits<std::uint32_t>::max(), "a frame is bounded before it comes here");
  Bytes bytes;
  Encoder to(bytes);
  to.u16(magic);
  to.u8(version);
  to.u8(static_cast<std::uint8_t>(kind));
  to.u32(static_cast<std::uint32_t>(size));
  to.u32(checksum);
  to.u32(crc32c(bytes));
  FrameHeader header;
  std::ranges::copy(bytes, header.begin());
  return header;
}

}  // namespace

FrameHeader frame_header(node::FrameKind kind, const Pieces& body) {
  std::uint32_t checksum = 0;
  for (const Piece& piece : body) checksum = crc32c(piece.bytes, checksum);
  return make_header(kind, size_of(body), checksum);
}

FrameHeader frame_header(node::FrameKind kind, BytesView head, const node::FilePart& part) {
  return make_header(kind, head.size() + part.length, crc32c_combine(crc32c(head), part.checksum, part.length));
}

Result<> FrameReader::read_header() {
  const BytesView bytes(header_.data(), header_.size());
  Decoder from(bytes);
  const std::uint16_t found_magic = from.u16();
  const std::uint8_t found_version = from.u8();
  const std::uint8_t kind = from.u8();
  body_size_ = from.u32();
  checksum_ = from.u32();
  if (found_magic != magic) return fail(Code::corrupt, "these are no frames of zraft");
  if (from.u32() != crc32c(bytes.substr(0, checksummed_header))) {
    return fail(Code::corrupt, "a frame's header was damaged on its way");
  }
  if (found_version != version) {
    return fail(Code::unsupported, "frames of layout " + std::to_string(found_version) +
                                       "; this build reads layout 1: run builds that have one in common");
  }
  if (kind < static_cast<std::uint8_t>(node::FrameKind::hello) ||
      kind > static_cast<std::uint8_t>(node::FrameKind::watch_event)) {
    return fail(Code::unsupported, "a frame of the unknown kind " + std::to_string(kind));
  }
  if (body_size_ > body_max_) {
    return fail(Code::too_large, "a frame of " + std::to_string(body_size_) + " bytes; the limit is " +
                                     std::to_string(body_max_));
  }
  kind_ = static_cast<node::FrameKind>(kind);
  return {};
}

Result<std::optional<Frame>> FrameReader::take(BytesView& input) {
  if (failed_) return std::unexpected(*failed_);
  if (header_size_ < frame_header_size) {
    const BytesView part = input.substr(0, frame_header_size - header_size_);
    std::ranges::copy(part, header_.begin() + static_cast<std::ptrdiff_t>(header_size_));
    header_size_ += part.size();
    input.remove_prefix(part.size());
    if (header_size_ < frame_header_size) return std::nullopt;
    if (auto read = read_header(); !read) {
      failed_ = read.error();
      return fail(read);
    }
    body_.reserve(std::min(body_size_, std::max(reserve_max, input.size())));
  }
  const BytesView part = input.substr(0, body_size_ - body_.size());
  body_.append(part);
  input.remove_prefix(part.size());
  if (body_.size() < body_size_) return std::nullopt;
  if (crc32c(body_) != checksum_) {
    failed_ = Error{Code::corrupt, "a frame's body was damaged on its way"};
    return std::unexpected(*failed_);
  }
  header_size_ = 0;
  return Frame{kind_, std::make_shared<const Bytes>(std::exchange(body_, {}))};
}

}  // namespace zraft::net
