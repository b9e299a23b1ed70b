// SPDX-License-Identifier: Apache-2.0
//
// Puts items together into one batch, ready to be written: small fields in one buffer of its own, records as they
// are in memory, not copied. Entries of one group that follow each other become one item.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "zraft/base/piece.h"
#include "zraft/storage/wal_format.h"

namespace zraft::storage {

class BatchBuilder {
 public:
  void hard_state(raft::GroupId group, const raft::HardState& state);
  void truncate(raft::GroupId group, raft::Index from);
  void entry(raft::GroupId group, const raft::Record& record);
  void group_start(raft::GroupId group, const raft::SnapshotMeta& base);
  void group_end(raft::GroupId group);
  void carry(raft::GroupId group, const CarryItem& item);
  void mark(raft::GroupId group, const raft::SnapshotMeta& base);

  [[nodiscard]] std::size_t size() const { return size_; }  // of the body
  [[nodiscard]] std::uint32_t item_count() const { return item_count_; }

  // Header, body and padding. Fills in what the header says about the body, and its checksum.
  [[nodiscard]] Pieces finish(BatchHeader& header) &&;

 private:
  // A stretch of the body: of small_, or a record.
  struct Part {
    std::size_t offset = 0;
    std::size_t length = 0;
    std::shared_ptr<const void> owner;
    BytesView record;
  };
  struct OpenRun {
    raft::GroupId group;
    std::size_t length_at;  // where in small_ the length of the item stands
  };

  // Starts an item, and gives where its length stands.
  std::size_t begin(ItemKind kind, raft::GroupId group);
  void end(std::size_t length_at, std::size_t length);
  void item(ItemKind kind, raft::GroupId group, BytesView payload);
  void add_small(std::size_t length);

  Bytes small_;
  std::vector<Part> parts_;
  std::optional<OpenRun> run_;
  std::size_t run_length_ = 0;
  std::size_t size_ = 0;
  std::uint32_t item_count_ = 0;
};

}  // namespace zraft::storage
