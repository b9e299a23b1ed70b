// SPDX-License-Identifier: Apache-2.0
//
// The layer of sessions: once and the same answer, who lives how long, what goes with him, and that all of it is in
// snapshots and beside a machine's own state.
#include "zraft/session/session_machine.h"

#include "test/session/shelf.h"

namespace zraft::session::test {
namespace {

using Strings = std::vector<std::string>;

// --- exactly once (thesis 6.3) ---

class Sessions : public Bench {};

TEST_F(Sessions, P74_ARetryIsAnsweredTheSameAndDoneOnce) {
  const SessionId session = open(1);
  EXPECT_EQ(write(session, 1, "a").result, "r1");
  EXPECT_EQ(write(session, 2, "b").result, "r2");
  const node::Outcome again = write(session, 1, "a");
  EXPECT_EQ(again.result, "r1");
  EXPECT_TRUE(again.changes.empty()) << "who watches is not told twice";
  EXPECT_EQ(shelf_->seen, (Strings{"2 a of 1", "3 b of 1"}));
}

TEST_F(Sessions, WritesUnderWayAtOnceMayComeInAnyOrder) {
  const SessionId session = open(1);
  EXPECT_EQ(write(session, 3, "c").result, "r1");
  EXPECT_EQ(write(session, 1, "a").result, "r2");
  EXPECT_EQ(write(session, 3, "c").result, "r1");
}

// W-14: the first write's answer was thrown away at once.
TEST_F(Sessions, W14_TheFirstWriteIsRememberedToo) {
  const SessionId session = open(1);
  write(session, 1, "a", 0);
  EXPECT_EQ(write(session, 1, "a", 0).result, "r1");
  EXPECT_EQ(shelf_->seen.size(), 1u);
}

TEST_F(Sessions, W15_WhatWasAcknowledgedIsNeverDoneAgain) {
  const SessionId session = open(1);
  write(session, 1, "a");
  write(session, 2, "b", 1);
  EXPECT_EQ(machine_->table().find(session)->replies.size(), 1u);
  EXPECT_EQ(write(session, 1, "a").refusal.code, Code::bad_request) << "a late copy";
  EXPECT_EQ(shelf_->seen.size(), 2u);
}

TEST_F(Sessions, AnAcknowledgementNeverGoesBack) {
  const SessionId session = open(1);
  write(session, 2, "b", 1);
  write(session, 3, "c", 0);
  EXPECT_EQ(machine_->table().find(session)->acknowledged, 1u);
}

TEST_F(Sessions, P78_AWriteOfNoSessionDoesNothingAndMakesNone) {
  EXPECT_EQ(write({77}, 1, "a").refusal.code, Code::session_expired);
  EXPECT_TRUE(shelf_->seen.empty());
  EXPECT_EQ(machine_->table().size(), 0u);
}

// P79: no answer is dropped to make room; and W-28: there is a bound on them.
TEST_F(Sessions, P79_WhoAcknowledgesNothingIsRefusedAndLosesNothing) {
  const SessionId session = open(1);
  for (std::uint64_t n = 1; n <= replies_max; ++n) write(session, n, "a");
  EXPECT_EQ(write(session, replies_max + 1, "a").refusal.code, Code::busy);
  EXPECT_EQ(shelf_->seen.size(), replies_max);
  EXPECT_EQ(write(session, 1, "a").result, "r1") << "the oldest is still there";
  EXPECT_EQ(write(session, replies_max + 1, "a", 5).refusal.code, Code::ok) << "there is room again";
}

TEST_F(Sessions, P79_W28_AnswersAreBoundedByTheirBytesToo) {
  const SessionId session = open(1);
  write(session, 1, "a");
  SessionTable table(false);
  const auto id = table.open({.nonce = {1, 1}, .timeout_ms = 1'000}, {9}, {});
  ASSERT_TRUE(id.has_value());
  table.told(*id, 1, {.result = Bytes(reply_bytes_max, 'x'), .refusal = {}});
  const Write more{*id, 2, 0, false, "b"};
  EXPECT_FALSE(table.begin_write(more, {}).apply);
  EXPECT_EQ(table.begin_write(more, {}).reply->refusal.code, Code::busy);
  EXPECT_TRUE(table.begin_write({*id, 2, 1, false, "b"}, {}).apply);
}

TEST_F(Sessions, P80_AnOpeningThatIsRepeatedOpensOne) {
  const SessionId session = open(1);
  EXPECT_EQ(open(1), session);
  EXPECT_NE(open(2), session);
  EXPECT_EQ(machine_->table().size(), 2u);
}

TEST_F(Sessions, CommandsOfNoSessionGoToTheMachineAsTheyAre) {
  EXPECT_EQ(give(raft::EntryType::command, "plain").result, "r1");
  EXPECT_EQ(shelf_->seen, (Strings{"1 plain"}));
}

TEST_F(Sessions, WhatIsNoEntryIsRefusedAtTheDoorAndInTheLog) {
  for (const Bytes& bytes : {Bytes(), Bytes("\x09"), Bytes("\x01short"), encode(Entry(Close{{1}})) + "x"}) {
    EXPECT_EQ(machine_->admit(raft::EntryType::session, bytes).error().code, Code::bad_request);
    EXPECT_EQ(give(raft::EntryType::session, bytes).refusal.code, Code::bad_request);
  }
  const auto door = [&](const Entry& entry) { return machine_->admit(raft::EntryType::session, encode(entry)); };
  EXPECT_FALSE(door(Open{.nonce = {}, .timeout_ms = 1}));
  EXPECT_FALSE(door(Open{.nonce = {}, .timeout_ms = UINT32_MAX}));
  EXPECT_TRUE(door(Open{.nonce = {}, .timeout_ms = 200}));
  EXPECT_FALSE(door(Write{{1}, 1, 1, false, "a"}));
  EXPECT_FALSE(door(Write{{1}, 1, 0, false, "bad"})) << "the machine's own door";
  EXPECT_TRUE(door(Write{{1}, 1, 0, false, "a"}));
}

// --- how long a session lives ---

TEST_F(Sessions, W24_TimeAloneEndsNothingAnEntryDoes) {
  const SessionId session = open(1, 1'000);
  pass(10'000);
  give(raft::EntryType::command, "x");
  EXPECT_TRUE(is_open(session));
  give(Expire{session, seen(session)});
  EXPECT_FALSE(is_open(session));
}

TEST_F(Sessions, P75_AnExpiryBeforeItsTimeIsVoid) {
  const SessionId session = open(1, 1'000);
  pass(999);
  give(Expire{session, seen(session)});
  EXPECT_TRUE(is_open(session));
  pass(1);
  give(Expire{session, seen(session)});
  EXPECT_FALSE(is_open(session));
}

TEST_F(Sessions, P76_AnExpiryThatDidNotSeeTheLastKeepAliveIsVoid) {
  const SessionId session = open(1, 1'000);
  const ClusterTime old = seen(session);
  pass(1'500);
  EXPECT_TRUE(keep_alive(session)) << "late, but nobody has ended it";
  pass(1'500);
  give(Expire{session, old});
  EXPECT_TRUE(is_open(session));
}

TEST_F(Sessions, EverythingOfASessionKeepsItAlive) {
  for (const int what : {0, 1, 2}) {
    const SessionId session = open(10 + static_cast<std::uint64_t>(what), 1'000);
    const std::int64_t before = seen(session).ns;
    pass(700);
    if (what == 0) keep_alive(session);
    if (what == 1) write(session, 1, "a");
    if (what == 2) open(12, 1'000);
    EXPECT_GT(seen(session).ns, before) << what;
    pass(700);
    give(Expire{session, seen(session)});
    EXPECT_TRUE(is_open(session)) << what;
  }
}

TEST_F(Sessions, P77_ANewLeaderGivesTheWholeTimeOnce) {
  const SessionId session = open(1, 1'000);
  pass(900);
  give(raft::EntryType::noop, {});
  pass(900);
  give(Expire{session, seen(session)});
  EXPECT_TRUE(is_open(session)) << "its client could reach nobody";
  give(raft::EntryType::noop, {});
  pass(100);
  give(Expire{session, seen(session)});
  EXPECT_FALSE(is_open(session)) << "leader after leader would keep it for ever";
}

TEST_F(Sessions, P77_WhoWasHeardOfIsGivenItAgain) {
  const SessionId session = open(1, 1'000);
  give(raft::EntryType::noop, {});
  pass(500);
  keep_alive(session);
  pass(900);
  give(raft::EntryType::noop, {});
  pass(900);
  give(Expire{session, seen(session)});
  EXPECT_TRUE(is_open(session));
}

TEST_F(Sessions, TheLeaderIsToldWhoIsOverdueAndWhoIsNext) {
  const SessionId first = open(1, 1'000);
  const SessionId second = open(2, 3'000);
  pass(1'000);
  const node::Sessions now = machine_->sessions(now_);
  ASSERT_EQ(now.overdue.size(), 1u);
  EXPECT_EQ(now.overdue[0].session, first);
  EXPECT_EQ(now.overdue[0].seen, seen(first));
  EXPECT_EQ(now.next, machine_->table().find(second)->deadline);
  EXPECT_EQ(now.open, 2u);
  EXPECT_FALSE(SessionTable(false).look(now_).next.has_value());
}

TEST_F(Sessions, KeepAlivesOfManyAreOneEntryAndTellOfEach) {
  const SessionId a = open(1);
  const SessionId b = open(2);
  give(Close{b});
  write(a, 1, "x");
  const auto outcome = give(KeepAlive{{{a, 1}, {b, 0}, {{99}, 0}}});
  EXPECT_EQ(alive(outcome.result, 3), (std::vector<bool>{true, false, false}));
  EXPECT_TRUE(machine_->table().find(a)->replies.empty()) << "a keep-alive acknowledges";
}

// --- what goes with it ---

TEST_F(Sessions, P81_WhatASessionOwnsGoesInTheEntryThatEndsIt) {
  const SessionId session = open(1);
  write(session, 1, "mine", 0, true);
  write(session, 2, "for all", 0, false);
  const node::Outcome outcome = give(Close{session});
  EXPECT_EQ(outcome.changes, (std::vector<node::Change>{{"mine", "gone"}}));
  EXPECT_EQ(outcome.ended, session);
  EXPECT_TRUE(shelf_->owned.empty());
  EXPECT_EQ(give(Close{session}).ended, SessionId{}) << "once";
  EXPECT_EQ(write(session, 3, "late", 0, true).refusal.code, Code::session_expired);
  EXPECT_TRUE(shelf_->owned.empty());
  EXPECT_EQ(shelf_->seen.back(), "4 end of 1");
}

// W-25: which entry ends a session must not depend on how entries come together.
TEST_F(Sessions, W25_OneEntryEndsOneSession) {
  const SessionId a = open(1);
  const SessionId b = open(2);
  pass(5'000);
  EXPECT_EQ(give(Expire{a, seen(a)}).ended, a);
  EXPECT_TRUE(is_open(b));
}

// --- kept ---

class SessionsKept : public Bench {};
using Files = zraft::test::SnapshotFiles;

TEST_F(SessionsKept, P74_ASnapshotHoldsSessionsAndAnswers) {
  const SessionId session = open(1);
  write(session, 1, "a");
  write(session, 2, "b");
  const Files held = snapshot();
  make(nullptr);
  ASSERT_TRUE(restore(held).has_value());
  EXPECT_EQ(shelf_->files, Strings{"shelf"}) << "the machine sees its own files only";
  EXPECT_EQ(write(session, 2, "b").result, "r2");
  EXPECT_EQ(shelf_->seen.size(), 2u);
  EXPECT_EQ(open(1), session);
  EXPECT_EQ(snapshot().size(), 2u);
}

TEST_F(SessionsKept, ATaskWritesWhatWasWhenItWasMade) {
  const SessionId session = open(1);
  auto task = machine_->snapshot();
  give(Close{session});
  const Files held = files_of(std::move(task));
  make(nullptr);
  ASSERT_TRUE(restore(held).has_value());
  EXPECT_TRUE(is_open(session));
}

TEST_F(SessionsKept, W26_WithoutItsTableASnapshotIsNotInstalled) {
  open(1);
  const Files whole = snapshot();
  Files none = whole;
  none.erase(sessions_file);
  EXPECT_EQ(restore(none).error().code, Code::corrupt);
  const Bytes& table = whole.at(sessions_file);
  for (std::size_t length = 0; length < table.size(); ++length) {
    Files cut = whole;
    cut[sessions_file] = table.substr(0, length);
    EXPECT_FALSE(restore(cut).has_value()) << length;
  }
  Files newer = whole;
  newer[sessions_file][0] = 2;
  EXPECT_EQ(restore(newer).error().code, Code::unsupported);
  EXPECT_EQ(machine_->table().size(), 1u) << "what was there is still there";
}

TEST_F(SessionsKept, TheTableHasOneForm) {
  for (std::uint64_t n = 1; n < 20; ++n) {
    const SessionId session = open(n, 300 + static_cast<std::uint32_t>(n));
    for (std::uint64_t sequence = 1; sequence < n; ++sequence) write(session, sequence, "x", sequence / 2);
  }
  const Bytes bytes = machine_->table().encode();
  const auto again = SessionTable::decode(bytes, false);
  ASSERT_TRUE(again.has_value());
  EXPECT_EQ(again->encode(), bytes);
}

TEST_F(SessionsKept, BesideAMachineOnADiskTheTableIsWhatItWas) {
  Disk disk;
  make(&disk);
  const SessionId a = open(1);
  const SessionId b = open(2);
  for (std::uint64_t n = 1; n <= 10; ++n) write(a, n, "x", n / 2);
  give(KeepAlive{{{a, 7}}});
  give(Close{b});
  give(raft::EntryType::noop, {});
  EXPECT_EQ(disk.durable.value, index_) << "every entry counts, also those the machine sees nothing of";
  const Bytes before = machine_->table().encode();
  make(&disk);
  EXPECT_EQ(machine_->table().encode(), before);
  EXPECT_EQ(write(a, 9, "x", 7).result, "r9");
  EXPECT_EQ(disk.asides_of_each.back(), 1u) << "what did not change is not written again: a header, seen anew";
}

TEST_F(SessionsKept, DamagedAsidesAreRefused) {
  Disk disk;
  make(&disk);
  const SessionId session = open(1);
  write(session, 1, "x");
  for (auto& [key, value] : std::map(disk.asides)) {
    Disk damaged = disk;
    damaged.asides[key] = value.substr(1);
    EXPECT_FALSE(SessionMachine::open(std::make_unique<Shelf>(&damaged)).has_value());
  }
  Disk orphan = disk;
  orphan.asides.erase(orphan.asides.begin());  // the header
  EXPECT_EQ(SessionMachine::open(std::make_unique<Shelf>(&orphan)).error().code, Code::corrupt);
}

TEST_F(SessionsKept, WhatAMachineOnADiskRestoresItPutsAsideItself) {
  Disk disk;
  make(&disk);
  const SessionId session = open(1);
  const Files held = snapshot();
  Disk other;
  make(&other);
  ASSERT_TRUE(restore(held).has_value());
  EXPECT_TRUE(is_open(session));
  give(raft::EntryType::membership, {});
  EXPECT_EQ(other.asides_of_each, std::vector<std::size_t>{0});
}

}  // namespace
}  // namespace zraft::session::test
