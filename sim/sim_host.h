// SPDX-License-Identifier: Apache-2.0
//
// One machine of a simulated cluster: its disk, which outlives everything, and, while it is up, a process with its
// loop, its network, its worker and the real zraft::host::Host on them. Starting it is what zraftd does at start;
// ending it is kill -9 or the loss of power, in the middle of whatever it does.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/disk.h"
#include "sim/ghost.h"
#include "sim/network.h"
#include "sim/session_ghost.h"
#include "sim/worker.h"
#include "sim/world.h"
#include "zraft/host/host.h"

namespace zraft::sim {

class SimHost : private host::Watcher {
 public:
  struct Options {
    host::Options host;
    DiskSettings disk;
    Duration worker_delay = Duration::milliseconds(1);
    std::int64_t drift_ppm_max = 0;
    std::size_t shards = 1;
    bool is_timely = false;  // it is never paused, so what it is to do by a time it does by then
  };
  using Ghosts = std::map<raft::GroupId, Ghost>;
  using SessionGhosts = std::map<raft::GroupId, SessionGhost>;

  // Its name is that of the host and of its address: "n1" listens at "n1:1". Requires: the rest outlives it.
  SimHost(World& world, Fabric& fabric, Ghosts& ghosts, HostId id, Options options);
  ~SimHost() override;
  SimHost(const SimHost&) = delete;
  SimHost& operator=(const SimHost&) = delete;

  // It is up after that, but loads still. Errors: why the host refused to start. stopped: it crashed while it started.
  // Requires: it is not up.
  Result<> start();
  // May be null: nobody asks for the laws of sessions. Requires: it was not started.
  void set_session_ghosts(SessionGhosts* ghosts) { session_ghosts_ = ghosts; }
  // Why it is up, and could not be loaded: end() has to follow. Of a crash has_died() tells.
  [[nodiscard]] const std::optional<Error>& refusal() const { return refusal_; }
  [[nodiscard]] Ghost::Moment moment() const { return {world_.local_now(process_), options_.is_timely}; }
  [[nodiscard]] bool is_up() const { return host_ != nullptr; }
  [[nodiscard]] bool is_loaded() const { return is_up() && !host_->is_loading(); }
  // Its process was killed by a fuse in the middle of a task: end() has to follow.
  [[nodiscard]] bool has_died() const { return is_up() && !world_.is_alive(process_); }
  // Nothing happens if it is not up. Requires: no task of this host is running.
  void end(Ending ending);
  // Lets the ghosts see what changed.
  void look();

  [[nodiscard]] HostId id() const { return id_; }
  [[nodiscard]] Process process() const { return process_; }
  [[nodiscard]] Disk& disk() { return disk_; }
  [[nodiscard]] std::string address() const { return options_.host.listen; }
  [[nodiscard]] host::Host* host() { return host_.get(); }
  // Null: not here, or not up.
  [[nodiscard]] const host::Group* peer(raft::GroupId group, raft::NodeId member) const;
  // It ends, and whatever its disk held is gone. Requires: it is up.
  void lose_disk();
  // How often one of its peers fell silent.
  [[nodiscard]] std::uint64_t quiesced() const { return quiesced_; }
  // The last thing it said before it refused to start or stopped.
  [[nodiscard]] const std::string& last_words() const { return last_words_; }

 private:
  // What lives as long as the process.
  struct Running {
    SimLoop loop;
    SimNetwork network;
    SimWorker worker;
    std::vector<SimFiles> files;  // of each shard
  };

  void on_event(const host::CatalogueEntry& peer, const raft::Event& event) override;
  void on_applied(const host::CatalogueEntry& peer, const raft::Record& record,
                  const node::Outcome& outcome) override;
  void on_installed(const host::CatalogueEntry& peer, const raft::SnapshotMeta& snapshot) override;

  World& world_;
  Fabric& fabric_;
  Ghosts& ghosts_;
  SessionGhosts* session_ghosts_ = nullptr;
  const HostId id_;
  Options options_;
  Random random_;
  Disk disk_;
  Process process_;
  std::unique_ptr<Running> running_;
  std::unique_ptr<host::Host> host_;
  std::vector<host::PeerKey> seen_;  // peers whose start the ghosts were told of
  std::map<host::PeerKey, raft::Index> snapshots_;  // the newest one of each that the ghosts were told of
  std::string last_words_;
  std::optional<Error> refusal_;
  std::uint64_t quiesced_ = 0;
};

// Longer than a host on a good disk takes to load.
constexpr Instant patience_to_load{Duration::seconds(60).ns};

// The peer that leads by the newest term, of those whose host is up; null: none does.
[[nodiscard]] const host::Group* leader_of(const std::vector<std::unique_ptr<SimHost>>& hosts, raft::GroupId group);
// Null: no host has it.
[[nodiscard]] const host::Group* find_peer(const std::vector<std::unique_ptr<SimHost>>& hosts, raft::GroupId group,
                                           raft::NodeId member);

}  // namespace zraft::sim
