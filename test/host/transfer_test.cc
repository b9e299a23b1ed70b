// SPDX-License-Identifier: Apache-2.0
//
// Snapshots that travel: whole, in pieces, over links that break, from one member and from the next, to receivers that
// crash, that have no room, or that think better of it. RELIABILITY P63, P87.
#include <gtest/gtest.h>

#include <algorithm>

#include "test/host/transfer_world.h"

namespace zraft::host::test {
namespace {

constexpr std::size_t usual_chunks = 10;

class Transfer : public ::testing::Test {
 protected:
  TransferWorld world_;
  Source source_{world_.world, world_.fabric, "n1", usual_snapshot()};

  static int times_at_most(const Source& source) {
    int most = 0;
    for (const auto& [chunk, times] : source.sent) most = std::max(most, times);
    return most;
  }
};

TEST_F(Transfer, BringsEveryFileOnce) {
  world_.fetch_from(source_);
  EXPECT_EQ(world_.fetcher->progress().bytes_total, 0u);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
  EXPECT_EQ(source_.chunks_sent(), usual_chunks);
  EXPECT_EQ(times_at_most(source_), 1);
  EXPECT_EQ(source_.asked.size(), 1u);
  EXPECT_FALSE(source_.asked[0].partial.has_value());
  const auto progress = world_.fetcher->progress();
  EXPECT_EQ(progress.position, source_.snapshot->parsed.meta.last);
  EXPECT_EQ(progress.bytes, source_.snapshot->parsed.bytes());
  EXPECT_EQ(progress.bytes_total, source_.snapshot->parsed.bytes());
  EXPECT_GT(progress.bytes_per_second, 0u);
  world_.run(Duration::seconds(1));
  EXPECT_EQ(source_.links(), 0u) << "the link is let go";
}

TEST_F(Transfer, OfASnapshotWithoutABytesEnds) {
  source_.snapshot = make_snapshot(9, {{"empty", 0}});
  world_.fetch_from(source_);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
}

TEST_F(Transfer, OfMoreSmallFilesThanASenderTakesAtOnceEnds) {
  std::vector<std::pair<std::string, std::size_t>> files;
  for (int i = 100; i < 300; ++i) files.emplace_back("file" + std::to_string(i), 10);
  source_.snapshot = make_snapshot(9, files);
  world_.fetch_from(source_);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
  EXPECT_TRUE(source_.offences.empty());
}

TEST_F(Transfer, OverALinkThatIsCutGoesOnWithoutAnyChunkTwice) {
  for (std::size_t chunks = 1; chunks <= usual_chunks; ++chunks) {
    TransferWorld world(chunks);
    Source source(world.world, world.fabric, "n1", usual_snapshot());
    source.cut_after = chunks;
    world.fetch_from(source);
    world.wait();
    world.expect_fetched(*source.snapshot);
    EXPECT_EQ(source.chunks_sent(), usual_chunks) << "cut after " << chunks;
    if (chunks < 4) {
      ASSERT_GT(source.asked.size(), 1u);
      EXPECT_EQ(source.asked[1].partial, source.snapshot->parsed.meta.last);
    }
  }
}

TEST_F(Transfer, OverALinkThatBreaksAtAnyMomentLosesOnlyWhatWasUnderWay) {
  for (int events = 1; events < 150; events += 4) {
    TransferWorld world(static_cast<std::uint64_t>(events));
    Source source(world.world, world.fabric, "n1", usual_snapshot());
    world.fetch_from(source);
    for (int i = 0; i < events && world.world.run_one(); ++i) {
    }
    world.fabric.reset_one();
    world.wait();
    world.expect_fetched(*source.snapshot);
    EXPECT_LE(times_at_most(source), 2) << events;
  }
}

TEST_F(Transfer, P63_ToAReceiverThatWasRestartedGoesOn) {
  for (const auto ending : {sim::Ending::killed, sim::Ending::power_lost}) {
    bool was_resumed = false;
    for (int events = 5; events < 200; events += 7) {
      TransferWorld world(static_cast<std::uint64_t>(events));
      Source source(world.world, world.fabric, "n1", usual_snapshot());
      world.fetch_from(source);
      for (int i = 0; i < events && world.world.run_one(); ++i) {
      }
      if (world.done) break;
      const std::uint64_t bytes = world.fetcher->progress().bytes;
      world.end_receiver(ending);
      world.run(Duration::seconds(1));  // what the old link was asked for leaves
      source.sent.clear();
      world.start_receiver();
      world.fetch_from(source);
      world.wait();
      world.expect_fetched(*source.snapshot);
      EXPECT_EQ(times_at_most(source), source.sent.empty() ? 0 : 1);
      if (ending == sim::Ending::killed && bytes > 0) {
        EXPECT_LT(source.chunks_sent(), usual_chunks) << "what was written is not fetched again";
        was_resumed = true;
      }
    }
    EXPECT_TRUE(was_resumed || ending == sim::Ending::power_lost);
  }
}

TEST_F(Transfer, GoesOnWithAnotherMemberThatHasTheSame) {
  source_.cut_after = 1;
  Source other(world_.world, world_.fabric, "n2", usual_snapshot());
  world_.fetch_from(source_);
  while (world_.fetcher->progress().bytes == 0) ASSERT_TRUE(world_.world.run_one());
  world_.fetcher->go_to({3}, other.address);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
  EXPECT_GT(other.chunks_sent(), 0u);
  ASSERT_EQ(other.asked.size(), 1u);
  EXPECT_EQ(other.asked[0].from, raft::NodeId{3});
  EXPECT_EQ(other.asked[0].partial, source_.snapshot->parsed.meta.last);
  EXPECT_TRUE(world_.was_said("goes on fetching the snapshot"));
  EXPECT_TRUE(world_.was_said("from member 3 at " + other.address));
  for (const auto& [chunk, times] : other.sent) {
    if (chunk == source_.sent.begin()->first) ADD_FAILURE() << "the first chunk was fetched again";
  }
}

TEST_F(Transfer, P63_BeginsAnewWithAnotherMemberThatHasAnother) {
  for (int events = 1; events < 200; events += 9) {
    TransferWorld world(static_cast<std::uint64_t>(events));
    Source source(world.world, world.fabric, "n1", usual_snapshot());
    Source other(world.world, world.fabric, "n2", usual_snapshot(12, 5));
    world.fetch_from(source);
    for (int i = 0; i < events && world.world.run_one(); ++i) {
    }
    if (world.done) break;
    world.fetcher->go_to({3}, other.address);
    world.wait();
    ASSERT_TRUE(world.done && world.done->has_value());
    // Unless all of the first had come already.
    const bool is_other = **world.done == other.snapshot->parsed;
    world.expect_fetched(is_other ? *other.snapshot : *source.snapshot);
    EXPECT_TRUE(is_other || other.asked.empty());
  }
}

TEST_F(Transfer, BeginsAnewWhenTheMemberHasANewerOneMeanwhile) {
  source_.cut_after = 2;
  world_.fetch_from(source_);
  while (source_.asked.empty()) ASSERT_TRUE(world_.world.run_one());
  source_.snapshot = usual_snapshot(20, 9);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
}

// It was idle for too long: the sender has let it go (SnapshotSender::Settings::idle_max).
TEST_F(Transfer, P59_OfASnapshotThatIsGoneHalfWayGoesOnWithTheNewest) {
  source_.let_go_after = 2;
  world_.fetch_from(source_);
  while (source_.chunks_sent() < 2) ASSERT_TRUE(world_.world.run_one());
  source_.snapshot = usual_snapshot(20, 9);
  while (source_.asked.size() < 2) ASSERT_TRUE(world_.world.run_one());
  EXPECT_TRUE(world_.was_said("it was let go"));
  source_.let_go_after = 0;
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
  EXPECT_TRUE(source_.offences.empty());
}

TEST_F(Transfer, EndsWhenTheDiskIsFull) {
  world_.fetch_from(source_);
  while (world_.fetcher->progress().bytes == 0) ASSERT_TRUE(world_.world.run_one());
  world_.disk.set_full(true);
  world_.wait();
  ASSERT_TRUE(world_.done && !world_.done->has_value());
  EXPECT_EQ(world_.done->error().code, Code::no_space) << world_.done->error().text;
  // With room again the next one goes on.
  world_.disk.set_full(false);
  source_.sent.clear();
  world_.fetch_from(source_);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
  EXPECT_LT(source_.chunks_sent(), usual_chunks);
}

TEST_F(Transfer, IsAskedForAgainWhenItIsRefused) {
  source_.refusals = {{Code::loading, "the group is being opened"},
                      {Code::not_found, "there is none yet"},
                      {Code::not_found, "there is none yet"},
                      {Code::busy, "too many fetch already"}};
  world_.fetch_from(source_);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
  EXPECT_EQ(source_.asked.size(), 5u);
  EXPECT_TRUE(world_.was_said("the group is being opened"));
  EXPECT_TRUE(world_.was_said("too many fetch already"));
  EXPECT_EQ(std::ranges::count_if(world_.said, [](const auto& line) { return line.find("none yet") != line.npos; }), 1);
}

TEST_F(Transfer, OfOneTryEndsWithWhateverGoesWrong) {
  world_.settings.tries_again = false;
  source_.refusals = {{Code::not_found, "none yet"}};
  world_.fetch_from(source_);
  world_.wait();
  ASSERT_TRUE(world_.done && !world_.done->has_value());
  EXPECT_EQ(world_.done->error().text, "none yet");
  source_.cut_after = 3;
  world_.fetch_from(source_);
  world_.wait();
  ASSERT_TRUE(world_.done && !world_.done->has_value());
  source_.cut_after = 0;
  source_.is_silent = true;
  world_.fetch_from(source_);
  world_.wait();
  ASSERT_TRUE(world_.done && !world_.done->has_value());
  EXPECT_EQ(world_.done->error().code, Code::timeout);
  source_.is_silent = false;
  world_.fetch_from(source_);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
}

TEST_F(Transfer, IsNotAskedForMoreAndMoreOftenWhileItIsRefused) {
  source_.refusals.assign(1000, {Code::not_found, "there is none yet"});
  world_.fetch_from(source_);
  world_.run(Duration::seconds(20));
  EXPECT_GT(source_.asked.size(), 15u);
  EXPECT_LT(source_.asked.size(), 60u);
  EXPECT_FALSE(world_.done.has_value());
}

TEST_F(Transfer, IsNotTakenIfItIsOfAnotherGroupOrBackend) {
  const auto right = source_.snapshot;
  source_.snapshot = std::make_shared<SharedSnapshot>(*right);
  source_.snapshot->parsed.group = {78};
  source_.snapshot->manifest = storage::encode(source_.snapshot->parsed);
  world_.fetch_from(source_);
  world_.run(Duration::seconds(1));
  EXPECT_TRUE(world_.was_said("its snapshot is of another group"));
  source_.snapshot = std::make_shared<SharedSnapshot>(*right);
  source_.snapshot->parsed.backend = "other";
  source_.snapshot->manifest = storage::encode(source_.snapshot->parsed);
  world_.run(Duration::seconds(2));
  EXPECT_TRUE(world_.was_said("its snapshot is of the backend other, this member's is echo"));
  source_.snapshot->manifest = "nonsense";
  world_.run(Duration::seconds(2));
  EXPECT_EQ(source_.chunks_sent(), 0u);
  source_.snapshot = right;
  world_.wait();
  world_.expect_fetched(*right);
}

// A start would find a snapshot of a term that the log does not know (RELIABILITY 2.3, row 10).
TEST_F(Transfer, P69_OfALaterTermThanTheMemberHasHeardOfIsNotTakenYet) {
  world_.fetch_from(source_, {2});
  world_.run(Duration::seconds(5));
  EXPECT_EQ(source_.chunks_sent(), 0u);
  EXPECT_TRUE(world_.was_said("of a later term than this member has heard of"));
  world_.fetcher->go_to({1}, source_.address, {3});
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
}

TEST_F(Transfer, FromASilentMemberIsGivenUpAndTriedAgain) {
  source_.is_silent = true;
  world_.fetch_from(source_);
  world_.run(Duration::seconds(5));
  EXPECT_TRUE(world_.was_said("it said nothing for 1000 ms"));
  source_.is_silent = false;
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
}

TEST_F(Transfer, WaitsForAMemberThatIsNotThereYet) {
  Source other(world_.world, world_.fabric, "n2", usual_snapshot());
  other.address = "n3:1";
  world_.fetch_from(other);
  world_.run(Duration::seconds(3));
  EXPECT_TRUE(world_.was_said("n3:1 gives no snapshot now"));
  world_.fetcher->go_to({1}, source_.address);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
}

TEST_F(Transfer, OfBytesThatAreNotTheManifestsGoesOnElsewhere) {
  const auto damaged = usual_snapshot();
  static_cast<MemoryFile&>(*damaged->files[4]).flip(700'000);
  Source bad(world_.world, world_.fabric, "n2", damaged);
  world_.fetch_from(bad);
  world_.run(Duration::seconds(5));
  EXPECT_FALSE(world_.done.has_value());
  EXPECT_LT(bad.asked.size(), 20u) << "not without pauses";
  world_.fetcher->go_to({1}, source_.address);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
  EXPECT_LT(source_.chunks_sent(), usual_chunks);
}

TEST_F(Transfer, KeepsToTheRateThatTheHostAllowsItsLinksTogether) {
  const std::uint64_t bytes = source_.snapshot->parsed.bytes();
  source_.rate().set(std::uint64_t{4} << 20);
  world_.fetch_from(source_);
  const Instant begun = world_.world.now();
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
  const Duration took = world_.world.now() - begun;
  // All but the last chunk are paid for.
  EXPECT_GT(took.to_milliseconds(), static_cast<std::int64_t>((bytes - (1 << 20)) * 1000 / (4 << 20)));
  EXPECT_LT(took.to_milliseconds(), static_cast<std::int64_t>(bytes * 1000 / (4 << 20)) + 200);
}

TEST_F(Transfer, AtARateBelowItsPatienceEndsNevertheless) {
  source_.rate().set(std::uint64_t{300} << 10);
  world_.fetch_from(source_);
  world_.wait(Duration::seconds(300));
  world_.expect_fetched(*source_.snapshot);
}

TEST_F(Transfer, P87_MayBeStoppedAtAnyMomentAndBegunAnewAtOnce) {
  for (int events = 0; events < 220; events += 3) {
    TransferWorld world(static_cast<std::uint64_t>(events));
    Source source(world.world, world.fabric, "n1", usual_snapshot());
    world.fetch_from(source);
    for (int i = 0; i < events && world.world.run_one(); ++i) {
    }
    world.stop_fetching();
    world.fetch_from(source);
    world.wait();
    world.expect_fetched(*source.snapshot);
    EXPECT_LE(times_at_most(source), 2);
  }
}

TEST_F(Transfer, ThatIsThereAlreadyIsNotFetchedAgain) {
  world_.fetch_from(source_);
  world_.wait();
  source_.sent.clear();
  world_.fetch_from(source_);
  world_.wait();
  world_.expect_fetched(*source_.snapshot);
  EXPECT_EQ(source_.chunks_sent(), 0u);
}

// 1. A part of the snapshot up to 9 has come when the member gets the entries of it, and writes that snapshot itself.
// 2. It falls behind again, and is offered one up to 12. If it asked for the rest of the first, and the leader still
//    had that, it would be given what it has already, again with every offer.
TEST_F(Transfer, P64_OfWhatTheMemberHasWrittenItselfMeanwhileIsNotGoneOnWith) {
  source_.cut_after = 3;
  world_.fetch_from(source_);
  while (world_.fetcher->progress().bytes == 0 && world_.world.run_one()) {
  }
  world_.stop_fetching();
  world_.run(Duration::seconds(1));
  ASSERT_TRUE(world_.find()->partial.has_value());
  world_.write(*source_.snapshot);
  source_.cut_after = 0;
  source_.snapshot = usual_snapshot(12, 2);
  source_.asked.clear();
  world_.fetch_from(source_);
  world_.wait();
  ASSERT_EQ(source_.asked.size(), 1u);
  EXPECT_FALSE(source_.asked[0].partial.has_value());
  world_.expect_fetched(*source_.snapshot);
}

TEST_F(Transfer, OverABadNetworkEnds) {
  for (std::uint64_t seed = 1; seed < 20; ++seed) {
    TransferWorld world(seed);
    world.fabric.set_settings({.tail_ppm = 50'000, .corrupt_ppm = 20'000, .reset_ppm = 50'000, .half_open_ppm = 300'000,
                               .refuse_ppm = 200'000, .give_up_after = Duration::seconds(1)});
    Source source(world.world, world.fabric, "n1", usual_snapshot());
    world.fetch_from(source);
    world.wait(Duration::seconds(600));
    world.expect_fetched(*source.snapshot);
  }
}

}  // namespace
}  // namespace zraft::host::test
