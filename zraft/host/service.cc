// SPDX-License-Identifier: Apache-2.0
//
// What clients ask of a running group. A refusal names the leader where it is known, so that the next attempt finds it.
#include <algorithm>
#include <utility>

#include "zraft/host/host.h"

namespace zraft::host {
namespace {

constexpr std::uint32_t timeout_ms_max = 3'600'000;  // nobody waits longer than an hour

net::Reply refusal(Error error) { return {.id = 0, .error = std::move(error), .leader = {}, .body = {}}; }

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

}  // namespace

void Host::serve(net::Request request, Answer answer) {
  const std::uint32_t timeout_ms = std::min(request.timeout_ms, timeout_ms_max);
  const Duration timeout = timeout_ms == 0 ? options_.request_timeout : Duration::milliseconds(timeout_ms);
  const Instant deadline = seams_.loop.now() + timeout;
  std::visit([&](auto& body) { on(std::move(body), deadline, std::move(answer)); }, request.body);
}

Group* Host::find(const std::string& group) {
  for (const auto& [id, running] : groups_) {
    if (running->entry().group == group) return running.get();
  }
  return nullptr;
}

Error Host::not_here(const std::string& group) const {
  std::string here;
  for (const auto& [id, running] : groups_) here += (here.empty() ? "" : ", ") + running->entry().group;
  return {Code::not_found, "host " + options_.name + " has no group " + group +
                               (here.empty() ? " and no other: create it first" : "; it has: " + here)};
}

void Host::on(net::Propose&& body, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(refusal(not_here(body.group)));
  const raft::GroupId id = group->entry().group_id;
  group->node().propose(std::move(body.data), deadline,
                        [this, id, life = lifetime_.watch(), answer = std::move(answer)](node::Reply reply) mutable {
                          if (life.is_over()) return;
                          const auto found = groups_.find(id);
                          answer(reply_of(std::move(reply), found == groups_.end() ? nullptr : found->second.get()));
                        });
}

void Host::on(net::Query&& body, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(refusal(not_here(body.group)));
  const raft::GroupId id = group->entry().group_id;
  const node::ReadMode mode =
      body.consistency == net::Consistency::stale ? node::ReadMode::stale : node::ReadMode::linearizable;
  group->node().query(std::move(body.data), mode, deadline,
                      [this, id, life = lifetime_.watch(), answer = std::move(answer)](node::Reply reply) mutable {
                        if (life.is_over()) return;
                        const auto found = groups_.find(id);
                        answer(reply_of(std::move(reply), found == groups_.end() ? nullptr : found->second.get()));
                      });
}

void Host::on(net::GetStatus&& body, Instant, Answer answer) {
  net::Status status{.host = options_.name, .version = ZRAFT_VERSION, .peers = {}};
  for (const auto& [id, group] : groups_) {
    if (body.group.empty() || group->entry().group == body.group) status.peers.push_back(group->status());
  }
  if (status.peers.empty() && !body.group.empty()) return answer(refusal(not_here(body.group)));
  answer({.id = 0, .error = {}, .leader = {}, .body = std::move(status)});
}

}  // namespace zraft::host
