// SPDX-License-Identifier: Apache-2.0
//
// See kv_client.h. Outcomes: done and conflict as the store said; failed only if every host that was asked refused
// for good; a write whose answer was lost is unknown. A read may be asked again as often as one likes.
#include "sim/kv_client.h"

#include <algorithm>
#include <utility>

#include "sim/draw.h"
#include "zraft/base/check.h"

namespace zraft::sim {

namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;

Pieces one_piece(Bytes bytes) {
  Pieces pieces;
  pieces.push_back(piece_of(std::move(bytes)));
  return pieces;
}

Bytes encoded(const Operation& op) {
  switch (op.kind) {
    case Kind::get: return machines::encode(machines::KvQuery{machines::Get{op.key}});
    case Kind::put: return machines::encode(machines::KvCommand{machines::Put{op.key, op.value}});
    case Kind::remove: return machines::encode(machines::KvCommand{machines::Delete{op.key}});
    case Kind::compare_and_put:
      return machines::encode(machines::KvCommand{machines::CompareAndPut{op.key, op.expected, op.value}});
  }
  UNREACHABLE("an operation of no kind");
}

}  // namespace

class KvClient::Connection : public node::LinkHandler {
 public:
  Connection(KvClient& owner, std::string host) : owner_(owner), host_(std::move(host)) {}

  void send(Bytes request) {
    if (!link_) {
      link_ = owner_.network_.connect(host_, this);
      link_->send(node::FrameKind::hello, one_piece(net::encode(net::Hello{.name = "simulated client"})));
    }
    link_->send(node::FrameKind::request, one_piece(std::move(request)));
  }

  void on_frame(node::FrameKind kind, const SharedBytes& body) override {
    if (kind != node::FrameKind::reply) return;
    const auto reply = net::decode_reply(*body);
    CHECK(reply.has_value(), "a host sent a reply that cannot be read");
    owner_.on_reply(*reply);
  }

  void on_closed(const Error&) override {
    link_.reset();
    owner_.on_lost(host_);
  }

 private:
  KvClient& owner_;
  std::string host_;
  std::unique_ptr<node::Link> link_;
};

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
      network_(fabric, process_, world.name_of(id)) {}

KvClient::~KvClient() {
  world_.kill(process_);
  fabric_.on_end(process_, Ending::killed);
}

void KvClient::start() {
  const Duration pause = draw_exponential(random_, options_.think_mean);
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
    op.expected = known_.values[op.key];
  }
  op.value = std::to_string(process_.host.value) + "." + std::to_string(++known_.counter);
  const std::size_t size = draw_index(random_, options_.value_bytes_max + 1);
  if (op.value.size() < size) op.value.resize(size, '.');
  return op;
}

void KvClient::begin() {
  if (is_stopping_) return;
  const Operation op = draw_operation();
  current_ = std::make_unique<Current>();
  current_->is_read = op.kind == Kind::get;
  current_->data = encoded(op);
  current_->deadline = loop_.now() + options_.timeout;
  current_->id = history_.call(op, world_.now());
  attempt();
  if (current_ && random_.chance(options_.abandon_ppm)) end({});
}

void KvClient::attempt() {
  current_->host = known_.leader.empty() ? options_.hosts[draw_index(random_, options_.hosts.size())] : known_.leader;
  current_->request = ++known_.counter;
  net::Request request;
  request.id = current_->request;
  request.timeout_ms = static_cast<std::uint32_t>((current_->deadline - loop_.now()).to_milliseconds());
  if (current_->is_read) {
    request.body = net::Query{options_.group, net::Consistency::linearizable, current_->data};
  } else {
    request.body = net::Propose{options_.group, current_->data};
  }
  std::unique_ptr<Connection>& connection = connections_[current_->host];
  if (!connection) connection = std::make_unique<Connection>(*this, current_->host);
  connection->send(net::encode(request));
  loop_.cancel(current_->timer);
  current_->timer = loop_.wake_at(current_->deadline, [this] { end({}); });
}

// The last attempt did nothing, and never will.
void KvClient::retry(const std::string& hint) {
  const auto peer = net::parse_peer(hint);
  known_.leader = peer ? peer->address : "";
  current_->request = 0;
  const Duration pause = draw_exponential(random_, options_.timeout / 40);
  if (current_->deadline <= loop_.now() + pause) {
    end({.outcome = Outcome::failed});
    return;
  }
  loop_.cancel(current_->timer);
  current_->timer = loop_.wake_at(loop_.now() + pause, [this] { attempt(); });
}

void KvClient::on_reply(const net::Reply& reply) {
  if (!current_ || current_->request != reply.id) return;
  switch (reply.error.code) {
    case Code::ok: {
      const auto* data = std::get_if<net::Data>(&reply.body);
      CHECK(data != nullptr, "a host answered with something else than was asked for");
      known_.leader = current_->host;
      take_answer(data->data);
      return;
    }
    case Code::timeout_unknown_outcome:
      CHECK(!current_->is_read, "the outcome of a read cannot be unknown");
      known_.leader.clear();
      end({});
      return;
    case Code::not_leader:
    case Code::busy:
    case Code::loading:
    case Code::stopped:
    case Code::not_found:
    case Code::timeout:
      retry(reply.leader);
      return;
    default: CHECK(false, "a host answered " + std::string(name_of(reply.error.code)) + ": " + reply.error.text);
  }
}

void KvClient::on_lost(const std::string& host) {
  if (known_.leader == host) known_.leader.clear();
  if (!current_ || current_->host != host || current_->request == 0) return;
  if (current_->is_read) {
    retry("");
  } else {
    end({});
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
    known_.values[op.key] = told->found;
  } else {
    known_.values[op.key] = op.kind == Kind::remove ? std::nullopt : std::optional(op.value);
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
  loop_.cancel(current_->timer);
  current_.reset();
  const Duration pause = draw_exponential(random_, options_.think_mean);
  loop_.wake_at(loop_.now() + pause, [this] { begin(); });
}

}  // namespace zraft::sim
