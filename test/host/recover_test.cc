// SPDX-License-Identifier: Apache-2.0
//
// A group whose majority is lost, made anew from one copy: that looking changes nothing, that what the copy has is
// there afterwards, and that the lost ones stay out. Crashes are in recover_crash_test.cc.
#include "zraft/host/recover.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "test/host/recover_world.h"

namespace zraft::host::test {
namespace {

using sim::Ending;

// --- looking ---

TEST(Recover, OnlyLooksAndChangesNoByte) {
  std::size_t torn = 0;
  for (std::uint64_t seed = 1; seed <= 40; ++seed) {
    RecoverWorld world(2, seed);
    world.create({1, 2});
    world.write("a");
    for (int i = 0; i < 10; ++i) world.begin_write(1, Bytes(5'000, 'x'));
    world.run(Duration::microseconds(50 * static_cast<std::int64_t>(seed)));
    world.end(1, Ending::power_lost);
    const auto before = world.contents(1);
    raft::Index last;
    {
      Offline offline(world, {1});
      const auto found = offline.look();
      ASSERT_TRUE(found.has_value()) << found.error().text;
      ASSERT_EQ(found->copies.size(), 1U);
      EXPECT_GE(found->copies[0].last().index.value, 2U);
      EXPECT_EQ(found->copies[0].membership, RecoverWorld::members({1, 2}));
      torn += found->story.size();
      last = found->copies[0].last().index;
    }
    EXPECT_EQ(world.contents(1), before) << "seed " << seed;
    world.start(1);
    EXPECT_EQ(world.status(1).last, last) << "as a start finds it";
  }
  EXPECT_GT(torn, 0U) << "no tail was torn: the test tests too little";
}

TEST(Recover, RefusesADirectoryThatIsInUseAndOneThatIsNone) {
  RecoverWorld world(2);
  world.create({1});
  {
    Offline offline(world, {1});
    const auto found = offline.look();
    EXPECT_EQ(found.error().code, Code::busy);
    EXPECT_TRUE(has(found.error().text, "data1: ") && has(found.error().text, "stop the zraftd")) << found.error().text;
  }
  world.end(1);
  world.end(2);
  Offline offline(world, {2});
  const auto found = offline.look();
  EXPECT_EQ(found.error().code, Code::not_found);
  EXPECT_TRUE(has(found.error().text, "data2: ")) << found.error().text;
}

TEST(Recover, NamesTheGroupsThereAreWhenAskedForAnother) {
  RecoverWorld world(1);
  world.create({1});
  world.end(1);
  Offline offline(world, {1});
  const auto found = offline.look("other");
  EXPECT_EQ(found.error().code, Code::not_found);
  EXPECT_TRUE(has(found.error().text, "other") && has(found.error().text, "kv")) << found.error().text;
}

TEST(Recover, RefusesOneThatWasToJoinAndHasNothing) {
  RecoverWorld world(2);
  world.create({1});
  ASSERT_EQ(world.told(2, RecoverWorld::start_peer(2, RecoverWorld::members({1}))).error.code, Code::ok);
  world.end(2);
  Offline offline(world, {2});
  const auto found = offline.look();
  ASSERT_TRUE(found.has_value()) << found.error().text;
  for (const std::string& peer : {std::string(), RecoverWorld::member(2).peer}) {
    const auto chosen = choose(*found, peer);
    EXPECT_EQ(chosen.error().code, Code::bad_request);
    EXPECT_TRUE(has(chosen.error().text, "nothing") && has(chosen.error().text, "p2@")) << chosen.error().text;
  }
}

TEST(Recover, RefusesADamagedLog) {
  RecoverWorld world(1);
  world.create({1});
  world.write("a");
  world.run(Duration::seconds(1));
  world.end(1);
  world.disk(1).flip("log/wal-0000000000000001", 4096 + 100, 3);
  const auto before = world.contents(1);
  {
    Offline offline(world, {1});
    const auto found = offline.look();
    EXPECT_EQ(found.error().code, Code::corrupt);
    EXPECT_TRUE(has(found.error().text, "data1: ")) << found.error().text;
  }
  EXPECT_EQ(world.contents(1), before);
}

// --- choosing, on surveys made by hand ---

// A copy of the group 77 by the member `n` that holds entries of these terms.
GroupCopy copy_with(std::uint64_t n, std::vector<std::uint64_t> terms) {
  GroupCopy copy;
  copy.entry = {"kv", {77}, "journal", RecoverWorld::member(n).id, RecoverWorld::member(n).peer, {n}};
  copy.membership = RecoverWorld::members({1, 2, 3});
  std::uint64_t index = 0;
  for (const std::uint64_t term : terms) {
    copy.log.entries.push_back(raft::Record::make({77}, {{term}, {++index}}, raft::EntryType::command, {}, "x"));
    copy.log.hard_state.term = {term};
  }
  return copy;
}

TEST(Recover, ChoosesTheNewestCopyByTermAndThenByIndex) {
  const Survey survey{.copies = {copy_with(1, {1, 1, 1, 1}), copy_with(2, {1, 2}), copy_with(3, {1, 2, 2})}};
  EXPECT_EQ(choose(survey, "").value_or(9), 2U);
  EXPECT_EQ(choose(survey, RecoverWorld::member(1).peer).value_or(9), 0U) << "unless another is named";
  EXPECT_EQ(choose(survey, "p9@n9:1").error().code, Code::not_found);
}

TEST(Recover, TellsWhatTheOtherCopiesHaveBesides) {
  Survey survey{.copies = {copy_with(1, {1, 1, 1, 1}), copy_with(2, {1, 2}), copy_with(3, {1, 2, 2})}};
  const std::vector<Loss> lost = losses(survey, 2);
  ASSERT_EQ(lost.size(), 1U) << "the second copy has nothing that the third has not";
  EXPECT_EQ(lost[0].copy, 0U);
  EXPECT_EQ(lost[0].after, (raft::Position{{1}, {1}}));
  EXPECT_EQ(lost[0].entries, 3U);
  survey.copies[0].entry.group_id = {78};
  EXPECT_TRUE(losses(survey, 2).empty()) << "of another group";
}

TEST(Recover, ComparesCopiesOfWhichOneBeginsWithABase) {
  Survey survey{.copies = {copy_with(1, {1, 1, 2, 2, 3}), copy_with(2, {1, 1, 2, 2, 2, 2})}};
  survey.copies[0].log.base.last = {{1}, {2}};
  survey.copies[0].log.entries.erase(survey.copies[0].log.entries.begin(), survey.copies[0].log.entries.begin() + 2);
  const std::vector<Loss> lost = losses(survey, 0);
  ASSERT_EQ(lost.size(), 1U);
  EXPECT_EQ(lost[0].after, (raft::Position{{2}, {4}}));
  EXPECT_EQ(lost[0].entries, 2U);
}

TEST(Recover, TakesOneThatWasRemovedOnlyByName) {
  Survey survey{.copies = {copy_with(1, {1, 2}), copy_with(2, {1})}};
  survey.copies[0].entry.is_removed = true;
  EXPECT_EQ(choose(survey, "").value_or(9), 1U);
  EXPECT_EQ(choose(survey, RecoverWorld::member(1).peer).value_or(9), 0U);
  survey.copies[1].entry.is_removed = true;
  EXPECT_EQ(choose(survey, "").error().code, Code::bad_request);
}

TEST(Recover, DoesNotGuessBetweenTwoGroupsOfTheSameName) {
  Survey survey{.copies = {copy_with(1, {1, 2}), copy_with(2, {1})}};
  survey.copies[1].entry.group_id = {78};
  EXPECT_EQ(choose(survey, "").error().code, Code::conflict);
  EXPECT_EQ(choose(survey, RecoverWorld::member(2).peer).value_or(9), 1U);
}

// --- doing it ---

TEST(Recover, MakesOneOfThreeTheWholeGroupAndTheOthersStayOut) {
  RecoverWorld world(4);
  world.create({1, 2, 3});
  for (const char* data : {"a", "b", "c"}) world.write(data);
  world.run(Duration::seconds(1));
  for (const std::size_t n : {1, 2, 3}) world.end(n, Ending::power_lost);
  raft::GroupId new_id;
  {
    Offline offline(world, {2});
    const auto made = offline.recover();
    ASSERT_TRUE(made.has_value()) << made.error().text;
    new_id = made->id;
  }
  EXPECT_NE(new_id, RecoverWorld::group_id);
  world.start(2);
  EXPECT_EQ(world.write("d", {2}), "a,b,c,d,");
  EXPECT_EQ(world.status(2).group_id, new_id);
  EXPECT_EQ(world.status(2).membership, RecoverWorld::members({2}));

  // The lost ones are back with their old data, and are a majority: of a group that this one has nothing to do with.
  for (const std::size_t n : {1, 3}) world.start(n);
  EXPECT_EQ(world.write("old", {1, 3}), "a,b,c,old,");
  EXPECT_EQ(world.write("e", {2}), "a,b,c,d,e,");
  for (const std::size_t n : {1, 3}) world.end(n);

  world.join(2, 4, RecoverWorld::member(4).id);
  EXPECT_EQ(world.write("f", {2, 4}), "a,b,c,d,e,f,");
  EXPECT_EQ(world.status(4).membership, RecoverWorld::members({2, 4}));
  world.end(2, Ending::power_lost);
  world.start(2);
  EXPECT_EQ(world.write("g", {2, 4}), "a,b,c,d,e,f,g,");
}

TEST(Recover, GoesOnFromALearner) {
  RecoverWorld world(4);
  raft::Membership with_learner = RecoverWorld::members({1, 2, 3, 4});
  std::erase(with_learner.voters, RecoverWorld::member(4).id);
  world.create({1, 2, 3, 4}, with_learner);
  for (const char* data : {"a", "b"}) world.write(data);
  world.run(Duration::seconds(1));
  for (const std::size_t n : {1, 2, 3, 4}) world.end(n);
  {
    Offline offline(world, {4});
    const auto made = offline.recover();
    ASSERT_TRUE(made.has_value()) << made.error().text;
  }
  world.start(4);
  EXPECT_EQ(world.write("c", {4}), "a,b,c,");
}

// Priority 0 is that of one that never stands for election by itself.
TEST(Recover, GivesAVoteToOneThatWasNeverToLead) {
  RecoverWorld world(2);
  raft::Membership quiet = RecoverWorld::members({1, 2});
  quiet.members[1].priority = 0;
  world.create({1, 2}, quiet);
  world.write("a");
  world.run(Duration::seconds(1));
  for (const std::size_t n : {1, 2}) world.end(n);
  {
    Offline offline(world, {2});
    ASSERT_TRUE(offline.recover().has_value());
  }
  world.start(2);
  EXPECT_EQ(world.write("b", {2}), "a,b,");
}

TEST(Recover, MarksTheCopiesThatWereNotChosen) {
  RecoverWorld world(3);
  world.create({1, 2, 3});
  world.write("a");
  world.run(Duration::seconds(1));
  world.end(3);
  world.write("b", {1, 2});
  world.run(Duration::seconds(1));
  for (const std::size_t n : {1, 2}) world.end(n);
  std::size_t chosen = 0;
  {
    Offline offline(world, {3, 1, 2});
    const auto found = offline.look();
    ASSERT_TRUE(found.has_value()) << found.error().text;
    ASSERT_EQ(found->copies.size(), 3U);
    EXPECT_LT(found->copies[0].last(), found->copies[1].last());
    chosen = choose(*found, "").value_or(0) == 1 ? 1 : 2;
    EXPECT_NE(choose(*found, "").value_or(0), 0U) << "the first is behind";
  }
  {
    Offline offline(world, {3, 1, 2});
    const auto made = offline.recover();
    ASSERT_TRUE(made.has_value()) << made.error().text;
    EXPECT_TRUE(made->problems.empty());
  }
  for (const std::size_t n : {1, 2, 3}) {
    world.start(n);
    EXPECT_EQ(world.status(n).role == "removed", n != chosen) << n;
  }
  EXPECT_EQ(world.write("c", {chosen}), "a,b,c,");
  // What is left of the old member is in the way of a new one, until it is destroyed.
  const std::size_t other = 3 - chosen;
  EXPECT_EQ(
      world.told(other, net::DestroyPeer{"kv", RecoverWorld::group_id, RecoverWorld::member(other).id}).error.code,
      Code::ok);
  world.join(chosen, other, {201});
  EXPECT_EQ(world.write("d", {chosen, other}), "a,b,c,d,");
}

TEST(Recover, IsDoneAlsoWhenAnotherCopyCannotBeMarkedAndSaysSo) {
  RecoverWorld world(2);
  world.create({1, 2});
  world.write("a");
  world.run(Duration::seconds(1));
  for (const std::size_t n : {1, 2}) world.end(n);
  world.disk(2).set_settings({.fail_sync_ppm = 1'000'000});
  {
    Offline offline(world, {1, 2});
    const auto made = offline.recover(RecoverWorld::member(1).peer);
    ASSERT_TRUE(made.has_value()) << made.error().text;
    ASSERT_EQ(made->problems.size(), 1U);
    EXPECT_TRUE(has(made->problems[0], "data2: ")) << made->problems[0];
  }
  world.start(1);
  EXPECT_EQ(world.write("b", {1}), "a,b,");
}

TEST(Recover, MarksTheOtherPeersOfTheSameHostToo) {
  HostWorld world;
  world.must_start();
  const raft::Membership three = raft::membership_of({{{101}, "p1@n1:1"}, {{102}, "p2@n1:1"}, {{103}, "p3@n1:1"}});
  for (const raft::Member& member : three.members) {
    net::StartPeer start = lone_peer("kv");
    start.self = member.id;
    start.peer = member.peer;
    start.membership = three;
    ASSERT_EQ(world.told(start).error.code, Code::ok);
  }
  ASSERT_EQ(world.told(lone_peer("other", 5)).error.code, Code::ok);
  ASSERT_EQ(world.propose("kv", "first").error.code, Code::ok);
  world.run(Duration::seconds(1));
  world.end();
  {
    Offline offline(world.world, {{"data", &world.disk}});
    const auto made = offline.recover("p2@n1:1");
    ASSERT_TRUE(made.has_value()) << made.error().text;
  }
  world.must_start();
  EXPECT_EQ(world.host().peers().size(), 2U) << "the chosen one, and the one of another group";
  const net::Reply status = world.told(net::GetStatus{"kv"});
  for (const net::PeerStatus& peer : std::get<net::Status>(status.body).peers) {
    EXPECT_EQ(peer.role == "removed", peer.peer != "p2@n1:1");
  }
  EXPECT_EQ(world.propose("kv", "second").error.code, Code::ok);
  EXPECT_EQ(world.propose("other", "there").error.code, Code::ok);
}

TEST(Recover, CanBeDoneAgainAndEachTimeTheGroupIsAnother) {
  RecoverWorld world(2);
  world.create({1, 2});
  world.write("a");
  world.run(Duration::seconds(1));
  std::vector<raft::GroupId> ids{RecoverWorld::group_id};
  std::string wanted = "a,";
  for (const std::size_t n : {1, 2}) world.end(n);
  for (std::uint64_t round = 1; round <= 3; ++round) {
    {
      Offline offline(world, {1}, round);
      const auto made = offline.recover();
      ASSERT_TRUE(made.has_value()) << made.error().text;
      EXPECT_EQ(std::ranges::count(ids, made->id), 0);
      ids.push_back(made->id);
    }
    world.start(1);
    wanted += std::to_string(round) + ",";
    EXPECT_EQ(world.write(std::to_string(round), {1}), wanted);
    world.end(1);
  }
}

// So long that it is not written in one go: what is durable first does not stand for the rest.
TEST(Recover, IsDurableWhenItIsDoneHoweverLongTheLog) {
  RecoverWorld world(1);
  world.create({1});
  for (int i = 0; i < 8; ++i) world.write(Bytes(1'500'000, 'x'));
  world.end(1);
  Offline offline(world, {1});
  const auto made = offline.recover();
  ASSERT_TRUE(made.has_value()) << made.error().text;
  offline.end(Ending::power_lost);
  world.start(1);
  EXPECT_NE(world.status(1).group_id, RecoverWorld::group_id);
  EXPECT_EQ(world.write("y", {1}).size(), 8U * 1'500'001 + 2);
}

// --- snapshots ---

// Hosts that are stopped; host n wrote a snapshot between "b" and "c", and its log begins there.
void make_with_snapshot(RecoverWorld& world, const std::vector<std::size_t>& numbers, std::size_t n,
                        const raft::Membership& membership) {
  world.create(numbers, membership);
  for (const char* data : {"a", "b"}) world.write(data);
  world.run(Duration::seconds(1));
  world.save(n);
  world.write("c");
  world.run(Duration::seconds(1));
  for (const std::size_t any : numbers) world.end(any, Ending::power_lost);
}

TEST(Recover, KeepsWhatStandsInTheSnapshotThatTheLogGoesOnFrom) {
  RecoverWorld world(4);
  make_with_snapshot(world, {1, 2, 3}, 2, RecoverWorld::members({1, 2, 3}));
  const auto before = world.contents(2);
  raft::Position reaches;
  {
    Offline offline(world, {1, 2});
    const auto found = offline.look();
    ASSERT_TRUE(found.has_value()) << found.error().text;
    ASSERT_TRUE(found->copies.size() == 2 && found->copies[1].snapshot);
    EXPECT_FALSE(found->copies[0].snapshot);
    reaches = found->copies[1].snapshot->meta.last;
    EXPECT_EQ(found->copies[1].log.base.last, reaches) << "what is before is in the snapshot alone";
    EXPECT_EQ(found->copies[1].problem, "");
  }
  EXPECT_EQ(world.contents(2), before) << "it was only looked";
  for (std::uint64_t round = 1; round <= 2; ++round) {
    Offline offline(world, {2}, round);
    const auto made = offline.recover();
    ASSERT_TRUE(made.has_value()) << made.error().text;
    offline.end(Ending::power_lost);
  }
  world.start(2);
  EXPECT_EQ(world.write("d", {2}), "a,b,c,d,");
  EXPECT_EQ(world.status(2).snapshot, reaches.index);
  EXPECT_EQ(world.snapshots(2).size(), 1U) << "those of the old logs are gone";
  world.join(2, 4, RecoverWorld::member(4).id);
  EXPECT_EQ(world.status(4).snapshot, reaches.index) << "it could get it no other way";
  EXPECT_EQ(world.write("e", {2, 4}), "a,b,c,d,e,");
  world.save(2);
  for (const std::size_t n : {2, 4}) world.end(n, Ending::power_lost);
  for (const std::size_t n : {2, 4}) world.start(n);
  EXPECT_EQ(world.write("f", {2, 4}), "a,b,c,d,e,f,");
}

TEST(Recover, KeepsTheSnapshotOfALearnerToo) {
  RecoverWorld world(4);
  raft::Membership with_learner = RecoverWorld::members({1, 2, 3, 4});
  std::erase(with_learner.voters, RecoverWorld::member(4).id);
  make_with_snapshot(world, {1, 2, 3, 4}, 4, with_learner);
  {
    Offline offline(world, {4});
    const auto made = offline.recover();
    ASSERT_TRUE(made.has_value()) << made.error().text;
  }
  world.start(4);
  EXPECT_EQ(world.write("d", {4}), "a,b,c,d,");
}

// The log of one alone is all that there is.
TEST(Recover, NamesACopyWhoseSnapshotIsDamagedAndTakesAnother) {
  RecoverWorld world(2);
  make_with_snapshot(world, {1, 2}, 1, RecoverWorld::members({1, 2}));
  for (const std::string& path : world.snapshots(1)) world.disk(1).flip(path, 1, 3);
  {
    Offline offline(world, {1});
    const auto found = offline.look();
    ASSERT_TRUE(found.has_value()) << found.error().text;
    const auto chosen = choose(*found, "");
    EXPECT_EQ(chosen.error().code, Code::corrupt);
    EXPECT_TRUE(has(chosen.error().text, "p1@") && has(chosen.error().text, "no snapshot")) << chosen.error().text;
    ASSERT_EQ(found->story.size(), 2U);
    EXPECT_TRUE(has(found->story[0], "/all at byte 0") && has(found->story[1], "cannot be gone on with"));
  }
  {
    Offline offline(world, {1, 2});
    const auto made = offline.recover();
    ASSERT_TRUE(made.has_value()) << made.error().text;
  }
  world.start(2);
  EXPECT_EQ(world.write("d", {2}), "a,b,c,d,");
}

}  // namespace
}  // namespace zraft::host::test
