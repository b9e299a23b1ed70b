// SPDX-License-Identifier: Apache-2.0
//
// What only the backend `rocksdb` has: a state on the disk. A crash is a copy of its directory taken while it is open;
// whatever is found there is what the commands up to durable() made, and the rest is applied again.
#include "zraft/machines/rocksdb_kv.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>

#include "test/machines/backends.h"
#include "test/machines/memory_snapshot.h"
#include "zraft/base/random.h"
#include "zraft/machines/rocksdb_files.h"

namespace zraft::machines {
namespace {

namespace fs = std::filesystem;
using test::asides_of;
using test::copy_as_after_a_crash;
using test::TemporaryDirectory;
using zraft::test::MemorySnapshotReader;
using zraft::test::MemorySnapshotWriter;
using zraft::test::SnapshotFiles;

std::unique_ptr<RocksKv> open(const fs::path& directory) {
  Result<std::unique_ptr<RocksKv>> machine = RocksKv::open(directory.string());
  EXPECT_TRUE(machine.has_value()) << machine.error().text;
  return std::move(*machine);
}

KvCommand command_at(std::uint64_t index) {
  Random random(index);
  const Bytes key = std::to_string(random.below(1'000));
  if (random.chance(200'000)) return Delete{key};
  return Put{key, Bytes(1 + random.below(500), static_cast<char>('a' + random.below(26)))};
}

void feed(node::StateMachine& machine, std::uint64_t first, std::uint64_t last) {
  for (std::uint64_t index = first; index <= last; ++index) {
    machine.apply({.index = {index}, .time = {}, .data = encode(command_at(index))});
    EXPECT_TRUE(machine.commit({index}, {}).has_value());
  }
}

// What the first n commands make.
std::uint64_t digest_after(std::uint64_t n) {
  MemoryKv machine;
  feed(machine, 1, n);
  return machine.digest();
}

SnapshotFiles files_of(RocksKv& machine) {
  MemorySnapshotWriter writer;
  EXPECT_TRUE(machine.snapshot().value()(writer).has_value());
  return writer.files;
}

std::map<std::string, std::uintmax_t> plain_files(const fs::path& directory) {
  std::map<std::string, std::uintmax_t> found;
  for (const auto& entry : fs::directory_iterator(directory)) {
    found[entry.path().filename().string()] = entry.hard_link_count();
  }
  return found;
}

TEST(RocksKv, FindsNothingDurableAtFirst) {
  const TemporaryDirectory directory;
  const auto machine = open(directory.path() / "not" / "there");
  EXPECT_EQ(machine->durable(), raft::Index{});
  EXPECT_TRUE(machine->may_block());
  EXPECT_EQ(machine->digest().value(), digest_after(0));
}

TEST(RocksKv, FindsAllOfItAfterItWasClosed) {
  const TemporaryDirectory directory;
  feed(*open(directory.path()), 1, 2'000);
  const auto machine = open(directory.path());
  EXPECT_EQ(machine->durable(), raft::Index{2'000});
  EXPECT_EQ(machine->digest().value(), digest_after(2'000));
}

TEST(RocksKv, ACommandWithoutEffectsIsAppliedAsWell) {
  const TemporaryDirectory directory;
  {
    const auto machine = open(directory.path());
    machine->apply({.index = {7}, .time = {}, .data = "nonsense"});
    ASSERT_TRUE(machine->commit({7}, {}).has_value());
  }
  EXPECT_EQ(open(directory.path())->durable(), raft::Index{7});
}

TEST(RocksKv, AfterACrashItHoldsAPrefixAndGoesOnFromThere) {
  const TemporaryDirectory directory;
  const TemporaryDirectory crashed;
  const auto machine = open(directory.path());
  feed(*machine, 1, 500);
  ASSERT_TRUE(machine->snapshot().has_value());  // flushes
  feed(*machine, 501, 900);
  copy_as_after_a_crash(directory.path(), crashed.path());
  const auto again = open(crashed.path());
  EXPECT_EQ(again->durable(), raft::Index{500});
  EXPECT_EQ(again->digest().value(), digest_after(500));
  feed(*again, 501, 900);
  EXPECT_EQ(again->digest().value(), digest_after(900));
  EXPECT_EQ(again->durable(), raft::Index{500}) << "it is what was found";
}

// RocksDB flushes when it likes; what is there then must not be a part of a command or a command without those before.
// A copy may meet a flush half way, which no crash does: then it is taken again.
TEST(RocksKv, WhateverWasFlushedWhenItCrashedIsAPrefix) {
  const TemporaryDirectory directory;
  const TemporaryDirectory crashed;
  const auto feed_large = [](node::StateMachine& machine, std::uint64_t first, std::uint64_t last) {
    for (std::uint64_t index = first; index <= last; ++index) {
      const Put put{.key = std::to_string(index % 100), .value = Bytes(200'000, static_cast<char>('a' + index % 26))};
      machine.apply({.index = {index}, .time = {}, .data = encode(KvCommand(put))});
      EXPECT_TRUE(machine.commit({index}, {{.key = "last", .value = std::to_string(index)}}).has_value());
    }
  };
  const auto machine = open(directory.path());
  feed_large(*machine, 1, 200);
  std::unique_ptr<RocksKv> again;
  for (int attempt = 0; again == nullptr && attempt < 50; ++attempt) {
    std::error_code error;
    fs::remove_all(crashed.path());
    fs::copy(directory.path(), crashed.path(), fs::copy_options::recursive, error);
    if (error) continue;
    if (auto opened = RocksKv::open(crashed.path().string())) again = std::move(*opened);
  }
  ASSERT_NE(again, nullptr);
  const raft::Index durable = again->durable();
  ASSERT_LE(durable, raft::Index{200});
  MemoryKv prefix;
  feed_large(prefix, 1, durable.value);
  EXPECT_EQ(again->digest().value(), prefix.digest());
  if (durable.value > 0) {
    EXPECT_EQ(asides_of(*again), (test::Asides{{"last", std::to_string(durable.value)}}));
  }
  feed_large(*again, durable.value + 1, 200);
  EXPECT_EQ(again->digest().value(), machine->digest().value());
}

TEST(RocksKv, RestoringReplacesWhatIsDurable) {
  const TemporaryDirectory directory;
  const TemporaryDirectory other;
  const auto source = open(directory.path());
  feed(*source, 1, 700);
  const SnapshotFiles files = files_of(*source);
  {
    const auto machine = open(other.path());
    feed(*machine, 1, 100);
    MemorySnapshotReader reader(files);
    ASSERT_TRUE(machine->restore(reader).has_value());
    EXPECT_EQ(machine->durable(), raft::Index{700});
    EXPECT_EQ(plain_files(other.path()).size(), 1U) << "nothing is left beside the database";
  }
  const auto machine = open(other.path());
  EXPECT_EQ(machine->durable(), raft::Index{700});
  EXPECT_EQ(machine->digest().value(), digest_after(700));
}

// Steps of a restore: restoring/ is filled; db -> replaced; restoring -> db; replaced/ is removed. A crash after each.
TEST(RocksKv, ACrashInARestoreLeavesTheOldOrTheNew) {
  const TemporaryDirectory older;
  const TemporaryDirectory newer;
  feed(*open(older.path()), 1, 100);
  feed(*open(newer.path()), 1, 700);
  const auto expect_found = [](const fs::path& directory, std::uint64_t applied) {
    const auto machine = open(directory);
    EXPECT_EQ(machine->durable(), raft::Index{applied});
    EXPECT_EQ(machine->digest().value(), digest_after(applied));
    EXPECT_EQ(plain_files(directory).size(), 1U) << "nothing is left beside the database";
  };
  const TemporaryDirectory crashed;
  const auto put_beside = [&](const char* from_older, const char* from_newer) {
    fs::remove_all(crashed.path());
    fs::create_directories(crashed.path());
    fs::copy(older.path() / "db", crashed.path() / from_older, fs::copy_options::recursive);
    fs::copy(newer.path() / "db", crashed.path() / from_newer, fs::copy_options::recursive);
  };
  put_beside("db", "restoring");
  fs::remove(crashed.path() / "restoring" / "CURRENT");
  expect_found(crashed.path(), 100);
  put_beside("db", "restoring");
  expect_found(crashed.path(), 100);
  put_beside("replaced", "restoring");
  expect_found(crashed.path(), 100);
  put_beside("replaced", "db");
  expect_found(crashed.path(), 700);
}

TEST(RocksKv, RemovesTheCheckpointsThatACrashLeft) {
  const TemporaryDirectory directory;
  const TemporaryDirectory crashed;
  const auto machine = open(directory.path());
  feed(*machine, 1, 10);
  {
    const auto task = machine->snapshot();
    EXPECT_EQ(plain_files(directory.path()).size(), 2U);
    copy_as_after_a_crash(directory.path(), crashed.path());
  }
  EXPECT_EQ(plain_files(directory.path()).size(), 1U) << "a task that is given up takes its checkpoint with it";
  EXPECT_EQ(open(crashed.path())->durable(), raft::Index{10});
  EXPECT_EQ(plain_files(crashed.path()).size(), 1U);
}

// --- snapshots in a directory ---

class DirectoryWriter final : public node::SnapshotWriter {
 public:
  explicit DirectoryWriter(fs::path path) : path_(std::move(path)) {}
  Result<> begin(const std::string&) override { return fail(Code::bad_request, "not with files of its own"); }
  Result<> append(BytesView) override { return fail(Code::bad_request, "not with files of its own"); }
  Result<std::string> directory() override { return path_.string(); }

 private:
  fs::path path_;
};

class DirectoryReader final : public node::SnapshotReader {
 public:
  explicit DirectoryReader(fs::path path) : path_(std::move(path)) {}
  [[nodiscard]] std::vector<std::string> files() const override {
    std::vector<std::string> names;
    for (const auto& [name, links] : plain_files(path_)) names.push_back(name);
    return names;
  }
  Result<std::uint64_t> size(const std::string& file) override { return fs::file_size(path_ / file); }
  Result<Bytes> read(const std::string& file, std::uint64_t offset, std::size_t length) override {
    std::ifstream in(path_ / file, std::ios::binary);
    in.seekg(static_cast<std::streamoff>(offset));
    Bytes bytes(length, '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(length));
    bytes.resize(static_cast<std::size_t>(in.gcount()));
    return bytes;
  }
  Result<std::string> directory() override { return path_.string(); }

 private:
  fs::path path_;
};

TEST(RocksKv, LinksItsFilesIntoASnapshotAndOutOfIt) {
  const TemporaryDirectory directory;
  const TemporaryDirectory snapshot;
  const TemporaryDirectory other;
  {
    const auto machine = open(directory.path());
    feed(*machine, 1, 700);
    DirectoryWriter writer(snapshot.path());
    ASSERT_TRUE(machine->snapshot().value()(writer).has_value());
    const auto restored = open(other.path());
    DirectoryReader reader(snapshot.path());
    ASSERT_TRUE(restored->restore(reader).has_value());
    EXPECT_EQ(restored->digest().value(), digest_after(700));
    for (const auto& [name, links] : plain_files(snapshot.path())) {
      if (name.ends_with(".sst")) {
        EXPECT_EQ(links, 3U) << name;
      }
      EXPECT_TRUE(name != "LOCK" && name != "LOG" && name != "IDENTITY" && !name.ends_with(".log")) << name;
    }
    // Both go on, and the snapshot stays what it was.
    feed(*machine, 701, 1'500);
    feed(*restored, 701, 1'200);
  }
  const TemporaryDirectory third;
  const auto restored = open(third.path());
  DirectoryReader reader(snapshot.path());
  ASSERT_TRUE(restored->restore(reader).has_value());
  EXPECT_EQ(restored->digest().value(), digest_after(700));
}

// --- what is wrong with a directory ---

Error error_of_opening(const fs::path& directory) {
  const Result<std::unique_ptr<RocksKv>> machine = RocksKv::open(directory.string());
  EXPECT_FALSE(machine.has_value());
  return machine ? Error{} : machine.error();
}

TEST(RocksKv, SaysOfADamagedDatabaseWhatToDo) {
  const TemporaryDirectory directory;
  feed(*open(directory.path()), 1, 100);
  std::ofstream(directory.path() / "db" / "CURRENT") << "nonsense";
  const Error error = error_of_opening(directory.path());
  EXPECT_EQ(error.code, Code::corrupt);
  EXPECT_TRUE(error.text.ends_with("move it away and start again, then it is made anew from the snapshot and the log"))
      << error.text;
}

TEST(RocksKv, SaysWhyItCannotGoOnWhenItsFilesCannotBeRead) {
  const TemporaryDirectory directory;
  feed(*open(directory.path()), 1, 2'000);
  for (const auto& [name, links] : plain_files(directory.path() / "db")) {
    if (!name.ends_with(".sst")) continue;
    const auto third = fs::file_size(directory.path() / "db" / name) / 3;  // the first one says what was applied
    std::fstream file(directory.path() / "db" / name, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(third));
    file << Bytes(third, '\xff');
  }
  const auto machine = open(directory.path());
  std::optional<Error> failure;
  for (std::uint64_t index = 2'001; index < 2'100 && !failure; ++index) {
    failure = machine->apply({.index = {index}, .time = {}, .data = encode(command_at(index))}).failure;
    if (failure) break;
    if (const auto committed = machine->commit({index}, {}); !committed) failure = committed.error();
  }
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->code, Code::corrupt);
  EXPECT_NE(failure->text.find((directory.path() / "db").string()), std::string::npos) << failure->text;
}

TEST(RocksKv, MissesAFileThatIsGone) {
  const TemporaryDirectory directory;
  feed(*open(directory.path()), 1, 100);
  for (const auto& [name, links] : plain_files(directory.path() / "db")) {
    if (name.ends_with(".sst")) fs::remove(directory.path() / "db" / name);
  }
  EXPECT_EQ(error_of_opening(directory.path()).code, Code::corrupt);
}

TEST(RocksKv, IsOpenOnceAtATime) {
  const TemporaryDirectory directory;
  const auto machine = open(directory.path());
  EXPECT_EQ(error_of_opening(directory.path()).code, Code::io);
}

// RocksDB takes a short MANIFEST for one whose end a crash tore off, and opens what it says up to there.
TEST(RocksKv, NeverTakesASnapshotWhoseManifestWasCutForAnOlderDatabase) {
  const TemporaryDirectory directory;
  const TemporaryDirectory other;
  const auto source = open(directory.path());
  feed(*source, 1, 100);
  const SnapshotFiles files = files_of(*source);
  const auto machine = open(other.path());
  for (const auto& [name, bytes] : files) {
    if (!name.starts_with("MANIFEST-")) continue;
    for (std::size_t n = 0; n < bytes.size(); n += 7) {
      SnapshotFiles cut = files;
      cut[name] = bytes.substr(0, n);
      MemorySnapshotReader reader(cut);
      if (const Result<> restored = machine->restore(reader); !restored) {
        EXPECT_EQ(restored.error().code, Code::corrupt) << restored.error().text;
      } else {
        EXPECT_EQ(machine->digest().value(), digest_after(100)) << "only what does not matter was cut, at " << n;
      }
    }
  }
}

TEST(RocksFiles, TheFileAppliedHasOneForm) {
  const Bytes bytes = encode_applied_file({258});
  EXPECT_EQ(bytes.substr(0, 18), Bytes("zraft-rk\x01\0\x02\x01\0\0\0\0\0\0", 18));
  EXPECT_EQ(decode_applied_file(bytes), raft::Index{258});
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_FALSE(decode_applied_file(BytesView(bytes).substr(0, n)).has_value()) << n;
    Bytes changed = bytes;
    changed[n] = static_cast<char>(changed[n] ^ 0x40);
    EXPECT_FALSE(decode_applied_file(changed).has_value()) << n;
  }
  EXPECT_FALSE(decode_applied_file(bytes + '\0').has_value());
}

}  // namespace
}  // namespace zraft::machines
