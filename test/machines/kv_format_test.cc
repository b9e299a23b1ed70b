// SPDX-License-Identifier: Apache-2.0
//
// The key-value language in docs/wire_format.md against the code: each example is the sample of its name and each kind
// has its row. The same samples are the seeds of the fuzzer.
#include <gtest/gtest.h>

#include "test/format_document.h"
#include "test/seeds.h"
#include "zraft/machines/kv_wire.h"

namespace zraft::machines {
namespace {

const std::string document = "wire_format.md";

using zraft::test::examples_of_document;
using zraft::test::numbered_rows;
using zraft::test::one_to;

// One of each kind at least, by the name that the document gives it.
zraft::test::Seeds samples() {
  const auto command = [](const KvCommand& value) { return encode(value); };
  const auto outcome = [](const KvOutcome& value) { return encode(value); };
  const auto query = [](const KvQuery& value) { return encode(value); };
  const auto answer = [](const KvAnswer& value) { return encode(value); };
  const auto event = [](const KvEvent& value) { return encode(value); };
  return {
      {"kv_command put", command(Put{"k", "v1"})},
      {"kv_command delete", command(Delete{"k"})},
      {"kv_command compare_and_put", command(CompareAndPut{"k", "v1", "v2"})},
      {"kv_command put_if_absent", command(CompareAndPut{"k", std::nullopt, "v2"})},
      {"kv_command compare_and_delete", command(CompareAndDelete{"k", 12})},
      {"kv_outcome done", outcome(Done{.version = 12, .existed = true})},
      {"kv_outcome conflict", outcome(Conflict{"other"})},
      {"kv_outcome conflict_absent", outcome(Conflict{})},
      {"kv_outcome refused", outcome(Refused{{Code::bad_request, "no"}})},
      {"kv_query get", query(Get{"k"})},
      {"kv_query scan", query(Scan{.prefix = "a/", .start_after = "a/1", .limit = 10})},
      {"kv_query count", query(Count{"a/"})},
      {"kv_answer absent", answer(Absent{})},
      {"kv_answer found", answer(Found{12, "v1", 9})},
      {"kv_answer page", answer(Page{true, {{12, "a/2", "x", 9}, {13, "a/3", ""}}})},
      {"kv_answer counted", answer(Counted{3})},
      {"kv_event put", event(PutEvent{12, "v1", 9})},
      {"kv_event deleted", event(DeletedEvent{.version = 14, .expired = true})},
  };
}

TEST(KvFormat, W57_EveryExampleOfTheDocumentIsTheSampleOfItsName) {
  const auto known = samples();
  std::size_t shown = 0;
  for (const auto& [name, bytes] : examples_of_document(document)) {
    if (!name.starts_with("kv_")) continue;
    ASSERT_TRUE(known.contains(name)) << name;
    EXPECT_EQ(bytes, known.at(name)) << name;
    ++shown;
  }
  EXPECT_GE(shown, 5U) << "a command, an outcome, a query, an answer and an event at least";
}

bool decodes(const std::string& name, BytesView bytes) {
  if (name.starts_with("kv_command ")) return decode_command(bytes).has_value();
  if (name.starts_with("kv_outcome ")) return decode_outcome(bytes).has_value();
  if (name.starts_with("kv_query ")) return decode_query(bytes).has_value();
  if (name.starts_with("kv_answer ")) return decode_answer(bytes).has_value();
  return name.starts_with("kv_event ") && decode_event(bytes).has_value();
}

TEST(KvFormat, EveryExampleOfTheDocumentDecodes) {
  for (const auto& [name, bytes] : examples_of_document(document)) {
    if (!name.starts_with("kv_")) continue;
    EXPECT_TRUE(decodes(name, bytes)) << name;
  }
}

TEST(KvFormat, EveryKindHasItsRow) {
  EXPECT_EQ(numbered_rows(document, "### Commands"), one_to(std::variant_size_v<KvCommand>));
  EXPECT_EQ(numbered_rows(document, "### Outcomes"), one_to(std::variant_size_v<KvOutcome>));
  EXPECT_EQ(numbered_rows(document, "### Queries"), one_to(std::variant_size_v<KvQuery>));
  EXPECT_EQ(numbered_rows(document, "### Answers"), one_to(std::variant_size_v<KvAnswer>));
  EXPECT_EQ(numbered_rows(document, "### Events"), one_to(std::variant_size_v<KvEvent>));
}

TEST(KvFormat, TheCorpusOfTheFuzzerHoldsTheSamples) {
  zraft::test::Seeds seeds;
  for (const auto& [name, bytes] : samples()) {
    std::string file = name.substr(std::string("kv_").size());
    file.replace(file.find(' '), 1, "_");
    seeds[file] = bytes;
  }
  zraft::test::expect_seeds("kv_wire", seeds);
}

}  // namespace
}  // namespace zraft::machines
