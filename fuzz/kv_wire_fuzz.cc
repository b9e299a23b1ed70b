// SPDX-License-Identifier: Apache-2.0
//
// The key-value language, all five kinds of it fed with the same bytes; and the store itself, which is given them as a
// command and as a query: two members that were fed alike answer alike, in words that a client can read, and when the
// session ends that wrote them, it takes what it owns and nothing else.
#include "fuzz/fuzzer.h"
#include "zraft/machines/kv_wire.h"
#include "zraft/machines/memory_kv.h"

namespace zraft::fuzz {
namespace {

template <class Value>
void expect_one_form(BytesView input, Result<Value> (*decode)(BytesView)) {
  const auto value = expect_one_encoding(input, decode, [](const Value& one) { return machines::encode(one); });
  if (value) CHECK(decode(input) == value, "the same bytes are the same value");
}

constexpr node::SessionId session{1};

void expect_events(const node::Applied& applied) {
  for (const auto& [key, event] : applied.changes) {
    CHECK(machines::decode_event(event).has_value(), "the store's events are of the language");
  }
}

void feed(machines::MemoryKv& store, std::uint64_t index, BytesView command) {
  const node::Applied applied =
      store.apply({.index = {index}, .time = {}, .data = command, .session = session, .is_ephemeral = index % 2 == 1});
  expect_events(applied);
  const auto outcome = machines::decode_outcome(applied.result);
  CHECK(outcome.has_value(), "the store's outcomes are of the language");
  const bool is_refused = std::holds_alternative<machines::Refused>(*outcome);
  CHECK(is_refused || machines::decode_command(command).has_value(), "only commands are carried out");
  if (store.admit(command)) CHECK(!is_refused, "what was admitted is carried out");
}

void run(BytesView input) {
  expect_one_form(input, machines::decode_command);
  expect_one_form(input, machines::decode_outcome);
  expect_one_form(input, machines::decode_query);
  expect_one_form(input, machines::decode_answer);
  expect_one_form(input, machines::decode_event);

  machines::MemoryKv store;
  machines::MemoryKv other;
  for (machines::MemoryKv* each : {&store, &other}) {
    feed(*each, 1, machines::encode(machines::KvCommand(machines::Put{"k", "v"})));
    feed(*each, 2, input);
    feed(*each, 3, input);
  }
  CHECK(store.digest() == other.digest(), "the same commands make the same store");
  const std::size_t before = store.size();
  const node::Applied expired = store.expire({4}, session);
  expect_events(expired);
  CHECK(before - store.size() == expired.changes.size(), "each key that goes is told");
  CHECK(store.expire({5}, session).changes.empty(), "a session owns nothing after its end");
  const auto queried = store.query(input);
  if (!queried) return expect_refusal(queried.error());
  CHECK(machines::decode_answer(queried->result).has_value(), "the store's answers are of the language");
}

}  // namespace
}  // namespace zraft::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  zraft::fuzz::run(zraft::fuzz::view(data, size));
  return 0;
}
