// SPDX-License-Identifier: Apache-2.0
//
// See log_life.h.
#include "test/storage/log_life.h"

#include <algorithm>
#include <utility>

namespace zraft::test {

bool History::allows(const std::string& state) const {
  const auto from = states.begin() + static_cast<std::ptrdiff_t>(units[durable]);
  return std::find(from, states.end(), state) != states.end();
}

storage::Wal::Options small_log() {
  return {.directory = "log", .owner = "one", .new_directory_id = 77, .max_segment_size = 64 << 10};
}

LogLife::LogLife(MemoryDisk& the_disk, storage::Wal::Options the_options)
    : disk(the_disk), files(the_disk, loop), options(std::move(the_options)) {
  options.tell = [this](const std::string& line) { told.push_back(line); };
  auto opened = storage::Wal::open(loop, worker, files, options);
  if (!opened) {
    error = opened.error();
    return;
  }
  wal = std::move(opened->wal);
  found = std::move(opened->groups);
  story = std::move(opened->story);
  for (const auto& [id, group] : found) logs[id] = wal->log_of(id);
  history.now = found;
  history.states = {describe(found)};
}

storage::Wal::Done LogLife::done(bool durable) {
  history.add();
  return [this, durable, unit = history.units.size() - 1](Result<> result) {
    if (result) {
      EXPECT_EQ(history.acknowledged + 1, unit) << "units are answered in their order";
      EXPECT_EQ(failed, 0U) << "nothing is acknowledged after a failure (I47)";
      history.acknowledged = unit;
      if (durable) history.durable = unit;
    } else {
      ++failed;
      error = result.error();
    }
  };
}

void LogLife::start(raft::GroupId group, raft::SnapshotMeta base, std::vector<raft::Record> entries) {
  const raft::HardState state{.term = base.last.term, .vote = {}};
  history.now[group] = {.hard_state = state, .base = base, .entries = entries};
  wal->start_group(group, base, std::move(entries), state, done());
  logs[group] = wal->log_of(group);
}

void LogLife::end(raft::GroupId group) {
  history.now.erase(group);
  wal->end_group(group, done());
}

void LogLife::release(raft::GroupId group, std::uint64_t term, std::uint64_t index) {
  write(group, {.id = {}, .base = base_at(term, index)}, node::Durability::durable);
}

void LogLife::write(raft::GroupId group, raft::Write write, node::Durability durability) {
  raft::Recovered& state = history.now[group];
  if (write.hard_state) state.hard_state = *write.hard_state;
  if (write.truncate_from) {
    std::erase_if(state.entries, [&](const raft::Record& record) { return record.index() >= *write.truncate_from; });
  }
  if (write.base) {
    state.base = *write.base;
    std::erase_if(state.entries, [&](const raft::Record& record) { return record.index() <= write.base->last.index; });
  }
  for (const raft::Record& record : write.entries) {
    history.pass();
    state.entries.push_back(record);
  }
  const bool durable = durability == node::Durability::durable || write.hard_state.has_value();
  logs[group]->write(std::move(write), durability, done(durable));
}

void LogLife::append(raft::GroupId group, std::uint64_t term, std::size_t count, std::size_t bytes,
                     node::Durability durability) {
  const raft::Recovered& state = history.now[group];
  std::uint64_t last = state.entries.empty() ? state.base.last.index.value : state.entries.back().index().value;
  raft::Write write;
  if (state.hard_state.term < raft::Term{term}) write.hard_state = raft::HardState{.term = {term}, .vote = {}};
  for (std::size_t i = 0; i < count; ++i) {
    ++last;
    std::string text = "entry " + std::to_string(last) + " ";
    text.resize(std::max(bytes, text.size()), static_cast<char>('a' + last % 26));
    write.entries.push_back(entry(group, term, last, text));
  }
  this->write(group, std::move(write), durability);
}

void LogLife::vote(raft::GroupId group, std::uint64_t term, std::uint64_t node) {
  write(group, {.id = {}, .hard_state = raft::HardState{.term = {term}, .vote = raft::NodeId{node}}});
}

Result<Groups> reopen(MemoryDisk& disk, std::vector<std::string>* story) {
  LogLife life(disk);
  if (!life.is_open()) return std::unexpected(life.error);
  if (story != nullptr) *story = life.story;
  return life.found;
}

}  // namespace zraft::test
