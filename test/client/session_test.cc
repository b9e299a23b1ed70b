// SPDX-License-Identifier: Apache-2.0
//
// The session of a client: what it sends, how often, and what it says of what it does not know.
#include <algorithm>

#include "test/client/long_bench.h"

namespace zraft::client::test {
namespace {

using Words = std::vector<std::string>;

const Error not_leader{Code::not_leader, "ask the leader"};
const Error expired{Code::session_expired, "there is no such session"};

class SessionTest : public LongBench {};

// --- opening ---

TEST_F(SessionTest, OpensWithItsTimeoutAndThenSendsWhatWaited) {
  start();
  EXPECT_EQ(write("x"), 1U);
  const Ask opening = only();
  EXPECT_EQ(opening.body<net::OpenSession>().session_timeout_ms, 3000U);
  EXPECT_EQ(opening.body<net::OpenSession>().group, "kv");
  reply(opening, net::SessionOpened{{9}});
  EXPECT_EQ(states_, Words{"connected"});
  EXPECT_EQ(long_->id().value, 9U);
  const Ask sent = only();
  EXPECT_EQ(sent.body<net::SessionWrite>().session.value, 9U);
  EXPECT_EQ(sent.body<net::SessionWrite>().sequence, 1U);
  EXPECT_EQ(sent.body<net::SessionWrite>().data, "x");
  reply(sent, net::Data{"done"});
  EXPECT_EQ(told(0), "x: done");
}

// Weak point W-18: what goes wrong while it opens is told, and ends nothing else.
TEST_F(SessionTest, W18_SaysThatItCouldNotBeOpened) {
  is_dead_["a:1"] = true;
  start({.timeout = Duration::seconds(3), .open_timeout = Duration::seconds(1)});
  write("x", 5000);
  wait_ms(1100);
  EXPECT_EQ(states_, Words{"closed"});
  EXPECT_EQ(told(0), "x: all_failed");
  EXPECT_EQ(write("y"), 0U);
  loop_.run_posted();
  EXPECT_EQ(told(1), "y: stopped");
}

TEST_F(SessionTest, TellsAWriteThatWaitedTooLongForTheOpeningThatItWasNotApplied) {
  start();
  write("x", 100);
  const Ask opening = only();
  wait_ms(150);
  EXPECT_EQ(told(0), "x: timeout");
  reply(opening, net::SessionOpened{{9}});
  EXPECT_TRUE(fresh().empty()) << "it is sent although its writer was told that it is not applied";
  write("y");
  const Ask next = only();
  EXPECT_EQ(next.body<net::SessionWrite>().sequence, 2U);
  EXPECT_EQ(next.body<net::SessionWrite>().acknowledged, 1U);
}

// --- writes ---

TEST_F(SessionTest, ManyWritesAreUnderWayAtATime) {
  open();
  for (int i = 0; i < 50; ++i) write("x");
  const auto asks = fresh();
  ASSERT_EQ(asks.size(), 50U);
  for (std::size_t i = 0; i < asks.size(); ++i) EXPECT_EQ(asks[i].body<net::SessionWrite>().sequence, i + 1);
}

TEST_F(SessionTest, AWriteSaysWhetherItIsEphemeral) {
  open();
  write("x", 5000, true);
  EXPECT_TRUE(only().body<net::SessionWrite>().is_ephemeral);
}

TEST_F(SessionTest, KeepsTheSequenceThroughAChangeOfTheLeader) {
  make(two_hosts());
  start();
  Ask opening = only();
  const std::string first = opening.host();
  const std::string second = first == "a:1" ? "b:1" : "a:1";
  reply(opening, net::SessionOpened{{9}});
  write("x");
  const Ask before = only();
  EXPECT_EQ(before.host(), first);
  before.link->close("gone");
  const Ask after = only();
  EXPECT_EQ(after.host(), second);
  EXPECT_EQ(after.body<net::SessionWrite>().sequence, before.body<net::SessionWrite>().sequence);
  reply(after, not_leader, "n@c:1");
  const Ask third = only();
  EXPECT_EQ(third.host(), "c:1");
  EXPECT_EQ(third.body<net::SessionWrite>().sequence, 1U);
  reply(third, net::Data{"once"});
  ASSERT_EQ(told_.size(), 1U);
  EXPECT_EQ(told(0), "x: once");
}

TEST_F(SessionTest, TriesAgainWhatTheGroupHasNoRoomForWithWhatIsAcknowledgedByThen) {
  open();
  write("x");
  write("y");
  auto asks = fresh();
  ASSERT_EQ(asks.size(), 2U);
  reply(asks[1], {Code::busy, "acknowledge"});
  EXPECT_EQ(told_.size(), 0U);
  reply(asks[0], net::Data{"1"});
  wait_ms(60);
  const Ask again = only();
  EXPECT_EQ(again.body<net::SessionWrite>().sequence, 2U);
  EXPECT_EQ(again.body<net::SessionWrite>().acknowledged, 1U);
}

TEST_F(SessionTest, AcknowledgesOnlyUpToTheOldestWriteThatWasNotTold) {
  open();
  for (const char* text : {"1", "2", "3"}) write(text);
  const auto asks = fresh();
  reply(asks[0], net::Data{"a"});
  reply(asks[2], net::Data{"c"});
  write("4");
  const Ask fourth = only();
  EXPECT_EQ(fourth.body<net::SessionWrite>().acknowledged, 1U);
  reply(asks[1], net::Data{"b"});
  write("5");
  EXPECT_EQ(only().body<net::SessionWrite>().acknowledged, 3U);
}

TEST_F(SessionTest, TellsAWriteThatWasSentThatItsOutcomeIsUnknownAndThenGivesItUp) {
  open();
  write("x", 200);
  (void)only();
  wait_ms(250);
  EXPECT_EQ(told(0), "x: timeout_unknown_outcome");
  write("y");
  const Ask next = only();
  EXPECT_EQ(next.body<net::SessionWrite>().sequence, 2U);
  EXPECT_EQ(next.body<net::SessionWrite>().acknowledged, 1U) << "the group may still apply what was given up";
}

TEST_F(SessionTest, TellsAWriteThatEveryHostRefusedThatItWasNotApplied) {
  open();
  write("x", 200);
  reply(only(), not_leader);
  for (int i = 0; i < 30; ++i) {
    for (const Ask& ask : fresh()) reply(ask, not_leader);
    wait_ms(10);
  }
  EXPECT_EQ(told(0), "x: timeout");
}

TEST_F(SessionTest, ARefusalDoesNotSpeakForAnAttemptBeforeIt) {
  make(two_hosts());
  start();
  reply(only(), net::SessionOpened{{9}});
  write("x");
  only().link->close("gone");
  reply(only(), {Code::too_large, "the limit of this host is another"});
  EXPECT_EQ(told(0), "x: timeout_unknown_outcome");
  write("y");
  reply(only(), {Code::too_large, "no"});
  EXPECT_EQ(told(1), "y: too_large");
}

TEST_F(SessionTest, TakesAnAnswerThatComesLateAndIsToldOnce) {
  make(two_hosts());
  start();
  reply(only(), net::SessionOpened{{9}});
  write("x");
  const Ask slow = only();
  wait_ms(320);
  const Ask elsewhere = only();
  EXPECT_NE(elsewhere.host(), slow.host());
  reply(slow, net::Data{"late"});
  EXPECT_EQ(told(0), "x: late");
  reply(elsewhere, net::Data{"late"});
  wait_ms(6000);
  EXPECT_EQ(told_.size(), 1U);
}

TEST_F(SessionTest, AWriteThatIsCancelledBeforeTheSessionIsOpenIsNeverSent) {
  start();
  const std::uint64_t sequence = write("x");
  const Ask opening = only();
  long_->cancel_write(sequence);
  EXPECT_EQ(told(0), "nothing") << "told before the call returned";
  reply(opening, net::SessionOpened{{9}});
  EXPECT_EQ(told(0), "x: cancelled");
  EXPECT_TRUE(fresh().empty());
  wait_ms(100);
  EXPECT_EQ(told_.size(), 1U);
}

TEST_F(SessionTest, AWriteThatWasSentAndIsCancelledIsUnknownAndThenGivenUp) {
  open();
  const std::uint64_t sequence = write("x");
  const Ask sent = only();
  long_->cancel_write(sequence);
  reply(sent, {Code::busy, "later"});
  EXPECT_EQ(told(0), "x: timeout_unknown_outcome");
  wait_ms(500);
  EXPECT_TRUE(fresh().empty()) << "it is sent again although its writer was told";
  write("y");
  EXPECT_EQ(only().body<net::SessionWrite>().acknowledged, 1U);
}

TEST_F(SessionTest, AWriteThatTheGroupRefusedIsCancelledForGood) {
  open();
  const std::uint64_t sequence = write("x");
  reply(only(), {Code::busy, "later"});
  long_->cancel_write(sequence);
  wait_ms(500);
  EXPECT_EQ(told(0), "x: cancelled");
  EXPECT_TRUE(fresh().empty());
  long_->cancel_write(sequence);
  long_->cancel_write(99);
  wait_ms(100);
  EXPECT_EQ(told_.size(), 1U);
}

TEST_F(SessionTest, SaysBusyAtOnceWhenItsWindowIsFull) {
  open();
  for (std::uint64_t i = 0; i < session_window; ++i) EXPECT_NE(write("x"), 0U);
  EXPECT_EQ(write("beyond"), 0U);
  EXPECT_TRUE(told_.empty()) << "told before the call has returned";
  loop_.run_posted();
  EXPECT_EQ(told(0), "beyond: busy");
  const auto asks = fresh();
  ASSERT_EQ(asks.size(), session_window);
  reply(asks.back(), net::Data{"1"});
  EXPECT_EQ(write("still"), 0U) << "the oldest is not told, so the group keeps all answers";
  reply(asks.front(), net::Data{"1"});
  EXPECT_EQ(write("again"), session_window + 1);
}

TEST_F(SessionTest, ReadsAreThoseOfTheLightSession) {
  open();
  long_->query("get x", net::Consistency::linearizable, in_ms(1000),
               [this](Outcome outcome) { told_.emplace_back("read", std::move(outcome)); });
  const Ask ask = only();
  EXPECT_EQ(ask.body<net::Query>().data, "get x");
  reply(ask, net::Data{"41"});
  EXPECT_EQ(told(0), "read: 41");
}

// --- pitfalls and weak points by number ---

class Session_Pitfall : public LongBench {};
class Session_WeakPoint : public LongBench {};

TEST_F(Session_Pitfall, P78_ASessionThatIsOverIsNotOpenedAgain) {
  open();
  write("x");
  reply(only(), expired);
  EXPECT_EQ(told(0), "x: session_expired");
  wait_ms(20'000);
  EXPECT_TRUE(fresh().empty());
}

TEST_F(Session_Pitfall, P80_EveryAttemptToOpenHasTheSameNonce) {
  make(two_hosts());
  start();
  const Ask first = only();
  first.link->close("gone");
  const Ask second = only();
  reply(second, not_leader);
  wait_ms(100);
  const Ask third = only();
  EXPECT_TRUE(std::ranges::equal(first.body<net::OpenSession>().nonce, second.body<net::OpenSession>().nonce));
  EXPECT_TRUE(std::ranges::equal(first.body<net::OpenSession>().nonce, third.body<net::OpenSession>().nonce));
  EXPECT_NE(first.body<net::OpenSession>().nonce[0], first.body<net::OpenSession>().nonce[1]);
  reply(third, net::SessionOpened{{9}});
  EXPECT_EQ(states_, Words{"connected"});
}

TEST_F(Session_Pitfall, P85_AWriteWithoutAnAnswerIsAskedAgainUnderItsOwnSequenceAndNoOther) {
  open({.timeout = Duration::seconds(60)});
  write("x");
  for (int lost = 0; lost < 5; wait_ms(10)) {
    for (const Ask& ask : fresh()) {
      EXPECT_EQ(ask.body<net::SessionWrite>().sequence, 1U);
      ask.link->close("gone");
      ++lost;
    }
  }
  write("y");
  wait_ms(500);
  for (const Ask& ask : fresh()) reply(ask, net::Data{std::to_string(ask.body<net::SessionWrite>().sequence)});
  ASSERT_EQ(told_.size(), 2U);
  EXPECT_EQ(std::min(told(0), told(1)), "x: 1");
  EXPECT_EQ(std::max(told(0), told(1)), "y: 2");
}

TEST_F(Session_WeakPoint, W16_AnOpeningWhoseAnswerWasLostIsAskedAgainAndAnswered) {
  open();  // as the group would: the same nonce gives the same session
  long_.reset();
  states_.clear();
  start();
  const Ask lost = only();
  lost.link->close("gone");
  wait_ms(100);
  reply(only(), net::SessionOpened{{9}});
  EXPECT_EQ(states_, Words{"connected"});
}

TEST_F(Session_WeakPoint, W17_AnOpeningGoesToTheLeaderThatWasNamedAndNotToTheOneThatFailed) {
  start();
  reply(only(), not_leader, "n@z:9");
  const Ask second = only();
  EXPECT_EQ(second.host(), "z:9");
  reply(second, net::SessionOpened{{9}});
  write("x");
  EXPECT_EQ(only().host(), "z:9");
}

}  // namespace
}  // namespace zraft::client::test
