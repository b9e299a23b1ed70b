// SPDX-License-Identifier: Apache-2.0
//
// Members changed from outside: against a group of a few lines, that does at once what a real one does in a while. Each
// host answers what it is asked, in the order in which it is asked; faults are put in by hand.
#include "zraft/client/members.h"

#include <algorithm>
#include <functional>
#include <set>

#include "test/client/bench.h"

namespace zraft::client::test {
namespace {

class MembersTest : public SessionBench {
 protected:
  MembersTest() {
    membership_ = raft::membership_of({{{1}, "x@a:1"}, {{2}, "y@b:1"}, {{3}, "z@c:1"}});
    leader_ = "x@a:1";
  }

  void change(MemberChange wanted, Duration timeout = Duration::seconds(5)) {
    wanted.group = "kv";
    change_members(loop_, *session_, std::move(wanted), loop_.now() + timeout, Random(3),
                   [this](const Waiting& waiting) { progress_.push_back(waiting.what); },
                   [this](Result<> result) { results_.push_back(std::move(result)); });
    serve();
  }
  void transfer(const std::string& peer, Duration timeout = Duration::seconds(5)) {
    transfer_leadership(loop_, *session_, "kv", peer, loop_.now() + timeout,
                        [this](Result<std::string> result) { leaders_.push_back(std::move(result)); });
    serve();
  }
  void destroy(const std::string& at = {}) {
    destroy_group(loop_, *session_, "kv", at, loop_.now() + Duration::seconds(2),
                  [this](Result<> result) { results_.push_back(std::move(result)); });
    serve();
  }

  // Time passes, and everybody answers, until nobody is asked for a while.
  void serve(Duration length = Duration::seconds(6)) {
    for (const Instant end = loop_.now() + length; loop_.now() < end;) {
      loop_.run_posted();
      for (const auto& link : network_.attempts) {
        if (link->handler != nullptr && dead_.contains(link->address)) link->close("refused");
      }
      loop_.run_posted();
      const std::string host = asked();
      if (!host.empty()) {
        const net::Request request = requests_at(host).back();
        if (silent_ && silent_(request.body)) continue;
        net::Reply reply = answer_of(host, request.body);
        reply.id = request.id;
        network_.link(host).bring(node::FrameKind::reply, net::encode(reply));
      } else {
        loop_.advance(Duration::milliseconds(10));
      }
    }
  }

  net::Reply answer_of(const std::string& host, const net::RequestBody& body) {
    net::Reply reply;
    if (std::holds_alternative<net::GetStatus>(body)) {
      reply.body = status_of(host);
      if (std::get<net::Status>(reply.body).peers.empty()) reply.error = {Code::not_found, "there is no such group"};
    } else if (const auto* start = std::get_if<net::StartPeer>(&body)) {
      starts_.push_back(*start);
      const auto known = running_.find(start->peer);
      if (known != running_.end() && known->second != start->self) reply.error = {Code::already_present, "another"};
      running_[start->peer] = start->self;
    } else if (const auto* wanted = std::get_if<net::ChangeMembers>(&body)) {
      reply.error = take(*wanted);
    } else if (const auto* handover = std::get_if<net::TransferLeadership>(&body)) {
      const raft::Member* target = membership_.find(handover->target);
      leader_ = target != nullptr ? target->peer : "y@b:1";
    } else if (std::holds_alternative<net::DestroyPeer>(body)) {
      destroyed_.insert(host);
    }
    return reply;
  }
  // As a leader does it: joint or at once, and a learner that is to vote has caught up at the next look.
  Error take(const net::ChangeMembers& wanted) {
    if (wanted.expected != index_) return {Code::peers_changed, "the members are others by now"};
    changes_.push_back(wanted.wanted);
    membership_ = wanted.wanted;
    index_ = next(index_);
    return {};
  }
  net::Status status_of(const std::string& host) {
    net::Status status{.host = host, .version = "1", .peers = {}};
    for (const raft::Member& member : membership_.members) {
      if (net::parse_peer(member.peer)->address != host || destroyed_.contains(host)) continue;
      net::PeerStatus peer;
      peer.group = "kv";
      peer.group_id = {77};
      peer.backend = "memory";
      peer.peer = member.peer;
      peer.self = member.id;
      peer.role = member.peer == leader_ ? "leader" : "follower";
      peer.leader = leader_;
      peer.term = {2};
      peer.membership = membership_;
      peer.membership_index = index_;
      status.peers.push_back(peer);
      if (member.peer != leader_ || !do_learners_catch_up_) continue;
      for (const raft::NodeId id : std::exchange(membership_.promoting, {})) {
        membership_.voters.insert(std::ranges::lower_bound(membership_.voters, id), id);
        index_ = next(index_);
      }
    }
    return status;
  }
  [[nodiscard]] std::vector<std::string> voters() const {
    std::vector<std::string> out;
    for (const raft::NodeId id : membership_.voters) out.push_back(membership_.find(id)->peer);
    std::ranges::sort(out);
    return out;
  }
  void expect_done() {
    ASSERT_EQ(results_.size(), 1U);
    EXPECT_TRUE(results_[0].has_value()) << results_[0].error().text;
  }
  void expect_refused(Code code, const std::string& part) {
    ASSERT_EQ(results_.size(), 1U);
    ASSERT_FALSE(results_[0].has_value());
    EXPECT_EQ(results_[0].error().code, code);
    EXPECT_NE(results_[0].error().text.find(part), std::string::npos) << results_[0].error().text;
    results_.clear();
  }
  static MemberChange to(std::vector<std::string> voters, std::vector<std::string> learners,
                         std::vector<std::string> gone) {
    return {.group = {}, .voters = std::move(voters), .learners = std::move(learners), .gone = std::move(gone),
            .only_if = std::nullopt};
  }

  raft::Membership membership_;
  raft::Index index_{1};
  std::string leader_;
  bool do_learners_catch_up_ = true;
  int looks_ = 0;
  std::function<bool(const net::RequestBody&)> silent_;
  std::set<std::string> dead_;
  std::map<std::string, raft::NodeId> running_;
  std::set<std::string> destroyed_;
  std::vector<net::StartPeer> starts_;
  std::vector<raft::Membership> changes_;
  std::vector<std::string> progress_;
  std::vector<Result<>> results_;
  std::vector<Result<std::string>> leaders_;
};

TEST_F(MembersTest, ANewMemberIsStartedThenALearnerThenAVoter) {
  change(to({"w@d:1"}, {}, {}));
  expect_done();
  ASSERT_EQ(starts_.size(), 1U);
  EXPECT_EQ(starts_[0].group_id, raft::GroupId{77});
  EXPECT_EQ(starts_[0].membership.find(starts_[0].self), nullptr) << "it joins";
  ASSERT_EQ(changes_.size(), 1U);
  EXPECT_EQ(changes_[0].promoting, std::vector<raft::NodeId>{starts_[0].self});
  EXPECT_EQ(voters(), (std::vector<std::string>{"w@d:1", "x@a:1", "y@b:1", "z@c:1"}));
  const std::vector<std::string> said = {"starting w@d:1", "changing the members", "the new members catch up"};
  EXPECT_EQ(progress_, said);
}

TEST_F(MembersTest, ALearnerStaysOne) {
  change(to({}, {"w@d:1"}, {}));
  expect_done();
  EXPECT_EQ(membership_.members.size(), 4U);
  EXPECT_EQ(membership_.voters.size(), 3U);
  EXPECT_TRUE(membership_.promoting.empty());
}

TEST_F(MembersTest, ALearnerIsPromotedAndAVoterDemoted) {
  membership_.voters = {{1}, {2}};
  change(to({"z@c:1"}, {}, {}));
  expect_done();
  EXPECT_TRUE(starts_.empty());
  EXPECT_EQ(membership_.voters.size(), 3U);
  results_.clear();
  change(to({}, {"z@c:1"}, {}));
  expect_done();
  EXPECT_EQ(voters(), (std::vector<std::string>{"x@a:1", "y@b:1"}));
  EXPECT_EQ(membership_.members.size(), 3U);
}

TEST_F(MembersTest, AReplacementVotesBeforeTheOldOneGoes) {
  change(to({"w@d:1"}, {}, {"z@c:1"}));
  expect_done();
  ASSERT_EQ(changes_.size(), 2U);
  EXPECT_EQ(changes_[0].voters.size(), 3U);
  EXPECT_EQ(changes_[0].members.size(), 4U);
  EXPECT_EQ(changes_[1].members.size(), 3U);
  EXPECT_EQ(voters(), (std::vector<std::string>{"w@d:1", "x@a:1", "y@b:1"}));
}

// What another change removed is not taken in again: its id is used up, and somebody wanted it gone.
TEST_F(MembersTest, WhomAnotherChangeRemovesMeanwhileIsNotTakenInAgain) {
  do_learners_catch_up_ = false;
  silent_ = [this](const net::RequestBody& body) {
    if (changes_.size() == 1 && membership_.members.size() == 4 && std::holds_alternative<net::GetStatus>(body)) {
      if (++looks_ == 3) {
        membership_ = raft::membership_of({{{1}, "x@a:1"}, {{2}, "y@b:1"}, {{3}, "z@c:1"}});
        index_ = next(index_);
      }
    }
    return false;
  };
  change(to({"w@d:1"}, {}, {}));
  expect_refused(Code::peers_changed, "w@d:1 was removed meanwhile");
  EXPECT_EQ(changes_.size(), 1U);
}

TEST_F(MembersTest, TheOldOneStaysWhileTheNewOneDoesNotCatchUp) {
  do_learners_catch_up_ = false;
  change(to({"w@d:1"}, {}, {"z@c:1"}), Duration::seconds(2));
  expect_refused(Code::timeout, "the new members catch up");
  EXPECT_EQ(voters(), (std::vector<std::string>{"x@a:1", "y@b:1", "z@c:1"}));
}

TEST_F(MembersTest, WhatIsSoAlreadyIsDoneWithoutAChange) {
  change(to({"x@a:1"}, {}, {}));
  expect_done();
  EXPECT_TRUE(changes_.empty());
}

TEST_F(MembersTest, AllAreSetAtOnceIfTheyAreWhatTheCallerBelieves) {
  MemberChange set = to({"x@a:1", "w@d:1"}, {}, {});
  set.only_if = {"z@c:1", "y@b:1", "x@a:1"};
  change(set);
  expect_done();
  EXPECT_EQ(voters(), (std::vector<std::string>{"w@d:1", "x@a:1"}));
  EXPECT_EQ(membership_.members.size(), 2U);
}

TEST_F(MembersTest, WhoBelievesInOtherMembersIsToldWhoTheyAre) {
  MemberChange set = to({"x@a:1"}, {}, {});
  set.only_if = {"x@a:1", "y@b:1"};
  change(set);
  expect_refused(Code::peers_changed, "x@a:1, y@b:1, z@c:1");
  EXPECT_TRUE(changes_.empty());
}

TEST_F(MembersTest, W08_WhatCannotBeIsRefusedBeforeAnythingIsBegun) {
  change(to({"nonsense"}, {}, {}));
  expect_refused(Code::bad_request, "nonsense");
  change(to({}, {}, {"w@d:1"}));
  expect_refused(Code::bad_request, "w@d:1 is no member");
  change(to({}, {}, {"x@a:1", "y@b:1", "z@c:1"}));
  expect_refused(Code::bad_request, "nobody would be left to vote");
  change(to({}, {"x@a:1", "y@b:1", "z@c:1"}, {}));
  expect_refused(Code::bad_request, "nobody would be left to vote");
  EXPECT_TRUE(starts_.empty());
  EXPECT_TRUE(changes_.empty());
}

TEST_F(MembersTest, AHostThatHasAnotherPeerOfTheGroupIsNamed) {
  running_["w@d:1"] = {99};
  change(to({"w@d:1"}, {}, {}));
  expect_refused(Code::already_present, "w@d:1");
  EXPECT_TRUE(changes_.empty());
}

// The answer to the first StartPeer is lost. What was started must not be in its own way.
TEST_F(MembersTest, APeerWhoseStartWasNotAnsweredIsStartedAgainUnderTheSameId) {
  bool was_lost = false;
  silent_ = [&](const net::RequestBody& body) {
    const auto* start = std::get_if<net::StartPeer>(&body);
    if (start == nullptr || was_lost) return false;
    running_[start->peer] = start->self;
    was_lost = true;
    network_.link("d:1").close("gone");
    return true;
  };
  change(to({"w@d:1"}, {}, {}));
  EXPECT_TRUE(was_lost);
  expect_done();
  EXPECT_EQ(membership_.members.size(), 4U);
}

TEST_F(MembersTest, AChangeThatAnotherOneOvertookIsLookedAtAndGoneOnFrom) {
  silent_ = [&](const net::RequestBody& body) {
    if (std::holds_alternative<net::StartPeer>(body)) index_ = next(index_);
    return false;
  };
  change(to({"w@d:1"}, {}, {}));
  expect_done();
  EXPECT_EQ(membership_.voters.size(), 4U);
}

TEST_F(MembersTest, ANewHostThatDoesNotAnswerIsNamedWhenTheTimeIsOver) {
  dead_ = {"d:1"};
  change(to({"w@d:1"}, {}, {}), Duration::seconds(1));
  expect_refused(Code::timeout, "w@d:1");
  EXPECT_TRUE(changes_.empty());
}

TEST_F(MembersTest, WithoutALeaderItWaitsAndSaysSo) {
  leader_ = "";
  change(to({"w@d:1"}, {}, {}), Duration::seconds(1));
  expect_refused(Code::timeout, "no member leads");
}

TEST_F(MembersTest, OfAGroupThatIsNowhereItSaysSoAtOnce) {
  destroyed_ = {"a:1", "b:1", "c:1"};
  change(to({"w@d:1"}, {}, {}));
  expect_refused(Code::not_found, "kv");
}

TEST_F(MembersTest, LeadershipGoesToWhomItIsToOrToTheBest) {
  transfer("z@c:1");
  transfer("");
  transfer("y@b:1");  // leads already
  ASSERT_EQ(leaders_.size(), 3U);
  EXPECT_EQ(leaders_[0].value(), "z@c:1");
  EXPECT_EQ(leaders_[1].value(), "y@b:1");
  EXPECT_EQ(leaders_[2].value(), "y@b:1");
  transfer("w@d:1");
  EXPECT_EQ(leaders_[3].error().code, Code::bad_request);
}

TEST_F(MembersTest, W67_AGroupIsDestroyedAtEveryMemberOrAtOne) {
  destroy("y@b:1");
  expect_done();
  EXPECT_EQ(destroyed_, std::set<std::string>{"b:1"});
  results_.clear();
  destroy();
  expect_done();
  EXPECT_EQ(destroyed_, (std::set<std::string>{"a:1", "b:1", "c:1"}));
  results_.clear();
  destroy();
  expect_refused(Code::not_found, "kv");
}

TEST_F(MembersTest, AHostWhereSomethingIsLeftIsNamed) {
  dead_ = {"c:1"};
  destroy();
  expect_refused(Code::all_failed, "z@c:1");
  EXPECT_EQ(destroyed_, (std::set<std::string>{"a:1", "b:1"}));
}

TEST_F(MembersTest, OfTwoThatSayTheyLeadTheOneOfTheLaterTermDoes) {
  std::vector<MemberStatus> rows(3);
  for (std::uint64_t i = 0; i < 3; ++i) {
    rows[i].status.role = "leader";
    rows[i].status.term = {i == 1 ? 7 : i};
  }
  EXPECT_EQ(leader_of(rows), &rows[1]);
  rows[1].error.code = Code::all_failed;
  EXPECT_EQ(leader_of(rows), &rows[2]);
  EXPECT_EQ(leader_of({}), nullptr);
}

}  // namespace
}  // namespace zraft::client::test
