// SPDX-License-Identifier: Apache-2.0
//
// A host on real threads, files and sockets: it starts, serves, ends and starts again, and says why when it cannot.
#include "zraft/host/embed.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <future>
#include <mutex>
#include <thread>

#include "zraft/machines/kv_wire.h"
#include "zraft/machines/memory_kv.h"

namespace zraft::host {
namespace {

constexpr Duration patience = Duration::seconds(20);

class EmbeddedHostTest : public testing::Test {
 protected:
  EmbeddedHostTest() { std::filesystem::remove_all(place_); }
  ~EmbeddedHostTest() override { std::filesystem::remove_all(place_); }

  [[nodiscard]] EmbedOptions options(const std::string& name = "n1", const std::string& data = "data") const {
    EmbedOptions wanted;
    wanted.host = {.name = name, .listen = "127.0.0.1:0", .election_timeout = Duration::milliseconds(50)};
    wanted.host.max_segment_size = std::size_t{64} << 10;
    wanted.data_dir = (place_ / data).string();
    wanted.busy_patience = {};
    return wanted;
  }

  Result<std::unique_ptr<EmbeddedHost>> start(EmbedOptions wanted) {
    Backends backends{{"memory", [] { return std::make_unique<machines::MemoryKv>(); }}};
    return EmbeddedHost::start(std::move(wanted), std::move(backends), [this](LogLevel, std::string_view text) {
      const std::lock_guard lock(mutex_);
      said_.emplace_back(text);
    });
  }

  [[nodiscard]] bool has_said(std::string_view text) {
    const std::lock_guard lock(mutex_);
    return std::ranges::any_of(said_, [&](const std::string& line) { return line.find(text) != std::string::npos; });
  }

  // A group of one member, which has written `one` -> `1`.
  static void create_and_write(EmbeddedHost& host) {
    const raft::Membership membership = raft::membership_of({{{1}, "n1@" + host.address()}});
    const net::StartPeer wanted{
        .group = "kv", .group_id = {77}, .backend = "memory", .self = {1},
        .peer = "n1@" + host.address(), .membership = membership};
    ASSERT_EQ(host.call(wanted, patience).error, Error{});
    const Bytes put = machines::encode(machines::KvCommand(machines::Put{"one", "1"}));
    net::Reply reply;
    do {  // it leads after an election, which takes as long as it takes
      reply = host.call(net::Propose{"kv", put}, patience);
    } while (reply.error.code == Code::not_leader);
    ASSERT_EQ(reply.error, Error{});
  }

  static Bytes read(EmbeddedHost& host) {
    const Bytes get = machines::encode(machines::KvQuery(machines::Get{"one"}));
    net::Reply reply;
    do {
      reply = host.call(net::Query{.group = "kv", .data = get}, patience);
    } while (reply.error.code == Code::not_leader);
    if (reply.error.code != Code::ok) return reply.error.text;
    const auto answer = machines::decode_answer(std::get<net::Data>(reply.body).data);
    return answer ? std::get<machines::Found>(*answer).value : answer.error().text;
  }

  const std::filesystem::path place_ =
      std::filesystem::temp_directory_path() / ("zraft_embed_test." + std::to_string(::getpid()));

 private:
  std::mutex mutex_;
  std::vector<std::string> said_;
};

TEST_F(EmbeddedHostTest, KeepsWhatWasWrittenThroughAStopAndAStart) {
  {
    auto host = start(options());
    ASSERT_TRUE(host) << host.error().text;
    create_and_write(**host);
    EXPECT_EQ(read(**host), "1");
  }
  auto again = start(options());
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(read(**again), "1");
}

TEST_F(EmbeddedHostTest, ServesGroupsOnSeveralThreads) {
  EmbedOptions several = options();
  several.shards = 3;
  constexpr std::uint64_t groups = 9;
  const auto name = [](std::uint64_t id) { return "g" + std::to_string(id); };
  const auto write = [&](EmbeddedHost& host, std::uint64_t id, const Bytes& value) {
    const Bytes put = machines::encode(machines::KvCommand(machines::Put{"one", value}));
    net::Reply reply;
    do {
      reply = host.call(net::Propose{name(id), put}, patience);
    } while (reply.error.code == Code::not_leader);
    EXPECT_EQ(reply.error, Error{});
  };
  {
    auto host = start(several);
    ASSERT_TRUE(host) << host.error().text;
    const std::string peer = "n1@" + (*host)->address();
    for (std::uint64_t id = 1; id <= groups; ++id) {
      const net::StartPeer wanted{.group = name(id),
                                  .group_id = {id},
                                  .backend = "memory",
                                  .self = {1},
                                  .peer = peer,
                                  .membership = raft::membership_of({{{1}, peer}})};
      ASSERT_EQ((*host)->call(wanted, patience).error, Error{});
    }
    std::vector<std::thread> writers;
    for (std::uint64_t id = 1; id <= groups; ++id) {
      writers.emplace_back([&, id] {
        for (int n = 0; n < 20; ++n) write(**host, id, std::to_string(n));
      });
    }
    for (std::thread& writer : writers) writer.join();
    const net::Reply all = (*host)->call(net::GetStatus{}, patience);
    EXPECT_EQ(std::get<net::Status>(all.body).peers.size(), groups);
  }
  EXPECT_TRUE(std::filesystem::exists(place_ / "data" / "shard-2" / "log"));
  EXPECT_EQ(start(options()).error().code, Code::bad_request) << "groups would be missing";
  auto again = start(several);
  ASSERT_TRUE(again) << again.error().text;
  for (std::uint64_t id = 1; id <= groups; ++id) write(**again, id, "more");
}

// A machine whose snapshot is written when it is told so, however long that takes.
class SlowToSave : public node::StateMachine {
 public:
  SlowToSave(std::promise<void>& begun, std::shared_future<void> may_end)
      : begun_(begun), may_end_(std::move(may_end)) {}
  node::Applied apply(const node::Command&) override { return {}; }
  [[nodiscard]] Result<node::Queried> query(BytesView) const override { return node::Queried{}; }
  Result<node::SnapshotTask> snapshot() override {
    return [this](node::SnapshotWriter&) -> Result<> {
      begun_.set_value();
      may_end_.wait();
      return fail(Code::io, "it was only to take long");
    };
  }

 private:
  std::promise<void>& begun_;
  const std::shared_future<void> may_end_;
};

// What is waited for here is the catalogue; a log that waits for its next segment uses the same threads.
TEST_F(EmbeddedHostTest, NothingWaitsForTheThreadsOfASnapshotThatTakesLong) {
  std::promise<void> begun;
  std::promise<void> may_end;
  EmbedOptions wanted = options();
  wanted.worker_threads = 1;
  wanted.host.snapshots.entries = 1;
  Backends backends{
      {"memory", [] { return std::make_unique<machines::MemoryKv>(); }},
      {"slow", [&, released = may_end.get_future().share()] { return std::make_unique<SlowToSave>(begun, released); }}};
  auto host = EmbeddedHost::start(std::move(wanted), std::move(backends), {});
  ASSERT_TRUE(host) << host.error().text;
  const std::string peer = "n1@" + (*host)->address();
  const auto create = [&](const std::string& name, std::uint64_t id, const std::string& backend) {
    const net::StartPeer group{.group = name,
                               .group_id = {id},
                               .backend = backend,
                               .self = {1},
                               .peer = peer,
                               .membership = raft::membership_of({{{1}, peer}})};
    return (*host)->call(group, patience).error;
  };
  EXPECT_EQ(create("large", 1, "slow"), Error{});
  begun.get_future().wait();  // it leads, and has applied its first entry
  EXPECT_EQ(create("small", 2, "memory"), Error{});
  may_end.set_value();
}

TEST_F(EmbeddedHostTest, SaysByWhatMeansTheLogIsWritten) {
  auto host = start(options());
  ASSERT_TRUE(host) << host.error().text;
  EXPECT_TRUE(has_said("the log in " + (place_ / "data").string() + " is written by io_uring") ||
              has_said("the log in " + (place_ / "data").string() + " is written by a thread with pwritev"));
}

TEST_F(EmbeddedHostTest, KeepsTheLogInADirectoryOfItsOwnIfWished) {
  EmbedOptions apart = options();
  apart.log_dir = (place_ / "fast").string();
  apart.snapshot_dir = (place_ / "big" / "snapshots").string();
  {
    auto host = start(apart);
    ASSERT_TRUE(host) << host.error().text;
    create_and_write(**host);
  }
  EXPECT_TRUE(std::filesystem::exists(place_ / "fast" / "log"));
  EXPECT_FALSE(std::filesystem::exists(place_ / "data" / "log"));
  EXPECT_TRUE(std::filesystem::is_directory(place_ / "big" / "snapshots"));
  {
    auto host = start(apart);
    ASSERT_TRUE(host) << host.error().text;
    EXPECT_EQ(read(**host), "1");
  }
  auto without = start(options());
  ASSERT_FALSE(without);
  EXPECT_EQ(without.error().code, Code::corrupt);
  EXPECT_NE(without.error().text.find("log_dir"), std::string::npos) << without.error().text;
}

TEST_F(EmbeddedHostTest, RefusesTheDirectoryOfAnotherHost) {
  ASSERT_TRUE(start(options("n1")));
  auto other = start(options("n2"));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, Code::wrong_owner);
  EXPECT_TRUE(other.error().text.starts_with((place_ / "data").string() + ": ")) << other.error().text;
  EXPECT_NE(other.error().text.find("'n1'"), std::string::npos) << other.error().text;
  EXPECT_TRUE(start(options("n1"))) << "nothing was changed";
}

TEST_F(EmbeddedHostTest, RefusesADirectoryThatIsInUse) {
  auto first = start(options());
  ASSERT_TRUE(first);
  auto second = start(options());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, Code::busy);
  EXPECT_NE(second.error().text.find((place_ / "data").string()), std::string::npos) << second.error().text;
}

TEST_F(EmbeddedHostTest, WaitsForADirectoryThatIsAboutToBeFree) {
  auto first = start(options());
  ASSERT_TRUE(first);
  EmbedOptions patient = options();
  patient.busy_patience = patience;
  std::thread ends([&first] { first->reset(); });
  EXPECT_TRUE(start(patient));
  ends.join();
}

TEST_F(EmbeddedHostTest, RefusesAnAddressThatIsInUse) {
  auto first = start(options());
  ASSERT_TRUE(first);
  EmbedOptions second = options("n2", "other");
  second.host.listen = (*first)->address();
  auto refused = start(second);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::io);
  EXPECT_NE(refused.error().text.find((*first)->address()), std::string::npos) << refused.error().text;
}

TEST_F(EmbeddedHostTest, RefusesOptionsThatCannotBe) {
  EmbedOptions nowhere = options();
  nowhere.data_dir.clear();
  EXPECT_EQ(start(nowhere).error().code, Code::bad_request);
  EXPECT_EQ(start(options("no name")).error().code, Code::bad_request);
  EmbedOptions unmade = options();
  unmade.data_dir = "/proc/nothing/here";
  EXPECT_EQ(start(unmade).error().code, Code::io);
}

TEST_F(EmbeddedHostTest, AnswersAllWhoWaitWhenItStops) {
  auto host = start(options());
  ASSERT_TRUE(host);
  std::thread stops([&] { (*host)->stop(); });
  EXPECT_TRUE((*host)->wait());
  stops.join();
  (*host)->stop();
  EXPECT_EQ((*host)->call(net::GetStatus{}, patience).error.code, Code::stopped);
  (*host)->post([](Host&) { ADD_FAILURE() << "ran on a host that has stopped"; });
}

TEST_F(EmbeddedHostTest, ARequestThatCannotSucceedDoesNotHoldUpTheEnd) {
  auto host = start(options());
  ASSERT_TRUE(host);
  // The other member does not exist, so nobody ever leads.
  const raft::Membership membership =
      raft::membership_of({{{1}, "n1@" + (*host)->address()}, {{2}, "n2@127.0.0.1:1"}});
  const net::StartPeer wanted{.group = "kv",
                              .group_id = {77},
                              .backend = "memory",
                              .self = {1},
                              .peer = "n1@" + (*host)->address(),
                              .membership = membership};
  ASSERT_EQ((*host)->call(wanted, patience).error, Error{});
  host->reset();
  auto again = start(options());
  ASSERT_TRUE(again) << again.error().text;
  const net::Reply reply = (*again)->call(net::GetStatus{"kv"}, patience);
  ASSERT_EQ(reply.error, Error{});
  EXPECT_EQ(std::get<net::Status>(reply.body).peers.at(0).membership.members.size(), 2u);
}

TEST_F(EmbeddedHostTest, ASignalEndsTheWaitInsteadOfTheProcess) {
  EmbedOptions catching = options();
  catching.catch_signals = true;
  auto host = start(catching);
  ASSERT_TRUE(host);
  ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
  EXPECT_TRUE((*host)->wait());
}

TEST_F(EmbeddedHostTest, SaysWhyWhenItsDiskFails) {
  auto host = start(options());
  ASSERT_TRUE(host);
  create_and_write(**host);
  // No file may grow any more, and none but the first block may be written: that is what a full disk looks like.
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const rlimit none{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  const Bytes put = machines::encode(machines::KvCommand(machines::Put{"two", "2"}));
  const net::Reply reply = (*host)->call(net::Propose{"kv", put}, patience);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_NE(reply.error.code, Code::ok);
  const Result<> why = (*host)->wait();
  ASSERT_FALSE(why);
  EXPECT_NE(why.error().text.find("wal-"), std::string::npos) << why.error().text;
  host->reset();
  auto again = start(options());
  ASSERT_TRUE(again) << again.error().text;
  EXPECT_EQ(read(**again), "1");
}

}  // namespace
}  // namespace zraft::host
