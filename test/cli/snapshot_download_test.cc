// SPDX-License-Identifier: Apache-2.0
//
// A client fetches a snapshot from simulated hosts with a real SnapshotSender: all of it in order, and never a byte
// that is not right; a refusal, a broken link and silence end it with words.
#include "cli/snapshot_download.h"

#include <gtest/gtest.h>

#include <optional>

#include "test/host/transfer_world.h"

namespace zraft::cli {
namespace {

using host::test::Source;
using host::test::usual_snapshot;

class SnapshotDownloadTest : public testing::Test {
 protected:
  // What it ended with; nothing if it did not.
  std::optional<Result<>> fetch(std::uint64_t rate = 0, raft::GroupId group = {77}) {
    chunks_.clear();
    manifest_.reset();
    std::optional<Result<>> ended;
    const SnapshotDownload download(loop_, network_,
                                    {.address = source_.address, .group = group, .from = {1}, .bytes_per_second = rate},
                                    {.begin = [this](const storage::SnapshotManifest& manifest) -> Result<> {
                                       manifest_ = manifest;
                                       return refusal_;
                                     },
                                     .take = [this](BytesView chunk) -> Result<> {
                                       chunks_.emplace_back(chunk);
                                       return {};
                                     }},
                                    [&ended](Result<> how) { ended = std::move(how); });
    EXPECT_FALSE(ended.has_value()) << "it is told later";
    const Instant until = world_.now() + Duration::seconds(200);
    while (!ended && world_.run_one(until)) {
    }
    return ended;
  }
  void expect_failed(const std::optional<Result<>>& ended, Code code, const std::string& words) {
    ASSERT_TRUE(ended.has_value());
    EXPECT_EQ(ended->error().code, code) << ended->error().text;
    EXPECT_NE(ended->error().text.find(words), std::string::npos) << ended->error().text;
  }

  sim::World world_{1};
  sim::Fabric fabric_{world_, {}};
  std::shared_ptr<host::SharedSnapshot> snapshot_ = usual_snapshot();
  Source source_{world_, fabric_, "n1", snapshot_};
  sim::Process process_ = world_.start(world_.add_host("c1"), 0);
  sim::SimLoop loop_{world_, process_};
  sim::SimNetwork network_{fabric_, process_, "c1"};
  std::optional<storage::SnapshotManifest> manifest_;
  std::vector<Bytes> chunks_;
  Result<> refusal_;
};

TEST_F(SnapshotDownloadTest, GivesEveryChunkInTheOrderOfTheManifest) {
  const auto ended = fetch();
  ASSERT_TRUE(ended && ended->has_value()) << (ended ? ended->error().text : "it did not end");
  EXPECT_EQ(manifest_, snapshot_->parsed);
  std::vector<Bytes> wanted;
  for (std::size_t at = 0; at < snapshot_->files.size(); ++at) {
    const storage::SnapshotFile& file = snapshot_->parsed.files[at];
    for (std::uint64_t chunk = 0; chunk < file.chunks.size(); ++chunk) {
      wanted.push_back(snapshot_->files[at]
                           ->read(chunk * storage::snapshot_chunk_size, storage::chunk_length(file.size, chunk))
                           .value());
    }
  }
  EXPECT_TRUE(chunks_ == wanted);
  ASSERT_EQ(source_.asked.size(), 1U);
  EXPECT_EQ(source_.asked[0].to, raft::NodeId{}) << "as a client";
}

TEST_F(SnapshotDownloadTest, IsNoFasterThanItMayBe) {
  const Instant begun = world_.now();
  const std::uint64_t bytes = snapshot_->parsed.bytes();
  const auto ended = fetch(bytes / 10);
  ASSERT_TRUE(ended && ended->has_value());
  EXPECT_GT(world_.now() - begun, Duration::seconds(8));
  EXPECT_LT(world_.now() - begun, Duration::seconds(12));
}

TEST_F(SnapshotDownloadTest, EndsWithTheWordsOfAHostThatHasNone) {
  source_.refusals = {{Code::not_found, "no snapshot yet"}};
  expect_failed(fetch(), Code::not_found, "no snapshot yet");
  EXPECT_FALSE(manifest_.has_value());
}

TEST_F(SnapshotDownloadTest, EndsWhenTheLinkBreaksOrNobodySpeaks) {
  source_.cut_after = 3;
  expect_failed(fetch(), Code::all_failed, source_.address);
  source_.cut_after = 0;
  source_.is_silent = true;
  expect_failed(fetch(), Code::timeout, source_.address);
}

TEST_F(SnapshotDownloadTest, TakesNoSnapshotOfAnotherGroup) {
  expect_failed(fetch(0, {78}), Code::corrupt, "another group");
  EXPECT_FALSE(manifest_.has_value());
}

TEST_F(SnapshotDownloadTest, EndsWithTheErrorOfWhoeverReceives) {
  refusal_ = fail(Code::already_present, "the file is there");
  expect_failed(fetch(), Code::already_present, "the file is there");
  EXPECT_TRUE(chunks_.empty());
}

// The sender reads no file: what the disk made of it is seen here.
TEST_F(SnapshotDownloadTest, GivesNoChunkOnThatIsNotRight) {
  for (std::size_t at = 0; at < snapshot_->files.size(); ++at) {
    auto* file = dynamic_cast<host::test::MemoryFile*>(snapshot_->files[at].get());
    ASSERT_NE(file, nullptr);
    if (file->size() > 0) file->flip(0);
  }
  const auto ended = fetch();
  ASSERT_TRUE(ended && !ended->has_value());
  EXPECT_TRUE(chunks_.empty());
}

}  // namespace
}  // namespace zraft::cli
