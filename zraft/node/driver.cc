// SPDX-License-Identifier: Apache-2.0
//
// See driver.h. `pump_once` is the one place that decides what the machine does next.
#include "zraft/node/driver.h"

#include <algorithm>
#include <memory>
#include <string>

#include "zraft/base/check.h"
#include "zraft/node/guarded.h"

namespace zraft::node {
namespace {

// One job applies, or answers, no more than this, so that neither waits long for the other.
constexpr std::size_t batch_max = 1024;

Result<Outcome> apply_one(Machine& machine, const raft::Record& record) {
  // The checksum was made where the command entered the cluster: what was damaged since goes no further (I41).
  if (!record.is_intact()) {
    return fail(Code::corrupt, "entry " + std::to_string(record.index().value) +
                                   " was damaged in memory: check this machine's memory, then start the host again");
  }
  const auto where = "at index " + std::to_string(record.index().value) + " ";
  std::optional<Error> failure;  // is no throw
  Result<Outcome> applied = guarded([&]() -> Result<Outcome> {
    Result<Outcome> outcome = machine.apply(record);
    if (!outcome) failure = outcome.error();
    return outcome;
  });
  if (failure) return fail(failure->code, where + failure->text);
  if (!applied) return fail(Code::stopped, where + applied.error().text + "; mend it and start the host again");
  return applied;
}

}  // namespace

// Applied away from the loop, and told there.
struct Driver::Batch {
  std::vector<raft::Record> records;
  std::vector<Outcome> outcomes;  // of those that were applied
  std::optional<Error> failure;   // of the one after them
};

Driver::Driver(Seams seams, Owner& owner, SnapshotRules rules, raft::GroupId group, raft::Index applied,
               raft::Index snapshot)
    : seams_(std::move(seams)),
      owner_(owner),
      rules_(rules),
      group_(group),
      may_block_(seams_.machine->may_block()),
      applied_(applied),
      snapshot_(snapshot),
      retry_after_(rules.retry_min) {}

Driver::~Driver() { seams_.loop.cancel(retry_timer_); }

// --- what is wanted of it ---

void Driver::feed(const std::vector<raft::Record>& records) {
  if (records.empty() || state_ == State::stopped) return;
  if (may_block_ || state_ != State::idle) {
    for (const raft::Record& record : records) queue_.push_back(record);
    return pump();
  }
  state_ = State::busy;
  for (const raft::Record& record : records) {
    apply_here(record);
    if (state_ == State::stopped) return;
  }
  owner_.on_applied_to(applied_);
  if (state_ == State::stopped) return;
  state_ = State::idle;
  pump();
}

void Driver::ask(Bytes query, Answer answer) {
  if (state_ == State::stopped) return answer(fail(Code::stopped, why_stopped_));
  if (!may_block_ && state_ == State::idle) {
    return answer(guarded([&] { return seams_.machine->query(query); }));
  }
  questions_.emplace_back(std::move(query), std::move(answer));
  pump();
}

Result<> Driver::admit(raft::EntryType type, BytesView data) const {
  return guarded([&] { return seams_.machine->admit(type, data); });
}

void Driver::look_at_sessions(ClusterTime now, std::move_only_function<void(Sessions)> then) {
  if (state_ == State::stopped) return;
  looks_.emplace_back(now, std::move(then));
  pump();
}

void Driver::install(const raft::SnapshotMeta& meta) {
  if (state_ == State::stopped) return;
  if (!to_install_ || to_install_->last.index < meta.last.index) to_install_ = meta;
  pump();
}

void Driver::save_now(Saved done) {
  if (state_ == State::stopped) {
    return seams_.loop.post([done = std::move(done), why = why_stopped_]() mutable { done(fail(Code::stopped, why)); });
  }
  waiting_.push_back(std::move(done));
  want_one();
}

void Driver::replace() {
  is_lost_ = true;
  want_one();
}

void Driver::want_one() {
  is_wanted_ = true;
  seams_.loop.cancel(std::exchange(retry_timer_, {}));
  seams_.loop.post([this, life = lifetime_.watch()] {
    if (!life.is_over()) pump();
  });
}

void Driver::stop(const std::string& why) {
  if (std::exchange(state_, State::stopped) == State::stopped) return;
  why_stopped_ = why;
  seams_.loop.cancel(std::exchange(retry_timer_, {}));
  queue_.clear();
  looks_.clear();
  to_install_.reset();
  for (Answer& answer : std::exchange(asked_, {})) answer(fail(Code::stopped, why));
  for (auto& [query, answer] : std::exchange(questions_, {})) answer(fail(Code::stopped, why));
  for (auto* all : {&served_, &waiting_}) {
    for (Saved& saved : std::exchange(*all, {})) saved(fail(Code::stopped, why));
  }
}

void Driver::broken(const Error& why) {
  if (state_ != State::stopped) owner_.on_broken(why);
}

// --- one thing at a time ---

void Driver::pump() {
  const auto life = lifetime_.watch();
  const auto has_more = [this] {
    return to_install_ || !looks_.empty() || !questions_.empty() || !queue_.empty() || must_take();
  };
  while (!life.is_over() && state_ == State::idle && has_more()) pump_once();
}

// A snapshot that is due comes before the next command, or it would not be of that index. Questions and commands take
// turns, so that none keep the others waiting.
void Driver::pump_once() {
  if (to_install_) return restore();
  if (must_take()) return take();
  if (!looks_.empty()) return look();
  const bool is_turn_of_queue = questions_.empty() || (answered_last_ && !queue_.empty());
  answered_last_ = !is_turn_of_queue;
  if (is_turn_of_queue) return apply_batch();
  answer_some();
}

// Requires: called by pump(), which goes on with what is next.
template <class T>
void Driver::on_machine(std::move_only_function<T(Machine&)> work, std::move_only_function<void(T)> then) {
  state_ = State::busy;
  const auto end = [this](auto& told, T result) {
    if (state_ == State::stopped) return;
    state_ = State::idle;
    told(std::move(result));
  };
  if (!may_block_) {
    T result = work(*seams_.machine);
    return end(then, std::move(result));
  }
  auto result = std::make_shared<std::optional<T>>();
  seams_.worker.run(
      [machine = seams_.machine, work = std::move(work), result]() mutable { result->emplace(work(*machine)); },
      [this, end, then = std::move(then), result, life = lifetime_.watch()]() mutable {
        if (life.is_over()) return;
        end(then, std::move(**result));
        if (!life.is_over()) pump();
      });
}

// --- applying ---

void Driver::apply_here(const raft::Record& record) {
  if (record.index() <= applied_) return;
  Result<Outcome> outcome = apply_one(*seams_.machine, record);
  if (!outcome) return broken(outcome.error());
  applied_ = record.index();
  owner_.on_applied(record, std::move(*outcome));
  if (state_ != State::stopped && may_take() && is_due(applied_)) take();
}

// Up to an index at which a snapshot is due, if there is one.
void Driver::apply_batch() {
  Batch batch;
  while (!queue_.empty() && batch.records.size() < batch_max) {
    raft::Record record = std::move(queue_.front());
    queue_.pop_front();
    if (record.index() <= applied_) continue;
    const bool is_end = may_take() && is_due(record.index());
    batch.records.push_back(std::move(record));
    if (is_end) break;
  }
  if (batch.records.empty()) return;
  on_machine<Batch>(
      [batch = std::move(batch)](Machine& machine) mutable {
        for (const raft::Record& record : batch.records) {
          Result<Outcome> outcome = apply_one(machine, record);
          if (!outcome) {
            batch.failure = outcome.error();
            break;
          }
          batch.outcomes.push_back(std::move(*outcome));
        }
        return std::move(batch);
      },
      [this](Batch done) { end_batch(std::move(done)); });
}

void Driver::end_batch(Batch batch) {
  const auto life = lifetime_.watch();
  for (std::size_t at = 0; at < batch.outcomes.size(); ++at) {
    applied_ = batch.records[at].index();
    owner_.on_applied(batch.records[at], std::move(batch.outcomes[at]));
    if (life.is_over() || state_ == State::stopped) return;
  }
  if (!batch.outcomes.empty()) owner_.on_applied_to(applied_);
  if (life.is_over() || state_ == State::stopped) return;
  if (batch.failure) return broken(*batch.failure);
  is_wanted_ |= may_take() && is_due(applied_);
}

void Driver::look() {
  auto [now, then] = std::move(looks_.front());
  looks_.pop_front();
  on_machine<Sessions>([now](Machine& machine) { return machine.sessions(now); }, std::move(then));
}

// The answers stay here, so that stop() can tell them.
void Driver::answer_some() {
  using Results = std::vector<Result<Queried>>;
  std::vector<Bytes> queries;
  while (!questions_.empty() && queries.size() < batch_max) {
    queries.push_back(std::move(questions_.front().first));
    asked_.push_back(std::move(questions_.front().second));
    questions_.pop_front();
  }
  on_machine<Results>(
      [queries = std::move(queries)](Machine& machine) {
        Results out;
        for (const Bytes& query : queries) out.push_back(guarded([&] { return machine.query(query); }));
        return out;
      },
      [this](Results results) {
        const auto life = lifetime_.watch();
        std::vector<Answer> answers = std::exchange(asked_, {});
        for (std::size_t at = 0; at < answers.size(); ++at) {
          answers[at](std::move(results[at]));
          if (life.is_over()) return;
        }
      });
}

// --- snapshots ---

bool Driver::is_due(raft::Index index) const {
  if (no_snapshots_ || index <= snapshot_) return false;
  const std::uint64_t entries = rules_.entries;
  if (entries > 0 && (index.value + group_.value % entries) % entries == 0) return true;
  return rules_.bytes > 0 && owner_.log_bytes_between(snapshot_, index) >= rules_.bytes;
}

// What comes due while one is written is passed over.
bool Driver::may_take() const { return !is_saving_ && retry_timer_ == TimerId{}; }

// Nothing is no snapshot: one that is wanted so early waits for the first entry.
bool Driver::must_take() const { return is_wanted_ && may_take() && applied_ > raft::Index{}; }

void Driver::take() {
  is_wanted_ = false;
  std::vector<Saved> waiting = std::exchange(waiting_, {});
  if (no_snapshots_) {
    for (Saved& saved : waiting) saved(std::unexpected(*no_snapshots_));
    return;
  }
  const raft::SnapshotMeta meta = owner_.meta_at(applied_);
  if (applied_ <= snapshot_ && !is_lost_) {
    for (Saved& saved : waiting) saved(meta);
    return;
  }
  is_saving_ = true;
  served_ = std::move(waiting);
  const auto hold = [](Machine& machine) { return guarded([&] { return machine.snapshot(); }); };
  if (!may_block_) return write(meta, hold(*seams_.machine));
  on_machine<Result<SnapshotTask>>(hold, [this, meta](Result<SnapshotTask> task) { write(meta, std::move(task)); });
}

void Driver::write(const raft::SnapshotMeta& meta, Result<SnapshotTask> task) {
  if (!task) {
    if (task.error().code == Code::unsupported) no_snapshots_ = task.error();
    return end_save(meta, fail(task));
  }
  // What it writes may be the machine's own.
  auto careful = [machine = seams_.machine, task = std::move(*task)](SnapshotWriter& writer) mutable {
    return guarded([&] { return task(writer); });
  };
  seams_.snapshots.save(meta, std::move(careful), [this, meta, life = lifetime_.watch()](Result<> written) {
    if (!life.is_over()) end_save(meta, std::move(written));
  });
}

void Driver::end_save(const raft::SnapshotMeta& meta, Result<> written) {
  is_saving_ = false;
  if (state_ == State::stopped) return;
  const auto life = lifetime_.watch();
  std::vector<Saved> served = std::exchange(served_, {});
  if (written) {
    retry_after_ = rules_.retry_min;
    is_lost_ = false;
    snapshot_ = std::max(snapshot_, meta.last.index);
    owner_.on_saved(meta);
  } else if (!no_snapshots_) {
    retry(written.error());
  }
  for (Saved& saved : served) saved(written ? Result<raft::SnapshotMeta>(meta) : fail(written));
  if (!life.is_over()) pump();
}

// At once, if somebody waits for it: he is told if it fails again.
void Driver::retry(const Error& why) {
  const Duration again = waiting_.empty() ? retry_after_ : Duration{};
  retry_after_ = std::min(retry_after_ * 2, rules_.retry_max);
  is_wanted_ = true;
  retry_timer_ = seams_.loop.wake_at(seams_.loop.now() + again, [this] {
    retry_timer_ = {};
    pump();
  });
  owner_.on_snapshot_failed(why, again);
}

// What was fed meanwhile waits behind it; what the snapshot covers is passed over then (P65).
void Driver::restore() {
  const raft::SnapshotMeta meta = *to_install_;
  // P60: what ran when it came may have applied as much. It is as good as one of its own.
  if (meta.last.index <= applied_) {
    to_install_.reset();
    snapshot_ = std::max(snapshot_, meta.last.index);
    return owner_.on_saved(meta);
  }
  state_ = State::busy;
  auto use = [machine = seams_.machine](SnapshotReader& reader) {
    return guarded([&] { return machine->restore(reader); });
  };
  seams_.snapshots.read(meta.last, std::move(use), [this, meta, life = lifetime_.watch()](Result<> restored) {
    if (life.is_over() || state_ == State::stopped) return;
    if (!restored) {
      return broken({restored.error().code, "the snapshot up to index " + std::to_string(meta.last.index.value) +
                                                " could not be installed: " + restored.error().text});
    }
    if (to_install_->last.index <= meta.last.index) to_install_.reset();
    applied_ = snapshot_ = meta.last.index;
    is_lost_ = false;
    state_ = State::idle;
    owner_.on_restored(meta);
    if (!life.is_over()) pump();
  });
}

}  // namespace zraft::node
