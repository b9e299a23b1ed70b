// SPDX-License-Identifier: Apache-2.0
//
// See session_table.h.
#include "zraft/session/session_table.h"

#include <algorithm>
#include <string>

#include "zraft/base/check.h"

namespace zraft::session {
namespace {

ClusterTime operator+(ClusterTime time, Duration duration) { return {time.ns + duration.ns}; }

std::shared_ptr<const StoredReply> refuse(Code code, std::string text) {
  return std::make_shared<const StoredReply>(StoredReply{.result = {}, .refusal = {code, std::move(text)}});
}

std::size_t size_of(const StoredReply& reply) { return reply.result.size() + reply.refusal.text.size(); }

}  // namespace

const SessionState* SessionTable::find(SessionId session) const {
  const auto found = sessions_.find(session);
  return found == sessions_.end() ? nullptr : &found->second;
}

Result<SessionId> SessionTable::open(const Open& open, raft::Index index, ClusterTime now) {
  if (const auto known = by_nonce_.find(open.nonce); known != by_nonce_.end()) {
    see(known->second, sessions_.at(known->second), now);
    return known->second;
  }
  if (sessions_.size() >= sessions_max) {
    return fail(Code::busy, "the group has " + std::to_string(sessions_max) + " open sessions: close some of them");
  }
  const SessionId session{index.value};
  const Duration timeout = Duration::milliseconds(open.timeout_ms);
  insert(session, {.nonce = open.nonce, .timeout = timeout, .seen = now, .deadline = now + timeout, .replies = {}});
  changed(session);
  return session;
}

void SessionTable::insert(SessionId session, SessionState state) {
  by_nonce_.emplace(state.nonce, session);
  by_deadline_.emplace(state.deadline, session);
  sessions_.emplace(session, std::move(state));
}

void SessionTable::see(SessionId session, SessionState& state, ClusterTime now) {
  state.seen = now;
  state.is_extended = false;
  set_deadline(session, state, std::max(state.deadline, now + state.timeout));
}

void SessionTable::set_deadline(SessionId session, SessionState& state, ClusterTime deadline) {
  by_deadline_.erase({state.deadline, session});
  state.deadline = deadline;
  by_deadline_.emplace(deadline, session);
  changed(session);
}

// A client that says less than before speaks out of order.
void SessionTable::acknowledge(SessionId session, SessionState& state, std::uint64_t acknowledged) {
  if (acknowledged <= state.acknowledged) return;
  state.acknowledged = acknowledged;
  while (!state.replies.empty() && state.replies.begin()->first <= acknowledged) {
    state.reply_bytes -= size_of(*state.replies.begin()->second);
    changed(session, state.replies.begin()->first);
    state.replies.erase(state.replies.begin());
  }
  changed(session);
}

bool SessionTable::keep_alive(const Alive& alive, ClusterTime now) {
  const auto found = sessions_.find(alive.session);
  if (found == sessions_.end()) return false;
  see(alive.session, found->second, now);
  acknowledge(alive.session, found->second, alive.acknowledged);
  return true;
}

bool SessionTable::close(SessionId session) {
  const auto found = sessions_.find(session);
  if (found == sessions_.end()) return false;
  for (const auto& [sequence, reply] : found->second.replies) changed(session, sequence);
  by_nonce_.erase(found->second.nonce);
  by_deadline_.erase({found->second.deadline, session});
  sessions_.erase(found);
  changed(session);
  return true;
}

bool SessionTable::expire(const Expire& expire, ClusterTime now) {
  const SessionState* state = find(expire.session);
  if (state == nullptr || expire.seen < state->seen || now < state->deadline) return false;
  return close(expire.session);
}

// Nobody could show that he lives while there was no leader. Once: or a leader that changes again and again would keep
// the sessions of clients that are gone.
void SessionTable::begin_term(ClusterTime now) {
  for (auto& [session, state] : sessions_) {
    if (state.is_extended) continue;
    state.is_extended = true;
    set_deadline(session, state, std::max(state.deadline, now + state.timeout));
  }
}

SessionTable::Decision SessionTable::begin_write(const Write& write, ClusterTime now) {
  const auto found = sessions_.find(write.session);
  if (found == sessions_.end()) {
    return {.apply = false,
            .reply = refuse(Code::session_expired, "there is no session " + std::to_string(write.session.value) +
                                                       ", or no more: nothing was done; open another one")};
  }
  SessionState& state = found->second;
  see(write.session, state, now);
  acknowledge(write.session, state, write.acknowledged);
  if (write.sequence <= state.acknowledged) {
    return {.apply = false,
            .reply = refuse(Code::bad_request, "the client has acknowledged the answer to write " +
                                                   std::to_string(write.sequence) + " of its session: it is not kept")};
  }
  if (const auto known = state.replies.find(write.sequence); known != state.replies.end()) {
    return {.apply = false, .reply = known->second};
  }
  if (state.replies.size() >= replies_max || state.reply_bytes >= reply_bytes_max) {
    return {.apply = false,
            .reply = refuse(Code::busy, "the client has not acknowledged " + std::to_string(state.replies.size()) +
                                            " answers of its session: acknowledge them, and write again")};
  }
  return {.apply = true, .reply = nullptr};
}

void SessionTable::told(SessionId session, std::uint64_t sequence, StoredReply reply) {
  const auto found = sessions_.find(session);
  CHECK(found != sessions_.end(), "a session was ended between a write's begin and its answer");
  found->second.reply_bytes += size_of(reply);
  found->second.replies.emplace(sequence, std::make_shared<const StoredReply>(std::move(reply)));
  changed(session, sequence);
}

node::Sessions SessionTable::look(ClusterTime now) const {
  node::Sessions sessions{.overdue = {}, .next = {}, .open = sessions_.size()};
  for (const auto& [deadline, session] : by_deadline_) {
    if (now < deadline) {
      sessions.next = deadline;
      break;
    }
    sessions.overdue.push_back({session, sessions_.at(session).seen});
  }
  return sessions;
}

}  // namespace zraft::session
