// SPDX-License-Identifier: Apache-2.0
//
// What clients and operators are told: of groups that are not here, of the state of those that are, of a leader that
// is elsewhere, and of groups and hosts that stopped.
#include <gtest/gtest.h>

#include "test/host/host_world.h"

namespace zraft::host::test {
namespace {

class Service : public ::testing::Test {
 protected:
  Service() { world_.must_start(); }
  void create(const std::string& group, std::uint64_t id) {
    EXPECT_EQ(world_.told(lone_peer(group, id)).error.code, Code::ok);
  }
  net::Status status(const std::string& group = "") {
    const net::Reply reply = world_.told(net::GetStatus{group});
    EXPECT_EQ(reply.error.code, Code::ok) << reply.error.text;
    return std::get<net::Status>(reply.body);
  }

  HostWorld world_;
};

TEST_F(Service, NamesTheGroupsThatAreHereWhenAskedForAnother) {
  const Error of_none = world_.told(net::Propose{"kv", "x"}).error;
  EXPECT_EQ(of_none.code, Code::not_found);
  EXPECT_TRUE(has(of_none.text, "n1") && has(of_none.text, "create it first")) << of_none.text;
  create("a", 1);
  create("b", 2);
  const Error of_two = world_.told(net::Query{"kv", net::Consistency::stale, ""}).error;
  EXPECT_EQ(of_two.code, Code::not_found);
  EXPECT_TRUE(has(of_two.text, "it has: a, b")) << of_two.text;
  EXPECT_EQ(world_.told(net::GetStatus{"kv"}).error.code, Code::not_found);
}

TEST_F(Service, TellsTheStateOfEachGroupHere) {
  EXPECT_TRUE(status().peers.empty());
  create("a", 1);
  create("b", 2);
  EXPECT_EQ(world_.propose("a", "hello").error.code, Code::ok);
  const net::Status all = status();
  EXPECT_EQ(all.host, "n1");
  EXPECT_FALSE(all.version.empty());
  ASSERT_EQ(all.peers.size(), 2U);
  const net::Status one = status("a");
  ASSERT_EQ(one.peers.size(), 1U);
  const net::PeerStatus& peer = one.peers.front();
  EXPECT_EQ(peer.group, "a");
  EXPECT_EQ(peer.backend, "echo");
  EXPECT_EQ(peer.peer, "p1@n1:1");
  EXPECT_EQ(peer.role, "leader");
  EXPECT_EQ(peer.leader, "p1@n1:1");
  EXPECT_EQ(peer.term, raft::Term{2});  // the first leader's: a new group begins in term 1
  EXPECT_EQ(peer.last, raft::Index{3});  // the membership, the leader's no-op, "hello"
  EXPECT_EQ(peer.commit, raft::Index{3});
  EXPECT_EQ(peer.applied, raft::Index{3});
  EXPECT_EQ(peer.membership.members.size(), 1U);
  EXPECT_TRUE(peer.problem.empty());
}

TEST_F(Service, NeverCommitsWithoutAMajorityAndSaysThatItDoesNotLead) {
  net::StartPeer wanted = lone_peer("kv");
  wanted.membership = raft::membership_of({{{101}, "p1@n1:1"}, {{102}, "p2@n2:1"}, {{103}, "p3@n3:1"}});
  EXPECT_EQ(world_.told(wanted).error.code, Code::ok);
  world_.run(Duration::seconds(2));
  const net::Reply refused = world_.told(net::Propose{"kv", "x"});
  EXPECT_EQ(refused.error.code, Code::not_leader);
  EXPECT_TRUE(refused.leader.empty());
  EXPECT_NE(status("kv").peers.front().role, "leader");
}

TEST_F(Service, StopsAGroupWhoseStateMachineThrowsAndNoOther) {
  create("a", 1);
  create("b", 2);
  EXPECT_EQ(world_.propose("b", "hello").error.code, Code::ok);
  EXPECT_EQ(world_.propose("a", "throw").error.code, Code::timeout_unknown_outcome);
  const Error after = world_.told(net::Propose{"a", "x"}).error;
  EXPECT_EQ(after.code, Code::stopped);
  EXPECT_TRUE(has(after.text, "this machine was told to")) << after.text;
  const net::PeerStatus stopped = status("a").peers.front();
  EXPECT_EQ(stopped.role, "stopped");
  EXPECT_TRUE(has(stopped.problem, "this machine was told to")) << stopped.problem;
  EXPECT_FALSE(world_.host().has_failed());
  EXPECT_EQ(world_.propose("b", "again").error.code, Code::ok);
}

// Nobody waits for a write of a group there, and yet the host must end.
TEST_F(Service, AFailureOfTheLogIsToldEvenIfNoPeerRuns) {
  std::size_t failures = 0;
  world_.end();
  world_.options.on_failed = [&](const Error&) { ++failures; };
  world_.must_start();
  world_.disk.set_settings({.fail_sync_ppm = 1'000'000});
  EXPECT_EQ(world_.told(lone_peer("kv", 1)).error.code, Code::io);
  EXPECT_TRUE(world_.host().has_failed());
  EXPECT_EQ(failures, 1U);
}

TEST_F(Service, StopsForGoodWhenTheDiskFailsAndSaysSoOnce) {
  create("a", 1);
  create("b", 2);
  EXPECT_EQ(world_.propose("a", "hello").error.code, Code::ok);
  std::size_t failures = 0;
  world_.end();
  world_.options.on_failed = [&](const Error& why) {
    ++failures;
    EXPECT_TRUE(has(why.text, "acknowledges nothing until it is restarted")) << why.text;
  };
  world_.must_start();
  EXPECT_EQ(world_.propose("b", "hello").error.code, Code::ok);
  world_.disk.set_settings({.fail_sync_ppm = 1'000'000});
  const Error failed = world_.told(net::Propose{"b", "lost"}).error;
  EXPECT_EQ(failed.code, Code::timeout_unknown_outcome) << failed.text;
  world_.disk.set_settings({});
  EXPECT_TRUE(world_.host().has_failed());
  world_.run(Duration::seconds(1));
  // I47: a disk that works again changes nothing.
  EXPECT_EQ(world_.told(net::Propose{"b", "x"}).error.code, Code::stopped);
  EXPECT_EQ(failures, 1U);
  world_.restart();
  EXPECT_EQ(world_.propose("b", "hello again").error.code, Code::ok);
}

TEST_F(Service, GivesARequestWithoutATimeoutItsOwn) {
  net::StartPeer wanted = lone_peer("kv");
  wanted.membership = raft::membership_of({{{101}, "p1@n1:1"}, {{102}, "p2@n2:1"}});
  EXPECT_EQ(world_.told(wanted).error.code, Code::ok);
  EXPECT_EQ(world_.host().options().request_timeout, Duration::milliseconds(200));
  EXPECT_EQ(world_.told(net::Query{"kv", net::Consistency::linearizable, ""}, {}).error.code, Code::not_leader);
}

}  // namespace
}  // namespace zraft::host::test
