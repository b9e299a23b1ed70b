// SPDX-License-Identifier: Apache-2.0
//
// See kv_client.h. Outcomes: done and conflict as the store said; unknown as the session said; all else that it says
// is a promise that the operation never happens, and the history holds it to that.
#include "sim/kv_client.h"

#include <algorithm>
#include <utility>

#include "sim/draw.h"
#include "zraft/base/check.h"

namespace zraft::sim {

namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;

Bytes encoded(const Operation& op) {
  switch (op.kind) {
    case Kind::get: return machines::encode(machines::KvQuery{machines::Get{op.key}});
    case Kind::put: return machines::encode(machines::KvCommand{machines::Put{op.key, op.value}});
    case Kind::remove: return machines::encode(machines::KvCommand{machines::Delete{op.key}});
    case Kind::compare_and_put:
      return machines::encode(machines::KvCommand{machines::CompareAndPut{op.key, op.expected, op.value}});
    case Kind::compare_and_remove:
      return machines::encode(machines::KvCommand{machines::CompareAndDelete{op.key, op.expected_version}});
  }
  UNREACHABLE("an operation of no kind");
}

client::Settings settings_of(const KvClientOptions& options) {
  client::Settings settings{.hosts = options.hosts, .group = options.group, .name = "simulated client"};
  settings.attempt_timeout = options.timeout / 3;
  return settings;
}

}  // namespace

KvClient::KvClient(World& world, Fabric& fabric, History& history, HostId id, KvClientOptions options,
                   Acknowledged told)
    : world_(world),
      fabric_(fabric),
      history_(history),
      options_(std::move(options)),
      told_(std::move(told)),
      random_(world.fork()),
      process_(world.start(id, 0)),
      loop_(world, process_),
      network_(fabric, process_, world.name_of(id)),
      session_(loop_, network_, settings_of(options_), random_.fork()) {}

KvClient::~KvClient() {
  world_.kill(process_);
  fabric_.on_end(process_, Ending::killed);
}

void KvClient::start() {
  const Duration pause = draw_exponential(random_, think_mean());
  loop_.wake_at(loop_.now() + pause, [this] { begin(); });
}

Operation KvClient::draw_operation() {
  Operation op;
  op.client = process_.host;
  op.key = options_.keys[draw_index(random_, options_.keys.size())];
  const std::uint64_t share = random_.below(1'000'000);
  if (share < options_.put_ppm) {
    op.kind = Kind::put;
  } else if (share < options_.put_ppm + options_.remove_ppm) {
    op.kind = Kind::remove;
  } else if (share < options_.put_ppm + options_.remove_ppm + options_.compare_ppm) {
    op.kind = Kind::compare_and_put;
    op.expected = known_[op.key];
  }
  op.value = std::to_string(process_.host.value) + "." + std::to_string(++last_value_);
  const std::size_t size = draw_index(random_, options_.value_bytes_max + 1);
  if (op.value.size() < size) op.value.resize(size, '.');
  return op;
}

Duration KvClient::think_mean() const {
  return is_calm_ ? std::max(options_.think_mean, calm_think) : options_.think_mean;
}

void KvClient::begin() {
  if (is_stopping_) return;
  const Operation op = draw_operation();
  current_ = Current{.id = history_.call(op, world_.now()), .is_read = op.kind == Kind::get, .data = encoded(op)};
  const Instant deadline = loop_.now() + options_.timeout;
  auto done = [this, id = current_->id](const client::Outcome& outcome) { on_outcome(id, outcome); };
  client::RequestNumber request;
  if (current_->is_read) {
    const net::Consistency consistency = options_.reads[draw_index(random_, options_.reads.size())];
    request = session_.query(current_->data, consistency, deadline, std::move(done));
  } else {
    request = session_.propose(current_->data, deadline, std::move(done));
  }
  if (options_.cancel_ppm != 0 && random_.chance(options_.cancel_ppm)) {
    const Instant when = loop_.now() + draw_exponential(random_, options_.timeout / 8);
    loop_.wake_at(when, [this, request] { session_.cancel(request); });
  }
  if (random_.chance(options_.abandon_ppm)) end({});
}

void KvClient::on_outcome(std::uint64_t id, const client::Outcome& outcome) {
  if (!current_ || current_->id != id) return;  // given up
  switch (outcome.error.code) {
    case Code::ok: return take_answer(outcome.data);
    case Code::timeout_unknown_outcome:
      CHECK(!current_->is_read, "the outcome of a read cannot be unknown");
      return end({});
    case Code::timeout:
    case Code::all_failed:
    case Code::busy:
    case Code::loading:
    case Code::stopped:
    case Code::cancelled:
    case Code::not_found:
    case Code::not_leader: return end({.outcome = Outcome::failed});
    default:
      CHECK(false, "a client was told " + std::string(name_of(outcome.error.code)) + ": " + outcome.error.text);
  }
}

std::optional<Told> KvClient::understand(const Bytes& data) const {
  if (current_->is_read) {
    const auto answer = machines::decode_answer(data);
    if (!answer) return std::nullopt;
    if (std::holds_alternative<machines::Absent>(*answer)) return Told{.outcome = Outcome::done};
    const auto* found = std::get_if<machines::Found>(&*answer);
    if (found == nullptr) return std::nullopt;
    return Told{.outcome = Outcome::done, .found = found->value, .version = found->version};
  }
  const auto outcome = machines::decode_outcome(data);
  if (!outcome) return std::nullopt;
  if (const auto* done = std::get_if<machines::Done>(&*outcome)) {
    return Told{.outcome = Outcome::done, .existed = done->existed, .version = done->version};
  }
  const auto* conflict = std::get_if<machines::Conflict>(&*outcome);
  if (conflict == nullptr) return std::nullopt;
  return Told{.outcome = Outcome::conflict, .found = conflict->actual};
}

void KvClient::take_answer(const Bytes& data) {
  const std::optional<Told> told = understand(data);
  CHECK(told.has_value(), "a host gave an answer that cannot be read");
  const Operation& op = history_.at(current_->id);
  if (op.kind == Kind::get || told->outcome == Outcome::conflict) {
    known_[op.key] = told->found;
  } else {
    known_[op.key] = op.kind == Kind::remove ? std::nullopt : std::optional(op.value);
  }
  if (!current_->is_read && told->version) told_(*told->version, current_->data);
  end(*told);
}

void KvClient::end(const Told& told) {
  if (told.outcome == Outcome::unknown) ++counts_.unknown;
  if (told.outcome == Outcome::failed) ++counts_.failed;
  if (told.outcome == Outcome::done || told.outcome == Outcome::conflict) ++counts_.done;
  history_.end(current_->id, told, world_.now());
  if (world_.is_narrated()) world_.narrate(process_.host, describe(history_.at(current_->id)));
  world_.trace((current_->id << 8) | static_cast<std::uint64_t>(told.outcome));
  world_.trace(told.version.value_or(0));
  current_.reset();
  const Duration pause = draw_exponential(random_, think_mean());
  loop_.wake_at(loop_.now() + pause, [this] { begin(); });
}

}  // namespace zraft::sim
