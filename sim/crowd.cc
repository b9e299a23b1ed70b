// SPDX-License-Identifier: Apache-2.0
//
// See crowd.h.
#include "sim/crowd.h"

#include <algorithm>
#include <set>

#include "sim/nemesis.h"
#include "zraft/machines/kv_wire.h"

namespace zraft::sim {

Crowd::Crowd(World& world, Fabric& fabric, History& history, SessionGhost& ghost, Nemesis& nemesis,
             const SessionPlan& plan)
    : world_(world), history_(history), ghost_(ghost) {
  ghost_.set_listener([this](const SessionGhost::News& news) { on_news(news); });
  for (std::size_t i = 0; i < plan.clients; ++i) {
    const HostId id = world_.add_host("s" + std::to_string(world_.hosts() + 1));
    nemesis.add_client(id);
    clients_.push_back(std::make_unique<SessionClient>(world_, fabric, history_, ghost_, id, plan.client));
  }
  for (const auto& client : clients_) client->start();
  sessions_ = plan.clients + plan.watchers / 2;
  for (std::size_t i = 0; i < plan.watchers; ++i) {
    const HostId id = world_.add_host("w" + std::to_string(world_.hosts() + 1));
    nemesis.add_client(id);
    WatchClientOptions options = plan.watcher;
    if (i % 2 == 0) options.session_timeout = {};
    watchers_.push_back(std::make_unique<WatchClient>(world_, fabric, ghost_, id, std::move(options)));
    watchers_.back()->start();
  }
}

Crowd::~Crowd() { ghost_.set_listener({}); }

// What goes with a session is deleted by nobody: the history has it as an operation of the world's, which took effect
// where the entry was applied first, because before that nobody can have seen it, and afterwards everybody does.
void Crowd::on_news(const SessionGhost::News& news) {
  if (news.ended == node::SessionId{}) return;
  if (news.by_expiry) {
    for (const auto& client : clients_) client->on_expiry(news.ended);
  }
  for (const node::Change& change : *news.changes) {
    Operation op;
    op.kind = Operation::Kind::remove;
    op.key = change.key;
    const std::uint64_t id = history_.call(op, world_.now());
    history_.end(id, {.outcome = Operation::Outcome::done, .existed = true, .version = news.index}, world_.now());
  }
}

void Crowd::calm() {
  for (const auto& client : clients_) {
    client->calm();
    done_before_[client.get()] = client->done();
  }
  for (const auto& watcher : watchers_) watcher->calm();
}

bool Crowd::is_served() const {
  return std::ranges::all_of(clients_, [this](const auto& client) {
    return client->session() != node::SessionId{} && client->done() > done_before_.at(client.get()) + 1;
  });
}

void Crowd::stop() {
  for (const auto& client : clients_) client->stop();
}

void Crowd::leave() {
  for (const auto& client : clients_) client->leave();
  for (const auto& watcher : watchers_) watcher->leave();
}

bool Crowd::is_tidy() const {
  std::set<node::SessionId> known;
  for (const auto& client : clients_) known.insert(client->session());
  for (const auto& watcher : watchers_) known.insert(watcher->session());
  known.erase(node::SessionId{});
  std::set<node::SessionId> alive;
  for (const auto& [session, state] : ghost_.alive()) alive.insert(session);
  if (known != alive || known.size() != sessions_) return false;
  return std::ranges::all_of(watchers_, [](const auto& watcher) { return watcher->has_seen_all(); });
}

std::string Crowd::state() const {
  std::string text = "  sessions:";
  for (const auto& [session, state] : ghost_.alive()) {
    text += " " + std::to_string(session.value) + " (until " + std::to_string(state.deadline().ns / 1'000'000) + "ms)";
  }
  text += "\n  clients:";
  for (const auto& client : clients_) text += " " + std::to_string(client->session().value);
  text += "\n  watchers:";
  for (const auto& watcher : watchers_) {
    text += "\n    " + watcher->state();
  }
  return text + "\n";
}

void Crowd::check_end() {
  for (const auto& client : clients_) client->check_refused();
}

std::vector<std::string> Crowd::take_broken() {
  std::vector<std::string> all = ghost_.take_broken();
  for (const auto& client : clients_) {
    for (std::string& law : client->take_broken()) all.push_back(std::move(law));
  }
  for (const auto& watcher : watchers_) {
    for (std::string& law : watcher->take_broken()) all.push_back(std::move(law));
  }
  return all;
}

void Crowd::count(std::map<std::string, std::uint64_t>& counts) const {
  for (const auto& [what, often] : ghost_.counts()) counts[what] += often;
  for (const auto& client : clients_) {
    for (const auto& [what, often] : client->counts()) counts[what] += often;
  }
  for (const auto& watcher : watchers_) {
    for (const auto& [what, often] : watcher->counts()) counts[what] += often;
  }
}

}  // namespace zraft::sim
