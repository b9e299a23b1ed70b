// SPDX-License-Identifier: Apache-2.0
//
// Creating a group, with hosts that can, cannot and are not there; and what a look at a cluster shows.
#include "zraft/client/admin.h"

#include <optional>
#include <set>

#include "test/client/bench.h"

namespace zraft::client::test {
namespace {

class AdminTest : public SessionBench {
 protected:
  void create(NewGroup group) {
    create_group(loop_, *session_, std::move(group), loop_.now() + Duration::seconds(2), Random(3),
                 [this](Result<> result) { results_.push_back(std::move(result)); });
    loop_.run_posted();
    meet();
  }
  void meet() {
    for (const auto& link : network_.attempts) {
      if (link->handler == nullptr || greeted_.contains(link.get()) || dead_.contains(link->address)) continue;
      greeted_[link.get()] = true;
      greet(link->address);
    }
    for (const auto& link : network_.attempts) {
      if (link->handler != nullptr && dead_.contains(link->address)) link->close("refused");
    }
    loop_.run_posted();
  }
  template <class Body>
  [[nodiscard]] std::size_t count(const std::string& host) const {
    std::size_t out = 0;
    for (const net::Request& request : requests_at(host)) out += std::holds_alternative<Body>(request.body) ? 1 : 0;
    return out;
  }
  void restore(NewGroup group) {
    restore_group(
        loop_, *session_, std::move(group),
        [this](const net::RestorePeer& first, auto done) {
          first_ = first;
          brought_ = std::move(done);
        },
        Duration::seconds(2), Random(3), [this](Result<> result) { results_.push_back(std::move(result)); });
    loop_.run_posted();
    meet();
  }

  std::optional<net::RestorePeer> first_;
  std::move_only_function<void(Result<>)> brought_;
  const NewGroup three_{.name = "kv", .peers = {"x@a:1", "y@b:1", "z@c:1"}};
  std::set<std::string> dead_;
  std::vector<Result<>> results_;
};

TEST_F(AdminTest, RestoresTheFirstPeerAndThenStartsTheOthersWithNothing) {
  restore(three_);
  EXPECT_FALSE(first_.has_value()) << "nobody has said that it can be";
  for (const char* host : {"a:1", "b:1", "c:1"}) {
    ASSERT_EQ(count<net::CheckPeer>(host), 1U);
    answer(host, {});
  }
  loop_.run_posted();
  ASSERT_TRUE(first_.has_value());
  EXPECT_EQ(first_->peer, "x@a:1");
  EXPECT_EQ(first_->membership.voters.size(), 3U);
  for (const char* host : {"a:1", "b:1", "c:1"}) EXPECT_EQ(count<net::StartPeer>(host), 0U);
  // It took longer than all else may.
  loop_.advance(Duration::seconds(10));
  brought_({});
  loop_.run_posted();
  meet();
  EXPECT_EQ(count<net::StartPeer>("a:1"), 0U) << "it has been started";
  for (const char* host : {"b:1", "c:1"}) {
    const auto start = std::get<net::StartPeer>(requests_at(host).back().body);
    EXPECT_EQ(start.group_id, first_->group_id);
    ASSERT_EQ(start.membership.members.size(), 1U) << "of itself it knows nothing, so it cannot lead";
    EXPECT_EQ(start.membership.members[0].id, first_->self);
    EXPECT_EQ(start.self, std::ranges::find(first_->membership.members, start.peer, &raft::Member::peer)->id);
    answer(host, {});
  }
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_TRUE(results_[0].has_value()) << results_[0].error().text;
}

TEST_F(AdminTest, UndoesWhatItBeganOfARestorationThatFails) {
  restore(three_);
  for (const char* host : {"a:1", "b:1", "c:1"}) answer(host, {});
  loop_.run_posted();
  ASSERT_TRUE(first_.has_value());
  brought_(fail(Code::no_space, "the disk is full"));
  loop_.run_posted();
  for (const char* host : {"a:1", "b:1", "c:1"}) {
    ASSERT_EQ(count<net::UndoPeer>(host), 1U) << host;
    EXPECT_EQ(count<net::StartPeer>(host), 0U);
    answer(host, {});
  }
  ASSERT_EQ(results_.size(), 1U);
  ASSERT_FALSE(results_[0].has_value());
  EXPECT_EQ(results_[0].error().code, Code::no_space);
  EXPECT_NE(results_[0].error().text.find("x@a:1: the disk is full"), std::string::npos) << results_[0].error().text;
  EXPECT_NE(results_[0].error().text.find("nothing is left"), std::string::npos) << results_[0].error().text;
}

TEST_F(AdminTest, RestoresNothingWhereOneHostSaysNo) {
  restore(three_);
  answer("a:1", {});
  answer("b:1", {Code::already_present, "it is here"});
  answer("c:1", {});
  loop_.run_posted();
  EXPECT_FALSE(first_.has_value());
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_EQ(results_[0].error().code, Code::already_present);
}

TEST_F(AdminTest, AsksEveryHostAndThenStartsEveryPeerWithTheSameMembership) {
  create(three_);
  for (const char* host : {"a:1", "b:1", "c:1"}) {
    ASSERT_EQ(count<net::CheckPeer>(host), 1U);
    EXPECT_EQ(count<net::StartPeer>(host), 0U);
  }
  for (const char* host : {"a:1", "b:1", "c:1"}) answer(host, {});
  std::set<std::uint64_t> ids;
  std::set<std::uint64_t> groups;
  for (const char* host : {"a:1", "b:1", "c:1"}) {
    const auto start = std::get<net::StartPeer>(requests_at(host).back().body);
    ids.insert(start.self.value);
    groups.insert(start.group_id.value);
    EXPECT_EQ(start.membership.members.size(), 3U);
    EXPECT_EQ(start.membership.voters.size(), 3U);
  }
  EXPECT_EQ(ids.size(), 3U);
  EXPECT_EQ(groups.size(), 1U);
  for (const char* host : {"a:1", "b:1", "c:1"}) answer(host, {});
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_TRUE(results_[0].has_value());
}

TEST_F(AdminTest, W06_StartsNothingWhereOneHostHasTheGroupAlready) {
  create(three_);
  answer("a:1", {});
  answer("b:1", {Code::already_present, "host b already has a peer of a group kv"});
  answer("c:1", {});
  ASSERT_EQ(results_.size(), 1U);
  ASSERT_FALSE(results_[0].has_value());
  EXPECT_EQ(results_[0].error().code, Code::already_present);
  EXPECT_NE(results_[0].error().text.find("y@b:1"), std::string::npos);
  EXPECT_EQ(count<net::StartPeer>("a:1") + count<net::StartPeer>("c:1"), 0U);
}

TEST_F(AdminTest, W06_UndoesEverythingWhenOnePeerCannotBeStarted) {
  create(three_);
  for (const char* host : {"a:1", "b:1", "c:1"}) answer(host, {});
  answer("a:1", {});
  answer("b:1", {Code::no_space, "the disk is full"});
  answer("c:1", {});
  EXPECT_TRUE(results_.empty());
  for (const char* host : {"a:1", "b:1", "c:1"}) {
    ASSERT_EQ(count<net::UndoPeer>(host), 1U);
    answer(host, {});
  }
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_EQ(results_[0].error().code, Code::no_space);
  EXPECT_NE(results_[0].error().text.find("nothing is left"), std::string::npos);
}

TEST_F(AdminTest, SaysWhereSomethingMayBeLeft) {
  create(three_);
  for (const char* host : {"a:1", "b:1", "c:1"}) answer(host, {});
  answer("a:1", {});
  answer("b:1", {});
  network_.link("c:1").close("gone");
  loop_.run_posted();
  answer("a:1", {});
  answer("b:1", {});
  network_.link("c:1").close("refused");
  loop_.run_posted();
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_NE(results_[0].error().text.find("may be left of it at z@c:1"), std::string::npos);
}

TEST_F(AdminTest, W08_RefusesNoPeersBadPeersAndTheSameTwiceBeforeItAsksAnybody) {
  create({.name = "kv", .peers = {}});
  create({.name = "kv", .peers = {"x"}});
  create({.name = "kv", .peers = {"x@a:1", "x@a:1"}});
  ASSERT_EQ(results_.size(), 3U);
  for (const Result<>& result : results_) EXPECT_EQ(result.error().code, Code::bad_request);
  EXPECT_TRUE(network_.attempts.empty());
}

TEST_F(AdminTest, WaitsForAHostThatIsJustBeingStarted) {
  dead_ = {"b:1"};
  create(three_);
  for (const char* host : {"a:1", "c:1"}) answer(host, {});
  loop_.advance(Duration::milliseconds(40));
  EXPECT_TRUE(results_.empty());
  dead_.clear();
  loop_.advance(Duration::milliseconds(20));
  meet();
  EXPECT_EQ(count<net::CheckPeer>("b:1"), 1U);
  answer("b:1", {});
  for (const char* host : {"a:1", "b:1", "c:1"}) EXPECT_EQ(count<net::StartPeer>(host), 1U) << host;
}

TEST_F(AdminTest, AHostThatCannotBeReachedIsNamed) {
  dead_ = {"b:1"};
  create(three_);
  answer("a:1", {});
  answer("c:1", {});
  for (int i = 0; i < 21; ++i) {
    EXPECT_TRUE(results_.empty() || i == 20);
    loop_.advance(Duration::milliseconds(50));
    meet();
  }
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_EQ(results_[0].error().code, Code::all_failed);
  EXPECT_NE(results_[0].error().text.find("y@b:1"), std::string::npos);
}

TEST_F(AdminTest, DoesNotWaitForAHostWhenAnotherRefuses) {
  dead_ = {"b:1"};
  create(three_);
  answer("a:1", {});
  answer("c:1", {Code::already_present, "host c already has a peer of a group kv"});
  ASSERT_EQ(results_.size(), 1U);
  EXPECT_EQ(results_[0].error().code, Code::already_present);
}

TEST_F(AdminTest, AStatusShowsMembersThatOnlyTheMembershipNamesAndThoseThatDoNotAnswer) {
  std::vector<MemberStatus> rows;
  gather_status(loop_, *session_, {"a:1"}, "kv", loop_.now() + Duration::seconds(1),
                [&](std::vector<MemberStatus> found) { rows = std::move(found); });
  loop_.run_posted();
  meet();
  net::PeerStatus peer;
  peer.group = "kv";
  peer.peer = "x@a:1";
  peer.self = {1};
  peer.membership = raft::membership_of({{{1}, "x@a:1"}, {{2}, "y@b:1"}});
  network_.link("a:1").bring(
      node::FrameKind::reply,
      net::encode(net::Reply{.id = requests_at("a:1").back().id,
                             .error = {},
                             .leader = {},
                             .body = net::Status{.host = "x", .version = "1", .peers = {peer}}}));
  loop_.run_posted();
  ASSERT_EQ(network_.attempts_at("b:1"), 1U);
  network_.link("b:1").close("refused");
  loop_.run_posted();
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].peer, "y@b:1");
  EXPECT_EQ(rows[0].error.code, Code::all_failed);
  EXPECT_EQ(rows[1].peer, "x@a:1");
  EXPECT_EQ(rows[1].error.code, Code::ok);
}

}  // namespace
}  // namespace zraft::client::test
