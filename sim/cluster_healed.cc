// SPDX-License-Identifier: Apache-2.0
//
// What must hold when the faults have ended: one leader, everybody is served, sessions and members are as they should
// be, and in the end the members are alike, and stay so.
#include <algorithm>

#include "sim/cluster.h"
#include "zraft/machines/memory_kv.h"

namespace zraft::sim {

namespace {

// A link that died unnoticed is found dead when it is used, and is opened again after a pause.
constexpr Duration links_mend = Duration::seconds(3);
constexpr Duration expiry_takes = Duration::seconds(4);  // longer than a session lasts

}  // namespace

void Cluster::live() {
  const Duration timeout = scenario_.host.host.election_timeout;
  nemesis_->rest();
  churn_->rest();
  end_churn();
  if (!broken_.empty()) return;
  const bool is_led = run_until(timeout * 10 + links_mend, [this] {
    return all_groups([this](const Group& group) { return has_one_leader(group); });
  });
  if (!broken_.empty()) return;
  for (const auto& group : groups_) expect(is_led, "I50", "no single leader in time\n" + state_of(*group));

  std::map<const KvClient*, std::uint64_t> before;
  for (const auto& group : groups_) {
    if (group->crowd) group->crowd->calm();
    for (const auto& client : group->clients) before[client.get()] = client->counts().done;
  }
  const bool is_served = run_until(Duration::seconds(30), [&] {
    return all_groups([&](const Group& group) {
      if (group.crowd && !group.crowd->is_served()) return false;
      return std::all_of(group.clients.begin(), group.clients.end(),
                         [&](const auto& client) { return client->counts().done > before[client.get()] + 1; });
    });
  });
  if (!broken_.empty()) return;
  expect(is_served, "I50", "some client is not served although everything is healed");

  for (const auto& group : groups_) {
    for (const auto& client : group->clients) client->calm();
  }
  if (scenario_.creation_at) check_creation();
  if (broken_.empty() && scenario_.churn.change_every > Duration{}) check_last_change();
  if (!broken_.empty()) return;
  for (const auto& group : groups_) {
    for (const auto& client : group->clients) client->stop();
    if (group->crowd) group->crowd->stop();
  }
  const bool is_idle = run_until(scenario_.client.timeout + Duration::seconds(1), [this] {
    return all_groups([](const Group& group) { return group.history.under_way() == 0; });
  });
  if (broken_.empty()) expect(is_idle, "I50", "some operation does not end");
  if (broken_.empty()) end_sessions();
  if (broken_.empty()) end_calm();
}

// Nobody asks for anything any more.
void Cluster::end_calm() {
  const Duration timeout = scenario_.host.host.election_timeout;
  // Clients that keep their sessions alive write all the while: then it is enough to be no further behind than that.
  const bool is_kept = scenario_.sessions.clients > 0;
  // A snapshot has the table of sessions, too, and may leave with 4 KiB a second.
  const Duration transfers = is_kept ? Duration::seconds(20) : Duration{};
  std::map<const Group*, raft::Index> here;
  for (const auto& group : groups_) {
    const host::Group* leader = leader_of(hosts_, group->id);
    if (leader != nullptr) here[group.get()] = leader->node().core().log().last().index;
  }
  const bool is_alike = run_until(timeout * 10 + links_mend + transfers, [&] {
    return all_groups([&](const Group& group) {
      return is_kept ? have_applied(group, here[&group]) : has_converged(group);
    });
  });
  if (!broken_.empty()) return;
  for (const auto& group : groups_) expect(is_alike, "I50", "the members do not become alike\n" + state_of(*group));

  // A request that was on its way for long may still come; that is no reason to elect anybody.
  const auto terms = [this] {
    std::vector<raft::Term> all;
    for (const auto& group : groups_) {
      for (const host::Group* peer : members_of(*group)) all.push_back(peer->node().core().term());
    }
    return all;
  };
  const std::vector<raft::Term> calm = terms();
  run_for(timeout * 20);
  if (!broken_.empty()) return;
  for (const auto& group : groups_) {
    expect(calm == terms(), "I51", "nothing was wrong, and yet there was an election\n" + state_of(*group));
  }
  if (is_kept && broken_.empty()) end_crowds();
  if (!broken_.empty()) return;
  for (const auto& group : groups_) {
    expect(has_converged(*group), "I50", "the members do not stay alike\n" + state_of(*group));
  }
}

void Cluster::end_crowds() {
  for (const auto& group : groups_) group->crowd->leave();
  const SessionPlan& plan = scenario_.sessions;
  const Duration longest = std::max(plan.client.session_max, plan.watcher.session_timeout);
  run_until(longest + expiry_takes + scenario_.host.host.election_timeout * 10, [this] {
    return all_groups([this](const Group& group) { return group.crowd->is_over() && has_converged(group); });
  });
  if (!broken_.empty()) return;
  for (const auto& group : groups_) {
    expect(group->crowd->is_over(), "I29", "a session does not expire\n" + group->crowd->state());
  }
  gather_of_crowds();
}

// Nothing is in the way, so the sessions of those that are gone end in time, and no other.
void Cluster::end_sessions() {
  if (scenario_.sessions.clients == 0) return;
  const Duration limit = scenario_.sessions.client.session_max + expiry_takes;
  const bool is_tidy = run_until(limit, [this] {
    return all_groups([](const Group& group) { return group.crowd->is_tidy(); });
  });
  if (!broken_.empty()) return;
  for (const auto& group : groups_) {
    expect(is_tidy, "I29", "the sessions are not those of the clients that are alive\n" + group->crowd->state());
    group->crowd->check_end();
  }
  gather_of_crowds();
}

bool Cluster::all_groups(const std::function<bool(const Group&)>& claim) const {
  return std::all_of(groups_.begin(), groups_.end(), [&](const auto& group) { return claim(*group); });
}

std::vector<const host::Group*> Cluster::members_of(const Group& group) const {
  const host::Group* leader = leader_of(hosts_, group.id);
  if (leader == nullptr) return {};
  std::vector<const host::Group*> out;
  for (const raft::Member& member : leader->node().core().membership().members) {
    out.push_back(find_peer(hosts_, group.id, member.id));
    if (out.back() == nullptr || out.back()->node().stopped()) return {};
  }
  return out;
}

bool Cluster::has_one_leader(const Group& group) const {
  const std::vector<const host::Group*> members = members_of(group);
  if (members.empty()) return false;
  const raft::Core& first = members.front()->node().core();
  if (!first.leader() || first.membership().is_joint() || first.membership().find(*first.leader()) == nullptr) {
    return false;
  }
  return std::ranges::count_if(members, [](const auto* peer) { return peer->node().core().is_leader(); }) == 1 &&
         std::ranges::all_of(members, [&](const auto* peer) {
           const raft::Core& core = peer->node().core();
           return core.leader() == first.leader() && core.term() == first.term();
         });
}

bool Cluster::have_applied(const Group& group, raft::Index index) const {
  return has_one_leader(group) && std::ranges::all_of(members_of(group), [index](const auto* peer) {
    return peer->node().core().applied() >= index;
  });
}

bool Cluster::has_converged(const Group& group) const {
  if (!has_one_leader(group)) return false;
  const std::vector<const host::Group*> members = members_of(group);
  const host::Group& first = *members.front();
  const Ghost& ghost = ghosts_.at(group.id);
  const auto digest_of = [](const host::Group& peer) {
    return dynamic_cast<const machines::MemoryKv&>(peer.machine()).digest();
  };
  return std::ranges::all_of(members, [&](const auto* peer) {
    const raft::Core& core = peer->node().core();
    return core.log().last() == first.node().core().log().last() && core.commit() == core.log().last().index &&
           core.applied() == core.commit() &&
           ghost.applied_hash(peer->entry().self) == ghost.applied_hash(first.entry().self) &&
           digest_of(*peer) == digest_of(first);
  });
}

// What was begun ends, one way or the other, and what was lost is replaced.
void Cluster::end_churn() {
  const Duration limit = scenario_.churn.patience + Duration::seconds(40);
  const bool is_over = run_until(limit, [this] { return churn_->is_idle(); });
  if (!broken_.empty() || is_over) return;
  for (const auto& group : groups_) expect(false, "I21", "a change of members does not end\n" + state_of(*group));
}

// All is well, so members come and go as they are told: to those of the beginning, on the hosts of the beginning.
void Cluster::check_last_change() {
  for (const auto& group : groups_) {
    client::MemberChange wanted{.group = group->name, .voters = {}, .learners = {}, .gone = {}, .only_if = {}};
    for (const raft::Member& member : leader_of(hosts_, group->id)->node().core().membership().members) {
      wanted.gone.push_back(member.peer);
    }
    for (std::size_t i = 0; i < scenario_.members; ++i) {
      wanted.voters.push_back(churn_->fresh_peer(hosts_[i]->address()));
    }
    world_.narrate({}, "the last change: all members of " + group->name + " are replaced");
    std::optional<Result<>> changed;
    operator_->change(std::move(wanted), Duration::seconds(30), [&changed](const Result<>& done) { changed = done; });
    const bool is_over = run_until(Duration::seconds(35), [&] { return changed.has_value(); });
    if (!broken_.empty()) return;
    const bool is_done = is_over && changed->has_value();
    expect(is_done, "I21", "although all is well, the members cannot be changed: " +
                               (is_over ? changed->error().text : "it does not end") + "\n" + state_of(*group));
    if (!is_done) return;
  }
}

}  // namespace zraft::sim
