// SPDX-License-Identifier: Apache-2.0
//
// `zraft log` and `zraft snapshot` on the directories of a host that has stopped: what they show, what they call
// damaged, and that they change nothing.
#include "cli/inspect.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "zraft/host/catalogue.h"
#include "zraft/net/asio_loop.h"
#include "zraft/net/asio_worker.h"
#include "zraft/storage/real_files.h"
#include "zraft/storage/snapshot_store.h"
#include "zraft/storage/wal.h"

namespace zraft::cli {
namespace {

using What = Inspect::What;

constexpr raft::GroupId group_id{77};
constexpr raft::GroupId log_id{0xabc};

class InspectTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string path = std::filesystem::temp_directory_path() / "zraft_inspect_XXXXXX";
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    place_ = path;
    write(place_ / "data", place_ / "data");
  }
  void TearDown() override { std::filesystem::remove_all(place_); }

  // A host with one peer of the group kv, three entries and two snapshots.
  void write(const std::filesystem::path& data, const std::filesystem::path& snapshots) {
    auto loop = std::move(*net::AsioLoop::open());
    auto files = std::move(*storage::RealFiles::make(*loop, data));
    auto snapshot_files = std::move(*storage::RealFiles::make(*loop, snapshots));
    auto worker = std::move(*net::AsioWorker::start(*loop, 1));
    const auto members = raft::membership_of({{{1}, "n1@h:1"}});
    ASSERT_TRUE(files->lock("lock"));
    ASSERT_TRUE(host::write_catalogue(*files, host::encode({{.group = "kv",
                                                             .group_id = group_id,
                                                             .backend = "memory",
                                                             .self = {1},
                                                             .peer = "n1@h:1",
                                                             .log = log_id}})));
    auto opened =
        storage::Wal::open(*loop, *worker, *files, {.owner = "n1", .new_directory_id = 5, .max_segment_size = 1 << 16});
    ASSERT_TRUE(opened) << opened.error().text;
    Bytes membership;
    raft::encode(members, membership);
    const auto record = [](std::uint64_t index, raft::EntryType type, const Bytes& payload) {
      return raft::Record::make(group_id, {{2}, {index}}, type, {.ns = 1'234'567'890}, payload);
    };
    std::unique_ptr<node::GroupLog> log;
    const auto on_written = [&](const Result<>& ok) {
      EXPECT_TRUE(ok);
      loop->stop();
    };
    const auto on_started = [&](const Result<>& ok) {
      EXPECT_TRUE(ok);
      log = opened->wal->log_of(log_id);
      log->write(
          {.id = {}, .entries = {record(2, raft::EntryType::noop, ""), record(3, raft::EntryType::command, "hello")}},
          node::Durability::durable, on_written);
    };
    opened->wal->start_group(log_id, {}, {record(1, raft::EntryType::membership, membership)},
                             {.term = {2}, .vote = raft::NodeId{1}}, on_started);
    loop->run();
    const std::string peer = "snapshots/0000000000000abc";
    for (const std::uint64_t index : {2, 3}) {
      const raft::SnapshotMeta meta{.last = {{2}, {index}}, .membership = members, .membership_index = {1}, .time = {}};
      ASSERT_TRUE(storage::write_snapshot(*snapshot_files, peer, group_id, "memory", meta, [](auto& writer) {
        auto begun = writer.begin("state");
        return begun ? writer.append("twelve bytes") : begun;
      }));
    }
  }

  Outcome ask(What what, Format format = Format::table, const std::string& group = "", const std::string& apart = "") {
    Command command;
    command.group = group;
    command.format = format;
    return run_inspect(command, {.what = what, .data = place_ / "data", .apart = apart});
  }

  // Every file below the directory, with its content.
  std::map<std::string, Bytes> everything() {
    std::map<std::string, Bytes> all;
    for (const auto& at : std::filesystem::recursive_directory_iterator(place_)) {
      std::stringstream content;
      if (at.is_regular_file()) content << std::ifstream(at.path(), std::ios::binary).rdbuf();
      all[at.path()] = content.str();
    }
    return all;
  }

  void flip(const std::string& file, std::streamoff offset) {
    std::fstream open(place_ / "data" / file, std::ios::in | std::ios::out | std::ios::binary);
    open.seekg(offset);
    const auto byte = static_cast<char>(open.get() ^ 1);
    open.seekp(offset);
    open.put(byte);
  }

  static void has(const std::string& text, const std::string& words) {
    EXPECT_NE(text.find(words), std::string::npos) << text;
  }

  std::filesystem::path place_;
};

constexpr const char* segment = "log/wal-0000000000000001";
constexpr const char* newest = "snapshots/0000000000000abc/snap-3-2";

TEST_F(InspectTest, ShowsWhatIsInTheLog) {
  const Outcome dump = ask(What::log_dump);
  EXPECT_EQ(dump.status, Exit::done);
  EXPECT_EQ(dump.problem, "");
  has(dump.out, "SEGMENT  BYTES");
  has(dump.out, "kv     n1@h:1  0000000000000abc  2     1     0^0   2^3   3");
  has(dump.out, "kv     1      2     membership");
  has(dump.out, "kv     3      2     command     5      1.234s");
  const Outcome json = ask(What::log_dump, Format::json, "kv");
  has(json.out, R"({"kind":"segment","directory":)");
  has(json.out, R"("group":"kv","peer":"n1@h:1","log":"0000000000000abc","term":2,"vote":"1")");
  has(json.out, R"({"kind":"entry","group":"kv","log":"0000000000000abc","index":3,"term":2,"type":"command",)"
                R"("bytes":5,"time_ns":1234567890})");
  EXPECT_EQ(ask(What::log_dump, Format::table, "other").status, Exit::refused);
}

TEST_F(InspectTest, FindsNothingWrongAndChangesNothing) {
  const auto before = everything();
  const Outcome log = ask(What::log_verify);
  EXPECT_EQ(log.status, Exit::done) << log.problem;
  has(log.out, "right");
  has(ask(What::log_verify, Format::json).out, R"({"damaged":false,"logs":[{"directory":)");
  const Outcome listed = ask(What::snapshot_ls);
  EXPECT_EQ(listed.status, Exit::done) << listed.problem;
  has(listed.out, "kv     n1@h:1  2^2   0.000s  1      12     complete");
  has(ask(What::snapshot_ls, Format::json).out, R"("files":[{"name":"state","bytes":12}])");
  EXPECT_EQ(ask(What::snapshot_verify).status, Exit::done);
  EXPECT_EQ(everything(), before);
}

TEST_F(InspectTest, SaysWhichPartOfTheLogIsDamagedAndShowsWhatStandsBeforeIt) {
  // The first batch; the second one says that it was durable. After 64 bytes of a header comes its body.
  flip(segment, 4096 + 64 + 20);
  const auto before = everything();
  for (const What what : {What::log_verify, What::log_dump}) {
    const Outcome outcome = ask(what);
    EXPECT_EQ(outcome.status, Exit::damaged);
    has(outcome.problem, "data: log/wal-0000000000000001 at byte 4096: batch 1 is damaged, and it was durable");
  }
  has(ask(What::log_verify).out, "damaged");
  has(ask(What::log_verify, Format::json).out, R"({"damaged":true)");
  has(ask(What::log_dump, Format::json).out, R"({"kind":"damage","directory":)");
  EXPECT_EQ(everything(), before);
}

TEST_F(InspectTest, TakesATornTailForNoDamageAsAStartDoes) {
  flip(segment, 8192 + 64 + 20);  // the last batch, before any other says that it was durable
  const Outcome outcome = ask(What::log_verify);
  EXPECT_EQ(outcome.status, Exit::done) << outcome.problem;
  has(outcome.out, "  1           1       1        right");  // batch, group, entry
}

TEST_F(InspectTest, SaysThatTheCatalogueIsDamaged) {
  flip("catalogue", 12);
  const Outcome outcome = ask(What::log_verify);
  EXPECT_EQ(outcome.status, Exit::damaged);
  has(outcome.problem, "catalogue");
  const Outcome dump = ask(What::log_dump);
  EXPECT_EQ(dump.status, Exit::damaged);
  has(dump.out, "0000000000000abc");
}

TEST_F(InspectTest, SaysWhichSnapshotIsDamaged) {
  flip(std::string(newest) + "/state", 3);
  const Outcome listed = ask(What::snapshot_ls);
  EXPECT_EQ(listed.status, Exit::done) << "it has its size: contents are not looked at";
  const auto before = everything();
  const Outcome verified = ask(What::snapshot_verify);
  EXPECT_EQ(verified.status, Exit::damaged);
  has(verified.problem, std::string(newest) + "/state at byte 0: the checksum of these 12 bytes is wrong");
  has(verified.out, "complete");
  has(verified.out, "damaged");
  std::filesystem::resize_file(place_ / "data" / newest / "state", 11);
  EXPECT_EQ(ask(What::snapshot_ls).status, Exit::damaged);
  has(ask(What::snapshot_ls).problem, "it has 11 bytes and was written with 12");
  flip(std::string(newest) + "/meta", 30);
  has(ask(What::snapshot_ls, Format::json).out, "a manifest whose checksum is wrong");
  EXPECT_EQ(everything().size(), before.size()) << "nothing is removed";
}

TEST_F(InspectTest, ShowsPartsAndRemovesNothing) {
  {
    auto loop = std::move(*net::AsioLoop::open());
    auto files = std::move(*storage::RealFiles::make(*loop, place_ / "data"));
    const storage::SnapshotManifest manifest{
        .group = group_id, .backend = "memory", .meta = {.last = {{2}, {9}}}, .files = {{"a", 5, {1}}}};
    ASSERT_TRUE(storage::IncomingSnapshot::begin(*files, "snapshots/0000000000000abc", manifest));
    ASSERT_TRUE(files->make_directory("snapshots/0000000000000abc/tmp-11-2"));
  }
  const auto before = everything();
  const Outcome verified = ask(What::snapshot_verify);
  EXPECT_EQ(verified.status, Exit::done) << verified.problem;
  has(verified.out, "partial");
  EXPECT_EQ(everything(), before);
}

TEST_F(InspectTest, LooksIntoShardsAndDirectoriesApart) {
  write(place_ / "data" / "shard-1", place_ / "big" / "shard-1");
  std::filesystem::create_directories(place_ / "big");
  const Outcome logs = ask(What::log_verify);
  EXPECT_EQ(logs.status, Exit::done) << logs.problem;
  has(logs.out, "data/shard-1");
  const Outcome snapshots = ask(What::snapshot_ls, Format::table, "", place_ / "big");
  EXPECT_EQ(snapshots.status, Exit::done) << snapshots.problem;
  has(snapshots.out, "big/shard-1/snapshots/0000000000000abc/snap-3-2");
}

TEST_F(InspectTest, RefusesWhatIsNoStoppedHost) {
  Command command;
  const auto at = [&](const std::filesystem::path& data, What what = What::log_verify) {
    return run_inspect(command, {.what = what, .data = data, .apart = ""});
  };
  EXPECT_EQ(at(place_ / "nowhere").status, Exit::refused);
  EXPECT_FALSE(std::filesystem::exists(place_ / "nowhere"));
  has(at(place_).problem, "there is no log");
  EXPECT_EQ(at(place_, What::snapshot_ls).status, Exit::done) << "it has none";
  auto loop = std::move(*net::AsioLoop::open());
  auto files = std::move(*storage::RealFiles::make(*loop, place_ / "data"));
  ASSERT_TRUE(files->lock("lock"));
  for (const What what : {What::log_dump, What::log_verify, What::snapshot_ls, What::snapshot_verify}) {
    has(at(place_ / "data", what).problem, "it is in use: stop the zraftd that runs on it first");
  }
}

}  // namespace
}  // namespace zraft::cli
