// SPDX-License-Identifier: Apache-2.0
//
// The real network on loopback: frames, order, ends of links from either side, slow and foreign other sides, limits.
#include "zraft/net/asio_network.h"

#include <gtest/gtest.h>
#include <netdb.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <list>

#include "test/net_real/real_world.h"
#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::net {
namespace {

using node::FrameKind;
using test::RawSocket;
using test::RealLoop;
using test::Recorder;
using test::Watched;

// One network with one listener, which keeps what it accepts.
class NetworkTest : public ::testing::Test {
 protected:
  struct Accepted {
    std::unique_ptr<Recorder> recorder;
    std::unique_ptr<node::Link> link;
  };

  void SetUp() override { start({}); }
  void TearDown() override {
    loop_.on_loop([this] { stop(); });
  }

  void start(NetworkSettings settings) {
    loop_.on_loop([&] {
      stop();
      network_ = std::make_unique<AsioNetwork>(*loop_, settings);
      auto listener =
          network_->listen("127.0.0.1:0", [this](std::unique_ptr<node::Link> link) { accept(std::move(link)); });
      ASSERT_TRUE(listener.has_value()) << listener.error().text;
      listener_ = *std::move(listener);
      address_ = listener_->address();
    });
  }
  void stop() {
    client_link_.reset();
    accepted_.clear();
    listener_.reset();
    network_.reset();
  }
  void accept(std::unique_ptr<node::Link> link) {
    auto recorder = std::make_unique<Recorder>();
    link->set_handler(recorder.get());
    accepted_.push_back({std::move(recorder), std::move(link)});
    accepted_count_.change([](std::size_t& count) { ++count; });
  }
  // The `number`th link that was accepted, once it is.
  Accepted& accepted(std::size_t number = 1) {
    accepted_count_.wait([=](std::size_t count) { return count >= number; });
    return *loop_.on_loop([=, this] { return &*std::next(accepted_.begin(), static_cast<long>(number - 1)); });
  }
  void connect() { connect_to(address_); }
  void connect_to(const std::string& address) {
    loop_.on_loop([&] { client_link_ = network_->connect(address, &client_); });
  }
  void send(node::Link& link, Bytes body, FrameKind kind = FrameKind::request) {
    loop_.on_loop([&] { link.send(kind, {piece_of(std::move(body))}); });
  }

  RealLoop loop_;
  std::unique_ptr<AsioNetwork> network_;
  std::unique_ptr<node::Listener> listener_;
  std::string address_;
  std::list<Accepted> accepted_;
  Watched<std::size_t> accepted_count_;
  Recorder client_;
  std::unique_ptr<node::Link> client_link_;
};

Bytes frame_of(const Bytes& body, FrameKind kind = FrameKind::request) {
  const FrameHeader header = frame_header(kind, {piece_of(body)});
  return Bytes(header.data(), header.size()) + body;
}

TEST_F(NetworkTest, FramesGoBothWays) {
  connect();
  client_.wait_open();
  send(*client_link_, "question", FrameKind::request);
  const auto asked = accepted().recorder->wait_frames(1);
  EXPECT_EQ(asked[0].first, FrameKind::request);
  EXPECT_EQ(*asked[0].second, "question");
  send(*accepted().link, "answer", FrameKind::reply);
  EXPECT_EQ(*client_.wait_frames(1)[0].second, "answer");
  EXPECT_EQ(loop_.on_loop([&] { return network_->inbound(); }), 1u);
}

TEST_F(NetworkTest, FramesSentBeforeTheLinkIsOpenWaitForIt) {
  loop_.on_loop([&] {
    client_link_ = network_->connect(address_, &client_);
    client_link_->send(FrameKind::hello, {piece_of("early")});
    EXPECT_EQ(client_link_->queued_bytes(), frame_header_size + 5);
  });
  EXPECT_EQ(*accepted().recorder->wait_frames(1)[0].second, "early");
}

TEST_F(NetworkTest, AThousandFramesComeInOrder) {
  connect();
  loop_.on_loop([&] {
    for (std::size_t i = 0; i < 1000; ++i) {
      Pieces pieces{piece_of(std::to_string(i)), piece_of(Bytes(i * 7 % 5000, 'x'))};
      client_link_->send(FrameKind::peer, std::move(pieces));
    }
  });
  const auto frames = accepted().recorder->wait_frames(1000);
  for (std::size_t i = 0; i < 1000; ++i) EXPECT_EQ(*frames[i].second, std::to_string(i) + Bytes(i * 7 % 5000, 'x'));
}

TEST_F(NetworkTest, ALargeFrameComesWhole) {
  connect();
  Bytes large(30 << 20, '\0');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 >> 7);
  send(*client_link_, large, FrameKind::peer);
  EXPECT_TRUE(*accepted().recorder->wait_frames(1)[0].second == large);
}

TEST_F(NetworkTest, AnEmptyFrameIsAFrame) {
  connect();
  send(*client_link_, "");
  EXPECT_EQ(*accepted().recorder->wait_frames(1)[0].second, "");
}

TEST_F(NetworkTest, NobodyListeningIsToldWithTheAddress) {
  const std::string address = address_;
  loop_.on_loop([&] { listener_.reset(); });
  connect_to(address);
  const Error why = client_.wait_closed();
  EXPECT_EQ(why.code, Code::io);
  EXPECT_EQ(why.text, "no connection to " + address + ": Connection refused");
}

TEST_F(NetworkTest, ABadAddressIsToldLater) {
  connect_to("nonsense");
  EXPECT_EQ(client_.wait_closed().code, Code::bad_request);
  Recorder other;
  auto link = loop_.on_loop([&] { return network_->connect("127.0.0.1:0", &other); });
  EXPECT_EQ(other.wait_closed().code, Code::bad_request);
  loop_.on_loop([&] { link.reset(); });
}

TEST_F(NetworkTest, NamesAreResolved) {
  addrinfo* found = nullptr;
  if (::getaddrinfo("localhost", nullptr, nullptr, &found) != 0) GTEST_SKIP() << "this system knows no name localhost";
  ::freeaddrinfo(found);
  connect_to("localhost:" + address_.substr(address_.rfind(':') + 1));
  client_.wait_open();
}

TEST_F(NetworkTest, AHostThatDoesNotAnswerIsGivenUpInTime) {
  const test::FullListener full;
  start({.connect_timeout = Duration::milliseconds(50)});
  connect_to(full.address());
  EXPECT_EQ(client_.wait_closed().text, "no connection to " + full.address() + ": it did not answer within 50 ms");
}

TEST_F(NetworkTest, TheOtherSideLearnsThatALinkWasDestroyedAndGetsWhatWasSentBefore) {
  connect();
  client_.wait_open();
  loop_.on_loop([&] {
    client_link_->send(FrameKind::request, {piece_of("last words")});
    client_link_.reset();
  });
  EXPECT_EQ(*accepted().recorder->wait_frames(1)[0].second, "last words");
  const Error why = accepted().recorder->wait_closed();
  EXPECT_EQ(why.code, Code::io);
  EXPECT_NE(why.text.find(" closed the connection"), std::string::npos) << why.text;
  EXPECT_EQ(loop_.on_loop([&] { return network_->inbound(); }), 0u);
  EXPECT_FALSE(client_.told.wait([](const auto&) { return true; }).closed.has_value());
}

TEST_F(NetworkTest, AConnectionThatBreaksIsTold) {
  RawSocket raw(address_);
  accepted();
  raw.close();
  EXPECT_EQ(accepted().recorder->wait_closed().code, Code::io);
  send(*accepted().link, "into the void");
  EXPECT_EQ(loop_.on_loop([&] { return accepted_.front().link->queued_bytes(); }), 0u);
}

TEST_F(NetworkTest, P87_ALinkMayGoInEachOfItsOwnCallbacks) {
  const auto drop = [this] { client_link_.reset(); };
  const auto reconnect = [&] {
    loop_.on_loop([&] { client_link_.reset(); });
    connect();
  };
  client_.when_open = drop;
  connect();
  client_.wait_open();
  accepted(1).recorder->wait_closed();

  client_.when_open = nullptr;
  client_.when_frame = drop;
  reconnect();
  loop_.on_loop([] {});
  Accepted& second = accepted(2);
  loop_.on_loop([&] {
    for (int i = 0; i < 10; ++i) second.link->send(FrameKind::reply, {piece_of("more than one at once")});
  });
  second.recorder->wait_closed();
  EXPECT_EQ(client_.wait_frames(1).size(), 1u);

  client_.when_frame = nullptr;
  client_.when_closed = drop;
  reconnect();
  loop_.on_loop([] {});
  Accepted& third = accepted(3);
  loop_.on_loop([&] { third.link.reset(); });
  client_.wait_closed();
  EXPECT_EQ(loop_.on_loop([&] { return client_link_ == nullptr; }), true);
}

TEST_F(NetworkTest, P87_ALinkMayGoWhileItConnectsAndSoMayTheNetwork) {
  loop_.on_loop([&] {
    client_link_ = network_->connect(address_, &client_);
    client_link_->send(FrameKind::hello, {piece_of("never")});
    client_link_.reset();
    client_link_ = network_->connect(address_, &client_);
    stop();
  });
  loop_.on_loop([] {});
  const auto told = client_.told.wait([](const auto&) { return true; });
  EXPECT_FALSE(told.is_open || told.closed);
}

TEST_F(NetworkTest, P87_AListenerMayGoInItsOwnCallback) {
  loop_.on_loop([&] {
    auto listener = network_->listen("127.0.0.1:0", [this](std::unique_ptr<node::Link> link) {
      listener_.reset();
      accept(std::move(link));
    });
    listener_ = *std::move(listener);
    address_ = listener_->address();
  });
  connect();
  send(*client_link_, "still served");
  EXPECT_EQ(*accepted().recorder->wait_frames(1)[0].second, "still served");
}

TEST_F(NetworkTest, W48_AReaderThatIsSlowMakesTheQueueGrowAndHoldsUpNobody) {
  RawSocket slow(address_);
  Accepted& link = accepted();
  const Bytes body(1 << 20, 'q');
  loop_.on_loop([&] {
    for (int i = 0; i < 64; ++i) link.link->send(FrameKind::reply, {piece_of(body)});
  });
  loop_.on_loop([] {});
  EXPECT_GT(loop_.on_loop([&] { return link.link->queued_bytes(); }), std::size_t{30} << 20);
  // Others are served meanwhile.
  connect();
  send(*client_link_, "quick");
  EXPECT_EQ(*accepted(2).recorder->wait_frames(1)[0].second, "quick");
  // And what waited comes, when it is taken at last.
  const std::size_t total = 64 * (body.size() + frame_header_size);
  const Bytes got = slow.receive(total);
  ASSERT_EQ(got.size(), total);
  EXPECT_TRUE(got.substr(total - body.size()) == body);
  EXPECT_EQ(loop_.on_loop([&] { return link.link->queued_bytes(); }), 0u);
}

TEST_F(NetworkTest, AStreamMayComeInAnyPieces) {
  RawSocket raw(address_);
  const Bytes stream = frame_of("one") + frame_of("") + frame_of("three");
  for (const char c : stream) raw.send(BytesView(&c, 1));
  raw.send(stream + stream);
  const auto frames = accepted().recorder->wait_frames(9);
  for (std::size_t i = 0; i < 9; i += 3) {
    EXPECT_EQ(*frames[i].second, "one");
    EXPECT_EQ(*frames[i + 1].second, "");
    EXPECT_EQ(*frames[i + 2].second, "three");
  }
}

TEST_F(NetworkTest, ALinkThatBringsAnythingButFramesIsClosedAndSaysWhy) {
  const auto header = [](std::uint8_t version, std::uint8_t kind, std::uint32_t length) {
    Bytes out;
    Encoder to(out);
    to.u16(0x465a);
    to.u8(version);
    to.u8(kind);
    to.u32(length);
    to.u32(0);
    to.u32(crc32c(out));
    return out;
  };
  Bytes damaged = frame_of("damaged body");
  damaged.back() = '!';
  Bytes bad_header = frame_of("body");
  bad_header[5] = 'x';
  struct Case {
    Bytes bytes;
    Code code;
    std::string says;
  };
  const std::vector<Case> cases{
      {"GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n", Code::corrupt, "sent these are no frames of zraft"},
      {Bytes(1000, '\0'), Code::corrupt, "sent these are no frames of zraft"},
      {header(2, 1, 0), Code::unsupported, "sent frames of layout 2"},
      {header(1, 77, 0), Code::unsupported, "sent a frame of the unknown kind 77"},
      {header(1, 1, 0xffffffff), Code::too_large, "sent a frame of 4294967295 bytes; the limit is 67108864"},
      {damaged, Code::corrupt, "sent a frame's body was damaged on its way"},
      {bad_header, Code::corrupt, "sent a frame's header was damaged on its way"},
  };
  for (std::size_t i = 0; i < cases.size(); ++i) {
    RawSocket raw(address_);
    raw.send(frame_of("good") + cases[i].bytes + frame_of("after"));
    const Error why = accepted(i + 1).recorder->wait_closed();
    EXPECT_EQ(why.code, cases[i].code) << why.text;
    EXPECT_NE(why.text.find(cases[i].says), std::string::npos) << why.text;
    raw.wait_for_end();
    EXPECT_EQ(accepted(i + 1).recorder->wait_frames(1).size(), 1u);
  }
}

TEST_F(NetworkTest, W48_AFrameThatTheOtherSideWouldRefuseIsNotSent) {
  start({.frame_bytes_max = 100});
  connect();
  client_.wait_open();
  send(*client_link_, Bytes(100, 'x'));
  send(*client_link_, Bytes(101, 'x'));
  EXPECT_EQ(client_.wait_closed().code, Code::too_large);
  EXPECT_EQ(accepted().recorder->wait_frames(1)[0].second->size(), 100u);
}

TEST_F(NetworkTest, OneLinkTooManyIsClosedAndTheOthersStay) {
  start({.inbound_max = 2});
  RawSocket first(address_);
  RawSocket second(address_);
  accepted(2);
  RawSocket third(address_);
  third.wait_for_end();
  second.close();
  accepted(2).recorder->wait_closed();
  RawSocket fourth(address_);
  fourth.send(frame_of("there is room again"));
  EXPECT_EQ(accepted(3).recorder->wait_frames(1).size(), 1u);
  first.send(frame_of("still here"));
  EXPECT_EQ(accepted(1).recorder->wait_frames(1).size(), 1u);
}

TEST_F(NetworkTest, WhenFilesRunOutItGoesOnOnceThereAreSome) {
  start({.accept_pause = Duration::milliseconds(5)});
  RawSocket waiting;
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  // No more than are open now: the lowest free number is the limit.
  const int next = ::dup(0);
  ::close(next);
  const rlimit none{.rlim_cur = static_cast<rlim_t>(next), .rlim_max = before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  waiting.connect(address_);
  Recorder refused;
  auto link = loop_.on_loop([&] { return network_->connect(address_, &refused); });
  EXPECT_NE(refused.wait_closed().text.find("Too many open files"), std::string::npos);
  EXPECT_EQ(loop_.on_loop([&] { return network_->inbound(); }), 0u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  waiting.send(frame_of("at last"));
  EXPECT_EQ(*accepted().recorder->wait_frames(1)[0].second, "at last");
  loop_.on_loop([&] { link.reset(); });
}

TEST_F(NetworkTest, AnAddressThatCannotBeListenedAtIsNamed) {
  const auto listen = [&](const std::string& address) {
    return loop_.on_loop([&] {
      auto listener = network_->listen(address, [](std::unique_ptr<node::Link>) {});
      return listener ? Error{} : listener.error();
    });
  };
  EXPECT_EQ(listen(address_).code, Code::io);
  EXPECT_NE(listen(address_).text.find("cannot listen at " + address_ + ": Address already in use"), std::string::npos);
  EXPECT_EQ(listen("203.0.113.1:7000").code, Code::io);
  EXPECT_EQ(listen("nonsense").code, Code::bad_request);
}

TEST_F(NetworkTest, ALinkThatNobodyTookIsClosed) {
  loop_.on_loop([&] {
    auto listener = network_->listen("127.0.0.1:0", [](std::unique_ptr<node::Link>) {});
    listener_ = *std::move(listener);
    address_ = listener_->address();
  });
  RawSocket raw(address_);
  raw.wait_for_end();
}

// What was queued in the loop's last turn goes with its link and its network. LeakSanitizer looks at the end.
TEST(Network, ALoopThatStopsBeforeItsLastFlushKeepsNothing) {
  const auto loop = *AsioLoop::open();
  {
    AsioNetwork network(*loop);
    std::unique_ptr<node::Link> accepted;
    const auto listener = *network.listen("127.0.0.1:0", [&](auto link) { accepted = std::move(link); });
    Recorder recorder;
    std::unique_ptr<node::Link> link = network.connect(listener->address(), &recorder);
    recorder.when_open = [&] {
      link->send(FrameKind::request, {piece_of(Bytes("never sent"))});
      loop->stop();
    };
    loop->run();
    EXPECT_GT(link->queued_bytes(), 0u);
  }
}

}  // namespace
}  // namespace zraft::net
