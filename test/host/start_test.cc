// SPDX-License-Identifier: Apache-2.0
//
// Opening a host: what it refuses, with a sentence that says what to do and without changing anything, and what it
// clears up by itself.
#include <gtest/gtest.h>

#include "test/host/host_world.h"
#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"
#include "zraft/storage/wal.h"

namespace zraft::host::test {
namespace {

using sim::Ending;

class Start : public ::testing::Test {
 protected:
  Error refusal() {
    const Result<> started = world_.start();
    EXPECT_FALSE(started.has_value());
    return started ? Error{} : started.error();
  }
  void create(const std::string& group, std::uint64_t id) {
    EXPECT_EQ(world_.told(lone_peer(group, id)).error.code, Code::ok);
  }
  // Puts a group into the log, and if `is_named` into the catalogue, as a host that was ended in between leaves it.
  void plant(const std::string& group, std::vector<raft::Record> entries, bool is_named) {
    const sim::Process process = world_.world.start(world_.id, 0);
    sim::SimLoop loop(world_.world, process);
    sim::SimWorker worker(world_.world, process, Duration::milliseconds(1));
    sim::SimFiles files(world_.disk, process);
    auto log = storage::Wal::open(loop, worker, files,
                                  {.owner = "n1", .new_directory_id = 9, .max_segment_size = std::size_t{64} << 10});
    ASSERT_TRUE(log.has_value()) << log.error().text;
    bool is_written = false;
    log->wal->start_group({77}, {}, std::move(entries), {.term = {1}},
                          [&](const Result<>& written) { is_written = written.has_value(); });
    world_.run(Duration::seconds(1));
    EXPECT_TRUE(is_written);
    if (is_named) {
      EXPECT_TRUE(write_catalogue(files, encode(Catalogue{{group, {77}, "echo", {101}, "p1@n1:1", {77}}})).has_value());
    }
    world_.world.kill(process);
    world_.disk.on_end(Ending::killed);
  }

  HostWorld world_;
};

TEST_F(Start, RefusesADirectoryThatAnotherProcessUses) {
  world_.must_start();
  const sim::Process second = world_.world.start(world_.other, 0);
  sim::SimFiles files(world_.disk, second);
  EXPECT_EQ(files.lock("lock").error().code, Code::busy);
}

TEST_F(Start, SaysWhatIsWrongWithItsOptions) {
  const auto refused = [](auto change) {
    Options options;
    options.name = "n1";
    options.listen = "n1:1";
    change(options);
    const std::vector<Error> problems = problems_of(options);
    return problems.empty() ? std::string("accepted") : problems.front().text;
  };
  EXPECT_EQ(refused([](Options&) {}), "accepted");
  EXPECT_TRUE(has(refused([](Options& o) { o.name = ""; }), "name"));
  EXPECT_TRUE(has(refused([](Options& o) { o.name = "a/b"; }), "a/b"));
  EXPECT_TRUE(has(refused([](Options& o) { o.listen = "7101"; }), "listen"));
  EXPECT_TRUE(has(refused([](Options& o) { o.election_timeout = Duration::milliseconds(1); }), "election_timeout"));
  EXPECT_TRUE(has(refused([](Options& o) { o.heartbeat_interval = o.election_timeout; }), "heartbeat_interval"));
  EXPECT_TRUE(has(refused([](Options& o) { o.command_bytes_max = 0; }), "command_bytes_max"));
  EXPECT_TRUE(has(refused([](Options& o) { o.command_bytes_max = std::size_t{1} << 40; }), "command_bytes_max"));
}

TEST_F(Start, RefusesAnAddressThatIsInUse) {
  const sim::Process second = world_.world.start(world_.other, 0);
  sim::SimNetwork network(world_.fabric, second, "n1");
  const auto taken = network.listen("n1:1", [](std::unique_ptr<node::Link>) {});
  ASSERT_TRUE(taken.has_value());
  EXPECT_TRUE(has(refusal().text, "n1:1"));
}

// Bit by bit: a damaged catalogue is never taken for an empty one, or for another one.
TEST_F(Start, RefusesADamagedCatalogueAndLeavesItAsItIs) {
  world_.must_start();
  create("kv", 1);
  world_.end();
  const Bytes good = world_.content("catalogue");
  ASSERT_FALSE(good.empty());
  for (std::size_t bit = 0; bit < good.size() * 8; bit += 5) {
    Bytes bad = good;
    bad[bit / 8] = static_cast<char>(bad[bit / 8] ^ (1 << (bit % 8)));
    world_.overwrite("catalogue", bad);
    const Error why = refusal();
    EXPECT_TRUE(why.code == Code::corrupt || why.code == Code::unsupported) << bit;
    EXPECT_TRUE(has(why.text, "catalogue")) << why.text;
    EXPECT_EQ(world_.content("catalogue"), bad);
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    world_.overwrite("catalogue", good.substr(0, size));
    EXPECT_EQ(refusal().code, Code::corrupt) << size;
  }
  world_.overwrite("catalogue", good);
  world_.must_start();
  EXPECT_EQ(world_.host().peers().size(), 1U);
}

TEST_F(Start, RefusesACatalogueOfALaterVersion) {
  world_.must_start();
  create("kv", 1);
  world_.end();
  Bytes later = world_.content("catalogue");
  later[4] = 2;
  later.resize(later.size() - 4);
  const std::uint32_t checksum = crc32c(later);
  Encoder(later).u32(checksum);
  world_.overwrite("catalogue", later);
  const Error why = refusal();
  EXPECT_EQ(why.code, Code::unsupported);
  EXPECT_TRUE(has(why.text, "format version 2") && has(why.text, "newer build")) << why.text;
}

// The log of another time, or of another machine with the same name: the catalogue names a group that it lacks.
TEST_F(Start, RefusesALogDirectoryThatIsNotTheOneOfItsData) {
  world_.has_log_disk = true;
  world_.must_start();
  create("kv", 1);
  world_.end();
  world_.has_log_disk = false;
  const Error why = refusal();
  EXPECT_EQ(why.code, Code::corrupt);
  EXPECT_TRUE(has(why.text, "log_dir") && has(why.text, "kv") && has(why.text, "Nothing was changed")) << why.text;
  world_.has_log_disk = true;
  world_.must_start();
  EXPECT_EQ(world_.host().peers().size(), 1U);
}

TEST_F(Start, RefusesTheDirectoryOfAnotherHost) {
  world_.must_start();
  world_.end();
  world_.options.name = "n2";
  const Error why = refusal();
  EXPECT_EQ(why.code, Code::wrong_owner);
  EXPECT_TRUE(has(why.text, "n1") && has(why.text, "n2")) << why.text;
}

TEST_F(Start, RefusesALogThatNamesNoMembers) {
  plant("kv", {raft::Record::make({77}, {{1}, {1}}, raft::EntryType::noop, {}, "")}, true);
  const Error why = refusal();
  EXPECT_EQ(why.code, Code::corrupt);
  EXPECT_TRUE(has(why.text, "kv") && has(why.text, "no members")) << why.text;
}

TEST_F(Start, RefusesAGroupWhoseBackendThisProgramLacks) {
  world_.must_start();
  create("kv", 1);
  world_.end();
  const Backends before = world_.backends;
  world_.backends.clear();
  world_.backends["other"] = before.at("echo");
  const Error why = refusal();
  EXPECT_EQ(why.code, Code::unsupported);
  EXPECT_TRUE(has(why.text, "kv") && has(why.text, "echo")) << why.text;
  world_.backends = before;
  world_.must_start();
}

// The host ended between the log and the catalogue: nobody was told that the group is there.
TEST_F(Start, ClearsAwayAGroupThatTheCatalogueDoesNotName) {
  Bytes members;
  raft::encode(lone_peer("kv").membership, members);
  plant("kv", {raft::Record::make({77}, {{1}, {1}}, raft::EntryType::membership, {}, members)}, false);
  world_.must_start();
  EXPECT_TRUE(world_.host().peers().empty());
  world_.run(Duration::seconds(1));
  EXPECT_EQ(world_.told(lone_peer("kv", 77)).error.code, Code::ok);
  world_.restart();
  EXPECT_EQ(world_.host().peers().size(), 1U);
}

TEST_F(Start, RunsTheGroupThatTheCatalogueNames) {
  Bytes members;
  raft::encode(lone_peer("kv").membership, members);
  plant("kv", {raft::Record::make({77}, {{1}, {1}}, raft::EntryType::membership, {}, members)}, true);
  world_.must_start();
  EXPECT_EQ(world_.propose("kv", "hello").error.code, Code::ok);
}

TEST_F(Start, GivesEveryGroupWhatItHadWrittenAfterManyLossesOfPower) {
  world_.must_start();
  for (std::uint64_t i = 1; i <= 5; ++i) create("g" + std::to_string(i), i);
  for (int round = 0; round < 5; ++round) {
    for (std::uint64_t i = 1; i <= 5; ++i) {
      const std::string group = "g" + std::to_string(i);
      EXPECT_EQ(world_.propose(group, group + "." + std::to_string(round)).error.code, Code::ok);
    }
    world_.end(Ending::power_lost);
    world_.must_start();
    world_.run(Duration::seconds(1));
    for (std::uint64_t i = 1; i <= 5; ++i) {
      const std::string group = "g" + std::to_string(i);
      const net::Reply read = world_.told(net::Query{group, net::Consistency::linearizable, ""});
      ASSERT_EQ(read.error.code, Code::ok) << read.error.text;
      EXPECT_EQ(std::get<net::Data>(read.body).data, group + "." + std::to_string(round));
    }
  }
}

}  // namespace
}  // namespace zraft::host::test
