// SPDX-License-Identifier: Apache-2.0
//
// The rules by which batches follow each other, and items.
#include "zraft/storage/log_reader.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "zraft/base/checksum.h"
#include "zraft/storage/directory.h"
#include "zraft/storage/segment.h"

namespace zraft::storage {
namespace {

std::string place(std::uint64_t segment, std::uint64_t offset) {
  return segment_name(segment) + " at byte " + std::to_string(offset);
}

std::string name(raft::GroupId group) { return "group " + hex(group.value); }

}  // namespace

std::optional<BatchHeader> LogReader::header_at(const LoadedSegment& segment, std::uint64_t offset) const {
  if (offset > segment.bytes.size()) return std::nullopt;
  auto header = decode_batch_header(BytesView(segment.bytes).substr(static_cast<std::size_t>(offset)));
  if (!header || header->directory != directory_ || header->segment != segment.number ||
      header->block != offset / block_size) {
    return std::nullopt;
  }
  return *header;
}

Result<std::optional<BatchHeader>> LogReader::next_batch(const LoadedSegment& segment, std::uint64_t offset) const {
  const BytesView rest = BytesView(segment.bytes).substr(static_cast<std::size_t>(offset));
  if (auto any = decode_batch_header(rest); !any && any.error().code == Code::unsupported) {
    return fail(Code::unsupported, place(segment.number, offset) + ": " + any.error().text + "; nothing was changed");
  }
  const auto header = header_at(segment, offset);
  if (!header) return std::nullopt;
  // What was before the oldest segment is gone, and not known.
  const bool opens_the_log = is_first_segment() && segment.number > 1 && offset == first_batch_offset;
  // A segment begins after the one before it was durable as a whole: if batches are missing there, the search behind
  // the end finds this header and what it says of them.
  const bool opens_a_segment = offset == first_batch_offset && !is_first_segment();
  if (opens_a_segment && header->sequence > sequence_ + 1) return std::nullopt;
  if (!opens_the_log && (header->sequence != sequence_ + 1 || header->chain != chain_)) {
    return fail(Code::corrupt, place(segment.number, offset) + ": batch " + std::to_string(header->sequence) +
                                   " does not follow batch " + std::to_string(sequence_) +
                                   ": files of different times were mixed");
  }
  // The checksum of the header was right, so this is no accident of a torn write.
  if (header->extent() > rest.size() || header->synced_upto >= header->sequence) {
    return fail(Code::corrupt, place(segment.number, offset) + ": a batch header with impossible numbers");
  }
  if (crc32c(rest.substr(batch_header_size, header->body_length)) != header->body_checksum) return std::nullopt;
  return header;
}

Result<std::uint64_t> LogReader::read(const LoadedSegment& segment) {
  segment_ = segment.number;
  if (first_ == 0) first_ = segment.number;
  std::uint64_t offset = first_batch_offset;
  while (offset < segment.bytes.size()) {
    auto header = next_batch(segment, offset);
    if (!header) return fail(header);
    if (!*header) break;
    const auto at = static_cast<std::size_t>(offset) + batch_header_size;
    auto applied = apply(**header, BytesView(segment.bytes).substr(at, (*header)->body_length),
                         offset == first_batch_offset);
    if (!applied) {
      return fail(applied.error().code, place(segment.number, offset) + ", batch " +
                                            std::to_string((*header)->sequence) + ": " + applied.error().text);
    }
    offset += (*header)->extent();
  }
  return offset;
}

Result<> LogReader::apply(const BatchHeader& header, BytesView body, bool starts_segment) {
  // A copy, so that the entries that are still wanted do not keep whole segments in memory.
  auto owner = std::make_shared<const Bytes>(body);
  auto items = decode_items(owner, *owner, header.item_count);
  if (!items) return fail(items);
  may_carry_ = starts_segment && segment_ > 1;
  carried_ = 0;
  const std::size_t groups_before = is_first_segment() ? 0 : ledger_.groups().size();
  for (const Item& item : *items) {
    if (!std::holds_alternative<CarryItem>(item.body) && std::exchange(may_carry_, false) &&
        carried_ < groups_before) {
      break;
    }
    auto applied = std::visit([&](const auto& body_of_item) { return apply(item.group, body_of_item); }, item.body);
    if (!applied) return applied;
  }
  if (starts_segment && carried_ < groups_before) {
    return fail(Code::corrupt, "a segment does not begin with every group");
  }
  sequence_ = header.sequence;
  chain_ = header.checksum;
  claimed_ = std::max(claimed_, header.synced_upto);
  return {};
}

Result<> LogReader::apply(raft::GroupId group, const HardStateItem& item) { return ledger_.set(group, item.state); }

Result<> LogReader::apply(raft::GroupId group, const TruncateItem& item) {
  if (auto ok = ledger_.truncate(group, item.from); !ok) return ok;
  Entries& entries = entries_[group];
  while (!entries.empty() && entries.back().index() >= item.from) entries.pop_back();
  return {};
}

Result<> LogReader::apply(raft::GroupId group, const EntriesItem& item) {
  Entries& entries = entries_[group];
  for (const raft::Record& record : item.records) {
    if (auto ok = ledger_.append(group, segment_, record.index()); !ok) return ok;
    if (!entries.empty() && record.term() < entries.back().term()) {
      return fail(Code::corrupt, name(group) + ": the term falls at index " + std::to_string(record.index().value));
    }
    if (!entries.empty() && record.group() != entries.back().group()) {
      return fail(Code::corrupt, name(group) + ": a record of another group at index " +
                                     std::to_string(record.index().value));
    }
    if (record.type() == raft::EntryType::membership) {
      if (auto membership = raft::decode_membership(record.payload()); !membership) return fail(membership);
    }
    entries.push_back(record);
  }
  return {};
}

Result<> LogReader::apply(raft::GroupId group, const GroupStartItem& item) {
  entries_.erase(group);
  return ledger_.start(group, item.base);
}

Result<> LogReader::apply(raft::GroupId group, const GroupEndItem&) {
  entries_.erase(group);
  return ledger_.end(group);
}

Result<> LogReader::apply(raft::GroupId group, const CarryItem& item) {
  if (!may_carry_) return fail(Code::corrupt, name(group) + " is carried on in the middle of a segment");
  ++carried_;
  return is_first_segment() ? ledger_.adopt(group, item) : ledger_.agree(group, item);
}

Result<> LogReader::apply(raft::GroupId group, const MarkItem& item) {
  if (auto ok = ledger_.mark(group, item.base); !ok) return ok;
  Entries& entries = entries_[group];
  while (!entries.empty() && entries.front().index() <= item.base.last.index) entries.pop_front();
  return {};
}

Result<raft::Recovered> LogReader::take_group(raft::GroupId id, const Ledger::Group& group) {
  Entries entries = std::move(entries_[id]);
  const raft::Index first = entries.empty() ? next(group.last) : entries.front().index();
  const raft::Index wanted = next(group.base.last.index);
  if (wanted < first) {
    return fail(Code::corrupt, name(id) + ": entries " + std::to_string(wanted.value) + " to " +
                                   std::to_string(first.value - 1) + " are gone: older segments are missing");
  }
  const raft::Term last_term = entries.empty() ? group.base.last.term : entries.back().term();
  if (group.state.term < last_term) {  // decision 10
    return fail(Code::corrupt, name(id) + ": its term is " + std::to_string(group.state.term.value) +
                                   ", and its last entry has term " + std::to_string(last_term.value) +
                                   ": files of different times were mixed");
  }
  if (!entries.empty() && entries.front().term() < group.base.last.term) {
    return fail(Code::corrupt, name(id) + ": the term falls after its snapshot");
  }
  return raft::Recovered{.hard_state = group.state,
                         .base = group.base,
                         .entries = {std::make_move_iterator(entries.begin()), std::make_move_iterator(entries.end())}};
}

Result<std::map<raft::GroupId, raft::Recovered>> LogReader::take_groups() {
  std::map<raft::GroupId, raft::Recovered> groups;
  for (const auto& [id, group] : ledger_.groups()) {
    auto recovered = take_group(id, group);
    if (!recovered) return fail(recovered);
    groups.emplace(id, std::move(*recovered));
  }
  return groups;
}

}  // namespace zraft::storage
