// SPDX-License-Identifier: Apache-2.0
//
// The snapshots of one peer of this host: which there are, one being written, one being fetched from another member,
// those that are being sent. Everything that changes the directory runs on one strand, in order.
//
//   node --save--> tmp-.. --> snap-..  --+--> the newest; older ones go, but for backups and those that are being sent
//        --fetch-> part-.. --> snap-..  -'
//
// A member that fetches goes on at another one if that has the same snapshot; so what was sent lately is kept a little.
// On the shard's loop. RELIABILITY P58, P59, P62 to P64;
// 2.3, row 17.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/host/bulk_rate.h"
#include "zraft/host/snapshot_fetcher.h"
#include "zraft/host/snapshot_scrubber.h"
#include "zraft/host/snapshot_sender.h"
#include "zraft/host/strand.h"
#include "zraft/node/snapshots.h"
#include "zraft/storage/snapshot_store.h"

namespace zraft::host {

// Where the snapshots of the peer are whose log has that id.
constexpr const char* snapshots_directory = "snapshots";
[[nodiscard]] std::string snapshot_directory_of(raft::GroupId log);

class PeerSnapshots final : public node::Snapshots {
 public:
  struct Seams {
    node::Loop& loop;
    node::Network& network;
    node::Worker& worker;
    storage::Files& files;
    BulkRate* scrub_rate;  // null: snapshots are not compared in the background
  };
  struct Settings {
    const net::Hello* hello = nullptr;  // of this host
    std::size_t backups = 0;    // older ones that are kept besides the newest
    Duration backup_age{};      // by how much they may be older than it, in cluster time; 0: by any time
    Duration patience = Duration::seconds(1);  // with a member that sends, and says nothing
    // How long one that was being sent is kept when the link is gone: whoever fetched it comes back for the rest.
    Duration keep_sent = Duration::seconds(10);
  };
  struct Peer {
    raft::GroupId group;
    raft::NodeId self;
    std::string backend;
    std::string directory;
  };

  // What was there at the start.
  struct Found {
    std::vector<storage::SnapshotManifest> complete;  // oldest first
    std::vector<raft::Position> damaged;              // others
  };

  // `tell`: lines for the log.
  PeerSnapshots(Seams seams, Settings settings, Peer peer, Found found, Random random, LogSink tell);
  ~PeerSnapshots() override;

  void save(const raft::SnapshotMeta& meta, node::SnapshotTask task, Done done) override;
  void fetch(const raft::Fetch& wanted, Fetched done) override;
  [[nodiscard]] bool is_fetching() const override { return fetcher_ != nullptr; }
  void read(raft::Position position, Use use, Done done) override;

  // Called whenever the newest one has turned out to be damaged: another one should be written, whatever there is.
  void set_lost(std::function<void()> lost) { lost_ = std::move(lost); }
  // Where the snapshots of that member can be had, as it says itself.
  void learn(raft::NodeId member, const std::string& address) { addresses_[member] = address; }
  // The rest of that one, if it is here, or the newest, open to be sent. `found` comes on this loop.
  void open(std::optional<raft::Position> partial, SnapshotSender::Found found);
  // What runs on it ends before what is run on it later, also when this object is gone.
  [[nodiscard]] const std::shared_ptr<Strand>& strand() const { return strand_; }
  [[nodiscard]] const std::vector<storage::SnapshotManifest>& complete() const { return complete_; }
  [[nodiscard]] std::optional<SnapshotFetcher::Progress> fetching() const;

 private:
  void add(storage::SnapshotManifest manifest);
  void remove_damaged(raft::Position added);
  void prune();
  void on_damaged(raft::Position position, const Error& why);
  void remove(raft::Position position);
  // It is not removed as long as that is held, and `keep` longer.
  [[nodiscard]] std::shared_ptr<void> pin(raft::Position position, Duration keep);
  // Runs `work` on the strand, then `then` here, unless this object is gone.
  template <class T>
  void on_disk(std::move_only_function<T()> work, std::move_only_function<void(T)> then);

  const Seams seams_;
  const Settings settings_;
  const Peer peer_;
  std::vector<storage::SnapshotManifest> complete_;  // oldest first
  Random random_;
  const LogSink tell_;
  std::shared_ptr<Strand> strand_;  // outlives this for the works that are left
  std::map<raft::NodeId, std::string> addresses_;
  std::unique_ptr<SnapshotFetcher> fetcher_;
  std::map<raft::Position, std::size_t> pins_;
  std::vector<raft::Position> damaged_;  // not among the complete ones; each is removed when a newer one is there
  std::function<void()> lost_;
  std::unique_ptr<SnapshotScrubber> scrubber_;  // null: see Seams
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
