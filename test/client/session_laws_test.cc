// SPDX-License-Identifier: Apache-2.0
//
// The laws of sessions and watches against a group that loses requests, carries them out late, loses answers, changes
// its leader and hangs, by chance and by seed. What the group has done is held against what the client was told:
//   - nothing is applied twice; what was told `ok` was applied; what was told that it was not applied never is;
//   - one session is opened; it is never ended before the client's own clock says that it may be;
//   - a persistent watch is told of every change behind where it was set, once and in order.
#include <algorithm>
#include <set>

#include "test/client/long_bench.h"

namespace zraft::client::test {
namespace {

class SessionLawsTest : public LongBench {
 protected:
  struct Late {
    Instant when;
    Ask ask;
    std::shared_ptr<FakeLink> link;
    bool is_answered;
  };
  static constexpr Duration timeout = Duration::seconds(2);

  void run(std::uint64_t seed, bool may_expire) {
    random_.emplace(seed);
    make({.hosts = {"a:1", "b:1", "c:1"}, .attempt_timeout = Duration::milliseconds(300)});
    long_.emplace(loop_, *session_, SessionOptions{.timeout = timeout}, Random(seed), nullptr);
    long_->watch({.is_persistent = true, .query = "all"}, in_ms(20'000), [this](Event event) { take(event); });
    for (int step = 0; step < 1500; ++step) {
      const bool is_wild = step < 1000;
      if (is_wild && random_->chance(60'000)) begin_write();
      if (is_wild && random_->chance(5'000)) change_leader();
      if (is_wild && random_->chance(3'000)) is_hanging_[leader_] = !is_hanging_[leader_];
      if (!is_wild) is_hanging_.clear();
      for (Ask& ask : fresh()) receive(std::move(ask), is_wild);
      carry_out();
      if (may_expire && is_open_ && loop_.now() - seen_ >= timeout) expire();
      wait_ms(10);
    }
    while (!late_.empty()) {
      wait_ms(100);
      carry_out();
    }
    check(seed);
  }

  void begin_write() {
    const std::string text = "w" + std::to_string(++count_);
    const std::uint64_t sequence = write(text, random_->between(50, 3000));
    if (!random_->chance(100'000)) return;
    loop_.wake_at(in_ms(random_->between(0, 400)), [this, sequence] { long_->cancel_write(sequence); });
  }

  void change_leader() {
    for (const auto& [link, id] : std::exchange(watches_, {})) {
      if (link->handler == nullptr) continue;
      link->bring(node::FrameKind::watch_event,
                  net::encode(net::WatchEvent{.watch = id,
                                              .what = net::WatchEvent::What::leader_changed,
                                              .is_last = true,
                                              .index = {},
                                              .changes = {},
                                              .error = {Code::leader_changed, "another leads"}}));
    }
    leader_ = std::string(1, static_cast<char>('a' + random_->below(3))) + ":1";
  }

  void receive(Ask ask, bool is_wild) {
    const auto link = *std::ranges::find(network_.attempts, ask.link, [](const auto& one) { return one.get(); });
    if (is_wild && is_hanging_[ask.host()]) return;
    if (ask.host() != leader_) {
      return reply(ask, {Code::not_leader, "no"}, random_->chance(500'000) ? "n@" + leader_ : "");
    }
    if (is_wild && random_->chance(50'000)) return reply(ask, {Code::busy, "later"});
    const bool is_late = is_wild && random_->chance(200'000);
    const bool is_answered = !is_wild || !random_->chance(150'000);
    const Instant when = is_late ? in_ms(random_->between(10, 1500)) : loop_.now();
    late_.push_back({when, std::move(ask), link, is_answered});
  }

  void carry_out() {
    for (std::size_t i = 0; i < late_.size();) {
      if (late_[i].when > loop_.now()) {
        ++i;
        continue;
      }
      Late one = std::move(late_[i]);
      late_.erase(late_.begin() + static_cast<std::ptrdiff_t>(i));
      const bool is_watch = one.ask.is<net::Watch>();
      if (is_watch && one.ask.host() != leader_) {
        reply(one.ask, {Code::not_leader, "no"});
        continue;
      }
      auto answer = std::visit([&](const auto& body) { return on(body); }, one.ask.request.body);
      if (!one.is_answered) {
        if (one.link->handler != nullptr && random_->chance(500'000)) one.link->close("gone");
        loop_.run_posted();
        continue;
      }
      if (is_watch && one.link->handler != nullptr) watches_.emplace_back(one.link, one.ask.request.id);
      reply(one.ask, answer.error, {}, std::move(answer.body));
      if (is_watch) catch_up(one);
    }
  }

  net::Reply on(const net::OpenSession& open) {
    nonces_.insert(open.nonce[0]);
    if (session_id_ == 0) is_open_ = true, session_id_ = 9;
    see();
    return {.error = {}, .leader = {}, .body = net::SessionOpened{{9}}};
  }
  net::Reply on(const net::KeepAlive& alive) {
    if (!is_open_) return over();
    see();
    acknowledge(alive.acknowledged);
    return {.error = {}, .leader = {}, .body = net::Nothing{}};
  }
  net::Reply on(const net::SessionWrite& write) {
    if (!is_open_) return over();
    see();
    acknowledge(write.acknowledged);
    if (write.sequence <= acknowledged_) {
      return {.error = {Code::bad_request, "acknowledged"}, .leader = {}, .body = {}};
    }
    if (!replies_.contains(write.sequence)) {
      replies_[write.sequence] = "r" + write.data;
      applied_.push_back(write.data);
      tell_watches();
    }
    return {.error = {}, .leader = {}, .body = net::Data{replies_[write.sequence]}};
  }
  net::Reply on(const net::Watch& watch) {
    asked_after_ = watch.after ? watch.after->value : applied_.size();
    return {.error = {}, .leader = {}, .body = net::Watching{.data = "", .index = {asked_after_},
                                                             .watchable = {{"x", false}}}};
  }
  template <class Body>
  net::Reply on(const Body&) {
    return {.error = {Code::bad_request, "no"}, .leader = {}, .body = {}};
  }

  net::Reply over() { return {.error = {Code::session_expired, "over"}, .leader = {}, .body = {}}; }
  void see() { seen_ = loop_.now(); }
  void acknowledge(std::uint64_t up_to) {
    acknowledged_ = std::max(acknowledged_, up_to);
    std::erase_if(replies_, [this](const auto& reply) { return reply.first <= acknowledged_; });
  }
  void expire() {
    is_open_ = false;
    replies_.clear();
    EXPECT_LE(long_->safe_until(), loop_.now());
  }

  // The index of a change is its place among the writes that were applied, from 1.
  void send_change(const std::shared_ptr<FakeLink>& link, std::uint64_t id, std::size_t index) {
    if (link->handler == nullptr) return;
    link->bring(node::FrameKind::watch_event,
                net::encode(net::WatchEvent{
                    .watch = id, .index = {index}, .changes = {{"x", applied_[index - 1]}}, .error = {}}));
  }
  void tell_watches() {
    for (const auto& [link, id] : std::vector(watches_)) send_change(link, id, applied_.size());
  }
  void catch_up(const Late& one) {
    for (std::size_t i = asked_after_ + 1; i <= applied_.size(); ++i) send_change(one.link, one.ask.request.id, i);
  }

  void take(const Event& event) {
    if (event.what == Event::What::set) next_ = event.index.value + 1;
    if (event.what == Event::What::changed) {
      EXPECT_EQ(event.index.value, next_++) << "a gap, a repetition, or out of order";
      EXPECT_EQ(event.changes.at(0).event, applied_.at(event.index.value - 1));
    }
    if (event.what == Event::What::closed) is_closed_ = true;
  }

  void check(std::uint64_t seed) {
    EXPECT_LE(nonces_.size(), 1U) << seed;
    EXPECT_EQ(told_.size(), count_) << seed << ": each is told once";
    for (const auto& [text, outcome] : told_) {
      const auto times = std::ranges::count(applied_, text);
      EXPECT_LE(times, 1) << seed << ": " << text;
      if (outcome.error.code == Code::timeout_unknown_outcome) continue;
      const bool is_ok = outcome.error.code == Code::ok;
      EXPECT_EQ(times, is_ok ? 1 : 0) << seed << ": " << text << " " << name_of(outcome.error.code);
      if (is_ok) {
        EXPECT_EQ(outcome.data, "r" + text) << seed;
      }
    }
    if (is_closed_ || next_ == 0) return;
    EXPECT_EQ(next_, applied_.size() + 1) << seed << ": the watch has missed the last";
  }

  std::optional<Random> random_;
  std::string leader_ = "a:1";
  std::map<std::string, bool> is_hanging_;
  std::vector<Late> late_;
  std::size_t count_ = 0;
  bool is_open_ = false;
  std::uint64_t session_id_ = 0;
  std::set<std::uint64_t> nonces_;
  Instant seen_;
  std::uint64_t acknowledged_ = 0;
  std::map<std::uint64_t, Bytes> replies_;
  std::vector<Bytes> applied_;
  std::vector<std::pair<std::shared_ptr<FakeLink>, std::uint64_t>> watches_;
  std::size_t asked_after_ = 0;
  std::uint64_t next_ = 0;
  bool is_closed_ = false;
};

class EverySeed : public SessionLawsTest, public testing::WithParamInterface<std::uint64_t> {};

TEST_P(EverySeed, HoldsWhateverTheGroupLosesAndDelays) { run(GetParam(), false); }
TEST_P(EverySeed, HoldsWhenTheSessionMayExpire) { run(GetParam(), true); }

INSTANTIATE_TEST_SUITE_P(SessionLaws, EverySeed, testing::Range<std::uint64_t>(1, 31));

}  // namespace
}  // namespace zraft::client::test
