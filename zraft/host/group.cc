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
    case Kind::offers_snapshot:
    case Kind::saves_snapshot:
    case Kind::installs_snapshot:
    case Kind::truncates: return LogLevel::info;
    default: return LogLevel::debug;
  }
}

// Too many for any log.
bool is_of_traces(raft::Event::Kind kind) {
  using Kind = raft::Event::Kind;
  return kind == Kind::commits || kind == Kind::quiesces || kind == Kind::wakes;
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
                   .heard_ms = static_cast<std::uint32_t>(heard_ms),
                   .needs_snapshot = progress.state() == raft::Progress::State::snapshot,
                   .sending = {}});
  }
  return out;
}

net::SnapshotProgress fetching_of(const PeerSnapshots& snapshots) {
  const auto progress = snapshots.fetching();
  if (!progress) return {};
  return {.index = progress->position.index,
          .bytes = progress->bytes,
          .bytes_total = progress->bytes_total,
          .bytes_per_second = progress->bytes_per_second};
}

}  // namespace

Group::Group(CatalogueEntry entry, Parts parts, node::Loop& loop, node::Worker& worker,
             const node::Node::Options& options, raft::Recovered recovered, Callbacks callbacks,
             std::size_t watch_history_bytes)
    : entry_(std::move(entry)),
      log_sink_(callbacks.log_sink),
      watcher_(callbacks.watcher),
      removed_(std::move(callbacks.removed)),
      watch_told_(std::move(callbacks.watch_told)),
      parts_(std::move(parts)),
      watches_(*this, watch_history_bytes, std::max(recovered.applied, recovered.snapshot.last.index)),
      node_({.loop = loop,
             .worker = worker,
             .log = *parts_.log,
             .snapshots = *parts_.snapshots,
             .transport = *parts_.transport,
             .machine = parts_.machine,
             .observer = *this},
            options, std::move(recovered)),
      keeper_(loop, node_) {
  parts_.snapshots->set_lost([this] { node_.replace_snapshot(); });
}

Group::~Group() { watches_.end_all({Code::stopped, entry_.peer + " is not here any more"}); }

std::string Group::peer_of(std::optional<raft::NodeId> id) const {
  if (!id) return {};
  for (const raft::Member& member : node_.core().reachable()) {
    if (member.id == *id) return member.peer;
  }
  return {};
}

net::PeerStatus Group::status(Instant now) const {
  const raft::Core& core = node_.core();
  const auto& snapshots = parts_.snapshots->complete();
  const storage::SnapshotManifest* newest = snapshots.empty() ? nullptr : &snapshots.back();
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
          .snapshot = core.snapshot().last.index,
          .snapshot_bytes = newest == nullptr ? 0 : newest->bytes(),
          .is_saving = node_.driver().is_saving(),
          .fetching = fetching_of(*parts_.snapshots),
          .membership = core.membership(),
          .membership_index = core.log().membership_index(),
          .followers = followers_of(core, now),
          .problem = node_.stopped() ? node_.stopped()->text : std::string{},
          .sessions = keeper_.open(),
          .watches = watches_.size()};
}

void Group::on_event(const raft::Event& event) {
  if (const bool leads = node_.core().is_leader(); leads != std::exchange(leads_, leads)) {
    keeper_.on_leadership(leads);
    if (!leads) watches_.end_all({Code::leader_changed, entry_.peer + " does not lead its group any more"});
  }
  if (watcher_ != nullptr) watcher_->on_event(entry_, event);
  if (!log_sink_ || is_of_traces(event.kind)) return;
  std::string text = "group " + entry_.group + ": " + entry_.peer + " " + raft::describe(event);
  if (const std::string peer = peer_of(event.peer); !peer.empty()) text += " (" + peer + ")";
  log_sink_(level_of(event.kind), text);
}

void Group::on_applied(const raft::Record& record, node::Outcome effects) {
  if (watcher_ != nullptr) watcher_->on_applied(entry_, record, effects);
  watches_.on_applied(record.index(), std::move(effects.changes));
  if (effects.ended != node::SessionId{}) {
    watches_.on_session_ended(effects.ended);
    keeper_.on_ended();
  }
  if (record.type() == raft::EntryType::session && session::is_open(record.payload())) keeper_.on_opened();
}

void Group::on_installed(const raft::SnapshotMeta& snapshot) {
  watches_.on_installed(snapshot.last.index);
  if (watcher_ != nullptr) watcher_->on_installed(entry_, snapshot);
}

void Group::on_snapshot_failed(const Error& why, Duration again) {
  if (!log_sink_) return;
  log_sink_(LogLevel::error, "group " + entry_.group + ": " + entry_.peer + ": no snapshot: " + why.text +
                                 "; what there was is untouched, and it is tried again" +
                                 (again.ns == 0 ? "" : " in " + std::to_string(again.to_milliseconds()) + " ms"));
}

void Group::on_removed() {
  if (removed_) removed_();
}

void Group::on_stopped(const Error& why) {
  watches_.end_all({Code::stopped, why.text});
  if (log_sink_) log_sink_(LogLevel::error, "group " + entry_.group + ": " + entry_.peer + " has stopped: " + why.text);
}

// --- watches ---

// Only at the leader: a member that has lost the others would go on saying that nothing changes.
void Group::watch(session::WatchId watch, net::Watch wanted, node::ReadMode mode, Instant deadline, Watched answer) {
  session::Wanted wants{.is_persistent = wanted.is_persistent, .session = wanted.session, .after = {}, .watchable = {}};
  if (wanted.after) {
    wants.after = *wanted.after;
    wants.watchable = wanted.watchable;
    node::Reply reply{.error = {}, .data = {}, .leader = {}, .watchable = std::move(wanted.watchable),
                      .index = *wanted.after};
    return add_watch(watch, std::move(wants), deadline, std::move(reply), std::move(answer));
  }
  node_.query(std::move(wanted.query), mode, deadline,
              [this, life = lifetime_.watch(), watch, deadline, wants = std::move(wants),
               answer = std::move(answer)](node::Reply reply) mutable {
                if (life.is_over() || reply.error.code != Code::ok) return answer(std::move(reply));
                wants.after = reply.index;
                wants.watchable = reply.watchable;
                add_watch(watch, std::move(wants), deadline, std::move(reply), std::move(answer));
              });
}

// A watch of a session that is over would never end: the session must have been alive after the watch was asked for,
// and when it ends behind that, it ends the watch.
void Group::add_watch(session::WatchId watch, session::Wanted wanted, Instant deadline, node::Reply reply,
                      Watched answer) {
  const session::SessionId session = wanted.session;
  if (session == session::SessionId{}) return add_watch(watch, std::move(wanted), std::move(reply), std::move(answer));
  keeper_.keep_alive({session, 0}, deadline,
                     [this, life = lifetime_.watch(), watch, wanted = std::move(wanted), reply = std::move(reply),
                      answer = std::move(answer)](node::Reply alive) mutable {
                       if (life.is_over() || alive.error.code != Code::ok) return answer(std::move(alive));
                       add_watch(watch, std::move(wanted), std::move(reply), std::move(answer));
                     });
}

void Group::add_watch(session::WatchId watch, session::Wanted wanted, node::Reply reply, Watched answer) {
  if (!node_.core().is_leader()) {
    return answer({.error = {Code::not_leader, "this member does not lead its group: watch at the leader"},
                   .data = {},
                   .leader = node_.core().leader()});
  }
  if (Result<> may = watches_.may_add(watch, wanted); !may) {
    return answer({.error = may.error(), .data = {}, .leader = {}});
  }
  answer(std::move(reply));
  watches_.add(watch, std::move(wanted));
}

void Group::on_changed(session::WatchId watch, const session::Changed& changed, bool is_last) {
  watch_told_({.watch = watch,
               .what = net::WatchEvent::What::changed,
               .is_last = is_last,
               .index = changed.index,
               .changes = changed.changes,
               .error = {}});
}

void Group::on_progress(session::WatchId watch, raft::Index index) {
  watch_told_({.watch = watch,
               .what = net::WatchEvent::What::progress,
               .is_last = false,
               .index = index,
               .changes = nullptr,
               .error = {}});
}

void Group::on_ended(session::WatchId watch, const Error& why) {
  using What = net::WatchEvent::What;
  watch_told_({.watch = watch,
               .what = why.code == Code::leader_changed ? What::leader_changed : What::closed,
               .is_last = true,
               .index = {},
               .changes = nullptr,
               .error = why});
}

}  // namespace zraft::host
