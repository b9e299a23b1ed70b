// SPDX-License-Identifier: Apache-2.0
//
// The pump. The order in which an output's parts are performed is free (raft/output.h); sends go first, so that the
// followers' disks and this one work at the same time.
#include "zraft/node/node.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"

namespace zraft::node {
namespace {

// How often requests whose time is over are looked for, while any are under way.
constexpr Duration sweep_interval = Duration::milliseconds(50);

Reply refusal(Code code, std::string text, std::optional<raft::NodeId> leader = std::nullopt) {
  return {.error = {code, std::move(text)}, .data = {}, .leader = leader};
}

Reply refusal_of(const raft::Refused& refused, const raft::Config& config) {
  switch (refused.code) {
    case Code::busy:
      return refusal(Code::busy, "the log holds as much as its limits allow (uncommitted_bytes_max, log_bytes_max, "
                                 "reads_max): try again later");
    case Code::too_large:
      return refusal(Code::too_large,
                     "the command is longer than " + std::to_string(config.command_bytes_max) + " bytes");
    case Code::not_stable:
      return refusal(Code::not_stable,
                     "the leader is new, is handing over, or hears too few of those that would vote: try "
                     "again in a moment");
    case Code::process_prev_change:
      return refusal(Code::process_prev_change, "another change of members is under way: try again when it is done");
    case Code::newer_exists:
      return refusal(Code::newer_exists, "there are newer members than those you know: look at them and decide again");
    case Code::peers_changed:
      return refusal(Code::peers_changed, "the members are others than you believe: look at them and decide again");
    case Code::leader_changed:
      return refusal(Code::leader_changed, "another leader came meanwhile: look whether it came about");
    case Code::bad_request:
      return refusal(Code::bad_request,
                     "that is no membership a group can have (or it names again whom it once removed), or no member "
                     "that can lead");
    case Code::timeout:
      return refusal(Code::timeout, "no other member took over within an election timeout; this one goes on leading");
    default:
      return refusal(refused.code, "this member does not lead its group: ask the leader", refused.leader);
  }
}

}  // namespace

Node::Node(Seams seams, Options options, raft::Recovered recovered)
    : seams_(seams),
      sync_mode_(options.sync_mode),
      requests_max_(options.requests_max),
      core_(options.core, std::move(recovered), seams.loop.now()),
      driver_({.loop = seams.loop, .worker = seams.worker, .snapshots = seams.snapshots, .machine = seams.machine},
              *this, options.snapshots, options.core.group, core_.applied(), core_.snapshot().last.index) {
  want_turn();
}

Node::~Node() {
  seams_.loop.cancel(timer_);
  seams_.loop.cancel(sweep_timer_);
}

// --- what others ask of it ---

void Node::receive(raft::Message message) {
  if (stopped_) return;
  // A word that ends the heartbeats counts only if somebody else watches the sender from then on.
  const bool is_watched = seams_.transport.heard(message.from).has_value();
  if (auto* heartbeat = std::get_if<raft::Heartbeat>(&message.body)) heartbeat->may_quiesce &= is_watched;
  if (auto* reply = std::get_if<raft::HeartbeatReply>(&message.body)) reply->quiesces &= is_watched;
  inputs_.emplace_back(raft::Receive{std::move(message)});
  want_turn();
}

void Node::wake() {
  if (stopped_ || !core_.is_quiesced()) return;
  inputs_.emplace_back(raft::Wake{});
  want_turn();
}

void Node::propose(raft::EntryType type, Bytes data, Instant deadline, Done done) {
  if (Result<> admitted = driver_.admit(type, data); !admitted) {
    Reply reply = refusal(admitted.error().code, std::move(admitted.error().text));
    seams_.loop.post([done = std::move(done), reply = std::move(reply)]() mutable { done(std::move(reply)); });
    return;
  }
  const raft::RequestId id = ask({.done = std::move(done), .deadline = deadline, .query = {}, .term = {}});
  if (id.value != 0) inputs_.emplace_back(raft::Propose{id, std::move(data), type});
}

void Node::query(Bytes data, ReadMode mode, Instant deadline, Done done, Duration staleness_max) {
  Asked asked{.done = std::move(done),
              .deadline = deadline,
              .query = std::move(data),
              .term = {},
              .is_read = true,
              .staleness_max = {},
              .since = seams_.loop.now()};
  if (mode == ReadMode::bounded) {
    if (seen_ && asked.since - seen_->since <= staleness_max) {
      if (!admits(asked)) return;
      asked.staleness_max = staleness_max;
      asked.since = seen_->since;
      reads_.emplace(seen_->index, std::move(asked));
      return want_turn();
    }
  }
  if (mode == ReadMode::stale) {
    if (!admits(asked)) return;
    // Not before this call returns: through the queue of what waits for an index that is applied already.
    reads_.emplace(core_.applied(), std::move(asked));
    want_turn();
    return;
  }
  const raft::RequestId id = ask(std::move(asked));
  const raft::ReadFrom from = mode == ReadMode::lease      ? raft::ReadFrom::lease
                              : mode == ReadMode::follower || mode == ReadMode::bounded
                                 ? raft::ReadFrom::anywhere
                                                           : raft::ReadFrom::leader;
  if (id.value != 0) inputs_.emplace_back(raft::ReadBarrier{id, from});
}

void Node::reconfigure(raft::Index expected, raft::Membership wanted, Instant deadline, Done done) {
  const raft::RequestId id = ask({.done = std::move(done), .deadline = deadline, .query = {}, .term = {}});
  if (id.value != 0) inputs_.emplace_back(raft::Reconfigure{id, expected, std::move(wanted)});
}

void Node::transfer(std::optional<raft::NodeId> target, Instant deadline, Done done) {
  const raft::RequestId id = ask({.done = std::move(done), .deadline = deadline, .query = {}, .term = {}});
  if (id.value != 0) inputs_.emplace_back(raft::Transfer{id, target});
}

// False: refused, and told so.
bool Node::admits(Asked& asked) {
  std::optional<Reply> refused;
  if (stopped_) {
    refused = refusal(Code::stopped, stopped_->text);
  } else if (asked_.size() + accepted_.size() + reads_.size() + driver_.questions() >= requests_max_) {
    refused = refusal(Code::busy, "too many requests are under way (requests_max): try again later");
  }
  if (!refused) return true;
  seams_.loop.post([done = std::move(asked.done), reply = std::move(*refused)]() mutable { done(std::move(reply)); });
  return false;
}

// Notes who asked. An id of 0: refused, and told so.
raft::RequestId Node::ask(Asked asked) {
  if (!admits(asked)) return {};
  const raft::RequestId id{++last_request_};
  asked_.emplace(id, std::move(asked));
  want_turn();
  arm_sweep();
  return id;
}

// --- the turn ---

void Node::want_turn() {
  if (turn_is_wanted_ || stopped_) return;
  turn_is_wanted_ = true;
  seams_.loop.post([this, life = lifetime_.watch()] {
    if (!life.is_over()) turn();
  });
}

// Whoever was quiesced has heard of nobody, but the transport has.
void Node::give(Instant now, raft::Input input) {
  if (core_.is_quiesced()) {
    raft::Heard heard;
    for (const raft::Member& member : core_.membership().members) {
      const std::optional<Instant> when = seams_.transport.heard(member.id);
      if (when) heard.members.emplace_back(member.id, std::min(*when, now));
    }
    core_.step(now, std::move(heard));
  }
  core_.step(now, std::move(input));
}

void Node::turn() {
  turn_is_wanted_ = false;
  if (stopped_) return;
  const Instant now = seams_.loop.now();
  for (raft::Input& input : std::exchange(inputs_, {})) give(now, std::move(input));
  if (core_.deadline() <= now) core_.step(now, raft::Tick{});
  perform(core_.take_output());
  if (stopped_) return;
  answer_reads();
  if (core_.has_more()) want_turn();
  arm_timer();
}

void Node::perform(raft::Output output) {
  if (output.membership_changed) seams_.transport.connect(core_.reachable());
  for (raft::Message& message : output.send) seams_.transport.send(std::move(message));
  if (output.write) start(std::move(*output.write));
  for (const raft::Event& event : output.events) seams_.observer.on_event(event);
  for (const raft::Answer& answer : output.answers) take(answer);
  if (output.fetch && !stopped_) fetch(*output.fetch);
  is_performing_ = true;
  driver_.feed(output.apply);
  is_performing_ = false;
  const bool is_removed = std::ranges::any_of(
      output.events, [](const raft::Event& event) { return event.kind == raft::Event::Kind::is_removed; });
  if (is_removed && !stopped_) seams_.observer.on_removed();
}

void Node::start(raft::Write write) {
  const bool may_be_buffered = sync_mode_ == SyncMode::dirty ||
                               (sync_mode_ == SyncMode::leader_dirty && core_.is_leader());
  const bool is_buffered = may_be_buffered && !write.hard_state;
  const raft::WriteId id = write.id;
  seams_.log.write(std::move(write), is_buffered ? Durability::buffered : Durability::durable,
                   [this, id, life = lifetime_.watch()](const Result<>& written) {
                     if (life.is_over() || stopped_) return;
                     if (!written) return stop(written.error());
                     inputs_.emplace_back(raft::Written{id});
                     want_turn();
                   });
}

// --- what the driver tells ---

void Node::on_applied(const raft::Record& record, Outcome outcome) {
  seams_.observer.on_applied(
      record, {.result = {}, .refusal = {}, .changes = std::move(outcome.changes), .ended = outcome.ended});
  settle(record.index(), record.term(), std::move(outcome));
}

void Node::on_applied_to(raft::Index index) {
  core_.step(seams_.loop.now(), raft::Applied{index});
  if (!is_performing_) want_turn();
}

void Node::on_saved(const raft::SnapshotMeta& meta) {
  give(seams_.loop.now(), raft::SnapshotSaved{meta});
  want_turn();
}

// At once, before anything behind it is applied.
void Node::on_restored(const raft::SnapshotMeta& meta) {
  give(seams_.loop.now(), raft::SnapshotInstalled{meta});
  seams_.observer.on_installed(meta);
  while (!accepted_.empty() && accepted_.begin()->first <= meta.last.index) {
    auto asked = accepted_.extract(accepted_.begin());
    asked.mapped().done(refusal(Code::timeout_unknown_outcome,
                                "this member got a snapshot in place of that part of the log: the write may or may "
                                "not be applied"));
  }
  want_turn();
}

void Node::on_broken(const Error& why) { stop(why); }

void Node::on_snapshot_failed(const Error& why, Duration again) { seams_.observer.on_snapshot_failed(why, again); }

std::size_t Node::log_bytes_between(raft::Index first, raft::Index last) const {
  const raft::LogWindow& log = core_.log();
  return log.bytes_after(std::max(first, log.base().last.index)) - log.bytes_after(last);
}

void Node::fetch(const raft::Fetch& wanted) {
  if (driver_.is_installing()) return;
  seams_.snapshots.fetch(wanted, [this, life = lifetime_.watch()](Result<raft::SnapshotMeta> fetched) {
    if (life.is_over() || stopped_) return;
    // The leader offers it again, as long as it is needed.
    if (!fetched) return seams_.observer.on_snapshot_failed(fetched.error(), {});
    driver_.install(*fetched);
  });
}

void Node::save_snapshot(Driver::Saved done) {
  if (stopped_) {
    seams_.loop.post([done = std::move(done), why = *stopped_]() mutable { done(std::unexpected(why)); });
    return;
  }
  driver_.save_now(std::move(done));
}

void Node::free_log(raft::Index index) {
  if (stopped_) return;
  give(seams_.loop.now(), raft::FreeLog{index});
  want_turn();
  if (core_.snapshot().last.index < index) driver_.save_now([](const Result<raft::SnapshotMeta>&) {});
}

void Node::look_at_sessions(std::move_only_function<void(ClusterTime now, Sessions)> then) {
  const auto now = core_.cluster_time(seams_.loop.now());
  if (!now || stopped_) return;
  driver_.look_at_sessions(*now, [now = *now, then = std::move(then)](Sessions sessions) mutable {
    then(now, std::move(sessions));
  });
}

void Node::replace_snapshot() {
  if (!stopped_) driver_.replace();
}

// --- settling ---

// Whoever proposed for that index learns what became of it: an entry of another term, committed there, means that his
// never was applied and never will be. Before that nobody can know: an entry that was overwritten here may still be
// committed by a member that has it (P43). So two of this node's own may wait for one index.
void Node::settle(raft::Index index, raft::Term term, Outcome outcome) {
  while (!accepted_.empty() && accepted_.begin()->first <= index) {
    auto asked = accepted_.extract(accepted_.begin());
    const bool is_his = asked.key() == index && asked.mapped().term == term;
    if (is_his) {
      asked.mapped().done({.error = std::move(outcome.refusal), .data = std::move(outcome.result), .leader = {}});
    } else {
      asked.mapped().done(refusal(Code::not_leader, "another leader took the place in the log; it was not applied",
                                  core_.leader()));
    }
  }
}

// --- answers ---

void Node::take(const raft::Answer& answer) {
  const raft::RequestId id = std::visit([](const auto& any) { return any.id; }, answer);
  auto found = asked_.extract(id);
  if (found.empty()) return;  // its time was over
  Asked& asked = found.mapped();
  if (const auto* accepted = std::get_if<raft::Accepted>(&answer)) {
    asked.term = accepted->position.term;
    accepted_.emplace(accepted->position.index, std::move(asked));
  } else if (const auto* ready = std::get_if<raft::ReadReady>(&answer)) {
    asked.by_lease = ready->by_lease;
    // A lease trusts clocks; what others confirmed does not.
    if (!asked.by_lease && (!seen_ || seen_->since < asked.since)) seen_ = Seen{asked.since, ready->index};
    reads_.emplace(ready->index, std::move(asked));
  } else if (std::holds_alternative<raft::Completed>(answer)) {
    asked.done({.error = {}, .data = {}, .leader = std::nullopt});
  } else {
    asked.done(refusal_of(std::get<raft::Refused>(answer), core_.config()));
  }
}

void Node::answer_reads() {
  while (!reads_.empty() && reads_.begin()->first <= core_.applied()) {
    auto read = reads_.extract(reads_.begin());
    answer_query(std::move(read.mapped()));
  }
  if (!asking_.empty()) arm_sweep();
}

void Node::answer_query(Asked asked) {
  Bytes query = asked.query;
  const raft::RequestId id{++last_request_};
  asking_.emplace(id, std::move(asked));
  driver_.ask(std::move(query), [this, id, life = lifetime_.watch()](Result<Queried> answer) {
    if (!life.is_over()) give_answer(id, std::move(answer));
  });
}

void Node::give_answer(raft::RequestId id, Result<Queried> answer) {
  auto found = asking_.extract(id);
  if (found.empty()) return;  // its time was over
  Asked& asked = found.mapped();
  // P39: the process may have been paused between the look at the clock and the look at the data.
  const Instant now = seams_.loop.now();
  const bool is_too_old = asked.staleness_max && *asked.staleness_max < now - asked.since;
  if (!stopped_ && (is_too_old || (asked.by_lease && !core_.has_lease(now)))) {
    asked.by_lease = false;
    asked.staleness_max.reset();
    asked.since = now;
    const raft::RequestId again{++last_request_};
    asked_.emplace(again, std::move(asked));
    inputs_.emplace_back(raft::ReadBarrier{again, is_too_old ? raft::ReadFrom::anywhere : raft::ReadFrom::leader});
    return want_turn();
  }
  if (!answer) {
    asked.done(refusal(answer.error().code, answer.error().text));
  } else {
    asked.done({.error = {},
                .data = std::move(answer->result),
                .leader = std::nullopt,
                .watchable = std::move(answer->watchable),
                .index = driver_.applied()});
  }
}

// --- time ---

// A deadline that only moved further away keeps the old timer: it will find nothing to do and arm itself again.
void Node::arm_timer() {
  const Instant due = core_.deadline();
  if (due == Instant::never()) return;  // a timer that is left finds nothing to do
  if (timer_at_ && *timer_at_ <= due) return;
  seams_.loop.cancel(timer_);
  timer_at_ = due;
  timer_ = seams_.loop.wake_at(due, [this] {
    timer_at_.reset();
    want_turn();
  });
}

void Node::arm_sweep() {
  if (sweep_timer_ != TimerId{}) return;
  sweep_timer_ = seams_.loop.wake_at(seams_.loop.now() + sweep_interval, [this] {
    sweep_timer_ = {};
    sweep();
    if (!asked_.empty() || !accepted_.empty() || !reads_.empty() || !asking_.empty()) arm_sweep();
  });
}

void Node::sweep() {
  const Instant now = seams_.loop.now();
  std::vector<std::pair<Done, Code>> late;
  const auto collect = [&](auto& requests, Code for_writes) {
    for (auto at = requests.begin(); at != requests.end();) {
      if (now < at->second.deadline) {
        ++at;
      } else {
        late.emplace_back(std::move(at->second.done), at->second.is_read ? Code::timeout : for_writes);
        at = requests.erase(at);
      }
    }
  };
  // What is still queued will be stepped into the core, so its outcome is unknown as well.
  collect(asked_, Code::timeout_unknown_outcome);
  collect(accepted_, Code::timeout_unknown_outcome);
  collect(reads_, Code::timeout);
  collect(asking_, Code::timeout);
  for (auto& [done, code] : late) {
    done(refusal(code, code == Code::timeout ? "no answer in time; nothing was changed"
                                             : "no majority answered in time: the write may or may not be applied"));
  }
}

// --- the end ---

void Node::stop(Error why) {
  stopped_ = why;
  seams_.loop.cancel(timer_);
  seams_.loop.cancel(sweep_timer_);
  sweep_timer_ = {};
  inputs_.clear();
  // Callbacks may ask for more: they find the node stopped.
  for (auto& [id, asked] : std::exchange(asking_, {})) asked.done(refusal(Code::stopped, why.text));
  driver_.stop(why.text);
  for (auto& [id, asked] : std::exchange(asked_, {})) asked.done(refusal(Code::stopped, why.text));
  for (auto& [index, asked] : std::exchange(reads_, {})) asked.done(refusal(Code::stopped, why.text));
  for (auto& [index, asked] : std::exchange(accepted_, {})) {
    asked.done(refusal(Code::timeout_unknown_outcome, "the member stopped before the outcome was known: " + why.text));
  }
  seams_.observer.on_stopped(why);
}

}  // namespace zraft::node
