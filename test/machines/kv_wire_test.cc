// SPDX-License-Identifier: Apache-2.0
//
// The key-value language: what was encoded is decoded to the same, the drawn bytes are the written ones, and the
// decoders take any bytes whatever without reading past them.
#include "zraft/machines/kv_wire.h"

#include <gtest/gtest.h>

#include "zraft/base/random.h"

namespace zraft::machines {
namespace {

const Bytes odd_bytes("\x00k\xff\n", 4);

const KvCommand commands[] = {
    Put{"k", "v"},
    Put{"", ""},
    Put{odd_bytes, odd_bytes},
    Delete{"k"},
    CompareAndPut{"k", std::nullopt, "v"},
    CompareAndPut{"k", "", "v"},
    CompareAndPut{"k", "old", ""},
    CompareAndDelete{"k", 7},
    CompareAndDelete{odd_bytes, UINT64_MAX},
};
const KvOutcome outcomes[] = {
    Done{7, true}, Done{0, false}, Conflict{std::nullopt}, Conflict{"other"}, Refused{{Code::bad_request, "why"}},
};
const KvQuery queries[] = {Get{"k"}, Scan{}, Scan{"p", "p5", 10}, Count{"p"}};
const KvAnswer answers[] = {
    Absent{},   Found{9, "v"}, Found{9, "", 4}, Page{}, Page{true, {{1, "a", "x"}, {2, odd_bytes, "", UINT64_MAX}}},
    Counted{3},
};
const KvEvent events[] = {PutEvent{9, "v"}, PutEvent{9, odd_bytes, 4}, DeletedEvent{7, false}, DeletedEvent{8, true}};

TEST(KvWire, DecodesWhatItEncoded) {
  for (const KvCommand& command : commands) EXPECT_EQ(decode_command(encode(command)), command);
  for (const KvOutcome& outcome : outcomes) EXPECT_EQ(decode_outcome(encode(outcome)), outcome);
  for (const KvQuery& query : queries) EXPECT_EQ(decode_query(encode(query)), query);
  for (const KvAnswer& answer : answers) EXPECT_EQ(decode_answer(encode(answer)), answer);
  for (const KvEvent& event : events) EXPECT_EQ(decode_event(encode(event)), event);
}

TEST(KvWire, WritesTheBytesThatTheHeaderDraws) {
  EXPECT_EQ(encode(KvCommand(Put{"k", "vw"})), Bytes("\x01\x01\0\0\0k\x02\0\0\0vw", 12));
  EXPECT_EQ(encode(KvCommand(Delete{"k"})), Bytes("\x02\x01\0\0\0k", 6));
  EXPECT_EQ(encode(KvCommand(CompareAndPut{"k", std::nullopt, "v"})), Bytes("\x03\x01\0\0\0k\0\x01\0\0\0v", 12));
  EXPECT_EQ(encode(KvCommand(CompareAndPut{"k", "o", "v"})), Bytes("\x03\x01\0\0\0k\x01\x01\0\0\0o\x01\0\0\0v", 17));
  EXPECT_EQ(encode(KvCommand(CompareAndDelete{"k", 258})), Bytes("\x04\x01\0\0\0k\x02\x01\0\0\0\0\0\0", 14));
  EXPECT_EQ(encode(KvOutcome(Done{258, true})), Bytes("\x01\x02\x01\0\0\0\0\0\0\x01", 10));
  EXPECT_EQ(encode(KvQuery(Scan{"p", "", 3})), Bytes("\x02\x01\0\0\0p\0\0\0\0\x03\0\0\0", 14));
  EXPECT_EQ(encode(KvAnswer(Found{1, "v", 2})), Bytes("\x02\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0v", 22));
  EXPECT_EQ(encode(KvAnswer(Counted{5})), Bytes("\x04\x05\0\0\0\0\0\0\0", 9));
  EXPECT_EQ(encode(KvAnswer(Page{false, {{1, "a", "x"}}})).size(), 1 + 1 + 4 + page_item_overhead + 2);
  EXPECT_EQ(encode(KvEvent(PutEvent{1, "v", 2})), Bytes("\x01\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0v", 22));
  EXPECT_EQ(encode(KvEvent(DeletedEvent{3, true})), Bytes("\x02\x03\0\0\0\0\0\0\0\x01", 10));
}

TEST(KvWire, RefusesEveryCutAndEveryExtraByte) {
  const auto expect_only_whole = [](const Bytes& whole, auto decode) {
    for (std::size_t n = 0; n < whole.size(); ++n) EXPECT_FALSE(decode(BytesView(whole).substr(0, n)).has_value());
    EXPECT_FALSE(decode(whole + '\0').has_value());
  };
  for (const KvCommand& command : commands) expect_only_whole(encode(command), decode_command);
  for (const KvOutcome& outcome : outcomes) expect_only_whole(encode(outcome), decode_outcome);
  for (const KvQuery& query : queries) expect_only_whole(encode(query), decode_query);
  for (const KvAnswer& answer : answers) expect_only_whole(encode(answer), decode_answer);
  for (const KvEvent& event : events) expect_only_whole(encode(event), decode_event);
}

TEST(KvWire, RefusesUnknownTagsAndCountsBeyondTheBytes) {
  EXPECT_EQ(decode_command(Bytes("\x09\0\0\0\0", 5)).error().code, Code::bad_request);
  EXPECT_EQ(decode_query("").error().code, Code::bad_request);
  EXPECT_EQ(decode_outcome(Bytes("\0", 1)).error().code, Code::corrupt);
  EXPECT_EQ(decode_event(Bytes("\x03\0\0\0\0\0\0\0\0\0", 10)).error().code, Code::corrupt);
  EXPECT_EQ(decode_answer(Bytes("\x03\0\xff\xff\xff\xff", 6)).error().code, Code::corrupt);
}

// Whatever a decoder accepts has one form only: it encodes to the bytes it came from.
template <class Decode>
void expect_one_form(const Bytes& bytes, Decode decode) {
  if (const auto value = decode(bytes)) {
    EXPECT_EQ(encode(*value), bytes);
  }
}

TEST(KvWire, AcceptsOnlyWhatItWouldHaveWritten) {
  Random random(1);
  for (int round = 0; round < 200'000; ++round) {
    Bytes bytes;
    const std::uint64_t size = random.below(24);
    for (std::uint64_t i = 0; i < size; ++i) {
      bytes.push_back(static_cast<char>(random.chance(700'000) ? random.below(4) : random.below(256)));
    }
    expect_one_form(bytes, decode_command);
    expect_one_form(bytes, decode_outcome);
    expect_one_form(bytes, decode_query);
    expect_one_form(bytes, decode_answer);
    expect_one_form(bytes, decode_event);
  }
}

}  // namespace
}  // namespace zraft::machines
