// SPDX-License-Identifier: Apache-2.0
//
// What a leader knows of one member: probe and replicate, the window, and that nothing goes back (P09, P32, P58).
#include "zraft/raft/progress.h"

#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

constexpr ReplicationLimits limits{.append_bytes_max = 100, .inflight_messages_max = 3, .inflight_bytes_max = 1000};

Progress replicating(std::uint64_t match) {
  Progress progress({2}, {match}, Instant{});
  (void)progress.on_appended({match});
  return progress;
}

TEST(Progress, BeginsByProbingAfterTheLastEntry) {
  const Progress progress({2}, {7}, Instant{});
  EXPECT_EQ(progress.state(), Progress::State::probe);
  EXPECT_EQ(progress.next(), Index{8});
  EXPECT_EQ(progress.match(), Index{});
}

TEST(Progress, OneProbeIsOutAtATime) {
  Progress progress({2}, {7}, Instant{});
  EXPECT_TRUE(progress.can_send(limits));
  progress.on_sent({9}, 50);
  EXPECT_FALSE(progress.can_send(limits));
  EXPECT_EQ(progress.next(), Index{8}) << "a probe promises nothing";
  EXPECT_TRUE(progress.on_rejected({7}, {4}));
  EXPECT_TRUE(progress.can_send(limits));
  EXPECT_EQ(progress.next(), Index{5});
}

TEST(Progress, AnAcknowledgementOfAProbeBeginsReplication) {
  Progress progress({2}, {7}, Instant{});
  progress.on_sent({9}, 50);
  EXPECT_TRUE(progress.on_appended({9}));
  EXPECT_EQ(progress.state(), Progress::State::replicate);
  EXPECT_EQ(progress.match(), Index{9});
  EXPECT_EQ(progress.next(), Index{10});
}

TEST(Progress, TheWindowIsBoundedInMessages) {
  Progress progress = replicating(1);
  for (std::uint64_t last = 2; last <= 4; ++last) {
    EXPECT_TRUE(progress.can_send(limits));
    progress.on_sent({last}, 10);
  }
  EXPECT_FALSE(progress.can_send(limits));
  EXPECT_TRUE(progress.on_appended({2}));
  EXPECT_TRUE(progress.can_send(limits));
  EXPECT_EQ(progress.inflight_messages(), 2U);
}

TEST(Progress, TheWindowIsBoundedInBytes) {
  Progress progress = replicating(1);
  progress.on_sent({2}, 999);
  EXPECT_TRUE(progress.can_send(limits));
  progress.on_sent({3}, 1);
  EXPECT_FALSE(progress.can_send(limits));
  EXPECT_TRUE(progress.on_appended({3}));
  EXPECT_EQ(progress.inflight_bytes(), 0U);
}

TEST(Progress, OneAcknowledgementFreesAllBeforeIt) {
  Progress progress = replicating(1);
  for (std::uint64_t last = 2; last <= 4; ++last) progress.on_sent({last}, 10);
  EXPECT_TRUE(progress.on_appended({4}));
  EXPECT_EQ(progress.inflight_messages(), 0U);
  EXPECT_EQ(progress.inflight_bytes(), 0U);
}

TEST(Progress, AnEmptyMessageTakesNoRoom) {
  Progress progress = replicating(5);
  progress.on_sent({5}, 0);
  EXPECT_EQ(progress.inflight_messages(), 0U);
  EXPECT_EQ(progress.next(), Index{6});
}

TEST(Progress, MatchNeverFalls) {
  Progress progress = replicating(5);
  EXPECT_FALSE(progress.on_appended({3}));
  EXPECT_FALSE(progress.on_appended({5}));
  EXPECT_EQ(progress.match(), Index{5});
  EXPECT_EQ(progress.next(), Index{6});
}

TEST(Progress, ARejectionWhileReplicatingFallsBackToProbing) {
  Progress progress = replicating(5);
  progress.on_sent({7}, 10);
  progress.on_sent({9}, 10);
  EXPECT_TRUE(progress.on_rejected({7}, {6}));
  EXPECT_EQ(progress.state(), Progress::State::probe);
  EXPECT_EQ(progress.next(), Index{7});
  EXPECT_EQ(progress.inflight_messages(), 0U);
  EXPECT_EQ(progress.inflight_bytes(), 0U);
}

TEST(Progress, AProbeNeverGoesBelowTheMatch) {
  Progress progress = replicating(5);
  progress.on_sent({9}, 10);
  EXPECT_TRUE(progress.on_rejected({9}, {2}));
  EXPECT_EQ(progress.next(), Index{6});
}

TEST(Progress, AProbeAlwaysGoesBack) {
  Progress progress({2}, {7}, Instant{});
  // Whatever the member suggests.
  EXPECT_TRUE(progress.on_rejected({7}, {100}));
  EXPECT_EQ(progress.next(), Index{7});
}

TEST(Progress, AnOldRejectionIsIgnored) {
  Progress matched = replicating(5);
  EXPECT_FALSE(matched.on_rejected({5}, {1}));
  EXPECT_FALSE(matched.on_rejected({0}, {0}));
  EXPECT_EQ(matched.state(), Progress::State::replicate);
  Progress probing({2}, {7}, Instant{});
  EXPECT_TRUE(probing.on_rejected({7}, {4}));
  EXPECT_FALSE(probing.on_rejected({7}, {1}));
  EXPECT_EQ(probing.next(), Index{5});
}

TEST(Progress, RoundsNeverFall) {
  Progress progress({2}, {7}, Instant{});
  progress.on_round({5}, {50});
  progress.on_round({3}, {30});
  EXPECT_EQ(progress.acknowledged(), Round{5});
}

TEST(Progresses, P58_FollowTheMembershipAndKeepWhatIsKnownOfThoseThatStay) {
  Progresses progresses;
  progresses.follow(voters_up_to(3), {1}, {7}, Instant{});
  ASSERT_NE(progresses.find({2}), nullptr);
  (void)progresses.find({2})->on_appended({6});
  Membership other = voters_up_to(4);
  std::erase_if(other.members, [](const Member& member) { return member.id == NodeId{3}; });
  progresses.follow(other, {1}, {9}, Instant{});
  EXPECT_EQ(progresses.find({2})->match(), Index{6});
  EXPECT_EQ(progresses.find({3}), nullptr);
  EXPECT_EQ(progresses.find({4})->next(), Index{10});
  EXPECT_EQ(progresses.find({1}), nullptr) << "a leader is no follower of its own";
  // One that comes back is not known any more.
  progresses.follow(voters_up_to(4), {1}, {9}, Instant{});
  EXPECT_EQ(progresses.find({3})->match(), Index{});
}

}  // namespace
}  // namespace zraft::raft
