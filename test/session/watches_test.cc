// SPDX-License-Identifier: Apache-2.0
//
// Watches: ordered, without a gap or a repetition, and told how they end (P83, P84).
#include "zraft/session/watches.h"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace zraft::session {
namespace {

using Strings = std::vector<std::string>;

constexpr WatchId first{1, 1};
constexpr WatchId second{1, 2};
constexpr WatchId elsewhere{2, 1};

class WatchesTest : public ::testing::Test, private Watches::Sink {
 protected:
  void on_changed(WatchId watch, const Changed& changed, bool is_last) override {
    std::string line = std::to_string(watch.link) + "." + std::to_string(watch.request) + " at " +
                       std::to_string(changed.index.value) + ":";
    for (const node::Change& change : *changed.changes) line += " " + change.key + "=" + change.event;
    told.push_back(line + (is_last ? " last" : ""));
  }
  void on_progress(WatchId watch, raft::Index index) override {
    told.push_back(std::to_string(watch.request) + " knows all up to " + std::to_string(index.value));
  }
  void on_ended(WatchId watch, const Error& why) override {
    told.push_back(std::to_string(watch.link) + "." + std::to_string(watch.request) + " ended: " + why.text);
  }

  Result<> add(WatchId watch, std::vector<node::Watchable> what, std::uint64_t after, bool is_persistent = true,
               SessionId session = {}) {
    const Wanted wanted{is_persistent, session, {after}, std::move(what)};
    if (auto may = watches.may_add(watch, wanted); !may) return may;
    watches.add(watch, wanted);
    return {};
  }
  void apply(std::uint64_t index, std::vector<node::Change> changes) {
    watches.on_applied({index}, std::move(changes));
  }
  Strings take() { return std::exchange(told, {}); }

  Strings told;
  std::uint64_t watched_to = 10;
  Watches watches{*this, 4'000, {10}};
};

TEST_F(WatchesTest, AreToldOfTheirKeyOnlyAndInOrder) {
  ASSERT_TRUE(add(first, {{"a"}}, 10));
  apply(11, {{"a", "1"}});
  apply(12, {{"ab", "2"}});
  apply(13, {});
  apply(14, {{"a", "3"}});
  EXPECT_EQ(take(), (Strings{"1.1 at 11: a=1", "1.1 at 14: a=3"}));
}

TEST_F(WatchesTest, OfAPrefixHearAllThatBeginWithIt) {
  ASSERT_TRUE(add(first, {{"ab", true}}, 10));
  ASSERT_TRUE(add(second, {{"", true}}, 10));
  for (const Bytes key : {"a", "ab", "aba", "abz", "ac", "b"}) apply(++watched_to, {{key, "x"}});
  EXPECT_EQ(take(), (Strings{"1.2 at 11: a=x", "1.1 at 12: ab=x", "1.2 at 12: ab=x", "1.1 at 13: aba=x",
                             "1.2 at 13: aba=x", "1.1 at 14: abz=x", "1.2 at 14: abz=x", "1.2 at 15: ac=x",
                             "1.2 at 16: b=x"}));
}

// Which prefixes a key has, against looking at all of them.
TEST_F(WatchesTest, FindEveryPrefixOfAKey) {
  const std::vector<Bytes> prefixes = {"", "a", "aa", "aab", "ab", "abc", "b", "ba", "a\xff", "\xff"};
  for (std::uint64_t n = 0; n < prefixes.size(); ++n) ASSERT_TRUE(add({9, n}, {{prefixes[n], true}}, 10));
  for (const Bytes key : {"", "a", "aa", "aaa", "aabz", "abcd", "ac", "b", "bb", "a\xff\xff", "\xff", "zz"}) {
    take();
    apply(++watched_to, {{key, "x"}});
    std::size_t expected = 0;
    for (const Bytes& prefix : prefixes) expected += key.starts_with(prefix) ? 1 : 0;
    EXPECT_EQ(take().size(), expected) << key;
  }
}

TEST_F(WatchesTest, I36_AllChangesOfOneEntryComeTogetherAndOnlyThoseThatAreHeard) {
  ASSERT_TRUE(add(first, {{"a"}, {"c", true}}, 10));
  apply(11, {{"a", "1"}, {"b", "2"}, {"c1", "3"}, {"a", "4"}});
  EXPECT_EQ(take(), Strings{"1.1 at 11: a=1 c1=3 a=4"});
}

TEST_F(WatchesTest, P84_OneShotsEndWithTheirFirstEvent) {
  ASSERT_TRUE(add(first, {{"a"}}, 10, false));
  apply(11, {{"a", "1"}});
  apply(12, {{"a", "2"}});
  EXPECT_EQ(take(), Strings{"1.1 at 11: a=1 last"});
  EXPECT_EQ(watches.size(), 0u);
}

TEST_F(WatchesTest, P83_OneThatGoesOnMissesNothingAndHearsNothingTwice) {
  for (std::uint64_t index = 11; index <= 15; ++index) apply(index, {{"a", std::to_string(index)}});
  ASSERT_TRUE(add(first, {{"a"}}, 13));
  apply(16, {{"a", "16"}});
  EXPECT_EQ(take(), (Strings{"1.1 at 14: a=14", "1.1 at 15: a=15", "1.1 at 16: a=16"}));
}

// The new leader has not applied what the old one had told of.
TEST_F(WatchesTest, P83_WhatAnotherMemberHasToldIsNotToldAgain) {
  ASSERT_TRUE(add(first, {{"a"}}, 12));
  apply(11, {{"a", "1"}});
  apply(12, {{"a", "2"}});
  apply(13, {{"a", "3"}});
  EXPECT_EQ(take(), Strings{"1.1 at 13: a=3"});
}

TEST_F(WatchesTest, AOneShotThatGoesOnIsToldOfTheFirstOnly) {
  apply(11, {{"a", "1"}});
  apply(12, {{"a", "2"}});
  ASSERT_TRUE(add(first, {{"a"}}, 10, false));
  EXPECT_EQ(take(), Strings{"1.1 at 11: a=1 last"});
}

TEST_F(WatchesTest, I38_WhatIsForgottenIsSaid) {
  EXPECT_EQ(add(first, {{"a"}}, 9).error().code, Code::compacted) << "of before this member started";
  for (std::uint64_t index = 11; index <= 50; ++index) apply(index, {{"a", Bytes(400, 'x')}});
  EXPECT_EQ(add(first, {{"a"}}, 11).error().code, Code::compacted);
  ASSERT_TRUE(add(first, {{"a"}}, 48));
  EXPECT_EQ(take().size(), 2u);
  watches.on_installed({60});
  EXPECT_EQ(add(second, {{"a"}}, 55).error().code, Code::compacted);
  EXPECT_TRUE(add(second, {{"a"}}, 60));
}

// I39: never ahead of what it is still to be told.
TEST_F(WatchesTest, I39_WhoseKeyNeverChangesLearnsHowFarItKnows) {
  ASSERT_TRUE(add(first, {{"quiet"}}, 10));
  ASSERT_TRUE(add(second, {{"a"}}, 10));
  for (std::uint64_t index = 11; index <= 40; ++index) apply(index, {{"a", Bytes(400, 'x')}});
  std::uint64_t known = 10;
  for (const std::string& line : take()) {
    if (!line.starts_with("1 knows")) continue;
    known = std::stoull(line.substr(line.rfind(' ')));
    EXPECT_TRUE(watches.may_add(elsewhere, {true, {}, {known}, {{"quiet"}}}).has_value() || known < 36);
  }
  EXPECT_GT(known, 35u);
  EXPECT_TRUE(watches.may_add(elsewhere, {true, {}, {known}, {{"quiet"}}}).has_value()) << "it can go on from there";
}

TEST_F(WatchesTest, EndWithTheirSession) {
  ASSERT_TRUE(add(first, {{"a"}}, 10, true, {5}));
  ASSERT_TRUE(add(second, {{"a"}}, 10, true, {6}));
  watches.on_session_ended({5});
  watches.on_session_ended({7});
  apply(11, {{"a", "1"}});
  EXPECT_EQ(take(), (Strings{"1.1 ended: the session that watched is over", "1.2 at 11: a=1"}));
}

TEST_F(WatchesTest, W21_AreToldOnceThatTheyAreOver) {
  ASSERT_TRUE(add(first, {{"a"}}, 10, false));
  ASSERT_TRUE(add(second, {{"a"}}, 10));
  watches.end_all({Code::leader_changed, "over"});
  watches.end_all({Code::leader_changed, "over"});
  apply(11, {{"a", "1"}});
  EXPECT_EQ(take(), (Strings{"1.1 ended: over", "1.2 ended: over"}));
  EXPECT_TRUE(add(first, {{"a"}}, 11)) << "it may be set again";
}

TEST_F(WatchesTest, W21_ThatAreTakenBackOrWhoseLinkIsGoneLeaveNothing) {
  ASSERT_TRUE(add(first, {{"a"}}, 10));
  ASSERT_TRUE(add(second, {{"a"}, {"b", true}}, 10, true, {5}));
  ASSERT_TRUE(add(elsewhere, {{"a"}}, 10));
  EXPECT_TRUE(watches.remove(first));
  EXPECT_FALSE(watches.remove(first));
  watches.remove_link(1);
  EXPECT_EQ(watches.size(), 1u);
  watches.on_session_ended({5});
  apply(11, {{"a", "1"}, {"b", "2"}});
  EXPECT_EQ(take(), Strings{"2.1 at 11: a=1"});
}

TEST_F(WatchesTest, RefuseWhatIsNone) {
  EXPECT_EQ(add(first, {}, 10).error().code, Code::bad_request);
  EXPECT_EQ(add(first, std::vector<node::Watchable>(watchable_max + 1, {"a"}), 10).error().code, Code::bad_request);
  ASSERT_TRUE(add(first, {{"a"}}, 10));
  EXPECT_EQ(add(first, {{"a"}}, 10).error().code, Code::bad_request);
}

}  // namespace
}  // namespace zraft::session
