// SPDX-License-Identifier: Apache-2.0
//
// Every format of the wire, by its samples: what was encoded comes back, a value has one encoding, and no bytes that
// were cut or changed do anything but give a value or an error.
#include "zraft/net/wire.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>

#include "test/net/join.h"
#include "test/net/samples.h"
#include "test/seeds.h"
#include "zraft/base/codec.h"
#include "zraft/net/wire_bulk.h"

namespace zraft::net {
namespace {

using test::Format;
using test::formats;
using test::hex;
using test::join;
using test::Sample;
using test::sample;

std::string name_of(const Format& format, const Sample& one) { return format.name + " " + one.name; }

// What ends where its frame ends: cut, or with more behind it, it is another of its kind.
bool ends_anywhere(const Format& format, const Sample& one) { return name_of(format, one) == "bulk chunk"; }

TEST(Wire, EverySampleComesBackByteForByte) {
  for (const Format& format : formats()) {
    for (const Sample& one : format.samples) {
      const auto again = format.again(one.bytes);
      ASSERT_TRUE(again.has_value()) << name_of(format, one) << ": " << again.error().text;
      EXPECT_EQ(hex(*again), hex(one.bytes)) << name_of(format, one);
    }
  }
}

TEST(Wire, ASampleThatWasCutAnywhereIsRefused) {
  for (const Format& format : formats()) {
    for (const Sample& one : format.samples) {
      if (name_of(format, one) == "frame three") continue;  // a stream may end between two frames
      if (ends_anywhere(format, one)) continue;
      for (std::size_t size = 1; size < one.bytes.size(); ++size) {
        EXPECT_FALSE(format.again(BytesView(one.bytes).substr(0, size))) << name_of(format, one) << " cut at " << size;
      }
    }
  }
}

TEST(Wire, ASampleThatSomethingFollowsIsRefused) {
  for (const Format& format : formats()) {
    for (const Sample& one : format.samples) {
      if (ends_anywhere(format, one)) continue;
      EXPECT_FALSE(format.again(one.bytes + '\0')) << name_of(format, one);
    }
  }
}

TEST(Wire, AnyByteChangedGivesAValueOfThatEncodingOrAnError) {
  for (const Format& format : formats()) {
    for (const Sample& one : format.samples) {
      for (std::size_t at = 0; at < one.bytes.size(); ++at) {
        for (const int flip : {1, 2, 4, 8, 16, 32, 64, 128, 255}) {
          Bytes bytes = one.bytes;
          bytes[at] = static_cast<char>(bytes[at] ^ flip);
          const auto again = format.again(bytes);
          if (!again) {
            ASSERT_FALSE(again.error().text.empty());
          } else {
            ASSERT_TRUE(*again == bytes) << name_of(format, one) << " changed at " << at;
          }
        }
      }
    }
  }
}

TEST(Wire, TheDataOfAChunkIsAllThatIsBehindItsHeadAndNeverNothing) {
  const Bytes head = encode(SnapshotChunk{.file = 7, .chunk = 9, .data = {}});
  for (std::size_t size = 0; size <= head.size(); ++size) {
    EXPECT_FALSE(decode_bulk(BytesView(head).substr(0, size)).has_value()) << size;
  }
  const Bytes whole = head + "any bytes";
  const auto message = decode_bulk(whole);
  ASSERT_TRUE(message.has_value());
  const auto& chunk = std::get<SnapshotChunk>(*message);
  EXPECT_EQ(chunk.file, 7u);
  EXPECT_EQ(chunk.chunk, 9u);
  EXPECT_EQ(chunk.data, "any bytes");
}

TEST(Wire, ASnapshotIsOfferedOrRefusedAndNotBoth) {
  EXPECT_FALSE(decode_bulk(encode(SnapshotOffered{.error = {}, .manifest = {}})).has_value());
  EXPECT_FALSE(decode_bulk(encode(SnapshotOffered{.error = {Code::busy, ""}, .manifest = "m"})).has_value());
  EXPECT_FALSE(decode_bulk(encode(SnapshotOffered{.error = {Code{200}, ""}, .manifest = {}})).has_value());
  const auto cut = decode_bulk(encode(SnapshotOffered{.error = {Code::io, Bytes(5000, 'x')}, .manifest = {}}));
  ASSERT_TRUE(cut.has_value());
  EXPECT_EQ(std::get<SnapshotOffered>(*cut).error.text.size(), 1024u);
}

TEST(Wire, AnErrorOfAPeerFrameSaysWhichCheckFailed) {
  Bytes bytes = sample("peer_frame", "append_one");
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  const auto frame = decode_peer_frame(std::make_shared<const Bytes>(bytes));
  ASSERT_FALSE(frame.has_value());
  EXPECT_EQ(frame.error().text, "record 2^6: the checksum of the payload is wrong");
}

TEST(Wire, P57_ARecordOfAnotherGroupIsRefused) {
  Bytes bytes = sample("peer_frame", "append_one");
  bytes[0] = 'x';  // the frame's group; the record, with its checksum, says another
  const auto frame = decode_peer_frame(std::make_shared<const Bytes>(bytes));
  ASSERT_FALSE(frame.has_value());
  EXPECT_EQ(frame.error().code, Code::corrupt);
}

TEST(Wire, RecordsGoOutAndComeInWithoutACopy) {
  const auto group = raft::GroupId{9};
  const auto record = raft::Record::make(group, {raft::Term{1}, raft::Index{1}}, raft::EntryType::command, {}, "abc");
  PeerFrame frame{group, {}};
  frame.message.body = raft::Append{.entries = {record}};
  const Pieces pieces = encode(frame);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[1].bytes.data(), record.bytes().data());
  EXPECT_EQ(pieces[1].owner, record.owner());

  const auto body = std::make_shared<const Bytes>(join(pieces));
  const auto decoded = decode_peer_frame(body);
  ASSERT_TRUE(decoded.has_value());
  const raft::Record& entry = std::get<raft::Append>(decoded->message.body).entries.at(0);
  EXPECT_GE(entry.bytes().data(), body->data());
  EXPECT_LT(entry.bytes().data(), body->data() + body->size());
  EXPECT_EQ(entry.owner().get(), body.get());
}

TEST(Wire, TheChangesOfAnEventAreSharedByAllWhoAreToldThem) {
  const std::vector<node::Change> changes = {{"x", "put"}, {"y/z", ""}};
  const Piece shared = encode_changes(changes);
  WatchEvent event{.watch = 76, .is_last = true, .index = {8}, .changes = {}, .error = {}};
  const Pieces pieces = encode(event, shared);
  ASSERT_EQ(pieces.size(), 2u);
  EXPECT_EQ(pieces[1].bytes.data(), shared.bytes.data());
  EXPECT_EQ(pieces[1].owner, shared.owner);
  event.changes = changes;
  EXPECT_EQ(hex(join(pieces)), hex(encode(event)));
}

TEST(Wire, AnEventThatContradictsItselfIsRefused) {
  using What = WatchEvent::What;
  const auto decodes = [](WatchEvent event) { return decode_watch_event(encode(event)).has_value(); };
  const std::vector<node::Change> changes = {{"x", "put"}};
  EXPECT_FALSE(decodes({.what = What::changed, .changes = {}, .error = {}}));
  EXPECT_FALSE(decodes({.what = What::progress, .changes = changes, .error = {}}));
  EXPECT_FALSE(decodes({.what = What::progress, .is_last = true, .changes = {}, .error = {}}));
  EXPECT_FALSE(decodes({.what = What::leader_changed, .is_last = false, .changes = {}, .error = {}}));
  EXPECT_FALSE(decodes({.what = What::closed, .is_last = false, .changes = {}, .error = {Code::busy, ""}}));
  EXPECT_FALSE(decodes({.what = What{5}, .is_last = true, .changes = {}, .error = {}}));
  EXPECT_FALSE(decodes({.what = What::closed, .is_last = true, .changes = {}, .error = {Code{200}, ""}}));
  EXPECT_TRUE(decodes({.what = What::closed, .is_last = true, .changes = {}, .error = {Code::busy, ""}}));
}

TEST(Wire, AWatchHasAQueryOrGoesOnAndNotBoth) {
  const auto request = decode_request(sample("request", "watch_on"));
  ASSERT_TRUE(request.has_value());
  const Watch& on = std::get<Watch>(request->body);
  EXPECT_EQ(on.after, raft::Index{7});
  ASSERT_EQ(on.watchable.size(), 2u);
  EXPECT_TRUE(on.watchable[1].is_prefix);
  const auto fresh = decode_request(sample("request", "watch"));
  ASSERT_TRUE(fresh.has_value());
  EXPECT_EQ(std::get<Watch>(fresh->body).query, "get x");
  EXPECT_FALSE(std::get<Watch>(fresh->body).after.has_value());
}

TEST(Wire, W48_ACountThatTheBytesCannotHoldIsRefusedAtOnce) {
  Bytes append = sample("peer_frame", "append_empty");
  std::fill(append.end() - 4, append.end(), '\xff');
  EXPECT_FALSE(decode_peer_frame(std::make_shared<const Bytes>(append)).has_value());
  Bytes status = sample("reply", "status_none");
  std::fill(status.end() - 4, status.end(), '\xff');
  EXPECT_FALSE(decode_reply(status).has_value());
  Bytes event = sample("watch_event", "progress");
  std::fill(event.end() - 4, event.end(), '\xff');
  EXPECT_FALSE(decode_watch_event(event).has_value());
}

TEST(Wire, AnUnknownNumberIsNamed) {
  Bytes request = sample("request", "propose");
  request[12] = 99;
  EXPECT_EQ(decode_request(request).error().text, "request: none has the number 99");
  Bytes reply = sample("reply", "nothing");
  reply[8] = 99;
  EXPECT_FALSE(decode_reply(reply).has_value());
  Bytes message = sample("peer_frame", "vote");
  message[32] = 0;
  EXPECT_EQ(decode_peer_frame(std::make_shared<const Bytes>(message)).error().text,
            "peer frame: no message has the number 0");
}

TEST(Wire, FieldsComeToTheirPlaces) {
  const auto reply = decode_reply(sample("reply", "status"));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->id, 77u);
  const PeerStatus& peer = std::get<Status>(reply->body).peers.at(0);
  EXPECT_EQ(peer.last.value, 12u);
  EXPECT_EQ(peer.durable.value, 11u);
  EXPECT_EQ(peer.commit.value, 10u);
  EXPECT_EQ(peer.applied.value, 9u);
  EXPECT_EQ(peer.log_bytes, 4096u);
  EXPECT_EQ(peer.membership.members.size(), 3u);
  EXPECT_TRUE(std::get<Status>(reply->body).peers.at(1).membership.members.empty());

  const auto request = decode_request(sample("request", "start_peer"));
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->timeout_ms, 1500u);
  EXPECT_EQ(std::get<StartPeer>(request->body).self, raft::NodeId{2});
  EXPECT_TRUE(std::get<StartPeer>(request->body).membership.is_joint());
}

TEST(Wire, VersionsAgreeOnTheSmallerOne) {
  const auto hello = [](std::uint16_t oldest, std::uint16_t newest) {
    return Hello{.version = newest, .version_oldest = oldest};
  };
  EXPECT_EQ(agree(hello(1, 1), hello(1, 1)), 1);
  EXPECT_EQ(agree(hello(1, 3), hello(2, 5)), 3);
  EXPECT_EQ(agree(hello(2, 5), hello(1, 3)), 3);
  const auto none = agree(hello(1, 1), hello(2, 3));
  ASSERT_FALSE(none.has_value());
  EXPECT_EQ(none.error().code, Code::unsupported);
  EXPECT_EQ(none.error().text,
            "this side speaks wire versions 1 to 1, the other side 2 to 3: run builds that have one in common");
  EXPECT_FALSE(agree(hello(2, 3), hello(1, 1)).has_value());
}

TEST(Wire, AHelloIsRefusedIfItsVersionsOrNameCannotBe) {
  EXPECT_FALSE(decode_hello(encode(Hello{.version = 1, .version_oldest = 2})).has_value());
  EXPECT_FALSE(decode_hello(encode(Hello{.version = 1, .version_oldest = 0})).has_value());
  const auto cut = decode_hello(encode(Hello{.name = std::string(1000, 'n')}));
  ASSERT_TRUE(cut.has_value());
  EXPECT_EQ(cut->name.size(), 256u);
}

TEST(Wire, TheCorporaOfTheFuzzersHoldTheSamples) {
  for (const Format& format : formats()) {
    zraft::test::Seeds seeds;
    for (const Sample& one : format.samples) seeds[one.name] = one.bytes;
    zraft::test::expect_seeds(format.name, seeds);
  }
  // Beyond the limit of a name, where a fuzzer hardly gets by itself.
  Bytes hello = encode(Hello{.name = std::string(256, 'n')}) + "n";
  hello[13] = 1;  // the length is 257
  EXPECT_FALSE(decode_hello(hello).has_value());
  zraft::test::expect_seeds("hello", {{"name_too_long", hello}});
}

}  // namespace
}  // namespace zraft::net
