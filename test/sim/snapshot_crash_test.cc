// SPDX-License-Identifier: Apache-2.0
//
// Snapshots on a disk that crashes: the process is killed, or the power goes, instead of each call that writing,
// fetching, replacing or removing makes. Afterwards there are the old ones and perhaps the new one, whole, and never
// anything between (P61, W-59, W-60).
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>

#include "sim/disk.h"
#include "test/storage/snapshots.h"

namespace zraft::sim {
namespace {

using test::Contents;
using test::fetch;
using test::manifest_of;
using test::read_all;
using test::save;

struct Crash {
  Ending ending;
  bool is_journaled;
};

class SnapshotCrash : public testing::TestWithParam<Crash> {
 protected:
  using Step = std::function<Result<>(storage::Files&)>;

  // One life of a disk: `before` undisturbed, `during` with a crash instead of its call number `call`.
  struct Life {
    Life(const Crash& crash, std::uint64_t seed, const Step& before, const Step& during, std::uint64_t call)
        : world(seed) {
      DiskSettings settings;
      settings.is_journaled = crash.is_journaled;
      disk.set_settings(settings);
      start();
      EXPECT_TRUE(before(*files));
      disk.set_fuse(call, [this] { world.kill(process); });
      outcome = during(*files);
      was_hit = !world.is_alive(process);
      if (!was_hit) world.kill(process);
      disk.on_end(crash.ending);
      start();
    }
    void end(Ending ending) {
      world.kill(process);
      disk.on_end(ending);
      start();
    }
    void start() {
      process = world.start(host, 0);
      files = std::make_unique<SimFiles>(disk, process);
    }

    World world;
    HostId host = world.add_host("one");
    Disk disk{world, host, {}};
    Process process;
    std::unique_ptr<SimFiles> files;
    Result<> outcome;
    bool was_hit = false;
  };

  // Calls `look` at what is left after a crash at each call, and once without.
  void at_each_call(const Step& before, const Step& during, const std::function<void(Life&)>& look) {
    std::uint64_t calls = 0;
    bool was_hit = true;
    for (std::uint64_t call = 1; was_hit; ++call) {
      for (std::uint64_t seed = 1; seed <= (GetParam().ending == Ending::killed ? 1 : 5); ++seed) {
        Life life(GetParam(), seed, before, during, call);
        was_hit = life.was_hit;
        SCOPED_TRACE("call " + std::to_string(call) + ", seed " + std::to_string(seed));
        look(life);
        if (testing::Test::HasFailure()) return;
      }
      calls = call;
    }
    EXPECT_GT(calls, 5U);
  }

  // The indices of the complete ones; each of them is read.
  static std::vector<std::uint64_t> indices(Life& life, const std::map<std::uint64_t, Contents>& contents) {
    const auto found = storage::find_snapshots(*life.files, "peer");
    EXPECT_TRUE(found) << found.error().text;
    if (!found) return {};
    EXPECT_TRUE(found->damaged.empty()) << found->damaged.front();
    std::vector<std::uint64_t> result;
    for (const auto& manifest : found->complete) {
      result.push_back(manifest.meta.last.index.value);
      EXPECT_EQ(read_all(*life.files, "peer", manifest.meta.last) == contents.at(result.back()), true);
    }
    const auto names = life.files->list("peer").value();
    EXPECT_EQ(names.size(), result.size() + (found->partial ? 1 : 0)) << "nothing worthless is left";
    return result;
  }

  const Contents old_ = test::some_contents(1, 5000);  // small, because a crash comes at each call
  const Contents new_ = test::some_contents(2, 5000);
  const std::map<std::uint64_t, Contents> both_{{7, old_}, {9, new_}};
  const Step write_old_ = [this](storage::Files& files) {
    const auto written = save(files, "peer", test::meta_at(3, 7), old_);
    return written ? Result<>() : Result<>(fail(written));
  };
  const Step write_new_ = [this](storage::Files& files) {
    const auto written = save(files, "peer", test::meta_at(3, 9), new_);
    return written ? Result<>() : Result<>(fail(written));
  };
  const Step fetch_new_ = [this](storage::Files& files) {
    return fetch(files, "peer", manifest_of(test::meta_at(3, 9), new_), new_);
  };
  const std::vector<std::uint64_t> only_old_{7};
  const std::vector<std::uint64_t> old_and_new_{7, 9};
};

TEST_P(SnapshotCrash, P61_WritingLeavesTheOldOneAndTheNewOneWholeOrNotAtAll) {
  at_each_call(write_old_, write_new_, [&](Life& life) {
    const auto found = indices(life, both_);
    EXPECT_TRUE(found == old_and_new_ || (!life.outcome && found == only_old_));
    life.end(Ending::power_lost);
    EXPECT_EQ(indices(life, both_), found) << "I46: the log may go for what was found";
    EXPECT_TRUE(write_new_(*life.files)) << "it is written when it is tried again";
    life.end(Ending::power_lost);
    EXPECT_EQ(indices(life, both_), old_and_new_);
  });
}

TEST_P(SnapshotCrash, P61_TheFirstOneIsThereWholeOrNotAtAll) {
  at_each_call([](storage::Files&) -> Result<> { return {}; }, write_old_,
               [&](Life& life) {
                 const auto found = indices(life, both_);
                 EXPECT_TRUE(found == only_old_ || (!life.outcome && found.empty()));
               });
}

TEST_P(SnapshotCrash, P63_FetchingLeavesTheOldOneAndTheNewOneWholeOrNotAtAllAndGoesOn) {
  at_each_call(write_old_, fetch_new_, [&](Life& life) {
    const auto found = indices(life, both_);
    EXPECT_TRUE(found == old_and_new_ || (!life.outcome && found == only_old_));
    EXPECT_TRUE(fetch_new_(*life.files)) << "it goes on";
    life.end(Ending::power_lost);
    EXPECT_EQ(indices(life, both_), old_and_new_);
  });
}

TEST_P(SnapshotCrash, CopyingLeavesTheOldOneAndTheNewOneWholeOrNotAtAll) {
  const Step copy = [this](storage::Files& files) {
    return storage::copy_snapshot(files, "peer", manifest_of(test::meta_at(3, 7), old_), "other", {11});
  };
  at_each_call(write_old_, copy, [&](Life& life) {
    EXPECT_EQ(indices(life, both_), only_old_) << "it is never touched";
    const auto found = storage::find_snapshots(*life.files, "other");
    ASSERT_TRUE(found) << found.error().text;
    EXPECT_TRUE(found->damaged.empty());
    EXPECT_TRUE(found->complete.size() == 1 || (!life.outcome && found->complete.empty()));
    if (found->complete.empty()) {
      EXPECT_TRUE(copy(*life.files)) << "it is copied when it is tried again";
    }
    life.end(Ending::power_lost);
    EXPECT_EQ(read_all(*life.files, "other", {{3}, {7}}), old_);
    EXPECT_EQ(indices(life, both_), only_old_);
  });
}

TEST_P(SnapshotCrash, RemovingLeavesEachWholeOrNotAtAll) {
  const Step write_both = [&](storage::Files& files) {
    auto written = write_old_(files);
    return written ? write_new_(files) : written;
  };
  const Step remove_old = [](storage::Files& files) { return storage::remove_snapshot(files, "peer", {{3}, {7}}); };
  at_each_call(write_both, remove_old, [&](Life& life) {
    const auto found = indices(life, both_);
    EXPECT_TRUE(found == std::vector<std::uint64_t>{9} || (!life.outcome && found == old_and_new_));
  });
  const Step remove_all = [](storage::Files& files) { return storage::remove_all_snapshots(files, "peer"); };
  at_each_call(write_both, remove_all, [&](Life& life) {
    const auto found = indices(life, both_);
    EXPECT_TRUE(life.was_hit || found.empty());
  });
}

// 1. The process is killed behind the rename that takes the name away, before that is durable.  2. The next one clears
// away what it sees as worthless.  3. The power goes, and the rename with it.
TEST_P(SnapshotCrash, ClearingAwayAfterAKillLeavesEachWholeOrNotAtAll) {
  for (std::uint64_t call = 1; call < 20; ++call) {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
      const Crash kill{Ending::killed, GetParam().is_journaled};
      const Step remove = [](storage::Files& files) { return storage::remove_snapshot(files, "peer", {{3}, {7}}); };
      Life life(
          kill, seed,
          [](storage::Files& files) -> Result<> {
            const auto written = save(files, "peer", test::meta_at(3, 7), {{"a", "1"}, {"b", "2"}});
            return written ? Result<>() : Result<>(fail(written));
          },
          remove, 4);
      EXPECT_TRUE(life.was_hit);
      life.disk.set_fuse(call, [&] { life.world.kill(life.process); });
      (void)storage::find_snapshots(*life.files, "peer");
      life.end(GetParam().ending);
      const auto found = storage::find_snapshots(*life.files, "peer");
      ASSERT_TRUE(found);
      EXPECT_TRUE(found->damaged.empty()) << "call " << call << ": " << found->damaged.front();
    }
  }
}

TEST_P(SnapshotCrash, ReplacingADamagedOneNeverLeavesLessThanBefore) {
  const auto damage = [](Life& life) { life.disk.flip("peer/snap-7-3/values", 1000, 1); };
  const std::map<std::uint64_t, Contents> contents{{7, old_}};
  std::uint64_t calls = 0;
  for (std::uint64_t call = 1, is_over = 0; is_over == 0; ++call) {
    Life life(
        GetParam(), call, write_old_, [](storage::Files&) -> Result<> { return {}; }, 1);
    damage(life);
    life.disk.set_fuse(call, [&] { life.world.kill(life.process); });
    const auto manifest = manifest_of(test::meta_at(3, 7), old_);
    const auto fetched = fetch(*life.files, "peer", manifest, old_);
    is_over = life.world.is_alive(life.process) ? 1 : 0;
    life.world.kill(life.process);
    life.disk.on_end(GetParam().ending);
    life.start();
    const auto found = storage::find_snapshots(*life.files, "peer");
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->damaged.empty());
    if (fetched) {
      EXPECT_EQ(read_all(*life.files, "peer", {{3}, {7}}), old_);
    }
    EXPECT_TRUE(fetch(*life.files, "peer", manifest, old_)) << "call " << call;
    EXPECT_EQ(indices(life, contents), only_old_);
    calls = call;
  }
  EXPECT_GT(calls, 20U);
}

INSTANTIATE_TEST_SUITE_P(By, SnapshotCrash,
                         testing::Values(Crash{Ending::killed, true}, Crash{Ending::power_lost, true},
                                         Crash{Ending::power_lost, false}),
                         [](const auto& crash) {
                           if (crash.param.ending == Ending::killed) return "Kill";
                           return crash.param.is_journaled ? "PowerLoss" : "PowerLossWithoutAJournal";
                         });

// RELIABILITY 2.3, row 14.
TEST(SnapshotOnAFullDisk, P62_LeavesTheOldOneAndNothingElseWhereverTheSpaceEnds) {
  const Contents old_contents = test::some_contents(1);
  bool was_full = true;
  std::uint64_t calls = 0;
  for (std::uint64_t call = 1; was_full; ++call, ++calls) {
    World world(1);
    const HostId host = world.add_host("one");
    Disk disk(world, host, {});
    SimFiles files(disk, world.start(host, 0));
    ASSERT_TRUE(save(files, "peer", test::meta_at(3, 7), old_contents));
    was_full = false;
    disk.set_fuse(call, [&] {
      was_full = true;
      disk.set_full(true);
    });
    const auto written = save(files, "peer", test::meta_at(3, 9), test::some_contents(2));
    disk.set_fuse(0, {});
    if (!written) {
      EXPECT_EQ(written.error().code, Code::no_space) << written.error().text;
      EXPECT_EQ(files.list("peer").value(), std::vector<std::string>{"snap-7-3"}) << "call " << call;
    }
    EXPECT_EQ(read_all(files, "peer", {{3}, {7}}), old_contents) << "call " << call;
    const auto found = storage::find_snapshots(files, "peer");
    ASSERT_TRUE(found) << "a full disk does not keep a host from starting";
    EXPECT_TRUE(found->damaged.empty());
  }
  EXPECT_GT(calls, 30U);
}

}  // namespace
}  // namespace zraft::sim
