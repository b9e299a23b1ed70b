// SPDX-License-Identifier: Apache-2.0
//
// What one link may ask of a sender of snapshots and in which order, how much it holds, and how several links share the
// rate. The link and the loop are made by hand.
#include "zraft/host/snapshot_sender.h"

#include <gtest/gtest.h>

#include "test/host/transfer_world.h"
#include "test/net/fake_network.h"

namespace zraft::host::test {
namespace {

using net::test::FakeLoop;

// Keeps what was sent; its queue is as long as the test says.
class KeepingLink final : public node::Link {
 public:
  void set_handler(node::LinkHandler*) override {}
  void send(node::FrameKind, Pieces body) override { bodies.push_back(net::test::join(body)); }
  void send_file(node::FrameKind, Bytes head, node::FilePart part) override {
    parts.push_back(part);
    bodies.push_back(head + *part.file->read(part.offset, part.length));
    if (is_queueing) queued += part.length;
  }
  [[nodiscard]] std::size_t queued_bytes() const override { return queued; }
  [[nodiscard]] std::string remote() const override { return "r"; }

  std::vector<Bytes> bodies;
  std::vector<node::FilePart> parts;
  bool is_queueing = false;
  std::size_t queued = 0;
};

class Sender : public ::testing::Test {
 protected:
  Result<> ask() { return sender_.on_message(net::encode(net::FetchSnapshot{.group = {77}, .from = {1}, .to = {2}})); }
  Result<> want(std::uint32_t file, std::uint64_t chunk) {
    return sender_.on_message(net::encode(net::WantChunk{.file = file, .chunk = chunk}));
  }
  Error offered() {
    const auto message = net::decode_bulk(link_.bodies.back());
    EXPECT_TRUE(message.has_value() && std::holds_alternative<net::SnapshotOffered>(*message));
    return std::get<net::SnapshotOffered>(*message).error;
  }

  FakeLoop loop_;
  KeepingLink link_;
  BulkRate rate_{loop_, 0};
  std::shared_ptr<SharedSnapshot> snapshot_ = usual_snapshot();
  SnapshotSender::Found waiting_;
  bool is_later_ = false;
  SnapshotSender sender_{loop_, link_, rate_, [this](const net::FetchSnapshot&, SnapshotSender::Found found) {
                           if (is_later_) {
                             waiting_ = std::move(found);
                           } else {
                             found(snapshot_);
                           }
                         }};
};

TEST_F(Sender, SendsWhatIsWantedInTheOrderOfTheWantsWithTheChecksumsOfTheManifest) {
  EXPECT_FALSE(sender_.progress().has_value());
  ASSERT_TRUE(ask());
  EXPECT_EQ(offered().code, Code::ok);
  ASSERT_TRUE(want(4, 2));
  ASSERT_TRUE(want(1, 0));
  ASSERT_TRUE(want(4, 0));
  ASSERT_EQ(link_.parts.size(), 3u);
  EXPECT_EQ(link_.parts[0].offset, 2 * storage::snapshot_chunk_size);
  EXPECT_EQ(link_.parts[0].length, 17u);
  EXPECT_EQ(link_.parts[0].checksum, snapshot_->parsed.files[4].chunks[2]);
  EXPECT_EQ(link_.parts[1].length, 1u);
  EXPECT_EQ(link_.parts[2].length, storage::snapshot_chunk_size);
  const auto message = net::decode_bulk(link_.bodies[1]);
  ASSERT_TRUE(message.has_value());
  EXPECT_EQ(std::get<net::SnapshotChunk>(*message).file, 4u);
  EXPECT_EQ(std::get<net::SnapshotChunk>(*message).chunk, 2u);
  const auto progress = sender_.progress();
  ASSERT_TRUE(progress.has_value());
  EXPECT_EQ(progress->to, raft::NodeId{2});
  EXPECT_EQ(progress->bytes, 18 + storage::snapshot_chunk_size);
  EXPECT_EQ(progress->bytes_total, snapshot_->parsed.bytes());
  loop_.advance(Duration::seconds(3));
  EXPECT_EQ(sender_.progress()->idle, Duration::seconds(3));
}

TEST_F(Sender, RefusesWhatDoesNotFit) {
  EXPECT_FALSE(want(0, 0)) << "nothing was offered";
  ASSERT_TRUE(ask());
  EXPECT_FALSE(want(0, 0)) << "an empty file has no chunk";
  EXPECT_FALSE(want(4, 3));
  EXPECT_FALSE(want(10, 0));
  EXPECT_FALSE(want(0xffffffff, ~std::uint64_t{0}));
  EXPECT_FALSE(sender_.on_message("nonsense"));
  EXPECT_FALSE(sender_.on_message(net::encode(net::SnapshotOffered{.error = {Code::busy, ""}, .manifest = {}})));
  EXPECT_TRUE(link_.parts.empty());
}

TEST_F(Sender, OffersOneAtATimeAndTellsWhyThereIsNone) {
  is_later_ = true;
  ASSERT_TRUE(ask());
  EXPECT_FALSE(ask()) << "while it is looked for";
  waiting_(fail(Code::loading, "later"));
  EXPECT_EQ(offered().code, Code::loading);
  EXPECT_FALSE(want(1, 0));
  ASSERT_TRUE(ask());
  waiting_(snapshot_);
  EXPECT_EQ(offered().code, Code::ok);
  EXPECT_TRUE(want(1, 0));
}

TEST_F(Sender, DoesNotOfferFilesWhoseSizeIsNotTheManifests) {
  snapshot_->files[2] = std::make_shared<MemoryFile>("short");
  ASSERT_TRUE(ask());
  EXPECT_EQ(offered().code, Code::corrupt);
  EXPECT_FALSE(want(2, 0));
}

TEST_F(Sender, W48_SendsNothingMoreWhileTheLinkHasEnoughAndTakesOnlySoManyWants) {
  link_.is_queueing = true;
  ASSERT_TRUE(ask());
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(want(2, 0));
  ASSERT_EQ(link_.parts.size(), 3u) << "one beyond the bound";
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(want(1, 0));
  EXPECT_EQ(want(1, 0).error().code, Code::busy);
  EXPECT_EQ(link_.parts.size(), 3u);
  loop_.advance(Duration::seconds(1));
  EXPECT_EQ(link_.parts.size(), 3u);
  link_.queued = 0;
  loop_.advance(Duration::milliseconds(10));
  EXPECT_EQ(link_.parts.size(), 67u);
  EXPECT_EQ(loop_.timers(), 1u) << "nothing to look at, but whether it is idle";
}

TEST_F(Sender, P59_LetsASnapshotGoOfWhichNothingIsWantedAndSaysSo) {
  ASSERT_TRUE(ask());
  const std::weak_ptr<SharedSnapshot> held = std::exchange(snapshot_, nullptr);
  loop_.advance(Duration::seconds(29));
  ASSERT_TRUE(want(1, 0));
  loop_.advance(Duration::seconds(29));
  EXPECT_FALSE(held.expired()) << "it was wanted meanwhile";
  loop_.advance(Duration::seconds(2));
  EXPECT_TRUE(held.expired());
  EXPECT_FALSE(sender_.progress().has_value());
  ASSERT_TRUE(want(1, 0)) << "the link may stay";
  EXPECT_EQ(link_.parts.size(), 1u);
  EXPECT_EQ(offered().code, Code::not_found);
  snapshot_ = usual_snapshot(20);
  ASSERT_TRUE(ask());
  EXPECT_EQ(offered().code, Code::ok);
  ASSERT_TRUE(want(1, 0));
  EXPECT_EQ(link_.parts.size(), 2u);
}

TEST_F(Sender, P59_KeepsASnapshotThatIsStillOnItsWay) {
  link_.is_queueing = true;
  ASSERT_TRUE(ask());
  ASSERT_TRUE(want(2, 0));
  const std::weak_ptr<SharedSnapshot> held = std::exchange(snapshot_, nullptr);
  loop_.advance(Duration::seconds(300));
  EXPECT_FALSE(held.expired());
  link_.queued = 0;
  loop_.advance(Duration::seconds(70));
  EXPECT_TRUE(held.expired());
  EXPECT_EQ(loop_.timers(), 0u);
}

TEST_F(Sender, P87_MayGoWhileItsSnapshotIsLookedForOrItsTurnIsAwaited) {
  rate_.set(1 << 20);
  Result<> taken;
  {
    SnapshotSender sender(loop_, link_, rate_, [this](const net::FetchSnapshot&, SnapshotSender::Found found) {
      if (is_later_) {
        waiting_ = std::move(found);
      } else {
        found(snapshot_);
      }
    });
    ASSERT_TRUE(sender.on_message(net::encode(net::FetchSnapshot{.group = {77}, .from = {1}, .to = {2}})));
    for (int i = 0; i < 5; ++i) ASSERT_TRUE(sender.on_message(net::encode(net::WantChunk{.file = 2, .chunk = 0})));
    EXPECT_EQ(link_.parts.size(), 1u);
    is_later_ = true;
  }
  loop_.advance(Duration::seconds(10));
  EXPECT_EQ(link_.parts.size(), 1u);
}

TEST(Rate, IsSharedByAllWhoWaitInTurn) {
  FakeLoop loop;
  BulkRate rate(loop, 1'000);
  std::vector<char> sent;
  const std::function<void(char)> send = [&](char who) {
    if (rate.take(100)) {
      sent.push_back(who);
      loop.post([&, who] { send(who); });
    } else {
      rate.wait_turn([&, who] { send(who); });
    }
  };
  for (const char who : {'a', 'b', 'c'}) send(who);
  loop.advance(Duration::seconds(10));
  EXPECT_NEAR(static_cast<double>(sent.size()), 100, 3);
  for (const char who : {'a', 'b', 'c'}) EXPECT_NEAR(static_cast<double>(std::ranges::count(sent, who)), 33, 3) << who;
}

TEST(Rate, LetsAChunkThroughThatIsLargerThanASecondsWorthAndWaitsForItsDebt) {
  FakeLoop loop;
  BulkRate rate(loop, 1'000);
  EXPECT_TRUE(rate.take(5'000));
  EXPECT_FALSE(rate.take(1));
  loop.advance(Duration::milliseconds(4'990));
  EXPECT_FALSE(rate.take(1));
  loop.advance(Duration::milliseconds(20));
  EXPECT_TRUE(rate.take(1));
}

TEST(Rate, MayBeChangedAndTakenAwayWhileOthersWait) {
  FakeLoop loop;
  BulkRate rate(loop, 1);
  EXPECT_TRUE(rate.take(1'000'000));
  bool was_served = false;
  rate.wait_turn([&] { was_served = true; });
  loop.advance(Duration::seconds(10));
  EXPECT_FALSE(was_served);
  rate.set(0);
  loop.advance(Duration::milliseconds(1));
  EXPECT_TRUE(was_served);
  EXPECT_TRUE(rate.take(~std::size_t{0} >> 2));
}

}  // namespace
}  // namespace zraft::host::test
