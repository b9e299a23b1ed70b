// SPDX-License-Identifier: Apache-2.0
//
// See world.h. The queue is a heap of (time, order, event); the events themselves lie in slots that are used again,
// so that cancelling one is freeing its slot. An event's id holds its slot and a number that is never used again.
#include "sim/world.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <set>
#include <utility>

#include "zraft/base/check.h"

namespace zraft::sim {

namespace {

__extension__ using Wide = __int128;

// No process waits longer than this; keeps `never` and its like from overflowing.
constexpr Duration far_future = Duration::seconds(std::int64_t{10} * 365 * 86'400);

Instant shown_after(Instant local_start, Duration passed, std::int64_t drift_ppm) {
  const auto gained = static_cast<std::int64_t>((static_cast<Wide>(passed.ns) * drift_ppm) / 1'000'000);
  return local_start + passed + Duration{gained};
}

}  // namespace

HostId World::add_host(std::string name) {
  Host added;
  added.name = std::move(name);
  hosts_.push_back(std::move(added));
  return {static_cast<std::uint32_t>(hosts_.size())};
}

World::Host& World::host(HostId id) {
  CHECK(id.value >= 1 && id.value <= hosts_.size(), "no such host");
  return hosts_[id.value - 1];
}

const World::Host& World::host(HostId id) const {
  CHECK(id.value >= 1 && id.value <= hosts_.size(), "no such host");
  return hosts_[id.value - 1];
}

const std::string& World::name_of(HostId id) const {
  static const std::string world_name = "world";
  return id == the_world.host ? world_name : host(id).name;
}

Process World::start(HostId id, std::int64_t drift_ppm) {
  Host& started = host(id);
  CHECK(!started.is_running, "a process runs on that host already");
  started.is_running = true;
  started.paused_until = now_;
  ++started.run;
  started.drift_ppm = drift_ppm;
  started.started = now_;
  started.local_start = {random_.between(1, Duration::seconds(1'000'000).ns)};
  return {id, started.run};
}

void World::kill(Process process) {
  if (!is_alive(process)) return;
  Host& killed = host(process.host);
  killed.is_running = false;
  killed.held.clear();
  std::vector<Task> dropped;  // destroyed at the end, because their destructors may come back here
  for (Slot& slot : slots_) {
    if (slot.id != 0 && slot.owner == process) dropped.push_back(release(slot));
  }
}

bool World::is_alive(Process process) const {
  if (process == the_world) return true;
  const Host& asked = host(process.host);
  return asked.is_running && asked.run == process.run;
}

void World::pause(HostId id, Duration length) {
  Host& paused = host(id);
  paused.paused_until = std::max(paused.paused_until, now_ + length);
  after(length, the_world, EventKind::world, id.value, [this, id] {
    if (!is_paused(id)) catch_up(id);
  });
}

std::uint64_t World::source_of(const Entry& entry) {
  const Slot* slot = slot_of(entry.id);
  if (slot == nullptr) return 0;  // cancelled meanwhile
  const std::uint64_t link = slot->kind == EventKind::frame ? slot->detail >> 32 : 0;
  return (link << 8) | static_cast<std::uint64_t>(slot->kind);
}

// Some of the first entries of one source, which are taken out.
std::vector<World::Entry> World::draw_gulp(std::vector<Entry>& held) {
  std::erase_if(held, [this](const Entry& entry) { return slot_of(entry.id) == nullptr; });
  if (held.empty()) return {};
  std::set<std::uint64_t> sources;
  for (const Entry& entry : held) sources.insert(source_of(entry));
  const std::uint64_t source = *std::next(sources.begin(), static_cast<std::ptrdiff_t>(random_.below(sources.size())));
  const std::uint64_t size = 1 + random_.below(held.size());
  std::vector<Entry> gulp;
  std::erase_if(held, [&](const Entry& entry) {
    if (source_of(entry) != source || gulp.size() == size) return false;
    gulp.push_back(entry);
    return true;
  });
  return gulp;
}

void World::catch_up(HostId id) {
  if (is_paused(id)) return;
  const std::vector<Entry> gulp = draw_gulp(host(id).held);
  if (gulp.empty()) return;
  const Duration busy = Duration::microseconds(random_.between(1, 50));
  host(id).paused_until = now_ + busy;
  after(busy, the_world, EventKind::world, id.value, [this, id] { catch_up(id); });
  for (const Entry& entry : gulp) {
    if (Slot* slot = slot_of(entry.id); slot != nullptr) perform(*slot);
  }
}

void World::resume(HostId id) {
  Host& resumed = host(id);
  resumed.paused_until = now_;
  const std::vector<Entry> held = std::exchange(resumed.held, {});
  for (const Entry& entry : held) push(now_, entry.id);
}

bool World::is_paused(HostId id) const { return id != the_world.host && now_ < host(id).paused_until; }

Instant World::local_now(Process process) const {
  const Host& asked = host(process.host);
  return shown_after(asked.local_start, now_ - asked.started, asked.drift_ppm);
}

Instant World::true_time(Process process, Instant local) const {
  const Host& asked = host(process.host);
  const Duration shown = std::min(local - asked.local_start, far_future);
  if (local <= asked.local_start) return asked.started;
  const auto guess = (static_cast<Wide>(shown.ns) * 1'000'000) / (1'000'000 + asked.drift_ppm);
  Duration passed{static_cast<std::int64_t>(guess)};
  const Instant wanted = asked.local_start + shown;
  while (shown_after(asked.local_start, passed, asked.drift_ppm) < wanted) ++passed.ns;
  return asked.started + passed;
}

EventId World::at(Instant when, Process owner, EventKind kind, std::uint64_t detail, Task task) {
  if (!is_alive(owner)) return {};
  if (free_slots_.empty()) {
    free_slots_.push_back(slots_.size());
    slots_.emplace_back();
    CHECK(slots_.size() < (std::size_t{1} << slot_bits), "too many events at once");
  }
  const std::size_t index = free_slots_.back();
  free_slots_.pop_back();
  Slot& slot = slots_[index];
  slot.id = (next_event_++ << slot_bits) | index;
  slot.owner = owner;
  slot.kind = kind;
  slot.detail = detail;
  slot.task = std::move(task);
  push(std::max(when, now_), slot.id);
  return {slot.id};
}

EventId World::after(Duration delay, Process owner, EventKind kind, std::uint64_t detail, Task task) {
  return at(now_ + delay, owner, kind, detail, std::move(task));
}

void World::cancel(EventId event) {
  Slot* slot = slot_of(event.value);
  if (slot == nullptr) return;
  const Task dropped = release(*slot);
}

World::Slot* World::slot_of(std::uint64_t id) {
  if (id == 0) return nullptr;
  const std::size_t index = id & ((std::uint64_t{1} << slot_bits) - 1);
  if (index >= slots_.size() || slots_[index].id != id) return nullptr;
  return &slots_[index];
}

Task World::release(Slot& slot) {
  free_slots_.push_back(static_cast<std::size_t>(&slot - slots_.data()));
  slot.id = 0;
  return std::exchange(slot.task, {});
}

bool World::runs_later(const Entry& a, const Entry& b) {
  return a.when != b.when ? b.when < a.when : b.order < a.order;
}

void World::push(Instant when, std::uint64_t id) {
  queue_.push_back({when, next_order_++, id});
  std::push_heap(queue_.begin(), queue_.end(), runs_later);
}

World::Entry World::pop() {
  std::pop_heap(queue_.begin(), queue_.end(), runs_later);
  const Entry entry = queue_.back();
  queue_.pop_back();
  return entry;
}

bool World::run_one(Instant end) {
  while (!queue_.empty() && !(end < queue_.front().when)) {
    const Entry entry = pop();
    Slot* slot = slot_of(entry.id);
    if (slot == nullptr) continue;  // cancelled, or its owner was killed
    now_ = entry.when;
    if (is_paused(slot->owner.host)) {
      host(slot->owner.host).held.push_back(entry);
      continue;
    }
    perform(*slot);
    return true;
  }
  return false;
}

void World::perform(Slot& slot) {
  trace(static_cast<std::uint64_t>(now_.ns));
  trace((static_cast<std::uint64_t>(slot.owner.host.value) << 32) | slot.owner.run);
  trace((slot.id >> slot_bits << 8) | static_cast<std::uint64_t>(slot.kind));
  trace(slot.detail);
  ++events_;
  const HostId host = slot.owner.host;
  Task task = release(slot);  // before it runs, so that it may schedule, cancel and kill as it likes
  task();
  if (onlooker_ && host != the_world.host) onlooker_(host);
}

void World::run_until(Instant end) {
  while (run_one(end)) {
  }
  now_ = std::max(now_, end);
}

void World::trace(std::string_view text) {
  trace(text.size());
  std::uint64_t word = 0;
  std::size_t in_word = 0;
  for (const char c : text) {
    word = (word << 8) | static_cast<unsigned char>(c);
    if (++in_word == 8) {
      trace(word);
      word = 0;
      in_word = 0;
    }
  }
  trace(word);
}

void World::narrate(HostId id, std::string_view text) {
  if (!narrator_) return;
  char stamp[48];
  std::snprintf(stamp, sizeof stamp, "[%8lld.%03lldms] ", static_cast<long long>(now_.ns / 1'000'000),
                static_cast<long long>(now_.ns / 1'000 % 1'000));
  std::string line = stamp;
  line.append(name_of(id)).append(": ").append(text);
  narrator_(line);
}

void SimLoop::post(Task task) { world_.at(world_.now(), process_, EventKind::task, 0, std::move(task)); }

node::TimerId SimLoop::wake_at(Instant when, Task task) {
  if (!world_.is_alive(process_)) return {};
  return {world_.at(world_.true_time(process_, when), process_, EventKind::timer, 0, std::move(task)).value};
}

}  // namespace zraft::sim
