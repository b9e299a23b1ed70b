// SPDX-License-Identifier: Apache-2.0
//
// The small world around the cores. Ties in time are broken by the order of scheduling, timers come last and by id.
#include "test/raft/core_cluster.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>

#include "zraft/base/check.h"

namespace zraft::raft {
namespace {

constexpr std::array<std::string_view, std::variant_size_v<Body>> kinds = {
    "request_pre_vote", "pre_vote", "request_vote", "vote", "append", "appended", "append_rejected",
    "heartbeat", "heartbeat_reply", "stale_term", "timeout_now", "removed",
    "request_read_index", "read_index", "offer_snapshot"};

}  // namespace

std::string_view kind_of(const Message& message) { return kinds[message.body.index()]; }

Membership voters_up_to(std::uint64_t n) {
  std::vector<raft::Member> members;
  for (std::uint64_t id = 1; id <= n; ++id) members.push_back({{id}, "n" + std::to_string(id) + "@test:1"});
  return membership_of(std::move(members));
}

Membership with_removed(Membership membership, std::vector<NodeId> removed) {
  membership.removed = std::move(removed);
  return membership;
}

CoreCluster::CoreCluster(Options options, Watcher watcher)
    : options_(std::move(options)),
      watcher_(std::move(watcher)),
      laws_([this](NodeId id) -> const DurableState& { return members_.at(id).disk; }) {
  for (const auto& member : options_.membership.members) members_[member.id].disk.log.push_back(bootstrap({1}));
  for (const NodeId id : ids()) start(id);
}

Record CoreCluster::bootstrap(Term term) const {
  Bytes payload;
  encode(options_.membership, payload);
  return Record::make(options_.config.group, {term, {1}}, EntryType::membership, {}, payload);
}

void CoreCluster::set_log(NodeId id, const std::vector<std::uint64_t>& terms, HardState hard_state) {
  Member& member = members_.at(id);
  member.disk = {.hard_state = hard_state, .log = {bootstrap({terms.at(0)})}};
  for (std::size_t i = 1; i < terms.size(); ++i) {
    const Position position{{terms[i]}, {i + 1}};
    const std::string text = std::to_string(terms[i]) + "^" + std::to_string(i + 1);
    member.disk.log.push_back(Record::make(options_.config.group, position, EntryType::command, {}, text));
  }
  crash(id);
  start(id);
}

std::vector<NodeId> CoreCluster::ids() const {
  std::vector<NodeId> out;
  for (const auto& [id, member] : members_) out.push_back(id);
  return out;
}

std::optional<NodeId> CoreCluster::leader() const {
  std::optional<NodeId> best;
  for (const auto& [id, member] : members_) {
    if (!member.core || !member.core->is_leader()) continue;
    if (!best || core(*best).term() < member.core->term()) best = id;
  }
  return best;
}

std::uint64_t CoreCluster::sent(std::string_view kind) const {
  const auto found = sent_.find(kind);
  return found == sent_.end() ? 0 : found->second;
}

// --- time ---

void CoreCluster::schedule(Instant at, Action action) { queue_[{at, ++order_}] = std::move(action); }

void CoreCluster::advance(Duration duration) { run_until(now_ + duration, std::nullopt); }

void CoreCluster::campaign(NodeId id) { run_until(std::max(now_, core(id).deadline()), id); }

void CoreCluster::run_timers(NodeId id, bool do_run) { members_.at(id).timers_run = do_run; }

void CoreCluster::run_until(Instant end, std::optional<NodeId> only_timer_of) {
  for (;;) {
    Instant timer = Instant::never();
    NodeId whose;
    for (const auto& [id, member] : members_) {
      const bool runs = only_timer_of ? id == *only_timer_of : member.timers_run;
      if (!member.core || !runs || timer <= member.core->deadline()) continue;
      timer = std::max(now_, member.core->deadline());
      whose = id;
    }
    const Instant queued = queue_.empty() ? Instant::never() : queue_.begin()->first.first;
    if (end < std::min(timer, queued)) break;
    now_ = std::min(timer, queued);
    if (queued <= timer) {
      const Action action = std::move(queue_.begin()->second);
      queue_.erase(queue_.begin());
      action();
    } else {
      step(whose, {Tick{}});
      if (only_timer_of) return;
    }
  }
  now_ = std::max(now_, end);
}

// --- members ---

void CoreCluster::start(NodeId id) {
  Member& member = members_.at(id);
  Config config = options_.config;
  config.self = id;
  config.seed = options_.config.seed * 1000 + id.value * 10 + member.starts++;
  config.check_laws = true;
  Recovered recovered{.hard_state = member.disk.hard_state,
                      .base = member.disk.base,
                      .entries = member.disk.log,
                      .snapshot = member.disk.snapshot,
                      .applied = {}};
  CHECK(check(recovered).has_value(), check(recovered).error().text);
  member.applied = member.disk.state;
  member.is_fetching = false;
  member.core.emplace(std::move(config), std::move(recovered), now_);
  laws_.on_start(*member.core);
  drain(id);
}

void CoreCluster::join(NodeId id) {
  const bool is_new = members_.try_emplace(id).second;
  CHECK(is_new, "a member joins once");
  start(id);
}

void CoreCluster::reconfigure(NodeId id, Membership wanted) {
  const Index expected = core(id).log().membership_index();
  step(id, {Reconfigure{{++last_request_}, expected, std::move(wanted)}});
}

void CoreCluster::transfer(NodeId id, std::optional<NodeId> target) {
  step(id, {Transfer{{++last_request_}, target}});
}

void CoreCluster::crash(NodeId id) {
  Member& member = members_.at(id);
  member.core.reset();
  member.writes.clear();
}

void CoreCluster::restart(NodeId id) {
  crash(id);
  start(id);
}

void CoreCluster::step(NodeId id, std::vector<Input> inputs) {
  Member& member = members_.at(id);
  if (!member.core) return;
  for (Input& input : inputs) member.core->step(now_, std::move(input));
  drain(id);
}

void CoreCluster::propose(NodeId id, const std::vector<std::string>& commands) {
  std::vector<Input> inputs;
  for (const std::string& command : commands) inputs.emplace_back(Propose{{++last_request_}, command});
  step(id, std::move(inputs));
}

void CoreCluster::read(NodeId id, std::uint64_t count) {
  std::vector<Input> inputs;
  for (; count > 0; --count) {
    inputs.emplace_back(ReadBarrier{{++last_request_}});
    laws_.on_read(id, {last_request_});
  }
  step(id, std::move(inputs));
}

void CoreCluster::drain(NodeId id) {
  Member& member = members_.at(id);
  do {
    const Output output = member.core->take_output();
    laws_.on_output(*member.core, output);
    for (const std::string& what : laws_.take_broken()) ADD_FAILURE() << what;
    perform(id, output);
  } while (member.core->has_more());
}

void CoreCluster::perform(NodeId id, const Output& output) {
  Member& member = members_.at(id);
  if (watcher_.on_output) watcher_.on_output(id, output);
  for (const Message& message : output.send) send(message);
  for (const Answer& answer : output.answers) answers_.emplace_back(id, answer);
  if (output.write) {
    member.writes.push_back(*output.write);
    schedule_write(id, output.write->id);
  }
  for (const Record& record : output.apply) {
    if (record.type() == EntryType::command) member.applied.emplace_back(record.payload());
  }
  if (!output.apply.empty()) member.core->step(now_, Applied{output.apply.back().index()});
  if (output.fetch) fetch(id, output.fetch->from);
}

// --- disks ---

void CoreCluster::snapshot(NodeId id) {
  const Member& member = members_.at(id);
  const SnapshotMeta meta = member.core->log().meta_at(member.core->applied());
  schedule(now_ + options_.disk, [this, id, meta, starts = member.starts, state = member.applied] {
    Member& then = members_.at(id);
    if (then.starts != starts || !then.core) return;
    if (then.disk.snapshot.last.index < meta.last.index) {
      then.disk.snapshot = meta;
      then.disk.state = state;
    }
    step(id, {SnapshotSaved{meta}});
  });
}

void CoreCluster::fetch(NodeId id, NodeId from) {
  Member& member = members_.at(id);
  if (std::exchange(member.is_fetching, true)) return;
  schedule(now_ + options_.transfer, [this, id, from, starts = member.starts] {
    Member& then = members_.at(id);
    if (then.starts != starts || !then.core) return;
    then.is_fetching = false;
    if (members_.at(from).core && !cuts_.contains({from, id})) install(id, from);
  });
}

void CoreCluster::install(NodeId id, NodeId from) {
  Member& member = members_.at(id);
  const DurableState& source = members_.at(from).disk;
  if (source.snapshot.last.index <= member.core->applied()) return;
  member.disk.snapshot = source.snapshot;
  member.disk.state = source.state;
  member.applied = source.state;
  laws_.on_installed(*member.core, source.snapshot.last);
  step(id, {SnapshotInstalled{source.snapshot}});
}

void CoreCluster::hold_writes(NodeId id) { members_.at(id).writes_are_held = true; }

void CoreCluster::release_writes(NodeId id) {
  Member& member = members_.at(id);
  member.writes_are_held = false;
  for (const Write& write : member.writes) schedule_write(id, write.id);
}

void CoreCluster::schedule_write(NodeId id, WriteId write) {
  const std::uint64_t starts = members_.at(id).starts;
  schedule(now_ + options_.disk, [this, id, write, starts] {
    if (members_.at(id).starts == starts) complete_write(id, write);
  });
}

void CoreCluster::complete_write(NodeId id, WriteId which) {
  Member& member = members_.at(id);
  if (member.writes_are_held || member.writes.empty() || member.writes.front().id != which) return;
  const Write write = std::move(member.writes.front());
  member.writes.pop_front();
  DurableState& disk = member.disk;
  if (write.hard_state) disk.hard_state = *write.hard_state;
  const auto drop = [&disk](auto is_gone) {
    std::erase_if(disk.log, [&](const Record& record) { return is_gone(record.index()); });
  };
  if (write.truncate_from) drop([&](Index index) { return *write.truncate_from <= index; });
  if (write.base) {
    drop([&](Index index) { return index <= write.base->last.index; });
    disk.base = *write.base;
  }
  for (const Record& record : write.entries) {
    const Index last = disk.log.empty() ? disk.base.last.index : disk.log.back().index();
    CHECK(record.index() == next(last), "a write leaves a gap in the log, or overwrites");
    disk.log.push_back(record);
  }
  step(id, {Written{which}});
}

// --- the network ---

void CoreCluster::partition(const std::vector<std::vector<std::uint64_t>>& sides) {
  cuts_.clear();
  const auto side_of = [&](NodeId id) {
    return std::ranges::find_if(
        sides, [id](const auto& side) { return std::ranges::find(side, id.value) != side.end(); });
  };
  for (const NodeId a : ids()) {
    for (const NodeId b : ids()) {
      if (a != b && side_of(a) != side_of(b)) cuts_.insert({a, b});
    }
  }
}

void CoreCluster::cut(NodeId from, NodeId to) { cuts_.insert({from, to}); }

void CoreCluster::heal() {
  cuts_.clear();
  rules_.clear();
}

void CoreCluster::send(const Message& message) {
  ++sent_[std::string(kind_of(message))];
  Instant arrives = now_ + options_.network;
  for (Rule& rule : rules_) {
    const bool matches = rule.times > 0 && (rule.message.empty() || rule.message == kind_of(message)) &&
                         (rule.from.value == 0 || rule.from == message.from) &&
                         (rule.to.value == 0 || rule.to == message.to);
    if (!matches) continue;
    --rule.times;
    if (rule.kind == Rule::Kind::drop) {
      if (watcher_.on_dropped) watcher_.on_dropped(message);
      return;
    }
    if (rule.kind == Rule::Kind::duplicate) {
      schedule(arrives + rule.by, [this, message] { deliver(message); });
    } else {
      arrives = arrives + rule.by;
    }
    break;
  }
  schedule(arrives, [this, message] { deliver(message); });
}

// A cut also takes what is under way.
void CoreCluster::deliver(const Message& message) {
  const auto to = members_.find(message.to);
  if (to == members_.end() || !to->second.core) return;
  if (cuts_.contains({message.from, message.to})) return;
  step(message.to, {Receive{message}});
}

}  // namespace zraft::raft
