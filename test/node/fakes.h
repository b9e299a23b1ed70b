// SPDX-License-Identifier: Apache-2.0
//
// What stands around a driver on the bench: a machine that can do all that a user's can, good and bad; a worker that
// says whether one is away from the loop; and the member's snapshots, held in memory. A fetch is done when the test
// says so; a save and a read as well, or, while `is_prompt`, in a turn of their own.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "test/storage/manual_loop.h"
#include "zraft/node/machine.h"
#include "zraft/node/snapshots.h"

namespace zraft::node::test {

using Journal = std::vector<std::string>;

// Where the code that runs now is.
struct Place {
  bool is_away = false;  // from the loop

  template <class Call>
  auto away(Call call) {
    is_away = true;
    auto result = call();
    is_away = false;
    return result;
  }
};

class FakeWorker final : public Worker {
 public:
  FakeWorker(Loop& loop, Place& place) : inner(loop), place_(place) {}

  void run(Task work, Task then) override {
    ++jobs;
    most_at_once = std::max(most_at_once, ++under_way_);
    inner.run(
        [this, work = std::move(work)]() mutable {
          place_.away([&] {
            work();
            return true;
          });
        },
        [this, then = std::move(then)]() mutable {
          --under_way_;
          then();
        });
  }

  zraft::test::ManualWorker inner;
  int jobs = 0;
  int most_at_once = 0;

 private:
  int under_way_ = 0;
  Place& place_;
};

// Answers a command with its number among the commands, a query with all commands so far. A snapshot is one file that
// holds them all.
class FakeMachine final : public Machine {
 public:
  FakeMachine(Journal& journal, Place& place) : journal_(journal), place_(place) {}
  ~FakeMachine() override { journal_.push_back("the machine is gone"); }
  FakeMachine(const FakeMachine&) = delete;
  FakeMachine& operator=(const FakeMachine&) = delete;

  Result<Outcome> apply(const raft::Record& record) override {
    if (record.type() != raft::EntryType::command && record.type() != raft::EntryType::session) return Outcome{};
    look_where();
    const BytesView data = record.payload();
    if (data == "throw") throw std::runtime_error("told to");
    if (data == "throw a number") throw 5;
    if (data == "fail") return fail(Code::no_space, "its disk is full");
    journal_.push_back("apply " + std::string(data) + " at " + std::to_string(record.index().value));
    all += data;
    times.push_back(record.time());
    Outcome outcome{.result = std::to_string(++count), .refusal = {}, .changes = {{Bytes(data), "is new"}}};
    if (data == "expired") outcome.refusal = {Code::session_expired, "it is over"};
    return outcome;
  }
  [[nodiscard]] Result<> admit(raft::EntryType, BytesView command) const override {
    if (command == "throw at the door") throw std::runtime_error("told to");
    if (command.starts_with("bad")) return fail(Code::bad_request, "that is bad");
    return {};
  }
  [[nodiscard]] Result<Queried> query(BytesView query) const override {
    look_where();
    if (query == "throw") throw std::runtime_error("told to");
    if (query == "bad") return fail(Code::bad_request, "that is no query");
    return Queried{.result = all, .watchable = {{"all", true}}};
  }
  Result<SnapshotTask> snapshot() override {
    look_where();
    ++snapshots_asked;
    if (!has_snapshots) {
      return fail(Code::unsupported, "this state machine has no snapshots: give it snapshot() and restore()");
    }
    if (throws_in_snapshot) throw std::runtime_error("told to in snapshot()");
    journal_.push_back("hold " + all);
    return [held = all, throws = throws_in_task, refuses = refuses_in_task](SnapshotWriter& writer) -> Result<> {
      if (throws) throw std::runtime_error("told to in the task");
      if (refuses) return std::unexpected(*refuses);
      if (auto begun = writer.begin("all"); !begun) return begun;
      return writer.append(held);
    };
  }
  Result<> restore(SnapshotReader& reader) override {
    EXPECT_TRUE(place_.is_away);
    if (throws_in_restore) throw std::runtime_error("told to in restore()");
    const auto size = reader.size("all");
    if (!size) return fail(size);
    auto bytes = reader.read("all", 0, *size);
    if (!bytes) return fail(bytes);
    all = std::move(*bytes);
    journal_.push_back("restore " + all);
    return {};
  }
  [[nodiscard]] bool may_block() const override { return blocks; }
  [[nodiscard]] Sessions sessions(ClusterTime now) const override {
    look_where();
    return {.overdue = {{{count + 1u}, now}}, .next = {}, .open = 1};
  }

  std::string all;
  std::vector<ClusterTime> times;
  unsigned count = 0;
  bool blocks = false;
  bool has_snapshots = true;
  bool throws_in_snapshot = false;
  bool throws_in_task = false;
  bool throws_in_restore = false;
  std::optional<Error> refuses_in_task;
  int snapshots_asked = 0;

 private:
  // One that may block has no business on the loop, and one that may not has none elsewhere.
  void look_where() const { EXPECT_EQ(place_.is_away, blocks); }

  Journal& journal_;
  Place& place_;
};

using Files = std::map<std::string, Bytes>;

class FakeWriter final : public SnapshotWriter {
 public:
  Result<> begin(const std::string& file) override {
    newest_ = file;
    files[file];
    return {};
  }
  Result<> append(BytesView bytes) override {
    files[newest_] += bytes;
    return {};
  }
  Result<std::string> directory() override { return fail(Code::unsupported, "these files are in memory"); }

  Files files;

 private:
  std::string newest_;
};

class FakeReader final : public SnapshotReader {
 public:
  explicit FakeReader(Files files) : files_(std::move(files)) {}

  [[nodiscard]] std::vector<std::string> files() const override {
    std::vector<std::string> out;
    for (const auto& [name, bytes] : files_) out.push_back(name);
    return out;
  }
  Result<std::uint64_t> size(const std::string& file) override {
    if (!files_.contains(file)) return fail(Code::not_found, "no such file");
    return files_[file].size();
  }
  Result<Bytes> read(const std::string& file, std::uint64_t offset, std::size_t length) override {
    if (!files_.contains(file)) return fail(Code::not_found, "no such file");
    return files_[file].substr(offset, length);
  }
  Result<std::string> directory() override { return fail(Code::unsupported, "these files are in memory"); }

 private:
  Files files_;
};

class FakeSnapshots final : public Snapshots {
 public:
  struct Save {
    raft::SnapshotMeta meta;
    SnapshotTask task;
    Done done;
  };
  struct Fetch {
    raft::NodeId from;
    Fetched done;
  };
  struct Read {
    raft::Position position;
    Use use;
    Done done;
  };

  FakeSnapshots(Loop& loop, Place& place, Journal& journal) : loop_(loop), place_(place), journal_(journal) {}

  void save(const raft::SnapshotMeta& meta, SnapshotTask task, Done done) override {
    EXPECT_TRUE(saves.empty()) << "two at once";
    journal_.push_back("save " + std::to_string(meta.last.index.value));
    saves.push_back({meta, std::move(task), std::move(done)});
    if (is_prompt) finish_save();
  }
  void fetch(const raft::Fetch& wanted, Fetched done) override {
    journal_.push_back("fetch from " + std::to_string(wanted.from.value));
    if (fetching) {
      fetching->from = wanted.from;
    } else {
      fetching = Fetch{wanted.from, std::move(done)};
    }
  }
  [[nodiscard]] bool is_fetching() const override { return fetching.has_value(); }
  void read(raft::Position position, Use use, Done done) override {
    journal_.push_back("read " + std::to_string(position.index.value));
    reads.push_back({position, std::move(use), std::move(done)});
    if (is_prompt) finish_read();
  }

  // The oldest is done, or fails; it is told in the next turn.
  void finish_save(Result<> result = {}) {
    ASSERT_FALSE(saves.empty());
    Save save = std::move(saves.front());
    saves.pop_front();
    FakeWriter writer;
    if (result) result = place_.away([&] { return save.task(writer); });
    if (result) stored[save.meta.last] = writer.files;
    loop_.post([done = std::move(save.done), result = std::move(result)]() mutable { done(std::move(result)); });
  }
  // What is fetched is a snapshot of a FakeMachine that holds `all`.
  void finish_fetch(Result<raft::SnapshotMeta> result, const Bytes& all = {}) {
    ASSERT_TRUE(fetching);
    if (result) stored[result->last] = {{"all", all}};
    loop_.post([done = std::move(fetching->done), result = std::move(result)]() mutable { done(std::move(result)); });
    fetching.reset();
  }
  void finish_read(Result<> result = {}) {
    ASSERT_FALSE(reads.empty());
    Read read = std::move(reads.front());
    reads.pop_front();
    EXPECT_TRUE(stored.contains(read.position));
    FakeReader reader(stored[read.position]);
    if (result) result = place_.away([&] { return read.use(reader); });
    loop_.post([done = std::move(read.done), result = std::move(result)]() mutable { done(std::move(result)); });
  }

  std::map<raft::Position, Files> stored;
  std::deque<Save> saves;
  std::optional<Fetch> fetching;
  std::deque<Read> reads;
  bool is_prompt = true;

 private:
  Loop& loop_;
  Place& place_;
  Journal& journal_;
};

}  // namespace zraft::node::test
