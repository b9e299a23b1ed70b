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
#include "zraft/net/wire.h"
#include "zraft/node/node.h"

namespace zraft::host {

// For tests and the simulator: sees what happens in every group of a host. Calls must not change anything.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void on_event(const CatalogueEntry& peer, const raft::Event& event) = 0;
  virtual void on_applied(const CatalogueEntry& peer, const raft::Record& record) = 0;
};

class Group final : private node::Observer {
 public:
  struct Parts {
    std::unique_ptr<node::StateMachine> machine;
    std::unique_ptr<node::Transport> transport;
    std::unique_ptr<node::GroupLog> log;
  };

  struct Callbacks {
    LogSink log_sink;
    Watcher* watcher = nullptr;                // may be null
    std::function<void(const Error&)> stopped;  // the peer has stopped for good, and why
    std::function<void()> removed;              // the peer is a member no more
  };

  Group(CatalogueEntry entry, Parts parts, node::Loop& loop, const node::Node::Options& options,
        raft::Recovered recovered, Callbacks callbacks);

  [[nodiscard]] const CatalogueEntry& entry() const { return entry_; }
  [[nodiscard]] node::Node& node() { return node_; }
  [[nodiscard]] const node::Node& node() const { return node_; }
  [[nodiscard]] const node::StateMachine& machine() const { return *parts_.machine; }
  [[nodiscard]] net::PeerStatus status(Instant now) const;
  // "name@host:port" of a member; empty if it is none.
  [[nodiscard]] std::string peer_of(std::optional<raft::NodeId> id) const;

 private:
  void on_event(const raft::Event& event) override;
  void on_applied(const raft::Record& record) override;
  void on_removed() override;
  void on_stopped(const Error& why) override;

  const CatalogueEntry entry_;
  const LogSink log_sink_;
  Watcher* const watcher_;
  const std::function<void(const Error&)> stopped_;
  const std::function<void()> removed_;
  Parts parts_;
  node::Node node_;
};

}  // namespace zraft::host
