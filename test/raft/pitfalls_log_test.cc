// SPDX-License-Identifier: Apache-2.0
//
// Pitfalls P23 to P35: replication, durability and commit that went wrong in real systems.
#include <gtest/gtest.h>

#include <algorithm>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

using Terms = std::vector<std::uint64_t>;

const Progress& progress_of(const OneCore& bench, std::uint64_t id) {
  return *std::get<Leader>(bench->role()).progresses.find({id});
}

TEST(Pitfall, P23_AnEntryOfAnEarlierTermIsNotCommittedByCounting) {
  OneCore bench({.membership = voters_up_to(5), .log = {1, 2}, .hard_state = {{3}, {}}});
  bench.lead();
  bench.receive(2, 4, Appended{{2}});
  bench.receive(3, 4, Appended{{2}});
  bench.receive(4, 4, Appended{{2}});
  EXPECT_EQ(bench->commit(), Index{});
}

TEST(Pitfall, P24_AnEntryOfTheOwnTermCommitsTheEarlierOnesWithIt) {
  OneCore bench({.membership = voters_up_to(5), .log = {1, 2}, .hard_state = {{3}, {}}});
  bench.lead();
  bench.receive(2, 4, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{});
  bench.receive(3, 4, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{3});
  EXPECT_EQ(bench.applied().size(), 3U);
}

TEST(Pitfall, P25_ARepeatedAppendDoesNotCutWhatMatches) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {entry(2, 2)});
  bench.append(2, 2, at(2, 2), {entry(2, 3), entry(2, 4)});
  bench.forget();
  bench.append(2, 2, at(1, 1), {entry(2, 2)});
  bench.append(2, 2, at(1, 1), {});
  EXPECT_EQ(bench.log_terms(), (Terms{1, 2, 2, 2}));
  EXPECT_TRUE(bench.writes().empty());
}

TEST(Pitfall, P25_OnlyTheFirstConflictCuts) {
  OneCore bench({.log = {1, 1, 1, 1}, .hard_state = {{1}, {}}});
  bench.append(2, 3, at(1, 1), {entry(1, 2), entry(2, 3)});
  EXPECT_EQ(bench.log_terms(), (Terms{1, 1, 2}));
  ASSERT_EQ(bench.writes().size(), 1U);
  EXPECT_EQ(bench.writes()[0].truncate_from, Index{3});
  EXPECT_EQ(bench.writes()[0].entries.size(), 1U);
}

// Whatever reaches back below the commit index, even from a leader that cannot be one.
TEST(Pitfall, P25_ACommittedEntryIsNeverCut) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {entry(2, 2), entry(2, 3)}, 2);
  bench.append(3, 3, at(1, 1), {entry(3, 2)});
  EXPECT_EQ(bench.log_terms(), (Terms{1, 2, 2}));
  EXPECT_EQ(bench.sent_to<Appended>(3)->match, Index{2});
  bench.append(3, 3, at(2, 2), {entry(3, 3)});
  EXPECT_EQ(bench.log_terms(), (Terms{1, 2, 3}));
}

TEST(Pitfall, P26_TheCommitIndexStopsAtTheLastEntryThatWasVerified) {
  // The tail 1^3 is not known to be the leader's.
  OneCore bench({.log = {1, 1, 1}, .hard_state = {{1}, {}}});
  bench.append(2, 2, at(1, 1), {entry(1, 2)}, 3);
  EXPECT_EQ(bench->commit(), Index{2});
  EXPECT_EQ(bench->log().last(), at(1, 3));
}

TEST(Pitfall, P26_AHeartbeatNamesNoMoreThanTheMemberIsKnownToHold) {
  OneCore bench;
  bench.lead();
  for (const std::uint64_t id : {1, 2, 3}) bench.give(Propose{{id}, "a"});
  bench.receive(2, 2, Appended{{5}});
  bench.receive(3, 2, Appended{{3}});
  ASSERT_EQ(bench->commit(), Index{5});
  bench.forget();
  bench.tick();
  for (const auto& [to, heartbeat] : bench.sent<Heartbeat>()) {
    EXPECT_EQ(heartbeat.commit, to == NodeId{2} ? Index{5} : Index{3});
  }
}

TEST(Pitfall, P27_AnAcknowledgementNamesWhatTheMessageProved) {
  OneCore bench({.log = {1, 1, 1, 1}, .hard_state = {{1}, {}}});
  bench.append(2, 2, at(1, 1), {entry(1, 2)});
  EXPECT_EQ(bench.sent_to<Appended>(2)->match, Index{2});
  bench.append(2, 2, at(1, 1), {});
  EXPECT_EQ(bench.sent_to<Appended>(2)->match, Index{1});
}

TEST(Pitfall, P28_NothingIsAcknowledgedBeforeItIsDurable) {
  OneCore bench({.hard_state = {{2}, {}}, .auto_write = false});
  bench.append(2, 2, at(1, 1), {entry(2, 2)});
  EXPECT_TRUE(bench.sent<Appended>().empty());
  // Nor by the answer to a repeated message, which adds nothing.
  bench.append(2, 2, at(1, 1), {entry(2, 2)});
  bench.append(2, 2, at(2, 2), {});
  EXPECT_TRUE(bench.sent<Appended>().empty());
  bench.complete_write();
  EXPECT_EQ(bench.sent<Appended>().size(), 3U);
}

TEST(Pitfall, P28_WhatIsCommittedIsAcknowledgedOnlyWhenItIsDurableHere) {
  OneCore bench({.hard_state = {{2}, {}}, .auto_write = false});
  bench.append(2, 2, at(1, 1), {entry(2, 2)}, 2);
  EXPECT_EQ(bench->commit(), Index{2});
  bench.append(2, 2, at(1, 1), {entry(2, 2)}, 2);
  EXPECT_TRUE(bench.sent<Appended>().empty());
  EXPECT_EQ(bench.applied().size(), 1U);
  bench.complete_write();
  EXPECT_EQ(bench.applied().size(), 2U);
}

TEST(Pitfall, P28_ACutLowersTheDurableIndex) {
  OneCore bench({.log = {1, 1, 1, 1}, .hard_state = {{1}, {}}, .auto_write = false});
  ASSERT_EQ(bench->durable(), Index{4});
  bench.append(2, 3, at(1, 1), {entry(2, 2)});
  EXPECT_EQ(bench->durable(), Index{1});
  bench.auto_write(true);
  EXPECT_EQ(bench->durable(), Index{2});
}

// 1. a write of 2^2 and 2^3 is under way; 2. a new leader puts 3^2 in their place; 3. the first write completes.
TEST(Pitfall, P29_ACompletionOfOverwrittenEntriesDoesNotMakeTheNewOnesDurable) {
  OneCore bench({.hard_state = {{2}, {}}, .auto_write = false});
  bench.append(2, 2, at(1, 1), {entry(2, 2), entry(2, 3)});
  bench.append(3, 3, at(1, 1), {entry(3, 2), entry(3, 3)}, 3);
  bench.complete_write();
  EXPECT_EQ(bench->durable(), Index{1});
  EXPECT_TRUE(bench.sent<Appended>().empty());
  EXPECT_EQ(bench.applied().size(), 1U);
  bench.complete_write();
  EXPECT_EQ(bench->durable(), Index{3});
  EXPECT_EQ(bench.applied().size(), 3U);
}

// The same with the leader: its own old write must not help to commit what it appended as a leader.
TEST(Pitfall, P29_AnOldCompletionDoesNotCountForANewLeader) {
  CoreCluster cluster({.membership = voters_up_to(3), .config = {.group = {77}, .seed = first_is_one}});
  cluster.advance(Duration::milliseconds(600));
  cluster.hold_writes({1});
  cluster.propose({1}, {"a", "b"});
  cluster.partition({{1}, {2, 3}});
  cluster.advance(Duration::seconds(2));
  cluster.propose(*cluster.leader(), {"c"});
  cluster.heal();
  cluster.advance(Duration::milliseconds(300));
  cluster.release_writes({1});
  cluster.advance(Duration::seconds(1));
  EXPECT_EQ(cluster.applied({1}), std::vector<std::string>{"c"});
  EXPECT_EQ(cluster.applied({1}), cluster.applied({2}));
}

// Writes replayed in order give the log in memory, however appends and cuts were gathered into them.
TEST(Pitfall, P30_WhatIsWrittenIsWhatIsInMemory) {
  Random random(7);
  OneCore bench({.hard_state = {{1}, {}}});
  std::vector<Position> replayed = {at(1, 1)};
  std::uint64_t term = 1;
  for (int turn = 0; turn < 300; ++turn) {
    std::vector<Input> inputs;
    std::vector<std::uint64_t> terms = bench.log_terms();
    for (std::uint64_t n = random.below(4); n > 0; --n) {
      ++term;
      const std::uint64_t keep = 1 + random.below(terms.size());
      terms.resize(keep);
      Append append{at(terms.back(), keep), {}, {}};
      for (std::uint64_t more = 1 + random.below(3); more > 0; --more) {
        terms.push_back(term);
        append.entries.push_back(entry(term, terms.size()));
      }
      inputs.emplace_back(Receive{{{2}, {1}, {term}, append}});
    }
    bench.give_all(std::move(inputs));
    for (const Write& write : bench.writes()) {
      if (write.truncate_from) replayed.resize(std::min(replayed.size(), write.truncate_from->value - 1));
      for (const Record& record : write.entries) {
        ASSERT_EQ(record.index().value, replayed.size() + 1);
        replayed.push_back(record.position());
      }
    }
    bench.forget();
    ASSERT_EQ(replayed.size(), terms.size());
    ASSERT_EQ(bench.log_terms(), terms);
    for (const Position& position : replayed) ASSERT_EQ(bench->log().term_at(position.index), position.term);
  }
}

TEST(Pitfall, P31_EntriesThatAreNoRunAreNotTaken) {
  const std::vector<std::vector<Record>> bad = {
      {entry(2, 3)},                                  // a gap before
      {entry(2, 2), entry(2, 4)},                     // a gap between
      {entry(2, 2), entry(2, 2)},                     // one twice
      {entry(2, 2), entry(1, 3)},                     // a term that falls
      {entry(3, 2)},                                  // a term after the message's
      {entry(2, 2, "x", {78})},                       // of another group
      {Record::make(bench_group, at(2, 2), EntryType::membership, {}, "no membership")},
  };
  for (const auto& entries : bad) {
    OneCore bench;
    bench.append(2, 2, at(1, 1), entries);
    EXPECT_EQ(bench.log_terms(), Terms{1});
    EXPECT_TRUE(bench.sent<Appended>().empty());
  }
}

TEST(Pitfall, P31_AnEmptyAppendProvesItsPrevious) {
  OneCore bench;
  bench.append(2, 2, at(1, 1), {});
  EXPECT_EQ(bench.sent_to<Appended>(2)->match, Index{1});
}

TEST(Pitfall, P31_NonsenseFromAPeerIsSurvived) {
  OneCore bench;
  bench.lead();
  bench.receive(2, 2, Appended{{UINT64_MAX}});
  bench.receive(2, 2, AppendRejected{{0}, at(0, 0)});
  bench.receive(2, 2, AppendRejected{{UINT64_MAX}, {{UINT64_MAX}, {UINT64_MAX}}});
  bench.receive(2, 2, HeartbeatReply{{UINT64_MAX}});
  EXPECT_TRUE(bench->is_leader());
  EXPECT_EQ(bench->commit(), Index{});
  OneCore follower;
  follower.append(2, 2, {{UINT64_MAX}, {UINT64_MAX}}, {});
  follower.receive(2, 2, Heartbeat{{UINT64_MAX}, {UINT64_MAX}});
  EXPECT_EQ(follower->commit(), Index{});
}

TEST(Pitfall, P32_ALostProbeIsFollowedByAnotherAfterAHeartbeat) {
  CoreCluster cluster({.membership = voters_up_to(3), .config = {.group = {77}, .seed = first_is_one}});
  cluster.add_rule({.message = "append", .to = {3}, .times = 1});
  cluster.advance(Duration::milliseconds(600));
  EXPECT_EQ(cluster.core({3}).log().last(), at(2, 2));
}

TEST(Pitfall, P32_ALostAnswerAndALostWindowAreRecoveredFrom) {
  for (const char* lost : {"append", "appended"}) {
    CoreCluster::Options options{.membership = voters_up_to(3), .config = {.group = {77}, .seed = first_is_one}};
    options.config.replication = {.append_bytes_max = 100, .inflight_messages_max = 2};
    CoreCluster cluster(options);
    cluster.advance(Duration::milliseconds(600));
    cluster.add_rule({.message = lost, .times = 6});
    cluster.propose({1}, {"a", "b", "c", "d", "e", "f"});
    cluster.advance(Duration::milliseconds(400));
    for (const std::uint64_t id : {1, 2, 3}) EXPECT_EQ(cluster.applied({id}).size(), 6U) << lost << " at " << id;
  }
}

TEST(Pitfall, P32_AnOldRejectionDoesNotMoveAProbe) {
  OneCore bench({.log = {1, 1, 1, 1, 1}, .hard_state = {{1}, {}}});
  bench.lead();
  bench.receive(2, 2, AppendRejected{{5}, at(1, 3)});
  ASSERT_EQ(progress_of(bench, 2).next(), Index{4});
  bench.receive(2, 2, AppendRejected{{5}, at(1, 1)});
  EXPECT_EQ(progress_of(bench, 2).next(), Index{4});
  bench.receive(2, 2, Appended{{3}});
  bench.receive(2, 2, AppendRejected{{3}, at(1, 1)});
  EXPECT_EQ(progress_of(bench, 2).match(), Index{3});
  EXPECT_EQ(progress_of(bench, 2).state(), Progress::State::replicate);
}

TEST(Pitfall, P33_TheOrderOfAcknowledgementsDoesNotMatter) {
  std::vector<std::uint64_t> matches = {2, 3, 4, 5};
  do {
    OneCore bench({.membership = voters_up_to(5)});
    bench.lead();
    for (const std::uint64_t id : {1, 2, 3}) bench.give(Propose{{id}, "a"});
    for (std::size_t i = 0; i < 4; ++i) bench.receive(i + 2, 2, Appended{{matches[i]}});
    EXPECT_EQ(bench->commit(), Index{4});
  } while (std::ranges::next_permutation(matches).found);
}

TEST(Pitfall, P33_HalfOfAnEvenNumberIsNoMajority) {
  OneCore bench({.membership = voters_up_to(4)});
  bench.stand_for_votes();
  bench.receive(2, 2, Vote{true});
  EXPECT_FALSE(bench->is_leader());
  bench.receive(3, 2, Vote{true});
  ASSERT_TRUE(bench->is_leader());
  bench.receive(2, 2, Appended{{2}});
  EXPECT_EQ(bench->commit(), Index{});
  bench.receive(3, 2, Appended{{2}});
  EXPECT_EQ(bench->commit(), Index{2});
}

TEST(Pitfall, P34_ANewLeaderAppendsAnEntryOfItsTerm) {
  OneCore bench({.log = {1, 1}, .hard_state = {{1}, {}}});
  bench.lead();
  EXPECT_EQ(bench->log().last(), at(2, 3));
  EXPECT_EQ(bench->log().at({3}).type(), EntryType::noop);
}

TEST(Pitfall, P34_ASingleMemberCommitsOnlyWhatIsDurable) {
  OneCore bench({.membership = voters_up_to(1)});
  bench.tick();
  ASSERT_TRUE(bench->is_leader());
  bench.auto_write(false);
  bench.give(Propose{{1}, "a"});
  EXPECT_EQ(bench->commit(), Index{2});
  bench.complete_write();
  EXPECT_EQ(bench->commit(), Index{3});
}

TEST(Pitfall, P34_ALeaderCountsItsOwnEntryOnlyWhenItIsDurable) {
  OneCore bench;
  bench.lead();
  bench.auto_write(false);
  bench.give(Propose{{1}, "a"});
  bench.receive(2, 2, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{2});
  bench.complete_write();
  EXPECT_EQ(bench->commit(), Index{3});
}

// A majority without the leader may commit before the leader's disk is done; it applies when it holds it itself.
TEST(Pitfall, P34_FollowersAloneMayCommit) {
  OneCore bench;
  bench.lead();
  bench.receive(2, 2, Appended{{2}});
  bench.auto_write(false);
  bench.give(Propose{{1}, "a"});
  bench.receive(2, 2, Appended{{3}});
  bench.receive(3, 2, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{3});
  EXPECT_EQ(bench.applied().size(), 2U);
  bench.complete_write();
  EXPECT_EQ(bench.applied().size(), 3U);
}

TEST(Pitfall, P35_ACommandBeyondTheLimitIsTooLarge) {
  OneCore bench({.config = {.command_bytes_max = 10}});
  bench.lead();
  bench.give(Propose{{1}, Bytes(10, 'x')});
  bench.give(Propose{{2}, Bytes(11, 'x')});
  EXPECT_EQ(bench.answered<Accepted>().size(), 1U);
  const auto refused = bench.answered<Refused>();
  ASSERT_EQ(refused.size(), 1U);
  EXPECT_EQ(refused[0].code, Code::too_large);
  EXPECT_EQ(bench->log().last(), at(2, 3));
}

TEST(Pitfall, P35_WhatIsNotCommittedIsBounded) {
  OneCore bench({.config = {.uncommitted_bytes_max = 500}});
  bench.lead();
  bench.receive(2, 2, Appended{{2}});
  for (std::uint64_t id = 1; id <= 10; ++id) bench.give(Propose{{id}, Bytes(52, 'x')});
  EXPECT_EQ(bench.answered<Accepted>().size(), 5U);
  for (const Refused& refused : bench.answered<Refused>()) EXPECT_EQ(refused.code, Code::busy);
  bench.receive(2, 2, Appended{{7}});
  bench.give(Propose{{11}, "x"});
  EXPECT_EQ(bench.answered<Accepted>().size(), 1U);
}

TEST(Pitfall, P35_TheReadsThatWaitAreBounded) {
  OneCore bench({.config = {.reads_max = 3}});
  bench.lead();
  bench.receive(2, 2, Appended{{2}});
  for (std::uint64_t id = 1; id <= 5; ++id) bench.give(ReadBarrier{{id}});
  const auto refused = bench.answered<Refused>();
  ASSERT_EQ(refused.size(), 2U);
  EXPECT_EQ(refused[0].code, Code::busy);
  bench.receive(2, 2, HeartbeatReply{bench.sent_to<Heartbeat>(2)->round});
  EXPECT_EQ(bench.answered<ReadReady>().size(), 3U);
  bench.give(ReadBarrier{{6}});
  EXPECT_TRUE(bench.answered<Refused>().empty());
}

TEST(Pitfall, P35_TheLogInMemoryIsBounded) {
  OneCore bench({.config = {.log_bytes_max = 600}});
  bench.lead();
  for (std::uint64_t id = 1; id <= 20; ++id) {
    bench.give(Propose{{id}, Bytes(52, 'x')});
    bench.receive(2, 2, Appended{bench->log().last().index});
  }
  EXPECT_LE(bench->log().bytes(), 600U);
  EXPECT_GT(bench.answered<Accepted>().size(), 2U);
  EXPECT_FALSE(bench.answered<Refused>().empty());
}

}  // namespace
}  // namespace zraft::raft
