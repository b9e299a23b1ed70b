// SPDX-License-Identifier: Apache-2.0
//
// One node on the bench: member 1 of three (or as many as the test says), on a loop that the test turns. The test plays
// the other members, and decides when the log's writes and the snapshots are done and whether they fail. The journal
// has everything the node did to the world, in the order in which it did it.
#pragma once

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "test/node/fakes.h"
#include "test/raft/one_core.h"
#include "test/storage/manual_loop.h"
#include "zraft/node/node.h"

namespace zraft::node::test {

using raft::at;
using raft::entry;
using raft::voters_up_to;

// Holds writes until they are completed by the test; done at once (in a turn of their own) while `is_prompt`.
class FakeLog final : public GroupLog {
 public:
  struct Begun {
    raft::Write write;
    Durability durability;
    std::move_only_function<void(Result<>)> done;
  };

  FakeLog(Loop& loop, Journal& journal) : loop_(loop), journal_(journal) {}

  void write(raft::Write write, Durability durability, std::move_only_function<void(Result<>)> done) override {
    journal_.push_back("write w" + std::to_string(write.id.value));
    held.push_back({std::move(write), durability, std::move(done)});
    if (is_prompt) complete();
  }
  // The oldest write that is held is done, or has failed.
  void complete(Result<> result = {}) {
    ASSERT_FALSE(held.empty());
    loop_.post(
        [done = std::move(held.front().done), result = std::move(result)]() mutable { done(std::move(result)); });
    held.pop_front();
  }

  std::deque<Begun> held;
  bool is_prompt = true;

 private:
  Loop& loop_;
  Journal& journal_;
};

class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(Journal& journal) : journal_(journal) {}

  void send(raft::Message message) override {
    journal_.push_back("send " + std::string(raft::kind_of(message)) + " to " + std::to_string(message.to.value));
    sent.push_back(std::move(message));
  }
  void connect(const std::vector<raft::Member>& members) override {
    journal_.push_back("connect to " + std::to_string(members.size()));
  }

  [[nodiscard]] std::optional<Instant> heard(raft::NodeId member) const override {
    const auto found = watched.find(member);
    return found == watched.end() ? std::nullopt : std::optional(found->second);
  }

  std::vector<raft::Message> sent;
  std::map<raft::NodeId, Instant> watched;  // and when they were heard

 private:
  Journal& journal_;
};

class FakeObserver final : public Observer {
 public:
  explicit FakeObserver(Journal& journal) : journal_(journal) {}

  void on_event(const raft::Event& event) override { events.push_back(event); }
  void on_applied(const raft::Record& record, Outcome effects) override {
    applied.push_back(record.position());
    for (const Change& change : effects.changes) changed.push_back(change.key);
  }
  void on_installed(const raft::SnapshotMeta& snapshot) override { installed.push_back(snapshot.last); }
  void on_snapshot_failed(const Error& why, Duration again) override { failed_snapshots.emplace_back(why, again); }
  void on_stopped(const Error& why) override {
    journal_.push_back("stopped");
    stops.push_back(why);
  }

  std::vector<raft::Event> events;
  std::vector<raft::Position> applied;
  std::vector<Bytes> changed;
  std::vector<raft::Position> installed;
  std::vector<std::pair<Error, Duration>> failed_snapshots;
  std::vector<Error> stops;

 private:
  Journal& journal_;
};

class NodeBench : public ::testing::Test {
 protected:
  struct Setup {
    std::uint64_t voters = 3;
    std::vector<std::uint64_t> log = {1};  // terms; entry 1 is the membership, the others are commands "x"
    raft::HardState hard_state = {};
    raft::SnapshotMeta snapshot = {};
    std::uint64_t applied = 0;  // by a machine that is on a disk
  };
  struct Told {
    std::string who;
    Reply reply;
  };

  void make() { make(Setup{}); }
  void make(Setup setup) {
    options.core.group = raft::bench_group;
    options.core.self = {1};
    options.core.check_laws = true;
    raft::Recovered recovered{.hard_state = setup.hard_state,
                              .base = {},
                              .entries = {},
                              .snapshot = setup.snapshot,
                              .applied = {setup.applied}};
    for (const std::uint64_t term : setup.log) {
      const std::uint64_t index = recovered.entries.size() + 1;
      recovered.entries.push_back(index == 1 ? raft::membership_entry(term, 1, voters_up_to(setup.voters))
                                             : entry(term, index));
    }
    node.emplace(Node::Seams{loop, worker, log, snapshots, transport, kept_machine, observer}, options,
                 std::move(recovered));
    loop.run();
  }

  template <class Body>
  void receive(std::uint64_t from, std::uint64_t term, Body body) {
    node->receive({{from}, {1}, {term}, std::move(body)});
  }
  template <class Body>
  void bring(std::uint64_t from, std::uint64_t term, Body body) {
    receive(from, term, std::move(body));
    loop.run();
  }
  // Leads the next term; of an existing group that is term 2, and its no-op is at 2 and acknowledged by member 2.
  void lead() {
    loop.advance(Duration::milliseconds(700));
    const std::uint64_t term = node->core().term().value + 1;
    if (!node->core().is_leader()) bring(2, term - 1, raft::PreVote{{term}, true});
    if (!node->core().is_leader()) bring(2, term, raft::Vote{true});
    ASSERT_TRUE(node->core().is_leader());
    acknowledge(2);
  }
  // The member holds all that this leader holds.
  void acknowledge(std::uint64_t from) {
    bring(from, node->core().term().value, raft::Appended{node->core().log().last().index});
  }
  void confirm_round(std::uint64_t from) {
    raft::Round newest;
    for (const raft::Heartbeat& heartbeat : sent<raft::Heartbeat>()) newest = std::max(newest, heartbeat.round);
    bring(from, node->core().term().value, raft::HeartbeatReply{newest});
  }

  // The answer goes to `told`, under the name of the data.
  void propose(const std::string& data, Duration timeout = Duration::seconds(60)) {
    node->propose(data, loop.now() + timeout, [this, data](Reply reply) { hear(data, std::move(reply)); });
  }
  void query(const std::string& data, ReadMode mode = ReadMode::linearizable,
             Duration timeout = Duration::seconds(60)) {
    node->query(data, mode, loop.now() + timeout, [this, data](Reply reply) { hear(data, std::move(reply)); });
  }
  // What `who` was told; fails the test unless that was exactly one answer.
  Reply answer_to(const std::string& who) const {
    std::optional<Reply> found;
    for (const Told& one : told) {
      if (one.who != who) continue;
      EXPECT_FALSE(found) << who << " was answered twice";
      found = one.reply;
    }
    EXPECT_TRUE(found) << who << " was not answered";
    return found.value_or(Reply{});
  }
  [[nodiscard]] bool is_answered(const std::string& who) const {
    return std::ranges::any_of(told, [&](const Told& one) { return one.who == who; });
  }

  template <class Body>
  [[nodiscard]] std::vector<Body> sent() const {
    std::vector<Body> out;
    for (const raft::Message& message : transport.sent) {
      if (const auto* body = std::get_if<Body>(&message.body)) out.push_back(*body);
    }
    return out;
  }
  void forget() {
    journal.clear();
    transport.sent.clear();
    observer.events.clear();
  }

  void note(const std::string& who, Reply reply) { hear(who, std::move(reply)); }

  Journal journal;
  zraft::test::ManualLoop loop;
  FakeLog log{loop, journal};
  FakeTransport transport{journal};
  Place place;
  FakeWorker worker{loop, place};
  FakeSnapshots snapshots{loop, place, journal};
  std::shared_ptr<FakeMachine> kept_machine = std::make_shared<FakeMachine>(journal, place);
  FakeMachine& machine = *kept_machine;
  FakeObserver observer{journal};
  Node::Options options;
  std::vector<Told> told;
  std::optional<Node> node;

 private:
  void hear(const std::string& who, Reply reply) {
    journal.push_back("answer " + who);
    told.push_back({who, std::move(reply)});
  }
};

}  // namespace zraft::node::test
