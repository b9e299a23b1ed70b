// SPDX-License-Identifier: Apache-2.0
//
// See watch_client.h.
#include "sim/watch_client.h"

#include <algorithm>
#include <iterator>
#include <string_view>

#include "sim/draw.h"
#include "zraft/machines/kv_wire.h"

namespace zraft::sim {

namespace {

using What = client::Event::What;

client::Settings settings_of(const WatchClientOptions& options) {
  client::Settings settings{.hosts = options.hosts, .group = options.group, .name = "simulated watcher"};
  settings.attempt_timeout = options.timeout / 3;
  return settings;
}

bool is_watched(const node::Watchable& watchable, const Bytes& key) {
  return watchable.is_prefix ? std::string_view(key).starts_with(watchable.key) : key == watchable.key;
}

}  // namespace

WatchClient::Life::Life(World& world, Fabric& fabric, HostId host, const WatchClientOptions& options, Random random)
    : process(world.start(host, 0)),
      loop(world, process),
      network(fabric, process, world.name_of(host)),
      light(loop, network, settings_of(options), random) {}

WatchClient::WatchClient(World& world, Fabric& fabric, const SessionGhost& ghost, HostId id,
                         WatchClientOptions options)
    : world_(world), fabric_(fabric), ghost_(ghost), host_(id), options_(std::move(options)), random_(world.fork()) {}

WatchClient::~WatchClient() { leave(); }

void WatchClient::leave() {
  if (life_ == nullptr) return;
  world_.kill(life_->process);
  fabric_.on_end(life_->process, Ending::killed);
  life_.reset();
}

void WatchClient::expect(bool is_met, const std::string& law, const Watch& watch, const client::Event& event) {
  if (is_met) return;
  broken_.push_back(law + " (" + world_.name_of(host_) + ", a watch of " + watch.watchable.key +
                    (watch.watchable.is_prefix ? "*" : "") + " that was told all up to " + std::to_string(watch.after) +
                    ", at an event of index " + std::to_string(event.index.value) + ")");
}

const client::Watches& WatchClient::watches() const {
  return life_->session ? life_->session->watches() : *life_->watches;
}

node::SessionId WatchClient::session() const {
  if (life_ == nullptr || life_->session == nullptr) return {};
  const client::SessionState state = life_->session->state();
  const bool is_open = state == client::SessionState::connected || state == client::SessionState::suspended;
  return is_open ? life_->session->id() : node::SessionId{};
}

// --- lives ---

void WatchClient::come_up() {
  life_ = std::make_unique<Life>(world_, fabric_, host_, options_, random_.fork());
  if (options_.session_timeout == Duration{}) {
    life_->watches = std::make_unique<client::Watches>(life_->loop, life_->light, random_.fork());
  } else {
    open_session();
  }
  if (left_) watch(std::exchange(left_, std::nullopt));
  think();
}

void WatchClient::open_session() {
  client::SessionOptions options{.timeout = options_.session_timeout};
  life_->session = std::make_unique<client::Session>(life_->loop, life_->light, options, random_.fork());
}

void WatchClient::crash() {
  if (life_ == nullptr || is_calm_) return;
  ++counts_["watchers killed"];
  for (const auto& [id, watch] : all_) {
    if (!watch.is_persistent || !watch.is_set) continue;
    const auto position = watches().position(watch.number);
    check_position(watch, position);
    if (random_.chance(options_.resume_ppm)) left_ = position;
  }
  leave();
  all_.clear();
  // In the end it must be there again, and have time to be told of everything.
  const Duration away = std::min(draw_exponential(random_, options_.timeout), Duration::seconds(2));
  world_.after(away, the_world, EventKind::world, host_.value, [this] { come_up(); });
}

// --- what it does ---

void WatchClient::think() {
  const Duration pause = draw_exponential(random_, options_.think_mean);
  life_->loop.wake_at(life_->loop.now() + pause, [this] { act(); });
}

void WatchClient::act() {
  think();
  if (life_->session) {
    const client::SessionState state = life_->session->state();
    if (state == client::SessionState::expired || state == client::SessionState::closed) return open_session();
  }
  const std::uint64_t share = random_.below(1'000'000);
  const bool has_persistent = std::ranges::any_of(all_, [](const auto& one) { return one.second.is_persistent; });
  // In the end each has one, whatever waits for its only event.
  if (all_.size() < options_.watches_max || (is_calm_ && !has_persistent)) return watch(std::nullopt);
  if (is_calm_) return;
  if (share < options_.cancel_ppm) {
    auto victim = all_.begin();
    std::advance(victim, draw_index(random_, all_.size()));
    if (life_->session) {
      life_->session->cancel(victim->second.number);
    } else {
      life_->watches->cancel(victim->second.number);
    }
    all_.erase(victim);
    ++counts_["watches cancelled"];
  } else if (share < options_.cancel_ppm + options_.crash_ppm) {
    world_.after({}, the_world, EventKind::world, host_.value, [this] { crash(); });
  }
}

void WatchClient::watch(std::optional<client::WatchPosition> from) {
  using namespace machines;  // NOLINT: its language
  const std::uint64_t id = ++last_id_;
  Watch& watch = all_[id];
  watch.is_persistent = from || id % 2 == 1 || random_.chance(300'000);
  const Bytes& key = options_.keys[draw_index(random_, options_.keys.size())];
  const bool is_prefix = random_.chance(500'000);
  watch.watchable = {.key = is_prefix ? Bytes("k") : key, .is_prefix = is_prefix};
  watch.query = !is_prefix                ? encode(KvQuery(Get{key}))
                : random_.chance(300'000) ? encode(KvQuery(Count{.prefix = "k"}))
                                          : encode(KvQuery(Scan{.prefix = "k"}));
  client::WatchOptions options{.is_persistent = watch.is_persistent, .query = watch.query, .from = from};
  if (from) {
    watch.goes_on = true;
    watch.watchable = from->watchable.front();
    watch.after = from->after.value;
  }
  const Instant deadline = life_->loop.now() + options_.timeout;
  const auto told = [this, id](const client::Event& event) { on_event(id, event); };
  const client::WatchNumber number = life_->session ? life_->session->watch(std::move(options), deadline, told)
                                                    : life_->watches->watch(std::move(options), deadline, told);
  watch.number = number;
}

// --- what it is told ---

std::pair<std::uint64_t, std::vector<node::Change>> WatchClient::next_change(const Watch& watch) const {
  for (auto entry = ghost_.changes().upper_bound(watch.after); entry != ghost_.changes().end(); ++entry) {
    std::vector<node::Change> changes;
    for (const node::Change& change : entry->second) {
      if (is_watched(watch.watchable, change.key)) changes.push_back(change);
    }
    if (!changes.empty()) return {entry->first, std::move(changes)};
  }
  return {};
}

void WatchClient::on_event(std::uint64_t id, const client::Event& event) {
  world_.trace((event.index.value << 8) | static_cast<std::uint64_t>(event.what));
  const auto found = all_.find(id);
  if (found == all_.end()) {
    return expect(false, "I35: something was told to a watch that was over", {}, event);
  }
  Watch& watch = found->second;
  if (event.what == What::set) on_set(watch, event);
  if (event.what == What::changed) on_changed(watch, event);
  expect(event.is_last || event.what == What::set || watch.is_persistent, "I35: a watch for one event goes on", watch,
         event);
  if (watch.is_persistent && watch.is_set && !event.is_last) check_position(watch, watches().position(watch.number));
  if (!event.is_last) return;
  on_last(watch, event);
  all_.erase(found);
}

void WatchClient::on_set(Watch& watch, const client::Event& event) {
  ++counts_[watch.goes_on ? "watches that went on" : "watches set"];
  expect(!watch.is_set, "I33: a watch is set twice", watch, event);
  expect(event.index.value <= ghost_.applied(), "I37: a watch begins behind what is committed", watch, event);
  watch.is_set = true;
  if (watch.goes_on) return expect(event.index.value == watch.after, "I34: it goes on elsewhere", watch, event);
  watch.after = event.index.value;
  expect(event.data == ghost_.keys().answer_at(watch.after, watch.query),
         "I40: a watch begins with another answer than there was at its index", watch, event);
}

void WatchClient::on_changed(Watch& watch, const client::Event& event) {
  ++counts_["changes told"];
  const std::uint64_t index = event.index.value;
  expect(watch.is_set, "I33: an event comes before the watch is set", watch, event);
  expect(index > watch.after, "I35: an event comes out of order, or again", watch, event);
  expect(index <= ghost_.applied(), "I37: an event comes of what is not committed", watch, event);
  const auto [next, changes] = next_change(watch);
  expect(next == 0 || next >= index, "I34: a change is left out, that of index " + std::to_string(next), watch, event);
  expect(next == index, "I37: nothing was changed there by that entry", watch, event);
  if (next == index) {
    expect(event.changes == changes, "I36: these are not the changes of the entry, all, and in order", watch, event);
  }
  watch.after = std::max(watch.after, index);
}

// Where it would go on from may be beyond what it was told, if nothing that it watches was changed between.
void WatchClient::check_position(const Watch& watch, const std::optional<client::WatchPosition>& position) {
  if (!position) return;
  const std::uint64_t next = next_change(watch).first;
  expect(next == 0 || position->after.value < next,
         "I39: it stands at " + std::to_string(position->after.value) + ", and was not told of " + std::to_string(next),
         watch, {});
}

void WatchClient::on_last(const Watch& watch, const client::Event& event) {
  if (event.what == What::changed) {
    ++counts_["watches that ended with their event"];
    expect(!watch.is_persistent, "I34: a persistent watch ends with an event", watch, event);
  } else if (event.what == What::leader_changed) {
    ++counts_["watches that ended with their leader"];
    expect(!watch.is_persistent, "I34: a persistent watch ends with its leader", watch, event);
  } else {
    ++counts_["watches closed: " + std::string(name_of(event.error.code))];
    // Nothing else ends one that was set: it goes on with any leader.
    const bool may_end = !watch.is_set || !watch.is_persistent || event.error.code == Code::compacted ||
                         (life_->session && event.error.code == Code::session_expired);
    expect(may_end, "I38: a persistent watch is closed: " + event.error.text, watch, event);
  }
}

std::string WatchClient::state() const {
  std::string text = life_ == nullptr            ? "not there"
                     : life_->session == nullptr ? "of no session"
                                                 : "session " + std::to_string(life_->session->id().value) + ", " +
                                                       std::string(name_of(life_->session->state()));
  for (const auto& [id, watch] : all_) {
    text += std::string(", ") + (watch.is_persistent ? "persistent" : "one-shot") + (watch.is_set ? "" : ", not set") +
            ", told all up to " + std::to_string(watch.after) + ", next is " + std::to_string(next_change(watch).first);
  }
  return text + (has_seen_all() ? "" : " (has not seen all)");
}

bool WatchClient::has_seen_all() const {
  if (life_ == nullptr) return false;
  bool has_one = false;
  for (const auto& [id, watch] : all_) {
    if (!watch.is_persistent) continue;
    if (!watch.is_set || next_change(watch).first != 0) return false;
    has_one = true;
  }
  return has_one;
}

}  // namespace zraft::sim
