// SPDX-License-Identifier: Apache-2.0
//
// The table as bytes: whole, in a snapshot; or piece by piece, put aside by a machine that keeps its state on a disk.
// An aside is the header of a session or one of its replies, so that a write changes two small ones. Their keys sort
// the headers before the replies, and by session and sequence.
#include <string>
#include <utility>

#include "zraft/base/codec.h"
#include "zraft/session/session_table.h"

namespace zraft::session {
namespace {

constexpr std::uint16_t format_version = 1;
constexpr char header_prefix = 'h';
constexpr char reply_prefix = 'r';
constexpr std::size_t number_size = 8;
constexpr std::size_t session_size_min = number_size * 7 + 1 + 4;
constexpr std::size_t reply_size_min = number_size + 1 + 4 + 4;

void put(Encoder& to, const SessionState& state) {
  for (const std::uint64_t part : state.nonce) to.u64(part);
  to.i64(state.timeout.ns);
  to.i64(state.seen.ns);
  to.i64(state.deadline.ns);
  to.boolean(state.is_extended);
  to.u64(state.acknowledged);
}

SessionState take_state(Decoder& from) {
  SessionState state;
  for (std::uint64_t& part : state.nonce) part = from.u64();
  state.timeout = {from.i64()};
  state.seen = {from.i64()};
  state.deadline = {from.i64()};
  state.is_extended = from.boolean();
  state.acknowledged = from.u64();
  return state;
}

void put(Encoder& to, const StoredReply& reply) {
  to.u8(static_cast<std::uint8_t>(reply.refusal.code));
  to.bytes(reply.refusal.text);
  to.bytes(reply.result);
}

std::shared_ptr<const StoredReply> take_reply(Decoder& from) {
  StoredReply reply;
  reply.refusal.code = static_cast<Code>(from.u8());
  reply.refusal.text = from.bytes();
  reply.result = from.bytes();
  return std::make_shared<const StoredReply>(std::move(reply));
}

// Big-endian, so that keys sort by it.
void append_sorted(Bytes& to, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8) to += static_cast<char>((number >> shift) & 0xff);
}
std::uint64_t take_sorted(BytesView& from) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < number_size; ++i) number = number << 8 | static_cast<unsigned char>(from[i]);
  from.remove_prefix(number_size);
  return number;
}

Bytes key_of(SessionId session) {
  Bytes key(1, header_prefix);
  append_sorted(key, session.value);
  return key;
}
Bytes key_of(SessionId session, std::uint64_t sequence) {
  Bytes key(1, reply_prefix);
  append_sorted(key, session.value);
  append_sorted(key, sequence);
  return key;
}

std::unexpected<Error> damaged() { return fail(Code::corrupt, "the table of sessions is damaged"); }

}  // namespace

Bytes SessionTable::encode() const {
  Bytes bytes;
  Encoder to(bytes);
  to.u16(format_version);
  to.u32(static_cast<std::uint32_t>(sessions_.size()));
  for (const auto& [session, state] : sessions_) {
    to.u64(session.value);
    put(to, state);
    to.u32(static_cast<std::uint32_t>(state.replies.size()));
    for (const auto& [sequence, reply] : state.replies) {
      to.u64(sequence);
      put(to, *reply);
    }
  }
  return bytes;
}

// Sorted and above what was acknowledged: a value has one form.
Result<SessionTable> SessionTable::decode(BytesView bytes, bool keeps_asides) {
  Decoder from(bytes);
  if (const std::uint16_t version = from.u16(); !from.failed() && version != format_version) {
    return fail(Code::unsupported, "the table of sessions has version " + std::to_string(version) +
                                       "; this build reads version 1: run a newer build");
  }
  SessionTable table(keeps_asides);
  const std::size_t sessions = from.count(session_size_min);
  SessionId last_session;
  for (std::size_t i = 0; i < sessions && !from.failed(); ++i) {
    const SessionId session{from.u64()};
    SessionState state = take_state(from);
    std::uint64_t last = state.acknowledged;
    const std::size_t replies = from.count(reply_size_min);
    for (std::size_t n = 0; n < replies && !from.failed(); ++n) {
      const std::uint64_t sequence = from.u64();
      auto reply = take_reply(from);
      if (sequence <= std::exchange(last, sequence)) return damaged();
      state.reply_bytes += reply->result.size() + reply->refusal.text.size();
      state.replies.emplace(sequence, std::move(reply));
    }
    if (session <= std::exchange(last_session, session) || table.by_nonce_.contains(state.nonce)) return damaged();
    table.insert(session, std::move(state));
  }
  if (!from.ok()) return damaged();
  return table;
}

void SessionTable::changed(SessionId session) {
  if (changes_ != nullptr) changes_->sessions.insert(session);
}

void SessionTable::changed(SessionId session, std::uint64_t sequence) {
  if (changes_ != nullptr) changes_->replies.emplace(session, sequence);
}

std::vector<node::Aside> SessionTable::take_asides() {
  std::vector<node::Aside> asides;
  if (changes_ == nullptr) return asides;
  const Changes changes = std::exchange(*changes_, {});
  for (const SessionId session : changes.sessions) {
    const SessionState* state = find(session);
    node::Aside aside{.key = key_of(session), .value = std::nullopt};
    if (state != nullptr) {
      Encoder to(aside.value.emplace());
      put(to, *state);
    }
    asides.push_back(std::move(aside));
  }
  for (const auto& [session, sequence] : changes.replies) {
    const SessionState* state = find(session);
    node::Aside aside{.key = key_of(session, sequence), .value = std::nullopt};
    if (state != nullptr && state->replies.contains(sequence)) {
      Encoder to(aside.value.emplace());
      put(to, *state->replies.at(sequence));
    }
    asides.push_back(std::move(aside));
  }
  return asides;
}

Result<> SessionTable::recall(BytesView key, BytesView value) {
  Decoder from(value);
  const bool is_header = key.size() == 1 + number_size && key[0] == header_prefix;
  const bool is_reply = key.size() == 1 + 2 * number_size && key[0] == reply_prefix;
  if (!is_header && !is_reply) return damaged();
  key.remove_prefix(1);
  const SessionId session{take_sorted(key)};
  if (is_header) {
    SessionState state = take_state(from);
    if (!from.ok() || by_nonce_.contains(state.nonce)) return damaged();
    insert(session, std::move(state));
    return {};
  }
  const auto found = sessions_.find(session);
  auto reply = take_reply(from);
  if (!from.ok() || found == sessions_.end()) return damaged();
  found->second.reply_bytes += reply->result.size() + reply->refusal.text.size();
  found->second.replies.emplace(take_sorted(key), std::move(reply));
  return {};
}

}  // namespace zraft::session
