// SPDX-License-Identifier: Apache-2.0
//
// The core's part of snapshots: what is cut when, who is offered one, and what an installed one does to the log. The
// whole story is in test/scripts/snapshot_*.txt.
#include <gtest/gtest.h>

#include "test/raft/one_core.h"

namespace zraft::raft {
namespace {

SnapshotMeta meta(Position last, const Membership& membership = voters_up_to(3)) {
  return {.last = last, .membership = membership, .membership_index = {1}, .time = {}};
}

Config cutting_all() {
  Config config;
  config.log_bytes_retained = 0;
  return config;
}

// A follower in term 2 with the entries 1^1, 2^2 to 2^5, of which three are committed.
OneCore follower(Config config = cutting_all()) {
  OneCore bench({.log = {1, 2, 2, 2, 2}, .hard_state = {.term = {2}, .vote = {}}, .config = config});
  bench.append(2, 2, at(2, 5), {}, 3);
  bench.forget();
  return bench;
}

OneCore leader_with_snapshot_at_four() {
  OneCore bench({.log = {1, 2, 2}, .hard_state = {.term = {2}, .vote = {}}, .config = cutting_all()});
  bench.lead();  // 3^4
  bench.receive(2, 3, Appended{{4}});
  bench.give(SnapshotSaved{bench->log().meta_at({4})});  // of 3 nothing was heard
  return bench;
}

TEST(Snapshots, ASavedOneLetsTheLogGoThatItCovers) {
  OneCore bench = follower();
  bench.give(SnapshotSaved{bench->log().meta_at({3})});
  EXPECT_EQ(bench->log().base().last, at(2, 3));
  EXPECT_EQ(bench->snapshot().last, at(2, 3));
  ASSERT_EQ(bench.writes().size(), 1U);
  ASSERT_TRUE(bench.writes()[0].base);
  EXPECT_EQ(bench.writes()[0].base->last, at(2, 3));
  EXPECT_TRUE(bench.writes()[0].entries.empty());
}

TEST(Snapshots, ATailOfTheLogIsKeptForMembersThatLagALittle) {
  Config config;
  config.log_bytes_retained = 2 * (record_header_size + 1);  // two entries of one byte
  OneCore bench = follower(config);
  bench.give(SnapshotSaved{bench->log().meta_at({3})});
  EXPECT_EQ(bench->log().base().last.index, Index{1});
  EXPECT_EQ(bench->snapshot().last, at(2, 3));
}

TEST(Snapshots, WhatIsInTheWayOfOthersIsNotKeptThoughItIsTheTail) {
  OneCore bench = follower(Config{});
  bench.give(FreeLog{{2}});
  EXPECT_EQ(bench->log().base().last.index, Index{}) << "no snapshot covers it yet";
  bench.give(SnapshotSaved{bench->log().meta_at({3})});
  EXPECT_EQ(bench->log().base().last.index, Index{2}) << "and no more than that";
  bench.give(FreeLog{{5}});
  EXPECT_EQ(bench->log().base().last.index, Index{3});
}

TEST(Snapshots, WhatAMemberThatCatchesUpNeedsIsKeptThoughItIsInTheWay) {
  OneCore bench = leader_with_snapshot_at_four();
  bench.give(Propose{{1}, "x"});
  bench.receive(2, 3, Appended{{5}});
  bench.give(SnapshotSaved{bench->log().meta_at({5})});
  bench.give(FreeLog{{5}});
  EXPECT_EQ(bench->log().base().last.index, Index{4});
}

TEST(Pitfall, P47_ASnapshotHoldsTheMembershipThatWasCommittedThere) {
  OneCore bench({.log = {1, 1}, .hard_state = {.term = {1}, .vote = {}}});
  bench.append(2, 1, at(1, 2), {membership_entry(1, 3, voters_up_to(4)), entry(1, 4)}, 2);
  EXPECT_EQ(bench->membership(), voters_up_to(4)) << "in force";
  EXPECT_EQ(bench->log().meta_at(bench->applied()).membership, voters_up_to(3)) << "and not committed";
}

TEST(Pitfall, P46_ARollBackGoesToTheMembershipOfTheSnapshot) {
  OneCore bench({.log = {1, 1}, .hard_state = {.term = {1}, .vote = {}}, .config = cutting_all()});
  bench.append(2, 1, at(1, 2), {membership_entry(1, 3, voters_up_to(4))}, 2);
  bench.give(SnapshotSaved{bench->log().meta_at({2})});
  bench.append(3, 2, at(1, 2), {entry(2, 3)}, 2);
  EXPECT_EQ(bench->membership(), voters_up_to(3));
}

TEST(Pitfall, P59_AnOlderSnapshotAfterANewerOneChangesNothing) {
  OneCore bench = follower();
  const SnapshotMeta older = bench->log().meta_at({2});
  bench.give(SnapshotSaved{bench->log().meta_at({3})});
  bench.forget();
  bench.give(SnapshotSaved{older});
  EXPECT_EQ(bench->snapshot().last, at(2, 3));
  EXPECT_TRUE(bench.writes().empty());
}

TEST(Pitfall, P59_AnInstallWhileEntriesAreUnderWayLeavesAWholeLog) {
  OneCore bench({.log = {1}, .config = cutting_all(), .auto_write = false});
  bench.append(2, 1, at(1, 1), {entry(1, 2), entry(1, 3)}, 1);
  bench.forget();
  bench.give(SnapshotInstalled{meta(at(1, 9))});
  ASSERT_EQ(bench.writes().size(), 1U);
  EXPECT_EQ(bench.writes()[0].base->last, at(1, 9)) << "what was under way goes with the rest";
  bench.auto_write(true);
  EXPECT_EQ(bench->durable(), Index{9});
  bench.append(2, 1, at(1, 9), {entry(1, 10)}, 10);
  EXPECT_EQ(bench->log().last(), at(1, 10));
  EXPECT_EQ(bench->applied(), Index{10});
}

TEST(Pitfall, P60_AStaleSnapshotIsNotFetched) {
  OneCore bench = follower();
  bench.receive(2, 2, OfferSnapshot{at(2, 3)});
  EXPECT_TRUE(bench.fetched().empty());
  EXPECT_EQ(bench.sent_to<Appended>(2)->match, Index{3}) << "everything committed agrees";
}

TEST(Pitfall, P60_WhatFollowsAMatchingSnapshotStays) {
  OneCore bench = follower();
  bench.give(SnapshotInstalled{meta(at(2, 4))});
  EXPECT_EQ(bench->log().last(), at(2, 5));
  EXPECT_EQ(bench->commit(), Index{4});
  EXPECT_EQ(bench->applied(), Index{4});
  EXPECT_EQ(bench.sent_to<Appended>(2)->match, Index{4}) << "no more than the snapshot proves";
  for (const Write& write : bench.writes()) EXPECT_FALSE(write.truncate_from);
}

TEST(Snapshots, OneThatConflictsReplacesTheWholeLog) {
  OneCore bench = follower();
  bench.receive(3, 4, Heartbeat{.commit = {0}, .round = {}, .sent = {}});
  bench.forget();
  bench.give(SnapshotInstalled{meta(at(3, 4))});
  EXPECT_EQ(bench->log().last(), at(3, 4)) << "the entry behind it was of a leader that is gone";
  EXPECT_EQ(bench.writes()[0].truncate_from, Index{4});
  EXPECT_EQ(bench.writes()[0].base->last, at(3, 4));
  EXPECT_EQ(bench.sent_to<Appended>(3)->match, Index{4});
}

TEST(Snapshots, OneThatIsBehindTheCommitByThenIsTakenForWhatItIs) {
  OneCore bench({.log = {1}, .config = cutting_all(), .auto_write = false});
  bench.append(2, 1, at(1, 1), {entry(1, 2), entry(1, 3), entry(1, 4)}, 4);
  ASSERT_EQ(bench->commit(), Index{4});
  ASSERT_EQ(bench->applied(), Index{1}) << "the disk is slow";
  bench.give(SnapshotInstalled{meta(at(1, 3))});
  EXPECT_EQ(bench->applied(), Index{3});
  EXPECT_EQ(bench->commit(), Index{4});
  bench.auto_write(true);
  ASSERT_EQ(bench.applied().size(), 2U);
  EXPECT_EQ(bench.applied()[1].index(), Index{4}) << "3 is in the snapshot";
}

TEST(Snapshots, AMemberThatLagsIsOfferedOneAndNothingElse) {
  OneCore bench = leader_with_snapshot_at_four();
  EXPECT_EQ(bench.sent_to<OfferSnapshot>(3)->last, at(3, 4));
  bench.forget();
  bench.give(Propose{{1}, "x"});
  EXPECT_FALSE(bench.sent_to<Append>(3));
  bench.forget();
  bench.receive(2, 3, HeartbeatReply{});
  bench.tick();
  EXPECT_EQ(bench.sent_to<OfferSnapshot>(3)->last, at(3, 4)) << "again with each heartbeat";
  EXPECT_TRUE(bench.sent_to<Heartbeat>(3)) << "which goes on";
  bench.receive(3, 3, Appended{{4}});
  EXPECT_EQ(bench.sent_to<Append>(3)->previous, at(3, 4));
}

// A newer one that is offered while the answer to the first is under way would be fetched for nothing.
TEST(Pitfall, P64_TheOfferStaysWhatItWasAlthoughANewerOneIsSaved) {
  OneCore bench = leader_with_snapshot_at_four();
  bench.give(Propose{{1}, "x"});
  bench.receive(2, 3, Appended{{5}});
  bench.give(SnapshotSaved{bench->log().meta_at({5})});
  bench.forget();
  bench.receive(2, 3, HeartbeatReply{});
  bench.tick();
  EXPECT_EQ(bench.sent_to<OfferSnapshot>(3)->last, at(3, 4));
}

TEST(Pitfall, P64_WhatFollowsTheSnapshotThatIsBeingInstalledIsKept) {
  OneCore bench = leader_with_snapshot_at_four();
  bench.give(Propose{{1}, "x"});
  bench.receive(2, 3, Appended{{5}});
  bench.give(SnapshotSaved{bench->log().meta_at({5})});
  EXPECT_EQ(bench->log().base().last.index, Index{4});
  bench.receive(3, 3, Appended{{4}});
  EXPECT_EQ(bench.sent_to<Append>(3)->entries.front().index(), Index{5});
}

// 1. 3 installs the snapshot up to 4, which takes long: 5 to 7 are written meanwhile.
// 2. It is done, and gets 5 to 7. Before it has written them, the leader saves the next snapshot, and the next.
// 3. If the leader cut its log there, 3 would need another snapshot, and so for ever.
TEST(Pitfall, P64_WhatFollowsIsKeptUntilTheMemberHasIt) {
  OneCore bench = leader_with_snapshot_at_four();
  for (const std::uint64_t index : {5, 6, 7}) {
    bench.give(Propose{{index}, "x"});
    bench.receive(2, 3, Appended{{index}});
  }
  bench.receive(3, 3, Appended{{4}});
  bench.give(SnapshotSaved{bench->log().meta_at({6})});
  EXPECT_EQ(bench->log().base().last.index, Index{4});
  bench.receive(3, 3, Appended{{5}});
  bench.give(SnapshotSaved{bench->log().meta_at({7})});
  EXPECT_EQ(bench->log().base().last.index, Index{5}) << "what it has need not be kept";
  bench.forget();
  bench.receive(3, 3, AppendRejected{.rejected = {7}, .hint = at(3, 5)});  // something was lost
  EXPECT_FALSE(bench.sent_to<OfferSnapshot>(3));
  const auto sent = bench.sent_to<Append>(3);
  ASSERT_TRUE(sent);
  EXPECT_EQ(sent->entries.front().index(), Index{6});
}

TEST(Snapshots, WhoHasCaughtUpIsKeptNoMoreThanTheTail) {
  OneCore bench = leader_with_snapshot_at_four();
  bench.receive(3, 3, Appended{{4}});
  bench.give(Propose{{1}, "x"});
  bench.receive(2, 3, Appended{{5}});
  bench.give(SnapshotSaved{bench->log().meta_at({5})});
  EXPECT_EQ(bench->log().base().last.index, Index{5});
}

TEST(Pitfall, P64_ButNotSoMuchThatMemoryRunsOut) {
  Config config = cutting_all();
  config.log_bytes_max = 4 * record_header_size;
  OneCore bench({.log = {1, 2}, .hard_state = {.term = {2}, .vote = {}}, .config = config});
  bench.lead();  // 3^3
  bench.receive(2, 3, Appended{{3}});
  bench.give(SnapshotSaved{bench->log().meta_at({3})});
  bench.receive(3, 3, AppendRejected{.rejected = {2}, .hint = at(1, 1)});
  bench.give(Propose{{1}, "x"});
  bench.receive(2, 3, Appended{{4}});
  bench.give(SnapshotSaved{bench->log().meta_at({4})});
  EXPECT_EQ(bench->log().base().last.index, Index{4}) << "the entry is more than a quarter of what may be kept";
  bench.forget();
  bench.receive(3, 3, Appended{{3}});
  EXPECT_FALSE(bench.sent_to<Append>(3));
  bench.receive(2, 3, HeartbeatReply{});
  bench.tick();
  EXPECT_EQ(bench.sent_to<OfferSnapshot>(3)->last, at(3, 4)) << "the next one, then";
}

TEST(WeakPoint, W63_WithoutASnapshotNobodyIsOfferedOne) {
  OneCore bench({.log = {1, 2, 2}, .hard_state = {.term = {2}, .vote = {}}});
  bench.lead();
  bench.receive(3, 3, AppendRejected{.rejected = {3}, .hint = at(0, 0)});
  EXPECT_TRUE(bench.sent<OfferSnapshot>().empty());
  EXPECT_EQ(bench.sent_to<Append>(3)->previous, at(0, 0));
}

TEST(Snapshots, AMemberThatOnlyMovedItsBaseDoesNotWakeAQuiescedGroup) {
  Config config = cutting_all();
  config.quiesce_after = Duration::milliseconds(600);
  OneCore bench({.log = {1, 1}, .hard_state = {.term = {1}, .vote = {}}, .config = config});
  bench.append(2, 1, at(1, 2), {}, 2);
  bench.receive(2, 1, Heartbeat{.commit = {2}, .round = {}, .sent = {}, .may_quiesce = true});
  ASSERT_TRUE(bench->is_quiesced());
  bench.give(SnapshotSaved{bench->log().meta_at({2})});
  EXPECT_TRUE(bench->is_quiesced());
  EXPECT_EQ(bench->log().base().last.index, Index{2});
}

TEST(Snapshots, AnOfferIsOfTheLeader) {
  OneCore bench = follower();
  bench.stand();
  ASSERT_TRUE(bench.is_pre_candidate());
  bench.receive(3, 2, OfferSnapshot{at(2, 9)});
  EXPECT_TRUE(bench.is_follower());
  ASSERT_EQ(bench.fetched().size(), 1U);
  EXPECT_EQ(bench.fetched()[0].from, NodeId{3});
  bench.receive(2, 1, OfferSnapshot{at(1, 9)});
  EXPECT_EQ(bench.fetched().size(), 1U) << "P21: whose term is over says nothing";
  EXPECT_TRUE(bench.sent_to<StaleTerm>(2));
}

// Found by zraft-sim --seed 36: the leader's newest snapshot was of a term that this member had not heard of.
TEST(Pitfall, P69_NothingIsFetchedBeforeTheTermIsDurable) {
  OneCore bench({.log = {1}, .config = cutting_all(), .auto_write = false});
  bench.receive(2, 5, OfferSnapshot{at(5, 9)});
  EXPECT_TRUE(bench.fetched().empty()) << "the term is not durable yet";
  bench.auto_write(true);
  bench.receive(2, 5, OfferSnapshot{at(5, 9)});
  ASSERT_EQ(bench.fetched().size(), 1U);
  EXPECT_EQ(bench.fetched()[0].term, Term{5});
}

// --- what a member has at start-up ---

Recovered stored(std::vector<std::uint64_t> terms, SnapshotMeta base, SnapshotMeta snapshot, std::uint64_t term = 9) {
  Recovered out{.hard_state = {.term = {term}, .vote = {}}, .base = std::move(base), .entries = {},
                .snapshot = std::move(snapshot), .applied = {}};
  Index index = out.base.last.index;
  for (const std::uint64_t one : terms) out.entries.push_back(entry(one, (index = next(index)).value));
  return out;
}

Core started(Recovered recovered, Config config = cutting_all()) {
  config.group = bench_group;
  config.self = {1};
  config.check_laws = true;
  return Core(config, std::move(recovered), Instant{} + Duration::seconds(1));
}

TEST(Pitfall, P61_ACrashBeforeTheLogWasCutIsMadeGoodAtTheStart) {
  Core core = started(stored({2, 2, 3}, meta(at(1, 4)), meta(at(2, 6))));
  EXPECT_EQ(core.log().base().last, at(2, 6));
  EXPECT_EQ(core.log().last(), at(3, 7));
  EXPECT_EQ(core.commit(), Index{6});
  EXPECT_EQ(core.take_output().write->base->last, at(2, 6));
}

TEST(Pitfall, P61_ACrashBetweenTheInstallAndTheLogIsMadeGoodAtTheStart) {
  for (const std::vector<std::uint64_t>& terms : {std::vector<std::uint64_t>{}, {2}, {2, 2}, {2, 2, 2, 2}}) {
    Core core = started(stored(terms, meta(at(1, 4)), meta(at(3, 7))));
    EXPECT_EQ(core.log().last(), at(3, 7)) << terms.size() << " entries";
    EXPECT_EQ(core.durable(), Index{7});
    const Output output = core.take_output();
    EXPECT_EQ(output.write->base->last, at(3, 7));
    EXPECT_EQ(output.write->truncate_from.has_value(), terms.size() >= 3) << "an entry of another term at 7";
  }
}

TEST(Pitfall, P69_WhatDoesNotFitTogetherIsRefused) {
  EXPECT_TRUE(check(stored({2, 2}, meta(at(1, 4)), meta(at(2, 5)))).has_value());
  const auto refused = [](const Recovered& recovered) {
    const Result<> checked = check(recovered);
    return checked ? "" : checked.error().text;
  };
  EXPECT_NE(refused(stored({2}, meta(at(1, 4)), {})).find("begins behind index 4"), Bytes::npos);
  EXPECT_NE(refused(stored({2}, meta(at(1, 4)), meta(at(1, 3)))).find("ends at 3"), Bytes::npos);
  EXPECT_NE(refused(stored({}, {}, meta(at(3, 3)), 2)).find("term 3"), Bytes::npos);
  Recovered ahead = stored({2}, meta(at(1, 4)), meta(at(1, 4)));
  ahead.applied = {6};
  EXPECT_NE(refused(ahead).find("ends at 5"), Bytes::npos);
}

TEST(Pitfall, P66_AMachineOnADiskIsNotFedAgain) {
  Recovered recovered = stored({2, 2, 2}, meta(at(1, 4)), meta(at(1, 4)));
  recovered.applied = {6};
  Core core = started(std::move(recovered));
  EXPECT_EQ(core.applied(), Index{6});
  EXPECT_EQ(core.commit(), Index{6}) << "what was applied was committed";
  EXPECT_TRUE(core.take_output().apply.empty());
}

}  // namespace
}  // namespace zraft::raft
