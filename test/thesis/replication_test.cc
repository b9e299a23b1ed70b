// SPDX-License-Identifier: Apache-2.0
//
// Ongaro, "Consensus: Bridging Theory and Practice", chapter 3, sentence by sentence in our words: what it says of
// log replication and commit (3.2, 3.5, 3.6.2, 3.7).
#include <gtest/gtest.h>

#include <algorithm>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

using Terms = std::vector<std::uint64_t>;

constexpr Duration ms(std::int64_t n) { return Duration::milliseconds(n); }

CoreCluster::Options cluster_of(std::uint64_t n, std::uint64_t seed = first_is_one) {
  return {.membership = voters_up_to(n), .config = {.group = {77}, .seed = seed}};
}

// Leads term 2 of a log of one entry; `id` has acknowledged the no-op at 2.
OneCore leading(std::uint64_t voters = 3) {
  OneCore bench({.membership = voters_up_to(voters)});
  bench.lead();
  for (std::uint64_t id = 2; id <= voters; ++id) bench.receive(id, 2, Appended{{2}});
  bench.forget();
  return bench;
}

// --- 3.2, figure 3.2 ---

// Cut off and crashed at random; that nothing committed changes, logs match and machines agree are the cluster's laws.
TEST(Thesis_3_2, CommittedEntriesAreInEveryLaterLeadersLog) {
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    Random random(seed);
    CoreCluster cluster(cluster_of(5, seed));
    for (int turn = 0; turn < 60; ++turn) {
      const NodeId id{1 + random.below(5)};
      switch (random.below(6)) {
        case 0: cluster.partition({{id.value}}); break;
        case 1: cluster.partition({{1 + id.value % 5, id.value}}); break;
        case 2: cluster.restart(id); break;
        case 3: cluster.hold_writes(id); break;
        default: cluster.heal();
      }
      for (const NodeId any : cluster.ids()) {
        if (cluster.core(any).is_leader()) cluster.propose(any, {std::to_string(turn)});
        if (cluster.core(any).is_leader()) cluster.read(any);
      }
      cluster.advance(ms(random.between(1, 500)));
      if (random.below(3) == 0) cluster.release_writes(id);
    }
    cluster.heal();
    for (const NodeId any : cluster.ids()) cluster.release_writes(any);
    cluster.advance(Duration::seconds(5));
    ASSERT_TRUE(cluster.leader()) << "seed " << seed;
    cluster.propose(*cluster.leader(), {"end"});
    cluster.advance(Duration::seconds(1));
    for (const NodeId any : cluster.ids()) EXPECT_EQ(cluster.applied(any), cluster.applied({1})) << "seed " << seed;
    EXPECT_EQ(cluster.applied({1}).back(), "end");
  }
}

TEST(Thesis_3_2, ALeaderOnlyAppends) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "a"});
  bench.receive(2, 2, AppendRejected{{3}, at(1, 1)});
  bench.receive(3, 2, AppendRejected{{3}, at(0, 0)});
  EXPECT_EQ(bench.log_terms(), (Terms{1, 2, 2}));
  for (const Write& write : bench.writes()) EXPECT_FALSE(write.truncate_from);
}

// --- 3.5: log replication ---

TEST(Thesis_3_5, TheLeaderAppendsACommandAndSendsItToAllAtOnce) {
  OneCore bench = leading(5);
  bench.give(Propose{{1}, "a"});
  EXPECT_EQ(bench->log().last(), at(2, 3));
  const auto sent = bench.sent<Append>();
  ASSERT_EQ(sent.size(), 4U);
  for (const auto& [to, append] : sent) {
    ASSERT_EQ(append.entries.size(), 1U);
    EXPECT_EQ(append.entries[0].payload(), "a");
  }
}

TEST(Thesis_3_5, WhenItIsSafelyReplicatedTheLeaderAppliesIt) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "a"});
  EXPECT_EQ(bench.applied().size(), 2U);
  bench.receive(2, 2, Appended{{3}});
  ASSERT_EQ(bench.applied().size(), 3U);
  EXPECT_EQ(bench.applied()[2].payload(), "a");
}

TEST(Thesis_3_5, ALeaderTriesForEverToReachAFollowerThatIsDown) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(ms(600));
  cluster.crash({3});
  cluster.propose({1}, {"a", "b"});
  cluster.advance(Duration::seconds(20));
  EXPECT_EQ(cluster.applied({1}).size(), 2U);
  cluster.restart({3});
  cluster.advance(ms(300));
  EXPECT_EQ(cluster.applied({3}).size(), 2U);
}

TEST(Thesis_3_5, AnEntryHoldsTheTermInWhichTheLeaderReceivedItAndItsIndex) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "a"});
  const auto accepted = bench.answered<Accepted>();
  EXPECT_EQ(accepted[0].position, at(2, 3));
  EXPECT_EQ(bench->log().at({3}).position(), at(2, 3));
}

TEST(Thesis_3_5, ALeaderMakesOneEntryAtAnIndexAndEntriesNeverMove) {
  OneCore bench = leading();
  std::vector<Position> places;
  for (std::uint64_t id = 1; id <= 20; ++id) bench.give(Propose{{id}, "a"});
  for (const Accepted& accepted : bench.answered<Accepted>()) places.push_back(accepted.position);
  ASSERT_EQ(places.size(), 20U);
  for (std::size_t i = 0; i < places.size(); ++i) EXPECT_EQ(places[i], at(2, i + 3));
}

TEST(Thesis_3_5, AnEntryOfTheLeadersIsCommittedOnceAMajorityHasIt) {
  OneCore bench = leading(5);
  bench.give(Propose{{1}, "a"});
  bench.receive(2, 2, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{2});
  bench.receive(4, 2, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{3});
}

TEST(Thesis_3_5, TheLeaderTellsTheHighestCommittedIndex) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "a"});
  bench.receive(2, 2, Appended{{3}});
  bench.forget();
  bench.give(Propose{{2}, "b"});
  EXPECT_EQ(bench.sent_to<Append>(2)->commit, Index{3});
  bench.receive(3, 2, Appended{{3}});
  bench.tick();
  EXPECT_EQ(bench.sent_to<Heartbeat>(3)->commit, Index{3});
}

TEST(Thesis_3_5, AFollowerAppliesWhatItLearnsToBeCommittedInLogOrder) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {entry(2, 2, "a"), entry(2, 3, "b"), entry(2, 4, "c")}, 2);
  bench.receive(2, 2, Heartbeat{{4}, {}});
  ASSERT_EQ(bench.applied().size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_EQ(bench.applied()[i].index(), Index{i + 1});
}

TEST(Thesis_3_5, TheCommitIndexIsTheSmallerOfTheLeadersAndTheLastEntryOfTheMessage) {
  struct Case {
    std::uint64_t of_leader;
    std::uint64_t here;
  };
  for (const Case& c : {Case{0, 0}, Case{2, 2}, Case{3, 3}, Case{9, 3}}) {
    OneCore bench;
    bench.append(2, 2, at(1, 1), {entry(2, 2), entry(2, 3)}, c.of_leader);
    EXPECT_EQ(bench->commit(), Index{c.here}) << "of the leader " << c.of_leader;
  }
}

TEST(Thesis_3_5, AnAppendNamesTheEntryBeforeItsOwn) {
  OneCore bench = leading();
  bench.give(Propose{{1}, "a"});
  EXPECT_EQ(bench.sent_to<Append>(2)->previous, at(2, 2));
}

TEST(Thesis_3_5, AFollowerThatHasNoSuchEntryRefusesTheNewOnes) {
  struct Case {
    Position previous;
    bool fits;
  };
  for (const Case& c : {Case{at(2, 3), true}, Case{at(1, 2), true}, Case{at(2, 2), false}, Case{at(1, 3), false},
                        Case{at(3, 3), false}, Case{at(2, 4), false}, Case{at(0, 0), true}}) {
    OneCore bench({.log = {1, 1, 2}, .hard_state = {{3}, {}}});
    bench.append(2, 3, c.previous, {});
    EXPECT_EQ(bench.sent<Appended>().size(), c.fits ? 1U : 0U) << describe(c.previous);
    EXPECT_EQ(bench.sent<AppendRejected>().size(), c.fits ? 0U : 1U) << describe(c.previous);
    EXPECT_EQ(bench.log_terms(), (Terms{1, 1, 2})) << "a refusal changes nothing";
  }
}

TEST(Thesis_3_5, ConflictingEntriesAreOverwrittenWithTheLeaders) {
  struct Case {
    Position previous;
    Terms entries;
    Terms after;
  };
  // Of a follower with the terms 1 1 2 3, by a leader of term 4.
  for (const Case& c : {Case{at(1, 2), {4}, {1, 1, 4}}, Case{at(1, 1), {1, 2}, {1, 1, 2, 3}},
                        Case{at(1, 1), {1, 2, 4}, {1, 1, 2, 4}}, Case{at(3, 4), {4}, {1, 1, 2, 3, 4}},
                        Case{at(1, 1), {4, 4}, {1, 4, 4}}}) {
    OneCore bench({.log = {1, 1, 2, 3}, .hard_state = {{3}, {}}});
    std::vector<Record> entries;
    for (const std::uint64_t term : c.entries) {
      entries.push_back(entry(term, c.previous.index.value + 1 + entries.size()));
    }
    bench.append(2, 4, c.previous, entries);
    EXPECT_EQ(bench.log_terms(), c.after);
  }
}

TEST(Thesis_3_5, ANewLeaderBeginsWithTheIndexAfterItsLast) {
  OneCore bench({.log = {1, 1, 1}, .hard_state = {{1}, {}}});
  bench.lead();
  const auto append = bench.sent_to<Append>(2);
  EXPECT_EQ(append->previous, at(1, 3));
  EXPECT_EQ(append->entries.size(), 1U);
}

TEST(Thesis_3_5, AfterARejectionTheLeaderGoesBackAndTriesAgainUntilTheLogsMatch) {
  OneCore bench({.log = {1, 1, 1, 1}, .hard_state = {{1}, {}}});
  bench.lead();
  bench.forget();
  bench.receive(2, 2, AppendRejected{{4}, at(1, 3)});
  EXPECT_EQ(bench.sent_to<Append>(2)->previous, at(1, 3));
  bench.receive(2, 2, AppendRejected{{3}, at(0, 0)});
  EXPECT_EQ(bench.sent_to<Append>(2)->previous, at(0, 0));
  bench.receive(2, 2, Appended{{5}});
  EXPECT_TRUE(bench.sent<Append>().empty());
}

TEST(Thesis_3_5, ARejectionNamesTheTermOfTheConflictSoThatItIsSkippedAtOnce) {
  OneCore bench({.log = {1, 1, 3, 3, 3, 3}, .hard_state = {{4}, {}}});
  bench.append(2, 5, at(2, 6), {});
  const auto rejected = bench.sent_to<AppendRejected>(2);
  EXPECT_EQ(rejected->rejected, Index{6});
  EXPECT_EQ(rejected->hint, at(1, 2));
}

// Whatever the two logs are, every answer brings the probe closer, and it ends where they agree.
TEST(Thesis_3_5, LogsConvergeWithoutSpecialAction) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    Random random(seed);
    // Two logs that share a beginning and have terms of their own after it: no term was led twice.
    Terms shared = {1};
    for (std::uint64_t n = random.below(6); n > 0; --n) shared.push_back(shared.back() + random.below(2));
    Terms mine = shared;
    Terms other = shared;
    for (std::uint64_t n = random.below(10); n > 0; --n) mine.push_back(2 * ((mine.back() + random.below(3)) / 2) + 20);
    for (std::uint64_t n = random.below(10); n > 0; --n) {
      other.push_back(2 * ((other.back() + random.below(3)) / 2) + 11);
    }
    std::ranges::sort(mine);
    std::ranges::sort(other);
    CoreCluster cluster(cluster_of(3, seed));
    cluster.crash({3});
    cluster.set_log({1}, mine, {{200}, {}});
    cluster.set_log({2}, other, {{200}, {}});
    cluster.advance(Duration::seconds(4));
    ASSERT_TRUE(cluster.leader()) << "seed " << seed;
    EXPECT_EQ(cluster.core({1}).log().last(), cluster.core({2}).log().last()) << "seed " << seed;
    EXPECT_EQ(cluster.applied({1}), cluster.applied({2})) << "seed " << seed;
  }
}

// The Log Matching Property: two logs that have one position in common are equal up to it.
TEST(Thesis_3_5, LogsThatShareAPositionAreEqualUpToIt) {
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    Random random(seed);
    CoreCluster cluster(cluster_of(3, seed));
    for (int turn = 0; turn < 40; ++turn) {
      if (random.below(2) == 0) cluster.partition({{1 + random.below(3)}});
      for (const NodeId any : cluster.ids()) {
        if (cluster.core(any).is_leader()) cluster.propose(any, {std::to_string(turn), "and"});
      }
      cluster.advance(ms(random.between(50, 700)));
      if (random.below(2) == 0) cluster.heal();
      for (const auto& [a, b] : {std::pair(1, 2), std::pair(2, 3), std::pair(1, 3)}) {
        const LogWindow& one = cluster.core({static_cast<std::uint64_t>(a)}).log();
        const LogWindow& other = cluster.core({static_cast<std::uint64_t>(b)}).log();
        Index index = std::min(one.last().index, other.last().index);
        while (one.term_at(index) != other.term_at(index)) index = index - 1;
        for (; Index{} < index; index = index - 1) {
          ASSERT_EQ(one.at(index).bytes(), other.at(index).bytes()) << "seed " << seed << " index " << index.value;
        }
      }
    }
  }
}

TEST(Thesis_3_5, EntriesAreAcceptedReplicatedAndAppliedAsLongAsAMajorityIsUp) {
  CoreCluster cluster(cluster_of(5));
  cluster.advance(ms(600));
  for (const std::uint64_t id : {4, 5}) cluster.crash({id});
  cluster.propose({1}, {"a"});
  cluster.advance(ms(100));
  EXPECT_EQ(cluster.applied({1}), std::vector<std::string>{"a"});
  cluster.crash({3});
  cluster.propose({1}, {"b"});
  cluster.advance(ms(250));
  EXPECT_EQ(cluster.applied({1}), std::vector<std::string>{"a"});
}

// There and back takes 20 ms, a disk 1 ms.
TEST(Thesis_3_5, ANewEntryIsCommittedInOneRoundToAMajority) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(ms(700));
  cluster.propose({1}, {"a"});
  cluster.advance(ms(20));
  EXPECT_TRUE(cluster.applied({1}).empty());
  cluster.advance(ms(1));
  EXPECT_EQ(cluster.applied({1}), std::vector<std::string>{"a"});
}

TEST(Thesis_3_5, OneSlowFollowerDoesNotHinderTheOthers) {
  CoreCluster cluster(cluster_of(3));
  cluster.advance(ms(600));
  cluster.hold_writes({3});
  cluster.propose({1}, {"a"});
  cluster.advance(ms(22));
  EXPECT_EQ(cluster.applied({1}), std::vector<std::string>{"a"});
}

// --- 3.6.2: committing entries of previous terms ---

TEST(Thesis_3_6_2, OnlyEntriesOfTheLeadersTermAreCommittedByCountingReplicas) {
  OneCore bench({.log = {1, 2, 2}, .hard_state = {{2}, {}}});
  bench.lead();
  bench.receive(2, 3, Appended{{3}});
  bench.receive(3, 3, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{});
}

TEST(Thesis_3_6_2, AllEntriesBeforeACommittedOneAreCommittedWithIt) {
  OneCore bench({.log = {1, 2, 2}, .hard_state = {{2}, {}}});
  bench.lead();
  bench.receive(2, 3, Appended{{4}});
  EXPECT_EQ(bench->commit(), Index{4});
}

TEST(Thesis_3_6_2, EntriesKeepTheirTermWhenALaterLeaderReplicatesThem) {
  OneCore bench({.log = {1, 2, 2}, .hard_state = {{2}, {}}});
  bench.lead();
  bench.receive(2, 3, AppendRejected{{3}, at(1, 1)});
  const auto append = bench.sent_to<Append>(2);
  ASSERT_EQ(append->entries.size(), 3U);
  EXPECT_EQ(append->entries[0].term(), Term{2});
  EXPECT_EQ(append->entries[2].term(), Term{3});
}

// --- 3.7: follower and candidate crashes ---

TEST(Thesis_3_7, MessagesAreIdempotent) {
  OneCore bench;
  for (int i = 0; i < 3; ++i) bench.append(2, 2, at(1, 1), {entry(2, 2), entry(2, 3)}, 2);
  EXPECT_EQ(bench.log_terms(), (Terms{1, 2, 2}));
  EXPECT_EQ(bench.applied().size(), 2U);
  EXPECT_EQ(bench.sent<Appended>().size(), 3U);
  OneCore voter;
  for (int i = 0; i < 3; ++i) voter.receive(2, 2, RequestVote{at(1, 1)});
  EXPECT_EQ(voter.sent<Vote>().size(), 3U);
}

}  // namespace
}  // namespace zraft::raft
