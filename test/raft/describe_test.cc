// SPDX-License-Identifier: Apache-2.0
//
// The words of describe.h: every event, message, answer and input has some, and they are the ones people read.
#include "zraft/raft/describe.h"

#include <gtest/gtest.h>

#include <set>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

TEST(Describe, SaysWhoDidWhat) {
  using Kind = Event::Kind;
  EXPECT_EQ(describe({2}, Event{.kind = Kind::asks_for_pre_votes, .term = {1}, .position = at(1, 1)}),
            "2 asks for pre-votes at term 2 with 1^1");
  EXPECT_EQ(describe({3}, Event{.kind = Kind::grants_pre_vote, .peer = {2}, .position = at(1, 1)}),
            "3 grants a pre-vote to 2: log 1^1 is as good as mine");
  EXPECT_EQ(describe({2}, Event{.kind = Kind::leads, .term = {2}}), "2 leads term 2");
  EXPECT_EQ(describe({1}, Event{.kind = Kind::steps_down, .why = "it hears no majority"}),
            "1 steps down: it hears no majority");
  EXPECT_EQ(describe(Event{.kind = Kind::leads, .term = {2}}), "leads term 2");
}

TEST(Describe, EveryKindOfEventHasWordsOfItsOwn) {
  std::set<Bytes> words;
  const auto last = static_cast<int>(Event::Kind::commits);
  for (int kind = 0; kind <= last; ++kind) words.insert(describe({1}, Event{.kind = static_cast<Event::Kind>(kind)}));
  EXPECT_EQ(words.size(), static_cast<std::size_t>(last) + 1);
}

TEST(Describe, PutsMessagesIntoWords) {
  const auto said = [](Body body) { return describe(Message{{1}, {2}, {3}, std::move(body)}); };
  EXPECT_EQ(said(Append{at(2, 7), {6}, {entry(3, 8), entry(3, 9)}}),
            "1->2 at term 3: append 3^8..3^9 after 2^7, commit 6");
  EXPECT_EQ(said(Append{at(2, 7), {6}, {}}), "1->2 at term 3: append nothing after 2^7, commit 6");
  EXPECT_EQ(said(AppendRejected{{7}, at(1, 3)}), "1->2 at term 3: rejects 7, try 1^3");
  EXPECT_EQ(said(RequestVote{at(2, 7), true}), "1->2 at term 3: asks for a vote with 2^7, by transfer");
}

TEST(Describe, PutsWritesAndAnswersIntoWords) {
  Write write{{4}, HardState{{3}, NodeId{1}}, Index{6}, {}, {entry(3, 6)}};
  EXPECT_EQ(describe(write), "write w4: term 3, vote for 1; cut from 6; add 3^6");
  write.base = SnapshotMeta{.last = at(2, 5), .membership = {}, .membership_index = {}, .time = {}};
  EXPECT_EQ(describe(write), "write w4: term 3, vote for 1; cut from 6; drop up to 2^5; add 3^6");
  EXPECT_EQ(describe(Answer{Accepted{{5}, at(3, 6)}}), "accepted #5 at 3^6");
  EXPECT_EQ(describe(Answer{ReadReady{{5}, {6}}}), "read #5 is ready at 6");
  EXPECT_EQ(describe(Answer{Refused{{5}, Code::not_leader, NodeId{2}}}), "refused #5: not_leader, leader is 2");
  EXPECT_EQ(describe(Input{Propose{{5}, "abc"}}), "propose #5 (3 bytes)");
}

TEST(Describe, PutsRecordsAndMembershipsIntoWords) {
  Membership membership = voters_up_to(4);
  membership.voters = {{1}, {2}};
  membership.outgoing = {{1}, {3}};
  EXPECT_EQ(describe(membership), "1 2 | 1 3 leaving +4");
  EXPECT_EQ(describe(Membership{}), "nobody");
  EXPECT_EQ(describe(membership_entry(1, 1, voters_up_to(2))), "1^1 membership 1 2");
  EXPECT_EQ(describe(entry(2, 3, "abc")), "2^3 command of 3 bytes");
}

}  // namespace
}  // namespace zraft::raft
