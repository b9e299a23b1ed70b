// SPDX-License-Identifier: Apache-2.0
//
// Watches of a client, without a session: what is told in which order, and how they outlive links and leaders.
#include "test/client/long_bench.h"

namespace zraft::client::test {
namespace {

using Words = std::vector<std::string>;
using What = net::WatchEvent::What;

class WatchTest : public LongBench {
 protected:
  void SetUp() override {
    make(two_hosts());
    watches_.emplace(loop_, *session_, Random(5));
  }
  void TearDown() override { watches_.reset(); }

  WatchNumber watch(bool is_persistent, std::int64_t ms = 1000) {
    return watches_->watch({.is_persistent = is_persistent, .query = "get x"}, in_ms(ms), on_event());
  }
  // Set at index 7, where the query gave 1.
  Ask set(const Ask& ask) {
    reply(ask, net::Watching{.data = "1", .index = {7}, .watchable = {{"x", false}, {"y/", true}}});
    return ask;
  }
  void end(const Ask& ask, What what, Error why) {
    tell(ask, {.what = what, .is_last = true, .index = {}, .changes = {}, .error = std::move(why)});
  }
  void progress(const Ask& ask, std::uint64_t index) {
    tell(ask, {.what = What::progress, .index = {index}, .changes = {}, .error = {}});
  }
  // It goes on: what is asked says where.
  Ask resumed(std::uint64_t after) {
    const Ask ask = only();
    if (ask.link == nullptr) return ask;
    EXPECT_EQ(ask.body<net::Watch>().after, raft::Index{after});
    EXPECT_EQ(ask.body<net::Watch>().watchable.size(), 2U);
    reply(ask, net::Watching{.data = "", .index = {after}, .watchable = ask.body<net::Watch>().watchable});
    return ask;
  }

  std::optional<Watches> watches_;
};

const Error link_text{Code::leader_changed, "b leads"};

TEST_F(WatchTest, SaysWhatTheQueryGaveAndThenWhatChanges) {
  watch(true);
  const Ask ask = only();
  EXPECT_EQ(ask.body<net::Watch>().query, "get x");
  EXPECT_EQ(ask.body<net::Watch>().session.value, 0U);
  EXPECT_TRUE(ask.body<net::Watch>().is_persistent);
  EXPECT_TRUE(events_.empty());
  set(ask);
  changed(ask, 9);
  changed(ask, 12);
  EXPECT_EQ(events_, (Words{"set 7 1", "changed 9", "changed 12"}));
}

TEST_F(WatchTest, IsSetAtTheLeader) {
  watch(true);
  reply(only(), {Code::not_leader, "no"}, "n@z:9");
  const Ask ask = only();
  EXPECT_EQ(ask.host(), "z:9");
  set(ask);
  EXPECT_EQ(events_, Words{"set 7 1"});
}

TEST_F(WatchTest, IsClosedIfItIsNotSetInTime) {
  is_dead_["a:1"] = is_dead_["b:1"] = true;
  watch(true, 500);
  wait_ms(520);
  EXPECT_EQ(events_, Words{"closed all_failed (last)"});
  EXPECT_EQ(watches_->size(), 0U);
}

TEST_F(WatchTest, IsClosedIfTheQuerySetsNone) {
  watch(true);
  reply(only(), {Code::bad_request, "such a query sets no watch"});
  EXPECT_EQ(events_, Words{"closed bad_request (last)"});
}

// --- one-shot ---

TEST_F(WatchTest, AOneShotEndsWithItsFirstChange) {
  watch(false);
  const Ask ask = set(only());
  changed(ask, 9, true);
  changed(ask, 10);
  EXPECT_EQ(events_, (Words{"set 7 1", "changed 9 (last)"}));
  EXPECT_EQ(watches_->size(), 0U);
}

TEST_F(WatchTest, AOneShotIsToldThatTheLeaderChanged) {
  watch(false);
  end(set(only()), What::leader_changed, link_text);
  EXPECT_EQ(events_, (Words{"set 7 1", "leader_changed (last)"}));
  wait_ms(1000);
  EXPECT_TRUE(fresh().empty());
}

TEST_F(WatchTest, AOneShotIsToldThatTheLeaderChangedWhenItsLinkBreaks) {
  watch(false);
  set(only()).link->close("gone");
  wait_ms(1000);
  EXPECT_EQ(events_, (Words{"set 7 1", "leader_changed (last)"}));
}

TEST_F(WatchTest, AOneShotThatIsNotSetYetIsAskedForElsewhere) {
  watch(false);
  only().link->close("gone");
  set(only());
  EXPECT_EQ(events_, Words{"set 7 1"});
}

// --- persistent ---

TEST_F(WatchTest, GoesOnBehindTheLastThatItWasToldWhenTheLinkBreaks) {
  watch(true);
  const Ask first = set(only());
  changed(first, 9);
  first.link->close("gone");
  wait_ms(10);
  const Ask second = resumed(9);
  EXPECT_NE(second.host(), first.host());
  changed(second, 10);
  EXPECT_EQ(events_, (Words{"set 7 1", "changed 9", "changed 10"})) << "a gap, a repetition, or a word too much";
}

TEST_F(WatchTest, GoesOnAtTheNextLeader) {
  watch(true);
  const Ask first = set(only());
  end(first, What::leader_changed, link_text);
  wait_ms(10);
  Ask again = only();
  reply(again, {Code::not_leader, "no"}, "n@z:9");
  again = resumed(7);
  EXPECT_EQ(again.host(), "z:9");
  changed(again, 11);
  EXPECT_EQ(events_, (Words{"set 7 1", "changed 11"}));
}

TEST_F(WatchTest, ProgressMovesWhereItGoesOnAndIsNotTold) {
  const WatchNumber number = watch(true);
  const Ask first = set(only());
  progress(first, 500);
  EXPECT_EQ(watches_->position(number)->after, raft::Index{500});
  first.link->close("gone");
  wait_ms(10);
  changed(resumed(500), 501);
  EXPECT_EQ(events_, (Words{"set 7 1", "changed 501"}));
}

TEST_F(WatchTest, TellsNothingTwiceAndNothingOutOfOrder) {
  watch(true);
  const Ask ask = set(only());
  changed(ask, 7);
  changed(ask, 9);
  changed(ask, 9);
  changed(ask, 8);
  changed(ask, 10);
  EXPECT_EQ(events_, (Words{"set 7 1", "changed 9", "changed 10"}));
}

TEST_F(WatchTest, SaysThatChangesMayHaveBeenMissedWhenTheLeaderDoesNotRememberThem) {
  watch(true);
  end(set(only()), What::leader_changed, link_text);
  wait_ms(10);
  // A host without the group is no reason.
  reply(only(), {Code::not_found, "no group kv"});
  EXPECT_EQ(events_, Words{"set 7 1"});
  reply(only(), {Code::not_leader, "no"}, "n@z:9");
  reply(only(), {Code::compacted, "only those behind 90 are remembered"});
  EXPECT_EQ(events_, (Words{"set 7 1", "closed compacted (last)"}));
}

TEST_F(WatchTest, GoesOnAfterAHostThatCouldNotSendFastEnough) {
  watch(true);
  end(set(only()), What::closed, {Code::busy, "too slow"});
  wait_ms(10);
  changed(resumed(7), 8);
  EXPECT_EQ(events_, (Words{"set 7 1", "changed 8"}));
}

TEST_F(WatchTest, DoesNotSpinWhereItEndsAgainAndAgain) {
  watch(true);
  Ask ask = set(only());
  std::size_t asked = 0;
  for (int i = 0; i < 500; ++i) {
    for (const Ask& again : fresh()) {
      ++asked;
      reply(again, net::Watching{.data = "", .index = {7}, .watchable = {{"x", false}}});
      end(again, What::closed, {Code::stopped, "it stops"});
    }
    if (i == 0) end(ask, What::closed, {Code::stopped, "it stops"});
    wait_ms(10);
  }
  EXPECT_GT(asked, 4U);
  EXPECT_LT(asked, 20U);
}

TEST_F(WatchTest, FindsOutThatAHostHangs) {
  watch(true);
  const Ask first = set(only());
  is_dead_[first.host()] = true;
  std::vector<Ask> again;
  for (int i = 0; i < 200 && again.empty(); ++i) {
    wait_ms(10);
    again = fresh();
  }
  ASSERT_EQ(again.size(), 1U);
  EXPECT_NE(again[0].host(), first.host());
  EXPECT_EQ(again[0].body<net::Watch>().after, raft::Index{7});
}

TEST_F(WatchTest, GoesOnFromAPositionOfAnotherProcess) {
  const WatchPosition from{.after = {30}, .watchable = {{"x", false}, {"y", true}}};
  watches_->watch({.is_persistent = true, .from = from}, in_ms(1000), on_event());
  changed(resumed(30), 31);
  EXPECT_EQ(events_, (Words{"set 30 ", "changed 31"}));
}

// --- cancel ---

TEST_F(WatchTest, TellsNothingAfterItWasCancelled) {
  const WatchNumber number = watch(true);
  const Ask ask = set(only());
  watches_->cancel(number);
  changed(ask, 9);
  end(ask, What::leader_changed, link_text);
  (void)fresh();
  EXPECT_EQ(cancels_, std::vector<std::uint64_t>{ask.request.id});
  wait_ms(2000);
  EXPECT_EQ(events_, Words{"set 7 1"});
  EXPECT_TRUE(fresh().empty());
  EXPECT_FALSE(watches_->position(number).has_value());
}

TEST_F(WatchTest, MayBeCancelledWhileItIsTold) {
  WatchNumber number;
  int told = 0;
  number = watches_->watch({.is_persistent = true, .query = "get x"}, in_ms(1000), [&](Event) {
    if (++told == 2) watches_->cancel(number);
  });
  const Ask ask = set(only());
  changed(ask, 9);
  changed(ask, 10);
  EXPECT_EQ(told, 2);
}

TEST_F(WatchTest, AWatchThatIsSetAfterItWasCancelledIsEndedAtTheHost) {
  const WatchNumber number = watch(true);
  const Ask ask = only();
  watches_->cancel(number);
  set(ask);
  (void)fresh();
  EXPECT_EQ(cancels_, std::vector<std::uint64_t>{ask.request.id});
  EXPECT_TRUE(events_.empty());
}

// The host that was slow has set it as well: each attempt has its own id, and the late one is ended.
TEST_F(WatchTest, IsSetOnceWhereverItWasAskedFor) {
  watch(true);
  const Ask slow = only();
  wait_ms(320);
  const Ask second = only();
  EXPECT_NE(second.request.id, slow.request.id);
  set(second);
  set(slow);
  (void)fresh();
  EXPECT_EQ(cancels_, std::vector<std::uint64_t>{slow.request.id});
  changed(slow, 9);
  changed(second, 9);
  EXPECT_EQ(events_, (Words{"set 7 1", "changed 9"}));
}

TEST_F(WatchTest, TellsNothingAfterItsEnd) {
  watch(true);
  const Ask ask = set(only());
  watches_.reset();
  changed(ask, 9);
  ask.link->close("gone");
  wait_ms(5000);
  EXPECT_EQ(events_, Words{"set 7 1"});
}

class Watch_WeakPoint : public WatchTest {};

TEST_F(Watch_WeakPoint, W21_AWatchHasOneLastEventAndNoneAfterARefusal) {
  watch(false);
  reply(only(), {Code::bad_request, "no"});
  EXPECT_EQ(events_, Words{"closed bad_request (last)"});
  events_.clear();
  watch(false);
  const Ask ask = set(only());
  changed(ask, 9, true);
  end(ask, What::leader_changed, link_text);
  ask.link->close("gone");
  wait_ms(1000);
  EXPECT_EQ(events_, (Words{"set 7 1", "changed 9 (last)"}));
}

}  // namespace
}  // namespace zraft::client::test
