// SPDX-License-Identifier: Apache-2.0
//
// The laws of a group's history in the log.
#include "zraft/storage/ledger.h"

#include <algorithm>

#include "zraft/storage/directory.h"

namespace zraft::storage {
namespace {

std::string name(raft::GroupId group) { return "group " + hex(group.value); }
std::string text(raft::Index index) { return std::to_string(index.value); }

}  // namespace

Result<Ledger::Group*> Ledger::find(raft::GroupId group) {
  const auto at = groups_.find(group);
  if (at == groups_.end()) return fail(Code::corrupt, name(group) + " is written to, and never began");
  return &at->second;
}

Result<> Ledger::start(raft::GroupId group, const raft::SnapshotMeta& base) {
  if (has(group)) return fail(Code::corrupt, name(group) + " begins twice");
  groups_[group] = Group{.state = {}, .base = base, .last = base.last.index, .held = {}};
  return {};
}

Result<> Ledger::end(raft::GroupId group) {
  if (groups_.erase(group) == 0) return fail(Code::corrupt, name(group) + " ends, and never began");
  return {};
}

Result<> Ledger::set(raft::GroupId id, const raft::HardState& state) {
  auto group = find(id);
  if (!group) return fail(group);
  const raft::HardState& old = (*group)->state;
  // I4, P04: a term never falls, and within a term a vote is given once.
  if (state.term < old.term || (state.term == old.term && old.vote && state.vote != old.vote)) {
    return fail(Code::corrupt, name(id) + ": the term falls or the vote of a term changes");
  }
  (*group)->state = state;
  return {};
}

Result<> Ledger::truncate(raft::GroupId id, raft::Index from) {
  auto group = find(id);
  if (!group) return fail(group);
  if (from <= (*group)->base.last.index) {
    return fail(Code::corrupt, name(id) + ": index " + text(from) + " is cut, which a snapshot covers");
  }
  if ((*group)->last < from) return {};
  (*group)->last = from - 1;
  for (auto& [segment, index] : (*group)->held) index = std::min(index, from - 1);
  return {};
}

Result<> Ledger::append(raft::GroupId id, std::uint64_t segment, raft::Index index) {
  auto group = find(id);
  if (!group) return fail(group);
  if (index != next((*group)->last)) {
    return fail(Code::corrupt, name(id) + ": index " + text(index) + " follows " + text((*group)->last));
  }
  (*group)->last = index;
  (*group)->held[segment] = index;
  return {};
}

Result<> Ledger::mark(raft::GroupId id, const raft::SnapshotMeta& base) {
  auto group = find(id);
  if (!group) return fail(group);
  if (base.last.index < (*group)->base.last.index) {
    return fail(Code::corrupt, name(id) + ": a mark at " + text(base.last.index) + " below the one before");
  }
  (*group)->base = base;
  (*group)->last = std::max((*group)->last, base.last.index);
  std::erase_if((*group)->held, [&](const auto& held) { return held.second <= base.last.index; });
  return {};
}

Result<> Ledger::agree(raft::GroupId id, const CarryItem& item) const {
  const auto at = groups_.find(id);
  if (at == groups_.end()) return fail(Code::corrupt, name(id) + " is carried on, and never began");
  if (at->second.state == item.state && at->second.last == item.last && at->second.base == item.base) return {};
  return fail(Code::corrupt, name(id) + " is carried on otherwise than it was: up to " + text(item.last) +
                                 " instead of " + text(at->second.last));
}

Result<> Ledger::adopt(raft::GroupId group, const CarryItem& item) {
  if (has(group)) return fail(Code::corrupt, name(group) + " is carried on twice");
  if (item.last < item.base.last.index) return fail(Code::corrupt, name(group) + " ends before its base");
  groups_[group] = Group{.state = item.state, .base = item.base, .last = item.last, .held = {}};
  return {};
}

std::uint64_t Ledger::first_needed(std::uint64_t newest) const {
  std::uint64_t first = newest;
  for (const auto& [id, group] : groups_) {
    for (const auto& [segment, index] : group.held) {
      if (index > group.base.last.index) {
        first = std::min(first, segment);
        break;
      }
    }
  }
  return first;
}

std::vector<std::pair<raft::GroupId, raft::Index>> Ledger::held_before(std::uint64_t segment) const {
  std::vector<std::pair<raft::GroupId, raft::Index>> all;
  for (const auto& [id, group] : groups_) {
    raft::Index last;
    for (const auto& [held, index] : group.held) {
      if (held < segment) last = std::max(last, index);
    }
    if (last > group.base.last.index) all.emplace_back(id, last);
  }
  return all;
}

void Ledger::carry(BatchBuilder& batch) const {
  for (const auto& [id, group] : groups_) {
    batch.carry(id, {.state = group.state, .last = group.last, .base = group.base});
  }
}

}  // namespace zraft::storage
