// SPDX-License-Identifier: Apache-2.0
//
// The simulated disk: what survives which ending, and what its failures leave behind.
#include "sim/disk.h"

#include <gtest/gtest.h>

#include <set>

namespace zraft::sim {
namespace {

using storage::File;
using storage::OpenMode;

class DiskTest : public ::testing::Test {
 protected:
  DiskTest() { start(); }

  void start() {
    process_ = world_.start(host_, 0);
    files_ = std::make_unique<SimFiles>(disk_, process_);
  }
  void end(Ending ending) {
    world_.kill(process_);
    disk_.on_end(ending);
    start();
  }
  std::unique_ptr<File> open(const std::string& path, OpenMode mode = OpenMode::read_write) {
    auto file = files_->open(path, mode);
    EXPECT_TRUE(file.has_value());
    return std::move(*file);
  }
  // A file whose name and content are durable.
  std::unique_ptr<File> make(const std::string& path, const Bytes& content) {
    auto file = open(path, OpenMode::create);
    EXPECT_TRUE(file->write_now(0, content));
    EXPECT_TRUE(file->sync());
    EXPECT_TRUE(files_->sync_directory(""));
    return file;
  }
  Bytes content(const std::string& path) { return *open(path, OpenMode::read)->read(0, 1 << 20); }
  Result<> write(File& file, std::uint64_t offset, Bytes bytes, bool durable) {
    Result<> told = fail(Code::timeout, "no answer yet");
    Pieces pieces;
    pieces.push_back(piece_of(std::move(bytes)));
    file.write(offset, std::move(pieces), durable, [&](Result<> result) { told = std::move(result); });
    EXPECT_FALSE(told);  // never before the call returns
    while (!told && told.error().code == Code::timeout && world_.run_one()) {
    }
    return told;
  }

  World world_{3};
  HostId host_ = world_.add_host("one");
  Disk disk_{world_, host_, {}};
  Process process_;
  std::unique_ptr<SimFiles> files_;
};

TEST_F(DiskTest, KeepsADurableWriteThroughALossOfPower) {
  auto file = make("log", Bytes(4096, '.'));
  EXPECT_TRUE(write(*file, 100, "durable", true));
  end(Ending::power_lost);
  EXPECT_EQ(content("log").substr(99, 9), ".durable.");
}

TEST_F(DiskTest, KeepsEarlierWritesWithADurableOne) {
  auto file = make("log", Bytes(4096, '.'));
  EXPECT_TRUE(write(*file, 2048, "early", false));
  EXPECT_TRUE(write(*file, 0, "late", true));
  end(Ending::power_lost);
  EXPECT_EQ(content("log").substr(2048, 5), "early");
}

TEST_F(DiskTest, TearsAnUnsyncedWriteAtSectorsInEveryWay) {
  auto file = make("log", Bytes(2048, '.'));
  std::set<std::string> left;
  for (int i = 0; i < 200; ++i) {
    EXPECT_TRUE(write(*file, 0, Bytes(2048, '.'), true));
    EXPECT_TRUE(write(*file, 0, Bytes(2048, 'x'), false));
    end(Ending::power_lost);
    file = open("log");
    const Bytes now = content("log");
    ASSERT_EQ(now.size(), 2048U);
    std::string sectors;
    for (std::size_t at = 0; at < now.size(); at += sector_size) {
      EXPECT_EQ(now.substr(at, sector_size), Bytes(sector_size, now[at]));
      sectors += now[at];
    }
    left.insert(sectors);
  }
  EXPECT_EQ(left.size(), 16U);
}

TEST_F(DiskTest, LeavesAnyOfTheContentsThatASectorHad) {
  std::set<char> left;
  auto file = make("log", Bytes(512, '0'));
  for (int i = 0; i < 100; ++i) {
    for (const char c : {'0', '1', '2', '3'}) EXPECT_TRUE(write(*file, 0, Bytes(512, c), c == '0'));
    end(Ending::power_lost);
    file = open("log");
    left.insert(content("log")[0]);
  }
  EXPECT_EQ(left, (std::set<char>{'0', '1', '2', '3'}));
}

TEST_F(DiskTest, LosesNothingWhenOnlyTheProcessIsKilled) {
  auto file = open("log", OpenMode::create);
  EXPECT_TRUE(file->write_now(0, "not synced"));
  end(Ending::killed);
  EXPECT_EQ(content("log"), "not synced");
}

TEST_F(DiskTest, StopsAWriteUnderWayAtSomeSectorWhenTheProcessIsKilled) {
  std::set<Bytes> left;
  for (int i = 0; i < 50; ++i) {
    const std::string path = "log" + std::to_string(i);
    auto file = make(path, Bytes(1024, '.'));
    Pieces pieces;
    pieces.push_back(piece_of(Bytes(1024, 'x')));
    file->write(0, std::move(pieces), true, [](const Result<>&) { FAIL() << "the process has ended"; });
    end(Ending::killed);
    left.insert(content(path));
  }
  EXPECT_EQ(left.size(), 3U);
}

TEST_F(DiskTest, MayLoseANameThatWasNotSynced) {
  std::set<std::string> left;
  for (int i = 0; i < 50; ++i) {
    const std::string path = "new" + std::to_string(i);
    EXPECT_TRUE(open(path, OpenMode::create)->sync());
    end(Ending::power_lost);
    left.insert(*files_->exists(path) ? "there" : "gone");
  }
  EXPECT_EQ(left.size(), 2U);
}

TEST_F(DiskTest, NeverLosesANameThatWasSynced) {
  make("log", "content");
  EXPECT_TRUE(files_->rename("log", "renamed"));
  EXPECT_TRUE(files_->sync_directory(""));
  for (int i = 0; i < 20; ++i) end(Ending::power_lost);
  EXPECT_EQ(content("renamed"), "content");
  EXPECT_FALSE(*files_->exists("log"));
}

TEST_F(DiskTest, RenamesWholeOrNotAtAll) {
  std::set<Bytes> left;
  for (int i = 0; i < 50; ++i) {
    if (!*files_->exists("a")) make("a", "old");
    if (*files_->exists("b")) {
      EXPECT_TRUE(files_->remove("b"));
    }
    EXPECT_TRUE(files_->sync_directory(""));
    auto file = make("b", "new");
    EXPECT_TRUE(files_->rename("b", "a"));
    end(Ending::power_lost);
    left.insert(content("a"));
    EXPECT_TRUE(files_->remove("a"));
  }
  EXPECT_EQ(left, (std::set<Bytes>{"old", "new"}));
}

TEST_F(DiskTest, ReplacesAFileWholeOrNotAtAllWhereverTheCrashComes) {
  for (std::uint64_t call = 1; call < 12; ++call) {
    for (int i = 0; i < 20; ++i) {
      ASSERT_TRUE(storage::replace_file(*files_, "meta", "old"));
      disk_.set_fuse(call, [this] { world_.kill(process_); });
      const bool is_done = storage::replace_file(*files_, "meta", "new").has_value();
      end(Ending::power_lost);
      const Bytes left = content("meta");
      EXPECT_TRUE(left == "new" || (!is_done && left == "old")) << left;
    }
  }
}

TEST_F(DiskTest, GivesAPreallocatedFileItsSizeForGood) {
  auto file = make("log", "");
  EXPECT_TRUE(file->preallocate(8192));
  end(Ending::power_lost);
  EXPECT_EQ(content("log"), Bytes(8192, '\0'));
}

TEST_F(DiskTest, MayForgetTheNewSizeOfAFileThatWasNotSynced) {
  std::set<std::size_t> left;
  for (int i = 0; i < 50; ++i) {
    const std::string path = "log" + std::to_string(i);
    auto file = make(path, "");
    EXPECT_TRUE(file->write_now(0, Bytes(100, 'x')));
    end(Ending::power_lost);
    left.insert(content(path).size());
  }
  EXPECT_EQ(left, (std::set<std::size_t>{0, 100}));
}

TEST_F(DiskTest, LeavesSomeSectorsBehindForEverWhenASyncFails) {
  auto file = make("log", Bytes(4096, '.'));
  EXPECT_TRUE(file->write_now(0, Bytes(4096, 'x')));
  DiskSettings failing;
  failing.fail_sync_ppm = 1'000'000;
  disk_.set_settings(failing);
  EXPECT_EQ(file->sync().error().code, Code::io);
  disk_.set_settings({});
  EXPECT_EQ(content("log"), Bytes(4096, 'x'));  // the cache still has it
  EXPECT_TRUE(file->sync());                    // and a second sync says that all is well
  EXPECT_NE(content("log"), Bytes(4096, 'x'));  // but it is not
}

TEST_F(DiskTest, TellsOfAFailedWrite) {
  auto file = make("log", Bytes(4096, '.'));
  DiskSettings failing;
  failing.fail_write_ppm = 1'000'000;
  disk_.set_settings(failing);
  EXPECT_EQ(write(*file, 0, "x", true).error().code, Code::io);
}

TEST_F(DiskTest, RefusesToGrowWhenItIsFull) {
  auto file = make("log", "");
  EXPECT_TRUE(file->preallocate(4096));
  disk_.set_full(true);
  EXPECT_EQ(file->preallocate(8192).error().code, Code::no_space);
  EXPECT_EQ(files_->open("new", OpenMode::create).error().code, Code::no_space);
  EXPECT_EQ(write(*file, 4000, Bytes(100, 'x'), true).error().code, Code::no_space);
  EXPECT_TRUE(write(*file, 0, Bytes(100, 'x'), true));
}

TEST_F(DiskTest, GivesALockToOneProcessUntilItEnds) {
  EXPECT_TRUE(files_->lock("lock"));
  Process other = world_.start(world_.add_host("other"), 0);
  EXPECT_EQ(SimFiles(disk_, other).lock("lock").error().code, Code::busy);
  end(Ending::killed);
  EXPECT_TRUE(files_->lock("lock"));
}

TEST_F(DiskTest, SpeaksOfPathsLikeAFileSystem) {
  EXPECT_TRUE(files_->make_directory("a/b"));
  EXPECT_TRUE(files_->make_directory("a/b/"));
  make("a/b/two", "2");
  make("./a//b/one", "1");
  EXPECT_EQ(*files_->list("a/b"), (std::vector<std::string>{"one", "two"}));
  EXPECT_EQ(*files_->list("."), (std::vector<std::string>{"a"}));
  EXPECT_EQ(files_->open("a/c/one", OpenMode::create).error().code, Code::not_found);
  EXPECT_EQ(files_->open("a/b/one", OpenMode::create).error().code, Code::already_present);
  EXPECT_EQ(files_->open("a/b/three", OpenMode::read).error().code, Code::not_found);
  EXPECT_EQ(files_->remove("a/b/three").error().code, Code::not_found);
}

TEST_F(DiskTest, RenamesADirectoryWithAllThatIsInItAtOnce) {
  std::set<std::string> left;
  for (int i = 0; i < 50; ++i) {
    const std::string from = "from" + std::to_string(i);
    const std::string to = "to" + std::to_string(i);
    EXPECT_TRUE(files_->make_directory(from + "/deep"));
    for (const char* name : {"/one", "/deep/two"}) EXPECT_TRUE(open(from + name, OpenMode::create)->sync());
    EXPECT_TRUE(files_->sync_directory(from));
    EXPECT_TRUE(files_->sync_directory(from + "/deep"));
    EXPECT_TRUE(files_->rename(from, to));
    EXPECT_FALSE(*files_->exists(from + "/deep/two"));
    EXPECT_TRUE(*files_->exists(to + "/deep/two"));
    end(Ending::power_lost);
    const bool has_moved = *files_->exists(to);
    EXPECT_NE(*files_->exists(from), has_moved);
    const std::string now = has_moved ? to : from;
    EXPECT_TRUE(*files_->exists(now + "/one") && *files_->exists(now + "/deep/two"));
    left.insert(has_moved ? "moved" : "as it was");
  }
  EXPECT_EQ(left.size(), 2U);
}

TEST_F(DiskTest, KeepsTheRenameOfADirectoryThatWasSyncedAndTheNamesInItThatWere) {
  for (const bool is_journaled : {true, false}) {
    DiskSettings settings;
    settings.is_journaled = is_journaled;
    disk_.set_settings(settings);
    for (int i = 0; i < 20; ++i) {
      const std::string place = (is_journaled ? "a" : "b") + std::to_string(i);
      EXPECT_TRUE(files_->make_directory(place + "/from"));
      open(place + "/from/synced", OpenMode::create);
      EXPECT_TRUE(files_->sync_directory(place + "/from"));
      open(place + "/from/not_synced", OpenMode::create);
      EXPECT_TRUE(files_->rename(place + "/from", place + "/to"));
      EXPECT_TRUE(files_->sync_directory(place));
      const bool is_synced_later = i % 2 == 0;
      if (is_synced_later) {
        EXPECT_TRUE(files_->sync_directory(place + "/to"));
      }
      end(Ending::power_lost);
      EXPECT_FALSE(*files_->exists(place + "/from"));
      EXPECT_TRUE(*files_->exists(place + "/to/synced"));
      EXPECT_TRUE(!is_synced_later || *files_->exists(place + "/to/not_synced"));
    }
  }
}

TEST_F(DiskTest, PutsANameThatWasSyncedIntoItsDirectoryWhateverThatIsCalled) {
  std::set<std::string> left;
  for (int i = 0; i < 50; ++i) {
    const std::string from = "from" + std::to_string(i);
    const std::string to = "to" + std::to_string(i);
    EXPECT_TRUE(files_->make_directory(from));
    EXPECT_TRUE(files_->rename(from, to));
    open(to + "/file", OpenMode::create);
    EXPECT_TRUE(files_->sync_directory(to));
    end(Ending::power_lost);
    const std::string now = *files_->exists(to) ? to : from;
    EXPECT_TRUE(*files_->exists(now + "/file")) << now;
    left.insert(now.substr(0, 1));
  }
  EXPECT_EQ(left.size(), 2U);
}

TEST_F(DiskTest, RenamesNothingOverADirectoryThatHoldsSomething) {
  EXPECT_TRUE(files_->make_directory("a"));
  EXPECT_TRUE(files_->make_directory("b/c"));
  make("file", "x");
  EXPECT_EQ(files_->rename("a", "b").error().code, Code::io);
  EXPECT_EQ(files_->rename("file", "a").error().code, Code::io);
  EXPECT_EQ(files_->rename("a", "file").error().code, Code::io);
  EXPECT_EQ(files_->rename("b", "b/c/d").error().code, Code::io);
  EXPECT_TRUE(files_->rename("b", "a")) << "an empty one makes room";
  EXPECT_TRUE(*files_->exists("a/c"));
}

TEST_F(DiskTest, MakesDirectoriesForGood) {
  for (int i = 0; i < 20; ++i) {
    const std::string path = std::to_string(i) + "/b/c";
    EXPECT_TRUE(files_->make_directory(path));
    end(Ending::power_lost);
    EXPECT_TRUE(*files_->exists(path));
  }
}

TEST_F(DiskTest, TakesWhatWasInADirectoryAlongWhenThatIsGoneForGood) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(files_->make_directory("a/b"));
    open("a/b/file", OpenMode::create);
    EXPECT_TRUE(files_->sync_directory("a/b"));
    EXPECT_TRUE(files_->remove("a/b/file"));  // nobody can sync that any more
    EXPECT_TRUE(files_->remove("a/b"));
    EXPECT_TRUE(files_->sync_directory("a"));
    EXPECT_TRUE(files_->make_directory("a/b"));
    end(Ending::power_lost);
    EXPECT_TRUE(*files_->exists("a/b"));
    EXPECT_FALSE(*files_->exists("a/b/file")) << "it was in another directory of that name";
  }
}

TEST_F(DiskTest, GivesAFileASecondNameThatCanBeLost) {
  std::set<bool> left;
  for (int i = 0; i < 50; ++i) {
    const std::string path = "file" + std::to_string(i);
    make(path, "content");
    EXPECT_TRUE(files_->link(path, path + "b"));
    EXPECT_EQ(files_->link(path, path + "b").error().code, Code::already_present);
    if (i % 2 == 0) {
      EXPECT_TRUE(files_->sync_directory(""));
    }
    end(Ending::power_lost);
    const bool is_there = *files_->exists(path + "b");
    EXPECT_TRUE(is_there || i % 2 == 1);
    if (i % 2 == 1) left.insert(is_there);
    if (is_there) {
      EXPECT_TRUE(files_->remove(path));
      EXPECT_EQ(content(path + "b"), "content");
    }
  }
  EXPECT_EQ(left.size(), 2U);
  EXPECT_EQ(files_->link("none", "b").error().code, Code::not_found);
}

TEST_F(DiskTest, SendsAFileUntilItsProcessEnds) {
  make("file", "content");
  auto file = files_->open_to_send("file");
  ASSERT_TRUE(file);
  EXPECT_TRUE(files_->remove("file"));
  EXPECT_EQ((*file)->size(), 7U);
  EXPECT_EQ((*file)->read(3, 100).value(), "tent");
  EXPECT_EQ((*file)->descriptor(), -1);
  end(Ending::killed);
  EXPECT_EQ((*file)->read(3, 100).error().code, Code::io);
  EXPECT_EQ(files_->open_to_send("file").error().code, Code::not_found);
  EXPECT_EQ(files_->system_path("file").error().code, Code::unsupported);
}

TEST_F(DiskTest, FlipsABitForGood) {
  make("log", "abc");
  disk_.flip("log", 1, 0);
  end(Ending::power_lost);
  EXPECT_EQ(content("log"), "acc");
}

}  // namespace
}  // namespace zraft::sim
