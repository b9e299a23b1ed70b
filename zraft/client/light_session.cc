// SPDX-License-Identifier: Apache-2.0
//
// A request goes round: chosen host --> link --> answer, or a failure that decides whether it may be tried again.
#include "zraft/client/light_session.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/client/connection.h"

namespace zraft::client {
namespace {

constexpr Duration sweep_interval = Duration::milliseconds(10);
constexpr std::size_t hosts_max = 64;
constexpr std::size_t refusals_at_once = 3;  // a leader that changes is followed so often without a pause

std::uint32_t milliseconds_until(Instant deadline, Instant now) {
  const std::int64_t left = ((deadline - now).ns + 999'999) / 1'000'000;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 1, UINT32_MAX));
}

}  // namespace

LightSession::LightSession(node::Loop& loop, node::Network& network, Settings settings, Random random)
    : loop_(loop), network_(network), settings_(std::move(settings)), random_(random), hosts_(settings_.hosts) {
  CHECK(!hosts_.empty(), "a session knows at least one host");
  next_host_ = static_cast<std::size_t>(random_.below(hosts_.size()));
}

LightSession::~LightSession() { loop_.cancel(sweep_timer_); }

// --- what is asked ---

void LightSession::propose(Bytes command, Instant deadline, Done done) {
  Request request;
  request.body = net::Propose{settings_.group, std::move(command)};
  request.is_write = true;
  request.deadline = deadline;
  request.done = [done = std::move(done)](net::Reply reply) mutable {
    auto* data = std::get_if<net::Data>(&reply.body);
    done({.error = std::move(reply.error), .data = data == nullptr ? Bytes{} : std::move(data->data)});
  };
  begin(std::move(request));
}

void LightSession::query(Bytes query, net::Consistency consistency, Instant deadline, Done done) {
  Request request;
  request.body = net::Query{settings_.group, consistency, std::move(query)};
  request.is_local = consistency == net::Consistency::stale;
  request.deadline = deadline;
  request.done = [done = std::move(done)](net::Reply reply) mutable {
    auto* data = std::get_if<net::Data>(&reply.body);
    done({.error = std::move(reply.error), .data = data == nullptr ? Bytes{} : std::move(data->data)});
  };
  begin(std::move(request));
}

void LightSession::ask(const std::string& address, net::RequestBody body, Instant deadline,
                       std::move_only_function<void(net::Reply)> done) {
  Request request;
  request.body = std::move(body);
  request.deadline = deadline;
  request.done = std::move(done);
  request.is_pinned = true;
  request.host = address;
  begin(std::move(request));
}

void LightSession::begin(Request request) {
  const std::uint64_t id = ++last_id_;
  const bool is_too_many = requests_.size() >= settings_.requests_max;
  requests_.emplace(id, std::move(request));
  arm_sweep();
  loop_.post([this, id, is_too_many, life = lifetime_.watch()] {
    if (life.is_over()) return;
    if (is_too_many) return end(id, Code::busy, "this client has too many requests under way (requests_max)");
    attempt(id);
  });
}

// --- where to ---

LightSession::Connection& LightSession::connection(const std::string& host) {
  std::unique_ptr<Connection>& made = connections_[host];
  if (made == nullptr) made = std::make_unique<Connection>(*this, host);
  return *made;
}

bool LightSession::is_usable(const std::string& host) { return connection(host).is_usable(loop_.now()); }

// The leader, if it is known; else one host after the other. Empty: each of them has failed just now.
std::string LightSession::choose(const Request& request) {
  if (request.is_pinned) return request.host;
  if (!request.is_local && !leader_.empty() && is_usable(leader_)) return leader_;
  for (std::size_t tried = 0; tried < hosts_.size(); ++tried) {
    const std::string& host = hosts_[next_host_];
    next_host_ = (next_host_ + 1) % hosts_.size();
    if (is_usable(host)) return host;
  }
  return {};
}

// What a host says of the leader. It may be behind, and so may what it says.
void LightSession::follow(const std::string& host, const std::string& leader) {
  const auto peer = net::parse_peer(leader);
  if (!peer || peer->address == host) {
    if (leader_ == host) leader_.clear();
    return;
  }
  leader_ = peer->address;
  const bool is_known = std::find(hosts_.begin(), hosts_.end(), leader_) != hosts_.end();
  if (!is_known && hosts_.size() < hosts_max) hosts_.push_back(leader_);
}

// --- an attempt ---

void LightSession::attempt(std::uint64_t id) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  Request& request = found->second;
  const std::string host = choose(request);
  if (host.empty()) return try_again(id, request.last_failure, settings_.pause_min);
  request.host = host;
  Connection& to = connection(host);
  if (to.is_up()) return send(id, to);
  to.set_waiting(id);
  to.open();
}

void LightSession::send(std::uint64_t id, Connection& to) {
  Request& request = requests_.at(id);
  if (to.queued_bytes() > settings_.queue_bytes_max) {
    return end(id, Code::busy, to.host() + " does not take in what is sent to it (queue_bytes_max): send less");
  }
  request.is_out = true;
  request.sent = loop_.now();
  to.send({.id = id, .timeout_ms = milliseconds_until(request.deadline, loop_.now()), .body = request.body});
}

void LightSession::try_again(std::uint64_t id, Error why, Duration pause) {
  Request& request = requests_.at(id);
  request.is_out = false;
  request.last_failure = std::move(why);
  if (request.is_pinned) return end(id, Code::all_failed, request.last_failure.text);
  waiting_.emplace(loop_.now() + pause, id);
  if (pause.ns == 0) {
    loop_.post([this, life = lifetime_.watch()] {
      if (!life.is_over()) wake_waiting();
    });
  }
}

Duration LightSession::short_pause() {
  return Duration{random_.between(settings_.pause_min.ns / 2, settings_.pause_min.ns * 2)};
}

void LightSession::wake_waiting() {
  while (!waiting_.empty() && waiting_.begin()->first <= loop_.now()) {
    const std::uint64_t id = waiting_.begin()->second;
    waiting_.erase(waiting_.begin());
    attempt(id);
  }
}

void LightSession::end(std::uint64_t id, net::Reply reply) {
  const auto found = requests_.find(id);
  if (found == requests_.end()) return;
  auto done = std::move(found->second.done);
  requests_.erase(found);
  done(std::move(reply));
}

void LightSession::end(std::uint64_t id, Code code, std::string text) {
  end(id, net::Reply{.id = id, .error = {code, std::move(text)}, .leader = {}, .body = {}});
}

// --- what comes back ---

void LightSession::on_up(Connection& connection) {
  for (const std::uint64_t id : connection.take_waiting()) {
    if (requests_.contains(id)) send(id, connection);
  }
}

void LightSession::on_reply(const std::string& host, net::Reply reply) {
  const std::uint64_t id = reply.id;
  const auto found = requests_.find(id);
  // Late, or of a host that was given up for this request.
  if (found == requests_.end() || found->second.host != host || !found->second.is_out) return;
  Request& request = found->second;
  if (request.is_pinned) return end(id, std::move(reply));
  if (reply.error.code != Code::ok) return on_refusal(id, request, std::move(reply));
  if (!request.is_local) leader_ = host;
  end(id, std::move(reply));
}

// Every code that is tried again says that nothing was applied.
void LightSession::on_refusal(std::uint64_t id, Request& request, net::Reply reply) {
  ++request.refusals;
  const bool is_first = request.refusals <= refusals_at_once;
  switch (reply.error.code) {
    case Code::not_leader: {
      follow(request.host, reply.leader);
      const bool is_hopeful = !reply.leader.empty() && is_first;
      return try_again(id, std::move(reply.error), is_hopeful ? Duration{} : short_pause());
    }
    case Code::not_found:
      // A host without a peer of the group; only if all of them are, there is no such group.
      if (leader_ == request.host) leader_.clear();
      request.without.insert(request.host);
      if (request.without.size() >= hosts_.size()) return end(id, std::move(reply));
      return try_again(id, std::move(reply.error), is_first ? Duration{} : short_pause());
    case Code::stopped:
      if (leader_ == request.host) leader_.clear();
      connection(request.host).avoid();
      return try_again(id, std::move(reply.error), Duration{});
    case Code::busy:
    case Code::loading:
      return try_again(id, std::move(reply.error), short_pause());
    case Code::timeout:
      if (!request.is_write) return try_again(id, std::move(reply.error), short_pause());
      return end(id, std::move(reply));
    default:
      return end(id, std::move(reply));
  }
}

void LightSession::on_lost(Connection& connection, const Error& why) {
  const std::string host = connection.host();
  if (leader_ == host) leader_.clear();
  const std::set<std::uint64_t> never_sent = connection.take_waiting();
  std::vector<std::uint64_t> lost;
  for (const auto& [id, request] : requests_) {
    if (request.host == host && request.is_out) lost.push_back(id);
  }
  for (const std::uint64_t id : never_sent) {
    if (requests_.contains(id)) try_again(id, why, Duration{});
  }
  for (const std::uint64_t id : lost) {
    const auto found = requests_.find(id);
    if (found == requests_.end()) continue;
    if (!found->second.is_write) {
      try_again(id, why, Duration{});
      continue;
    }
    end(id, Code::timeout_unknown_outcome,
        "the link to " + host + " broke before the answer came: the write may or may not be applied");
  }
}

// --- time ---

void LightSession::arm_sweep() {
  if (sweep_timer_ != node::TimerId{}) return;
  sweep_timer_ = loop_.wake_at(loop_.now() + sweep_interval, [this] {
    sweep_timer_ = {};
    sweep();
    if (!requests_.empty()) arm_sweep();
  });
}

void LightSession::sweep() {
  const Instant now = loop_.now();
  std::vector<std::uint64_t> late;
  std::vector<std::uint64_t> silent;
  for (const auto& [id, request] : requests_) {
    if (request.deadline <= now) {
      late.push_back(id);
    } else if (request.is_out && now - request.sent >= settings_.attempt_timeout) {
      silent.push_back(id);
    }
  }
  for (const std::uint64_t id : late) {
    if (const auto found = requests_.find(id); found != requests_.end()) on_deadline(id, found->second);
  }
  for (const std::uint64_t id : silent) {
    if (const auto found = requests_.find(id); found != requests_.end()) on_silence(id, found->second);
  }
  for (const auto& [host, connection] : connections_) {
    if (connection->is_ignored(now)) connection->give_up();
  }
  wake_waiting();
}

void LightSession::on_deadline(std::uint64_t id, const Request& request) {
  if (request.is_write && request.is_out) {
    return end(id, Code::timeout_unknown_outcome,
               request.host + " did not answer in time: the write may or may not be applied");
  }
  if (request.is_pinned) return end(id, Code::timeout, request.host + " did not answer in time");
  if (request.is_out || request.last_failure.code == Code::ok) {
    return end(id, Code::timeout, request.host.empty() ? "no host was free in time; nothing was changed"
                                                       : request.host + " did not answer in time; nothing was changed");
  }
  const bool was_heard = request.refusals > 0;
  end(id, was_heard ? Code::timeout : Code::all_failed,
      (was_heard ? "not done in time; the last answer was: "
                 : "no host could be reached in time; the last failure was: ") +
          request.last_failure.text + "; nothing was changed");
}

// A host that hangs: its link is up and nothing comes. Writes wait, because they may have been applied.
void LightSession::on_silence(std::uint64_t id, Request& request) {
  if (request.is_pinned) return;
  Connection& silent = connection(request.host);
  if (silent.is_usable(loop_.now())) silent.avoid();
  if (leader_ == request.host) leader_.clear();
  if (request.is_write) return;
  try_again(id, {Code::timeout, request.host + " does not answer"}, Duration{});
}

}  // namespace zraft::client
