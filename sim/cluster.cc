// SPDX-License-Identifier: Apache-2.0
//
// See cluster.h.
#include "sim/cluster.h"

#include <algorithm>
#include <utility>

#include "sim/linearizability.h"
#include "zraft/base/check.h"
#include "zraft/base/checksum.h"
#include "zraft/net/wire.h"

namespace zraft::sim {

namespace {

constexpr std::uint64_t search_steps_max = 3'000'000;  // a key; about a second
constexpr std::uint64_t safety_events_max = 150'000;    // of a busy cluster; more seeds find more than longer ones
constexpr Duration glance = Duration::milliseconds(5);  // how often a condition of the whole is looked at

constexpr const char* extra_group = "extra";  // that is created under faults

bool has_peer_of(const host::Host& host, const std::string& group, raft::GroupId* id = nullptr) {
  for (const auto& [key, peer] : host.peers()) {
    if (peer->entry().group != group) continue;
    if (id != nullptr) *id = key.first;
    return true;
  }
  return false;
}

}  // namespace

Cluster::Cluster(const Scenario& scenario, World::Narrator narrator)
    : scenario_(scenario), world_(scenario.seed), fabric_(world_, {}) {
  world_.set_narrator(std::move(narrator));
  for (std::size_t i = 0; i < scenario_.members + scenario_.spares; ++i) {
    const HostId id = world_.add_host("n" + std::to_string(i + 1));
    SimHost::Options options = scenario_.host;
    if (scenario_.has_uneven_shards) options.shards += i % 2;
    if (scenario_.has_bulk_listeners) options.host.snapshot_listen = "n" + std::to_string(i + 1) + ":2";
    hosts_.push_back(std::make_unique<SimHost>(world_, fabric_, ghosts_, id, std::move(options)));
    hosts_.back()->disk().set_settings({});
    if (scenario_.sessions.clients > 0) hosts_.back()->set_session_ghosts(&session_ghosts_);
  }
  for (std::size_t i = 0; i < scenario_.groups; ++i) {
    groups_.push_back(std::make_unique<Group>());
    groups_.back()->name = i == 0 ? "kv" : "kv" + std::to_string(i + 1);
  }
  std::vector<std::string> addresses;
  for (const auto& host : hosts_) addresses.push_back(host->address());
  operator_ = std::make_unique<Operator>(world_, fabric_, world_.add_host("operator"), std::move(addresses));
  nemesis_ = std::make_unique<Nemesis>(world_, fabric_, hosts_, scenario_.faults);
  churn_ = std::make_unique<Churn>(world_, *operator_, *nemesis_, hosts_, scenario_.churn);
  world_.set_onlooker([this](HostId host) { on_event(host); });
  fabric_.set_tap([this](Process from, const SharedBytes& body) {
    const auto frame = net::decode_peer_frame(body);
    expect(frame.has_value(), "I49", "a host sent a peer frame that cannot be read");
    if (!frame) return;
    const auto ghost = ghosts_.find(frame->group);
    const SimHost& sender = *hosts_[from.host.value - 1];
    const host::Group* peer = sender.peer(frame->group, frame->message.from);
    if (ghost == ghosts_.end() || peer == nullptr) return;
    ghost->second.on_sent(frame->message, peer->node().core(), sender.moment());
  });
}

// Hosts and clients end before the world that they are in.
Cluster::~Cluster() {
  world_.set_onlooker({});
  for (const auto& group : groups_) {
    group->clients.clear();
    group->crowd.reset();
  }
  operator_.reset();
  hosts_.clear();
}

void Cluster::expect(bool is_met, const std::string& law, const std::string& what) {
  if (!is_met) broken_.push_back(law + ": " + what);
}

void Cluster::on_event(HostId id) {
  if (id.value > hosts_.size()) return;  // a client
  SimHost& host = *hosts_[id.value - 1];
  host.look();
  nemesis_->tend(host);
  for (auto& [group, ghost] : ghosts_) gather(ghost, std::to_string(group.value));
}

void Cluster::gather(Ghost& ghost, const std::string& group) {
  for (std::string& law : ghost.take_broken()) broken_.push_back(std::move(law) + " (group " + group + ")");
}

void Cluster::gather_of_crowds() {
  for (const auto& group : groups_) {
    if (group->crowd == nullptr) continue;
    for (std::string& law : group->crowd->take_broken()) broken_.push_back(std::move(law) + " (" + group->name + ")");
  }
}

bool Cluster::run_until(Duration limit, const std::function<bool()>& is_over) {
  const Instant end = world_.now() + limit;
  while (world_.now() < end) {
    if (is_over()) return true;
    const Instant next = std::min(end, world_.now() + glance);
    while (broken_.empty() && world_.run_one(next)) {
    }
    gather_of_crowds();
    for (std::string& refusal : nemesis_->take_refusals()) broken_.push_back("I42: " + std::move(refusal));
    if (!broken_.empty()) return false;
    world_.run_until(next);
  }
  return is_over();
}

void Cluster::run_for(Duration length) {
  run_until(length, [] { return false; });
}

// One on each host but the spare ones.
std::vector<std::string> Cluster::first_peers() const {
  std::vector<std::string> out;
  for (std::size_t i = 0; i < scenario_.members; ++i) {
    out.push_back("p" + std::to_string(i + 1) + "@" + hosts_[i]->address());
  }
  return out;
}

void Cluster::create_groups() {
  for (const auto& group : groups_) {
    std::optional<Result<>> created;
    operator_->create(group->name, first_peers(), Duration::seconds(10),
                      [&created](const Result<>& result) { created = result; });
    run_until(Duration::seconds(20), [&] { return created.has_value(); });
    if (!broken_.empty()) return;
    if (!created) return expect(false, "creation", "it does not end");
    if (!*created) return expect(false, "creation", created->error().text);
    if (!has_peer_of(*hosts_.front()->host(), group->name, &group->id)) {
      return expect(false, "creation", "the group " + group->name + " was created and is not there");
    }
  }
}

void Cluster::try_creation() {
  operator_->create(extra_group, first_peers(), scenario_.creation_patience,
                    [this](const Result<>& result) { created_under_faults_ = result; });
}

// All or nothing, but for the hosts that the answer names.
void Cluster::check_creation() {
  const bool is_over = run_until(scenario_.creation_patience + Duration::seconds(3),
                                 [this] { return created_under_faults_.has_value(); });
  if (!broken_.empty()) return;
  if (!is_over) return expect(false, "creation", "under faults it does not end");
  const std::string why = *created_under_faults_ ? "" : created_under_faults_->error().text;
  const std::size_t left_at = why.find("something may be left of it at ");
  for (const auto& host : hosts_) {
    const bool is_there = has_peer_of(*host->host(), extra_group);
    if (left_at != std::string::npos && why.find("@" + host->address(), left_at) != std::string::npos) continue;
    const std::string what = is_there ? " has a peer, although: " + why : " has no peer of what was created";
    expect(is_there == created_under_faults_->has_value(), "creation", world_.name_of(host->id()) + what);
  }
}

void Cluster::add_clients(Group& group) {
  KvClientOptions options = scenario_.client;
  options.group = group.name;
  for (const auto& host : hosts_) options.hosts.push_back(host->address());
  Ghost& ghost = ghosts_.at(group.id);
  for (std::size_t i = 0; i < scenario_.clients; ++i) {
    const HostId id = world_.add_host("c" + std::to_string(world_.hosts() - hosts_.size() + 1));
    nemesis_->add_client(id);
    const auto acknowledged = [&ghost](std::uint64_t index, const Bytes& command) {
      ghost.on_acknowledged(index, crc32c(command));
    };
    if (scenario_.has_readers) {
      options.put_ppm = i % 2 == 0 ? 0 : 1'000'000;
      options.remove_ppm = options.compare_ppm = 0;
    }
    group.clients.push_back(
        std::make_unique<KvClient>(world_, fabric_, group.history, id, options, acknowledged));
    group.clients.back()->start();
  }
  if (scenario_.sessions.clients == 0) return;
  SessionPlan plan = scenario_.sessions;
  plan.client.group = options.group;
  plan.client.hosts = options.hosts;
  plan.watcher.group = options.group;
  plan.watcher.hosts = options.hosts;
  group.crowd = std::make_unique<Crowd>(world_, fabric_, group.history, session_ghosts_[group.id], *nemesis_, plan);
}

RunResult Cluster::run() {
  for (const auto& host : hosts_) {
    const Result<> started = host->start();
    expect(started.has_value(), "creation", started ? "" : started.error().text);
  }
  while (!std::ranges::all_of(hosts_, &SimHost::is_loaded)) CHECK(world_.run_one(patience_to_load), "nothing loads");
  if (broken_.empty()) create_groups();
  if (broken_.empty()) {
    world_.narrate({}, "the safety phase begins: " + describe(scenario_));
    for (const auto& group : groups_) add_clients(*group);
    fabric_.set_settings(scenario_.network);
    for (const auto& host : hosts_) host->disk().set_settings(scenario_.host.disk);
    nemesis_->begin();
    std::vector<Churn::Target> targets;
    for (const auto& group : groups_) targets.push_back({group->name, group->id});
    churn_->begin(std::move(targets));
    if (scenario_.creation_at) {
      run_until(*scenario_.creation_at, [] { return false; });
      try_creation();
    }
    run_until(scenario_.safety_phase, [this] { return world_.events() > safety_events_max; });
  }
  if (broken_.empty()) live();
  if (broken_.empty()) check_histories();
  RunResult result;
  result.broken = broken_;
  result.events = world_.events();
  result.trace_hash = world_.trace_hash();
  result.simulated = world_.now();
  count(result);
  return result;
}

std::string Cluster::state_of(const Group& group) const {
  std::string text;
  for (const auto& host : hosts_) {
    text += "  " + group.name + " at " + world_.name_of(host->id()) + ":";
    if (!host->is_up()) text += " down";
    text += "\n";
    if (!host->is_up()) continue;
    for (const auto& [key, peer] : host->host()->peers()) {
      if (key.first != group.id) continue;
      const net::PeerStatus status = peer->status(world_.now());
      text += "    " + peer->entry().peer + ": " + status.role + ", leader " + status.leader + ", term " +
              std::to_string(status.term.value) + ", last " + std::to_string(status.last.value) + ", durable " +
              std::to_string(status.durable.value) + ", commit " + std::to_string(status.commit.value) +
              ", applied " + std::to_string(status.applied.value) + ", members:";
      for (const raft::Member& member : status.membership.members) {
        text += " " + member.peer + (status.membership.is_voter(member.id) ? "" : " (learner)");
      }
      text += status.membership.is_joint() ? ", joint\n" : "\n";
    }
  }
  return text;
}

void Cluster::check_histories() {
  for (const auto& group : groups_) {
    const Verdict verdict = check_history(group->history, search_steps_max);
    if (verdict.kind == Verdict::Kind::violated) {
      expect(false, "I25", "the history of group " + group->name + " is not linearizable: " + verdict.why);
    }
    if (verdict.kind == Verdict::Kind::undecided) ++undecided_;
  }
}

void Cluster::count(RunResult& result) const {
  auto& counts = result.counts;
  counts = nemesis_->counts();
  counts.insert(churn_->counts().begin(), churn_->counts().end());
  for (const auto& group : groups_) {
    counts["operations"] += group->history.all().size();
    for (const auto& client : group->clients) {
      counts["operations done"] += client->counts().done;
      counts["operations failed"] += client->counts().failed;
      counts["operations of unknown outcome"] += client->counts().unknown;
    }
    if (group->crowd) group->crowd->count(counts);
    const auto found = ghosts_.find(group->id);
    if (found == ghosts_.end()) continue;  // it was never created
    const Ghost& ghost = found->second;
    counts["entries committed"] += ghost.commit();
    counts["terms with a leader"] += ghost.terms_led();
    counts["logs cut"] += ghost.truncations();
    counts["memberships committed"] += ghost.memberships();
    counts["snapshots"] += ghost.snapshots();
    counts["snapshots installed"] += ghost.installs();
  }
  for (const auto& [what, often] : nemesis_->counts()) {
    if (what != "restarts") result.faults += often;
  }
  for (const auto& host : hosts_) counts["times that a member quiesced"] += host->quiesced();
  const NetworkCounts& net = fabric_.counts();
  result.faults += net.lost + net.repeated + net.late + net.replayed + net.corrupted + net.resets + net.refused;
  counts["frames"] = net.frames;
  counts["frames lost"] = net.lost;
  counts["frames blocked"] = net.blocked;
  counts["frames repeated"] = net.repeated;
  counts["frames late"] = net.late;
  counts["frames replayed"] = net.replayed;
  counts["frames damaged"] = net.corrupted;
  counts["links reset"] = net.resets;
  counts["links half-open"] = net.half_open;
  counts["links refused"] = net.refused;
  counts["links given up"] = net.gave_up;
  for (const auto& host : hosts_) {
    const DiskCounts& disk = host->disk().counts();
    result.faults += disk.stalls + disk.failures + disk.torn;
    counts["disk writes"] += disk.writes;
    counts["disk stalls"] += disk.stalls;
    counts["disk failures"] += disk.failures;
    counts["files torn"] += disk.torn;
    counts["sectors lost"] += disk.lost_sectors;
    counts["sectors kept"] += disk.kept_sectors;
    counts["names lost"] += disk.lost_names;
  }
  counts["histories undecided"] = undecided_;
  if (created_under_faults_)
    counts[*created_under_faults_ ? "groups created under faults" : "creations that failed"] = 1;
}

}  // namespace zraft::sim
