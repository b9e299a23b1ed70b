// SPDX-License-Identifier: Apache-2.0
//
// How a peer comes to be on a host, how that is undone, and that a crash at any call to the disk leaves all of it or
// nothing.
#include <gtest/gtest.h>

#include "test/host/host_world.h"

namespace zraft::host::test {
namespace {

using sim::Ending;

class Creation : public ::testing::Test {
 protected:
  Creation() { world_.must_start(); }
  Code code_of(net::RequestBody body) { return world_.told(std::move(body)).error.code; }
  std::string text_of(net::RequestBody body) { return world_.told(std::move(body)).error.text; }

  HostWorld world_;
};

TEST_F(Creation, MakesAPeerThatServes) {
  EXPECT_EQ(code_of(lone_peer("kv")), Code::ok);
  const net::Reply written = world_.propose("kv", "hello");
  EXPECT_EQ(written.error.code, Code::ok) << written.error.text;
  const net::Reply read = world_.told(net::Query{"kv", net::Consistency::linearizable, ""});
  EXPECT_EQ(std::get<net::Data>(read.body).data, "hello");
}

TEST_F(Creation, IsDoneOnceHoweverOftenItIsAsked) {
  EXPECT_EQ(code_of(lone_peer("kv")), Code::ok);
  EXPECT_EQ(code_of(lone_peer("kv")), Code::ok);
  EXPECT_EQ(world_.host().peers().size(), 1U);
}

TEST_F(Creation, IsDoneOnceAlsoWhenItIsAskedAgainWhileItIsUnderWay) {
  std::vector<Code> told;
  for (int i = 0; i < 2; ++i) {
    world_.host().serve({.id = 1, .timeout_ms = 10'000, .body = lone_peer("kv")},
                        [&](const net::Reply& reply) { told.push_back(reply.error.code); });
    world_.run(Duration::microseconds(150));
  }
  world_.run(Duration::seconds(1));
  ASSERT_EQ(told.size(), 2U);
  for (const Code code : told) EXPECT_TRUE(code == Code::ok || code == Code::busy) << name_of(code);
  EXPECT_EQ(code_of(lone_peer("kv")), Code::ok);
}

TEST_F(Creation, RefusesASecondGroupOfTheSameName) {
  EXPECT_EQ(code_of(lone_peer("kv", 1)), Code::ok);
  const net::Reply refused = world_.told(lone_peer("kv", 2));
  EXPECT_EQ(refused.error.code, Code::already_present);
  EXPECT_TRUE(has(refused.error.text, "n1")) << refused.error.text;
  EXPECT_TRUE(has(refused.error.text, "kv")) << refused.error.text;
  EXPECT_EQ(code_of(net::CheckPeer{"kv", "p1@n1:1", "echo"}), Code::already_present);
  EXPECT_EQ(code_of(net::CheckPeer{"kv2", "p1@n1:1", "echo"}), Code::ok);
}

TEST_F(Creation, RefusesNamesThatNobodyCouldTypeOrRead) {
  for (const std::string name : {"", "a b", "a/b", "a\nb", "\"", "\\", "\x7f", "\xc3\xa4"}) {
    EXPECT_EQ(code_of(lone_peer(name)), Code::bad_request) << name;
    EXPECT_EQ(code_of(net::CheckPeer{name, "p1@n1:1", "echo"}), Code::bad_request) << name;
  }
  EXPECT_EQ(code_of(lone_peer(std::string(129, 'a'))), Code::bad_request);
  EXPECT_EQ(code_of(lone_peer(std::string(128, 'a'))), Code::ok);
}

TEST_F(Creation, RefusesAPeerThatIsNotNameAtHostPort) {
  for (const std::string peer : {"", "p1", "p1@", "@n1:1", "p1@n1"}) {
    EXPECT_EQ(code_of(net::CheckPeer{"kv", peer, "echo"}), Code::bad_request) << peer;
  }
}

TEST_F(Creation, NamesTheBackendsThereAreWhenAskedForAnother) {
  world_.backends["other"] = world_.backends.at("echo");
  world_.restart();
  net::StartPeer wanted = lone_peer("kv");
  wanted.backend = "rocks";
  const std::string text = text_of(wanted);
  EXPECT_TRUE(has(text, "\"rocks\"") && has(text, "echo, other")) << text;
  EXPECT_EQ(text_of(net::CheckPeer{"kv", "p1@n1:1", "rocks"}), text);
}

TEST_F(Creation, RefusesAPeerThatIsNotAMember) {
  net::StartPeer wanted = lone_peer("kv");
  wanted.self = {102};
  EXPECT_EQ(code_of(wanted), Code::bad_request);
  wanted = lone_peer("kv");
  wanted.group_id = {};
  EXPECT_EQ(code_of(wanted), Code::bad_request);
}

TEST_F(Creation, RefusesAMembershipThatBreaksItsLaws) {
  net::StartPeer wanted = lone_peer("kv");
  wanted.membership.voters.clear();
  EXPECT_NE(code_of(wanted), Code::ok);
  wanted = lone_peer("kv");
  wanted.membership.members.push_back(wanted.membership.members.front());
  EXPECT_NE(code_of(wanted), Code::ok);
  EXPECT_TRUE(world_.host().peers().empty());
}

TEST_F(Creation, SurvivesARestart) {
  EXPECT_EQ(code_of(lone_peer("kv")), Code::ok);
  EXPECT_EQ(world_.propose("kv", "hello").error.code, Code::ok);
  world_.end(Ending::power_lost);
  world_.must_start();
  ASSERT_EQ(world_.host().peers().size(), 1U);
  world_.run(Duration::seconds(1));
  const net::Reply read = world_.told(net::Query{"kv", net::Consistency::linearizable, ""});
  EXPECT_EQ(std::get<net::Data>(read.body).data, "hello");
}

TEST_F(Creation, KeepsGroupsApart) {
  EXPECT_EQ(code_of(lone_peer("a", 1)), Code::ok);
  EXPECT_EQ(code_of(lone_peer("b", 2)), Code::ok);
  EXPECT_EQ(world_.propose("a", "of a").error.code, Code::ok);
  EXPECT_EQ(world_.propose("b", "of b").error.code, Code::ok);
  world_.restart();
  world_.run(Duration::seconds(1));
  EXPECT_EQ(std::get<net::Data>(world_.told(net::Query{"a", net::Consistency::linearizable, ""}).body).data, "of a");
  EXPECT_EQ(std::get<net::Data>(world_.told(net::Query{"b", net::Consistency::linearizable, ""}).body).data, "of b");
}

// --- undoing ---

TEST_F(Creation, IsUndoneAndLeavesTheNameFree) {
  EXPECT_EQ(code_of(lone_peer("kv", 1)), Code::ok);
  EXPECT_EQ(code_of(undo_of(lone_peer("kv", 1))), Code::ok);
  EXPECT_TRUE(world_.host().peers().empty());
  EXPECT_EQ(code_of(undo_of(lone_peer("kv", 1))), Code::ok);
  EXPECT_EQ(code_of(lone_peer("kv", 2)), Code::ok);
  world_.restart();
  ASSERT_EQ(world_.host().peers().size(), 1U);
  EXPECT_EQ(world_.host().peers().begin()->first.first, raft::GroupId{2});
}

TEST_F(Creation, IsNotUndoneOnceTheGroupIsInUse) {
  EXPECT_EQ(code_of(lone_peer("kv")), Code::ok);
  EXPECT_EQ(world_.propose("kv", "hello").error.code, Code::ok);
  EXPECT_EQ(code_of(undo_of(lone_peer("kv"))), Code::conflict);
  EXPECT_EQ(world_.propose("kv", "again").error.code, Code::ok);
}

TEST_F(Creation, IsUndoneByItsOwnPeerAlone) {
  EXPECT_EQ(code_of(undo_of(lone_peer("kv"))), Code::ok);
  EXPECT_EQ(code_of(lone_peer("kv", 5)), Code::ok);
  net::UndoPeer of_another = undo_of(lone_peer("kv", 5));
  of_another.self = {102};
  EXPECT_EQ(code_of(of_another), Code::ok);
  EXPECT_EQ(code_of(undo_of(lone_peer("kv", 6))), Code::ok);
  EXPECT_EQ(world_.host().peers().size(), 1U);
}

// 1. A creator tires of waiting for StartPeer. 2. It sends UndoPeer, and is told that nothing is there. 3. The first
// request is carried out after all, and the name is taken for good.
TEST_F(Creation, IsUndoneAlsoWhileItIsUnderWay) {
  std::vector<Code> told;
  const auto tell = [&](const net::Reply& reply) { told.push_back(reply.error.code); };
  world_.host().serve({.id = 1, .timeout_ms = 10'000, .body = lone_peer("kv", 1)}, tell);
  world_.host().serve({.id = 2, .timeout_ms = 10'000, .body = undo_of(lone_peer("kv", 1))}, tell);
  world_.run(Duration::seconds(1));
  EXPECT_EQ(told.size(), 2U);
  EXPECT_TRUE(world_.host().peers().empty());
  EXPECT_EQ(code_of(lone_peer("kv", 2)), Code::ok);
}

TEST_F(Creation, IsNotCarriedOutAfterItWasUndone) {
  EXPECT_EQ(code_of(undo_of(lone_peer("kv", 1))), Code::ok);
  EXPECT_EQ(code_of(lone_peer("kv", 1)), Code::conflict);
  EXPECT_EQ(code_of(lone_peer("kv", 2)), Code::ok);
}

// --- crashes ---

// Lets the host crash at the n-th call to its disk after `body` was asked for, starts it again, and looks at what is
// there. False: it had answered before the n-th call.
bool crash_at(HostWorld& world, std::uint64_t n, Ending ending, net::RequestBody body, Code& code) {
  world.disk.set_fuse(n, [&world] { world.kill(); });
  const auto reply = world.ask(std::move(body));
  world.disk.set_fuse(0, {});
  code = reply ? reply->error.code : Code::timeout_unknown_outcome;
  world.end(ending);
  world.must_start();
  return !reply;
}

class CrashInCreation : public ::testing::TestWithParam<Ending> {};

TEST_P(CrashInCreation, LeavesAWholePeerOrNothing) {
  bool has_crashed = true;
  for (std::uint64_t n = 1; has_crashed; ++n) {
    HostWorld world(n);
    world.must_start();
    world.run(Duration::milliseconds(20));
    Code code = Code::ok;
    has_crashed = crash_at(world, n, GetParam(), lone_peer("kv", 1), code);
    SCOPED_TRACE("crash at call " + std::to_string(n));
    const bool is_there = !world.host().peers().empty();
    EXPECT_TRUE(is_there || code != Code::ok);
    EXPECT_EQ(world.told(lone_peer("kv", is_there ? 1 : 2)).error.code, Code::ok);
    EXPECT_EQ(world.propose("kv", "hello").error.code, Code::ok);
    world.restart();
    EXPECT_EQ(world.host().peers().size(), 1U);
    ASSERT_LT(n, 200U);
  }
}

TEST_P(CrashInCreation, WhenItIsUndoneLeavesAWholePeerOrNothing) {
  bool has_crashed = true;
  for (std::uint64_t n = 1; has_crashed; ++n) {
    HostWorld world(n);
    world.must_start();
    EXPECT_EQ(world.told(lone_peer("kv", 1)).error.code, Code::ok);
    Code code = Code::ok;
    has_crashed = crash_at(world, n, GetParam(), undo_of(lone_peer("kv", 1)), code);
    SCOPED_TRACE("crash at call " + std::to_string(n));
    EXPECT_TRUE(world.host().peers().empty() || code != Code::ok);
    EXPECT_EQ(world.told(undo_of(lone_peer("kv", 1))).error.code, Code::ok);
    EXPECT_EQ(world.told(lone_peer("kv", 2)).error.code, Code::ok);
    world.restart();
    EXPECT_EQ(world.host().peers().size(), 1U);
    ASSERT_LT(n, 200U);
  }
}

INSTANTIATE_TEST_SUITE_P(Endings, CrashInCreation, ::testing::Values(Ending::killed, Ending::power_lost),
                         [](const auto& one) { return one.param == Ending::killed ? "killed" : "power_lost"; });

// 1. The catalogue cannot be written: StartPeer fails, and what is on the disk is not known. 2. The creator undoes it.
// 3. After a restart the peer must not be back.
TEST_F(Creation, ThatFailedAtTheCatalogueIsUndoneForGood) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    HostWorld world(seed);
    world.has_log_disk = true;
    world.must_start();
    world.disk.set_settings({.fail_sync_ppm = 500'000});
    const net::Reply failed = world.told(lone_peer("kv", 1));
    world.disk.set_settings({});
    if (failed.error.code == Code::ok) continue;
    EXPECT_EQ(world.told(undo_of(lone_peer("kv", 1))).error.code, Code::ok);
    world.restart();
    EXPECT_TRUE(world.host().peers().empty()) << "seed " << seed;
  }
}

}  // namespace
}  // namespace zraft::host::test
