// SPDX-License-Identifier: Apache-2.0
//
// The backends of the key-value language behind one face, so that a test is written once for all of them; their
// snapshots in memory; and a directory that a test has to itself.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "test/machines/memory_snapshot.h"
#include "zraft/machines/memory_kv.h"
#include "zraft/machines/rocksdb_kv.h"

namespace zraft::machines::test {

class TemporaryDirectory {
 public:
  TemporaryDirectory()
      : path_(std::filesystem::temp_directory_path() /
              ("zraft-machines-" + std::to_string(getpid()) + "-" + std::to_string(++made_))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  ~TemporaryDirectory() { std::filesystem::remove_all(path_); }
  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  static inline std::atomic<int> made_ = 0;
  std::filesystem::path path_;
};

struct InMemory {
  static constexpr const char* name = "memory";
  std::unique_ptr<MemoryKv> open(KvLimits limits) { return std::make_unique<MemoryKv>(limits); }
  static std::uint64_t digest(const MemoryKv& machine) { return machine.digest(); }
};

struct InRocksDb {
  static constexpr const char* name = "rocksdb";
  std::unique_ptr<RocksKv> open(KvLimits limits) { return RocksKv::open(directory.path().string(), limits).value(); }
  static std::uint64_t digest(const RocksKv& machine) { return machine.digest().value(); }
  TemporaryDirectory directory;
};

// What a crash at this moment would leave.
inline void copy_as_after_a_crash(const std::filesystem::path& from, const std::filesystem::path& to) {
  std::filesystem::remove_all(to);
  std::filesystem::copy(from, to, std::filesystem::copy_options::recursive);
}

using Asides = std::vector<std::pair<Bytes, Bytes>>;

inline Asides asides_of(const node::StateMachine& machine) {
  Asides found;
  const auto show = [&found](BytesView key, BytesView value) { found.emplace_back(key, value); };
  EXPECT_TRUE(machine.recall(show).has_value());
  return found;
}

using Backends = testing::Types<InMemory, InRocksDb>;

class BackendNames {
 public:
  template <class Backend>
  static std::string GetName(int) {
    return Backend::name;
  }
};

template <class Machine>
zraft::test::SnapshotFiles files_of(Machine& machine) {
  zraft::test::MemorySnapshotWriter writer;
  node::SnapshotTask task = machine.snapshot().value();
  EXPECT_TRUE(task(writer).has_value());
  return writer.files;
}

template <class Machine>
Result<> restore(Machine& machine, const zraft::test::SnapshotFiles& files) {
  zraft::test::MemorySnapshotReader reader(files);
  return machine.restore(reader);
}

using KvChange = std::pair<Bytes, KvEvent>;

// A machine of a backend, fed with entries of a log.
template <class Backend>
class Store {
 public:
  explicit Store(KvLimits limits = {}) : limits_(limits), machine(backend.open(limits)) {}

  // The next entry of the log, at an index one higher than the last. What a session puts is ephemeral.
  KvOutcome apply(const KvCommand& command, std::uint64_t session = 0) { return apply_bytes(encode(command), session); }
  KvOutcome apply_bytes(BytesView data, std::uint64_t session = 0) {
    index = next(index);
    const node::Command command{
        .index = index, .time = {}, .data = data, .session = {session}, .is_ephemeral = session != 0};
    return decode_outcome(end_entry(machine->apply(command)).result).value();
  }
  // The next entry too: a session ends.
  std::vector<KvChange> expire(std::uint64_t session) {
    index = next(index);
    end_entry(machine->expire(index, {session}));
    return changes;
  }
  [[nodiscard]] KvAnswer ask(const KvQuery& query) const {
    return decode_answer(machine->query(encode(query)).value().result).value();
  }
  [[nodiscard]] std::vector<Bytes> keys(const Scan& scan) const {
    std::vector<Bytes> keys;
    const Page page = std::get<Page>(ask(scan));
    for (const KeyValue& item : page.items) keys.push_back(item.key);
    return keys;
  }
  [[nodiscard]] std::uint64_t digest() const { return Backend::digest(*machine); }

 private:
  node::Applied end_entry(node::Applied applied) {
    EXPECT_FALSE(applied.failure.has_value());
    changes.clear();
    for (const auto& [key, event] : applied.changes) changes.emplace_back(key, decode_event(event).value());
    EXPECT_TRUE(machine->commit(index, {}).has_value());
    return applied;
  }

  Backend backend;
  KvLimits limits_;

 public:
  decltype(backend.open(limits_)) machine;
  raft::Index index;              // of the last entry
  std::vector<KvChange> changes;  // at the last entry
};

}  // namespace zraft::machines::test
