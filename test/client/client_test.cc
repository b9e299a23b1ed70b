// SPDX-License-Identifier: Apache-2.0
//
// The client for programs with threads, against a host of a few lines over real links on this machine: sessions and
// watches from other threads than the client's.
#include "zraft/client/client.h"

#include <gtest/gtest.h>

#include <thread>

#include "zraft/net/asio_loop.h"
#include "zraft/net/asio_network.h"

namespace zraft::client::test {
namespace {

// Answers as a leader would; a write's answer is its command, and each write changes what is watched.
class SmallHost {
 public:
  SmallHost() {
    loop_ = *net::AsioLoop::open();
    network_ = std::make_unique<net::AsioNetwork>(*loop_);
    listener_ = *network_->listen("127.0.0.1:0", [this](std::unique_ptr<node::Link> link) {
      inbound_.push_back(std::make_unique<Inbound>(*this, std::move(link)));
    });
    address_ = listener_->address();
    thread_.emplace(*net::LoopThread::start(*loop_));
  }
  ~SmallHost() {
    thread_.reset();
    inbound_.clear();
    listener_.reset();
  }
  [[nodiscard]] const std::string& address() const { return address_; }

 private:
  struct Inbound final : node::LinkHandler {
    Inbound(SmallHost& owner, std::unique_ptr<node::Link> taken) : host(owner), link(std::move(taken)) {
      link->set_handler(this);
    }
    void on_frame(node::FrameKind kind, const SharedBytes& body) override {
      if (kind == node::FrameKind::hello) {
        return send(kind, net::encode(net::Hello{.role = net::Hello::Role::host, .name = "small"}));
      }
      const auto request = net::decode_request(*body);
      net::Reply reply{.id = request->id, .error = {}, .leader = {}, .body = {}};
      if (std::holds_alternative<net::OpenSession>(request->body)) reply.body = net::SessionOpened{{9}};
      if (std::holds_alternative<net::Query>(request->body)) reply.body = net::Data{"41"};
      if (std::holds_alternative<net::Watch>(request->body)) {
        watches.push_back(request->id);
        reply.body = net::Watching{.data = "41", .index = {host.index}, .watchable = {{"x", false}}};
      }
      if (const auto* cancel = std::get_if<net::CancelWatch>(&request->body)) std::erase(watches, cancel->watch);
      if (const auto* propose = std::get_if<net::Propose>(&request->body)) reply.body = net::Data{propose->data};
      const auto* write = std::get_if<net::SessionWrite>(&request->body);
      if (write != nullptr) reply.body = net::Data{write->data};
      send(node::FrameKind::reply, net::encode(reply));
      if (write != nullptr) tell(write->data);
    }
    void tell(const Bytes& event) {
      ++host.index;
      for (const std::uint64_t watch : watches) {
        send(node::FrameKind::watch_event,
             net::encode(net::WatchEvent{
                 .watch = watch, .index = {host.index}, .changes = {{"x", event}}, .error = {}}));
      }
    }
    void send(node::FrameKind kind, Bytes body) { link->send(kind, {piece_of(std::move(body))}); }
    void on_closed(const Error&) override { link.reset(); }

    SmallHost& host;
    std::unique_ptr<node::Link> link;
    std::vector<std::uint64_t> watches;
  };

  std::unique_ptr<net::AsioLoop> loop_;
  std::unique_ptr<net::AsioNetwork> network_;
  std::unique_ptr<node::Listener> listener_;
  std::string address_;
  std::vector<std::unique_ptr<Inbound>> inbound_;
  std::uint64_t index = 7;
  std::optional<net::LoopThread> thread_;
};

constexpr Duration soon = Duration::seconds(20);

class ClientTest : public testing::Test {
 protected:
  SmallHost host_;
  std::unique_ptr<Client> client_ = *Client::connect({.hosts = {host_.address()}});
};

TEST_F(ClientTest, ASessionWritesReadsAndCloses) {
  auto session = client_->open_session();
  ASSERT_TRUE(session.has_value()) << session.error().text;
  EXPECT_EQ((*session)->write("x", false, soon), "x");
  EXPECT_EQ((*session)->query("get x", soon), "41");
  std::vector<std::future<Result<Bytes>>> futures;
  for (int i = 0; i < 100; ++i) futures.push_back((*session)->begin_write(std::to_string(i), true, soon));
  for (int i = 0; i < 100; ++i) EXPECT_EQ(futures[static_cast<std::size_t>(i)].get(), std::to_string(i));
  EXPECT_EQ((*session)->known().id.value, 9U);
  EXPECT_EQ((*session)->known().last_sequence, 101U);
  EXPECT_EQ((*session)->state(), SessionState::connected);
  EXPECT_GT((*session)->safe_for(), Duration{});
  EXPECT_TRUE((*session)->close(soon).has_value());
  EXPECT_EQ((*session)->state(), SessionState::closed);
  EXPECT_EQ((*session)->safe_for(), Duration{});
}

TEST_F(ClientTest, FuturesAreAnsweredInWhateverOrderTheyAreAskedFor) {
  auto written = client_->begin_propose("x", soon);
  auto read = client_->begin_query("get x", soon);
  EXPECT_EQ(read.get(), "41");
  EXPECT_EQ(written.get(), "x");
  EXPECT_EQ(client_->propose("y", soon), "y");
  EXPECT_EQ(client_->query("get y", soon), "41");
}

// --- cancelled, from another thread ---

Code code_of(const Result<Bytes>& result) { return result ? Code::ok : result.error().code; }

TEST_F(ClientTest, ACallThatWaitsIsCancelledFromAnotherThread) {
  auto nobody = *Client::connect({.hosts = {"127.0.0.1:1"}});
  std::stop_source stop;
  auto other = nobody->begin_propose("other", soon);
  const std::jthread stopper([&] { stop.request_stop(); });
  EXPECT_EQ(code_of(nobody->propose("x", soon, stop.get_token())), Code::cancelled);
  EXPECT_EQ(code_of(nobody->query("get x", soon, {}, stop.get_token())), Code::cancelled);
  nobody.reset();
  EXPECT_EQ(code_of(other.get()), Code::stopped) << "what was not to be cancelled was";
}

TEST_F(ClientTest, AWriteOfASessionIsCancelledBeforeAndAfterItIsSent) {
  auto nobody = *Client::connect({.hosts = {"127.0.0.1:1"}});
  auto session = std::make_unique<ClientSession>(*nobody, SessionOptions{});
  std::stop_source stop;
  auto written = session->begin_write("x", false, soon, stop.get_token());
  auto read = session->begin_query("get x", soon, {}, stop.get_token());
  auto other = session->begin_write("y", false, soon);
  nobody->run([](LightSession&, node::Loop&) {});  // they have begun
  stop.request_stop();
  EXPECT_EQ(code_of(written.get()), Code::cancelled);
  EXPECT_EQ(code_of(read.get()), Code::cancelled);
  EXPECT_EQ(code_of(session->write("z", false, soon, stop.get_token())), Code::cancelled) << "asked to stop already";
  session.reset();
  EXPECT_EQ(code_of(other.get()), Code::stopped);
}

TEST_F(ClientTest, TheOpeningOfASessionIsCancelled) {
  auto nobody = *Client::connect({.hosts = {"127.0.0.1:1"}});
  std::stop_source stop;
  const std::jthread stopper([&] { stop.request_stop(); });
  const auto session = nobody->open_session({}, nullptr, stop.get_token());
  ASSERT_FALSE(session.has_value());
  EXPECT_EQ(session.error().code, Code::cancelled);
  EXPECT_FALSE(client_->open_session({}, nullptr, stop.get_token()).has_value()) << "asked to stop already";
  EXPECT_TRUE(client_->open_session().has_value());
}

TEST_F(ClientTest, AStopThatComesTooLateOrToNobodyChangesNothing) {
  std::stop_source stop;
  auto session = client_->open_session();
  ASSERT_TRUE(session.has_value());
  EXPECT_EQ((*session)->write("x", false, soon, stop.get_token()), "x");
  EXPECT_EQ(client_->propose("y", soon, stop.get_token()), "y");
  auto nobody = *Client::connect({.hosts = {"127.0.0.1:1"}});
  auto lost = nobody->begin_propose("z", soon, stop.get_token());
  auto unopened = std::make_unique<ClientSession>(*nobody, SessionOptions{});
  auto unsent = unopened->begin_write("z", false, soon, stop.get_token());
  unopened.reset();
  EXPECT_EQ(code_of(unsent.get()), Code::stopped);
  nobody.reset();
  EXPECT_EQ(code_of(lost.get()), Code::stopped);
  stop.request_stop();
  EXPECT_EQ((*session)->write("after", false, soon), "after");
}

// Answers, stops, and the ends of sessions and clients, at the same time: each request is told once, and nothing is
// touched after its end.
TEST_F(ClientTest, StopsAnswersAndEndsMayMeet) {
  for (int round = 0; round < 30; ++round) {
    auto client = *Client::connect({.hosts = {host_.address()}});
    auto session = std::make_unique<ClientSession>(*client, SessionOptions{});
    std::stop_source stop;
    std::vector<std::future<Result<Bytes>>> futures;
    for (int i = 0; i < 20; ++i) {
      futures.push_back(session->begin_write("x", false, soon, stop.get_token()));
      futures.push_back(session->begin_query("x", soon, {}, stop.get_token()));
      futures.push_back(client->begin_propose("x", soon, stop.get_token()));
    }
    if (round % 3 == 0) {
      EXPECT_EQ(code_of(futures.front().get()), Code::ok);
    }
    const std::jthread stopper([&] { stop.request_stop(); });
    if (round % 2 == 0) session.reset(), client.reset();
    for (auto& future : futures) {
      if (!future.valid()) continue;
      const Code code = code_of(future.get());
      const bool is_known = code == Code::ok || code == Code::cancelled || code == Code::stopped ||
                            code == Code::timeout_unknown_outcome;
      EXPECT_TRUE(is_known) << name_of(code);
    }
    session.reset();
  }
}

TEST_F(ClientTest, ASessionThatCannotBeOpenedIsAnError) {
  auto nobody = *Client::connect({.hosts = {"127.0.0.1:1"}});
  const auto session = nobody->open_session({.open_timeout = Duration::milliseconds(100)});
  ASSERT_FALSE(session.has_value());
  EXPECT_EQ(session.error().code, Code::all_failed);
}

TEST_F(ClientTest, AWatchIsToldOnTheClientsThreadAndMayCancelThere) {
  auto session = client_->open_session();
  ASSERT_TRUE(session.has_value());
  Awaited<bool> is_set;
  Awaited<std::string> second;
  WatchNumber number;
  int told = 0;
  number = client_->watch({.is_persistent = true, .query = "get x"}, soon, [&](Event event) {
    if (event.what == Event::What::set) return is_set.give(true);
    if (++told < 2) return;
    client_->cancel(number);
    second.give(event.changes.at(0).event);
  });
  EXPECT_TRUE(is_set.wait());
  for (const char* text : {"a", "b", "c"}) EXPECT_EQ((*session)->write(text, false, soon), text);
  EXPECT_EQ(second.wait(), "b");
  EXPECT_FALSE(client_->position(number).has_value());
  EXPECT_EQ(told, 2);
}

TEST_F(ClientTest, WhatIsUnderWayWhenASessionGoesIsToldThatItStopped) {
  auto nobody = *Client::connect({.hosts = {"127.0.0.1:1"}});
  auto session = std::make_unique<ClientSession>(*nobody, SessionOptions{});
  auto answer = session->begin_write("x", false, soon);
  session.reset();
  const auto result = answer.get();
  ASSERT_FALSE(result.has_value());
  EXPECT_EQ(result.error().code, Code::stopped);
}

}  // namespace
}  // namespace zraft::client::test
