// SPDX-License-Identifier: Apache-2.0
//
// See nemesis.h. Everything here is an event of the world itself, so no host is in the middle of a task when its
// process ends; a crash in the middle of one is a fuse of its disk, after which tend() clears up.
#include "sim/nemesis.h"

#include <algorithm>
#include <utility>

#include "sim/draw.h"

namespace zraft::sim {

namespace {

void set_slowness(SimHost& host, std::int64_t factor) {
  DiskSettings settings = host.disk().settings();
  settings.slowness = factor;
  host.disk().set_settings(settings);
}

}  // namespace

Nemesis::Nemesis(World& world, Fabric& fabric, std::vector<std::unique_ptr<SimHost>>& hosts, FaultPlan plan)
    : world_(world), fabric_(fabric), hosts_(hosts), plan_(std::move(plan)), random_(world.fork()) {}

void Nemesis::begin() {
  is_resting_ = false;
  if (hosts_.size() > 1) repeat(plan_.partition_every, &Nemesis::partition);
  repeat(plan_.crash_every, &Nemesis::crash);
  repeat(plan_.pause_every, &Nemesis::pause);
  repeat(plan_.reset_every, &Nemesis::reset);
  repeat(plan_.slow_disk_every, &Nemesis::slow_disk);
  repeat(plan_.full_disk_every, &Nemesis::full_disk);
}

void Nemesis::repeat(Duration every, Fault fault) {
  if (every <= Duration{}) return;
  const Duration delay = draw_exponential(random_, every);
  world_.after(delay, the_world, EventKind::world, 1, [this, every, fault] {
    if (is_resting_) return;
    (this->*fault)();
    repeat(every, fault);
  });
}

void Nemesis::rest() {
  is_resting_ = true;
  NetworkSettings good;
  good.give_up_after = Duration::seconds(1);
  fabric_.heal(good);
  for (const auto& host : hosts_) {
    world_.resume(host->id());
    host->disk().set_settings({});
    host->disk().set_full(false);
    host->disk().set_fuse(0, {});
    if (host->has_died() || (host->is_up() && host->host()->has_failed())) host->end(Ending::killed);
    if (!host->is_up()) restart(*host);
  }
  world_.narrate({}, "everything is healed");
}

SimHost& Nemesis::any_host() { return *hosts_[draw_index(random_, hosts_.size())]; }

SimHost* Nemesis::leader() {
  SimHost* found = nullptr;
  raft::Term newest;
  for (const auto& host : hosts_) {
    if (!host->is_up()) continue;
    for (const auto& [key, group] : host->host()->peers()) {
      const raft::Core& core = group->node().core();
      if (!core.is_leader() || core.term() <= newest) continue;
      found = host.get();
      newest = core.term();
    }
  }
  return found;
}

void Nemesis::partition() {
  const Shape shape = plan_.shapes[draw_index(random_, plan_.shapes.size())];
  std::vector<HostId> members;
  for (const auto& host : hosts_) members.push_back(host->id());
  const SimHost* led_by = leader();
  const std::optional<HostId> leads = led_by == nullptr ? std::nullopt : std::optional(led_by->id());
  std::vector<Blocked> blocked = blocked_by(shape, members, leads, random_);
  if (random_.chance(plan_.cut_clients_ppm)) {
    for (const HostId client : clients_) {
      for (const HostId member : members) {
        if (random_.chance(300'000)) blocked.emplace_back(client, member);
        if (random_.chance(300'000)) blocked.emplace_back(member, client);
      }
    }
  }
  fabric_.set_blocked(blocked);
  ++counts_["partitions: " + std::string(name_of(shape))];
  world_.narrate({}, "partition: " + std::string(name_of(shape)));
  const std::uint64_t number = ++partitions_;
  const Duration length = draw_exponential(random_, plan_.partition_length);
  world_.after(length, the_world, EventKind::world, 2, [this, number] { heal_partition(number); });
}

void Nemesis::heal_partition(std::uint64_t number) {
  if (number != partitions_ || is_resting_) return;  // another one has taken its place
  fabric_.set_blocked({});
  world_.narrate({}, "the partition heals");
}

Ending Nemesis::draw_ending() { return random_.chance(plan_.power_ppm) ? Ending::power_lost : Ending::killed; }

void Nemesis::crash() {
  if (random_.chance(plan_.all_down_ppm)) {
    ++counts_["all hosts down"];
    for (const auto& host : hosts_) end(*host, draw_ending());
    return;
  }
  SimHost& host = any_host();
  if (!host.is_up()) return;
  if (random_.chance(plan_.fuse_ppm)) {
    const std::uint64_t calls = random_.below(40) + 1;
    host.disk().set_fuse(calls, [this, &host] {
      ++counts_["crashes between two calls"];
      world_.kill(host.process());
    });
  } else {
    end(host, draw_ending());
  }
}

void Nemesis::end(SimHost& host, Ending ending) {
  if (!host.is_up()) return;
  ++counts_[ending == Ending::killed ? "kills" : "losses of power"];
  host.end(ending);
  restart_later(host);
}

void Nemesis::take_disk_of(SimHost& host) {
  host.lose_disk();
  restart_later(host);
}

void Nemesis::restart_later(SimHost& host) {
  const Duration delay = draw_exponential(random_, plan_.restart_after);
  world_.after(delay, the_world, EventKind::world, 3, [this, &host] {
    if (!host.is_up()) restart(host);
  });
}

void Nemesis::restart(SimHost& host) {
  ++counts_["restarts"];
  if (!is_resting_ && random_.chance(plan_.fuse_ppm / 4)) {
    const std::uint64_t calls = random_.below(40) + 1;
    host.disk().set_fuse(calls, [this, &host] {
      ++counts_["crashes between two calls"];
      world_.kill(host.process());
    });
  }
  const Result<> started = host.start();
  if (started) return;
  judge(host, started.error());
  if (!is_resting_) restart_later(host);
}

// A host that the disk failed, or that crashed, may not start; any other refusal is a fault of ours.
void Nemesis::judge(const SimHost& host, const Error& refusal) {
  const bool is_expected =
      refusal.code == Code::stopped || refusal.code == Code::io || refusal.code == Code::no_space;
  if (is_expected && !is_resting_) return;
  refusals_.push_back(world_.name_of(host.id()) + " refused to start: " + refusal.text);
}

// What a host promises with a new term is lost only if the power goes before anything else is synced.
void Nemesis::watch_terms(SimHost& host) {
  if (is_resting_ || plan_.new_term_ppm == 0 || !host.is_up() || host.has_died()) return;
  raft::Term newest;
  for (const auto& [id, group] : host.host()->peers()) newest = std::max(newest, group->node().core().term());
  raft::Term& seen = terms_[host.id()];
  if (newest <= seen) return;
  seen = newest;
  if (!random_.chance(plan_.new_term_ppm)) return;
  const Duration soon = draw_between(random_, {}, Duration::milliseconds(20));
  world_.after(soon, the_world, EventKind::world, 6, [this, &host, process = host.process()] {
    if (!is_resting_ && host.is_up() && host.process() == process) end(host, Ending::power_lost);
  });
}

void Nemesis::tend(SimHost& host) {
  watch_terms(host);
  const bool has_failed = host.is_up() && !host.has_died() && host.host()->has_failed();
  if (!host.has_died() && !has_failed) return;
  if (std::find(ending_.begin(), ending_.end(), host.id()) != ending_.end()) return;
  ending_.push_back(host.id());
  if (has_failed) ++counts_["hosts that stopped at a failed disk"];
  if (has_failed && host.refusal()) judge(host, *host.refusal());
  world_.after({}, the_world, EventKind::world, 4, [this, &host] {
    std::erase(ending_, host.id());
    if (!host.is_up()) return;
    // A process that was killed between two calls may have lost its machine; one that failed has not.
    host.end(host.has_died() ? draw_ending() : Ending::killed);
    if (is_resting_) {
      restart(host);
    } else {
      restart_later(host);
    }
  });
}

void Nemesis::pause() {
  SimHost* host = random_.chance(300'000) ? leader() : nullptr;
  if (host == nullptr) host = &any_host();
  if (!host->is_up()) return;
  ++counts_["pauses"];
  const Duration length = draw_between(random_, Duration::milliseconds(10), plan_.pause_max);
  world_.narrate(host->id(), "is paused for " + std::to_string(length.to_milliseconds()) + "ms");
  world_.pause(host->id(), length);
}

void Nemesis::reset() { fabric_.reset_one(); }

void Nemesis::slow_disk() {
  SimHost& host = any_host();
  ++counts_["slow disks"];
  world_.narrate(host.id(), "has a slow disk");
  set_slowness(host, plan_.slow_disk_factor);
  const Duration length = draw_exponential(random_, plan_.slow_disk_length);
  world_.after(length, the_world, EventKind::world, 5, [&host] { set_slowness(host, 1); });
}

void Nemesis::full_disk() {
  SimHost& host = any_host();
  ++counts_["full disks"];
  world_.narrate(host.id(), "has a full disk");
  host.disk().set_full(true);
  const Duration length = draw_exponential(random_, plan_.full_disk_length);
  world_.after(length, the_world, EventKind::world, 7, [&host] { host.disk().set_full(false); });
}

}  // namespace zraft::sim
