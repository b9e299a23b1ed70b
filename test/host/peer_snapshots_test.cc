// SPDX-License-Identifier: Apache-2.0
//
// How long the snapshots of one peer are kept that are being sent, or were. On simulated seams.
#include "zraft/host/peer_snapshots.h"

#include <gtest/gtest.h>

#include "sim/disk.h"
#include "sim/network.h"
#include "sim/worker.h"

namespace zraft::host::test {
namespace {

raft::SnapshotMeta up_to(std::uint64_t index) {
  raft::SnapshotMeta meta;
  meta.last = {{1}, {index}};
  return meta;
}

class KeptSnapshots : public ::testing::Test {
 protected:
  // Writes one, and waits for it.
  void save(std::uint64_t index) {
    std::optional<Result<>> done;
    const auto write = [](node::SnapshotWriter& writer) -> Result<> {
      if (auto begun = writer.begin("file"); !begun) return begun;
      return writer.append("content");
    };
    snapshots_.save(up_to(index), write, [&done](Result<> how) { done = std::move(how); });
    while (!done) ASSERT_TRUE(world_.run_one());
    ASSERT_TRUE(done->has_value()) << done->error().text;
  }
  // The one that is sent to somebody who has a part of that one, or of none.
  std::shared_ptr<SharedSnapshot> send(std::optional<raft::Position> partial = {}) {
    std::optional<Result<std::shared_ptr<SharedSnapshot>>> opened;
    snapshots_.open(partial, [&opened](auto found) { opened = std::move(found); });
    while (!opened && world_.run_one()) {
    }
    return opened && *opened ? **opened : nullptr;
  }
  void run(Duration length) { world_.run_until(world_.now() + length); }
  std::vector<std::string> on_disk() { return files_.list("kept").value_or(std::vector<std::string>{}); }

  sim::World world_{1};
  sim::Fabric fabric_{world_, {}};
  sim::HostId id_ = world_.add_host("h");
  sim::Disk disk_{world_, id_, {}};
  sim::Process process_ = world_.start(id_, 0);
  sim::SimLoop loop_{world_, process_};
  sim::SimNetwork network_{fabric_, process_, "h"};
  sim::SimWorker worker_{world_, process_, Duration::microseconds(300)};
  sim::SimFiles files_{disk_, process_};
  PeerSnapshots snapshots_{
      {.loop = loop_, .network = network_, .worker = worker_, .files = files_, .scrub_rate = nullptr},
      {},
      {.group = {7}, .self = {1}, .backend = "test", .directory = "kept"},
      {},
      Random(1),
      [](LogLevel, std::string_view) {}};
};

// Whoever fetches it comes back for the rest, perhaps by way of another link.
TEST_F(KeptSnapshots, P59_OneThatWasSentIsKeptTenSecondsAndNoLonger) {
  save(10);
  auto sent = send();
  ASSERT_NE(sent, nullptr);
  save(20);
  run(Duration::seconds(60));
  EXPECT_EQ(on_disk(), (std::vector<std::string>{"snap-10-1", "snap-20-1"})) << "it is being sent";
  sent.reset();
  run(Duration::seconds(9));
  EXPECT_EQ(on_disk().size(), 2U);
  auto rest = send(up_to(10).last);
  ASSERT_NE(rest, nullptr);
  EXPECT_EQ(rest->parsed.meta.last, up_to(10).last) << "the rest of the same";
  run(Duration::seconds(60));
  rest.reset();
  run(Duration::seconds(9));
  EXPECT_EQ(on_disk().size(), 2U);
  run(Duration::seconds(2));
  EXPECT_EQ(on_disk(), std::vector<std::string>{"snap-20-1"});
  rest = send(up_to(10).last);
  ASSERT_NE(rest, nullptr);
  EXPECT_EQ(rest->parsed.meta.last, up_to(20).last) << "whoever comes too late begins with the newest";
}

TEST_F(KeptSnapshots, P59_OneThatIsSentToTwoIsKeptForTheLaterOne) {
  save(10);
  auto one = send();
  auto other = send();
  save(20);
  one.reset();
  run(Duration::seconds(60));
  EXPECT_EQ(on_disk().size(), 2U);
  other.reset();
  run(Duration::seconds(11));
  EXPECT_EQ(on_disk(), std::vector<std::string>{"snap-20-1"});
}

}  // namespace
}  // namespace zraft::host::test
