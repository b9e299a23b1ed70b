// SPDX-License-Identifier: Apache-2.0
//
// Frames: however the stream is cut, the same frames come out; nothing that is not one comes out; and a length is
// believed only as far as bytes come.
#include "zraft/net/frame.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "test/net/join.h"
#include "test/net/samples.h"
#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"
#include "zraft/net/send_queue.h"

namespace zraft::net {
namespace {

using node::FrameKind;
using test::join;

Bytes encode_frame(FrameKind kind, const Bytes& body) {
  const FrameHeader header = frame_header(kind, {piece_of(body)});
  return Bytes(header.data(), header.size()) + body;
}

// A header that says what we want, with the checksum that belongs to it.
Bytes header_of(std::uint16_t magic, std::uint8_t version, std::uint8_t kind, std::uint32_t length) {
  Bytes out;
  Encoder to(out);
  to.u16(magic);
  to.u8(version);
  to.u8(kind);
  to.u32(length);
  to.u32(0);
  to.u32(crc32c(out));
  return out;
}

Error error_of(BytesView input, std::size_t body_max = 1000) {
  FrameReader reader(body_max);
  const auto frame = reader.take(input);
  return frame ? Error{} : frame.error();
}

TEST(Frame, ComesOutWhereverTheStreamIsCut) {
  const Bytes stream = encode_frame(FrameKind::hello, "first") + encode_frame(FrameKind::peer, "") +
                       encode_frame(FrameKind::reply, Bytes(300, 'z'));
  for (std::size_t first = 0; first <= stream.size(); ++first) {
    for (std::size_t second = first; second <= stream.size(); second += 7) {
      FrameReader reader;
      std::vector<Frame> frames;
      for (BytesView part : {BytesView(stream).substr(0, first), BytesView(stream).substr(first, second - first),
                             BytesView(stream).substr(second)}) {
        while (!part.empty()) {
          auto frame = reader.take(part);
          ASSERT_TRUE(frame.has_value()) << frame.error().text;
          if (*frame) frames.push_back(**frame);
        }
      }
      ASSERT_EQ(frames.size(), 3u);
      EXPECT_EQ(frames[0].kind, FrameKind::hello);
      EXPECT_EQ(*frames[0].body, "first");
      EXPECT_EQ(*frames[1].body, "");
      EXPECT_EQ(frames[2].kind, FrameKind::reply);
      EXPECT_EQ(*frames[2].body, Bytes(300, 'z'));
    }
  }
}

TEST(Frame, ComesOutByteByByte) {
  FrameReader reader;
  const Bytes stream = encode_frame(FrameKind::request, "one by one");
  for (std::size_t i = 0; i < stream.size(); ++i) {
    BytesView part = BytesView(stream).substr(i, 1);
    const auto frame = reader.take(part);
    ASSERT_TRUE(frame.has_value());
    EXPECT_EQ(frame->has_value(), i + 1 == stream.size());
  }
}

TEST(Frame, W48_AnOversizedLengthIsRefusedBeforeMemoryIsTakenForIt) {
  const Bytes header = header_of(0x465a, 1, 2, 1001);
  EXPECT_EQ(error_of(header).code, Code::too_large);
  EXPECT_EQ(error_of(header).text, "a frame of 1001 bytes; the limit is 1000");
  EXPECT_EQ(error_of(header_of(0x465a, 1, 2, 1000)).code, Code::ok);
}

TEST(Frame, W48_MemoryGrowsWithWhatComesAndNotWithWhatIsAnnounced) {
  const Bytes header = header_of(0x465a, 1, 2, 60 << 20);
  FrameReader reader;
  BytesView input = header;
  ASSERT_TRUE(reader.take(input).has_value());
  EXPECT_LT(reader.memory(), std::size_t{2} << 20);
  const Bytes part(10 << 20, 'x');
  input = part;
  ASSERT_TRUE(reader.take(input).has_value());
  EXPECT_LT(reader.memory(), std::size_t{25} << 20);
}

TEST(Frame, TheChunkOfASnapshotTakesNoMoreMemoryThanItIsLong) {
  const Bytes stream = encode_frame(FrameKind::bulk, Bytes((1 << 20) + 13, 'x'));
  FrameReader reader;
  std::size_t most = 0;
  for (std::size_t at = 0; at < stream.size(); at += 100'000) {
    BytesView part = BytesView(stream).substr(at, 100'000);
    ASSERT_TRUE(reader.take(part).has_value());
    most = std::max(most, reader.memory());
  }
  EXPECT_LT(most, (std::size_t{1} << 20) + 1'000);
}

TEST(Frame, RefusesWhatIsNoFrame) {
  EXPECT_EQ(error_of("GET / HTTP/1.1\r\nHost: x\r\n").text, "these are no frames of zraft");
  EXPECT_EQ(error_of(header_of(0x465a, 9, 2, 1)).code, Code::unsupported);
  EXPECT_EQ(error_of(header_of(0x465a, 1, 8, 1)).code, Code::ok);
  EXPECT_EQ(error_of(header_of(0x465a, 1, 0, 1)).code, Code::unsupported);
  EXPECT_EQ(error_of(header_of(0x465a, 1, 9, 1)).code, Code::unsupported);
}

TEST(Frame, RefusesAChangeOfAnyBit) {
  const Bytes good = encode_frame(FrameKind::peer, "body");
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (int bit = 0; bit < 8; ++bit) {
      Bytes bad = good;
      bad[at] = static_cast<char>(bad[at] ^ (1 << bit));
      EXPECT_NE(error_of(bad).code, Code::ok) << "bit " << bit << " of byte " << at;
    }
  }
}

TEST(Frame, AReaderThatFailedStaysFailed) {
  FrameReader reader;
  BytesView bad = "this is not a frame at all";
  ASSERT_FALSE(reader.take(bad).has_value());
  const Bytes bytes = encode_frame(FrameKind::peer, "body");
  BytesView good = bytes;
  EXPECT_FALSE(reader.take(good).has_value());
}

// What the queue would write if the system took `step` bytes and `parts_max` pieces at a time.
Bytes drain(SendQueue& queue, std::size_t parts_max, std::size_t step) {
  Bytes written;
  std::vector<BytesView> parts(parts_max);
  while (!queue.is_empty()) {
    const std::size_t count = queue.gather(parts);
    Bytes offered;
    for (std::size_t i = 0; i < count; ++i) offered += parts[i];
    const std::size_t size = std::min(step, offered.size());
    EXPECT_GT(size, 0u);
    written += offered.substr(0, size);
    queue.consume(size);
  }
  return written;
}

TEST(SendQueue, GivesTheBytesInOrderHoweverFewAreTaken) {
  const auto fill = [](SendQueue& queue) {
    queue.push(FrameKind::hello, {piece_of("hello")});
    queue.push(FrameKind::peer, {});
    queue.push(FrameKind::peer, {piece_of("head"), piece_of(""), piece_of("first record"), piece_of("second")});
    queue.push(FrameKind::reply, {piece_of("")});
  };
  const Bytes expected = encode_frame(FrameKind::hello, "hello") + encode_frame(FrameKind::peer, "") +
                         encode_frame(FrameKind::peer, "headfirst recordsecond") + encode_frame(FrameKind::reply, "");
  for (std::size_t parts_max = 1; parts_max < 8; ++parts_max) {
    for (std::size_t step = 1; step <= expected.size() + 1; ++step) {
      SendQueue queue;
      fill(queue);
      ASSERT_EQ(queue.bytes(), expected.size());
      ASSERT_EQ(drain(queue, parts_max, step), expected) << parts_max << " pieces, " << step << " bytes at a time";
      ASSERT_EQ(queue.bytes(), 0u);
    }
  }
}

class FileInMemory final : public node::SendableFile {
 public:
  explicit FileInMemory(Bytes content) : content_(std::move(content)) {}
  [[nodiscard]] std::uint64_t size() const override { return content_.size(); }
  Result<Bytes> read(std::uint64_t offset, std::size_t length) override { return content_.substr(offset, length); }

 private:
  Bytes content_;
};

TEST(SendQueue, GivesFilesAndBytesInTheOrderInWhichTheyWerePushed) {
  const auto file = std::make_shared<FileInMemory>("the bytes of a file");
  const auto part = [&](std::uint64_t offset, std::size_t length) {
    return node::FilePart{file, offset, length, crc32c(*file->read(offset, length))};
  };
  const Bytes expected = encode_frame(FrameKind::bulk, "head bytes") + encode_frame(FrameKind::hello, "between") +
                         encode_frame(FrameKind::bulk, "file") + encode_frame(FrameKind::bulk, "last the bytes of a ");
  for (std::size_t step = 1; step <= expected.size(); ++step) {
    SendQueue queue;
    queue.push_file(FrameKind::bulk, "head ", part(4, 5));
    queue.push(FrameKind::hello, {piece_of("between")});
    queue.push_file(FrameKind::bulk, "", part(15, 4));
    queue.push_file(FrameKind::bulk, "last ", part(0, 15));
    ASSERT_EQ(queue.bytes(), expected.size());
    ASSERT_EQ(file.use_count(), 4);
    Bytes written;
    std::vector<BytesView> parts(9);
    while (!queue.is_empty()) {
      Bytes offered;
      const std::size_t count = queue.gather(parts);
      for (std::size_t i = 0; i < count; ++i) offered += parts[i];
      if (const auto next = queue.next_file()) {
        ASSERT_EQ(count, 0u);
        offered = *next->file->read(next->offset, next->length);
      }
      offered.resize(std::min(step, offered.size()));
      ASSERT_FALSE(offered.empty());
      written += offered;
      queue.consume(offered.size());
    }
    ASSERT_EQ(written, expected) << step << " bytes at a time";
    ASSERT_EQ(file.use_count(), 1);
  }
}

TEST(SendQueue, BorrowsThePiecesAndLetsEachGoWhenItIsWritten) {
  const auto owner = std::make_shared<const Bytes>("a record");
  SendQueue queue;
  queue.push(FrameKind::peer, {{owner, *owner}, piece_of("more")});
  std::vector<BytesView> parts(4);
  ASSERT_EQ(queue.gather(parts), 3u);
  EXPECT_EQ(parts[1].data(), owner->data());
  EXPECT_EQ(owner.use_count(), 2);
  queue.consume(frame_header_size + owner->size());
  EXPECT_EQ(owner.use_count(), 1);
}

}  // namespace
}  // namespace zraft::net
