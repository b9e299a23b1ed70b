// SPDX-License-Identifier: Apache-2.0
//
// The entries of the log that are for the layer of sessions (raft::EntryType::session), as bytes. Every decoder is
// total, and a value encodes to the bytes it came from. Numbers are little-endian.
//
//   entry    open        1, u64 and u64 nonce, u32 timeout in ms
//            keep_alive  2, u32 n, n times (u64 session, u64 acknowledged)
//            close       3, u64 session
//            expire      4, u64 session, i64 seen
//            write       5, u64 session, u64 sequence, u64 acknowledged, boolean ephemeral, the command
//   result   of open: u64 session; of keep_alive: n times boolean alive; of write: the state machine's
//
// Refusals, which every member gives alike: session_expired (there is no such session, or no more), busy (a limit that
// the sentence names; the same write may be tried again), bad_request (a sequence whose answer was acknowledged).
#pragma once

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

#include "zraft/base/result.h"
#include "zraft/base/time.h"
#include "zraft/node/state_machine.h"

namespace zraft::session {

using node::SessionId;

// Drawn by the client; the same in every attempt to open one session, so that only one is opened (P80).
using Nonce = std::array<std::uint64_t, 2>;

constexpr Duration timeout_min = Duration::milliseconds(200);
constexpr Duration timeout_max = Duration::seconds(24 * 3600);

struct Open {
  Nonce nonce{};
  std::uint32_t timeout_ms = 0;
  friend bool operator==(const Open&, const Open&) = default;
};
struct Alive {
  SessionId session;
  std::uint64_t acknowledged = 0;
  friend bool operator==(const Alive&, const Alive&) = default;
};
// Of many sessions at once: a leader gathers what comes in a while (W-20).
struct KeepAlive {
  std::vector<Alive> sessions;
  friend bool operator==(const KeepAlive&, const KeepAlive&) = default;
};
struct Close {
  SessionId session;
  friend bool operator==(const Close&, const Close&) = default;
};
// Void if the session was heard of after `seen` (P76).
struct Expire {
  SessionId session;
  ClusterTime seen;
  friend bool operator==(const Expire&, const Expire&) = default;
};
struct Write {
  SessionId session;
  std::uint64_t sequence = 0;      // from 1; what is under way at the same time may take effect in any order
  std::uint64_t acknowledged = 0;  // up to there the client has every answer, and will never ask again
  bool is_ephemeral = false;
  BytesView command;  // borrowed
  friend bool operator==(const Write&, const Write&) = default;
};
using Entry = std::variant<Open, KeepAlive, Close, Expire, Write>;

[[nodiscard]] Bytes encode(const Entry& entry);
// Errors: bad_request.
[[nodiscard]] Result<Entry> decode_entry(BytesView bytes);

// It is an Open, or begins like one.
[[nodiscard]] bool is_open(BytesView bytes);

// What the leader asks before an entry enters the log, but for the command of a write. Errors: bad_request.
[[nodiscard]] Result<> admit(const Entry& entry);

// Requires: it is the result of such an entry. Errors: corrupt.
[[nodiscard]] Result<SessionId> opened(BytesView result);
[[nodiscard]] Result<std::vector<bool>> alive(BytesView result, std::size_t sessions);

}  // namespace zraft::session
