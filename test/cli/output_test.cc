// SPDX-License-Identifier: Apache-2.0
//
// What is printed, to the letter: programs read it.
#include "cli/output.h"

#include <gtest/gtest.h>

#include "cli/commands.h"

namespace zraft::cli {
namespace {

TEST(Table, IsAlignedAndShowsWhatIsEmptyAsADash) {
  EXPECT_EQ(table({{"A", "LONG", "C"}, {"wide", "", "x"}, {"", "y", ""}}),
            "A     LONG  C\nwide  -     x\n-     y     -\n");
}

TEST(Json, OfKeysAndValues) {
  EXPECT_EQ(done_json({7, true}), "{\"done\":true,\"version\":7,\"existed\":true}\n");
  EXPECT_EQ(conflict_json({"other"}), "{\"done\":false,\"exists\":true,\"actual\":\"other\"}\n");
  EXPECT_EQ(conflict_json({std::nullopt}), "{\"done\":false,\"exists\":false}\n");
  const machines::Found found{3, "v\"\n"};
  EXPECT_EQ(get_json("k", &found), "{\"exists\":true,\"key\":\"k\",\"value\":\"v\\\"\\n\",\"version\":3}\n");
  EXPECT_EQ(get_json("k", nullptr), "{\"exists\":false,\"key\":\"k\"}\n");
  EXPECT_EQ(scan_json({{1, "a", "b"}}, true),
            "{\"more\":true,\"items\":[{\"key\":\"a\",\"value\":\"b\",\"version\":1}]}\n");
  EXPECT_EQ(scan_json({}, false), "{\"more\":false,\"items\":[]}\n");
  EXPECT_EQ(count_json(12), "{\"count\":12}\n");
}

// The examples of RFC 4648, chapter 10, after a byte that no UTF-8 has.
TEST(Json, GivesBytesThatAreNoTextInBase64) {
  const auto value_of = [](const Bytes& value) {
    const machines::Found found{1, value};
    return get_json("k", &found);
  };
  const auto expect = [&](const Bytes& value, const std::string& base64) {
    EXPECT_EQ(value_of(value), "{\"exists\":true,\"key\":\"k\",\"value_base64\":\"" + base64 + "\",\"version\":1}\n");
  };
  expect("\xff", "/w==");
  expect("\xff\xfe", "//4=");
  expect("\xff\xfe\xfd", "//79");
  expect(
      "\xff"
      "foobar",
      "/2Zvb2Jhcg==");
  EXPECT_EQ(value_of("gr\xc3\xbc\xc3\x9f"),
            "{\"exists\":true,\"key\":\"k\",\"value\":\"gr\xc3\xbc\xc3\x9f\",\"version\":1}\n");
}

TEST(StatusTable, ShowsAMemberThatDoesNotAnswer) {
  client::MemberStatus there{.peer = "n1@h:1", .host = "n1", .version = "1", .error = {}, .status = {}};
  there.status.group = "kv";
  there.status.role = "leader";
  there.status.term = raft::Term{4};
  const client::MemberStatus gone{
      .peer = "n2@h:2", .host = {}, .version = {}, .error = {Code::all_failed, "h:2 refuses"}, .status = {}};
  const std::string shown = status_table({there, gone});
  EXPECT_NE(shown.find("n1@h:1  kv     leader       4"), std::string::npos) << shown;
  EXPECT_NE(shown.find("n2@h:2  -      unreachable  -"), std::string::npos) << shown;
  EXPECT_NE(shown.find("h:2 refuses\n"), std::string::npos) << shown;
  const std::string json = status_json({there, gone});
  EXPECT_NE(json.find("\"role\":\"unreachable\",\"problem\":\"h:2 refuses\""), std::string::npos) << json;
}

TEST(ExitStatus, SaysWhatIsKnownOfTheOutcome) {
  EXPECT_EQ(status_of(Code::ok), Exit::done);
  EXPECT_EQ(status_of(Code::timeout_unknown_outcome), Exit::unknown);
  EXPECT_EQ(status_of(Code::timeout), Exit::unreachable);
  EXPECT_EQ(status_of(Code::all_failed), Exit::unreachable);
  EXPECT_EQ(status_of(Code::too_large), Exit::refused);
  EXPECT_EQ(status_of(Code::busy), Exit::refused);
}

}  // namespace
}  // namespace zraft::cli
