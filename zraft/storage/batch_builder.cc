// SPDX-License-Identifier: Apache-2.0
//
// See batch_builder.h.
#include "zraft/storage/batch_builder.h"

#include <utility>

#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::storage {
namespace {

constexpr char zero_block[block_size] = {};

// Of static storage: nothing has to keep it alive.
Piece zeros(std::size_t length) { return {nullptr, BytesView(zero_block, length)}; }

}  // namespace

void BatchBuilder::add_small(std::size_t length) {
  const std::size_t offset = small_.size() - length;
  if (!parts_.empty() && parts_.back().owner == nullptr && parts_.back().offset + parts_.back().length == offset) {
    parts_.back().length += length;
  } else {
    parts_.push_back({.offset = offset, .length = length, .owner = nullptr, .record = {}});
  }
  size_ += length;
}

std::size_t BatchBuilder::begin(ItemKind kind, raft::GroupId group) {
  run_.reset();
  Encoder to(small_);
  to.u8(static_cast<std::uint8_t>(kind));
  to.raw(BytesView("\0\0\0", 3));
  const std::size_t length_at = small_.size();
  to.u32(0);
  to.u64(group.value);
  add_small(item_header_size);
  ++item_count_;
  return length_at;
}

void BatchBuilder::end(std::size_t length_at, std::size_t length) {
  Bytes field;
  Encoder(field).u32(static_cast<std::uint32_t>(length));
  small_.replace(length_at, field.size(), field);
}

void BatchBuilder::item(ItemKind kind, raft::GroupId group, BytesView payload) {
  const std::size_t length_at = begin(kind, group);
  small_.append(payload);
  add_small(payload.size());
  end(length_at, payload.size());
}

void BatchBuilder::hard_state(raft::GroupId group, const raft::HardState& state) {
  Bytes payload;
  encode_hard_state(state, payload);
  item(ItemKind::hard_state, group, payload);
}

void BatchBuilder::truncate(raft::GroupId group, raft::Index from) {
  Bytes payload;
  Encoder(payload).u64(from.value);
  item(ItemKind::truncate, group, payload);
}

void BatchBuilder::entry(raft::GroupId group, const raft::Record& record) {
  if (!run_ || run_->group != group) {
    const std::size_t length_at = begin(ItemKind::entries, group);
    run_ = OpenRun{group, length_at};
    run_length_ = 0;
  }
  parts_.push_back({.offset = 0, .length = 0, .owner = record.owner(), .record = record.bytes()});
  size_ += record.size();
  run_length_ += record.size();
  end(run_->length_at, run_length_);
}

void BatchBuilder::group_start(raft::GroupId group, const raft::SnapshotMeta& base) {
  Bytes payload;
  encode_base(base, payload);
  item(ItemKind::group_start, group, payload);
}

void BatchBuilder::group_end(raft::GroupId group) { item(ItemKind::group_end, group, {}); }

void BatchBuilder::carry(raft::GroupId group, const CarryItem& item_of_group) {
  Bytes payload;
  encode_hard_state(item_of_group.state, payload);
  Encoder(payload).u64(item_of_group.last.value);
  encode_base(item_of_group.base, payload);
  item(ItemKind::carry, group, payload);
}

void BatchBuilder::mark(raft::GroupId group, const raft::SnapshotMeta& base) {
  Bytes payload;
  encode_base(base, payload);
  item(ItemKind::mark, group, payload);
}

Pieces BatchBuilder::finish(BatchHeader& header) && {
  auto owner = std::make_shared<const Bytes>(std::move(small_));
  Pieces pieces;
  pieces.reserve(parts_.size() + 2);
  pieces.emplace_back();  // the header
  std::uint32_t checksum = 0;
  for (Part& part : parts_) {
    Piece piece{std::move(part.owner), part.record};
    if (piece.owner == nullptr) piece = {owner, BytesView(*owner).substr(part.offset, part.length)};
    checksum = crc32c(piece.bytes, checksum);
    pieces.push_back(std::move(piece));
  }
  header.body_length = static_cast<std::uint32_t>(size_);
  header.item_count = item_count_;
  header.body_checksum = checksum;
  pieces.front() = piece_of(encode_batch_header(header));
  const std::uint64_t padding = header.extent() - batch_header_size - size_;
  if (padding > 0) pieces.push_back(zeros(static_cast<std::size_t>(padding)));
  return pieces;
}

}  // namespace zraft::storage
