// SPDX-License-Identifier: Apache-2.0
//
// The snapshots of one peer, on a disk in memory. What crashes leave is in test/sim/snapshot_crash_test.cc, what only
// files of the operating system can do in real_files_test.cc.
#include "zraft/storage/snapshot_store.h"

#include <gtest/gtest.h>

#include "test/storage/manual_loop.h"
#include "test/storage/memory_files.h"
#include "test/storage/snapshots.h"

namespace zraft::test {
namespace {

using storage::IncomingSnapshot;
using storage::SnapshotManifest;

class SnapshotStore : public testing::Test {
 protected:
  void expect_damaged(const std::string& words) {
    const auto found = storage::find_snapshots(files_, dir_);
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_TRUE(found->complete.empty());
    ASSERT_EQ(found->damaged.size(), 1U);
    EXPECT_NE(found->damaged[0].find(words), std::string::npos) << found->damaged[0];
    EXPECT_NE(found->damaged[0].find("Move it away"), std::string::npos) << found->damaged[0];
    EXPECT_TRUE(files_.exists("peer/snap-7-3").value()) << "it is left as it is";
  }

  MemoryDisk disk_;
  ManualLoop loop_;
  MemoryFiles files_{disk_, loop_};
  const std::string dir_ = "peer";
  const Contents contents_ = some_contents(1);
};

TEST_F(SnapshotStore, GivesBackWhatWasWritten) {
  const auto written = save(files_, dir_, meta_at(3, 7), contents_);
  ASSERT_TRUE(written) << written.error().text;
  EXPECT_EQ(*written, manifest_of(meta_at(3, 7), contents_)) << "I14: the same bytes, the same manifest";
  EXPECT_EQ(files_.list(dir_).value(), std::vector<std::string>{"snap-7-3"});
  const auto found = storage::find_snapshots(files_, dir_);
  ASSERT_TRUE(found);
  EXPECT_EQ(found->complete, std::vector{*written});
  EXPECT_TRUE(found->damaged.empty());
  EXPECT_FALSE(found->partial);
  EXPECT_EQ(read_all(files_, dir_, written->meta.last), contents_);
  EXPECT_TRUE(storage::verify_snapshot(files_, dir_, *written));
}

TEST_F(SnapshotStore, ReadsAnyPartOfAFile) {
  ASSERT_TRUE(save(files_, dir_, meta_at(3, 7), contents_));
  auto reader = storage::open_snapshot(files_, dir_, {{3}, {7}});
  ASSERT_TRUE(reader);
  const Bytes& values = contents_.at("values");
  EXPECT_EQ((*reader)->read("values", storage::snapshot_chunk_size - 3, 6).value(),
            values.substr(storage::snapshot_chunk_size - 3, 6));
  EXPECT_EQ((*reader)->read("values", values.size() - 2, 100).value(), values.substr(values.size() - 2));
  EXPECT_EQ((*reader)->read("values", values.size() + 1, 100).value(), "");
  EXPECT_EQ((*reader)->read("empty", 0, 100).value(), "");
  EXPECT_EQ((*reader)->read("none", 0, 100).error().code, Code::not_found);
  EXPECT_EQ((*reader)->directory().error().code, Code::unsupported);
  EXPECT_EQ(storage::open_snapshot(files_, dir_, {{3}, {8}}).error().code, Code::not_found);
}

TEST_F(SnapshotStore, ListsTheOldestFirstAndRemovesWhatIsWorthless) {
  for (const std::uint64_t index : {11, 7, 100}) ASSERT_TRUE(save(files_, dir_, meta_at(3, index), contents_));
  ASSERT_TRUE(files_.make_directory("peer/tmp-12-3/.files"));
  ASSERT_TRUE(storage::replace_file(files_, "peer/tmp-12-3/.files/x", "x"));
  ASSERT_TRUE(files_.make_directory("peer/part-12-3"));  // without a manifest
  ASSERT_TRUE(storage::replace_file(files_, "peer/note", "of somebody else"));
  const auto found = storage::find_snapshots(files_, dir_);
  ASSERT_TRUE(found) << found.error().text;
  std::vector<std::uint64_t> indices;
  for (const auto& manifest : found->complete) indices.push_back(manifest.meta.last.index.value);
  EXPECT_EQ(indices, (std::vector<std::uint64_t>{7, 11, 100}));
  EXPECT_EQ(files_.list(dir_).value(), (std::vector<std::string>{"note", "snap-100-3", "snap-11-3", "snap-7-3"}));
}

TEST_F(SnapshotStore, KeepsTheOneThatIsThere) {
  const auto first = save(files_, dir_, meta_at(3, 7), contents_);
  bool has_run = false;
  const auto second = storage::write_snapshot(files_, dir_, {10}, "memory", meta_at(3, 7), [&](auto&) -> Result<> {
    has_run = true;
    return {};
  });
  EXPECT_EQ(second, first);
  EXPECT_FALSE(has_run);
}

TEST_F(SnapshotStore, TakesNoNameThatLeadsElsewhere) {
  const std::string too_long(65, 'x');
  for (const std::string& name : {std::string(), std::string("meta"), std::string(".x"), std::string("../x"),
                                  std::string("a/b"), std::string("a\0b", 3), std::string("\xc3\xa4"), too_long}) {
    const auto written = save(files_, dir_, meta_at(3, 7), {{name, "x"}});
    ASSERT_FALSE(written) << name;
    EXPECT_EQ(written.error().code, Code::bad_request);
    EXPECT_TRUE(files_.list(dir_).value().empty()) << "nothing is left";
  }
}

TEST_F(SnapshotStore, GivesASnapshotUpAfterTheFirstErrorWhateverTheTaskSays) {
  const auto written = storage::write_snapshot(files_, dir_, {10}, "memory", meta_at(3, 7),
                                               [](node::SnapshotWriter& writer) -> Result<> {
                                                 EXPECT_FALSE(writer.append("before any file"));
                                                 EXPECT_FALSE(writer.begin("good"));
                                                 EXPECT_FALSE(writer.append("x"));
                                                 return {};
                                               });
  EXPECT_EQ(written.error().code, Code::bad_request);
  const auto twice = storage::write_snapshot(files_, dir_, {10}, "memory", meta_at(3, 7),
                                             [](node::SnapshotWriter& writer) -> Result<> {
                                               EXPECT_TRUE(writer.begin("a"));
                                               EXPECT_TRUE(writer.begin("b"));
                                               EXPECT_FALSE(writer.begin("a"));
                                               return {};
                                             });
  EXPECT_EQ(twice.error().code, Code::bad_request);
  const auto refused = storage::write_snapshot(files_, dir_, {10}, "memory", meta_at(3, 7),
                                               [](node::SnapshotWriter& writer) -> Result<> {
                                                 EXPECT_EQ(writer.directory().error().code, Code::unsupported);
                                                 EXPECT_TRUE(writer.begin("good"));
                                                 return fail(Code::too_large, "of its own");
                                               });
  EXPECT_EQ(refused.error().code, Code::too_large);
  EXPECT_TRUE(files_.list(dir_).value().empty());
}

TEST_F(SnapshotStore, ReportsADamagedOneAndLeavesItAlone) {
  ASSERT_TRUE(save(files_, dir_, meta_at(3, 7), contents_));
  const Bytes meta = disk_.bytes("peer/snap-7-3/meta");
  disk_.bytes("peer/snap-7-3/meta")[30] ^= 1;
  expect_damaged("peer/snap-7-3/meta: a manifest whose checksum is wrong");
  disk_.remove("peer/snap-7-3/meta");
  expect_damaged("peer/snap-7-3/meta: there is no such file");
  ASSERT_TRUE(storage::replace_file(files_, "peer/snap-7-3/meta", meta));
  disk_.bytes("peer/snap-7-3/keys.0").pop_back();
  expect_damaged("peer/snap-7-3/keys.0: it has 1000 bytes and was written with 1001");
  disk_.remove("peer/snap-7-3/keys.0");
  expect_damaged("peer/snap-7-3/keys.0: there is no such file");
  ASSERT_TRUE(files_.rename("peer/snap-7-3", "peer/snap-8-3"));
  const auto found = storage::find_snapshots(files_, dir_);
  EXPECT_NE(found->damaged.at(0).find("it is the manifest of a snapshot at 3^7"), std::string::npos);
  ASSERT_TRUE(files_.rename("peer/snap-8-3", "peer/snap-007-3"));
  EXPECT_NE(storage::find_snapshots(files_, dir_)->damaged.at(0).find("no snapshot is given"), std::string::npos);
}

TEST_F(SnapshotStore, FindsEveryFlippedByte) {
  const auto manifest = save(files_, dir_, meta_at(3, 7), contents_);
  ASSERT_TRUE(manifest);
  Bytes& values = disk_.bytes("peer/snap-7-3/values");
  for (const std::size_t at : {std::size_t{0}, storage::snapshot_chunk_size - 1, storage::snapshot_chunk_size + 17}) {
    values[at] ^= 4;
    const auto verified = storage::verify_snapshot(files_, dir_, *manifest);
    ASSERT_FALSE(verified);
    EXPECT_EQ(verified.error().code, Code::corrupt);
    const std::string chunk = std::to_string(at / storage::snapshot_chunk_size * storage::snapshot_chunk_size);
    EXPECT_NE(verified.error().text.find("peer/snap-7-3/values at byte " + chunk), std::string::npos)
        << verified.error().text;
    auto reader = storage::open_snapshot(files_, dir_, {{3}, {7}});
    ASSERT_TRUE(reader);
    EXPECT_EQ((*reader)->read("values", at, 1).error().code, Code::corrupt);
    values[at] ^= 4;
  }
  EXPECT_TRUE(storage::verify_snapshot(files_, dir_, *manifest));
}

TEST_F(SnapshotStore, EndsALookWhenItIsToldTo) {
  const auto manifest = save(files_, dir_, meta_at(3, 7), contents_);
  std::vector<std::size_t> sizes;
  const auto look = [&](std::size_t most) {
    sizes.clear();
    return storage::verify_snapshot(files_, dir_, *manifest, [&](std::size_t size) {
      sizes.push_back(size);
      return sizes.size() < most;
    });
  };
  EXPECT_TRUE(look(4));
  EXPECT_EQ(sizes, (std::vector<std::size_t>{1001, 1 << 20, 5000}));
  EXPECT_EQ(look(2).error().code, Code::timeout);
}

TEST_F(SnapshotStore, MakesRoomForAnotherInPlaceOfADamagedOne) {
  ASSERT_TRUE(save(files_, dir_, meta_at(3, 7), contents_));
  disk_.bytes("peer/snap-7-3/keys.0").pop_back();
  ASSERT_TRUE(save(files_, dir_, meta_at(3, 7), contents_));
  EXPECT_EQ(read_all(files_, dir_, {{3}, {7}}), contents_);
  disk_.bytes("peer/snap-7-3/values")[9] ^= 1;
  ASSERT_TRUE(fetch(files_, dir_, manifest_of(meta_at(3, 7), contents_), contents_));
  EXPECT_EQ(read_all(files_, dir_, {{3}, {7}}), contents_);
  EXPECT_EQ(files_.list(dir_).value(), std::vector<std::string>{"snap-7-3"});
}

TEST_F(SnapshotStore, IsCopiedForAnotherGroupAndOutlivesTheOldOne) {
  const auto written = save(files_, dir_, meta_at(3, 7), contents_);
  ASSERT_TRUE(written) << written.error().text;
  ASSERT_TRUE(storage::copy_snapshot(files_, dir_, *written, "other", {11}));
  ASSERT_TRUE(storage::remove_all_snapshots(files_, dir_));
  SnapshotManifest wanted = *written;
  wanted.group = {11};
  const auto found = storage::find_snapshots(files_, "other");
  ASSERT_TRUE(found) << found.error().text;
  EXPECT_EQ(found->complete, std::vector{wanted}) << "only the group is another";
  EXPECT_TRUE(found->worthless.empty());
  EXPECT_EQ(read_all(files_, "other", wanted.meta.last), contents_);
}

TEST_F(SnapshotStore, IsNotCopiedIfItIsDamaged) {
  const auto written = save(files_, dir_, meta_at(3, 7), contents_);
  ASSERT_TRUE(written) << written.error().text;
  auto file = files_.open("peer/snap-7-3/values", storage::OpenMode::read_write);
  ASSERT_TRUE(file && (*file)->write_now(100, "?"));
  const auto copied = storage::copy_snapshot(files_, dir_, *written, "other", {11});
  EXPECT_EQ(copied.error().code, Code::corrupt);
  EXPECT_NE(copied.error().text.find("values at byte 0"), std::string::npos) << copied.error().text;
  EXPECT_TRUE(files_.list("other").value().empty()) << "nothing of it is left";
}

TEST_F(SnapshotStore, SendsFromItAfterItWasRemoved) {
  const auto manifest = save(files_, dir_, meta_at(3, 7), contents_);
  const auto sending = storage::open_snapshot_to_send(files_, dir_, *manifest);
  ASSERT_TRUE(sending) << sending.error().text;
  auto reader = storage::open_snapshot(files_, dir_, {{3}, {7}});
  ASSERT_TRUE((*reader)->read("values", 0, 1));
  ASSERT_TRUE(storage::remove_snapshot(files_, dir_, {{3}, {7}}));
  ASSERT_TRUE(storage::remove_snapshot(files_, dir_, {{3}, {7}})) << "that it is not there is no error";
  EXPECT_TRUE(files_.list(dir_).value().empty());
  ASSERT_EQ(sending->size(), 3U);
  EXPECT_EQ((*sending)[0]->size(), 0U);
  EXPECT_EQ((*sending)[2]->read(0, 10'000'000).value(), contents_.at("values"));
  EXPECT_EQ((*reader)->read("values", 5, 10).value(), contents_.at("values").substr(5, 10));
}

TEST_F(SnapshotStore, RemovesAllOfThem) {
  ASSERT_TRUE(storage::remove_all_snapshots(files_, dir_)) << "that there are none is no error";
  ASSERT_TRUE(save(files_, dir_, meta_at(3, 7), contents_));
  ASSERT_TRUE(save(files_, dir_, meta_at(3, 9), contents_));
  ASSERT_TRUE(IncomingSnapshot::begin(files_, dir_, manifest_of(meta_at(4, 20), contents_)));
  ASSERT_TRUE(storage::remove_all_snapshots(files_, dir_));
  EXPECT_FALSE(files_.exists(dir_).value());
  EXPECT_TRUE(disk_.paths().empty());
}

TEST_F(SnapshotStore, TakesOneInChunkByChunkInAnyOrder) {
  const SnapshotManifest manifest = manifest_of(meta_at(3, 7), contents_);
  auto incoming = IncomingSnapshot::begin(files_, dir_, manifest);
  ASSERT_TRUE(incoming) << incoming.error().text;
  EXPECT_EQ(incoming->missing(), (std::vector<IncomingSnapshot::Chunk>{{1, 0}, {2, 0}, {2, 1}}));
  const BytesView values = contents_.at("values");
  ASSERT_TRUE(incoming->put({2, 1}, values.substr(storage::snapshot_chunk_size)));
  ASSERT_TRUE(incoming->put({1, 0}, contents_.at("keys.0")));
  EXPECT_EQ(incoming->missing(), (std::vector<IncomingSnapshot::Chunk>{{2, 0}}));
  ASSERT_TRUE(incoming->put({2, 0}, values.substr(0, storage::snapshot_chunk_size)));
  ASSERT_TRUE(incoming->finish());
  EXPECT_EQ(read_all(files_, dir_, {{3}, {7}}), contents_);
  EXPECT_EQ(files_.list(dir_).value(), std::vector<std::string>{"snap-7-3"});
}

TEST_F(SnapshotStore, P63_TakesNoChunkThatIsNotOfThisSnapshot) {
  const SnapshotManifest manifest = manifest_of(meta_at(3, 7), contents_);
  auto incoming = IncomingSnapshot::begin(files_, dir_, manifest);
  ASSERT_TRUE(incoming);
  const Bytes& keys = contents_.at("keys.0");
  EXPECT_EQ(incoming->put({3, 0}, keys).error().code, Code::bad_request);
  EXPECT_EQ(incoming->put({1, 1}, keys).error().code, Code::bad_request);
  EXPECT_EQ(incoming->put({0, 0}, "").error().code, Code::bad_request) << "an empty file has no chunks";
  EXPECT_EQ(incoming->put({2, 0}, keys).error().code, Code::corrupt) << "of another file";
  EXPECT_EQ(incoming->put({1, 0}, keys + "x").error().code, Code::corrupt);
  EXPECT_EQ(incoming->put({1, 0}, BytesView(keys).substr(1)).error().code, Code::corrupt);
  EXPECT_EQ(disk_.bytes("peer/part-7-3/keys.0"), "") << "nothing is written";
  EXPECT_TRUE(incoming->put({1, 0}, keys));
  EXPECT_TRUE(incoming->put({1, 0}, keys)) << "it may come twice";
}

TEST_F(SnapshotStore, GoesOnWithWhatHasCome) {
  const SnapshotManifest manifest = manifest_of(meta_at(3, 7), contents_);
  const BytesView values = contents_.at("values");
  {
    auto incoming = IncomingSnapshot::begin(files_, dir_, manifest);
    ASSERT_TRUE(incoming->put({2, 1}, values.substr(storage::snapshot_chunk_size)));
    ASSERT_TRUE(incoming->put({2, 0}, values.substr(0, storage::snapshot_chunk_size)));
  }
  EXPECT_EQ(storage::find_snapshots(files_, dir_)->partial, manifest);
  disk_.bytes("peer/part-7-3/values")[77] ^= 1;
  disk_.bytes("peer/part-7-3/values") += "beyond";
  disk_.bytes("peer/part-7-3/keys.0") = "torn";
  auto incoming = IncomingSnapshot::begin(files_, dir_, manifest);
  ASSERT_TRUE(incoming);
  EXPECT_EQ(incoming->missing(), (std::vector<IncomingSnapshot::Chunk>{{1, 0}, {2, 0}})) << "each chunk is compared";
  ASSERT_TRUE(fetch(files_, dir_, manifest, contents_));
  EXPECT_EQ(read_all(files_, dir_, {{3}, {7}}), contents_);
}

TEST_F(SnapshotStore, P63_BeginsAnewWhenAnotherSnapshotIsToCome) {
  const SnapshotManifest manifest = manifest_of(meta_at(3, 7), contents_);
  const SnapshotManifest same_place = manifest_of(meta_at(3, 7), some_contents(2));
  const SnapshotManifest newer = manifest_of(meta_at(4, 9), contents_);
  for (const SnapshotManifest& other : {same_place, newer}) {
    {
      auto incoming = IncomingSnapshot::begin(files_, dir_, manifest);
      ASSERT_TRUE(incoming->put({1, 0}, contents_.at("keys.0")));
    }
    auto incoming = IncomingSnapshot::begin(files_, dir_, other);
    ASSERT_TRUE(incoming);
    EXPECT_EQ(incoming->missing().size(), 3U);
    EXPECT_EQ(storage::find_snapshots(files_, dir_)->partial, other);
    EXPECT_EQ(files_.list(dir_)->size(), 1U);
  }
}

TEST_F(SnapshotStore, W62_TakesNoManifestWhoseNamesLeadElsewhere) {
  for (const char* name : {"../../passwd", "meta", ".", "..", ""}) {
    SnapshotManifest manifest = manifest_of(meta_at(3, 7), {{name, "x"}});
    EXPECT_EQ(IncomingSnapshot::begin(files_, dir_, manifest).error().code, Code::corrupt) << name;
  }
  EXPECT_TRUE(disk_.paths().empty());
}

TEST_F(SnapshotStore, W58_TakesInASnapshotOfNothingButEmptyFiles) {
  const Contents empty{{"a", ""}, {"b", ""}};
  ASSERT_TRUE(fetch(files_, dir_, manifest_of(meta_at(1, 1), empty), empty));
  EXPECT_EQ(read_all(files_, dir_, {{1}, {1}}), empty);
  ASSERT_TRUE(save(files_, dir_, meta_at(1, 2), {}));
  EXPECT_TRUE(storage::open_snapshot(files_, dir_, {{1}, {2}}).value()->files().empty());
}

TEST_F(SnapshotStore, WantsAChunkAgainThatTheDiskLost) {
  const SnapshotManifest manifest = manifest_of(meta_at(3, 7), contents_);
  auto incoming = IncomingSnapshot::begin(files_, dir_, manifest);
  ASSERT_TRUE(incoming);
  const BytesView values = contents_.at("values");
  ASSERT_TRUE(incoming->put({1, 0}, contents_.at("keys.0")));
  ASSERT_TRUE(incoming->put({2, 0}, values.substr(0, storage::snapshot_chunk_size)));
  ASSERT_TRUE(incoming->put({2, 1}, values.substr(storage::snapshot_chunk_size)));
  disk_.bytes("peer/part-7-3/values")[storage::snapshot_chunk_size + 1] ^= 1;
  disk_.touched("peer/part-7-3/values");
  const auto finished = incoming->finish();
  ASSERT_FALSE(finished);
  EXPECT_EQ(finished.error().code, Code::corrupt) << finished.error().text;
  EXPECT_EQ(incoming->missing(), (std::vector<IncomingSnapshot::Chunk>{{2, 1}}));
  ASSERT_TRUE(incoming->put({2, 1}, values.substr(storage::snapshot_chunk_size)));
  ASSERT_TRUE(incoming->finish());
  EXPECT_EQ(read_all(files_, dir_, {{3}, {7}}), contents_);
}

// P62; RELIABILITY 2.3, row 14: the log may go on, the old snapshot is whole, nothing of the new one is left.
TEST_F(SnapshotStore, P62_ADiskThatIsFullAtAnyCallLeavesTheOldSnapshotAndNothingElse) {
  ASSERT_TRUE(save(files_, dir_, meta_at(3, 7), contents_));
  const Contents next = some_contents(2);
  bool has_reached_the_end = false;
  for (std::uint64_t n = 1; !has_reached_the_end; ++n) {
    MemoryDisk disk(disk_);
    MemoryFiles files(disk, loop_);
    disk.fail_call(n, Code::no_space);
    const auto written = save(files, dir_, meta_at(3, 9), next);
    has_reached_the_end = written.has_value() && disk.calls() < n;
    disk.fail_nothing();
    EXPECT_EQ(read_all(files, dir_, {{3}, {7}}), contents_) << "call " << n;
    if (written) continue;
    EXPECT_EQ(written.error().code, Code::no_space) << "call " << n << ": " << written.error().text;
    EXPECT_EQ(files.list(dir_).value(), std::vector<std::string>{"snap-7-3"}) << "call " << n;
  }
}

TEST_F(SnapshotStore, P62_ADiskThatIsFullWhileOneComesLeavesTheOldSnapshotAndCanBeGoneOnWith) {
  ASSERT_TRUE(save(files_, dir_, meta_at(3, 7), contents_));
  const Contents next = some_contents(2);
  const SnapshotManifest manifest = manifest_of(meta_at(3, 9), next);
  bool has_reached_the_end = false;
  for (std::uint64_t n = 1; !has_reached_the_end; ++n) {
    MemoryDisk disk(disk_);
    MemoryFiles files(disk, loop_);
    disk.fail_call(n, Code::no_space, true);
    const auto fetched = fetch(files, dir_, manifest, next);
    has_reached_the_end = fetched.has_value();
    disk.fail_nothing();
    if (!fetched) {
      EXPECT_EQ(fetched.error().code, Code::no_space) << "call " << n;
    }
    EXPECT_EQ(read_all(files, dir_, {{3}, {7}}), contents_) << "call " << n;
    ASSERT_TRUE(fetch(files, dir_, manifest, next)) << "call " << n;
    EXPECT_EQ(read_all(files, dir_, {{3}, {9}}), next) << "call " << n;
  }
}

}  // namespace
}  // namespace zraft::test
