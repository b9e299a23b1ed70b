// SPDX-License-Identifier: Apache-2.0
//
// A peer's story goes to the log: changes of role and trouble as info, the everyday as debug, commits not at all.
#include "zraft/host/group.h"

#include <algorithm>
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
    case Kind::hands_over:
    case Kind::keeps_leading:
    case Kind::is_removed:
    case Kind::truncates: return LogLevel::info;
    default: return LogLevel::debug;
  }
}

std::string role_of(const node::Node& node) {
  if (node.stopped()) return "stopped";
  const raft::Core& core = node.core();
  if (core.is_removed()) return "removed";
  if (core.is_leader()) return "leader";
  if (std::holds_alternative<raft::Candidate>(core.role())) return "candidate";
  return core.membership().is_voter(core.config().self) ? "follower" : "learner";
}

std::vector<net::FollowerStatus> followers_of(const raft::Core& core, Instant now) {
  std::vector<net::FollowerStatus> out;
  const auto* leader = std::get_if<raft::Leader>(&core.role());
  if (leader == nullptr) return out;
  for (const raft::Progress& progress : leader->progresses) {
    const std::int64_t heard_ms = std::clamp<std::int64_t>((now - progress.heard()).ns / 1'000'000, 0, UINT32_MAX);
    out.push_back({.id = progress.id(),
                   .match = progress.match(),
                   .is_replicating = progress.state() == raft::Progress::State::replicate,
                   .heard_ms = static_cast<std::uint32_t>(heard_ms)});
  }
  return out;
}

}  // namespace

Group::Group(CatalogueEntry entry, Parts parts, node::Loop& loop, const node::Node::Options& options,
             raft::Recovered recovered, Callbacks callbacks)
    : entry_(std::move(entry)),
      log_sink_(std::move(callbacks.log_sink)),
      watcher_(callbacks.watcher),
      stopped_(std::move(callbacks.stopped)),
      removed_(std::move(callbacks.removed)),
      parts_(std::move(parts)),
      node_({.loop = loop,
             .log = *parts_.log,
             .transport = *parts_.transport,
             .machine = *parts_.machine,
             .observer = *this},
            options, std::move(recovered)) {}

std::string Group::peer_of(std::optional<raft::NodeId> id) const {
  if (!id) return {};
  for (const raft::Member& member : node_.core().reachable()) {
    if (member.id == *id) return member.peer;
  }
  return {};
}

net::PeerStatus Group::status(Instant now) const {
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
          .membership_index = core.log().membership_index(),
          .followers = followers_of(core, now),
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

void Group::on_removed() {
  if (removed_) removed_();
}

void Group::on_stopped(const Error& why) {
  if (log_sink_) log_sink_(LogLevel::error, "group " + entry_.group + ": " + entry_.peer + " has stopped: " + why.text);
  if (stopped_) stopped_(why);
}

}  // namespace zraft::host
