// SPDX-License-Identifier: Apache-2.0
//
// See sim_host.h.
#include "sim/sim_host.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/base/checksum.h"
#include "zraft/machines/memory_kv.h"
#include "zraft/raft/describe.h"

namespace zraft::sim {

SimHost::SimHost(World& world, Fabric& fabric, Ghosts& ghosts, HostId id, Options options)
    : world_(world),
      fabric_(fabric),
      ghosts_(ghosts),
      id_(id),
      options_(std::move(options)),
      random_(world.fork()),
      disk_(world, id, options_.disk) {
  options_.host.name = world.name_of(id);
  options_.host.listen = options_.host.name + ":1";
  options_.host.check_laws = true;
}

SimHost::~SimHost() { end(Ending::killed); }

Result<> SimHost::start() {
  CHECK(!is_up(), "a host was started twice");
  const std::int64_t drift = random_.between(-options_.drift_ppm_max, options_.drift_ppm_max);
  process_ = world_.start(id_, drift);
  options_.host.seed = random_.next();
  running_ = std::unique_ptr<Running>(new Running{SimLoop(world_, process_),
                                                  SimNetwork(fabric_, process_, options_.host.name),
                                                  SimWorker(world_, process_, options_.worker_delay),
                                                  {}});
  std::vector<host::Host::Seams> seams;
  running_->files.reserve(options_.shards);
  for (std::size_t number = 0; number < options_.shards; ++number) {
    SimFiles& files = running_->files.emplace_back(disk_, process_, host::directory_of_shard(number));
    seams.push_back({.loop = running_->loop,
                     .network = running_->network,
                     .worker = running_->worker,
                     .snapshot_worker = running_->worker,
                     .files = files,
                     .log_files = files,
                     .snapshot_files = files});
  }
  refusal_.reset();
  options_.host.on_loaded = [this](const Result<>& loaded) {
    if (loaded) {
      world_.narrate(id_, "is loaded");
    } else {
      world_.narrate(id_, "cannot be loaded: " + loaded.error().text);
      refusal_ = loaded.error();
    }
  };
  host::Backends backends;
  backends["memory"] = [has_sessions = session_ghosts_ != nullptr]() -> std::unique_ptr<node::StateMachine> {
    if (has_sessions) return std::make_unique<IndexedKv>();
    return std::make_unique<machines::MemoryKv>();
  };
  const auto say = [this](host::LogLevel level, std::string_view text) {
    if (level == host::LogLevel::error) last_words_ = text;
    world_.narrate(id_, text);
  };
  seen_.clear();
  snapshots_.clear();
  auto opened = host::Host::open(std::move(seams), options_.host, std::move(backends), say, this);
  if (!opened) {
    const Error why = opened.error();
    world_.narrate(id_, "does not start: " + why.text);
    const bool has_crashed = !world_.is_alive(process_);
    world_.kill(process_);
    fabric_.on_end(process_, Ending::killed);
    disk_.on_end(has_crashed && random_.chance(500'000) ? Ending::power_lost : Ending::killed);
    running_.reset();
    return fail(has_crashed ? Code::stopped : why.code, why.text);
  }
  host_ = std::move(*opened);
  world_.narrate(id_, "is up");
  look();
  return {};
}

void SimHost::end(Ending ending) {
  if (!is_up()) return;
  world_.narrate(id_, ending == Ending::killed ? "is killed" : "loses power");
  world_.kill(process_);
  fabric_.on_end(process_, ending);
  disk_.on_end(ending);
  host_.reset();
  running_.reset();
}

void SimHost::look() {
  if (!is_up() || !world_.is_alive(process_)) return;
  for (const auto& shard : host_->shards()) {
    for (const auto& [key, group] : shard->peers()) {
      const auto found = ghosts_.try_emplace(key.first, true).first;
      if (std::find(seen_.begin(), seen_.end(), key) == seen_.end()) {
        seen_.push_back(key);
        found->second.on_start(key.second, group->node().core());
      }
      found->second.on_step(key.second, group->node().core(), moment());
      const auto& complete = group->snapshots().complete();
      if (complete.empty() || snapshots_[key] == complete.back().meta.last.index) continue;
      snapshots_[key] = complete.back().meta.last.index;
      found->second.on_snapshot(key.second, complete.back().meta, crc32c(storage::encode(complete.back())));
    }
  }
}

void SimHost::lose_disk() {
  world_.narrate(id_, "loses its disk");
  end(Ending::power_lost);
  disk_.wipe();
}

const host::Group* SimHost::peer(raft::GroupId group, raft::NodeId member) const {
  return host_ == nullptr ? nullptr : host_->find_peer({group, member});
}

const host::Group* leader_of(const std::vector<std::unique_ptr<SimHost>>& hosts, raft::GroupId group) {
  const host::Group* found = nullptr;
  for (const auto& host : hosts) {
    if (!host->is_up() || host->has_died()) continue;
    for (const auto& shard : host->host()->shards()) {
      for (const auto& [key, peer] : shard->peers()) {
        const raft::Core& core = peer->node().core();
        if (key.first != group || !core.is_leader()) continue;
        if (found == nullptr || found->node().core().term() < core.term()) found = peer.get();
      }
    }
  }
  return found;
}

const host::Group* find_peer(const std::vector<std::unique_ptr<SimHost>>& hosts, raft::GroupId group,
                             raft::NodeId member) {
  for (const auto& host : hosts) {
    if (const host::Group* peer = host->peer(group, member)) return peer;
  }
  return nullptr;
}

void SimHost::on_event(const host::CatalogueEntry& peer, const raft::Event& event) {
  world_.trace((static_cast<std::uint64_t>(event.kind) << 32) | peer.self.value);
  world_.trace(event.term.value);
  world_.trace(event.position.index.value);
  if (event.kind == raft::Event::Kind::quiesces) ++quiesced_;
  const auto found = ghosts_.find(peer.group_id);
  if (found == ghosts_.end()) return;
  if (event.kind == raft::Event::Kind::grants_vote) found->second.on_vote(peer.self, event.term, event.peer);
  if (event.kind == raft::Event::Kind::asks_for_votes) found->second.on_vote(peer.self, event.term, peer.self);
}

void SimHost::on_applied(const host::CatalogueEntry& entry, const raft::Record& record,
                         const node::Outcome& outcome) {
  world_.trace((record.index().value << 32) | record.payload_checksum());
  const auto found = ghosts_.find(entry.group_id);
  if (found != ghosts_.end()) found->second.on_applied(entry.self, record);
  if (session_ghosts_ == nullptr) return;
  const host::Group* group = peer(entry.group_id, entry.self);
  (*session_ghosts_)[entry.group_id].on_applied(entry.self, record, outcome,
                                                group == nullptr ? nullptr : group->shared_machine().get());
}

void SimHost::on_installed(const host::CatalogueEntry& entry, const raft::SnapshotMeta& snapshot) {
  world_.trace(snapshot.last.index.value);
  const auto found = ghosts_.find(entry.group_id);
  if (found != ghosts_.end()) found->second.on_installed(entry.self, snapshot);
  const host::Group* group = peer(entry.group_id, entry.self);
  if (session_ghosts_ == nullptr || group == nullptr) return;
  (*session_ghosts_)[entry.group_id].on_installed(entry.self, snapshot.last.index, *group->shared_machine());
}

}  // namespace zraft::sim
