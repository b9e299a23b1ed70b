// SPDX-License-Identifier: Apache-2.0
//
// Files over a real link: they come whole and in their place between other frames, through a reader that is slow, and
// what is wrong with them does not get past the receiver. zero_copy_test.py runs one of these under strace.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>

#include "test/net_real/real_world.h"
#include "zraft/base/check.h"
#include "zraft/base/checksum.h"
#include "zraft/net/asio_network.h"

namespace zraft::net {
namespace {

using node::FrameKind;
using test::RawSocket;
using test::RealLoop;
using test::Recorder;
using test::Watched;

// A file without a name. Where nothing was put it is zeros that take no room.
class OpenFile final : public node::SendableFile {
 public:
  explicit OpenFile(std::uint64_t size) : size_(size) {
    std::string path = ::testing::TempDir() + "send_file_XXXXXX";
    handle_ = ::mkstemp(path.data());
    CHECK(handle_ >= 0, "a temporary file can be made");
    ::unlink(path.c_str());
    cut(size);
  }
  explicit OpenFile(const Bytes& content) : OpenFile(content.size()) { put(0, content); }
  ~OpenFile() override { ::close(handle_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;

  void put(std::uint64_t offset, BytesView bytes) {
    EXPECT_EQ(::pwrite(handle_, bytes.data(), bytes.size(), static_cast<off_t>(offset)),
              static_cast<ssize_t>(bytes.size()));
  }
  void cut(std::uint64_t size) { EXPECT_EQ(::ftruncate(handle_, static_cast<off_t>(size)), 0); }
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  Result<Bytes> read(std::uint64_t, std::size_t) override {
    return fail(Code::io, "a file with a descriptor is not read");
  }
  [[nodiscard]] int descriptor() const override { return handle_; }

 private:
  std::uint64_t size_;
  int handle_;
};

Bytes pattern(std::size_t size, int seed) {
  Bytes bytes(size, '\0');
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i * 31 >> 5) + static_cast<std::size_t>(seed));
  return bytes;
}

class SendFile : public ::testing::Test {
 protected:
  void SetUp() override { start({}); }
  void TearDown() override {
    loop_.on_loop([this] { stop(); });
  }
  void start(NetworkSettings settings) {
    loop_.on_loop([&] {
      stop();
      network_ = std::make_unique<AsioNetwork>(*loop_, settings);
      listener_ = *network_->listen("127.0.0.1:0", [this](std::unique_ptr<node::Link> link) {
        link->set_handler(&sender_);
        link_ = std::move(link);
        is_accepted_.change([](bool& is) { is = true; });
      });
      address_ = listener_->address();
    });
  }
  void stop() {
    receiver_link_.reset();
    link_.reset();
    listener_.reset();
    network_.reset();
  }
  void connect() {
    loop_.on_loop([&] { receiver_link_ = network_->connect(address_, &receiver_); });
    wait_accepted();
  }
  void wait_accepted() {
    is_accepted_.wait([](bool is) { return is; });
  }
  void send(const std::shared_ptr<node::SendableFile>& file, std::uint64_t offset, const Bytes& bytes) {
    link_->send_file(FrameKind::bulk, "head of " + std::to_string(bytes.size()),
                     {file, offset, bytes.size(), crc32c(bytes)});
  }

  RealLoop loop_;
  std::unique_ptr<AsioNetwork> network_;
  std::unique_ptr<node::Listener> listener_;
  std::string address_;
  std::unique_ptr<node::Link> link_;  // of the side that sends
  Watched<bool> is_accepted_;
  Recorder sender_;
  Recorder receiver_;
  std::unique_ptr<node::Link> receiver_link_;
};

TEST_F(SendFile, FilesOfAnySizeComeWholeAndInTheirPlaceBetweenOtherFrames) {
  connect();
  const std::vector<std::size_t> sizes{1, 2, 511, 4095, 4096, 4097, 65'537, 1'000'003, std::size_t{1} << 20};
  loop_.on_loop([&] {
    for (const std::size_t size : sizes) {
      const auto file = std::make_shared<OpenFile>(pattern(size, 7));
      send(file, 0, pattern(size, 7));
      link_->send(FrameKind::reply, {piece_of("between"), piece_of(std::to_string(size))});
      send(file, size / 2, pattern(size, 7).substr(size / 2));
    }
  });
  const auto frames = receiver_.wait_frames(3 * sizes.size());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const Bytes whole = pattern(sizes[i], 7);
    const Bytes half = whole.substr(sizes[i] / 2);
    EXPECT_EQ(frames[3 * i].first, FrameKind::bulk);
    EXPECT_TRUE(*frames[3 * i].second == "head of " + std::to_string(whole.size()) + whole) << sizes[i];
    EXPECT_EQ(*frames[3 * i + 1].second, "between" + std::to_string(sizes[i]));
    EXPECT_TRUE(*frames[3 * i + 2].second == "head of " + std::to_string(half.size()) + half) << sizes[i];
  }
  EXPECT_EQ(loop_.on_loop([&] { return link_->queued_bytes(); }), 0u);
}

TEST_F(SendFile, GoesFromTheFileToTheSocketAndNotThroughMemory) {
  RawSocket raw(address_);
  wait_accepted();
  const std::size_t size = std::size_t{8} << 20;
  Bytes content(size, '\0');
  content.replace(size / 3, 5, "marks");
  const auto file = std::make_shared<OpenFile>(size);
  file->put(size / 3, "marks");
  loop_.on_loop([&] { send(file, 0, content); });
  const Bytes head = "head of " + std::to_string(size);
  const Bytes got = raw.receive(frame_header_size + head.size() + size);
  FrameReader reader;
  BytesView input = got;
  const auto frame = reader.take(input);
  ASSERT_TRUE(frame.has_value() && frame->has_value());
  EXPECT_TRUE(*(*frame)->body == head + content);
}

TEST_F(SendFile, W48_AReaderThatIsSlowMakesTheQueueGrowAndGetsAllWhenItReads) {
  RawSocket slow(address_);
  wait_accepted();
  const Bytes content = pattern((std::size_t{1} << 20) - 1, 3);
  const auto file = std::make_shared<OpenFile>(content);
  loop_.on_loop([&] {
    for (int i = 0; i < 32; ++i) {
      send(file, 0, content);
      link_->send(FrameKind::reply, {piece_of("small")});
    }
  });
  loop_.on_loop([] {});
  EXPECT_GT(loop_.on_loop([&] { return link_->queued_bytes(); }), std::size_t{16} << 20);
  const Bytes body = "head of " + std::to_string(content.size()) + content;
  FrameReader reader;
  std::size_t count = 0;
  for (std::size_t left = 32 * (2 * frame_header_size + body.size() + 5); left > 0;) {
    const Bytes got = slow.receive(std::min<std::size_t>(left, 9'999));
    ASSERT_FALSE(got.empty());
    left -= got.size();
    for (BytesView input = got; !input.empty();) {
      auto frame = reader.take(input);
      ASSERT_TRUE(frame.has_value()) << frame.error().text;
      if (!*frame) continue;
      EXPECT_TRUE(*(*frame)->body == (count % 2 == 0 ? body : "small"));
      ++count;
    }
  }
  EXPECT_EQ(count, 64u);
  EXPECT_EQ(loop_.on_loop([&] { return link_->queued_bytes(); }), 0u);
}

TEST_F(SendFile, AFileThatWasDamagedSinceIsNoticedByTheReceiver) {
  connect();
  const Bytes content = pattern(100'000, 1);
  const auto file = std::make_shared<OpenFile>(content);
  file->put(77'777, "!");
  loop_.on_loop([&] { send(file, 0, content); });
  const Error why = receiver_.wait_closed();
  EXPECT_EQ(why.code, Code::corrupt);
  EXPECT_NE(why.text.find("sent a frame's body was damaged on its way"), std::string::npos) << why.text;
}

TEST_F(SendFile, AFileThatBecameShorterEndsTheLink) {
  connect();
  const Bytes content = pattern(100'000, 1);
  const auto file = std::make_shared<OpenFile>(content);
  file->cut(50'000);
  loop_.on_loop([&] { send(file, 0, content); });
  const Error why = sender_.wait_closed();
  EXPECT_EQ(why.code, Code::io);
  EXPECT_NE(why.text.find("a file became shorter while it was sent"), std::string::npos) << why.text;
  EXPECT_EQ(receiver_.wait_closed().code, Code::io);
}

TEST_F(SendFile, AReaderThatGoesEndsTheLinkAndNotTheProcess) {
  // As in a program that has not asked for silence.
  std::signal(SIGPIPE, SIG_DFL);
  RawSocket raw(address_);
  wait_accepted();
  const Bytes content = pattern(std::size_t{1} << 20, 1);
  const auto file = std::make_shared<OpenFile>(content);
  loop_.on_loop([&] {
    for (int i = 0; i < 32; ++i) send(file, 0, content);
  });
  raw.receive(100'000);
  raw.close();
  EXPECT_EQ(sender_.wait_closed().code, Code::io);
}

TEST_F(SendFile, AFileWithoutADescriptorIsReadAndOneThatCannotBeReadEndsTheLink) {
  class ReadOnly final : public node::SendableFile {
   public:
    explicit ReadOnly(Bytes content) : content_(std::move(content)) {}
    [[nodiscard]] std::uint64_t size() const override { return 6; }
    Result<Bytes> read(std::uint64_t offset, std::size_t length) override {
      if (content_.empty()) return fail(Code::io, "this disk is gone");
      return content_.substr(offset, length);
    }

   private:
    Bytes content_;
  };
  connect();
  loop_.on_loop([&] { send(std::make_shared<ReadOnly>("abcdef"), 2, "cde"); });
  EXPECT_EQ(*receiver_.wait_frames(1)[0].second, "head of 3cde");
  loop_.on_loop([&] { send(std::make_shared<ReadOnly>(""), 2, "cde"); });
  EXPECT_EQ(sender_.wait_closed().text, "this disk is gone");
}

TEST_F(SendFile, W48_AFrameThatTheOtherSideWouldRefuseIsNotSent) {
  start({.frame_bytes_max = 100});
  connect();
  const auto file = std::make_shared<OpenFile>(Bytes(200, 'x'));
  loop_.on_loop([&] {
    send(file, 0, Bytes(90, 'x'));
    send(file, 0, Bytes(91, 'x'));
  });
  EXPECT_EQ(sender_.wait_closed().code, Code::too_large);
  EXPECT_EQ(receiver_.wait_frames(1).size(), 1u);
}

}  // namespace
}  // namespace zraft::net
