// SPDX-License-Identifier: Apache-2.0
//
// Whom a leader makes room for: the best successor, priorities, and when it does not. Thesis 3.10 by sentence:
// test/thesis/transfer_test.cc.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

Membership with_priorities(std::vector<std::uint32_t> priorities) {
  Membership membership = voters_up_to(priorities.size());
  for (std::size_t i = 0; i < priorities.size(); ++i) membership.members[i].priority = priorities[i];
  return membership;
}

// Leads term 2 with its no-op committed.
OneCore leading(Membership membership) {
  OneCore bench({.membership = std::move(membership)});
  bench.lead();
  for (const Member& member : bench->membership().members) {
    if (member.id != NodeId{1}) bench.receive(member.id.value, 2, Appended{{2}});
  }
  bench.forget();
  return bench;
}

std::optional<NodeId> told(OneCore& bench) {
  const auto sent = bench.sent<TimeoutNow>();
  return sent.empty() ? std::nullopt : std::optional(sent.back().first);
}

// Heartbeats go out and are answered by those.
void pass(OneCore& bench, Duration length, const std::vector<std::uint64_t>& by) {
  for (const Instant end = bench.now() + length; bench.now() < end && bench->is_leader();) {
    bench.tick();
    for (const std::uint64_t id : by) bench.receive(id, 2, HeartbeatReply{{0}, bench.now()});
  }
}

TEST(Successor, IsTheOneThatHasMost) {
  OneCore bench = leading(voters_up_to(3));
  bench.give(Propose{{1}, "a"});
  bench.receive(3, 2, Appended{{3}});
  bench.give(Transfer{{2}, std::nullopt});
  EXPECT_EQ(told(bench), NodeId{3});
}

TEST(Successor, IsTheOneThatIsPreferredAlthoughItHasLess) {
  OneCore bench = leading(with_priorities({9, 1, 5}));
  bench.give(Propose{{1}, "a"});
  bench.receive(2, 2, Appended{{3}});
  bench.give(Transfer{{2}, std::nullopt});
  EXPECT_EQ(told(bench), std::nullopt) << "it gets the rest first";
  bench.receive(3, 2, Appended{{3}});
  EXPECT_EQ(told(bench), NodeId{3});
}

TEST(Successor, IsNoneThatNeverIsToLead) {
  OneCore bench = leading(with_priorities({1, 0, 1}));
  bench.give(Propose{{1}, "a"});
  bench.receive(2, 2, Appended{{3}});
  bench.give(Transfer{{2}, std::nullopt});
  bench.receive(3, 2, Appended{{3}});
  EXPECT_EQ(told(bench), NodeId{3});
  OneCore alone = leading(with_priorities({1, 0}));
  alone.give(Transfer{{1}, std::nullopt});
  EXPECT_EQ(alone.answered<Refused>().at(0).code, Code::timeout);
}

TEST(Successor, IsNoneThatDoesNotAnswer) {
  OneCore bench = leading(voters_up_to(3));
  bench.give(Propose{{1}, "a"});
  bench.receive(2, 2, Appended{{3}});
  pass(bench, ms(400), {3});
  ASSERT_TRUE(bench->is_leader());
  bench.give(Transfer{{2}, std::nullopt});
  bench.receive(3, 2, Appended{{3}});
  EXPECT_EQ(told(bench), NodeId{3});
}

TEST(Successor, IsAVoterOfTheNewMembershipAndNoLearner) {
  Membership membership = with_priorities({1, 1, 1, 9});
  membership.voters = {{1}, {2}, {3}};
  OneCore bench = leading(membership);
  bench.give(Transfer{{1}, std::nullopt});
  EXPECT_NE(told(bench), NodeId{4});
}

TEST(Handover, OneAtATime) {
  OneCore bench = leading(voters_up_to(3));
  bench.give(Transfer{{1}, NodeId{2}});
  bench.give(Transfer{{2}, NodeId{3}});
  const auto refused = bench.answered<Refused>();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].code, Code::busy);
}

TEST(Priority, ALeaderMakesRoomForOneThatIsPreferred) {
  OneCore bench = leading(with_priorities({1, 5, 1}));
  pass(bench, ms(1'100), {2, 3});
  EXPECT_EQ(told(bench), std::nullopt) << "not as soon as it leads";
  pass(bench, ms(200), {2, 3});
  EXPECT_EQ(told(bench), NodeId{2});
}

TEST(Priority, NotForAnEqualOne) {
  OneCore bench = leading(with_priorities({5, 5, 1}));
  pass(bench, ms(3'000), {2, 3});
  EXPECT_EQ(told(bench), std::nullopt);
}

TEST(Priority, NotForOneThatIsBehind) {
  OneCore bench = leading(with_priorities({1, 5, 1}));
  bench.give(Propose{{1}, "a"});
  bench.receive(3, 2, Appended{{3}});
  pass(bench, ms(3'000), {2, 3});
  EXPECT_EQ(told(bench), std::nullopt);
}

// 1. 2 is as far as the leader has committed, and is preferred. 2. A change is in the log that is not committed.
TEST(Priority, NotWhileMembersChange) {
  OneCore bench = leading(with_priorities({1, 5, 1}));
  Membership wanted = with_priorities({1, 5, 1, 1});
  wanted.voters = {{1}, {2}, {3}};
  bench.give(Reconfigure{{1}, {1}, wanted});
  pass(bench, ms(1'500), {2, 3});
  EXPECT_FALSE(std::get<Leader>(bench->role()).handover);
  bench.receive(2, 2, Appended{{3}});
  pass(bench, ms(100), {2, 3});
  EXPECT_TRUE(std::get<Leader>(bench->role()).handover);
}

// It did not come about: not at once again, because nothing is taken meanwhile.
TEST(Priority, AHandoverThatFailedIsNotTriedAgainForAWhile) {
  OneCore bench = leading(with_priorities({1, 5, 1}));
  pass(bench, ms(1'700), {2, 3});
  ASSERT_TRUE(bench->is_leader());
  ASSERT_FALSE(std::get<Leader>(bench->role()).handover) << "an election timeout is over";
  bench.forget();
  pass(bench, ms(2'500), {2, 3});
  EXPECT_EQ(told(bench), std::nullopt);
  pass(bench, ms(900), {2, 3});
  EXPECT_EQ(told(bench), NodeId{2});
}

}  // namespace
}  // namespace zraft::raft
