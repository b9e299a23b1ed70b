// SPDX-License-Identifier: Apache-2.0
//
// What clients ask of a running group. A refusal names the leader where it is known, so that the next attempt finds it.
#include <algorithm>
#include <tuple>
#include <type_traits>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/host/shard.h"

namespace zraft::host {
namespace {

constexpr std::uint32_t timeout_ms_max = 3'600'000;  // nobody waits longer than an hour
constexpr std::size_t names_told_max = 16;

// What a node said, in the words of the wire. The group may be gone by the time of the answer, its leader's name with
// it.
net::Reply reply_of(node::Reply from, const Group* group) {
  net::Reply reply{.id = 0, .error = std::move(from.error), .leader = {}, .body = {}};
  if (reply.error.code == Code::ok) {
    reply.body = net::Data{std::move(from.data)};
  } else if (group != nullptr) {
    reply.leader = group->peer_of(from.leader);
  }
  return reply;
}

node::ReadMode mode_of(net::Consistency consistency) {
  switch (consistency) {
    case net::Consistency::linearizable: return node::ReadMode::linearizable;
    case net::Consistency::stale: return node::ReadMode::stale;
    case net::Consistency::lease: return node::ReadMode::lease;
    case net::Consistency::follower: return node::ReadMode::follower;
    case net::Consistency::bounded: return node::ReadMode::bounded;
  }
  UNREACHABLE("a consistency of no kind");
}

// Of a peer that does not run: it was removed, or is about to run.
net::PeerStatus status_of(const CatalogueEntry& entry) {
  net::PeerStatus status;
  status.group = entry.group;
  status.group_id = entry.group_id;
  status.backend = entry.backend;
  status.peer = entry.peer;
  status.self = entry.self;
  status.role = entry.is_removed ? "removed" : "loading";
  return status;
}

}  // namespace

void Shard::serve(net::Request request, Answer answer, std::uint64_t link) {
  const std::uint32_t timeout_ms = std::min(request.timeout_ms, timeout_ms_max);
  const Duration timeout = timeout_ms == 0 ? options_.request_timeout : Duration::milliseconds(timeout_ms);
  const Instant deadline = seams_.loop.now() + timeout;
  std::visit(
      [&](auto& body) {
        if constexpr (std::is_same_v<std::decay_t<decltype(body)>, net::Watch>) {
          watch(std::move(body), {link, request.id}, deadline, std::move(answer));
        } else {
          on(std::move(body), deadline, std::move(answer));
        }
      },
      request.body);
}

// Of several peers of a group, the one that leads it; else the one that knows most: another may have been removed from
// the group and not know it yet, and would name a leader of old.
Group* Shard::find(const std::string& group) {
  const auto named = by_name_.find(group);
  if (named == by_name_.end()) return nullptr;
  const std::vector<Group*>& all = named->second;
  return *std::ranges::max_element(all, {}, [](const Group* peer) {
    const raft::Core& core = peer->node().core();
    return std::tuple(core.is_leader(), core.term(), core.leader().has_value(), core.commit());
  });
}

Error Shard::not_here(const std::string& group) const {
  std::string here;
  for (const CatalogueEntry& entry : catalogue_) {
    if (entry.group != group) continue;
    if (entry.is_removed) return {Code::not_found, entry.peer + " was removed from the group " + group};
    return {Code::loading, "host " + options_.name + " is just opening the group " + group + ": try again"};
  }
  if (around_.shards > 1) {
    return {Code::not_found, "host " + options_.name + " has no group " + group + ": create it first"};
  }
  std::size_t told = 0;
  for (const auto& [name, peers] : by_name_) {
    if (told == names_told_max) {
      here += ", and " + std::to_string(by_name_.size() - told) + " more";
      break;
    }
    here += (told++ == 0 ? "" : ", ") + name;
  }
  return {Code::not_found, "host " + options_.name + " has no group " + group +
                               (here.empty() ? " and no other: create it first" : "; it has: " + here)};
}

// The peer may be gone by the time of the answer.
node::Done Shard::reply_later(const Group& group, Answer answer) {
  const PeerKey key{group.entry().group_id, group.entry().self};
  return [this, key, life = lifetime_.watch(), answer = std::move(answer)](node::Reply reply) mutable {
    if (life.is_over()) return;
    const auto found = peers_.find(key);
    answer(reply_of(std::move(reply), found == peers_.end() ? nullptr : found->second.get()));
  };
}

void Shard::on(net::Propose&& body, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(reply_of(not_here(body.group)));
  group->node().propose(std::move(body.data), deadline, reply_later(*group, std::move(answer)));
}

void Shard::on(net::Query&& body, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(reply_of(not_here(body.group)));
  group->node().query(std::move(body.data), mode_of(body.consistency), deadline,
                      reply_later(*group, std::move(answer)), Duration::milliseconds(body.staleness_max_ms));
}

void Shard::on(net::ChangeMembers&& body, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(reply_of(not_here(body.group)));
  if (Result<> good = body.wanted.valid(); !good) return answer(reply_of(good.error()));
  for (const raft::Member& member : body.wanted.members) {
    if (const auto parsed = net::parse_peer(member.peer); !parsed) return answer(reply_of(parsed.error()));
  }
  group->node().reconfigure(body.expected, std::move(body.wanted), deadline, reply_later(*group, std::move(answer)));
}

void Shard::on(net::TransferLeadership&& body, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(reply_of(not_here(body.group)));
  const auto target = body.target.value == 0 ? std::nullopt : std::optional(body.target);
  group->node().transfer(target, deadline, reply_later(*group, std::move(answer)));
}

void Shard::on(net::SaveSnapshot&& body, Instant, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(reply_of(not_here(body.group)));
  group->node().save_snapshot([answer = std::move(answer)](Result<raft::SnapshotMeta> saved) mutable {
    answer(reply_of(saved ? Error{} : saved.error()));
  });
}

void Shard::on(net::GetStatus&& body, Instant, Answer answer) {
  net::Status status{.host = options_.name, .version = ZRAFT_VERSION, .peers = {}};
  for (const CatalogueEntry& entry : catalogue_) {
    if (!body.group.empty() && entry.group != body.group) continue;
    const auto running = peers_.find({entry.group_id, entry.self});
    status.peers.push_back(running != peers_.end() ? running->second->status(seams_.loop.now()) : status_of(entry));
  }
  if (status.peers.empty() && !body.group.empty()) return answer(reply_of(not_here(body.group)));
  answer({.id = 0, .error = {}, .leader = {}, .body = std::move(status)});
}

}  // namespace zraft::host
