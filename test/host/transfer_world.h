// SPDX-License-Identifier: Apache-2.0
//
// Snapshots on their way between simulated hosts, for tests: sources that serve one each over a real SnapshotSender,
// and a receiver with a disk, which a real SnapshotFetcher fills. What each source sent is counted, so that a test sees
// what was sent twice.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "sim/disk.h"
#include "sim/network.h"
#include "sim/worker.h"
#include "zraft/host/snapshot_fetcher.h"
#include "zraft/host/snapshot_sender.h"

namespace zraft::host::test {

class MemoryFile final : public node::SendableFile {
 public:
  explicit MemoryFile(Bytes content) : content_(std::move(content)) {}
  [[nodiscard]] std::uint64_t size() const override { return content_.size(); }
  Result<Bytes> read(std::uint64_t offset, std::size_t length) override { return content_.substr(offset, length); }
  void flip(std::size_t at) { content_[at] = static_cast<char>(content_[at] ^ 1); }

 private:
  Bytes content_;
};

// Of group 77 and the backend "echo", at term 3. Another `seed` gives other bytes.
using FileSizes = std::vector<std::pair<std::string, std::size_t>>;
[[nodiscard]] std::shared_ptr<SharedSnapshot> make_snapshot(std::uint64_t index, const FileSizes& files,
                                                            std::uint64_t seed = 1);
// What a state machine is restored from has the table of sessions, too: one with none. Behind all other files.
void add_no_sessions(SharedSnapshot& snapshot);
// Empty, small, exact and long files; 10 chunks.
[[nodiscard]] std::shared_ptr<SharedSnapshot> usual_snapshot(std::uint64_t index = 9, std::uint64_t seed = 1);

// A host that has a snapshot.
class Source {
 public:
  using Chunk = std::pair<std::uint32_t, std::uint64_t>;

  Source(sim::World& world, sim::Fabric& fabric, const std::string& name, std::shared_ptr<SharedSnapshot> its_snapshot);
  ~Source();
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  [[nodiscard]] std::size_t chunks_sent() const;
  [[nodiscard]] std::size_t links() const { return links_.size(); }

  std::string address;
  std::shared_ptr<SharedSnapshot> snapshot;  // that is offered next
  std::vector<Error> refusals;               // that come first
  std::size_t cut_after = 0;                 // chunks, on each link: it is closed then. 0: never
  std::size_t let_go_after = 0;              // chunks, on each link: nothing more of that snapshot is there. 0: never
  bool is_silent = false;                    // takes links and says nothing
  std::map<Chunk, int> sent;
  std::vector<net::FetchSnapshot> asked;
  std::vector<Error> offences;
  BulkRate& rate() { return rate_; }

 private:
  class Serving;
  class CountingLink;

  sim::World& world_;
  sim::Fabric& fabric_;
  sim::Process process_;
  sim::SimLoop loop_;
  sim::SimNetwork network_;
  BulkRate rate_;
  std::list<std::unique_ptr<Serving>> links_;
  std::unique_ptr<node::Listener> listener_;
};

class TransferWorld {
 public:
  explicit TransferWorld(std::uint64_t seed = 1);
  ~TransferWorld();
  TransferWorld(const TransferWorld&) = delete;
  TransferWorld& operator=(const TransferWorld&) = delete;

  void start_receiver();
  void end_receiver(sim::Ending ending = sim::Ending::killed);
  void fetch_from(const Source& source, raft::Term term_max = {UINT64_MAX});
  void stop_fetching() { fetcher.reset(); }
  // What it ended with; nothing if it did not in that time.
  std::optional<Result<storage::SnapshotManifest>> wait(Duration limit = Duration::seconds(60));
  // It ended well, and the directory holds that snapshot, whole, and nothing begun.
  void expect_fetched(const SharedSnapshot& snapshot);
  // The receiver writes that snapshot itself.
  void write(const SharedSnapshot& snapshot);
  void run(Duration length) { world.run_until(world.now() + length); }
  [[nodiscard]] bool was_said(const std::string& part) const;
  [[nodiscard]] Result<storage::FoundSnapshots> find();

  sim::World world;
  sim::Fabric fabric{world, {}};
  sim::HostId id;
  sim::Disk disk;
  SnapshotFetcher::Settings settings;
  std::unique_ptr<SnapshotFetcher> fetcher;
  std::optional<Result<storage::SnapshotManifest>> done;
  std::vector<std::string> said;

 private:
  struct Running {
    Running(TransferWorld& world, sim::Process process);
    sim::SimLoop loop;
    sim::SimNetwork network;
    sim::SimWorker worker;
    sim::SimFiles files;
    Strand strand;
  };

  sim::Process process_;
  std::unique_ptr<Running> running_;
};

}  // namespace zraft::host::test
