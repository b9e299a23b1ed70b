// SPDX-License-Identifier: Apache-2.0
//
// Sessions and watches as a host serves them: what the leader does for sessions besides the log, and what a link is
// told of what it watches.
#include <gtest/gtest.h>

#include "test/host/caller.h"
#include "zraft/machines/memory_kv.h"

namespace zraft::host::test {
namespace {

using What = net::WatchEvent::What;

Bytes put(const Bytes& key, const Bytes& value) { return encode(machines::KvCommand(machines::Put{key, value})); }
Bytes get(const Bytes& key) { return encode(machines::KvQuery(machines::Get{key})); }
Bytes all() { return encode(machines::KvQuery(machines::Scan{"", "", 1})); }

class HostSessions : public ::testing::Test {
 protected:
  HostSessions() {
    world_.backends["memory"] = [] { return std::make_unique<machines::MemoryKv>(); };
    world_.must_start();
    net::StartPeer start = lone_peer("kv");
    start.backend = "memory";
    EXPECT_EQ(world_.told(start).error.code, Code::ok);
    EXPECT_EQ(world_.propose("kv", put("first", "1")).error.code, Code::ok);
  }

  node::SessionId open(std::uint64_t nonce, std::uint32_t timeout_ms = 1'000) {
    const net::Reply reply =
        world_.told(net::OpenSession{.group = "kv", .nonce = {1, nonce}, .session_timeout_ms = timeout_ms});
    EXPECT_EQ(reply.error.code, Code::ok) << reply.error.text;
    const auto* opened = std::get_if<net::SessionOpened>(&reply.body);
    return opened == nullptr ? node::SessionId{} : opened->session;
  }
  Code write(node::SessionId session, std::uint64_t sequence, Bytes data, bool is_ephemeral = false) {
    return world_
        .told(net::SessionWrite{.group = "kv",
                                .session = session,
                                .sequence = sequence,
                                .acknowledged = 0,
                                .is_ephemeral = is_ephemeral,
                                .data = std::move(data)})
        .error.code;
  }
  Code keep_alive(node::SessionId session) {
    return world_.told(net::KeepAlive{.group = "kv", .session = session, .acknowledged = 0}).error.code;
  }
  bool has_key(const Bytes& key) {
    const net::Reply reply = world_.told(net::Query{"kv", net::Consistency::linearizable, get(key)});
    return reply.error.code == Code::ok && std::get<net::Data>(reply.body).data.size() > 1;
  }
  const Group& group() { return *world_.host().peers().begin()->second; }
  std::size_t sessions() { return group().sessions().size(); }
  std::uint64_t last() { return group().node().core().log().last().index.value; }

  HostWorld world_;
};

// --- sessions ---

TEST_F(HostSessions, AreOpenedWrittenInKeptAliveAndClosed) {
  const node::SessionId session = open(1);
  EXPECT_EQ(open(1), session);
  EXPECT_EQ(write(session, 1, put("mine", "x"), true), Code::ok);
  EXPECT_EQ(keep_alive(session), Code::ok);
  EXPECT_TRUE(has_key("mine"));
  EXPECT_EQ(world_.told(net::CloseSession{"kv", session}).error.code, Code::ok);
  EXPECT_FALSE(has_key("mine"));
  EXPECT_EQ(write(session, 2, put("late", "x")), Code::session_expired);
  EXPECT_EQ(keep_alive(session), Code::session_expired);
  EXPECT_FALSE(has_key("late"));
}

TEST_F(HostSessions, ATimeoutThatCannotBeIsRefused) {
  const net::Reply reply = world_.told(net::OpenSession{.group = "kv", .nonce = {1, 1}, .session_timeout_ms = 5});
  EXPECT_EQ(reply.error.code, Code::bad_request);
  EXPECT_TRUE(has(reply.error.text, "from 200 ms")) << reply.error.text;
  EXPECT_EQ(world_.told(net::OpenSession{.group = "no", .nonce = {1, 1}, .session_timeout_ms = 1'000}).error.code,
            Code::not_found);
}

// W-22: a link that breaks is no death. W-24: nor does it take a write of somebody else to notice one.
TEST_F(HostSessions, W22_W24_EndWhenTheirTimeIsOverAndNotBefore) {
  const node::SessionId session = open(1, 1'000);
  {
    Caller caller(world_);
    caller.greet();
    caller.request(1, net::SessionWrite{"kv", session, 1, 0, true, put("mine", "x")});
    EXPECT_EQ(caller.reply_to(1).error.code, Code::ok);
  }
  world_.run(Duration::milliseconds(900));
  EXPECT_EQ(sessions(), 1u);
  EXPECT_TRUE(has_key("mine"));
  world_.run(Duration::milliseconds(600));
  EXPECT_EQ(sessions(), 0u);
  EXPECT_FALSE(has_key("mine"));
}

TEST_F(HostSessions, EndInTimeWhateverOthersHave) {
  open(1, 3'600'000);
  world_.run(Duration::seconds(1));
  open(2, 500);
  world_.run(Duration::milliseconds(900));
  EXPECT_EQ(sessions(), 1u);
  world_.run(Duration::seconds(5));
  open(3, 500);
  world_.run(Duration::milliseconds(900));
  EXPECT_EQ(sessions(), 1u);
}

TEST_F(HostSessions, LiveAsLongAsTheyAreHeardOf) {
  const node::SessionId session = open(1, 400);
  for (int n = 0; n < 20; ++n) {
    world_.run(Duration::milliseconds(300));
    EXPECT_EQ(keep_alive(session), Code::ok) << n;
  }
}

// P77: what was left of its time is not known to a new leader, so it gives all of it.
TEST_F(HostSessions, P77_HaveTheirWholeTimeAgainAfterARestart) {
  const node::SessionId session = open(1, 1'000);
  world_.run(Duration::milliseconds(800));
  world_.restart();
  EXPECT_EQ(world_.propose("kv", put("second", "2")).error.code, Code::ok);
  world_.run(Duration::milliseconds(700));
  EXPECT_EQ(keep_alive(session), Code::ok);
  world_.restart();
  EXPECT_EQ(world_.propose("kv", put("third", "3")).error.code, Code::ok);
  world_.run(Duration::milliseconds(1'700));
  EXPECT_EQ(keep_alive(session), Code::session_expired);
}

TEST_F(HostSessions, P76_WhatWaitsToBeKeptAliveComesBeforeAnEnd) {
  const node::SessionId session = open(1, 1'000);
  world_.run(Duration::milliseconds(990));
  Caller caller(world_);
  caller.greet();
  for (std::uint64_t n = 1; n <= 100; ++n) {
    caller.request(n, net::KeepAlive{"kv", session, 0});
    caller.run(Duration::milliseconds(7));
  }
  EXPECT_EQ(caller.reply_to(100).error.code, Code::ok);
}

TEST_F(HostSessions, W20_ThatOnlyLiveCostFewEntries) {
  std::vector<node::SessionId> all_sessions;
  for (std::uint64_t n = 0; n < 200; ++n) all_sessions.push_back(open(n, 3'000));
  Caller caller(world_);
  caller.greet();
  const std::uint64_t before = last();
  for (std::uint64_t n = 0; n < 200; ++n) caller.request(n + 1, net::KeepAlive{"kv", all_sessions[n], 0});
  for (std::uint64_t n = 0; n < 200; ++n) EXPECT_EQ(caller.reply_to(n + 1).error.code, Code::ok);
  EXPECT_LE(last() - before, 2u);
  world_.run(Duration::seconds(2));
  EXPECT_LE(last() - before, 2u) << "and looking at them costs none";
}

TEST_F(HostSessions, WhoDoesNotLeadSaysSoAtOnce) {
  net::StartPeer wanted = lone_peer("other", 78);
  wanted.backend = "memory";
  wanted.membership = raft::membership_of({{{101}, "p1@n1:1"}, {{102}, "p2@n2:1"}, {{103}, "p3@n3:1"}});
  EXPECT_EQ(world_.told(wanted).error.code, Code::ok);
  world_.run(Duration::seconds(1));
  const Instant before = world_.world.now();
  EXPECT_EQ(world_.told(net::OpenSession{"other", {1, 2}, 1'000}).error.code, Code::not_leader);
  EXPECT_EQ(world_.told(net::KeepAlive{"other", {5}, 0}).error.code, Code::not_leader);
  EXPECT_EQ(world_.told(net::CloseSession{"other", {5}}).error.code, Code::not_leader);
  Caller caller(world_);
  caller.greet();
  caller.request(1, net::Watch{.group = "other", .session = {}, .query = all(), .after = {}, .watchable = {}});
  EXPECT_EQ(caller.reply_to(1).error.code, Code::not_leader);
  EXPECT_LT(world_.world.now() - before, Duration::milliseconds(200));
}

TEST_F(HostSessions, I38_WhatAMemberDoesNotRememberItDoesNotPretendTo) {
  EXPECT_EQ(world_.propose("kv", put("a", "x")).error.code, Code::ok);
  EXPECT_EQ(world_.told(net::SaveSnapshot{"kv"}).error.code, Code::ok);
  world_.restart();
  EXPECT_EQ(world_.propose("kv", put("b", "x")).error.code, Code::ok);
  Caller caller(world_);
  caller.greet();
  caller.request(1, net::Watch{.group = "kv",
                               .session = {},
                               .is_persistent = true,
                               .query = {},
                               .after = raft::Index{2},
                               .watchable = {{"a", false}}});
  EXPECT_EQ(caller.reply_to(1).error.code, Code::compacted);
}

// --- watches ---

class HostWatches : public HostSessions {
 protected:
  HostWatches() { caller_.greet(); }
  net::Watching watch(std::uint64_t id, Bytes query, bool is_persistent, node::SessionId session = {}) {
    caller_.request(id, net::Watch{.group = "kv",
                                   .session = session,
                                   .is_persistent = is_persistent,
                                   .query = std::move(query),
                                   .after = {},
                                   .watchable = {}});
    const net::Reply reply = caller_.reply_to(id);
    EXPECT_EQ(reply.error.code, Code::ok) << reply.error.text;
    const auto* watching = std::get_if<net::Watching>(&reply.body);
    return watching == nullptr ? net::Watching{} : *watching;
  }
  void write_key(const Bytes& key) {
    EXPECT_EQ(world_.propose("kv", put(key, "x")).error.code, Code::ok);
    world_.run(Duration::milliseconds(20));
  }
  // "watch what keys", of each event.
  std::vector<std::string> told() {
    std::vector<std::string> lines;
    for (const net::WatchEvent& event : std::exchange(caller_.events, {})) {
      std::string line = std::to_string(event.watch);
      for (const node::Change& change : event.changes) line += " " + change.key;
      if (event.what != What::changed) line += " " + std::string(name_of(event.error.code));
      lines.push_back(line + (event.is_last ? " last" : ""));
    }
    return lines;
  }

  Caller caller_{world_};
};
using Lines = std::vector<std::string>;

TEST_F(HostWatches, P84_BeginWithTheAnswerToTheirQuery) {
  const net::Watching watching = watch(5, get("a"), true);
  EXPECT_EQ(watching.index.value, last());
  EXPECT_EQ(watching.watchable, (std::vector<node::Watchable>{{"a", false}}));
  EXPECT_EQ(machines::decode_answer(watching.data), machines::KvAnswer(machines::Absent{}));
  write_key("a");
  write_key("b");
  write_key("a");
  EXPECT_EQ(told(), (Lines{"5 a", "5 a"}));
}

TEST_F(HostWatches, OneShotsAndPersistentOnesOverOneLink) {
  watch(5, get("a"), false);
  watch(6, all(), true);
  write_key("a");
  write_key("a");
  EXPECT_EQ(told(), (Lines{"5 a last", "6 a", "6 a"}));
}

TEST_F(HostWatches, GoOnFromAnIndex) {
  const net::Watching watching = watch(5, get("a"), true);
  write_key("a");
  write_key("a");
  caller_.request(7, net::Watch{.group = "kv",
                                .session = {},
                                .is_persistent = true,
                                .query = {},
                                .after = watching.index + 1,
                                .watchable = {{"a", false}}});
  EXPECT_EQ(caller_.reply_to(7).error.code, Code::ok);
  EXPECT_EQ(told(), (Lines{"5 a", "5 a", "7 a"}));
  caller_.request(8, net::Watch{.group = "kv",
                                .session = {},
                                .is_persistent = true,
                                .query = {},
                                .after = raft::Index{},
                                .watchable = {{"a", false}}});
  EXPECT_EQ(caller_.reply_to(8).error.code, Code::ok) << "this member has seen all of it";
}

TEST_F(HostWatches, AreCancelledAndThenSilent) {
  watch(5, get("a"), true);
  caller_.request(6, net::CancelWatch{5});
  EXPECT_EQ(caller_.reply_to(6).error.code, Code::ok);
  write_key("a");
  EXPECT_TRUE(told().empty());
  caller_.request(7, net::CancelWatch{99});
  EXPECT_EQ(caller_.reply_to(7).error.code, Code::ok) << "there is none: it is over";
}

TEST_F(HostWatches, EndWithTheirSession) {
  const node::SessionId session = open(1);
  watch(5, get("a"), true, session);
  EXPECT_EQ(world_.told(net::CloseSession{"kv", session}).error.code, Code::ok);
  world_.run(Duration::milliseconds(20));
  write_key("a");
  EXPECT_EQ(told(), Lines{"5 session_expired last"});
}

TEST_F(HostWatches, WhoseLinkBreaksWhileTheyAreSetAreNot) {
  const node::SessionId session = open(1);
  caller_.request(1, net::Watch{.group = "kv",
                                .session = session,
                                .is_persistent = true,
                                .query = get("a"),
                                .after = {},
                                .watchable = {}});
  world_.run(Duration::milliseconds(5));
  EXPECT_TRUE(caller_.replies.empty()) << "too late to see what happens";
  caller_.hang_up();
  world_.run(Duration::milliseconds(200));
  EXPECT_EQ(group().watches(), 0u);
}

TEST_F(HostWatches, OfASessionThatIsOverAreNotSet) {
  const node::SessionId session = open(1);
  const net::Watching watching = watch(5, get("a"), true, session);
  EXPECT_EQ(world_.told(net::CloseSession{"kv", session}).error.code, Code::ok);
  caller_.request(6, net::Watch{.group = "kv", .session = session, .query = get("a"), .after = {}, .watchable = {}});
  EXPECT_EQ(caller_.reply_to(6).error.code, Code::session_expired);
  caller_.request(7, net::Watch{.group = "kv",
                                .session = session,
                                .is_persistent = true,
                                .query = {},
                                .after = watching.index,
                                .watchable = {{"a", false}}});
  EXPECT_EQ(caller_.reply_to(7).error.code, Code::session_expired) << "and one that is to go on does not";
  write_key("a");
  EXPECT_EQ(told(), Lines{"5 session_expired last"});
}

TEST_F(HostWatches, AreToldOfWhatASessionTookWithIt) {
  const node::SessionId session = open(1);
  EXPECT_EQ(write(session, 1, put("e1", "x"), true), Code::ok);
  EXPECT_EQ(write(session, 2, put("e2", "x"), true), Code::ok);
  watch(5, all(), true);
  EXPECT_EQ(world_.told(net::CloseSession{"kv", session}).error.code, Code::ok);
  world_.run(Duration::milliseconds(20));
  EXPECT_EQ(told(), Lines{"5 e1 e2"}) << "together, as they went";
}

TEST_F(HostWatches, EndWhenTheGroupDoes) {
  watch(5, get("a"), true);
  EXPECT_EQ(world_.told(net::DestroyPeer{"kv", group().entry().group_id, group().entry().self}).error.code, Code::ok);
  world_.run(Duration::milliseconds(20));
  const Lines lines = told();
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_TRUE(lines[0].ends_with(" last")) << lines[0];
}

}  // namespace
}  // namespace zraft::host::test
