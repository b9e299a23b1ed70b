// SPDX-License-Identifier: Apache-2.0
//
// See session_client.h. A life ends, and another begins, in events of the world: not in a call of what it destroys.
#include "sim/session_client.h"

#include <algorithm>

#include "sim/draw.h"
#include "zraft/base/check.h"
#include "zraft/machines/kv_wire.h"

namespace zraft::sim {

namespace {

using client::SessionState;
using Kind = Operation::Kind;

Bytes encoded(const Operation& op) {
  using namespace machines;  // NOLINT: its language
  if (op.kind == Kind::put) return encode(KvCommand(Put{op.key, op.value}));
  if (op.kind == Kind::remove) return encode(KvCommand(Delete{op.key}));
  if (op.kind == Kind::compare_and_remove) return encode(KvCommand(CompareAndDelete{op.key, op.expected_version}));
  return encode(KvCommand(CompareAndPut{op.key, op.expected, op.value}));
}

client::Settings settings_of(const SessionClientOptions& options) {
  client::Settings settings{.hosts = options.hosts, .group = options.group, .name = "simulated session"};
  settings.attempt_timeout = options.timeout / 3;
  return settings;
}

}  // namespace

SessionClient::Life::Life(World& world, Fabric& fabric, HostId host, const SessionClientOptions& options,
                          Random random)
    : process(world.start(host, 0)),
      loop(world, process),
      network(fabric, process, world.name_of(host)),
      light(loop, network, settings_of(options), random) {}

SessionClient::SessionClient(World& world, Fabric& fabric, History& history, const SessionGhost& ghost, HostId id,
                             SessionClientOptions options)
    : world_(world),
      fabric_(fabric),
      history_(history),
      ghost_(ghost),
      host_(id),
      options_(std::move(options)),
      random_(world.fork()) {}

SessionClient::~SessionClient() { leave(); }

void SessionClient::leave() {
  if (life_ == nullptr) return;
  world_.kill(life_->process);
  fabric_.on_end(life_->process, Ending::killed);
  life_.reset();
}

void SessionClient::expect(bool is_met, const std::string& what) {
  if (!is_met) broken_.push_back(what + " (" + world_.name_of(host_) + ")");
}

node::SessionId SessionClient::session() const {
  if (life_ == nullptr || life_->session == nullptr) return {};
  const SessionState state = life_->session->state();
  const bool is_open = state == SessionState::connected || state == SessionState::suspended;
  return is_open ? life_->session->id() : node::SessionId{};
}

void SessionClient::at_once(void (SessionClient::*what)()) {
  world_.after({}, the_world, EventKind::world, host_.value, [this, what] { (this->*what)(); });
}

// --- lives ---

void SessionClient::start() { come_up(); }

void SessionClient::calm() {
  is_calm_ = true;
  world_.resume(host_);
}

void SessionClient::come_up() {
  life_ = std::make_unique<Life>(world_, fabric_, host_, options_, random_.fork());
  open(std::exchange(left_, std::nullopt));
  think();
}

void SessionClient::crash() {
  if (life_ == nullptr || is_calm_) return;
  world_.narrate(host_, "is killed");
  ++counts_["session clients killed"];
  const client::Session& session = *life_->session;
  const bool is_known = session.id() != node::SessionId{};
  if (is_known && random_.chance(options_.resume_ppm)) left_ = {session.id(), session.last_sequence()};
  leave();
  const std::map<std::uint64_t, UnderWay> lost = std::exchange(under_way_, {});
  for (const auto& [id, op] : lost) history_.end(id, {}, world_.now());
  const Duration away = draw_exponential(random_, session_timeout_ / 2);
  world_.after(away, the_world, EventKind::world, host_.value, [this] { come_up(); });
}

void SessionClient::open(std::optional<client::SessionOptions::Known> known) {
  if (!known) session_timeout_ = draw_between(random_, options_.session_min, options_.session_max);
  if (known) ++counts_["sessions resumed"];
  client::SessionOptions options{.timeout = session_timeout_, .open_timeout = session_timeout_ * 2, .resume = known};
  life_->session = std::make_unique<client::Session>(
      life_->loop, life_->light, options, random_.fork(),
      [this](SessionState state, const Error& why) { on_state(state, why); });
}

void SessionClient::on_state(SessionState state, const Error& why) {
  const node::SessionId id = life_->session->id();
  world_.trace((id.value << 8) | static_cast<std::uint64_t>(state));
  if (world_.is_narrated()) {
    world_.narrate(host_, "its session " + std::to_string(id.value) + " is " + std::string(name_of(state)) +
                              (why.text.empty() ? "" : ": " + why.text));
  }
  if (state == SessionState::connected) {
    expect(ghost_.alive().contains(id) || ghost_.is_over(id), "I27: a client has a session that was never opened");
  }
  if (state == SessionState::suspended) ++counts_["sessions suspended"];
  if (state != SessionState::expired) return;
  ++counts_["sessions that were told to be over"];
  if (id != node::SessionId{}) {
    expect(ghost_.is_over(id), "I29: a client is told that session " + std::to_string(id.value) + " is over");
  }
}

// --- what it does ---

void SessionClient::think() {
  const Duration mean = is_calm_ ? std::max(options_.think_mean, calm_think) : options_.think_mean;
  const Duration pause = draw_exponential(random_, mean);
  life_->loop.wake_at(life_->loop.now() + pause, [this] { act(); });
}

void SessionClient::act() {
  const SessionState state = life_->session->state();
  if (state == SessionState::expired || state == SessionState::closed) {
    // What is under way in it is still answered.
    if (under_way_.empty()) open(std::nullopt);
    return think();
  }
  if (is_stopping_) return think();
  std::uint64_t share = random_.below(1'000'000);
  const auto is_in = [&share](std::uint64_t ppm) {
    const bool is_here = share < ppm;
    share -= is_here ? 0 : ppm;
    return is_here;
  };
  Duration idle{};
  if (is_in(options_.close_ppm)) {
    if (!is_calm_) close();
  } else if (is_in(options_.crash_ppm)) {
    if (!is_calm_) at_once(&SessionClient::crash);
  } else if (is_in(options_.pause_ppm)) {
    if (!is_calm_) world_.pause(host_, draw_exponential(random_, session_timeout_));
  } else if (is_in(options_.idle_ppm)) {
    // In the end it is waited for until it asks for something.
    if (!is_calm_) idle = std::min(draw_exponential(random_, session_timeout_), session_timeout_ * 3);
  } else if (under_way_.size() < options_.writes_max) {
    is_in(options_.read_ppm) ? read() : write();
  }
  if (idle == Duration{}) return think();
  life_->loop.wake_at(life_->loop.now() + idle, [this] { think(); });
}

void SessionClient::close() {
  const node::SessionId id = session();
  ++counts_["sessions that their clients closed"];
  life_->session->close(life_->loop.now() + options_.timeout, [this, id](const Result<>& result) {
    if (!result || id == node::SessionId{}) return;
    expect(ghost_.is_over(id), "I29: a client is told that session " + std::to_string(id.value) + " is closed");
  });
}

Operation SessionClient::draw_write() {
  Operation op;
  op.client = host_;
  op.key = options_.keys[draw_index(random_, options_.keys.size())];
  const std::uint64_t kind = random_.below(10);
  const Known& known = known_[op.key];
  op.kind = kind == 0 ? Kind::remove : kind < 4 ? Kind::compare_and_put : Kind::put;
  if (kind == 4 && known.value && known.version != 0) op.kind = Kind::compare_and_remove;
  if (op.kind != Kind::put && op.kind != Kind::remove) op.expected = known.value;
  if (op.kind == Kind::compare_and_remove) op.expected_version = known.version;
  op.value = std::to_string(host_.value) + "." + std::to_string(++last_value_);
  const std::size_t size = draw_index(random_, options_.value_bytes_max + 1);
  if (op.value.size() < size) op.value.resize(size, '.');
  return op;
}

void SessionClient::write() {
  const Operation op = draw_write();
  const bool is_ephemeral = random_.chance(options_.ephemeral_ppm);
  const std::uint64_t id = history_.call(op, world_.now());
  const Instant deadline = life_->loop.now() + options_.timeout;
  UnderWay& here = under_way_[id];
  here.is_write = true;
  client::Session* const session = life_->session.get();
  here.sequence = session->write(encoded(op), is_ephemeral, deadline,
                                 [this, id](const client::Outcome& outcome) { on_written(id, outcome); });
  draw_cancel([this, session, sequence = here.sequence, id] {
    if (under_way_.contains(id)) session->cancel_write(sequence);
  });
}

void SessionClient::read() {
  Operation op;
  op.client = host_;
  op.key = options_.keys[draw_index(random_, options_.keys.size())];
  const std::uint64_t id = history_.call(op, world_.now());
  under_way_[id] = {};
  const Instant deadline = life_->loop.now() + options_.timeout;
  const Bytes query = machines::encode(machines::KvQuery(machines::Get{op.key}));
  const auto number = life_->session->query(query, net::Consistency::linearizable, deadline,
                                            [this, id](const client::Outcome& outcome) { on_read(id, outcome); });
  draw_cancel([this, number] { life_->light.cancel(number); });
}

void SessionClient::draw_cancel(std::move_only_function<void()> cancel) {
  if (options_.cancel_ppm == 0 || !random_.chance(options_.cancel_ppm)) return;
  const Instant when = life_->loop.now() + draw_exponential(random_, options_.timeout / 8);
  life_->loop.wake_at(when, [this, cancel = std::move(cancel)]() mutable {
    ++counts_["session requests cancelled or answered by then"];
    cancel();
  });
}

// --- what it is told ---

// Nothing: that is no answer.
std::optional<Told> SessionClient::judge_answer(std::uint64_t sequence, const client::Outcome& outcome) {
  const node::SessionId session = life_->session->id();
  const std::string which = "write " + std::to_string(sequence) + " of session " + std::to_string(session.value);
  const SessionGhost::Effect* effect = ghost_.effect_of(session, sequence);
  expect(effect != nullptr, "P78: " + which + " was acknowledged, and was never applied");
  if (effect == nullptr) return std::nullopt;
  expect(effect->answer == outcome.data, "I27: " + which + " was answered in another way than it was applied");
  const auto answer = machines::decode_outcome(outcome.data);
  if (!answer) return std::nullopt;
  if (const auto* done = std::get_if<machines::Done>(&*answer)) {
    return Told{.outcome = Operation::Outcome::done, .existed = done->existed, .version = done->version};
  }
  const auto* conflict = std::get_if<machines::Conflict>(&*answer);
  if (conflict == nullptr) return std::nullopt;
  return Told{.outcome = Operation::Outcome::conflict, .found = conflict->actual};
}

void SessionClient::on_written(std::uint64_t id, const client::Outcome& outcome) {
  const std::uint64_t sequence = under_way_.at(id).sequence;
  switch (outcome.error.code) {
    case Code::ok: {
      const auto told = judge_answer(sequence, outcome);
      if (!told) return expect(false, "I27: a write was answered with something else");
      const Operation& op = history_.at(id);
      const bool is_conflict = told->outcome == Operation::Outcome::conflict;
      known_[op.key] = {.value = is_conflict    ? told->found
                                 : op.removes() ? std::nullopt
                                                : std::optional(op.value),
                        .version = told->version.value_or(0)};
      return end(id, *told);
    }
    case Code::timeout_unknown_outcome: return end(id, {});
    case Code::session_expired:
    case Code::timeout:
    case Code::all_failed:
    case Code::busy:
    case Code::loading:
    case Code::stopped:
    case Code::cancelled:
    case Code::not_found:
    case Code::not_leader:
      if (sequence != 0 && life_->session->id() != node::SessionId{}) refused_.emplace(life_->session->id(), sequence);
      return end(id, {.outcome = Operation::Outcome::failed});
    default:
      expect(false, "I27: a write was answered " + std::string(name_of(outcome.error.code)) + ": " +
                        outcome.error.text);
  }
}

void SessionClient::on_read(std::uint64_t id, const client::Outcome& outcome) {
  if (outcome.error.code != Code::ok) return end(id, {.outcome = Operation::Outcome::failed});
  const auto answer = machines::decode_answer(outcome.data);
  CHECK(answer.has_value(), "a host gave an answer that cannot be read");
  Told told{.outcome = Operation::Outcome::done};
  if (const auto* found = std::get_if<machines::Found>(&*answer)) {
    told.found = found->value;
    told.version = found->version;
  }
  known_[history_.at(id).key] = {.value = told.found, .version = told.version.value_or(0)};
  end(id, told);
}

void SessionClient::end(std::uint64_t id, const Told& told) {
  under_way_.erase(id);
  if (told.outcome == Operation::Outcome::done || told.outcome == Operation::Outcome::conflict) ++done_;
  if (told.outcome == Operation::Outcome::unknown) ++counts_["session writes of unknown outcome"];
  history_.end(id, told, world_.now());
  if (world_.is_narrated()) world_.narrate(host_, describe(history_.at(id)));
  world_.trace((id << 8) | static_cast<std::uint64_t>(told.outcome));
}

// --- what the ghost says ---

void SessionClient::on_expiry(node::SessionId expired) {
  if (session() != expired || expired == node::SessionId{}) return;
  // Clocks do not run alike by so much at most, and the leader's may change.
  const Duration margin = session_timeout_ / 500;
  expect(life_->session->safe_until() <= life_->loop.now() + margin,
         "I29: session " + std::to_string(expired.value) + " has expired, and its client may believe in it for " +
             std::to_string((life_->session->safe_until() - life_->loop.now()).to_microseconds()) + " us");
}

void SessionClient::check_refused() {
  for (const auto& [session, sequence] : refused_) {
    expect(ghost_.effect_of(session, sequence) == nullptr,
           "P85: write " + std::to_string(sequence) + " of session " + std::to_string(session.value) +
               " was refused, and has been applied");
  }
}

}  // namespace zraft::sim
