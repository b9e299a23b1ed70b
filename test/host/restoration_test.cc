// SPDX-License-Identifier: Apache-2.0
//
// A peer begins with a state that a client has: all of it or no peer, whatever becomes of the link, the client and the
// host. And the group that it is the first member of.
#include <gtest/gtest.h>

#include <algorithm>

#include "test/host/snapshot_world.h"
#include "test/host/transfer_world.h"
#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::host::test {
namespace {

using sim::Ending;

constexpr std::uint64_t commands = 25;
constexpr raft::Index base{900};

// What a shelf with that many commands would write; three chunks, if the commands are that long.
std::shared_ptr<SharedSnapshot> shelf_with(const raft::Membership& membership, std::size_t command_bytes = 100'000) {
  Bytes content;
  Encoder to(content);
  to.u64(commands);
  for (std::uint64_t n = 0; n < commands; ++n) to.bytes(Bytes(command_bytes, static_cast<char>('a' + n)));
  auto snapshot = make_snapshot(base.value, {{"empty", 0}, {"shelf", content.size()}});
  storage::SnapshotManifest& manifest = snapshot->parsed;
  manifest.backend = "shelf";
  manifest.meta.membership = membership;
  manifest.meta.membership_index = base;
  for (std::size_t chunk = 0; chunk < manifest.files[1].chunks.size(); ++chunk) {
    const auto bytes = BytesView(content).substr(chunk * storage::snapshot_chunk_size, storage::snapshot_chunk_size);
    manifest.files[1].chunks[chunk] = crc32c(bytes);
  }
  snapshot->files[1] = std::make_shared<MemoryFile>(std::move(content));
  add_no_sessions(*snapshot);
  return snapshot;
}

// A client that has the state: asks for the peer, and gives what the host fetches.
class Giver final : private node::LinkHandler {
 public:
  Giver(SnapshotWorld& world, std::size_t n, const net::RestorePeer& wanted, std::shared_ptr<SharedSnapshot> snapshot)
      : world_(world.host(n).world),
        fabric_(world.host(n).fabric),
        process_(world_.start(world.host(n).other, 0)),
        loop_(world_, process_),
        network_(fabric_, process_, "c1"),
        rate_(loop_, 0),
        snapshot_(std::move(snapshot)) {
    link_ = network_.connect(world.host(n).options.listen, this);
    sender_ = std::make_unique<SnapshotSender>(
        loop_, *link_, rate_, [this](const net::FetchSnapshot& fetch, SnapshotSender::Found found) {
          asked = fetch;
          found(snapshot_);
        });
    link_->send(node::FrameKind::hello, {piece_of(net::encode(net::Hello{.name = "giver"}))});
    ask(wanted, 1);
  }
  ~Giver() override {
    world_.kill(process_);
    fabric_.on_end(process_, Ending::killed);
  }
  Giver(const Giver&) = delete;
  Giver& operator=(const Giver&) = delete;

  void ask(const net::RestorePeer& wanted, std::uint64_t id) {
    link_->send(node::FrameKind::request, {piece_of(net::encode(net::Request{.id = id, .body = wanted}))});
  }
  void close() {
    sender_.reset();
    link_.reset();
  }

  std::size_t goes_after = SIZE_MAX;    // chunks that were asked for: then the link goes,
  std::size_t silent_after = SIZE_MAX;  // or nothing is said any more
  std::size_t wants = 0;
  std::optional<net::FetchSnapshot> asked;
  std::map<std::uint64_t, Error> replies;
  bool is_closed = false;

 private:
  void on_frame(node::FrameKind kind, const SharedBytes& body) override {
    if (link_ == nullptr || kind == node::FrameKind::hello) return;
    if (kind == node::FrameKind::reply) {
      const auto reply = net::decode_reply(*body);
      replies[reply->id] = reply->error;
      return;
    }
    const auto message = net::decode_bulk(*body);
    if (std::holds_alternative<net::WantChunk>(*message)) ++wants;
    if (wants > silent_after) return;
    if (wants > goes_after) return close();
    EXPECT_TRUE(sender_->on_message(*body).has_value());
  }
  void on_closed(const Error&) override { is_closed = true; }

  sim::World& world_;
  sim::Fabric& fabric_;
  sim::Process process_;
  sim::SimLoop loop_;
  sim::SimNetwork network_;
  BulkRate rate_;
  std::shared_ptr<SharedSnapshot> snapshot_;
  std::unique_ptr<node::Link> link_;
  std::unique_ptr<SnapshotSender> sender_;
};

net::RestorePeer wanted_at(const SnapshotWorld& world, std::uint64_t n, const std::vector<std::uint64_t>& members) {
  return {.group = "kv",
          .group_id = {77},
          .backend = "shelf",
          .self = world.member(n).id,
          .peer = world.member(n).peer,
          .membership = world.members(members)};
}

class RestorationTest : public ::testing::Test {
 protected:
  explicit RestorationTest(std::size_t hosts = 1) : world_(hosts) { world_.start(); }

  [[nodiscard]] net::RestorePeer lone() const { return wanted_at(world_, 1, {1}); }
  // The answer; of one that never comes, `stopped`.
  Error answer_to(const net::RestorePeer& wanted, const std::shared_ptr<SharedSnapshot>& snapshot) {
    Giver giver(world_, 1, wanted, snapshot);
    world_.wait([&] { return giver.replies.contains(1) || giver.is_closed; });
    return giver.replies.contains(1) ? giver.replies[1] : Error{Code::stopped, "closed"};
  }
  Error answer_to(const net::RestorePeer& wanted) { return answer_to(wanted, shelf_with(wanted.membership)); }
  void expect_nothing_left() {
    EXPECT_TRUE(world_.wait([&] { return !world_.host(1).host().shards()[0]->has("kv"); }, Duration::seconds(1)));
    world_.run(Duration::milliseconds(100));
    EXPECT_TRUE(world_.host(1).host().peers().empty());
    for (const std::string& path : world_.host(1).paths("snapshots/")) ADD_FAILURE() << path << " is left";
  }
  [[nodiscard]] bool has_the_state(std::uint64_t n) {
    return world_.content(n).starts_with(std::to_string(commands) + "/");
  }

  SnapshotWorld world_;
};

TEST_F(RestorationTest, MakesAPeerThatHasTheStateAndGoesOn) {
  const Error error = answer_to(lone());
  ASSERT_EQ(error.code, Code::ok) << error.text;
  EXPECT_TRUE(has_the_state(1));
  EXPECT_TRUE(world_.wait([&] { return world_.leader() == 1; }));
  EXPECT_EQ(world_.status(1).snapshot, base);
  EXPECT_EQ(world_.status(1).membership_index, base);
  EXPECT_LT(base, world_.status(1).last);
  EXPECT_EQ(world_.host(1).propose("kv", "more").error.code, Code::ok);
  EXPECT_EQ(world_.host(1).told(net::CheckPeer{"kv", "p1@n1:1", "shelf"}).error.code, Code::already_present);
}

TEST_F(RestorationTest, IsAskedAsAnyMemberIsThatHasASnapshot) {
  Giver giver(world_, 1, lone(), shelf_with(lone().membership));
  ASSERT_TRUE(world_.wait([&] { return giver.replies.contains(1); }));
  ASSERT_TRUE(giver.asked.has_value());
  EXPECT_EQ(giver.asked->group, raft::GroupId{77});
  EXPECT_EQ(giver.asked->to, world_.member(1).id);
  EXPECT_EQ(giver.asked->partial, std::nullopt);
  EXPECT_EQ(giver.wants, 4U) << "three of the state, one of the sessions";
}

TEST_F(RestorationTest, SurvivesTheLossOfPower) {
  ASSERT_EQ(answer_to(lone()).code, Code::ok);
  world_.host(1).end(Ending::power_lost);
  world_.host(1).must_start();
  EXPECT_TRUE(has_the_state(1));
  EXPECT_EQ(world_.host(1).propose("kv", "more").error.code, Code::ok);
}

TEST_F(RestorationTest, IsDoneOnceHoweverOftenItIsAsked) {
  ASSERT_EQ(answer_to(lone()).code, Code::ok);
  EXPECT_EQ(answer_to(lone()).code, Code::ok);
  EXPECT_EQ(world_.host(1).host().peers().size(), 1U);
}

TEST_F(RestorationTest, IsRefusedWhereTheNameIsTaken) {
  world_.create({1});
  net::RestorePeer wanted = lone();
  wanted.group_id = {78};
  const Error error = answer_to(wanted);
  EXPECT_EQ(error.code, Code::already_present) << error.text;
  EXPECT_TRUE(has(error.text, "already has p1@n1:1")) << error.text;
}

TEST_F(RestorationTest, TakesTheNameAsSoonAsItBegins) {
  Giver giver(world_, 1, lone(), shelf_with(lone().membership));
  giver.silent_after = 1;
  ASSERT_TRUE(world_.wait([&] { return giver.wants > 1; }));
  EXPECT_EQ(world_.host(1).told(net::CheckPeer{"kv", "p1@n1:1", "shelf"}).error.code, Code::busy);
  giver.close();
  expect_nothing_left();
  EXPECT_EQ(world_.host(1).told(net::CheckPeer{"kv", "p1@n1:1", "shelf"}).error.code, Code::ok);
}

TEST_F(RestorationTest, RefusesAStateOfOtherMembersOrOfAnotherKind) {
  EXPECT_EQ(answer_to(lone(), shelf_with(world_.members({2}))).code, Code::bad_request);
  expect_nothing_left();
  auto other = shelf_with(lone().membership);
  other->parsed.backend = "echo";
  other->manifest = storage::encode(other->parsed);
  EXPECT_EQ(answer_to(lone(), other).code, Code::wrong_owner);
  expect_nothing_left();
  other = shelf_with(lone().membership);
  other->parsed.group = {78};
  other->manifest = storage::encode(other->parsed);
  EXPECT_EQ(answer_to(lone(), other).code, Code::wrong_owner);
  expect_nothing_left();
  other = shelf_with(lone().membership);
  other->parsed.meta.last.index = {};
  other->manifest = storage::encode(other->parsed);
  EXPECT_EQ(answer_to(lone(), other).code, Code::bad_request);
  expect_nothing_left();
}

TEST_F(RestorationTest, RefusesAPeerThatIsNoMember) {
  net::RestorePeer wanted = lone();
  wanted.self = {102};
  wanted.peer = "p2@n2:1";
  EXPECT_EQ(answer_to(wanted).code, Code::bad_request);
  wanted = lone();
  wanted.backend = "rocks";
  EXPECT_EQ(answer_to(wanted).code, Code::bad_request);
  EXPECT_EQ(world_.host(1).told(lone()).error.code, Code::bad_request) << "without a link";
  expect_nothing_left();
}

TEST_F(RestorationTest, OneByteThatIsWrongIsFoundAndNothingIsLeft) {
  for (const std::size_t at : {std::size_t{0}, storage::snapshot_chunk_size * 2 + 5}) {
    auto snapshot = shelf_with(lone().membership);
    dynamic_cast<MemoryFile&>(*snapshot->files[1]).flip(at);
    const Error error = answer_to(lone(), snapshot);
    EXPECT_EQ(error.code, Code::corrupt) << error.text;
    expect_nothing_left();
  }
  EXPECT_EQ(answer_to(lone()).code, Code::ok) << "and it can be done again, under the same id";
}

TEST_F(RestorationTest, AStateThatTheMachineDoesNotTakeLeavesNothing) {
  world_.host(1).backends["shelf"] = []() -> Factory::Made { return fail(Code::io, "no shelves today"); };
  world_.host(1).restart();
  const Error error = answer_to(lone());
  EXPECT_TRUE(has(error.text, "no shelves today")) << error.text;
  expect_nothing_left();
}

TEST_F(RestorationTest, ALinkThatGoesLeavesNothing) {
  for (const std::size_t chunks : {std::size_t{0}, std::size_t{1}, std::size_t{2}}) {
    net::RestorePeer wanted = lone();
    wanted.group_id = {80 + chunks};
    auto snapshot = shelf_with(lone().membership);
    snapshot->parsed.group = wanted.group_id;
    snapshot->manifest = storage::encode(snapshot->parsed);
    Giver giver(world_, 1, wanted, snapshot);
    giver.goes_after = chunks;
    ASSERT_TRUE(world_.wait([&] { return giver.wants > chunks; }));
    expect_nothing_left();
  }
}

TEST_F(RestorationTest, AClientThatSaysNothingAnyMoreIsNotWaitedForForEver) {
  Giver giver(world_, 1, lone(), shelf_with(lone().membership));
  giver.silent_after = 1;
  ASSERT_TRUE(world_.wait([&] { return giver.wants > 1; }));
  world_.run(Duration::seconds(20));
  EXPECT_TRUE(world_.host(1).host().shards()[0]->has("kv"));
  world_.run(Duration::seconds(15));
  EXPECT_EQ(giver.replies[1].code, Code::timeout) << giver.replies[1].text;
  expect_nothing_left();
}

// The link goes a little later each time: after the last byte, while all is compared, restored, written to the log.
// What was not done by then leaves nothing.
TEST_F(RestorationTest, IsUndoneIfTheLinkGoesBeforeTheAnswer) {
  std::size_t undone = 0;
  for (std::int64_t late = 0; late < 1'000; ++late) {
    net::RestorePeer wanted = lone();
    wanted.group_id = {1'000 + static_cast<std::uint64_t>(late)};
    auto snapshot = shelf_with(lone().membership);
    snapshot->parsed.group = wanted.group_id;
    snapshot->manifest = storage::encode(snapshot->parsed);
    Giver giver(world_, 1, wanted, snapshot);
    while (giver.wants < 4) world_.run(Duration::microseconds(50));
    world_.run(Duration::microseconds(200) * late);
    giver.close();
    // It was done before the host knew that nobody waits: the answer was on its way. Who creates asks to undo it then.
    world_.run(Duration::milliseconds(1));
    if (!world_.host(1).host().peers().empty()) break;
    expect_nothing_left();
    ASSERT_FALSE(HasFailure()) << "after " << late << " times 200 us";
    ++undone;
  }
  EXPECT_GT(undone, 10U);
  EXPECT_EQ(world_.host(1).host().peers().size(), 1U) << "and the last one was done";
}

TEST_F(RestorationTest, IsUndoneAsLongAsNobodyUsesIt) {
  ASSERT_EQ(answer_to(lone()).code, Code::ok);
  EXPECT_TRUE(world_.wait([&] { return world_.leader() == 1; }));
  const net::UndoPeer undo{.group = "kv", .group_id = {77}, .self = world_.member(1).id};
  ASSERT_EQ(world_.host(1).told(undo).error.code, Code::ok);
  expect_nothing_left();
  EXPECT_EQ(answer_to(lone()).code, Code::conflict) << "it was undone";
}

TEST_F(RestorationTest, IsNotUndoneWhenItIsInUse) {
  ASSERT_EQ(answer_to(lone()).code, Code::ok);
  EXPECT_EQ(world_.host(1).propose("kv", "more").error.code, Code::ok);
  const net::UndoPeer undo{.group = "kv", .group_id = {77}, .self = world_.member(1).id};
  EXPECT_EQ(world_.host(1).told(undo).error.code, Code::conflict);
  EXPECT_EQ(world_.host(1).host().peers().size(), 1U);
}

TEST_F(RestorationTest, OfASecondOneOverTheSameLinkIsRefused) {
  Giver giver(world_, 1, lone(), shelf_with(lone().membership));
  net::RestorePeer second = lone();
  second.group = "other";
  second.group_id = {78};
  giver.ask(second, 2);
  ASSERT_TRUE(world_.wait([&] { return giver.replies.size() == 2; }));
  EXPECT_EQ(giver.replies[1].code, Code::ok) << giver.replies[1].text;
  EXPECT_EQ(giver.replies[2].code, Code::busy) << giver.replies[2].text;
}

TEST_F(RestorationTest, FindsTheShardOfItsId) {
  world_.each([](HostWorld& host) { host.shards = 4; });
  world_.host(1).restart();
  net::RestorePeer wanted = lone();
  ASSERT_EQ(answer_to(wanted).code, Code::ok);
  EXPECT_TRUE(has_the_state(1));
  EXPECT_EQ(world_.host(1).host().shards()[77 % 4]->peers().size(), 1U);
  EXPECT_EQ(world_.host(1).propose("kv", "more").error.code, Code::ok);
  wanted.group_id = {78};
  EXPECT_EQ(answer_to(wanted).code, Code::already_present);
}

// --- the group ---

class RestoredGroup : public RestorationTest {
 protected:
  RestoredGroup() : RestorationTest(3) {}
};

TEST_F(RestoredGroup, HasAllItsMembersAndTheyHaveTheState) {
  ASSERT_EQ(answer_to(wanted_at(world_, 1, {1, 2, 3})).code, Code::ok);
  for (const std::uint64_t n : {2, 3}) {
    net::StartPeer start{.group = "kv",
                         .group_id = {77},
                         .backend = "shelf",
                         .self = world_.member(n).id,
                         .peer = world_.member(n).peer,
                         .membership = world_.members({1})};
    ASSERT_EQ(world_.host(n).told(start).error.code, Code::ok);
  }
  ASSERT_TRUE(world_.wait([&] { return has_the_state(2) && has_the_state(3); }));
  EXPECT_EQ(world_.leader(), 1U) << "the others have not what it takes";
  const net::PeerStatus status = world_.status(1);
  EXPECT_EQ(status.membership, world_.members({1, 2, 3}));
  EXPECT_EQ(world_.status(3).membership, status.membership);
  EXPECT_EQ(world_.host(1).propose("kv", "more").error.code, Code::ok);
  // Any two of them go on.
  world_.host(1).end();
  EXPECT_TRUE(world_.wait([&] { return world_.leader() != 0; }));
  EXPECT_EQ(world_.host(world_.leader()).propose("kv", "and more").error.code, Code::ok);
  EXPECT_TRUE(world_.wait([&] {
    return world_.content(2).starts_with("27/") && world_.content(3) == world_.content(2);
  }));
}

TEST_F(RestoredGroup, IsLedByNobodyWhoHasNothing) {
  for (const std::uint64_t n : {2, 3}) {
    net::StartPeer start{.group = "kv",
                         .group_id = {77},
                         .backend = "shelf",
                         .self = world_.member(n).id,
                         .peer = world_.member(n).peer,
                         .membership = world_.members({1})};
    ASSERT_EQ(world_.host(n).told(start).error.code, Code::ok);
  }
  world_.run(Duration::seconds(5));
  EXPECT_EQ(world_.leader(), 0U);
  EXPECT_EQ(world_.status(2).term, raft::Term{});
}

// --- crashes ---

class CrashInRestoration : public ::testing::TestWithParam<Ending> {};

TEST_P(CrashInRestoration, LeavesAWholePeerOrNothing) {
  bool has_crashed = true;
  std::size_t without = 0;
  for (std::uint64_t n = 1; has_crashed; ++n) {
    SCOPED_TRACE("crash at call " + std::to_string(n));
    SnapshotWorld world(1);
    world.start();
    HostWorld& host = world.host(1);
    host.run(Duration::milliseconds(20));
    bool is_killed = false;
    host.disk.set_fuse(n, [&] {
      is_killed = true;
      host.kill();
    });
    const net::RestorePeer wanted = wanted_at(world, 1, {1});
    bool is_told = false;
    {
      Giver giver(world, 1, wanted, shelf_with(wanted.membership, 1'000));
      world.wait([&] { return is_killed || giver.replies.contains(1); });
      is_told = giver.replies.contains(1);
      host.disk.set_fuse(0, {});
      host.end(GetParam());
    }
    has_crashed = !is_told;
    host.must_start();
    const bool is_there = !host.host().peers().empty();
    EXPECT_TRUE(is_there || !is_told);
    if (is_there) {
      EXPECT_TRUE(world.content(1).starts_with(std::to_string(commands) + "/"));
      EXPECT_EQ(host.propose("kv", "more").error.code, Code::ok);
    } else {
      ++without;
      for (const std::string& path : host.paths("snapshots/")) ADD_FAILURE() << path << " is left";
      Giver again(world, 1, wanted, shelf_with(wanted.membership, 1'000));
      world.wait([&] { return again.replies.contains(1); });
      EXPECT_EQ(again.replies[1].code, Code::ok) << again.replies[1].text;
    }
    ASSERT_LT(n, 300U);
  }
  EXPECT_GT(without, 20U);
}

INSTANTIATE_TEST_SUITE_P(Endings, CrashInRestoration, ::testing::Values(Ending::killed, Ending::power_lost),
                         [](const auto& one) { return one.param == Ending::killed ? "killed" : "power_lost"; });

}  // namespace
}  // namespace zraft::host::test
