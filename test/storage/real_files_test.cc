// SPDX-License-Identifier: Apache-2.0
//
// The real file system in a temporary directory, through io_uring (where the kernel gives it) and through the thread.
#include "zraft/storage/real_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <thread>

#include "test/storage/log_life.h"
#include "test/storage/snapshots.h"

namespace zraft::test {
namespace {

// Runs in the thread of the test; others may post.
class RealLoop final : public node::Loop {
 public:
  [[nodiscard]] Instant now() const override {
    return {std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
                .count()};
  }
  void post(node::Task task) override {
    const std::lock_guard lock(mutex_);
    tasks_.push_back(std::move(task));
    wake_.notify_one();
  }
  node::TimerId wake_at(Instant when, node::Task task) override {
    timers_.emplace(std::pair(when, ++timers_made_), std::move(task));
    return {timers_made_};
  }
  void cancel(node::TimerId timer) override {
    std::erase_if(timers_, [&](const auto& entry) { return entry.first.second == timer.value; });
  }
  // Runs what is posted until `is_done`. Timers do not run.
  template <class IsDone>
  void run_until(IsDone is_done) {
    while (!is_done()) {
      node::Task task;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [&] { return !tasks_.empty(); });
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<node::Task> tasks_;
  std::map<std::pair<Instant, std::uint64_t>, node::Task> timers_;
  std::uint64_t timers_made_ = 0;
};

class ThreadWorker final : public node::Worker {
 public:
  explicit ThreadWorker(node::Loop& loop) : loop_(loop) {}
  ~ThreadWorker() override {
    for (std::thread& thread : threads_) thread.join();
  }
  void run(node::Task work, node::Task then) override {
    threads_.emplace_back([this, work = std::move(work), then = std::move(then)]() mutable {
      work();
      loop_.post(std::move(then));
    });
  }

 private:
  node::Loop& loop_;
  std::vector<std::thread> threads_;
};

class RealFiles : public testing::TestWithParam<storage::RealFiles::Method> {
 protected:
  void SetUp() override {
    const auto* about = testing::UnitTest::GetInstance()->current_test_info();
    std::string name = std::string("zraft_") + about->test_suite_name() + "_" + about->name() + "_XXXXXX";
    std::ranges::replace(name, '/', '_');
    std::string path = std::filesystem::temp_directory_path() / name;
    ASSERT_NE(mkdtemp(path.data()), nullptr);
    root_ = path;
    auto files = storage::RealFiles::make(loop_, root_ / "deep" / "data", GetParam());
    if (!files && GetParam() == storage::RealFiles::Method::io_uring) GTEST_SKIP() << files.error().text;
    ASSERT_TRUE(files) << files.error().text;
    files_ = std::move(*files);
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  Result<> write(storage::File& file, std::uint64_t offset, Pieces pieces, bool durable) {
    std::optional<Result<>> outcome;
    file.write(offset, std::move(pieces), durable, [&](Result<> result) { outcome = std::move(result); });
    EXPECT_FALSE(outcome) << "never before the call returns";
    loop_.run_until([&] { return outcome.has_value(); });
    return *outcome;
  }

  std::filesystem::path root_;
  RealLoop loop_;
  std::unique_ptr<storage::RealFiles> files_;
};

TEST_P(RealFiles, WritesPiecesOfEverySizeWhereTheyBelong) {
  auto file = files_->open("f", storage::OpenMode::create);
  ASSERT_TRUE(file) << file.error().text;
  ASSERT_TRUE((*file)->preallocate(1 << 20));
  EXPECT_EQ((*file)->read(0, 1 << 20).value(), Bytes(1 << 20, '\0'));
  Random random(3);
  Bytes expected(1 << 20, '\0');
  for (int round = 0; round < 60; ++round) {
    Pieces pieces;
    Bytes whole;
    const bool aligned = random.chance(600'000);
    for (std::uint64_t n = 1 + random.below(1500); n > 0; --n) {
      pieces.push_back(piece_of(Bytes(random.below(40), static_cast<char>('a' + random.below(26)))));
      whole += pieces.back().bytes;
    }
    if (aligned) {
      const std::size_t padding = (4096 - whole.size() % 4096) % 4096;
      pieces.push_back(piece_of(Bytes(padding, '.')));
      whole += pieces.back().bytes;
    }
    const std::uint64_t offset = aligned ? 4096 * random.below(100) : random.below(400'000);
    ASSERT_TRUE(write(**file, offset, std::move(pieces), random.chance(500'000)));
    expected.replace(offset, whole.size(), whole);
  }
  ASSERT_TRUE(write(**file, 0, {}, true)) << "a sync alone";
  EXPECT_EQ((*file)->read(0, 2 << 20).value(), expected);
  EXPECT_EQ((*file)->read(expected.size() - 3, 10).value().size(), 3U);
}

TEST_P(RealFiles, DoesWhatTheSeamSaysOfNames) {
  EXPECT_EQ(files_->open("none", storage::OpenMode::read).error().code, Code::io);
  EXPECT_FALSE(files_->exists("none").value());
  ASSERT_TRUE(files_->make_directory("a/b"));
  ASSERT_TRUE(files_->make_directory("a/b"));
  ASSERT_TRUE(storage::replace_file(*files_, "a/b/two", "first"));
  ASSERT_TRUE(storage::replace_file(*files_, "a/b/two", "second"));
  ASSERT_TRUE(storage::replace_file(*files_, "a/b/one", "x"));
  EXPECT_EQ(storage::read_file(*files_, "a/b/two", 100).value(), "second");
  EXPECT_EQ(storage::read_file(*files_, "a/b/two", 5).error().code, Code::too_large);
  EXPECT_EQ(storage::read_file(*files_, "a/b/none", 5).error().code, Code::not_found);
  EXPECT_EQ(files_->list("a/b").value(), (std::vector<std::string>{"one", "two"}));
  EXPECT_FALSE(files_->open("a/b/one", storage::OpenMode::create));
  ASSERT_TRUE(files_->rename("a/b/one", "a/b/two"));
  ASSERT_TRUE(files_->sync_directory("a/b"));
  ASSERT_TRUE(files_->remove("a/b/two"));
  EXPECT_TRUE(files_->list("a/b").value().empty());
  EXPECT_FALSE(files_->list("nowhere"));
}

TEST_P(RealFiles, RenamesADirectoryWithAllThatIsInItButNotOverOneThatHoldsSomething) {
  ASSERT_TRUE(files_->make_directory("a/b"));
  ASSERT_TRUE(storage::replace_file(*files_, "a/b/one", "x"));
  ASSERT_TRUE(files_->rename("a", "c"));
  EXPECT_EQ(storage::read_file(*files_, "c/b/one", 10).value(), "x");
  EXPECT_FALSE(files_->exists("a").value());
  ASSERT_TRUE(files_->make_directory("a"));
  EXPECT_EQ(files_->rename("a", "c").error().code, Code::io);
  EXPECT_TRUE(files_->rename("c", "a")) << "an empty one makes room";
  EXPECT_EQ(files_->remove("a/b").error().code, Code::io);
  ASSERT_TRUE(files_->remove("a/b/one"));
  EXPECT_TRUE(files_->remove("a/b"));
}

TEST_P(RealFiles, GivesAFileASecondName) {
  ASSERT_TRUE(files_->make_directory("a"));
  ASSERT_TRUE(storage::replace_file(*files_, "one", "x"));
  ASSERT_TRUE(files_->link("one", "a/two"));
  EXPECT_EQ(files_->link("one", "a/two").error().code, Code::already_present);
  EXPECT_EQ(files_->link("none", "a/three").error().code, Code::io);
  ASSERT_TRUE(files_->remove("one"));
  EXPECT_EQ(storage::read_file(*files_, "a/two", 10).value(), "x");
}

TEST_P(RealFiles, SendsAFileThatHasLostItsName) {
  ASSERT_TRUE(storage::replace_file(*files_, "one", "content"));
  auto file = files_->open_to_send("one");
  ASSERT_TRUE(file) << file.error().text;
  ASSERT_TRUE(storage::replace_file(*files_, "one", "another"));
  ASSERT_TRUE(files_->remove("one"));
  EXPECT_EQ((*file)->size(), 7U);
  EXPECT_EQ((*file)->read(3, 100).value(), "tent");
  EXPECT_GE((*file)->descriptor(), 0);
  EXPECT_EQ(files_->open_to_send("one").error().code, Code::io);
  files_.reset();
  EXPECT_EQ((*file)->read(0, 3).value(), "con") << "it is open as long as it lives";
}

TEST_P(RealFiles, SaysWhereAFileIsForTheOperatingSystem) {
  EXPECT_EQ(files_->system_path("a/b").value(), (root_ / "deep" / "data" / "a" / "b").string());
}

TEST_P(RealFiles, TakeTheFilesThatALibraryWroteIntoASnapshot) {
  const Bytes linked = some_bytes(storage::snapshot_chunk_size + 1, 3);
  const auto outside = root_ / "library";
  std::ofstream(outside, std::ios::binary) << linked;
  const auto task = [&](node::SnapshotWriter& writer) -> Result<> {
    EXPECT_TRUE(writer.begin("by_hand"));
    EXPECT_TRUE(writer.append("x"));
    const std::filesystem::path directory = writer.directory().value();
    EXPECT_TRUE(std::filesystem::is_empty(directory));
    std::ofstream(directory / "empty");
    std::filesystem::create_hard_link(outside, directory / "000001.sst");
    return {};
  };
  const auto written = storage::write_snapshot(*files_, "peer", {10}, "own", meta_at(3, 7), task);
  ASSERT_TRUE(written) << written.error().text;
  EXPECT_EQ(written->files, manifest_of({}, {{"000001.sst", linked}, {"by_hand", "x"}, {"empty", ""}}).files);
  auto reader = storage::open_snapshot(*files_, "peer", {{3}, {7}});
  ASSERT_TRUE(reader);
  const std::filesystem::path directory = (*reader)->directory().value();
  EXPECT_EQ(std::filesystem::file_size(directory / "000001.sst"), linked.size());
  EXPECT_EQ(std::filesystem::hard_link_count(outside), 2U);
  EXPECT_EQ((*reader)->read("000001.sst", 0, linked.size()).value(), linked);
  std::fstream(outside, std::ios::in | std::ios::out | std::ios::binary) << "damage";
  EXPECT_EQ((*reader)->directory().error().code, Code::corrupt) << "all of it is looked at before it is given";
}

TEST_P(RealFiles, TakeNothingButPlainFilesWithPlainNamesFromALibrary) {
  for (const bool has_directory : {false, true}) {
    const auto task = [&](node::SnapshotWriter& writer) -> Result<> {
      const std::filesystem::path directory = writer.directory().value();
      if (has_directory) {
        std::filesystem::create_directories(directory / "a" / "b");
      } else {
        std::ofstream(directory / "meta");
      }
      return {};
    };
    const auto written = storage::write_snapshot(*files_, "peer", {10}, "own", meta_at(3, 7), task);
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().code, Code::bad_request) << written.error().text;
    EXPECT_TRUE(files_->list("peer").value().empty());
  }
}

TEST_P(RealFiles, CarrySnapshotsThroughAllTheirLife) {
  const Contents contents = some_contents(1);
  ASSERT_TRUE(save(*files_, "peer", meta_at(3, 7), contents));
  ASSERT_TRUE(fetch(*files_, "peer", manifest_of(meta_at(3, 9), contents), contents));
  const auto found = storage::find_snapshots(*files_, "peer");
  ASSERT_TRUE(found) << found.error().text;
  ASSERT_EQ(found->complete.size(), 2U);
  for (const auto& manifest : found->complete) {
    EXPECT_TRUE(storage::verify_snapshot(*files_, "peer", manifest));
    EXPECT_EQ(read_all(*files_, "peer", manifest.meta.last), contents);
    auto sending = storage::open_snapshot_to_send(*files_, "peer", manifest);
    ASSERT_TRUE(sending);
    EXPECT_EQ((*sending)[2]->read(0, 10'000'000).value(), contents.at("values"));
  }
  ASSERT_TRUE(storage::remove_snapshot(*files_, "peer", {{3}, {7}}));
  EXPECT_EQ(files_->list("peer").value(), std::vector<std::string>{"snap-9-3"});
  ASSERT_TRUE(storage::remove_all_snapshots(*files_, "peer"));
  EXPECT_FALSE(files_->exists("peer").value());
}

TEST_P(RealFiles, HoldsALockUntilItEnds) {
  ASSERT_TRUE(files_->lock("lock"));
  auto other = storage::RealFiles::make(loop_, root_ / "deep" / "data", storage::RealFiles::Method::thread);
  ASSERT_TRUE(other);
  EXPECT_EQ((*other)->lock("lock").error().code, Code::busy);
  files_.reset();
  EXPECT_TRUE((*other)->lock("lock"));
}

TEST_P(RealFiles, EndsWithAWriteUnderWay) {
  auto file = files_->open("f", storage::OpenMode::create);
  ASSERT_TRUE(file);
  bool is_told = false;
  (*file)->write(0, {piece_of(Bytes(1 << 20, 'x'))}, true, [&](Result<>) { is_told = true; });
  file->reset();
  files_.reset();
  bool is_done = false;
  loop_.post([&] { is_done = true; });
  loop_.run_until([&] { return is_done; });
  EXPECT_FALSE(is_told);
  EXPECT_EQ(std::filesystem::file_size(root_ / "deep" / "data" / "f"), 1U << 20) << "it was finished all the same";
}

TEST_P(RealFiles, OpensNoFileForWritingThatTheKernelMayStillWriteTo) {
  auto file = files_->open("f", storage::OpenMode::create);
  ASSERT_TRUE(file);
  ASSERT_TRUE(write(**file, 0, {piece_of(Bytes(4096, 'x'))}, true));
  if (GetParam() == storage::RealFiles::Method::io_uring) {
    EXPECT_EQ(files_->open("f", storage::OpenMode::read_write).error().code, Code::busy);
  }
  file->reset();
  EXPECT_TRUE(files_->open("f", storage::OpenMode::read_write));
  auto again = files_->open("f", storage::OpenMode::read_write);
  (*again)->write(0, {piece_of(Bytes(4096, 'y'))}, true, [](Result<>) {});
  again->reset();
  files_.reset();  // with the answer waiting in the loop
  auto files = storage::RealFiles::make(loop_, root_ / "deep" / "data", GetParam());
  ASSERT_TRUE(files);
  EXPECT_TRUE((*files)->open("f", storage::OpenMode::read_write));
  files->reset();
}

TEST_P(RealFiles, TellsOfAWriteThatFails) {
  auto made = files_->open("f", storage::OpenMode::create);
  ASSERT_TRUE(made);
  auto file = files_->open("f", storage::OpenMode::read);
  ASSERT_TRUE(file);
  for (const std::size_t size : {100U, 4096U}) {
    const auto outcome = write(**file, 0, {piece_of(Bytes(size, 'x'))}, true);
    ASSERT_FALSE(outcome);
    EXPECT_EQ(outcome.error().code, Code::io);
    EXPECT_NE(outcome.error().text.find("data/f: write: "), std::string::npos) << outcome.error().text;
  }
}

TEST_P(RealFiles, CarryALogOverManySegmentsAndRestarts) {
  auto options = small_log();
  std::uint64_t last = 0;
  for (int life = 0; life < 4; ++life) {
    auto worker = std::make_unique<ThreadWorker>(loop_);
    auto opened = storage::Wal::open(loop_, *worker, *files_, options);
    ASSERT_TRUE(opened) << opened.error().text;
    std::size_t answered = 0;
    std::size_t wanted = 0;
    const auto done = [&](Result<> result) {
      EXPECT_TRUE(result) << result.error().text;
      ++answered;
    };
    if (life == 0) {
      ++wanted;
      opened->wal->start_group(group_a, {}, {}, {.term = {1}, .vote = {}}, done);
    } else {
      ASSERT_EQ(opened->groups.at(group_a).entries.size(), last);
      EXPECT_EQ(opened->groups.at(group_a).entries.back().payload(), Bytes(3000, 'x'));
    }
    auto log = opened->wal->log_of(group_a);
    for (int i = 0; i < 60; ++i, ++wanted) {
      ++last;
      log->write({.id = {}, .entries = {entry(group_a, 1, last, Bytes(3000, 'x'))}},
                 i % 7 == 0 ? node::Durability::buffered : node::Durability::durable, done);
      if (i % 3 == 0) loop_.run_until([&] { return answered == wanted + 1; });
    }
    loop_.run_until([&] { return answered == wanted; });
    log.reset();
    opened->wal.reset();
    worker.reset();  // its work uses the Files
    // The lock belongs to the Files: a new process has new ones.
    files_.reset();
    auto files = storage::RealFiles::make(loop_, root_ / "deep" / "data", GetParam());
    ASSERT_TRUE(files);
    files_ = std::move(*files);
  }
}

INSTANTIATE_TEST_SUITE_P(By, RealFiles,
                         testing::Values(storage::RealFiles::Method::io_uring, storage::RealFiles::Method::thread),
                         [](const auto& method) {
                           return method.param == storage::RealFiles::Method::thread ? "Thread" : "IoUring";
                         });

TEST(RealFilesChoice, SaysHowItWrites) {
  RealLoop loop;
  const auto root = std::filesystem::temp_directory_path() / "zraft_real_files_choice";
  auto files = storage::RealFiles::make(loop, root);
  ASSERT_TRUE(files) << files.error().text;
  EXPECT_TRUE((*files)->method().starts_with("io_uring") || (*files)->method().starts_with("a thread with pwritev"));
  std::filesystem::remove_all(root);
}

}  // namespace
}  // namespace zraft::test
