// SPDX-License-Identifier: Apache-2.0
//
// What clients ask of a running group for their sessions and watches. A session's requests become entries of the log;
// who does not lead refuses them, and names the leader.
#include <utility>

#include "zraft/host/shard.h"
#include "zraft/session/entry.h"

namespace zraft::host {
namespace {

// What the node gives with an `ok` is for nobody.
Shard::Answer without_data(Shard::Answer answer) {
  return [answer = std::move(answer)](net::Reply reply) mutable {
    if (reply.error.code == Code::ok) reply.body = net::Nothing{};
    answer(std::move(reply));
  };
}

}  // namespace

void Shard::on(net::OpenSession&& body, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(reply_of(not_here(body.group)));
  const session::Open open{.nonce = {body.nonce[0], body.nonce[1]}, .timeout_ms = body.session_timeout_ms};
  Answer opened = [answer = std::move(answer)](net::Reply reply) mutable {
    if (const auto* data = std::get_if<net::Data>(&reply.body)) {
      if (const auto id = session::opened(data->data)) {
        reply.body = net::SessionOpened{*id};
      } else {
        reply = reply_of(id.error());
      }
    }
    answer(std::move(reply));
  };
  group->node().propose(raft::EntryType::session, encode(session::Entry(open)), deadline,
                        reply_later(*group, std::move(opened)));
}

void Shard::on(net::SessionWrite&& body, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(reply_of(not_here(body.group)));
  const session::Write write{.session = body.session,
                             .sequence = body.sequence,
                             .acknowledged = body.acknowledged,
                             .is_ephemeral = body.is_ephemeral,
                             .command = body.data};
  group->node().propose(raft::EntryType::session, encode(session::Entry(write)), deadline,
                        reply_later(*group, std::move(answer)));
}

void Shard::on(net::KeepAlive&& body, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(reply_of(not_here(body.group)));
  group->keeper().keep_alive({body.session, body.acknowledged}, deadline,
                             reply_later(*group, without_data(std::move(answer))));
}

void Shard::on(net::CloseSession&& body, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(reply_of(not_here(body.group)));
  group->node().propose(raft::EntryType::session, encode(session::Entry(session::Close{body.session})), deadline,
                        reply_later(*group, without_data(std::move(answer))));
}

void Shard::watch(net::Watch&& body, session::WatchId id, Instant deadline, Answer answer) {
  Group* group = find(body.group);
  if (group == nullptr) return answer(reply_of(not_here(body.group)));
  const node::ReadMode mode =
      body.consistency == net::Consistency::lease ? node::ReadMode::lease : node::ReadMode::linearizable;
  const PeerKey key{group->entry().group_id, group->entry().self};
  group->watch(id, std::move(body), mode, deadline,
               [this, key, life = lifetime_.watch(), answer = std::move(answer)](node::Reply from) mutable {
                 if (life.is_over()) return;
                 const auto found = peers_.find(key);
                 net::Reply reply = reply_of(std::move(from.error));
                 if (reply.error.code == Code::ok) {
                   reply.body = net::Watching{.data = std::move(from.data),
                                              .index = from.index,
                                              .watchable = std::move(from.watchable)};
                 } else if (found != peers_.end()) {
                   reply.leader = found->second->peer_of(from.leader);
                 }
                 answer(std::move(reply));
               });
}

// Host::Inbound does it.
void Shard::on(net::CancelWatch&&, Instant, Answer answer) {
  answer(reply_of({Code::bad_request, "a watch is ended over the link on which it was set"}));
}

void Shard::unwatch(const std::string& group, session::WatchId watch) {
  const auto named = by_name_.find(group);
  if (named == by_name_.end()) return;
  for (Group* peer : named->second) peer->unwatch(watch);
}

}  // namespace zraft::host
