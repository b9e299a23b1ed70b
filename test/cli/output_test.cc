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

// A joint membership: x stays, y goes, w comes, v follows, u catches up. x leads.
std::vector<client::MemberStatus> changing() {
  net::PeerStatus leader;
  leader.group = "kv";
  leader.backend = "memory";
  leader.peer = "x@a:1";
  leader.self = {1};
  leader.role = "leader";
  leader.leader = "x@a:1";
  leader.term = {3};
  leader.durable = {9};
  leader.membership.members = {{{1}, "x@a:1"}, {{2}, "y@b:1"}, {{3}, "w@c:1"}, {{4}, "v@d:1"}, {{5}, "u@e:1"}};
  leader.membership.voters = {{1}, {3}};
  leader.membership.outgoing = {{1}, {2}};
  leader.membership.promoting = {{5}};
  leader.membership.leaving = {{2}};
  leader.followers = {{.id = {3}, .match = {7}, .is_replicating = true, .heard_ms = 1}};
  client::MemberStatus first{.peer = "x@a:1", .host = "a", .version = "1", .error = {}, .status = leader};
  client::MemberStatus second{.peer = "y@b:1", .host = "b", .version = "1", .error = {}, .status = leader};
  second.status.peer = "y@b:1";
  second.status.role = "follower";
  second.status.term = {2};
  second.status.leader = "y@b:1";
  second.status.membership.members.pop_back();
  client::MemberStatus gone{
      .peer = "w@c:1", .host = {}, .version = {}, .error = {Code::all_failed, "c:1 refuses"}, .status = {}};
  return {first, gone, second};
}

TEST(MembersTable, SaysWhatEachIsInTheMembershipAndWhatItSaysOfItself) {
  const auto rows = changing();
  EXPECT_EQ(members_table(rows[0].status, rows),
            "PEER   MEMBER       ROLE         MATCH  PROBLEM\n"
            "x@a:1  voter        leader       9      -\n"
            "y@b:1  leaving      follower     -      -\n"
            "w@c:1  joining      unreachable  7      c:1 refuses\n"
            "v@d:1  learner      unreachable  -      -\n"
            "u@e:1  catching-up  unreachable  -      -\n");
  const std::string json = members_json(rows[0].status, rows);
  EXPECT_TRUE(json.starts_with("{\"group\":\"kv\",\"leader\":\"x@a:1\",\"members\":[{\"peer\":\"x@a:1\",\"id\":\"1\","
                               "\"member\":\"voter\",\"role\":\"leader\",\"match\":9}"))
      << json;
  EXPECT_NE(json.find("{\"peer\":\"v@d:1\",\"id\":\"4\",\"member\":\"learner\",\"role\":\"unreachable\"}"),
            std::string::npos)
      << json;
}

TEST(GroupsTable, HasALineForEachGroupAsTheLatestTermSeesIt) {
  auto rows = changing();
  client::MemberStatus other = rows[0];
  other.status.group = "a";
  other.status.leader = "";
  rows.push_back(other);
  EXPECT_EQ(groups_table(rows),
            "GROUP  BACKEND  MEMBERS  TERM  LEADER\n"
            "a      memory   5        3     -\n"
            "kv     memory   5        3     x@a:1\n");
  EXPECT_NE(groups_json(rows).find(
                "{\"group\":\"kv\",\"backend\":\"memory\",\"members\":5,\"term\":3,\"leader\":\"x@a:1\"}"),
            std::string::npos);
  EXPECT_EQ(groups_json({}), "{\"groups\":[]}\n");
}

TEST(Json, OfLeadersAndOfGroupsThatAreGone) {
  EXPECT_EQ(leader_json("x@a:1"), "{\"leader\":\"x@a:1\"}\n");
  EXPECT_EQ(destroyed_json("kv", ""), "{\"destroyed\":\"kv\"}\n");
  EXPECT_EQ(destroyed_json("kv", "x@a:1"), "{\"destroyed\":\"kv\",\"at\":\"x@a:1\"}\n");
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
