// SPDX-License-Identifier: Apache-2.0
//
// Several peers of one group in one process, and peers that come, go and are destroyed: what a host does when the
// members of a group change.
#include <gtest/gtest.h>

#include "test/host/host_world.h"

namespace zraft::host::test {
namespace {

using sim::Ending;

raft::Member member(std::uint64_t n) { return {{100 + n}, "p" + std::to_string(n) + "@n1:1"}; }

raft::Membership members(std::vector<std::uint64_t> numbers) {
  std::vector<raft::Member> out;
  for (const std::uint64_t n : numbers) out.push_back(member(n));
  return raft::membership_of(std::move(out));
}

// A peer of the group, that begins with it or is to join it.
net::StartPeer peer(std::uint64_t n, const raft::Membership& membership) {
  net::StartPeer start = lone_peer("kv");
  start.self = member(n).id;
  start.peer = member(n).peer;
  start.membership = membership;
  return start;
}

class HostMembers : public ::testing::Test {
 protected:
  HostMembers() {
    world_.must_start();
    for (const std::uint64_t n : {1, 2, 3}) {
      EXPECT_EQ(world_.told(peer(n, members({1, 2, 3}))).error.code, Code::ok);
    }
    EXPECT_EQ(world_.propose("kv", "first").error.code, Code::ok);
  }

  std::vector<net::PeerStatus> peers() {
    const net::Reply reply = world_.told(net::GetStatus{"kv"});
    const auto* status = std::get_if<net::Status>(&reply.body);
    return status == nullptr ? std::vector<net::PeerStatus>{} : status->peers;
  }
  net::PeerStatus status_of(std::uint64_t n) {
    for (net::PeerStatus& one : peers()) {
      if (one.self == member(n).id) return one;
    }
    return {};
  }
  net::PeerStatus leader() {
    for (int attempt = 0; attempt < 100; ++attempt) {
      for (net::PeerStatus& one : peers()) {
        if (one.role == "leader") return one;
      }
      world_.run(Duration::milliseconds(50));
    }
    ADD_FAILURE() << "nobody leads";
    return {};
  }
  void change(const raft::Membership& wanted) {
    Error why;
    for (int attempt = 0; attempt < 20; ++attempt) {
      why = world_.told(net::ChangeMembers{"kv", leader().membership_index, wanted}).error;
      if (why.code == Code::ok) return;
      world_.run(Duration::milliseconds(50));
    }
    ADD_FAILURE() << why.text;
  }
  net::DestroyPeer destruction_of(std::uint64_t n) { return {"kv", {77}, member(n).id}; }

  HostWorld world_;
};

TEST_F(HostMembers, OfOneGroupInOneProcessElectAndCommitTogether) {
  EXPECT_EQ(world_.host().peers().size(), 3U);
  EXPECT_EQ(world_.propose("kv", "second").error.code, Code::ok);
  world_.run(Duration::milliseconds(500));
  std::size_t leaders = 0;
  for (const net::PeerStatus& one : peers()) {
    leaders += one.role == "leader" ? 1 : 0;
    EXPECT_EQ(one.commit, leader().commit) << one.peer;
    EXPECT_EQ(one.membership.voters.size(), 3U);
  }
  EXPECT_EQ(leaders, 1U);
  const net::Reply read = world_.told(net::Query{"kv", net::Consistency::linearizable, ""});
  EXPECT_EQ(std::get<net::Data>(read.body).data, "second");
}

TEST_F(HostMembers, AllComeBackAfterALossOfPower) {
  world_.end(Ending::power_lost);
  world_.must_start();
  EXPECT_EQ(world_.host().peers().size(), 3U);
  (void)leader();
  const net::Reply read = world_.told(net::Query{"kv", net::Consistency::linearizable, ""});
  EXPECT_EQ(std::get<net::Data>(read.body).data, "first");
}

TEST_F(HostMembers, OneThatJoinsHasNothingAtFirstAndIsBroughtEverything) {
  ASSERT_EQ(world_.told(peer(4, leader().membership)).error.code, Code::ok);
  EXPECT_EQ(status_of(4).last, raft::Index{});
  EXPECT_NE(status_of(4).role, "leader");
  raft::Membership wanted = members({1, 2, 3, 4});
  wanted.voters = members({1, 2, 3}).voters;
  wanted.promoting = {member(4).id};
  change(wanted);
  for (int i = 0; i < 100 && leader().membership != members({1, 2, 3, 4}); ++i) world_.run(Duration::milliseconds(50));
  EXPECT_EQ(leader().membership, members({1, 2, 3, 4}));
  EXPECT_EQ(status_of(4).commit, leader().commit);
}

TEST_F(HostMembers, OneThatIsToJoinWaitsAlsoOverARestart) {
  ASSERT_EQ(world_.told(peer(4, leader().membership)).error.code, Code::ok);
  world_.restart();
  EXPECT_EQ(world_.host().peers().size(), 4U);
  world_.run(Duration::seconds(3));
  EXPECT_EQ(status_of(4).last, raft::Index{});
  EXPECT_EQ(status_of(4).term.value, 0U) << "it does not stand";
}

TEST_F(HostMembers, W41_W42_OneThatWasRemovedStopsKeepsItsDataAndStaysRemoved) {
  for (const bool is_leader : {false, true}) {
    const std::uint64_t leads = leader().self.value - 100;
    const std::uint64_t goes = is_leader ? leads : leads % 3 + 1;
    std::vector<std::uint64_t> rest;
    for (const net::PeerStatus& one : peers()) {
      if (one.role != "removed" && one.self != member(goes).id) rest.push_back(one.self.value - 100);
    }
    if (rest.empty() || status_of(goes).role == "removed") continue;
    change(members(rest));
    for (int i = 0; i < 100 && status_of(goes).role != "removed"; ++i) world_.run(Duration::milliseconds(50));
    EXPECT_EQ(status_of(goes).role, "removed");
    EXPECT_EQ(world_.host().peers().size(), rest.size());
    EXPECT_EQ(world_.propose("kv", "without it").error.code, Code::ok);
    EXPECT_FALSE(world_.host().has_failed());
    world_.end(Ending::power_lost);
    world_.must_start();
    EXPECT_EQ(status_of(goes).role, "removed");
    EXPECT_EQ(world_.host().peers().size(), rest.size());
    EXPECT_EQ(world_.propose("kv", "nor after a restart").error.code, Code::ok);
  }
}

TEST_F(HostMembers, P56_APeerThatWasRemovedIsNotStartedAgainBeforeItsDataIsDestroyed) {
  const std::uint64_t goes = leader().self == member(3).id ? 2 : 3;
  change(members(goes == 3 ? std::vector<std::uint64_t>{1, 2} : std::vector<std::uint64_t>{1, 3}));
  for (int i = 0; i < 100 && status_of(goes).role != "removed"; ++i) world_.run(Duration::milliseconds(50));
  const net::Reply refused = world_.told(peer(goes, leader().membership));
  EXPECT_EQ(refused.error.code, Code::already_present);
  EXPECT_TRUE(has(refused.error.text, "was removed") && has(refused.error.text, "destroy")) << refused.error.text;
  net::StartPeer other = peer(goes, leader().membership);
  other.self = {199};
  EXPECT_EQ(world_.told(other).error.code, Code::already_present);
  EXPECT_EQ(world_.told(destruction_of(goes)).error.code, Code::ok);
  EXPECT_EQ(world_.told(other).error.code, Code::ok) << "as a new member, with a new id";
}

TEST_F(HostMembers, W67_DestroyedPeersAreGoneForGoodAndTheNameIsFree) {
  for (const std::uint64_t n : {1, 2, 3}) EXPECT_EQ(world_.told(destruction_of(n)).error.code, Code::ok);
  EXPECT_EQ(world_.told(destruction_of(1)).error.code, Code::ok) << "nothing is there: that is as good";
  EXPECT_TRUE(world_.host().peers().empty());
  EXPECT_EQ(world_.told(net::GetStatus{"kv"}).error.code, Code::not_found);
  world_.end(Ending::power_lost);
  world_.must_start();
  EXPECT_TRUE(world_.host().peers().empty());
  EXPECT_EQ(world_.told(lone_peer("kv", 78)).error.code, Code::ok);
  EXPECT_EQ(world_.propose("kv", "anew").error.code, Code::ok);
}

TEST_F(HostMembers, P57_APeerOfAnotherGroupOfTheSameNameIsTurnedAwayByName) {
  net::StartPeer foreign = peer(4, members({4}));
  foreign.group_id = {78};
  const net::Reply refused = world_.told(foreign);
  EXPECT_EQ(refused.error.code, Code::already_present);
  EXPECT_TRUE(has(refused.error.text, "n1") && has(refused.error.text, "kv")) << refused.error.text;
  EXPECT_EQ(world_.told(net::DestroyPeer{"kv", {78}, member(1).id}).error.code, Code::ok);
  EXPECT_EQ(world_.host().peers().size(), 3U) << "that was another group's";
}

TEST_F(HostMembers, RefusesAMembershipThatBreaksItsLawsAndOneWithNoAddress) {
  raft::Membership nobody = members({1, 2, 3});
  nobody.voters.clear();
  EXPECT_EQ(world_.told(net::ChangeMembers{"kv", leader().membership_index, nobody}).error.code, Code::bad_request);
  raft::Membership nowhere = members({1, 2, 3});
  nowhere.members.push_back({{104}, "p4"});
  EXPECT_EQ(world_.told(net::ChangeMembers{"kv", leader().membership_index, nowhere}).error.code, Code::bad_request);
  EXPECT_EQ(world_.told(net::ChangeMembers{"none", {1}, members({1})}).error.code, Code::not_found);
}

TEST_F(HostMembers, LeadershipGoesToWhomItIsTo) {
  const std::uint64_t target = leader().self == member(1).id ? 2 : 1;
  EXPECT_EQ(world_.told(net::TransferLeadership{"kv", member(target).id}).error.code, Code::ok);
  world_.run(Duration::milliseconds(100));
  EXPECT_EQ(leader().self, member(target).id);
  EXPECT_EQ(world_.told(net::TransferLeadership{"kv", {999}}).error.code, Code::bad_request);
}

}  // namespace
}  // namespace zraft::host::test
