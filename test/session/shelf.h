// SPDX-License-Identifier: Apache-2.0
//
// A state machine for the tests of the layer around it: answers a write with how many it has seen, owns what is
// written as ephemeral, and can be one that keeps its state on a disk. `Bench` feeds the layer entries of the log.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "test/machines/memory_snapshot.h"
#include "zraft/base/codec.h"
#include "zraft/session/session_machine.h"

namespace zraft::session::test {

// What a disk would hold.
struct Disk {
  raft::Index durable;
  std::map<Bytes, Bytes> asides;
  std::vector<std::size_t> asides_of_each;  // commit
};

class Shelf final : public node::StateMachine {
 public:
  explicit Shelf(Disk* disk = nullptr) : disk_(disk) {}

  node::Applied apply(const node::Command& command) override {
    if (command.is_ephemeral) owned[command.session].emplace_back(command.data);
    seen.push_back(std::to_string(command.index.value) + " " + std::string(command.data) +
                   (command.session.value == 0 ? "" : " of " + std::to_string(command.session.value)));
    return {.result = "r" + std::to_string(seen.size()), .changes = {{Bytes(command.data), "put"}}};
  }
  node::Applied expire(raft::Index index, SessionId session) override {
    seen.push_back(std::to_string(index.value) + " end of " + std::to_string(session.value));
    node::Applied applied;
    for (const Bytes& key : owned[session]) applied.changes.push_back({key, "gone"});
    owned.erase(session);
    return applied;
  }
  [[nodiscard]] Result<> admit(BytesView command) const override {
    return command == "bad" ? fail(Code::bad_request, "that is bad") : Result<>();
  }
  [[nodiscard]] Result<node::Queried> query(BytesView query) const override { return node::Queried{Bytes(query)}; }
  Result<node::SnapshotTask> snapshot() override {
    return [held = seen.size()](node::SnapshotWriter& writer) -> Result<> {
      if (auto begun = writer.begin("shelf"); !begun) return begun;
      return writer.append(std::to_string(held));
    };
  }
  Result<> restore(node::SnapshotReader& reader) override {
    files = reader.files();
    const auto bytes = reader.read("shelf", 0, 100);
    if (!bytes) return fail(bytes);
    seen.assign(std::stoul(*bytes), "restored");
    return {};
  }
  [[nodiscard]] bool is_on_disk() const override { return disk_ != nullptr; }
  [[nodiscard]] raft::Index durable() const override { return disk_ == nullptr ? raft::Index{} : disk_->durable; }
  Result<> commit(raft::Index index, const std::vector<node::Aside>& asides) override {
    if (disk_ == nullptr) {
      EXPECT_TRUE(asides.empty());
      return {};
    }
    disk_->durable = index;
    disk_->asides_of_each.push_back(asides.size());
    for (const node::Aside& aside : asides) {
      if (aside.value) {
        disk_->asides[aside.key] = *aside.value;
      } else {
        disk_->asides.erase(aside.key);
      }
    }
    return {};
  }
  Result<> recall(const std::function<void(BytesView, BytesView)>& show) const override {
    for (const auto& [key, value] : disk_->asides) show(key, value);
    return {};
  }

  std::vector<std::string> seen;
  std::map<SessionId, std::vector<Bytes>> owned;
  std::vector<std::string> files;

 private:
  Disk* const disk_;
};

class Bench : public ::testing::Test {
 protected:
  void SetUp() override { make(nullptr); }

  void make(Disk* disk) {
    auto shelf = std::make_unique<Shelf>(disk);
    shelf_ = shelf.get();
    auto made = SessionMachine::open(std::move(shelf));
    ASSERT_TRUE(made.has_value()) << made.error().text;
    machine_ = std::move(*made);
  }

  // The next entry of the log, now.
  node::Outcome give(raft::EntryType type, BytesView payload) {
    const raft::Record record = raft::Record::make({7}, {{1}, {++index_}}, type, now_, payload);
    auto outcome = machine_->apply(record);
    EXPECT_TRUE(outcome.has_value());
    return outcome ? std::move(*outcome) : node::Outcome{};
  }
  node::Outcome give(const Entry& entry) { return give(raft::EntryType::session, encode(entry)); }
  SessionId open(std::uint64_t nonce, std::uint32_t timeout_ms = 1'000) {
    const auto outcome = give(Open{.nonce = {1, nonce}, .timeout_ms = timeout_ms});
    EXPECT_EQ(outcome.refusal.code, Code::ok) << outcome.refusal.text;
    return opened(outcome.result).value_or(SessionId{});
  }
  node::Outcome write(SessionId session, std::uint64_t sequence, BytesView command, std::uint64_t acknowledged = 0,
                      bool is_ephemeral = false) {
    return give(Write{session, sequence, acknowledged, is_ephemeral, command});
  }
  bool keep_alive(SessionId session) {
    return alive(give(KeepAlive{{{session, 0}}}).result, 1).value_or(std::vector<bool>{false})[0];
  }
  zraft::test::SnapshotFiles snapshot() { return files_of(machine_->snapshot()); }
  static zraft::test::SnapshotFiles files_of(Result<node::SnapshotTask> task) {
    zraft::test::MemorySnapshotWriter writer;
    EXPECT_TRUE(task.has_value() && (*task)(writer).has_value());
    return std::move(writer.files);
  }
  Result<> restore(const zraft::test::SnapshotFiles& files) {
    zraft::test::MemorySnapshotReader reader(files);
    return machine_->restore(reader);
  }
  void pass(std::int64_t ms) { now_.ns += ms * 1'000'000; }
  [[nodiscard]] bool is_open(SessionId session) const { return machine_->table().find(session) != nullptr; }
  [[nodiscard]] ClusterTime seen(SessionId session) const { return machine_->table().find(session)->seen; }

  std::unique_ptr<SessionMachine> machine_;
  Shelf* shelf_ = nullptr;
  std::uint64_t index_ = 0;
  ClusterTime now_;
};

}  // namespace zraft::session::test
