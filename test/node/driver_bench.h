// SPDX-License-Identifier: Apache-2.0
//
// One driver on the bench, its owner played by the test. What is true of both kinds of machine, the one that is called
// on the loop and the one that may block, runs with both (DriverOfBoth).
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/node/fakes.h"
#include "test/raft/one_core.h"
#include "zraft/node/driver.h"

namespace zraft::node::test {

using raft::at;
using raft::entry;
using Indices = std::vector<std::uint64_t>;

class DriverBench : public ::testing::Test, protected Driver::Owner {
 protected:
  static constexpr std::size_t entry_bytes = 10;

  void make(std::uint64_t group = 0) {
    driver.emplace(
        Driver::Seams{.loop = loop, .worker = worker, .snapshots = snapshots, .machine = kept_machine},
        static_cast<Driver::Owner&>(*this), rules, raft::GroupId{group}, raft::Index{}, raft::Index{});
  }
  // Each letter is a command, and they follow what was fed before.
  void feed(const std::string& commands) {
    std::vector<raft::Record> records;
    for (const char command : commands) records.push_back(entry(1, ++fed, std::string(1, command)));
    driver->feed(records);
  }
  void feed_one(const std::string& command) { driver->feed({entry(1, ++fed, command)}); }
  void feed_and_run(const std::string& commands) {
    feed(commands);
    loop.run();
  }
  void ask(const std::string& query) {
    driver->ask(query, [this, query](const Result<Queried>& answer) {
      answers.push_back(query + ": " + (answer ? answer->result : answer.error().text));
    });
  }
  void save_now(const std::string& who) {
    driver->save_now([this, who](const Result<raft::SnapshotMeta>& saved_now) {
      told.push_back(who + ": " + (saved_now ? std::to_string(saved_now->last.index.value) : saved_now.error().text));
    });
  }
  void install(std::uint64_t index, const Bytes& all) {
    snapshots.stored[at(1, index)] = {{"all", all}};
    driver->install(meta_at({index}));
  }
  [[nodiscard]] Bytes stored(std::uint64_t index) {
    EXPECT_TRUE(snapshots.stored.contains(at(1, index))) << index;
    return snapshots.stored[at(1, index)]["all"];
  }

  void on_applied(const raft::Record& record, Outcome outcome) override {
    EXPECT_EQ(record.index(), driver->applied());
    results.push_back(std::string(record.payload()) + "=" + outcome.result);
  }
  void on_applied_to(raft::Index index) override { applied_to.push_back(index.value); }
  void on_saved(const raft::SnapshotMeta& meta) override { saved.push_back(meta.last.index.value); }
  void on_restored(const raft::SnapshotMeta& meta) override { restored.push_back(meta.last.index.value); }
  // As its owner is to.
  void on_broken(const Error& why) override {
    broken.push_back(why);
    driver->stop(why.text);
  }
  void on_snapshot_failed(const Error& why, Duration again) override { failed.emplace_back(why, again); }
  [[nodiscard]] raft::SnapshotMeta meta_at(raft::Index index) const override {
    return {.last = {{1}, index}, .membership = raft::voters_up_to(3), .membership_index = {1}, .time = {}};
  }
  [[nodiscard]] std::size_t log_bytes_between(raft::Index first, raft::Index last) const override {
    EXPECT_LE(first, last);
    return (last - first) * entry_bytes;
  }

  Journal journal;
  zraft::test::ManualLoop loop;
  Place place;
  FakeWorker worker{loop, place};
  FakeSnapshots snapshots{loop, place, journal};
  std::shared_ptr<FakeMachine> kept_machine = std::make_shared<FakeMachine>(journal, place);
  FakeMachine& machine = *kept_machine;
  SnapshotRules rules{.entries = 0, .bytes = 0};
  std::uint64_t fed = 0;
  std::vector<std::string> results;
  std::vector<std::string> answers;
  std::vector<std::string> told;
  Indices applied_to;
  Indices saved;
  Indices restored;
  std::vector<Error> broken;
  std::vector<std::pair<Error, Duration>> failed;
  std::optional<Driver> driver;
};

// Both kinds of machine.
class DriverOfBoth : public DriverBench, public ::testing::WithParamInterface<bool> {
 protected:
  DriverOfBoth() { machine.blocks = GetParam(); }
};

inline std::string name_of_kind(const ::testing::TestParamInfo<bool>& info) {
  return info.param ? "blocking" : "prompt";
}

}  // namespace zraft::node::test
