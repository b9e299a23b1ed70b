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
  frames_.push_back({header, std::move(body), {}});
}

void SendQueue::push_file(node::FrameKind kind, Bytes head, node::FilePart part) {
  CHECK(part.file != nullptr && part.length > 0 && part.length <= part.file->size() &&
            part.offset <= part.file->size() - part.length,
        "a part lies within its file and is not empty");
  const FrameHeader header = frame_header(kind, head, part);
  bytes_ += header.size() + head.size() + part.length;
  frames_.push_back({header, {piece_of(std::move(head))}, std::move(part)});
}

std::size_t SendQueue::gather(std::span<BytesView> out) const {
  std::size_t filled = 0;
  std::size_t part = part_;
  std::size_t offset = offset_;
  for (const Outgoing& frame : frames_) {
    for (; part < frame.parts(); ++part, offset = 0) {
      if (filled == out.size() || frame.is_file(part)) return filled;
      const BytesView bytes = frame.part(part).substr(offset);
      if (!bytes.empty()) out[filled++] = bytes;
    }
    part = 0;
  }
  return filled;
}

std::optional<SendQueue::FileBytes> SendQueue::next_file() const {
  if (frames_.empty() || !frames_.front().is_file(part_)) return std::nullopt;
  const node::FilePart& file = frames_.front().file;
  return FileBytes{file.file.get(), file.offset + offset_, file.length - offset_};
}

void SendQueue::consume(std::size_t size) {
  CHECK(size <= bytes_, "more was written than there was");
  bytes_ -= size;
  while (!frames_.empty()) {
    Outgoing& frame = frames_.front();
    const std::size_t left = frame.size_of_part(part_) - offset_;
    if (size < left) {
      offset_ += size;
      return;
    }
    size -= left;
    offset_ = 0;
    if (part_ > 0 && !frame.is_file(part_)) frame.body[part_ - 1].owner.reset();
    if (++part_ < frame.parts()) continue;
    frames_.pop_front();
    part_ = 0;
  }
}

}  // namespace zraft::net
