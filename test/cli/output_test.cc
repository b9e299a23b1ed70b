// SPDX-License-Identifier: Apache-2.0
//
// What is printed, to the letter: programs read it.
#include "cli/output.h"

#include <gtest/gtest.h>

#include "cli/commands.h"
#include "cli/transfers.h"

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
  const machines::Found owned{3, "v", 9};
  EXPECT_EQ(get_json("k", &owned), "{\"exists\":true,\"key\":\"k\",\"value\":\"v\",\"version\":3,\"owner\":9}\n");
  EXPECT_EQ(get_json("k", nullptr), "{\"exists\":false,\"key\":\"k\"}\n");
  EXPECT_EQ(scan_json({{1, "a", "b"}}, true),
            "{\"more\":true,\"items\":[{\"key\":\"a\",\"value\":\"b\",\"version\":1}]}\n");
  EXPECT_EQ(scan_json({{1, "a", "b", 9}}, false),
            "{\"more\":false,\"items\":[{\"key\":\"a\",\"value\":\"b\",\"version\":1,\"owner\":9}]}\n");
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

TEST(Progress, IsToldInWords) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(1023), "1023 B");
  EXPECT_EQ(bytes_text(1536), "1.5 KiB");
  EXPECT_EQ(bytes_text(std::uint64_t{3} << 40), "3.0 TiB");
  const auto told = [](std::uint64_t bytes, std::uint64_t total, std::uint64_t per_second) {
    return progress_text({.index = {7}, .bytes = bytes, .bytes_total = total, .bytes_per_second = per_second});
  };
  EXPECT_EQ(told(1 << 20, 4 << 20, 1 << 19), "1.0 MiB of 4.0 MiB, 25%, 512.0 KiB/s, 6s left");
  EXPECT_EQ(told(1, 200, 0), "1 B of 200 B, 0%, 0 B/s");
  EXPECT_EQ(told(199, 200, 10), "199 B of 200 B, 99%, 10 B/s, 1s left");
  EXPECT_EQ(told(200, 200, 10), "200 B of 200 B, 100%, 10 B/s, 0s left");
  EXPECT_EQ(told(0, 185, 1), "0 B of 185 B, 0%, 1 B/s, 3m05s left");
  EXPECT_EQ(told(0, 7860, 1), "0 B of 7.7 KiB, 0%, 1 B/s, 2h11m left");
}

// x leads and sends a snapshot to y, which fetches it and has had a part of it from another one.
std::vector<client::MemberStatus> catching_up() {
  client::MemberStatus leader{.peer = "x@a:1", .host = "a", .version = "1", .error = {}, .status = {}};
  leader.status.group = "kv";
  leader.status.peer = "x@a:1";
  leader.status.role = "leader";
  leader.status.snapshot = {90};
  leader.status.snapshot_bytes = 400;
  leader.status.is_saving = true;
  leader.status.sessions = 12;
  leader.status.watches = 7;
  leader.status.membership = raft::membership_of({{{1}, "x@a:1"}, {{2}, "y@b:1"}});
  leader.status.followers = {
      {.id = {2},
       .match = {0},
       .is_replicating = false,
       .heard_ms = 3,
       .needs_snapshot = true,
       .sending = {.index = {90}, .bytes = 100, .bytes_total = 400, .bytes_per_second = 50}}};
  client::MemberStatus follower = leader;
  follower.peer = follower.status.peer = "y@b:1";
  follower.status.role = "follower";
  follower.status.snapshot = {};
  follower.status.snapshot_bytes = 0;
  follower.status.is_saving = false;
  follower.status.followers = {};
  follower.status.fetching = {.index = {90}, .bytes = 300, .bytes_total = 400, .bytes_per_second = 0};
  return {leader, follower};
}

TEST(StatusTable, ShowsSnapshotsAndThoseThatAreOnTheirWay) {
  const std::string shown = status_table(catching_up());
  EXPECT_NE(shown.find("SNAPSHOT  SNAPSHOT_BYTES  SESSIONS  WATCHES  PROBLEM\n"), std::string::npos) << shown;
  EXPECT_NE(shown.find("90        400             12        7        -\n"), std::string::npos) << shown;
  EXPECT_TRUE(shown.ends_with("\n\n"
                              "PEER   GROUP  SNAPSHOT  TO     INDEX  BYTES  OF   PERCENT  PER_SECOND  LEFT\n"
                              "x@a:1  kv     writing   -      -      -      -    -        -           -\n"
                              "x@a:1  kv     sending   y@b:1  90     100    400  25%      50          6s\n"
                              "y@b:1  kv     fetching  -      90     300    400  75%      0           -\n"))
      << shown;
  const std::string json = status_json(catching_up());
  EXPECT_NE(json.find("\"snapshot\":90,\"snapshot_bytes\":400,\"is_saving\":true,\"fetching\":null,\"followers\":["
                      "{\"peer\":\"y@b:1\",\"id\":\"2\",\"match\":0,\"is_replicating\":false,\"heard_ms\":3,"
                      "\"needs_snapshot\":true,\"sending\":{\"index\":90,\"bytes\":100,\"bytes_total\":400,"
                      "\"percent\":25,\"bytes_per_second\":50,\"seconds_left\":6}}]"),
            std::string::npos)
      << json;
  EXPECT_NE(json.find("\"sessions\":12,\"watches\":7"), std::string::npos) << json;
  EXPECT_NE(json.find("\"is_saving\":false,\"fetching\":{\"index\":90,\"bytes\":300,\"bytes_total\":400,\"percent\":75,"
                      "\"bytes_per_second\":0,\"seconds_left\":null},\"followers\":[]"),
            std::string::npos)
      << json;
}

TEST(Taken, SaysUpToWhichIndexEachMemberHasASnapshot) {
  auto rows = catching_up();
  rows[1].error = {Code::timeout, "no answer in time"};
  EXPECT_EQ(taken_table(rows),
            "PEER   SNAPSHOT  SNAPSHOT_BYTES  PROBLEM\n"
            "x@a:1  90        400             -\n"
            "y@b:1  -         -               no answer in time\n");
  EXPECT_EQ(taken_json("kv", rows),
            "{\"group\":\"kv\",\"members\":[{\"peer\":\"x@a:1\",\"snapshot\":90,\"snapshot_bytes\":400},"
            "{\"peer\":\"y@b:1\",\"problem\":\"no answer in time\"}]}\n");
}

TEST(ProgressLines, WriteOneLineOverAsBytesCome) {
  std::FILE* terminal = std::tmpfile();
  ASSERT_NE(terminal, nullptr);
  {
    ProgressLines lines(terminal);
    client::Waiting waiting{.what = "the new members catch up", .fetching = {}};
    lines.tell(waiting);
    waiting.fetching = {{.peer = "y@b:1", .progress = catching_up()[1].status.fetching}};
    lines.tell(waiting);
    waiting.fetching.push_back({.peer = "z@c:1", .progress = {}});
    lines.tell(waiting);
    lines.tell({.what = "the change before is being finished", .fetching = {}});
  }
  std::rewind(terminal);
  char text[1024];
  const std::size_t length = std::fread(text, 1, sizeof text, terminal);
  std::fclose(terminal);
  EXPECT_EQ(std::string(text, length),
            "the new members catch up\n"
            "\ry@b:1: 300 B of 400 B, 75%, 0 B/s\033[K"
            "\ry@b:1: 300 B of 400 B, 75%, 0 B/s (and 1 more)\033[K\n"
            "the change before is being finished\n");
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

TEST(Recovery, IsShownWithEveryCopyAndTheChosenOne) {
  host::GroupCopy voter{.host = 1,
                        .entry = {"kv", {7}, "memory", {1}, "a@h:1", {8}},
                        .log = {},
                        .membership = {},
                        .membership_index = {4}};
  voter.log.hard_state.term = {3};
  voter.log.base.last = {{2}, {5}};
  voter.snapshot = storage::SnapshotManifest{.meta = {.last = {{2}, {5}}}};
  voter.membership = raft::membership_of({{{1}, "a@h:1"}, {{2}, "b@h:2"}});
  voter.membership.members.push_back({{3}, "c@h:3"});
  host::GroupCopy empty = voter;
  empty.host = 0;
  empty.entry.self = {9};
  empty.entry.peer = "d@h:4";
  empty.log = {};
  empty.snapshot = std::nullopt;
  empty.membership = {};
  Recovery recovery{.directories = {"x", "y"}, .survey = {}, .chosen = 1, .losses = {}, .made = std::nullopt};
  recovery.survey.copies = {empty, voter};
  EXPECT_EQ(recovery_table(recovery),
            "DIRECTORY  PEER   COPY   TERM  LAST  SNAPSHOT  ENTRIES  MEMBERS_AT  MEMBERS                     CHOSEN\n"
            "x          d@h:4  empty  0     0^0   -         0        4           -                           -\n"
            "y          a@h:1  voter  3     2^5   2^5       0        4           a@h:1,b@h:2,c@h:3(learner)  yes\n");
  EXPECT_EQ(cut_off(recovery), (std::vector<std::string>{"b@h:2", "c@h:3"}));
  recovery.survey.copies[1].entry.is_removed = true;
  EXPECT_NE(recovery_table(recovery).find("removed"), std::string::npos);
  recovery.survey.copies[1].problem = "no snapshot";
  EXPECT_NE(recovery_table(recovery).find("unusable"), std::string::npos);
  EXPECT_NE(recovery_json(recovery).find("\"problem\":\"no snapshot\""), std::string::npos);
  recovery.losses = {{0, {{1}, {2}}, 3}};
  recovery.made = host::NewGroup{.id = {77}, .last = {{4}, {6}}, .problems = {"y: full"}};
  const std::string json = recovery_json(recovery);
  for (const char* part : {"{\"group\":\"kv\",\"applied\":true,\"chosen\":\"a@h:1\",\"copies\":[{\"directory\":\"x\"",
                           "\"lost\":[{\"directory\":\"x\",\"peer\":\"d@h:4\",\"after\":2,\"entries\":3}]",
                           "\"cut_off\":[\"b@h:2\",\"c@h:3\"]", "\"group_id\":\"77\",\"problems\":[\"y: full\"]"}) {
    EXPECT_NE(json.find(part), std::string::npos) << part << " in " << json;
  }
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
