// SPDX-License-Identifier: Apache-2.0
//
// See churn.h. It looks at the leader's membership as nobody in a real cluster could, to know what makes sense; what is
// done goes through the operator, who knows only what hosts answer.
#include "sim/churn.h"

#include <algorithm>
#include <utility>

#include "sim/draw.h"

namespace zraft::sim {

namespace {

constexpr std::size_t at_once_max = 2;
constexpr Duration replace_patience = Duration::seconds(10);

std::vector<std::string> peers_of(const raft::Membership& membership) {
  std::vector<std::string> out;
  for (const raft::Member& member : membership.members) out.push_back(member.peer);
  return out;
}

bool is_at(const std::string& peer, const std::string& address) { return peer.ends_with("@" + address); }

bool is_settled(const raft::Core& core) {
  const bool is_committed = core.log().membership_index() <= core.commit();
  return is_committed && !core.membership().is_joint() && core.membership().promoting.empty();
}

}  // namespace

Churn::Churn(World& world, Operator& by, Nemesis& nemesis, const std::vector<std::unique_ptr<SimHost>>& hosts,
             ChurnPlan plan)
    : world_(world), operator_(by), nemesis_(nemesis), hosts_(hosts), plan_(plan), random_(world.fork()) {}

void Churn::begin(std::vector<Target> groups) {
  is_resting_ = false;
  for (Target& target : groups) {
    groups_.push_back(std::make_unique<Group>());
    groups_.back()->target = std::move(target);
    repeat_changes(*groups_.back());
  }
  if (plan_.wipe_every > Duration{}) repeat_losses();
}

void Churn::rest() { is_resting_ = true; }

bool Churn::is_idle() const {
  return std::ranges::all_of(groups_, [](const auto& group) {
    return group->under_way == 0 && !group->lost && !group->is_replacing;
  });
}

std::string Churn::fresh_peer(const std::string& address) { return "m" + std::to_string(++peers_) + "@" + address; }

void Churn::repeat_changes(Group& group) {
  if (plan_.change_every <= Duration{}) return;
  world_.after(draw_exponential(random_, plan_.change_every), the_world, EventKind::world, 7, [this, &group] {
    if (is_resting_) return;
    if (!group.lost && group.under_way < at_once_max) change(group);
    repeat_changes(group);
  });
}

void Churn::repeat_losses() {
  world_.after(draw_exponential(random_, plan_.wipe_every), the_world, EventKind::world, 8, [this] {
    if (is_resting_) return;
    lose_a_disk();
    repeat_losses();
  });
}

// --- changes ---

void Churn::change(Group& group) {
  const host::Group* leader = leader_of(hosts_, group.target.id);
  if (leader == nullptr) return;
  const raft::Membership& now = leader->node().core().membership();
  const std::uint64_t share = random_.below(100);
  if (share < 25) return transfer(group, now);
  if (share < 35) return destroy_removed(group);
  if (auto drawn = draw_change(now)) perform(group, "change", std::move(*drawn));
}

std::string Churn::draw_address(const raft::Membership& now) {
  std::vector<std::string> free;
  for (const auto& host : hosts_) {
    const bool is_taken = std::ranges::any_of(now.members, [&](const raft::Member& member) {
      return is_at(member.peer, host->address());
    });
    if (!is_taken) free.push_back(host->address());
  }
  if (free.empty()) return hosts_[draw_index(random_, hosts_.size())]->address();
  return free[draw_index(random_, free.size())];
}

std::optional<client::MemberChange> Churn::draw_change(const raft::Membership& now) {
  client::MemberChange wanted;
  const raft::Member& one = now.members[draw_index(random_, now.members.size())];
  const bool votes = now.is_voter(one.id);
  std::uint64_t kind = random_.below(6);
  if (now.members.size() >= plan_.members_max && kind <= 1) kind = 2;
  switch (kind) {
    case 0: wanted.voters.push_back(fresh_peer(draw_address(now))); break;
    case 1: wanted.learners.push_back(fresh_peer(draw_address(now))); break;
    case 2: wanted.gone.push_back(one.peer); break;
    case 3: {
      auto& list = votes ? wanted.voters : wanted.learners;
      list.push_back(fresh_peer(draw_address(now)));
      wanted.gone.push_back(one.peer);
      break;
    }
    case 4: (votes ? wanted.learners : wanted.voters).push_back(one.peer); break;
    default: return draw_set(now);
  }
  if (now.voters.size() == 1 && votes && wanted.voters.empty() && kind != 1) return std::nullopt;  // nobody would vote
  return wanted;
}

client::MemberChange Churn::draw_set(const raft::Membership& now) {
  client::MemberChange wanted;
  wanted.only_if = peers_of(now);
  std::vector<std::string> addresses;
  for (const auto& host : hosts_) addresses.push_back(host->address());
  shuffle(random_, addresses);
  addresses.resize(1 + draw_index(random_, std::min(addresses.size(), plan_.members_max)));
  for (const std::string& address : addresses) {
    const auto there = std::ranges::find_if(now.members, [&](const raft::Member& member) {
      return is_at(member.peer, address);
    });
    wanted.voters.push_back(there == now.members.end() ? fresh_peer(address) : there->peer);
  }
  return wanted;
}

void Churn::perform(Group& group, const std::string& what, client::MemberChange change) {
  change.group = group.target.name;
  std::string story = what + " of " + group.target.name + ":";
  for (const auto& peer : change.voters) story += " vote " + peer;
  for (const auto& peer : change.learners) story += " learn " + peer;
  for (const auto& peer : change.gone) story += " go " + peer;
  world_.narrate({}, story + (change.only_if ? " and nobody else" : ""));
  const std::vector<std::string> gone = change.gone;
  ++group.under_way;
  operator_.change(std::move(change), plan_.patience, [this, &group, gone](const Result<>& result) {
    if (result && !gone.empty()) group.removed = gone.front();
    end(group, "change of members", result ? Error{} : result.error());
  });
}

void Churn::transfer(Group& group, const raft::Membership& now) {
  const raft::NodeId to = now.voters[draw_index(random_, now.voters.size())];
  const std::string peer = random_.chance(300'000) ? std::string() : now.find(to)->peer;
  world_.narrate({}, "transfer of " + group.target.name + " to " + (peer.empty() ? "anybody" : peer));
  ++group.under_way;
  operator_.transfer(group.target.name, peer, plan_.patience, [this, &group](const Result<std::string>& result) {
    end(group, "transfer", result ? Error{} : result.error());
  });
}

void Churn::destroy_removed(Group& group) {
  if (!group.removed) return;
  const std::string peer = *std::exchange(group.removed, std::nullopt);
  world_.narrate({}, "what is left of " + peer + " is destroyed");
  ++group.under_way;
  operator_.destroy(group.target.name, peer, plan_.patience, [this, &group](const Result<>& result) {
    end(group, "destruction", result ? Error{} : result.error());
  });
}

void Churn::end(Group& group, const std::string& what, const Error& error) {
  --group.under_way;
  ++counts_[what + ": " + std::string(name_of(error.code))];
  world_.trace(static_cast<std::uint64_t>(error.code));
  world_.narrate({}, what + " of " + group.target.name + ": " + (error.code == Code::ok ? "done" : error.text));
}

// --- lost disks ---

// Only what was committed by a settled membership of three or more survives the loss of one.
bool Churn::can_lose(const Group& group, const SimHost& host) const {
  if (group.under_way > 0 || group.lost || group.is_replacing) return false;
  const host::Group* leader = leader_of(hosts_, group.target.id);
  if (leader == nullptr || !is_settled(leader->node().core())) return false;
  const raft::Membership& now = leader->node().core().membership();
  const auto here = std::ranges::count_if(now.members, [&](const raft::Member& member) {
    return is_at(member.peer, host.address());
  });
  return here <= 1 && now.voters.size() >= 3;
}

void Churn::lose_a_disk() {
  SimHost& host = *hosts_[draw_index(random_, hosts_.size())];
  if (!host.is_up() || host.has_died()) return;
  if (!std::ranges::all_of(groups_, [&](const auto& group) { return can_lose(*group, host); })) return;
  ++counts_["disks lost"];
  for (const auto& group : groups_) {
    for (const raft::Member& member : leader_of(hosts_, group->target.id)->node().core().membership().members) {
      if (is_at(member.peer, host.address())) group->lost = member.peer;
    }
  }
  nemesis_.take_disk_of(host);
  for (const auto& group : groups_) {
    if (group->lost) replace_lost(*group);
  }
}

// Until it is done, at rest too: a group that has lost a member for good is not healed by waiting.
void Churn::replace_lost(Group& group) {
  const host::Group* leader = leader_of(hosts_, group.target.id);
  if (leader == nullptr) {
    world_.after(Duration::milliseconds(100), the_world, EventKind::world, 9, [this, &group] { replace_lost(group); });
    return;
  }
  const raft::Membership& now = leader->node().core().membership();
  const auto lost = std::ranges::find(now.members, *group.lost, &raft::Member::peer);
  client::MemberChange wanted{.group = group.target.name, .voters = {}, .learners = {}, .gone = {}, .only_if = {}};
  const bool is_there = lost != now.members.end();
  if (is_there) {
    (now.is_voter(lost->id) ? wanted.voters : wanted.learners).push_back(fresh_peer(draw_address(now)));
    wanted.gone.push_back(lost->peer);
  } else if (is_settled(leader->node().core())) {
    group.lost.reset();
    ++counts_["lost members replaced"];
    return;
  }
  group.is_replacing = true;
  const auto again = [this, &group](const Result<>& result) {
    group.is_replacing = false;
    ++counts_["replacement: " + std::string(name_of(result ? Code::ok : result.error().code))];
    world_.narrate({}, "replacement in " + group.target.name + ": " + (result ? "done" : result.error().text));
    world_.after(Duration::milliseconds(20), the_world, EventKind::world, 9, [this, &group] { replace_lost(group); });
  };
  if (!is_there) return again({});
  world_.narrate({}, *group.lost + " is lost, and is replaced by " +
                         (wanted.voters.empty() ? wanted.learners : wanted.voters).front());
  operator_.change(std::move(wanted), replace_patience, again);
}

}  // namespace zraft::sim
