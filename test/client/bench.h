// SPDX-License-Identifier: Apache-2.0
//
// A light session on the bench: a loop that the test turns, a network on which the test plays every host.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/net/fake_network.h"
#include "zraft/client/light_session.h"

namespace zraft::client::test {

class SessionBench : public testing::Test {
 protected:
  using FakeLink = net::test::FakeLink;

  void make(Settings settings = {}) {
    if (settings.hosts.empty()) settings.hosts = {"a:1", "b:1", "c:1"};
    session_.emplace(loop_, network_, std::move(settings), Random(7));
  }
  void SetUp() override { make(); }

  // Makes the host answer the hello, if it was said; what waited for it goes out.
  void greet(const std::string& host) {
    FakeLink& link = network_.link(host);
    link.open();
    link.bring(node::FrameKind::hello, net::encode(net::Hello{.role = net::Hello::Role::host, .name = host}));
  }

  RequestNumber put(const std::string& text, Duration timeout = Duration::seconds(5)) {
    const RequestNumber number = session_->propose(
        text, loop_.now() + timeout, [this](Outcome outcome) { outcomes_.push_back(std::move(outcome)); });
    loop_.run_posted();
    return number;
  }
  RequestNumber get(const std::string& text, Duration timeout = Duration::seconds(5),
                    net::Consistency consistency = net::Consistency::linearizable) {
    const RequestNumber number = session_->query(
        text, consistency, loop_.now() + timeout, [this](Outcome outcome) { outcomes_.push_back(std::move(outcome)); });
    loop_.run_posted();
    return number;
  }

  // The requests that came to a host over its newest link.
  [[nodiscard]] std::vector<net::Request> requests_at(const std::string& host) const {
    std::vector<net::Request> out;
    if (network_.attempts_at(host) == 0) return out;
    for (const FakeLink::Sent& sent : network_.link(host).sent) {
      if (sent.kind == node::FrameKind::request) out.push_back(*net::decode_request(sent.body));
    }
    return out;
  }
  // How often a request was sent to anybody.
  [[nodiscard]] std::size_t sent_in_all() const {
    std::size_t count = 0;
    for (const auto& link : network_.attempts) {
      for (const FakeLink::Sent& sent : link->sent) count += sent.kind == node::FrameKind::request ? 1 : 0;
    }
    return count;
  }

  // The host answers the last request that came to it.
  void answer(const std::string& host, Error error, const std::string& leader = {}, const std::string& data = {}) {
    net::Reply reply{.id = requests_at(host).back().id, .error = std::move(error), .leader = leader, .body = {}};
    if (!data.empty()) reply.body = net::Data{data};
    seen_[&network_.link(host)] = requests_at(host).size();
    network_.link(host).bring(node::FrameKind::reply, net::encode(reply));
    loop_.run_posted();
  }
  void answer_ok(const std::string& host, const std::string& data) { answer(host, {}, {}, data); }

  // Greets whoever is to be greeted, and finds a host with a request that the test has not seen; empty: there is none.
  std::string asked() {
    for (auto at = network_.attempts.rbegin(); at != network_.attempts.rend(); ++at) {
      const std::string host = (*at)->address;
      if ((*at)->handler != nullptr && (*at)->sent.size() == 1 && !greeted_.contains(at->get())) {
        greeted_[at->get()] = true;
        greet(host);
        loop_.run_posted();
      }
    }
    for (const auto& link : network_.attempts) {
      const std::size_t count = requests_at(link->address).size();
      if (link->handler != nullptr && std::exchange(seen_[link.get()], count) < count) return link->address;
    }
    return {};
  }

  net::test::FakeLoop loop_;
  net::test::FakeNetwork network_;
  std::optional<LightSession> session_;
  std::vector<Outcome> outcomes_;
  std::map<const FakeLink*, bool> greeted_;
  std::map<const FakeLink*, std::size_t> seen_;  // requests of that link
};

}  // namespace zraft::client::test
