// SPDX-License-Identifier: Apache-2.0
//
// Follows the batches of a log and builds up what they say, group by group. Knows nothing of files: it is given the
// bytes of one segment after the other.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "zraft/raft/core.h"
#include "zraft/storage/ledger.h"

namespace zraft::storage {

// A segment in memory: a whole file.
struct LoadedSegment {
  std::uint64_t number = 0;
  Bytes bytes;
};

class LogReader {
 public:
  explicit LogReader(std::uint64_t directory_id) : directory_(directory_id) {}

  // Follows the batches of the next segment from its start, and gives the offset behind the last one that belongs to
  // the log; first_batch_offset if there is none. Errors: corrupt, unsupported.
  Result<std::uint64_t> read(const LoadedSegment& segment);

  // The header of a batch of this log at that offset, if it is one: right checksum, right place.
  [[nodiscard]] std::optional<BatchHeader> header_at(const LoadedSegment& segment, std::uint64_t offset) const;

  // What each group has, once everything was read. Errors: corrupt.
  Result<std::map<raft::GroupId, raft::Recovered>> take_groups();

  [[nodiscard]] const Ledger& ledger() const { return ledger_; }
  [[nodiscard]] std::uint64_t sequence() const { return sequence_; }  // of the last batch read
  [[nodiscard]] std::uint32_t chain() const { return chain_; }
  [[nodiscard]] std::uint64_t claimed() const { return claimed_; }

 private:
  using Entries = std::deque<raft::Record>;

  [[nodiscard]] bool is_first_segment() const { return first_ == segment_; }
  // The header at `offset` if it is the next batch, whole; nothing if the log ends here.
  Result<std::optional<BatchHeader>> next_batch(const LoadedSegment& segment, std::uint64_t offset) const;
  Result<> apply(const BatchHeader& header, BytesView body, bool starts_segment);
  Result<> apply(raft::GroupId group, const HardStateItem& item);
  Result<> apply(raft::GroupId group, const TruncateItem& item);
  Result<> apply(raft::GroupId group, const EntriesItem& item);
  Result<> apply(raft::GroupId group, const GroupStartItem& item);
  Result<> apply(raft::GroupId group, const GroupEndItem& item);
  Result<> apply(raft::GroupId group, const CarryItem& item);
  Result<> apply(raft::GroupId group, const MarkItem& item);
  Result<raft::Recovered> take_group(raft::GroupId id, const Ledger::Group& group);

  const std::uint64_t directory_;
  Ledger ledger_;
  std::map<raft::GroupId, Entries> entries_;
  std::uint64_t first_ = 0;    // the first segment
  std::uint64_t segment_ = 0;  // the present one
  std::uint64_t sequence_ = 0;
  std::uint64_t claimed_ = 0;
  std::uint32_t chain_ = 0;
  std::size_t carried_ = 0;  // groups, in the batch being applied
  bool may_carry_ = false;
};

}  // namespace zraft::storage
