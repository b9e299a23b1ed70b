// SPDX-License-Identifier: Apache-2.0
//
// The log in memory: bounds, sizes, where two logs can agree, and memberships that come and go with their entries
// (P46).
#include "zraft/raft/log_window.h"

#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

LogWindow log_of(const std::vector<std::uint64_t>& terms, Position base = {}) {
  SnapshotMeta meta;
  meta.last = base;
  LogWindow log(meta);
  for (const std::uint64_t term : terms) log.append(entry(term, log.last().index.value + 1));
  return log;
}

TEST(LogWindow, AnEmptyLogEndsAtItsBase) {
  EXPECT_EQ(log_of({}).last(), at(0, 0));
  EXPECT_EQ(log_of({}).first(), Index{1});
  EXPECT_EQ(log_of({}, at(4, 20)).last(), at(4, 20));
  EXPECT_EQ(log_of({}, at(4, 20)).first(), Index{21});
}

TEST(LogWindow, KnowsTheTermFromItsBaseToItsLast) {
  const LogWindow log = log_of({4, 5}, at(4, 20));
  EXPECT_EQ(log.term_at({19}), std::nullopt);
  EXPECT_EQ(log.term_at({20}), Term{4});
  EXPECT_EQ(log.term_at({22}), Term{5});
  EXPECT_EQ(log.term_at({23}), std::nullopt);
  EXPECT_EQ(log_of({1}).term_at({0}), Term{0});
}

TEST(LogWindow, CountsBytes) {
  LogWindow log = log_of({1, 1, 1});
  const std::size_t one = record_header_size + 1;
  EXPECT_EQ(log.bytes(), 3 * one);
  EXPECT_EQ(log.bytes_after({0}), 3 * one);
  EXPECT_EQ(log.bytes_after({2}), one);
  EXPECT_EQ(log.bytes_after({3}), 0U);
  log.truncate_from({2});
  EXPECT_EQ(log.bytes(), one);
  log.append(entry(2, 2, "longer"));
  EXPECT_EQ(log.bytes_after({1}), record_header_size + 6);
}

TEST(LogWindow, CutsFromAnIndexOn) {
  LogWindow log = log_of({1, 1, 2});
  log.truncate_from({9});
  EXPECT_EQ(log.last(), at(2, 3));
  log.truncate_from({2});
  EXPECT_EQ(log.last(), at(1, 1));
  log.truncate_from({1});
  EXPECT_EQ(log.last(), at(0, 0));
}

TEST(LogWindow, FindsWhereTwoLogsCanAgreeAtMost) {
  const LogWindow log = log_of({1, 1, 3, 3, 5}, {});
  struct Case {
    std::uint64_t term;
    std::uint64_t bound;
    Position agreed;
  };
  for (const Case& c : {Case{5, 5, at(5, 5)}, Case{5, 9, at(5, 5)}, Case{4, 5, at(3, 4)}, Case{3, 3, at(3, 3)},
                        Case{2, 5, at(1, 2)}, Case{1, 1, at(1, 1)}, Case{0, 5, at(0, 0)}, Case{9, 0, at(0, 0)}}) {
    EXPECT_EQ(log.last_with_term_at_most({c.term}, {c.bound}), c.agreed) << c.term << " " << c.bound;
  }
}

TEST(LogWindow, TheSearchForAgreementStopsAtTheBase) {
  const LogWindow log = log_of({4, 5}, at(4, 20));
  EXPECT_EQ(log.last_with_term_at_most({1}, {22}), at(4, 20));
  EXPECT_EQ(log.last_with_term_at_most({9}, {3}), at(0, 3)) << "nothing is known of what lies before";
}

TEST(LogWindow, DropsItsFrontAndKnowsWhatStoodThere) {
  LogWindow log(SnapshotMeta{});
  log.append(membership_entry(1, 1, voters_up_to(3)));
  log.append(entry(1, 2, "ab"));
  log.append(membership_entry(2, 3, voters_up_to(2)));
  log.append(entry(2, 4, "abcd"));
  const std::size_t last_two = log.bytes_after({2});
  EXPECT_EQ(log.meta_at({2}).membership, voters_up_to(3));
  log.drop_to({2});
  EXPECT_EQ(log.base().last, at(1, 2));
  EXPECT_EQ(log.base().membership_index, Index{1});
  EXPECT_EQ(log.first(), Index{3});
  EXPECT_EQ(log.bytes(), last_two);
  EXPECT_EQ(log.bytes_after({2}), last_two);
  EXPECT_EQ(log.bytes_after({4}), 0U);
  EXPECT_EQ(log.term_at({2}), Term{1});
  EXPECT_FALSE(log.term_at({1}));
  log.truncate_from({3});
  EXPECT_EQ(log.membership(), voters_up_to(3)) << "P46: the one of the base";
  EXPECT_EQ(log.bytes(), 0U);
  log.append(entry(3, 3, "abc"));
  EXPECT_EQ(log.bytes(), record_header_size + 3);
  log.drop_to({3});
  EXPECT_EQ(log.last(), at(3, 3));
  EXPECT_EQ(log.bytes(), 0U);
}

TEST(LogWindow, P46_ACutRestoresTheMembershipBefore) {
  SnapshotMeta meta;
  meta.last = at(2, 10);
  meta.membership = voters_up_to(1);
  meta.membership_index = {4};
  LogWindow log(meta);
  log.append(membership_entry(2, 11, voters_up_to(2)));
  log.append(entry(2, 12));
  log.append(membership_entry(3, 13, voters_up_to(3)));
  EXPECT_EQ(log.membership(), voters_up_to(3));
  EXPECT_EQ(log.membership_index(), Index{13});
  log.truncate_from({13});
  EXPECT_EQ(log.membership(), voters_up_to(2));
  // Even if the one before is the snapshot's.
  log.truncate_from({11});
  EXPECT_EQ(log.membership(), voters_up_to(1));
  EXPECT_EQ(log.membership_index(), Index{4});
}

TEST(LogWindowDeathTest, RefusesGapsFallingTermsAndForeignIndexes) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  LogWindow log = log_of({1, 2});
  EXPECT_DEATH(log.append(entry(2, 4)), "leaves a gap");
  EXPECT_DEATH(log.append(entry(1, 3)), "a term before the last");
  EXPECT_DEATH((void)log.at({3}), "outside the log");
  EXPECT_DEATH((void)log.at({0}), "outside the log");
  EXPECT_DEATH(log_of({5}, at(4, 20)).truncate_from({20}), "inside its snapshot");
}

}  // namespace
}  // namespace zraft::raft
