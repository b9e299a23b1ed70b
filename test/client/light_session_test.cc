// SPDX-License-Identifier: Apache-2.0
//
// The light session: what it sends to whom, what it sends again, and above all what it does not.
#include "test/client/bench.h"

namespace zraft::client::test {
namespace {

const Error not_leader{Code::not_leader, "ask the leader"};

class LightSessionTest : public SessionBench {};

TEST_F(LightSessionTest, SaysHelloAndThenSendsTheRequest) {
  put("x");
  const std::string host = asked();
  ASSERT_FALSE(host.empty());
  EXPECT_EQ(network_.link(host).sent.front().kind, node::FrameKind::hello);
  const auto requests = requests_at(host);
  ASSERT_EQ(requests.size(), 1U);
  EXPECT_EQ(std::get<net::Propose>(requests[0].body).data, "x");
  EXPECT_EQ(std::get<net::Propose>(requests[0].body).group, "kv");
  answer_ok(host, "done");
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::ok);
  EXPECT_EQ(outcomes_[0].data, "done");
}

TEST_F(LightSessionTest, SendsNothingBeforeTheHostHasSaidWhoItIs) {
  put("x");
  ASSERT_EQ(network_.attempts.size(), 1U);
  network_.attempts[0]->open();
  EXPECT_EQ(sent_in_all(), 0U);
}

TEST_F(LightSessionTest, FollowsTheLeaderThatAHostNamesAndStaysThere) {
  put("x");
  answer(asked(), not_leader, "n@z:9");
  EXPECT_EQ(asked(), "z:9");
  answer_ok("z:9", "1");
  put("y");
  EXPECT_EQ(requests_at("z:9").size(), 2U);
  EXPECT_EQ(session_->leader(), "z:9");
}

TEST_F(LightSessionTest, PipelinesOnOneLink) {
  put("x");
  const std::string host = asked();
  answer_ok(host, "1");
  const std::size_t links = network_.attempts.size();
  for (int i = 0; i < 50; ++i) put("y");
  EXPECT_EQ(requests_at(host).size(), 51U);
  EXPECT_EQ(network_.attempts.size(), links);
}

TEST_F(LightSessionTest, TriesAReadAgainElsewhereWhenTheLinkBreaks) {
  get("q");
  const std::string first = asked();
  network_.link(first).close("gone");
  loop_.run_posted();
  const std::string second = asked();
  EXPECT_NE(second, first);
  answer_ok(second, "v");
  EXPECT_EQ(outcomes_.at(0).data, "v");
}

TEST_F(LightSessionTest, TriesAWriteAgainThatNeverWentOut) {
  put("x");
  const std::string first = network_.attempts.at(0)->address;
  network_.link(first).close("refused");
  loop_.run_posted();
  const std::string second = asked();
  EXPECT_NE(second, first);
  answer_ok(second, "1");
  EXPECT_EQ(outcomes_.at(0).error.code, Code::ok);
  EXPECT_EQ(sent_in_all(), 1U);
}

TEST_F(LightSessionTest, IgnoresAReplyThatCameTooLate) {
  put("x", Duration::milliseconds(100));
  const std::string host = asked();
  loop_.advance(Duration::milliseconds(200));
  ASSERT_EQ(outcomes_.size(), 1U);
  answer_ok(host, "late");
  EXPECT_EQ(outcomes_.size(), 1U);
}

TEST_F(LightSessionTest, AsksAnotherHostWhenOneHangs) {
  make({.hosts = {"a:1", "b:1", "c:1"}, .attempt_timeout = Duration::milliseconds(300)});
  get("q");
  const std::string silent = asked();
  loop_.advance(Duration::milliseconds(320));
  const std::string other = asked();
  EXPECT_NE(other, silent);
  answer_ok(other, "v");
  EXPECT_EQ(outcomes_.at(0).data, "v");
  get("r");
  EXPECT_NE(asked(), silent) << "it goes back to the host that hangs";
}

TEST_F(LightSessionTest, GivesUpALinkOnWhichNobodySaysHello) {
  make({.hosts = {"a:1", "b:1"}, .attempt_timeout = Duration::milliseconds(300)});
  put("x");
  const std::string silent = network_.attempts.at(0)->address;
  network_.link(silent).open();
  loop_.advance(Duration::milliseconds(320));
  EXPECT_EQ(network_.link(silent).handler, nullptr) << "a link that was half open stays, and all that waits for it";
  ASSERT_EQ(network_.attempts.size(), 2U);
  const std::string other = asked();
  EXPECT_NE(other, silent);
  answer_ok(other, "1");
  EXPECT_EQ(outcomes_.at(0).data, "1");
}

TEST_F(LightSessionTest, LeavesAHangingHostToTheWriteThatWasSentAndToNoOther) {
  make({.hosts = {"a:1", "b:1"}, .attempt_timeout = Duration::milliseconds(300)});
  put("x");
  const std::string silent = asked();
  loop_.advance(Duration::milliseconds(320));
  put("y");
  EXPECT_NE(asked(), silent);
  EXPECT_EQ(sent_in_all(), 2U);
  EXPECT_TRUE(outcomes_.empty());
}

TEST_F(LightSessionTest, SaysBusyWhenTooMuchIsUnderWay) {
  make({.hosts = {"a:1"}, .requests_max = 2});
  put("1");
  put("2");
  put("3");
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::busy);
}

TEST_F(LightSessionTest, SaysBusyWhenAHostDoesNotTakeInWhatIsSent) {
  make({.hosts = {"a:1"}, .queue_bytes_max = 100});
  put("1");
  (void)asked();
  network_.link("a:1").queued = 101;
  put("2");
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::busy);
}

TEST_F(LightSessionTest, TriesAgainWhatIsBusyUntilTheDeadline) {
  put("x", Duration::milliseconds(500));
  const std::string host = asked();
  answer(host, {Code::busy, "the log is full"});
  EXPECT_TRUE(outcomes_.empty());
  loop_.advance(Duration::milliseconds(100));
  answer(asked(), {Code::busy, "the log is full"});
  EXPECT_EQ(sent_in_all(), 2U);
  loop_.advance(Duration::milliseconds(600));
  ASSERT_EQ(outcomes_.size(), 1U);
}

TEST_F(LightSessionTest, SaysNotFoundOnlyWhenNoHostHasTheGroup) {
  put("x");
  for (int i = 0; i < 2; ++i) {
    answer(asked(), {Code::not_found, "no group kv"});
    EXPECT_TRUE(outcomes_.empty());
  }
  answer(asked(), {Code::not_found, "no group kv"});
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::not_found);
}

// A member that does not lead yet, and a host that is no member: the second says so again and again.
TEST_F(LightSessionTest, WaitsForALeaderWhereOnlySomeHostsHaveTheGroup) {
  make({.hosts = {"a:1", "b:1"}});
  put("x");
  for (int i = 0; i < 8; ++i) {
    const std::string host = asked();
    answer(host, host == "a:1" ? Error{Code::not_leader, "no leader is known"} : Error{Code::not_found, "no group kv"});
    loop_.advance(Duration::milliseconds(60));
    ASSERT_TRUE(outcomes_.empty()) << i;
  }
  while (asked() != "a:1") {
    answer("b:1", {Code::not_found, "no group kv"});
    loop_.advance(Duration::milliseconds(60));
  }
  answer_ok("a:1", "1");
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].data, "1");
}

TEST_F(LightSessionTest, HandsOnARefusalThatNobodyElseWouldChange) {
  for (const Code code : {Code::too_large, Code::bad_request, Code::timeout_unknown_outcome}) {
    outcomes_.clear();
    put("x");
    answer(asked(), {code, "no"});
    ASSERT_EQ(outcomes_.size(), 1U);
    EXPECT_EQ(outcomes_[0].error.code, code);
  }
}

TEST_F(LightSessionTest, AsksOneHostOnceWhateverItSays) {
  std::vector<net::Reply> replies;
  const auto take = [&](net::Reply reply) { replies.push_back(std::move(reply)); };
  session_->ask("q:7", net::GetStatus{}, loop_.now() + Duration::seconds(1), take);
  loop_.run_posted();
  ASSERT_EQ(asked(), "q:7");
  answer("q:7", not_leader, "n@z:9");
  ASSERT_EQ(replies.size(), 1U);
  EXPECT_EQ(replies[0].error.code, Code::not_leader);
  session_->ask("q:7", net::GetStatus{}, loop_.now() + Duration::seconds(1), take);
  loop_.run_posted();
  network_.link("q:7").close("gone");
  loop_.run_posted();
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_EQ(replies[1].error.code, Code::all_failed);
  EXPECT_EQ(network_.attempts_at("z:9"), 0U);
}

TEST_F(LightSessionTest, RefusesAHostOfAnotherVersion) {
  put("x", Duration::milliseconds(100));
  network_.attempts.at(0)->bring(node::FrameKind::hello,
                                 net::encode(net::Hello{.version = 99, .version_oldest = 99,
                                                        .role = net::Hello::Role::host, .name = "new"}));
  loop_.run_posted();
  EXPECT_EQ(sent_in_all(), 0U);
}

// --- cancelled ---

TEST_F(LightSessionTest, AWriteThatWasNotSentIsCancelledAndNeverSent) {
  const RequestNumber number = put("x");
  session_->cancel(number);
  EXPECT_TRUE(outcomes_.empty()) << "answered before the call returned";
  loop_.run_posted();
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::cancelled);
  EXPECT_EQ(asked(), "") << "it was sent all the same";
  EXPECT_EQ(session_->under_way(), 0U);
}

TEST_F(LightSessionTest, AWriteThatWasSentAndIsCancelledIsUnknownWhateverComesThen) {
  const RequestNumber number = put("x");
  const std::string host = asked();
  session_->cancel(number);
  answer_ok(host, "done");
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::timeout_unknown_outcome);
  session_->cancel(number);
  loop_.advance(Duration::seconds(6));
  EXPECT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(sent_in_all(), 1U);
}

TEST_F(LightSessionTest, AWriteThatWasRefusedAndWaitsIsCancelledForGood) {
  const RequestNumber number = put("x");
  answer(asked(), {Code::busy, "later"});
  session_->cancel(number);
  loop_.advance(Duration::seconds(1));
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::cancelled);
  EXPECT_EQ(sent_in_all(), 1U);
}

TEST_F(LightSessionTest, AReadIsCancelledEvenIfItWasSentAndNothingElseIs) {
  const RequestNumber number = get("x");
  ASSERT_NE(asked(), "");
  get("y");
  session_->cancel(number);
  answer_ok(asked(), "y");
  ASSERT_EQ(outcomes_.size(), 2U);
  EXPECT_EQ(outcomes_[0].error.code, Code::cancelled);
  EXPECT_EQ(outcomes_[1].data, "y");
}

TEST_F(LightSessionTest, WhatIsCancelledWhenItEndsIsNotAnswered) {
  session_->cancel(put("x"));
  session_.reset();
  loop_.run_posted();
  EXPECT_TRUE(outcomes_.empty());
}

TEST_F(LightSessionTest, AnswersNobodyAfterItsEnd) {
  put("x");
  session_.reset();
  loop_.advance(Duration::seconds(10));
  EXPECT_TRUE(outcomes_.empty());
}

// --- the weak points of the Erlang client ---

class WeakPoint : public SessionBench {};

TEST_F(WeakPoint, W01_TwoHostsThatNameEachOtherDoNotSpinAndTheDeadlineHolds) {
  make({.hosts = {"a:1", "b:1"}});
  get("q", Duration::milliseconds(500));
  for (int i = 0; i < 1000 && outcomes_.empty(); ++i) {
    if (const std::string host = asked(); !host.empty()) answer(host, not_leader, host == "a:1" ? "b@b:1" : "a@a:1");
    loop_.advance(Duration::milliseconds(1));
  }
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::timeout);
  EXPECT_LT(sent_in_all(), 80U);
}

TEST_F(WeakPoint, W02_AWriteThatWasSentAndNotAnsweredIsUnknownAndOneThatWasNotIsNotApplied) {
  put("sent", Duration::milliseconds(100));
  (void)asked();
  loop_.advance(Duration::milliseconds(120));
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::timeout_unknown_outcome);
  make();
  put("never sent", Duration::milliseconds(100));
  loop_.advance(Duration::milliseconds(120));
  ASSERT_EQ(outcomes_.size(), 2U);
  EXPECT_EQ(outcomes_[1].error.code, Code::timeout);
}

TEST_F(WeakPoint, W02_AWriteWhoseLinkBrokeIsUnknownAndIsNeverSentAgain) {
  put("x");
  const std::string host = asked();
  network_.link(host).close("gone");
  loop_.advance(Duration::seconds(10));
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::timeout_unknown_outcome);
  EXPECT_EQ(sent_in_all(), 1U);
}

TEST_F(WeakPoint, W03_W04_WhileThereIsNoLeaderItGoesOnUntilTheDeadline) {
  put("x", Duration::seconds(3));
  for (int i = 0; i < 40; ++i) {
    if (const std::string host = asked(); !host.empty()) answer(host, not_leader);
    loop_.advance(Duration::milliseconds(50));
  }
  EXPECT_TRUE(outcomes_.empty()) << "gave up after two of three seconds";
  std::string host = asked();
  for (; host.empty(); host = asked()) loop_.advance(Duration::milliseconds(1));
  answer_ok(host, "1");
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::ok);
}

TEST_F(LightSessionTest, TwoHostsThatNameEachOtherDoNotKeepARequestForEver) {
  make({.hosts = {"a:1", "b:1", "c:1"}});
  put("x", Duration::seconds(3));
  for (int i = 0; i < 60 && outcomes_.empty(); ++i) {
    const std::string host = asked();
    if (host == "c:1" && i < 5) answer(host, not_leader, "a@a:1");
    if (host == "c:1" && i >= 5) answer_ok(host, "1");
    if (host == "a:1" || host == "b:1") answer(host, not_leader, host == "a:1" ? "b@b:1" : "a@a:1");
    loop_.advance(Duration::milliseconds(50));
  }
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::ok);
}

TEST_F(WeakPoint, W05_AHostThatIsLoadingIsAskedAgainAfterAPause) {
  make({.hosts = {"a:1"}});
  put("x", Duration::seconds(2));
  for (int i = 0; i < 100; ++i) {
    if (!asked().empty()) answer("a:1", {Code::loading, "the group is being opened"});
    loop_.advance(Duration::milliseconds(1));
  }
  EXPECT_LT(sent_in_all(), 20U);
}

TEST_F(WeakPoint, W09_TheHostIsToldHowLongTheCallerWaitsAndNotUntilWhichHour) {
  put("x", Duration::milliseconds(1500));
  EXPECT_EQ(requests_at(asked()).at(0).timeout_ms, 1500U);
}

TEST_F(WeakPoint, W12_TheHostThatFailedIsLeftAloneAndNotAnother) {
  make({.hosts = {"c:1", "a:1", "b:1"}});
  put("1");
  answer(asked(), not_leader, "n@c:1");
  (void)asked();
  answer_ok("c:1", "ok");
  network_.link("c:1").close("gone");
  const std::size_t before = network_.attempts_at("c:1");
  for (int i = 0; i < 3; ++i) {
    get("q");
    const std::string host = asked();
    EXPECT_NE(host, "c:1");
    answer_ok(host, "v");
  }
  EXPECT_EQ(network_.attempts_at("c:1"), before);
}

TEST_F(WeakPoint, W13_BackOffGrowsWithFailuresAndMembersAreLearned) {
  make({.hosts = {"a:1"}});
  put("x", Duration::seconds(20));
  for (int i = 0; i < 20'000; ++i) {
    if (FakeLink& link = network_.link("a:1"); link.handler != nullptr) link.close("refused");
    loop_.advance(Duration::milliseconds(1));
  }
  const std::size_t attempts = network_.attempts_at("a:1");
  EXPECT_LT(attempts, 60U);
  EXPECT_GT(attempts, 15U) << "a second is the longest pause";
  ASSERT_EQ(outcomes_.size(), 1U);
  EXPECT_EQ(outcomes_[0].error.code, Code::all_failed);
  EXPECT_NE(outcomes_[0].error.text.find("refused"), std::string::npos);
}

}  // namespace
}  // namespace zraft::client::test
