// SPDX-License-Identifier: Apache-2.0
//
// A watch is asked for (LightSession::repeat finds the leader), set somewhere, told, and, when its place is gone, asked
// for again from where it stands.
#include "zraft/client/watch.h"

#include <algorithm>
#include <set>
#include <utility>

namespace zraft::client {
namespace {

constexpr Duration pause_min = Duration::milliseconds(20);
constexpr Duration pause_max = Duration::seconds(1);
constexpr Duration lasted_long = Duration::seconds(1);  // a watch that was set so long is set again at once
constexpr Duration resume_timeout = Duration::seconds(10);
constexpr int attempts_between_probes = 3;

// Of a persistent watch: it can be set again, here or elsewhere.
bool is_passing(Code code) {
  switch (code) {
    case Code::leader_changed:
    case Code::not_leader:
    case Code::busy:
    case Code::loading:
    case Code::stopped:
    case Code::timeout:
    case Code::timeout_unknown_outcome:
    case Code::all_failed: return true;
    default: return false;
  }
}

Error with_gap(const Error& why) {
  return {Code::compacted,
          "the watch cannot go on, and changes may have been missed; read again, and watch from there: " + why.text};
}

}  // namespace

Watches::Watches(node::Loop& loop, LightSession& light, Random random, std::optional<node::SessionId> session)
    : loop_(loop), light_(light), random_(random), session_(session) {
  light_.add_sink(this);
}

Watches::~Watches() {
  light_.remove_sink(this);
  loop_.cancel(probe_timer_);
  for (auto& [number, watch] : watches_) {
    loop_.cancel(watch.timer);
    if (!watch.host.empty()) light_.cancel_watch(watch.host, watch.id);
  }
}

WatchNumber Watches::watch(WatchOptions options, Instant deadline, OnEvent on_event) {
  const WatchNumber number{++last_};
  Watch& watch = watches_[number];
  watch.options = std::move(options);
  watch.deadline = deadline;
  watch.on_event = std::move(on_event);
  if (session_) {
    ask(number);
    return number;
  }
  watch.timer = loop_.wake_at(deadline, [this, number] {
    close(number, Event::What::closed, {Code::timeout, "the session that is to watch was not opened in time"});
  });
  return number;
}

void Watches::cancel(WatchNumber number) {
  const auto found = watches_.find(number);
  if (found == watches_.end()) return;
  const std::string host = found->second.host;
  const std::uint64_t id = found->second.id;
  forget_place(found->second);
  loop_.cancel(found->second.timer);
  watches_.erase(found);
  if (!host.empty()) light_.cancel_watch(host, id);
}

std::optional<WatchPosition> Watches::position(WatchNumber number) const {
  const auto found = watches_.find(number);
  return found == watches_.end() ? std::nullopt : found->second.position;
}

void Watches::begin(node::SessionId session) {
  session_ = session;
  for (auto& [number, watch] : watches_) {
    loop_.cancel(std::exchange(watch.timer, {}));
    ask(number);
  }
}

void Watches::end_all(const Error& why) {
  std::vector<WatchNumber> all;
  for (const auto& [number, watch] : watches_) all.push_back(number);
  for (const WatchNumber number : all) {
    const auto found = watches_.find(number);
    if (found == watches_.end()) continue;
    if (!found->second.host.empty()) light_.cancel_watch(found->second.host, found->second.id);
    close(number, Event::What::closed, why);
  }
}

// --- to be set ---

void Watches::ask(WatchNumber number) {
  Watch& watch = watches_.at(number);
  net::Watch body{.group = light_.group(),
                  .session = *session_,
                  .is_persistent = watch.options.is_persistent,
                  .query = {},
                  .consistency = watch.options.consistency,
                  .after = std::nullopt,
                  .watchable = {}};
  const bool is_first = !watch.position.has_value();
  if (const auto& from = is_first ? watch.options.from : watch.position; from) {
    body.after = from->after;
    body.watchable = from->watchable;
  } else {
    body.query = watch.options.query;
  }
  light_.repeat({.body = std::move(body),
                 .deadline = is_first ? watch.deadline : loop_.now() + resume_timeout,
                 .refresh = nullptr,
                 .done = [this, &light = light_, number, life = lifetime_.watch()](Repeated answer) {
                   if (!life.is_over() && watches_.contains(number)) return on_answer(number, std::move(answer));
                   // It was cancelled meanwhile.
                   if (answer.reply.error.code == Code::ok) light.cancel_watch(answer.host, answer.reply.id);
                 }});
}

void Watches::on_answer(WatchNumber number, Repeated answer) {
  Watch& watch = watches_.at(number);
  if (answer.reply.error.code != Code::ok) return on_refusal(number, std::move(answer.reply.error));
  auto* watching = std::get_if<net::Watching>(&answer.reply.body);
  if (watching == nullptr) {
    return close(number, Event::What::closed, {Code::corrupt, answer.host + " answered a watch with something else"});
  }
  watch.host = std::move(answer.host);
  watch.id = answer.reply.id;
  watch.set_at = loop_.now();
  by_id_[watch.id] = number;
  arm_probe();
  if (watch.position) return;  // it goes on
  if (watch.options.from) {
    watch.position = watch.options.from;
  } else {
    watch.position = {watching->index, std::move(watching->watchable)};
  }
  tell(number, {.what = Event::What::set,
                .index = watch.position->after,
                .data = std::move(watching->data),
                .changes = {},
                .error = {}});
}

void Watches::on_refusal(WatchNumber number, Error error) {
  const Watch& watch = watches_.at(number);
  if (error.code == Code::session_expired && on_expired_) on_expired_(error);
  if (!watches_.contains(number)) return;  // the session has ended it
  // A watch changes nothing: whether it was set somewhere for a moment is of no interest to anybody.
  if (error.code == Code::timeout_unknown_outcome) error.code = Code::timeout;
  if (watch.position && is_passing(error.code)) return ask_later(number);
  close(number, Event::What::closed, error.code == Code::compacted ? with_gap(error) : std::move(error));
}

// --- is told ---

bool Watches::on_event(const std::string& host, net::WatchEvent& event) {
  const auto found = by_id_.find(event.watch);
  if (found == by_id_.end()) return false;
  const WatchNumber number = found->second;
  Watch& watch = watches_.at(number);
  if (watch.host != host) return false;
  using What = net::WatchEvent::What;
  switch (event.what) {
    case What::progress:
      watch.position->after = std::max(watch.position->after, event.index);
      watch.pause = {};
      break;
    case What::changed: on_changed(number, event); break;
    case What::leader_changed: on_gone(number, event.error); break;
    case What::closed:
      if (event.error.code == Code::session_expired && on_expired_) on_expired_(event.error);
      if (!watches_.contains(number)) break;
      if (watch.options.is_persistent && is_passing(event.error.code)) {
        on_gone(number, event.error);
      } else {
        close(number, Event::What::closed, std::move(event.error));
      }
      break;
  }
  return true;
}

void Watches::on_changed(WatchNumber number, net::WatchEvent& event) {
  Watch& watch = watches_.at(number);
  const bool is_new = event.index > watch.position->after;
  const bool is_over = is_new && !watch.options.is_persistent;
  const Error gone{Code::leader_changed, watch.host + " has ended the watch"};
  if (is_new) {
    watch.position->after = event.index;
    watch.pause = {};
    if (is_over && !event.is_last) light_.cancel_watch(watch.host, watch.id);
    tell(number, {.what = Event::What::changed,
                  .is_last = is_over,
                  .index = event.index,
                  .data = {},
                  .changes = std::move(event.changes),
                  .error = {}});
  }
  if (event.is_last && !is_over && watches_.contains(number)) on_gone(number, gone);
}

void Watches::on_link_lost(const std::string& host, const Error& why) {
  std::vector<WatchNumber> lost;
  for (const auto& [number, watch] : watches_) {
    if (watch.host == host) lost.push_back(number);
  }
  for (const WatchNumber number : lost) {
    const auto found = watches_.find(number);
    if (found == watches_.end() || found->second.host != host) continue;
    on_gone(number, {Code::leader_changed, "the link to " + host + " broke: " + why.text});
  }
}

// It is not set there any more.
void Watches::on_gone(WatchNumber number, const Error& why) {
  Watch& watch = watches_.at(number);
  forget_place(watch);
  if (!watch.options.is_persistent) return close(number, Event::What::leader_changed, why);
  if (loop_.now() - watch.set_at >= lasted_long) watch.pause = {};
  ask_later(number);
}

// At once; but where it fails again and again, after a pause that grows, half of which is chance.
void Watches::ask_later(WatchNumber number) {
  Watch& watch = watches_.at(number);
  const Duration pause{random_.between(watch.pause.ns / 2, watch.pause.ns)};
  watch.pause = std::clamp(watch.pause * 2, pause_min, pause_max);
  watch.timer = loop_.wake_at(loop_.now() + pause, [this, number] {
    watches_.at(number).timer = {};
    ask(number);
  });
}

void Watches::forget_place(Watch& watch) {
  if (watch.host.empty()) return;
  by_id_.erase(watch.id);
  watch.host.clear();
  watch.id = 0;
}

// The one who is told may cancel the watch meanwhile.
void Watches::tell(WatchNumber number, Event event) {
  const auto found = watches_.find(number);
  OnEvent on_event = std::move(found->second.on_event);
  if (event.is_last) {
    forget_place(found->second);
    loop_.cancel(found->second.timer);
    watches_.erase(found);
    if (on_event) on_event(std::move(event));  // none: it is just being called
    return;
  }
  const auto life = lifetime_.watch();
  on_event(std::move(event));
  if (life.is_over()) return;
  if (const auto still = watches_.find(number); still != watches_.end()) still->second.on_event = std::move(on_event);
}

void Watches::close(WatchNumber number, Event::What what, Error why) {
  tell(number, {.what = what, .is_last = true, .index = {}, .data = {}, .changes = {}, .error = std::move(why)});
}

void Watches::arm_probe() {
  if (probe_timer_ != node::TimerId{}) return;
  probe_timer_ = loop_.wake_at(loop_.now() + light_.attempt_timeout() * attempts_between_probes, [this] {
    probe_timer_ = {};
    std::set<std::string> hosts;
    for (const auto& [id, number] : by_id_) hosts.insert(watches_.at(number).host);
    for (const std::string& host : hosts) light_.probe(host);
    if (!hosts.empty()) arm_probe();
  });
}

}  // namespace zraft::client
