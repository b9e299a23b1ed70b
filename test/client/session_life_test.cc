// SPDX-License-Identifier: Apache-2.0
//
// How long a client's session lives, and what its client is told of that: keep-alives, suspense, expiry, closing, and
// going on with one that is known. In steps of the bench, which are 10 ms.
#include "test/client/long_bench.h"

namespace zraft::client::test {
namespace {

using Words = std::vector<std::string>;

const Error expired{Code::session_expired, "there is no such session"};

class SessionLifeTest : public LongBench {};

// --- to stay alive ---

TEST_F(SessionLifeTest, KeepsItselfAliveEveryThirdOfItsTimeout) {
  open();
  write("x");
  wait_ms(200);
  reply(only(), net::Data{"1"});
  wait_ms(780);
  EXPECT_TRUE(fresh().empty());
  wait_ms(40);
  const Ask alive = only();
  EXPECT_EQ(alive.body<net::KeepAlive>().session.value, 9U);
  EXPECT_EQ(alive.body<net::KeepAlive>().acknowledged, 1U);
  reply(alive, net::Nothing{});
  wait_ms(960);
  EXPECT_TRUE(fresh().empty());
  wait_ms(60);
  EXPECT_TRUE(only().is<net::KeepAlive>());
}

// W-20: what keeps it alive anyway needs no keep-alive beside it.
TEST_F(SessionLifeTest, SendsNoKeepAliveWhileItsWritesAreAnswered) {
  open();
  for (int i = 0; i < 20; ++i) {
    write("x");
    const auto asks = fresh();
    ASSERT_EQ(asks.size(), 1U);
    EXPECT_TRUE(asks[0].is<net::SessionWrite>());
    reply(asks[0], net::Data{"1"});
    wait_ms(500);
  }
}

// W-19: the client learns by its own clock that nobody has confirmed its session.
TEST_F(SessionLifeTest, W19_IsSuspendedWhenNobodyConfirmsItAndConnectedWhenSomebodyDoes) {
  open();
  wait_ms(1010);
  Ask alive = only();
  EXPECT_EQ(states_, Words{"connected"});
  wait_ms(340);
  EXPECT_EQ(states_, (Words{"connected", "suspended"}));
  EXPECT_EQ(long_->state(), SessionState::suspended);
  for (int i = 0; i < 100 && states_.size() == 2; ++i) {
    for (const Ask& ask : fresh()) reply(ask, net::Nothing{});
    wait_ms(10);
  }
  EXPECT_EQ(states_, (Words{"connected", "suspended", "connected"}));
}

// W-19: for those who hold locks.
TEST_F(SessionLifeTest, W19_IsSafeForItsTimeoutFromTheSendingOfWhatWasAnswered) {
  open();
  EXPECT_EQ(long_->safe_until(), in_ms(3000));
  wait_ms(1010);
  const Instant sent = loop_.now();
  const Ask alive = only();
  wait_ms(200);
  reply(alive, net::Nothing{});
  EXPECT_GT(long_->safe_until(), sent + Duration::milliseconds(2980));
  EXPECT_LE(long_->safe_until(), sent + Duration::milliseconds(3000));
  const Instant before = long_->safe_until();
  write("x");
  const Instant written = loop_.now();
  const Ask ask = only();
  reply(ask, {Code::busy, "later"});
  EXPECT_EQ(long_->safe_until(), before) << "what was refused has renewed nothing";
  wait_ms(100);
  reply(only(), net::Data{"1"});
  EXPECT_GT(long_->safe_until(), written + Duration::milliseconds(3000));
}

// Of two attempts one was answered, and nobody knows which: the earlier counts.
TEST_F(SessionLifeTest, IsSafeOnlyFromTheFirstAttemptOfWhichNothingIsKnown) {
  make(two_hosts());
  start();
  reply(only(), net::SessionOpened{{9}});
  write("x");
  const Instant first = loop_.now();
  (void)only();
  wait_ms(320);
  reply(only(), net::Data{"1"});
  EXPECT_EQ(long_->safe_until(), first + Duration::milliseconds(3000));
}

TEST_F(SessionLifeTest, AHostThatHangsDoesNotCostTheSession) {
  make({.hosts = {"a:1", "b:1"}, .attempt_timeout = Duration::seconds(5)});
  start();
  const Ask opening = only();
  reply(opening, net::SessionOpened{{9}});
  wait_ms(1010);
  const Ask silent = only();
  EXPECT_EQ(silent.host(), opening.host());
  wait_ms(520);
  const Ask elsewhere = only();
  EXPECT_NE(elsewhere.host(), silent.host());
  reply(elsewhere, net::Nothing{});
  EXPECT_LT(loop_.now(), long_->safe_until());
}

// --- to end ---

TEST_F(SessionLifeTest, IsExpiredWhenTheGroupSaysSo) {
  open();
  wait_ms(1010);
  reply(only(), expired);
  EXPECT_EQ(states_, (Words{"connected", "expired"}));
  EXPECT_EQ(long_->safe_until(), Instant{});
  EXPECT_EQ(write("x"), 0U);
  loop_.run_posted();
  EXPECT_EQ(told(0), "x: session_expired");
  wait_ms(10'000);
  EXPECT_TRUE(fresh().empty()) << "it goes on by itself";
}

TEST_F(SessionLifeTest, TellsWritesOfAnExpiredSessionWhatIsKnownOfEach) {
  make(two_hosts());
  start();
  reply(only(), net::SessionOpened{{9}});
  write("in doubt");
  only().link->close("gone");
  write("refused");
  auto asks = fresh();
  ASSERT_EQ(asks.size(), 2U);
  write("answered");
  const Ask third = only();
  reply(asks[1], expired);
  EXPECT_EQ(told(0), "refused: session_expired");
  reply(asks[0], expired);
  EXPECT_EQ(told(1), "in doubt: timeout_unknown_outcome");
  reply(third, net::Data{"before the end"});
  EXPECT_EQ(told(2), "answered: before the end");
  EXPECT_EQ(states_, (Words{"connected", "expired"}));
}

TEST_F(SessionLifeTest, ClosesAndTellsWhenThatIsDone) {
  open();
  Words closed;
  const auto done = [&](Result<> result) {
    closed.push_back(result ? "ok" : std::string(name_of(result.error().code)));
  };
  long_->close(in_ms(1000), done);
  EXPECT_EQ(long_->safe_until(), Instant{}) << "it may be over at any moment";
  const Ask ask = only();
  EXPECT_EQ(ask.body<net::CloseSession>().session.value, 9U);
  EXPECT_TRUE(closed.empty());
  EXPECT_EQ(write("x"), 0U);
  reply(ask, net::Nothing{});
  EXPECT_EQ(closed, Words{"ok"});
  EXPECT_EQ(states_, (Words{"connected", "closed"}));
  EXPECT_EQ(told(0), "x: stopped");
  long_->close(in_ms(1000), done);
  loop_.run_posted();
  EXPECT_EQ(closed, (Words{"ok", "ok"}));
}

// The leader ends the session's watches with it, and they may hear so before the close is answered.
TEST_F(SessionLifeTest, IsClosedWhenAWatchHearsOfItsCloseFirst) {
  open();
  long_->watch({.is_persistent = true, .query = "get x"}, in_ms(1000), on_event());
  const Ask watch = only();
  reply(watch, net::Watching{.data = "1", .index = {7}, .watchable = {{"x", false}}});
  Words closed;
  long_->close(in_ms(500),
               [&](Result<> result) { closed.push_back(result ? "ok" : std::string(name_of(result.error().code))); });
  const Ask ask = only();
  tell(watch, {.what = net::WatchEvent::What::closed, .is_last = true, .index = {}, .changes = {}, .error = expired});
  EXPECT_TRUE(closed.empty());
  reply(ask, net::Nothing{});
  EXPECT_EQ(closed, Words{"ok"});
  EXPECT_EQ(states_, (Words{"connected", "closed"}));
}

TEST_F(SessionLifeTest, ClosesWithoutAnAnswerAtItsDeadline) {
  open();
  Words closed;
  long_->close(in_ms(500),
               [&](Result<> result) { closed.push_back(result ? "ok" : std::string(name_of(result.error().code))); });
  (void)only();
  wait_ms(520);
  EXPECT_EQ(closed, Words{"timeout_unknown_outcome"});
  EXPECT_EQ(long_->state(), SessionState::closed);
}

TEST_F(SessionLifeTest, ClosesWhatIsOpenedTooLate) {
  start();
  const Ask opening = only();
  Words closed;
  long_->close(in_ms(100),
               [&](Result<> result) { closed.push_back(result ? "ok" : std::string(name_of(result.error().code))); });
  wait_ms(120);
  EXPECT_EQ(closed, Words{"timeout_unknown_outcome"});
  reply(opening, net::SessionOpened{{9}});
  EXPECT_EQ(only().body<net::CloseSession>().session.value, 9U);
}

TEST_F(SessionLifeTest, AnswersNobodyAfterItsEnd) {
  open();
  write("x");
  const Ask ask = only();
  long_->watch({.query = "get x"}, in_ms(1000), on_event());
  const Ask watch = only();
  long_.reset();
  reply(ask, net::Data{"1"});
  reply(watch, net::Watching{.data = "1", .index = {7}, .watchable = {{"x", false}}});
  (void)fresh();
  EXPECT_EQ(cancels_, std::vector<std::uint64_t>{watch.request.id});
  changed(watch, 8);
  wait_ms(10'000);
  EXPECT_TRUE(told_.empty());
  EXPECT_TRUE(events_.empty());
}

// --- to go on elsewhere ---

// W-19: a session outlives the process that opened it.
TEST_F(SessionLifeTest, W19_GoesOnWithASessionThatIsKnown) {
  start({.timeout = Duration::seconds(3), .resume = SessionOptions::Known{.id = {9}, .last_sequence = 40}});
  write("x");
  const Ask alive = only();
  EXPECT_EQ(alive.body<net::KeepAlive>().session.value, 9U);
  EXPECT_EQ(alive.body<net::KeepAlive>().acknowledged, 40U);
  reply(alive, net::Nothing{});
  EXPECT_EQ(states_, Words{"connected"});
  const Ask sent = only();
  EXPECT_EQ(sent.body<net::SessionWrite>().sequence, 41U);
  EXPECT_EQ(sent.body<net::SessionWrite>().acknowledged, 40U);
}

TEST_F(SessionLifeTest, SaysThatTheSessionIsOverWithWhichItWasToGoOn) {
  start({.timeout = Duration::seconds(3), .resume = SessionOptions::Known{.id = {9}, .last_sequence = 40}});
  write("x");
  reply(only(), expired);
  EXPECT_EQ(states_, Words{"expired"});
  EXPECT_EQ(told(0), "x: session_expired");
  EXPECT_TRUE(fresh().empty());
}

// --- watches of a session ---

TEST_F(SessionLifeTest, ItsWatchesCarryItAndWaitUntilItIsOpen) {
  start();
  long_->watch({.query = "get x"}, in_ms(1000), on_event());
  reply(only(), net::SessionOpened{{9}});
  EXPECT_EQ(only().body<net::Watch>().session.value, 9U);
}

TEST_F(SessionLifeTest, ItsWatchesEndWithIt) {
  open();
  long_->watch({.is_persistent = true, .query = "get x"}, in_ms(1000), on_event());
  const Ask watch = only();
  reply(watch, net::Watching{.data = "1", .index = {7}, .watchable = {{"x", false}}});
  tell(watch, {.what = net::WatchEvent::What::closed, .is_last = true, .index = {}, .changes = {}, .error = expired});
  EXPECT_EQ(events_, (Words{"set 7 1", "closed session_expired (last)"}));
  EXPECT_EQ(states_, (Words{"connected", "expired"}));
}

}  // namespace
}  // namespace zraft::client::test
