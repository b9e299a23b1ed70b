// SPDX-License-Identifier: Apache-2.0
//
// The order of positions, the laws of a membership and its encoding.
#include "zraft/raft/types.h"

#include <gtest/gtest.h>

#include "test/raft/one_core.h"
#include "zraft/base/codec.h"

namespace zraft::raft {
namespace {

Membership joint() {
  Membership membership = voters_up_to(6);
  membership.voters = {{1}, {2}, {3}};
  membership.outgoing = {{1}, {4}, {5}};
  return membership;
}

TEST(Position, IsOrderedByTermThenIndex) {
  EXPECT_LT(at(1, 9), at(2, 1));
  EXPECT_LT(at(2, 1), at(2, 2));
  EXPECT_EQ(at(2, 2), at(2, 2));
}

TEST(Membership, KnowsItsVotersInEitherList) {
  const Membership membership = joint();
  EXPECT_TRUE(membership.is_joint());
  for (const std::uint64_t id : {1, 2, 3, 4, 5}) EXPECT_TRUE(membership.is_voter({id}));
  EXPECT_FALSE(membership.is_voter({6}));
  EXPECT_FALSE(membership.is_voter({7}));
  EXPECT_EQ(membership.find({4})->peer, "n4@test:1");
  EXPECT_EQ(membership.find({7}), nullptr);
}

TEST(Membership, IsSortedWhenItIsMade) {
  const Membership membership = membership_of({{{3}, "c"}, {{1}, "a"}, {{2}, "b"}});
  EXPECT_TRUE(membership.valid());
  EXPECT_EQ(membership.members[0].peer, "a");
  EXPECT_EQ(membership.voters, (std::vector<NodeId>{{1}, {2}, {3}}));
}

TEST(Membership, EachLawIsJudged) {
  struct Case {
    const char* sentence;
    void (*break_it)(Membership&);
  };
  const Case cases[] = {
      {"no voter is left", [](Membership& m) { m.voters.clear(); }},
      {"has the id 0", [](Membership& m) { m.members[0].id = {0}; }},
      {"not sorted by id", [](Membership& m) { std::swap(m.members[1], m.members[2]); }},
      {"or one stands twice", [](Membership& m) { m.members[2].id = m.members[1].id; }},
      {"n2@test:1 stands twice", [](Membership& m) { m.members[4].peer = m.members[1].peer; }},
      {"voters are not sorted", [](Membership& m) { std::swap(m.voters[0], m.voters[1]); }},
      {"voters are not sorted", [](Membership& m) { m.voters.push_back({3}); }},
      {"voters name an id", [](Membership& m) { m.voters.push_back({7}); }},
      {"outgoing voters are not sorted", [](Membership& m) { std::swap(m.outgoing[0], m.outgoing[1]); }},
      {"outgoing voters name an id", [](Membership& m) { m.outgoing.push_back({7}); }},
  };
  EXPECT_TRUE(joint().valid());
  for (const Case& c : cases) {
    Membership membership = joint();
    c.break_it(membership);
    const auto judged = membership.valid();
    ASSERT_FALSE(judged) << c.sentence;
    EXPECT_NE(judged.error().text.find(c.sentence), std::string::npos) << judged.error().text;
    Bytes bytes;
    encode(membership, bytes);
    EXPECT_FALSE(decode_membership(bytes)) << "decoded, though " << c.sentence;
  }
}

TEST(Membership, IsBounded) {
  EXPECT_TRUE(voters_up_to(1024).valid());
  EXPECT_EQ(voters_up_to(1025).valid().error().code, Code::too_large);
}

TEST(Membership, WhatGoesInComesOut) {
  for (const Membership& membership : {voters_up_to(1), voters_up_to(5), joint()}) {
    Bytes bytes;
    encode(membership, bytes);
    EXPECT_EQ(decode_membership(bytes), membership);
  }
}

TEST(Membership, NoCutAndNoAddedByteDecodes) {
  Bytes bytes;
  encode(joint(), bytes);
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(decode_membership(BytesView(bytes).substr(0, size))) << "cut to " << size << " bytes";
  }
  EXPECT_FALSE(decode_membership(bytes + "x"));
}

TEST(Membership, AnyBytesGiveAMembershipOrAnError) {
  Random random(11);
  Bytes good;
  encode(joint(), good);
  for (int i = 0; i < 20'000; ++i) {
    Bytes bytes = good;
    for (std::uint64_t n = 1 + random.below(4); n > 0; --n) {
      bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
    }
    const auto decoded = decode_membership(bytes);
    if (!decoded) continue;
    EXPECT_TRUE(decoded->valid());
    Bytes again;
    encode(*decoded, again);
    EXPECT_EQ(again, bytes) << "an encoding has one form";
  }
  Bytes huge;
  Encoder(huge).u32(0xffffffff);
  EXPECT_FALSE(decode_membership(huge)) << "a length is checked before it is trusted";
}

}  // namespace
}  // namespace zraft::raft
