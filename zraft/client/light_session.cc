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
constexpr std::size_t hints_in_a_row = 8;   // then another host is asked: two may each name the other
constexpr std::size_t refusals_at_once = 3;  // a leader that changes is followed so often without a pause

std::uint32_t milliseconds_until(Instant deadline, Instant now) {
  const std::int64_t left = ((deadline - now).ns + 999'999) / 1'000'000;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(left, 1, UINT32_MAX));
}

std::uint32_t staleness_ms(const net::ReadChoice& choice) {
  if (choice.consistency != net::Consistency::bounded) return 0;
  return static_cast<std::uint32_t>(std::clamp<std::int64_t>(choice.staleness_max.to_milliseconds(), 0, UINT32_MAX));
}

std::move_only_function<void(Repeated)> with_outcome(Done done) {
  return [done = std::move(done)](Repeated ended) mutable {
    auto* data = std::get_if<net::Data>(&ended.reply.body);
    done({.error = std::move(ended.reply.error), .data = data == nullptr ? Bytes{} : std::move(data->data)});
  };
}

}  // namespace

LightSession::LightSession(node::Loop& loop, node::Network& network, Settings settings, Random random)
    : loop_(loop), network_(network), settings_(std::move(settings)), random_(random), hosts_(settings_.hosts) {
  CHECK(!hosts_.empty(), "a session knows at least one host");
  next_host_ = static_cast<std::size_t>(random_.below(hosts_.size()));
}

LightSession::~LightSession() { loop_.cancel(sweep_timer_); }

// --- what is asked ---

RequestNumber LightSession::propose(Bytes command, Instant deadline, Done done) {
  Request request;
  request.body = net::Propose{settings_.group, std::move(command)};
  request.is_write = true;
  request.deadline = deadline;
  request.done = with_outcome(std::move(done));
  return begin(std::move(request));
}

RequestNumber LightSession::query(Bytes query, net::ReadChoice choice, Instant deadline, Done done) {
  Request request;
  request.body = net::Query{.group = settings_.group,
                            .consistency = choice.consistency,
                            .data = std::move(query),
                            .staleness_max_ms = staleness_ms(choice)};
  request.is_local = choice.consistency == net::Consistency::stale || choice.consistency == net::Consistency::bounded;
  request.deadline = deadline;
  request.done = with_outcome(std::move(done));
  return begin(std::move(request));
}

void LightSession::ask(const std::string& address, net::RequestBody body, Instant deadline,
                       std::move_only_function<void(net::Reply)> done) {
  Request request;
  request.body = std::move(body);
  request.deadline = deadline;
  request.done = [done = std::move(done)](Repeated ended) mutable { done(std::move(ended.reply)); };
  request.is_pinned = true;
  request.host = address;
  begin(std::move(request));
}

RequestNumber LightSession::repeat(Repeat repeat) {
  Request request;
  request.body = std::move(repeat.body);
  request.deadline = repeat.deadline;
  request.attempt_timeout = repeat.attempt_timeout;
  request.refresh = std::move(repeat.refresh);
  request.done = std::move(repeat.done);
  request.is_repeatable = true;
  const bool is_watch = std::holds_alternative<net::Watch>(request.body);
  const RequestNumber number = begin(std::move(request));
  return is_watch ? RequestNumber{} : number;
}

RequestNumber LightSession::begin(Request request) {
  const std::uint64_t id = ++last_id_;
  const bool is_too_many = requests_.size() >= settings_.requests_max;
  requests_.emplace(id, std::move(request));
  arm_sweep();
  loop_.post([this, id, is_too_many, life = lifetime_.watch()] {
    if (life.is_over()) return;
    if (is_too_many) return end(id, Code::busy, "this client has too many requests under way (requests_max)");
    attempt(id);
  });
  return {id};
}

void LightSession::cancel(RequestNumber number) {
  auto taken = requests_.extract(number.value);
  if (taken.empty()) return;
  Request& request = taken.mapped();
  Error error{Code::cancelled, "it was cancelled before anything happened"};
  if (may_be_done(request)) {
    request.is_in_doubt = true;
    error = {Code::timeout_unknown_outcome, "it was cancelled before " + request.host + " answered: it may be done"};
  }
  loop_.post([request = std::move(request), error = std::move(error), life = lifetime_.watch()]() mutable {
    if (!life.is_over()) tell(std::move(request), {.id = {}, .error = std::move(error), .leader = {}, .body = {}});
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
    std::string why = to.host() + " does not take in what is sent to it (queue_bytes_max): send less";
    if (request.is_repeatable) return try_again(id, {Code::busy, std::move(why)}, short_pause());
    return end(id, Code::busy, std::move(why));
  }
  if (request.refresh) request.refresh(request.body);
  request.is_out = true;
  request.sent = loop_.now();
  if (!request.is_in_doubt) request.first_sent = request.sent;
  to.send({.id = id, .timeout_ms = milliseconds_until(request.deadline, loop_.now()), .body = request.body});
}

void LightSession::try_again(std::uint64_t id, Error why, Duration pause) {
  Request& request = requests_.at(id);
  request.is_out = false;
  request.last_failure = std::move(why);
  if (request.is_pinned) return end(id, Code::all_failed, request.last_failure.text);
  if (std::holds_alternative<net::Watch>(request.body)) {
    // A host may have taken the first one, and takes no second watch of the same id.
    auto again = requests_.extract(id);
    id = again.key() = ++last_id_;
    requests_.insert(std::move(again));
  }
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
  Request request = std::move(found->second);
  requests_.erase(found);
  tell(std::move(request), std::move(reply));
}

void LightSession::tell(Request request, net::Reply reply) {
  request.done({.reply = std::move(reply),
                .is_in_doubt = request.is_in_doubt,
                .sent = request.first_sent,
                .host = std::move(request.host)});
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
  // What was done is done, even if another host is being asked by now.
  if (found != requests_.end() && found->second.is_repeatable && reply.error.code == Code::ok) {
    leader_ = found->second.host = host;
    return end(id, std::move(reply));
  }
  // Late, or of a host that was given up for this request.
  if (found == requests_.end() || found->second.host != host || !found->second.is_out) {
    if (std::holds_alternative<net::Watching>(reply.body)) cancel_watch(host, id);  // nobody waits for it any more
    return;
  }
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
      if (request.refusals % hints_in_a_row == 0) {
        leader_.clear();
      } else {
        follow(request.host, reply.leader);
      }
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
    case Code::timeout_unknown_outcome:
      if (!request.is_repeatable) return end(id, std::move(reply));
      request.is_in_doubt = true;
      return try_again(id, std::move(reply.error), short_pause());
    default:
      return end(id, std::move(reply));
  }
}

// --- watches ---

void LightSession::on_event(const std::string& host, net::WatchEvent event) {
  if (event.what == net::WatchEvent::What::leader_changed && leader_ == host) leader_.clear();
  for (EventSink* sink : sinks_) {
    if (sink->on_event(host, event)) return;
  }
  if (!event.is_last) cancel_watch(host, event.watch);
}

void LightSession::cancel_watch(const std::string& host, std::uint64_t watch) {
  if (!connection(host).is_up() || !cancelled_.emplace(host, watch).second) return;
  ask(host, net::CancelWatch{watch}, loop_.now() + settings_.attempt_timeout,
      [this, host, watch](const net::Reply&) { cancelled_.erase({host, watch}); });
}

void LightSession::probe(const std::string& host) {
  if (!connection(host).is_up()) return;
  ask(host, net::CancelWatch{}, loop_.now() + settings_.attempt_timeout, [this, host](const net::Reply& reply) {
    if (reply.error.code == Code::timeout) connection(host).give_up();
  });
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
    found->second.is_in_doubt = true;
    if (!found->second.is_write) {
      try_again(id, why, Duration{});
      continue;
    }
    end(id, Code::timeout_unknown_outcome,
        "the link to " + host + " broke before the answer came: the write may or may not be applied");
  }
  for (EventSink* sink : std::vector<EventSink*>(sinks_)) {
    if (std::ranges::find(sinks_, sink) != sinks_.end()) sink->on_link_lost(host, why);
  }
}

// --- time ---

// An attempt is under way that changes something, or was, and nobody has said what became of it.
bool LightSession::may_be_done(const Request& request) {
  if (request.is_repeatable) return request.is_out || request.is_in_doubt;
  return request.is_write && request.is_out;
}

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
    } else if (request.is_out && now - request.sent >= attempt_timeout_of(request)) {
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

Duration LightSession::attempt_timeout_of(const Request& request) const {
  return request.attempt_timeout.ns == 0 ? settings_.attempt_timeout : request.attempt_timeout;
}

void LightSession::on_deadline(std::uint64_t id, Request& request) {
  if (request.is_repeatable && may_be_done(request)) {
    request.is_in_doubt = true;
    return end(id, Code::timeout_unknown_outcome,
               request.host + " did not answer in time: it may or may not be done; the last failure was: " +
                   (request.last_failure.text.empty() ? "none" : request.last_failure.text));
  }
  if (may_be_done(request)) {
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
  request.is_in_doubt = true;
  try_again(id, {Code::timeout, request.host + " does not answer"}, Duration{});
}

}  // namespace zraft::client
