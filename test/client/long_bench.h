// SPDX-License-Identifier: Apache-2.0
//
// A session or watches on the bench: the test plays the hosts. Every host that is connected says hello by itself; each
// request is given to the test once, and answered when and how the test says.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/client/bench.h"
#include "zraft/client/session.h"

namespace zraft::client::test {

class LongBench : public SessionBench {
 protected:
  struct Ask {
    FakeLink* link;
    net::Request request;
    [[nodiscard]] std::string host() const { return link->address; }
    template <class Body>
    [[nodiscard]] const Body& body() const {
      return std::get<Body>(request.body);
    }
    template <class Body>
    [[nodiscard]] bool is() const {
      return std::holds_alternative<Body>(request.body);
    }
  };

  static Settings one_host() { return {.hosts = {"a:1"}, .attempt_timeout = Duration::milliseconds(300)}; }
  static Settings two_hosts() { return {.hosts = {"a:1", "b:1"}, .attempt_timeout = Duration::milliseconds(300)}; }
  void SetUp() override { make(one_host()); }
  void TearDown() override { long_.reset(); }

  Instant in(Duration duration) const { return loop_.now() + duration; }
  Instant in_ms(std::int64_t ms) const { return in(Duration::milliseconds(ms)); }

  // In steps, so that links come up meanwhile.
  void wait_ms(std::int64_t ms) {
    for (; ms > 0; ms -= 10) {
      greet_all();
      loop_.advance(Duration::milliseconds(std::min<std::int64_t>(ms, 10)));
    }
    greet_all();
  }
  void greet_all() {
    loop_.run_posted();
    for (std::size_t i = 0; i < network_.attempts.size(); ++i) {
      const auto link = network_.attempts[i];
      if (link->handler == nullptr || greeted_[link.get()] || is_dead_[link->address]) continue;
      greeted_[link.get()] = true;
      link->open();
      link->bring(node::FrameKind::hello,
                  net::encode(net::Hello{.role = net::Hello::Role::host, .name = link->address}));
      loop_.run_posted();
    }
  }

  // What came to the hosts and was not given before, but for what ends or probes a watch.
  std::vector<Ask> fresh() {
    greet_all();
    std::vector<Ask> out;
    for (const auto& link : network_.attempts) {
      std::size_t& from = taken_[link.get()];
      for (; from < link->sent.size(); ++from) {
        if (link->sent[from].kind != node::FrameKind::request) continue;
        Ask ask{link.get(), *net::decode_request(link->sent[from].body)};
        if (const auto* cancel = std::get_if<net::CancelWatch>(&ask.request.body)) {
          cancels_.push_back(cancel->watch);
          if (!is_dead_[ask.host()]) reply(ask, net::Nothing{});
        } else {
          out.push_back(std::move(ask));
        }
      }
    }
    return out;
  }
  // The one request that came.
  Ask only() {
    auto asks = fresh();
    EXPECT_EQ(asks.size(), 1U);
    if (asks.empty()) return {nullptr, {}};
    return asks.back();
  }

  void reply(const Ask& ask, net::ReplyBody body) { reply(ask, Error{}, {}, std::move(body)); }
  void reply(const Ask& ask, Error error, const std::string& leader = {}, net::ReplyBody body = {}) {
    if (ask.link == nullptr || ask.link->handler == nullptr) return;
    ask.link->bring(node::FrameKind::reply, net::encode(net::Reply{.id = ask.request.id,
                                                                   .error = std::move(error),
                                                                   .leader = leader,
                                                                   .body = std::move(body)}));
    loop_.run_posted();
  }
  void tell(const Ask& ask, net::WatchEvent event) {
    event.watch = ask.request.id;
    if (ask.link->handler == nullptr) return;
    ask.link->bring(node::FrameKind::watch_event, net::encode(event));
    loop_.run_posted();
  }
  void changed(const Ask& ask, std::uint64_t index, bool is_last = false) {
    tell(ask, {.what = net::WatchEvent::What::changed,
               .is_last = is_last,
               .index = {index},
               .changes = {{"x", std::to_string(index)}},
               .error = {}});
  }

  // --- a session ---
  void start(SessionOptions options = {.timeout = Duration::seconds(3)}) {
    long_.emplace(loop_, *session_, options, Random(11), [this](SessionState state, const Error&) {
      states_.emplace_back(name_of(state));
    });
  }
  // Opened as session 9, at host a:1.
  void open(SessionOptions options = {.timeout = Duration::seconds(3)}) {
    start(options);
    reply(only(), net::SessionOpened{{9}});
    ASSERT_EQ(states_, std::vector<std::string>{"connected"});
  }
  std::uint64_t write(const std::string& text, std::int64_t ms = 5000, bool is_ephemeral = false) {
    return long_->write(text, is_ephemeral, in_ms(ms),
                        [this, text](Outcome outcome) { told_.emplace_back(text, std::move(outcome)); });
  }
  [[nodiscard]] std::string told(std::size_t at) const {
    if (at >= told_.size()) return "nothing";
    const auto& [text, outcome] = told_[at];
    return text + ": " + (outcome.error.code == Code::ok ? outcome.data : std::string(name_of(outcome.error.code)));
  }

  // --- events of watches, as words ---
  OnEvent on_event() {
    return [this](Event event) {
      static constexpr const char* names[] = {"set", "changed", "leader_changed", "closed"};
      std::string word = names[static_cast<int>(event.what)];
      if (event.what == Event::What::set) word += " " + std::to_string(event.index.value) + " " + event.data;
      if (event.what == Event::What::changed) word += " " + std::to_string(event.index.value);
      if (event.what == Event::What::closed) word += " " + std::string(name_of(event.error.code));
      if (event.is_last) word += " (last)";
      events_.push_back(word);
    };
  }

  std::optional<Session> long_;
  std::vector<std::string> states_;
  std::vector<std::pair<std::string, Outcome>> told_;
  std::vector<std::string> events_;
  std::vector<std::uint64_t> cancels_;
  std::map<std::string, bool> is_dead_;  // says nothing, not even hello
  std::map<const FakeLink*, std::size_t> taken_;
};

}  // namespace zraft::client::test
