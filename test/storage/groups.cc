// SPDX-License-Identifier: Apache-2.0
//
// See groups.h.
#include "test/storage/groups.h"

namespace zraft::test {

std::string describe(const Groups& groups) {
  std::string text;
  const auto number = [&](std::uint64_t n) { text += std::to_string(n); };
  for (const auto& [id, group] : groups) {
    text += "group ";
    number(id.value);
    text += " term ";
    number(group.hard_state.term.value);
    text += " vote ";
    number(group.hard_state.vote ? group.hard_state.vote->value : 0);
    text += " base ";
    number(group.base.last.term.value);
    text += "^";
    number(group.base.last.index.value);
    text += ":";
    for (const raft::Record& record : group.entries) {
      text += " ";
      number(record.term().value);
      text += "^";
      number(record.index().value);
      text += "=";
      number(record.payload_checksum());
    }
    text += "\n";
  }
  return text;
}

raft::Record entry(raft::GroupId group, std::uint64_t term, std::uint64_t index, const std::string& text) {
  return raft::Record::make(group, {{term}, {index}}, raft::EntryType::command, {}, text);
}

raft::SnapshotMeta base_at(std::uint64_t term, std::uint64_t index) {
  return {.last = {{term}, {index}},
          .membership = raft::membership_of({{{1}, "one@h:1"}, {{2}, "two@h:2"}}),
          .membership_index = {index},
          .time = {}};
}

}  // namespace zraft::test
