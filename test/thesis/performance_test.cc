// SPDX-License-Identifier: Apache-2.0
//
// Ongaro, "Consensus: Bridging Theory and Practice", section 10.2: writing to the leader's disk in parallel (10.2.1),
// batching and pipelining (10.2.2), sentence by sentence in our words.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

OneCore leading(Config config = {}) {
  OneCore bench({.membership = voters_up_to(3), .config = config});
  bench.lead();
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, Appended{{2}});
  bench.forget();
  return bench;
}

const Progress& progress_of(const OneCore& bench, std::uint64_t id) {
  return *std::get<Leader>(bench->role()).progresses.find({id});
}

// --- 10.2.1 ---

TEST(Thesis_10_2_1, TheLeaderSendsAnEntryWhileItWritesItItself) {
  OneCore bench = leading();
  bench.auto_write(false);
  bench.give(Propose{{1}, "a"});
  EXPECT_EQ(bench.sent<Append>().size(), 2U);
  EXPECT_EQ(bench->durable(), Index{2});
}

TEST(Thesis_10_2_1, ItsOwnCopyCountsOnceItIsDurable) {
  OneCore bench = leading();
  bench.auto_write(false);
  bench.give(Propose{{1}, "a"});
  bench.receive(2, 2, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{2});
  bench.complete_write();
  EXPECT_EQ(bench->commit(), Index{3});
}

TEST(Thesis_10_2_1, AnEntryMayBeCommittedBeforeTheLeaderHasWrittenIt) {
  OneCore bench = leading();
  bench.auto_write(false);
  bench.give(Propose{{1}, "a"});
  for (const std::uint64_t id : {2, 3}) bench.receive(id, 2, Appended{{3}});
  EXPECT_EQ(bench->commit(), Index{3});
  EXPECT_EQ(bench->durable(), Index{2});
}

// --- 10.2.2 ---

TEST(Thesis_10_2_2, EntriesThatCameTogetherGoInOneMessageAndOneWrite) {
  OneCore bench = leading();
  bench.give_all({Propose{{1}, "a"}, Propose{{2}, "b"}, Propose{{3}, "c"}});
  EXPECT_EQ(bench.sent_to<Append>(2)->entries.size(), 3U);
  EXPECT_EQ(bench.writes().size(), 1U);
}

TEST(Thesis_10_2_2, TheNextMessageDoesNotWaitForTheAnswerToTheOneBefore) {
  OneCore bench = leading();
  for (std::uint64_t id = 1; id <= 5; ++id) {
    bench.give(Propose{{id}, "a"});
    const auto append = bench.sent_to<Append>(2);
    ASSERT_TRUE(append);
    EXPECT_EQ(append->previous, at(2, id + 1));
    EXPECT_EQ(append->entries.size(), 1U);
  }
  EXPECT_EQ(progress_of(bench, 2).next(), Index{8});
  EXPECT_EQ(progress_of(bench, 2).match(), Index{2});
}

TEST(Thesis_10_2_2, NothingIsPipelinedBeforeTheLogsAreKnownToAgree) {
  OneCore bench;
  bench.lead();
  bench.forget();
  for (std::uint64_t id = 1; id <= 5; ++id) bench.give(Propose{{id}, "a"});
  EXPECT_TRUE(bench.sent<Append>().empty()) << "the first message is not answered yet";
  bench.receive(2, 2, Appended{{2}});
  EXPECT_EQ(bench.sent_to<Append>(2)->entries.size(), 5U);
}

// The consistency check makes reordering harmless.
TEST(Thesis_10_2_2, AMessageThatOvertookAnotherIsRefused) {
  OneCore bench;
  bench.append(2, 2, at(2, 2), {entry(2, 3)});
  EXPECT_EQ(bench->log().last(), at(1, 1));
  const auto rejected = bench.sent_to<AppendRejected>(2);
  ASSERT_TRUE(rejected);
  EXPECT_EQ(rejected->rejected, Index{2});
  EXPECT_EQ(rejected->hint, at(1, 1));
  bench.append(2, 2, at(1, 1), {entry(2, 2)});
  bench.append(2, 2, at(2, 2), {entry(2, 3)});
  EXPECT_EQ(bench->log().last(), at(2, 3));
}

TEST(Thesis_10_2_2, AfterARejectionItSendsAgainFromWhereTheLogsAgree) {
  OneCore bench = leading();
  for (std::uint64_t id = 1; id <= 3; ++id) bench.give(Propose{{id}, "a"});
  bench.forget();
  bench.receive(2, 2, AppendRejected{{3}, at(2, 2)});
  EXPECT_EQ(progress_of(bench, 2).state(), Progress::State::probe);
  const auto append = bench.sent_to<Append>(2);
  ASSERT_TRUE(append);
  EXPECT_EQ(append->previous, at(2, 2));
  EXPECT_EQ(append->entries.size(), 3U);
  bench.receive(2, 2, Appended{{5}});
  EXPECT_EQ(progress_of(bench, 2).state(), Progress::State::replicate);
}

}  // namespace
}  // namespace zraft::raft
