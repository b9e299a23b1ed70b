// SPDX-License-Identifier: Apache-2.0
//
// One peer of one group on this host, with all that is its own: state machine, transport, log, node. Destroying it
// stops the peer; what it had acknowledged is on the disk.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "zraft/host/catalogue.h"
#include "zraft/host/log_sink.h"
#include "zraft/host/peer_snapshots.h"
#include "zraft/host/session_keeper.h"
#include "zraft/net/wire.h"
#include "zraft/node/node.h"
#include "zraft/session/session_machine.h"
#include "zraft/session/watches.h"

namespace zraft::host {

// For tests and the simulator: sees what happens in every group of a host. Calls must not change anything.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_event(const CatalogueEntry& peer, const raft::Event& event) = 0;
  // `outcome` has what it changed, but not its result.
  virtual void on_applied(const CatalogueEntry& peer, const raft::Record& record, const node::Outcome& outcome) = 0;
  // The peer holds what that snapshot of another member covers.
  virtual void on_installed(const CatalogueEntry& peer, const raft::SnapshotMeta& snapshot) {
    (void)peer, (void)snapshot;
  }
};

// What a watch is told: as net::WatchEvent, but that all who are told of the same changes share them.
struct WatchTold {
  session::WatchId watch;
  net::WatchEvent::What what = net::WatchEvent::What::changed;
  bool is_last = false;
  raft::Index index;
  std::shared_ptr<const std::vector<node::Change>> changes;  // null: none
  Error error;
};

class Group final : private node::Observer, private session::Watches::Sink {
 public:
  struct Parts {
    std::shared_ptr<session::SessionMachine> machine;  // a job that runs when the peer goes keeps it
    std::unique_ptr<PeerSnapshots> snapshots;
    std::unique_ptr<node::Transport> transport;
    std::unique_ptr<node::GroupLog> log;
  };

  struct Callbacks {
    const LogSink& log_sink;                   // outlives the group
    Watcher* watcher = nullptr;                // may be null
    std::function<void()> removed;             // the peer is a member no more
    std::function<void(WatchTold)> watch_told;
  };

  Group(CatalogueEntry entry, Parts parts, node::Loop& loop, node::Worker& worker, const node::Node::Options& options,
        raft::Recovered recovered, Callbacks callbacks, std::size_t watch_history_bytes);
  ~Group() override;
  Group(const Group&) = delete;
  Group& operator=(const Group&) = delete;

  [[nodiscard]] const CatalogueEntry& entry() const { return entry_; }
  [[nodiscard]] node::Node& node() { return node_; }
  [[nodiscard]] const node::Node& node() const { return node_; }
  [[nodiscard]] PeerSnapshots& snapshots() { return *parts_.snapshots; }
  [[nodiscard]] const PeerSnapshots& snapshots() const { return *parts_.snapshots; }
  [[nodiscard]] const std::shared_ptr<session::SessionMachine>& shared_machine() const { return parts_.machine; }
  [[nodiscard]] const node::StateMachine& machine() const { return parts_.machine->machine(); }
  [[nodiscard]] const session::SessionTable& sessions() const { return parts_.machine->table(); }
  [[nodiscard]] SessionKeeper& keeper() { return keeper_; }
  // Answers, and then tells what changes. Errors: not_leader; of Watches::may_add() and Node::query().
  using Watched = std::move_only_function<void(node::Reply)>;
  void watch(session::WatchId watch, net::Watch wanted, node::ReadMode mode, Instant deadline, Watched answer);
  void unwatch(session::WatchId watch) { watches_.remove(watch); }
  [[nodiscard]] std::size_t watches() const { return watches_.size(); }
  [[nodiscard]] net::PeerStatus status(Instant now) const;
  // "name@host:port" of a member; empty if it is none.
  [[nodiscard]] std::string peer_of(std::optional<raft::NodeId> id) const;

 private:
  void on_event(const raft::Event& event) override;
  void on_applied(const raft::Record& record, node::Outcome effects) override;
  void on_installed(const raft::SnapshotMeta& snapshot) override;
  void on_snapshot_failed(const Error& why, Duration again) override;
  void on_removed() override;
  void on_stopped(const Error& why) override;
  void on_changed(session::WatchId watch, const session::Changed& changed, bool is_last) override;
  void on_progress(session::WatchId watch, raft::Index index) override;
  void on_ended(session::WatchId watch, const Error& why) override;
  void add_watch(session::WatchId watch, session::Wanted wanted, Instant deadline, node::Reply reply, Watched answer);
  void add_watch(session::WatchId watch, session::Wanted wanted, node::Reply reply, Watched answer);

  const CatalogueEntry entry_;
  const LogSink& log_sink_;
  Watcher* const watcher_;
  const std::function<void()> removed_;
  const std::function<void(WatchTold)> watch_told_;
  Parts parts_;
  session::Watches watches_;
  node::Node node_;
  SessionKeeper keeper_;
  bool leads_ = false;
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
