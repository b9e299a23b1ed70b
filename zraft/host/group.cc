// SPDX-License-Identifier: Apache-2.0
//
// A peer's story goes to the log: changes of role and trouble as info, the everyday as debug, commits not at all.
#include "zraft/host/group.h"

#include <utility>

#include "zraft/raft/describe.h"

namespace zraft::host {
namespace {

LogLevel level_of(raft::Event::Kind kind) {
  using Kind = raft::Event::Kind;
  switch (kind) {
    case Kind::leads:
    case Kind::follows:
    case Kind::steps_down:
    case Kind::adopts_membership:
    case Kind::rolls_back_membership:
    case Kind::truncates: return LogLevel::info;
    default: return LogLevel::debug;
  }
}

std::string role_of(const node::Node& node) {
  if (node.stopped()) return "stopped";
  if (node.core().is_leader()) return "leader";
  return std::holds_alternative<raft::Candidate>(node.core().role()) ? "candidate" : "follower";
}

}  // namespace

Group::Group(CatalogueEntry entry, Parts parts, node::Loop& loop, const node::Node::Options& options,
             raft::Recovered recovered, Callbacks callbacks)
    : entry_(std::move(entry)),
      log_sink_(std::move(callbacks.log_sink)),
      watcher_(callbacks.watcher),
      stopped_(std::move(callbacks.stopped)),
      parts_(std::move(parts)),
      node_({.loop = loop,
             .log = *parts_.log,
             .transport = *parts_.transport,
             .machine = *parts_.machine,
             .observer = *this},
            options, std::move(recovered)) {}

std::string Group::peer_of(std::optional<raft::NodeId> id) const {
  if (!id) return {};
  const raft::Member* member = node_.core().membership().find(*id);
  return member == nullptr ? std::string{} : member->peer;
}

net::PeerStatus Group::status() const {
  const raft::Core& core = node_.core();
  return {.group = entry_.group,
          .group_id = entry_.group_id,
          .backend = entry_.backend,
          .peer = entry_.peer,
          .self = entry_.self,
          .role = role_of(node_),
          .leader = node_.stopped() ? std::string{} : peer_of(core.leader()),
          .term = core.term(),
          .first = core.log().first(),
          .last = core.log().last().index,
          .durable = core.durable(),
          .commit = core.commit(),
          .applied = core.applied(),
          .log_bytes = core.log().bytes(),
          .membership = core.membership(),
          .problem = node_.stopped() ? node_.stopped()->text : std::string{}};
}

void Group::on_event(const raft::Event& event) {
  if (watcher_ != nullptr) watcher_->on_event(entry_, event);
  if (!log_sink_ || event.kind == raft::Event::Kind::commits) return;
  std::string text = "group " + entry_.group + ": " + entry_.peer + " " + raft::describe(event);
  if (const std::string peer = peer_of(event.peer); !peer.empty()) text += " (" + peer + ")";
  log_sink_(level_of(event.kind), text);
}

void Group::on_applied(const raft::Record& record) {
  if (watcher_ != nullptr) watcher_->on_applied(entry_, record);
}

void Group::on_stopped(const Error& why) {
  if (log_sink_) log_sink_(LogLevel::error, "group " + entry_.group + ": " + entry_.peer + " has stopped: " + why.text);
  if (stopped_) stopped_(why);
}

}  // namespace zraft::host
