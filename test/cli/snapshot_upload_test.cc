// SPDX-License-Identifier: Apache-2.0
//
// A client gives a state to a simulated host, which makes a peer of it: what it is told of every end.
#include "cli/snapshot_upload.h"

#include <gtest/gtest.h>

#include <optional>

#include "test/host/host_world.h"
#include "test/host/transfer_world.h"

namespace zraft::cli {
namespace {

using host::test::HostWorld;
using host::test::make_snapshot;

// Begins with whatever snapshot there is.
class Taker final : public node::StateMachine {
 public:
  node::Applied apply(const node::Command& command) override { return {Bytes(command.data)}; }
  [[nodiscard]] Result<node::Queried> query(BytesView) const override { return node::Queried{}; }
  Result<> restore(node::SnapshotReader& reader) override {
    const auto size = reader.size("state");
    return size ? Result<>() : fail(size);
  }
};

class SnapshotUploadTest : public testing::Test {
 protected:
  SnapshotUploadTest() {
    host_.backends["echo"] = [] { return std::make_unique<Taker>(); };
    host_.must_start();
    wanted_.address = "n1:1";
    wanted_.peer = {.group = "kv",
                    .group_id = {77},
                    .backend = "echo",
                    .self = {101},
                    .peer = "p1@n1:1",
                    .membership = raft::membership_of({{{101}, "p1@n1:1"}})};
    wanted_.snapshot = make_snapshot(9, {{"empty", 0}, {"state", 3'000'000}});
    wanted_.snapshot->parsed.meta.membership = wanted_.peer.membership;
    host::test::add_no_sessions(*wanted_.snapshot);
  }

  std::optional<Result<>> upload() {
    std::optional<Result<>> ended;
    const SnapshotUpload upload(
        loop_, network_, wanted_, [this](const host::SnapshotSender::Progress& seen) { seen_.push_back(seen.bytes); },
        [&ended](Result<> how) { ended = std::move(how); });
    EXPECT_FALSE(ended.has_value()) << "it is told later";
    const Instant until = host_.world.now() + Duration::seconds(200);
    while (!ended && host_.world.run_one(until)) {
    }
    return ended;
  }
  void expect_failed(const std::optional<Result<>>& ended, Code code, const std::string& words) {
    ASSERT_TRUE(ended && !ended->has_value());
    EXPECT_EQ(ended->error().code, code) << ended->error().text;
    EXPECT_NE(ended->error().text.find(words), std::string::npos) << ended->error().text;
  }

  HostWorld host_;
  sim::Process process_ = host_.world.start(host_.other, 0);
  sim::SimLoop loop_{host_.world, process_};
  sim::SimNetwork network_{host_.fabric, process_, "c1"};
  SnapshotUpload::Wanted wanted_;
  std::vector<std::uint64_t> seen_;
};

TEST_F(SnapshotUploadTest, EndsWhenThePeerRunsAndHasTheState) {
  const auto ended = upload();
  ASSERT_TRUE(ended && ended->has_value()) << (ended ? ended->error().text : "it did not end");
  ASSERT_EQ(host_.host().peers().size(), 1U);
  EXPECT_EQ(host_.host().peers().begin()->second->snapshots().complete().back(), wanted_.snapshot->parsed);
  EXPECT_EQ(host_.propose("kv", "x").error.code, Code::ok);
}

TEST_F(SnapshotUploadTest, IsNoFasterThanItMayBeAndSaysHowFarItIs) {
  const Instant begun = host_.world.now();
  wanted_.bytes_per_second = 300'000;
  const auto ended = upload();
  ASSERT_TRUE(ended && ended->has_value()) << (ended ? ended->error().text : "it did not end");
  EXPECT_GT(host_.world.now() - begun, Duration::seconds(5));
  EXPECT_GT(seen_.size(), 20U);
  EXPECT_TRUE(std::ranges::is_sorted(seen_));
  EXPECT_GT(seen_.back(), 2'000'000U);
}

TEST_F(SnapshotUploadTest, EndsWithTheWordsOfAHostThatRefuses) {
  wanted_.peer.backend = "rocks";
  expect_failed(upload(), Code::bad_request, "n1:1: host n1 has no backend \"rocks\"");
  EXPECT_TRUE(host_.host().peers().empty());
}

TEST_F(SnapshotUploadTest, EndsWithWhatTheHostFindsWrong) {
  dynamic_cast<host::test::MemoryFile&>(*wanted_.snapshot->files[1]).flip(1'500'000);
  expect_failed(upload(), Code::corrupt, "n1:1");
  EXPECT_TRUE(host_.host().peers().empty());
}

TEST_F(SnapshotUploadTest, EndsWhenNobodyIsThere) {
  host_.end();
  expect_failed(upload(), Code::all_failed, "n1:1");
}

TEST_F(SnapshotUploadTest, EndsWhenNobodySpeaks) {
  host::test::Source silent(host_.world, host_.fabric, "n2", wanted_.snapshot);
  silent.is_silent = true;
  wanted_.address = silent.address;
  expect_failed(upload(), Code::timeout, "n2:1 says nothing");
}

}  // namespace
}  // namespace zraft::cli
