// SPDX-License-Identifier: Apache-2.0
//
// Snapshots of a whole member: the log goes only behind one that was written; a follower that is far behind fetches and
// installs one, and everybody who waits meanwhile is told the truth; a machine that may block, and what becomes of
// requests that wait for it. When and how snapshots are written is in driver_test.cc.
#include <gtest/gtest.h>

#include "test/node/bench.h"

namespace zraft::node::test {
namespace {

bool says(const Reply& reply, const std::string& part) { return reply.error.text.find(part) != std::string::npos; }

class NodeSnapshot : public NodeBench {
 protected:
  // Commits those commands, one by one.
  void commit(const std::string& commands) {
    for (const char command : commands) {
      propose(std::string(1, command) + std::to_string(++proposed_));
      loop.run();
      acknowledge(2);
    }
  }
  void save_snapshot(const std::string& who) {
    node->save_snapshot([this, who](const Result<raft::SnapshotMeta>& saved) {
      note(who, saved ? Reply{.error = {}, .data = std::to_string(saved->last.index.value), .leader = {}}
                      : Reply{.error = saved.error(), .data = {}, .leader = {}});
    });
  }
  static raft::SnapshotMeta meta(raft::Position last) {
    return {.last = last, .membership = voters_up_to(3), .membership_index = {1}, .time = {}};
  }
  [[nodiscard]] raft::Index base() const { return node->core().log().base().last.index; }

 private:
  int proposed_ = 0;
};

// Of group 77: due at 3, 7, 11.
TEST_F(NodeSnapshot, P62_TheLogIsCutOnlyBehindOneThatWasWritten) {
  options.snapshots.entries = 4;
  options.core.log_bytes_retained = 0;
  snapshots.is_prompt = false;
  make();
  lead();
  acknowledge(3);
  commit("a");
  ASSERT_EQ(snapshots.saves.size(), 1U);
  commit("bc");
  EXPECT_EQ(base(), raft::Index{}) << "it is not written yet";
  const Error full{Code::no_space, "the disk is full"};
  snapshots.finish_save(std::unexpected(full));
  loop.run();
  ASSERT_EQ(observer.failed_snapshots.size(), 1U);
  EXPECT_EQ(observer.failed_snapshots[0], std::pair(full, Duration::seconds(1)));
  EXPECT_EQ(base(), raft::Index{});
  EXPECT_FALSE(node->stopped());
  for (int i = 0; i < 10; ++i) {
    loop.advance(Duration::milliseconds(100));
    confirm_round(2);
  }
  ASSERT_TRUE(node->core().is_leader());
  ASSERT_EQ(snapshots.saves.size(), 1U);
  snapshots.finish_save();
  loop.run();
  EXPECT_EQ(base(), raft::Index{5});
  EXPECT_EQ(node->core().snapshot().last, at(2, 5));
  EXPECT_EQ(snapshots.stored[at(2, 5)]["all"], machine.all);
}

// The cut is written at once, not with whatever happens next.
TEST_F(NodeSnapshot, ALogThatIsInTheWayIsCutAtOnceIfASnapshotCoversItAndElseBehindOne) {
  make();
  lead();
  acknowledge(3);
  commit("ab");
  save_snapshot("me");
  loop.run();
  ASSERT_EQ(base(), raft::Index{}) << "the tail is kept";
  log.is_prompt = false;
  node->free_log({3});
  loop.run();
  EXPECT_EQ(base(), raft::Index{3});
  ASSERT_EQ(log.held.size(), 1U) << "the cut is in the log";
  EXPECT_EQ(log.held[0].write.base->last.index, raft::Index{3});
  log.is_prompt = true;
  log.complete();
  loop.run();
  commit("c");
  const std::size_t stored = snapshots.stored.size();
  node->free_log(node->core().applied());
  loop.run();
  EXPECT_EQ(snapshots.stored.size(), stored + 1);
  EXPECT_EQ(base(), node->core().applied());
}

TEST_F(NodeSnapshot, IsDueByTheBytesOfTheLogSinceTheLastOne) {
  const std::size_t size = raft::record_header_size + 2;  // of each command
  options.snapshots = {.entries = 0, .bytes = 4 * size};
  options.core.log_bytes_retained = 0;
  make();
  lead();
  commit("abcdefgh");
  ASSERT_GE(snapshots.stored.size(), 2U);
  std::optional<raft::Index> before;
  for (const auto& [position, files] : snapshots.stored) {
    EXPECT_EQ(position.index, before ? *before + 4 : position.index);
    before = position.index;
  }
}

TEST_F(NodeSnapshot, OfAMachineThatHasNoneLeavesTheLogWhole) {
  options.snapshots.entries = 1;
  options.core.log_bytes_retained = 0;
  machine.has_snapshots = false;
  make();
  lead();
  commit("abcdef");
  save_snapshot("me");
  loop.run();
  EXPECT_EQ(answer_to("me").error.code, Code::unsupported);
  EXPECT_EQ(base(), raft::Index{});
  EXPECT_EQ(machine.snapshots_asked, 1);
  EXPECT_TRUE(observer.failed_snapshots.empty());
}

TEST_F(NodeSnapshot, OnRequestIsDurableWhenItIsTold) {
  options.core.log_bytes_retained = 0;
  snapshots.is_prompt = false;
  make();
  lead();
  commit("ab");
  save_snapshot("me");
  loop.run();
  EXPECT_FALSE(is_answered("me"));
  snapshots.finish_save();
  loop.run();
  EXPECT_EQ(answer_to("me").data, "4");
  EXPECT_EQ(base(), raft::Index{4}) << "nobody needs more, and nothing is retained";
}

TEST_F(NodeSnapshot, OnRequestOfAMemberThatHasStoppedSaysWhy) {
  snapshots.is_prompt = false;
  make();
  lead();
  commit("a");
  save_snapshot("before");
  loop.run();
  log.is_prompt = false;
  propose("b");
  loop.run();
  log.complete(fail(Code::io, "the disk is broken"));
  loop.run();
  save_snapshot("after");
  loop.run();
  EXPECT_EQ(answer_to("before").error, (Error{Code::stopped, "the disk is broken"}));
  EXPECT_TRUE(says(answer_to("after"), "the disk is broken"));
}

// P66: what a snapshot or the machine's own disk holds is not applied again.
TEST_F(NodeSnapshot, P66_AfterARestartNothingIsAppliedTwice) {
  make({.log = {1, 1, 1, 1, 1}, .hard_state = {{2}, {}}, .snapshot = meta(at(1, 2)), .applied = 4});
  bring(2, 2, raft::Append{at(1, 5), {6}, {entry(2, 6, "b")}});
  EXPECT_EQ(observer.applied, (std::vector<raft::Position>{at(1, 5), at(2, 6)}));
  EXPECT_EQ(machine.all, "xb");
}

// --- one of another member ---

class NodeInstall : public NodeSnapshot {
 protected:
  NodeInstall() { snapshots.is_prompt = false; }

  // Follows member 2 in term 2, which offers what ends at 10.
  void follow_and_fetch() {
    make({.hard_state = {{2}, {}}});
    bring(2, 2, raft::OfferSnapshot{at(2, 10)});
    ASSERT_TRUE(snapshots.is_fetching());
  }
  void fetched(raft::Position last, const Bytes& all) {
    snapshots.finish_fetch(meta(last), all);
    loop.run();
  }
  void read(Result<> result = {}) {
    snapshots.finish_read(std::move(result));
    loop.run();
  }
};

TEST_F(NodeInstall, TakesThePlaceOfEverythingAndIsAcknowledged) {
  follow_and_fetch();
  EXPECT_EQ(snapshots.fetching->from, raft::NodeId{2});
  EXPECT_TRUE(sent<raft::Appended>().empty());
  fetched(at(2, 12), "ABC");
  EXPECT_TRUE(sent<raft::Appended>().empty()) << "it is not restored yet";
  read();
  EXPECT_EQ(machine.all, "ABC");
  EXPECT_EQ(observer.installed, std::vector<raft::Position>{at(2, 12)}) << "a newer one than was offered";
  EXPECT_EQ(base(), raft::Index{12});
  ASSERT_EQ(sent<raft::Appended>().size(), 1U);
  EXPECT_EQ(sent<raft::Appended>()[0].match, raft::Index{12});
  bring(2, 2, raft::Append{at(2, 12), {13}, {entry(2, 13, "d")}});
  EXPECT_EQ(machine.all, "ABCd");
}

TEST_F(NodeInstall, P64_IsNotBegunAgainByOffersThatComeMeanwhile) {
  follow_and_fetch();
  bring(2, 2, raft::OfferSnapshot{at(2, 11)});
  fetched(at(2, 11), "ABC");
  forget();
  bring(2, 2, raft::OfferSnapshot{at(2, 14)});
  EXPECT_TRUE(journal.empty()) << "while the machine is being restored";
  read();
  EXPECT_EQ(observer.installed, std::vector<raft::Position>{at(2, 11)});
  bring(2, 2, raft::OfferSnapshot{at(2, 14)});
  EXPECT_TRUE(snapshots.is_fetching()) << "that is behind what it has";
}

TEST_F(NodeInstall, P65_WhatIsCommittedMeanwhileIsAppliedOnceAndOnlyBehindIt) {
  follow_and_fetch();
  fetched(at(2, 10), "ABC");
  std::vector<raft::Record> entries;
  for (std::uint64_t index = 2; index <= 12; ++index) entries.push_back(entry(2, index, "x"));
  bring(2, 2, raft::Append{at(1, 1), {12}, entries});
  ASSERT_EQ(node->core().commit(), raft::Index{12});
  EXPECT_EQ(machine.all, "");
  read();
  EXPECT_EQ(machine.all, "ABCxx");
  EXPECT_EQ(node->core().applied(), raft::Index{12});
  EXPECT_EQ(node->core().log().last(), at(2, 12)) << "the log agrees with it, and stays";
  EXPECT_EQ(observer.applied, (std::vector<raft::Position>{at(2, 11), at(2, 12)}));
}

TEST_F(NodeInstall, P60_OfLessThanWasAppliedMeanwhileIsNone) {
  follow_and_fetch();
  std::vector<raft::Record> entries;
  for (std::uint64_t index = 2; index <= 12; ++index) entries.push_back(entry(2, index, "x"));
  bring(2, 2, raft::Append{at(1, 1), {12}, entries});
  ASSERT_EQ(machine.count, 11);
  fetched(at(2, 10), "ABC");
  EXPECT_TRUE(snapshots.reads.empty());
  EXPECT_EQ(machine.count, 11);
  EXPECT_TRUE(observer.installed.empty());
  EXPECT_EQ(node->core().snapshot().last, at(2, 10)) << "it is as good as one of its own";
}

// Nobody here can know whether what it covers is theirs.
TEST_F(NodeInstall, P43_ProposalsThatWaitedForAnIndexItCoversHaveAnUnknownOutcome) {
  make();
  lead();
  for (const char* data : {"a", "b"}) propose(data);
  loop.run();
  ASSERT_EQ(node->core().log().last(), at(2, 4));
  bring(3, 3, raft::Heartbeat{{0}, {}});
  bring(3, 3, raft::OfferSnapshot{at(3, 10)});
  fetched(at(3, 10), "ABC");
  EXPECT_TRUE(told.empty());
  read();
  for (const char* data : {"a", "b"}) {
    EXPECT_EQ(answer_to(data).error.code, Code::timeout_unknown_outcome) << data;
    EXPECT_TRUE(says(answer_to(data), "may or may not be applied")) << data;
  }
}

TEST_F(NodeInstall, ReadsWaitForItAndAreAnsweredAfterwards) {
  follow_and_fetch();
  fetched(at(2, 10), "ABC");
  query("stale", ReadMode::stale);
  query("follower", ReadMode::follower);
  loop.run();
  ASSERT_EQ(sent<raft::RequestReadIndex>().size(), 1U);
  bring(2, 2, raft::ReadIndex{sent<raft::RequestReadIndex>()[0].attempt, {9}});
  EXPECT_TRUE(told.empty());
  read();
  EXPECT_EQ(answer_to("stale").data, "ABC");
  EXPECT_EQ(answer_to("follower").data, "ABC");
}

TEST_F(NodeInstall, AReadThatWaitsForItHasItsDeadline) {
  follow_and_fetch();
  fetched(at(2, 10), "ABC");
  query("q", ReadMode::stale, Duration::milliseconds(100));
  loop.advance(Duration::milliseconds(160));
  EXPECT_EQ(answer_to("q").error.code, Code::timeout);
  read();
  (void)answer_to("q");
}

TEST_F(NodeInstall, ThatFailsStopsTheMemberWhichSaysWhy) {
  follow_and_fetch();
  fetched(at(2, 10), "ABC");
  query("q", ReadMode::stale);
  loop.run();
  read(fail(Code::corrupt, "a chunk is damaged"));
  const Error why{Code::corrupt, "the snapshot up to index 10 could not be installed: a chunk is damaged"};
  EXPECT_EQ(observer.stops, std::vector<Error>{why});
  EXPECT_EQ(answer_to("q").error, (Error{Code::stopped, why.text}));
  EXPECT_TRUE(observer.installed.empty());
  forget();
  bring(2, 2, raft::OfferSnapshot{at(2, 12)});
  loop.advance(Duration::seconds(5));
  EXPECT_TRUE(journal.empty());
}

TEST_F(NodeInstall, ThatCouldNotBeFetchedIsToldAndBegunAgainWhenItIsOffered) {
  follow_and_fetch();
  snapshots.finish_fetch(fail(Code::no_space, "the disk is full"));
  loop.run();
  ASSERT_EQ(observer.failed_snapshots.size(), 1U);
  EXPECT_EQ(observer.failed_snapshots[0].first.code, Code::no_space);
  EXPECT_FALSE(node->stopped());
  bring(2, 2, raft::OfferSnapshot{at(2, 10)});
  fetched(at(2, 10), "ABC");
  read();
  EXPECT_EQ(machine.all, "ABC");
}

TEST_F(NodeInstall, P90_ThatArrivesAfterTheMembersEndFindsNobody) {
  follow_and_fetch();
  node.reset();
  forget();
  fetched(at(2, 10), "ABC");
  EXPECT_TRUE(journal.empty());
  EXPECT_EQ(loop.timers(), 0U);
}

// --- a machine that may block, or fails ---

class NodeOfOneThatBlocks : public NodeSnapshot {
 protected:
  NodeOfOneThatBlocks() { machine.blocks = true; }
};

TEST_F(NodeOfOneThatBlocks, AnswersWritesAndReadsAsAnyOtherDoes) {
  options.snapshots.entries = 4;
  make();
  lead();
  for (const char* data : {"a", "b", "c", "d", "e"}) propose(data);
  loop.run();
  acknowledge(2);
  query("q");
  loop.run();
  confirm_round(2);
  EXPECT_EQ(answer_to("a").data, "1");
  EXPECT_EQ(answer_to("e").data, "5");
  EXPECT_EQ(answer_to("q").data, "abcde");
  EXPECT_EQ(snapshots.stored[at(2, 3)]["all"], "a");
  EXPECT_EQ(worker.most_at_once, 1);
}

TEST_F(NodeOfOneThatBlocks, GoesOnLeadingWhileItsMachineIsAway) {
  make();
  lead();
  worker.inner.hold();
  propose("a");
  loop.run();
  acknowledge(2);
  EXPECT_FALSE(is_answered("a"));
  propose("b");
  loop.run();
  acknowledge(2);
  EXPECT_EQ(node->core().commit(), raft::Index{4});
  EXPECT_EQ(node->core().applied(), raft::Index{2});
  query("q");
  loop.run();
  confirm_round(2);
  EXPECT_FALSE(is_answered("q")) << "it has to see both";
  worker.inner.release();
  loop.run();
  EXPECT_EQ(answer_to("b").data, "2");
  EXPECT_EQ(answer_to("q").data, "ab");
}

TEST_F(NodeOfOneThatBlocks, AReadThatWaitsForItHasItsDeadlineAndIsCounted) {
  options.requests_max = 2;
  make();
  lead();
  worker.inner.hold();
  query("a", ReadMode::stale, Duration::milliseconds(100));
  query("b", ReadMode::stale);
  loop.run();
  query("c", ReadMode::stale);
  loop.advance(Duration::milliseconds(160));
  EXPECT_EQ(answer_to("c").error.code, Code::busy);
  EXPECT_EQ(answer_to("a").error.code, Code::timeout);
  query("d", ReadMode::stale);
  loop.run();
  EXPECT_EQ(answer_to("d").error.code, Code::busy) << "the machine has not seen the end of `a`";
  worker.inner.release();
  loop.run();
  EXPECT_EQ(answer_to("b").error.code, Code::ok);
  (void)answer_to("a");
}

// P39: between the look at the clock and the look at the data lies the worker.
TEST_F(NodeOfOneThatBlocks, P39_AReadWhoseLeaseEndsWhileTheMachineAnswersIsConfirmedByOthers) {
  options.core.lease_reads = true;
  make();
  lead();
  loop.advance(Duration::milliseconds(60));
  ASSERT_FALSE(sent<raft::Heartbeat>().empty());
  const raft::Heartbeat newest = sent<raft::Heartbeat>().back();
  bring(2, 2, raft::HeartbeatReply{newest.round, newest.sent});
  ASSERT_TRUE(node->core().has_lease(loop.now()));
  worker.inner.hold();
  query("q", ReadMode::lease);
  loop.run();
  EXPECT_EQ(worker.inner.held(), 1U) << "nobody else is asked";
  loop.pause(Duration::milliseconds(290));
  worker.inner.release();
  loop.run();
  EXPECT_FALSE(is_answered("q"));
  confirm_round(2);
  EXPECT_EQ(answer_to("q").error.code, Code::ok);
}

TEST_F(NodeOfOneThatBlocks, P87_WhatItIsAskedWhenTheMemberStopsIsToldWhy) {
  make();
  lead();
  worker.inner.hold();
  query("q", ReadMode::stale);
  loop.run();
  log.is_prompt = false;
  propose("a");
  loop.run();
  log.complete(fail(Code::io, "the disk is broken"));
  loop.run();
  EXPECT_EQ(answer_to("q").error, (Error{Code::stopped, "the disk is broken"}));
  worker.inner.release();
  loop.run();
  (void)answer_to("q");
}

TEST_F(NodeOfOneThatBlocks, P87_TheEndOfTheMemberLeavesTheJobItsMachine) {
  make();
  lead();
  worker.inner.hold();
  propose("a");
  loop.run();
  acknowledge(2);
  query("q", ReadMode::stale);
  loop.run();
  forget();
  node.reset();
  kept_machine.reset();
  EXPECT_EQ(loop.timers(), 0U);
  worker.inner.release();
  loop.run();
  EXPECT_EQ(journal, (Journal{"apply a at 3", "the machine is gone"}));
  EXPECT_TRUE(told.empty());
}

TEST_F(NodeSnapshot, AMachineWhoseDiskFailsStopsTheMemberWithItsReason) {
  for (const bool blocks : {false, true}) {
    machine.blocks = blocks;
    observer.stops.clear();
    told.clear();
    machine.all.clear();
    make();
    lead();
    for (const char* data : {"a", "fail", "b"}) propose(data);
    loop.run();
    acknowledge(2);
    EXPECT_EQ(observer.stops, std::vector<Error>({{Code::no_space, "at index 4 its disk is full"}}));
    EXPECT_EQ(machine.all, "a");
    EXPECT_EQ(answer_to("a").error.code, Code::ok);
    for (const char* data : {"fail", "b"}) {
      EXPECT_EQ(answer_to(data).error.code, Code::timeout_unknown_outcome);
      EXPECT_TRUE(says(answer_to(data), "its disk is full"));
    }
  }
}

}  // namespace
}  // namespace zraft::node::test
