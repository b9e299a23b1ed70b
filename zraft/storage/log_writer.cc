// SPDX-License-Identifier: Apache-2.0
//
// See log_writer.h. `pump` is the one place that decides what is done next.
#include "zraft/storage/log_writer.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/storage/directory.h"

namespace zraft::storage {
namespace {

using Kind = LogWriter::Unit::Kind;

void must(const Result<>& result) { CHECK(result.has_value(), result.error().text); }

std::size_t base_size(const raft::SnapshotMeta& base) {
  Bytes encoded;
  encode_base(base, encoded);
  return encoded.size();
}

std::size_t entry_cost(const raft::Record& record) { return item_header_size + record.size(); }

// What must go into one batch together before the entries can follow one by one: of a group's begin, all of it.
std::size_t head_cost(const LogWriter::Unit& unit) {
  std::size_t cost = 0;
  if (unit.kind != Kind::write) cost += item_header_size + base_size(unit.base);
  if (unit.write.hard_state) cost += item_header_size + 16;
  if (unit.write.truncate_from) cost += item_header_size + 8;
  if (unit.write.base) cost += item_header_size + base_size(*unit.write.base);
  if (unit.kind == Kind::start) {
    for (const raft::Record& record : unit.write.entries) cost += entry_cost(record);
  }
  return cost;
}

}  // namespace

LogWriter::LogWriter(node::Loop& loop, Options options, Ledger ledger, Segment current, Tail tail,
                     std::unique_ptr<SegmentPool> pool)
    : loop_(loop),
      options_(std::move(options)),
      ledger_(std::move(ledger)),
      current_(std::move(current)),
      tail_(tail),
      pool_(std::move(pool)) {
  for (const auto& [id, group] : ledger_.groups()) groups_.insert(id);
  state_.last_issue = loop_.now();
  pool_->release_before(ledger_.first_needed(current_.number));
  mark_when_idle();
}

LogWriter::~LogWriter() { loop_.cancel(idle_timer_); }

void LogWriter::submit(Unit unit) {
  if (unit.kind == Kind::start) {
    CHECK(groups_.insert(unit.group).second, "a group begins once");
  } else if (!groups_.contains(unit.group)) {
    unit.refusal = Error{Code::stopped, "group " + hex(unit.group.value) + " is not in this log any more"};
  } else if (unit.kind == Kind::end) {
    groups_.erase(unit.group);
  }
  queue_.push_back(std::move(unit));
  pump_soon();
}

// At the end of the present turn of the loop, so that what all groups write in one turn is one batch.
void LogWriter::pump_soon() {
  if (state_.is_busy || std::exchange(state_.is_pump_posted, true)) return;
  loop_.post([this, watch = lifetime_.watch()] {
    if (watch.is_over()) return;
    state_.is_pump_posted = false;
    pump();
  });
}

void LogWriter::pump() {
  if (state_.is_busy) return;
  if (error_) return fail_all();
  if (queue_.empty()) return mark_when_idle();
  Batch batch;
  if (state_.must_carry) ledger_.carry(batch.items);
  fill(batch);
  if (!batch.is_begun) return next_segment();
  issue(std::move(batch));
}

std::uint64_t LogWriter::room() const { return current_.size - tail_.offset; }

void LogWriter::fill(Batch& batch) {
  if (room() < block_size) return;
  while (!queue_.empty() && place(batch, queue_.front())) {
    batch.whole.push_back(std::move(queue_.front()));
    queue_.pop_front();
  }
}

// Places as much of the unit as fits. True: all of it is placed.
bool LogWriter::place(Batch& batch, Unit& unit) {
  const auto fits = [&](std::size_t cost) {
    const std::size_t size = batch.items.size() + cost;
    return batch_header_size + size <= room() && (!batch.is_begun || size <= options_.batch_bytes_max);
  };
  if (unit.refusal) return batch.is_begun = true;
  if (!unit.is_begun) {
    if (!fits(head_cost(unit))) return false;
    place_head(batch, unit);
    unit.is_begun = true;
  }
  auto& entries = unit.write.entries;
  for (; unit.placed < entries.size(); ++unit.placed) {
    if (!fits(entry_cost(entries[unit.placed]))) return false;
    place_entry(batch, unit.group, entries[unit.placed]);
    batch.durable = batch.durable || unit.durable;
  }
  return true;
}

void LogWriter::place_head(Batch& batch, Unit& unit) {
  batch.is_begun = true;
  batch.durable = batch.durable || unit.durable || unit.write.hard_state;
  switch (unit.kind) {
    case Kind::write: break;
    case Kind::start:
      must(ledger_.start(unit.group, unit.base));
      batch.items.group_start(unit.group, unit.base);
      break;
    case Kind::end:
      must(ledger_.end(unit.group));
      batch.items.group_end(unit.group);
      batch.frees = true;
      break;
  }
  // The term before the entries of that term: a batch may end between the two (decision 10).
  if (unit.write.hard_state) {
    must(ledger_.set(unit.group, *unit.write.hard_state));
    batch.items.hard_state(unit.group, *unit.write.hard_state);
  }
  if (unit.write.truncate_from) {
    must(ledger_.truncate(unit.group, *unit.write.truncate_from));
    batch.items.truncate(unit.group, *unit.write.truncate_from);
  }
  if (unit.write.base) {
    must(ledger_.mark(unit.group, *unit.write.base));
    batch.items.mark(unit.group, *unit.write.base);
    batch.frees = true;
  }
  if (unit.kind != Kind::start) return;
  for (const raft::Record& record : unit.write.entries) place_entry(batch, unit.group, record);
  unit.placed = unit.write.entries.size();
}

void LogWriter::place_entry(Batch& batch, raft::GroupId group, const raft::Record& record) {
  CHECK(record.is_intact(), "the memory of an entry has changed since it entered the cluster");
  must(ledger_.append(group, current_.number, record.index()));
  batch.items.entry(group, record);
  batch.is_begun = true;
}

void LogWriter::issue(Batch batch) {
  // The first batch of a segment carries every group, and segments before it go by that: it must not be lost.
  const bool carries = std::exchange(state_.must_carry, false);
  const bool durable = batch.durable || carries;
  const bool frees = batch.frees || carries;
  BatchHeader header{.directory = options_.directory_id,
                     .segment = current_.number,
                     .sequence = tail_.sequence + 1,
                     .synced_upto = tail_.durable,
                     .chain = tail_.chain,
                     .block = static_cast<std::uint32_t>(tail_.offset / block_size)};
  Pieces pieces = std::move(batch.items).finish(header);
  const std::uint64_t offset = tail_.offset;
  tail_ = {.offset = offset + header.extent(),
           .sequence = header.sequence,
           .durable = tail_.durable,
           .claimed = header.synced_upto,
           .chain = header.checksum};
  state_.is_busy = true;
  state_.last_issue = loop_.now();
  current_.file->write(offset, std::move(pieces), durable,
                       [this, watch = lifetime_.watch(), units = std::move(batch.whole), durable,
                        frees](Result<> written) mutable {
                         if (!watch.is_over()) on_written(std::move(written), std::move(units), durable, frees);
                       });
}

void LogWriter::on_written(Result<> written, std::vector<Unit> units, bool durable, bool frees) {
  state_.is_busy = false;
  if (!written) {
    queue_.insert(queue_.begin(), std::move_iterator(units.begin()), std::move_iterator(units.end()));
    return poison(written.error());
  }
  if (durable) tail_.durable = tail_.sequence;
  if (frees) pool_->release_before(ledger_.first_needed(current_.number));
  pump();  // first, so that the disk works while the answers go out
  const auto watch = lifetime_.watch();
  for (Unit& unit : units) {
    unit.done(unit.refusal ? Result<>(std::unexpected(*unit.refusal)) : Result<>());
    if (watch.is_over()) return;  // P87
  }
}

// The present segment has no room for what comes next.
void LogWriter::next_segment() {
  state_.is_busy = true;
  if (tail_.durable < tail_.sequence) {
    current_.file->write(tail_.offset, {}, true, [this, watch = lifetime_.watch()](Result<> synced) {
      if (watch.is_over()) return;
      state_.is_busy = false;
      if (!synced) return poison(synced.error());
      tail_.durable = tail_.sequence;
      pump();
    });
    return;
  }
  BatchBuilder carry;
  ledger_.carry(carry);
  const Unit& unit = queue_.front();
  const std::size_t first = unit.is_begun ? entry_cost(unit.write.entries[unit.placed]) : head_cost(unit);
  const std::uint64_t size = first_batch_offset + round_to_block(batch_header_size + carry.size() + first);
  auto segment = pool_->take(size, [this, watch = lifetime_.watch()](Result<> made) {
    if (watch.is_over()) return;
    state_.is_busy = false;
    if (!made) return poison(made.error());
    next_segment();
  });
  if (segment) begin_segment(std::move(*segment));
}

void LogWriter::begin_segment(Segment segment) {
  CHECK(segment.number == current_.number + 1, "segments follow each other");
  current_ = std::move(segment);
  tail_.offset = first_batch_offset;
  state_.must_carry = true;
  state_.is_busy = false;
  const auto watch = lifetime_.watch();
  pump();
  if (!watch.is_over()) tell_pinned();
}

// Later: what is written for it comes behind what waits here.
void LogWriter::tell_pinned() {
  if (options_.segments_max == 0 || !options_.on_pinned || current_.number < options_.segments_max) return;
  const std::uint64_t oldest = current_.number - options_.segments_max + 1;
  if (ledger_.first_needed(oldest) == oldest) return;
  loop_.post([this, watch = lifetime_.watch(), oldest] {
    if (!watch.is_over()) options_.on_pinned(ledger_.held_before(oldest));
  });
}

void LogWriter::poison(const Error& error) {
  const char* what = error.code == Code::no_space
                         ? "; the disk is full: make room, then restart this host. It acknowledges nothing until then"
                         : "; what is on the disk is unknown: this host acknowledges nothing until it is restarted";
  error_ = Error{error.code == Code::no_space ? Code::no_space : Code::io,
                 "the log failed at " + join(options_.directory, segment_name(current_.number)) + ": " + error.text +
                     what};
  const auto watch = lifetime_.watch();
  fail_all();
  // Whatever waits for nothing of the log would not learn of it.
  if (!watch.is_over() && options_.on_failed) options_.on_failed(*error_);
}

void LogWriter::fail_all() {
  std::deque<Unit> failed = std::exchange(queue_, {});
  const auto watch = lifetime_.watch();
  const Error error = *error_;
  for (Unit& unit : failed) {
    unit.done(std::unexpected(error));
    if (watch.is_over()) return;
  }
}

void LogWriter::mark_when_idle() {
  const bool is_said = tail_.durable <= tail_.claimed || tail_.durable < tail_.sequence;
  if (is_said || idle_timer_ != node::TimerId{}) return;
  idle_timer_ = loop_.wake_at(state_.last_issue + options_.idle_mark_after, [this, watch = lifetime_.watch()] {
    if (watch.is_over()) return;
    idle_timer_ = {};
    if (state_.is_busy || error_ || !queue_.empty()) return;  // the pump comes here again
    if (loop_.now() < state_.last_issue + options_.idle_mark_after) return mark_when_idle();
    if (room() >= block_size) issue(Batch{});
  });
}

}  // namespace zraft::storage
