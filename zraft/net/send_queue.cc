// SPDX-License-Identifier: Apache-2.0
//
// See send_queue.h. A frame leaves the queue with its last byte, so the first frame always has bytes left.
#include "zraft/net/send_queue.h"

#include <utility>

#include "zraft/base/check.h"

namespace zraft::net {

void SendQueue::push(node::FrameKind kind, Pieces body) {
  const FrameHeader header = frame_header(kind, body);
  bytes_ += header.size() + size_of(body);
  frames_.push_back({header, std::move(body)});
}

std::size_t SendQueue::gather(std::span<BytesView> out) const {
  std::size_t filled = 0;
  std::size_t part = part_;
  std::size_t offset = offset_;
  for (const Outgoing& frame : frames_) {
    for (; part < frame.parts(); ++part, offset = 0) {
      if (filled == out.size()) return filled;
      const BytesView bytes = frame.part(part).substr(offset);
      if (!bytes.empty()) out[filled++] = bytes;
    }
    part = 0;
  }
  return filled;
}

void SendQueue::consume(std::size_t size) {
  CHECK(size <= bytes_, "more was written than there was");
  bytes_ -= size;
  while (!frames_.empty()) {
    Outgoing& frame = frames_.front();
    const std::size_t left = frame.part(part_).size() - offset_;
    if (size < left) {
      offset_ += size;
      return;
    }
    size -= left;
    offset_ = 0;
    if (part_ > 0) frame.body[part_ - 1].owner.reset();
    if (++part_ < frame.parts()) continue;
    frames_.pop_front();
    part_ = 0;
  }
}

}  // namespace zraft::net
