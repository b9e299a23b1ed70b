// SPDX-License-Identifier: Apache-2.0
//
// The language of the key-value store: its commands, its queries, what they answer, and what a watch is told, as
// bytes. It is spoken between a client and the state machine, whatever backend holds the keys; what carries the bytes
// does not look inside.
// Every decoder is total: any bytes give a value or an Error, and a value encodes to the bytes it came from. Numbers
// are little-endian; `bytes` is a u32 length and that many bytes (base/codec.h); `u8` first says which it is.
//
//   command  put                1, bytes key, bytes value
//            delete             2, bytes key
//            compare_and_put    3, bytes key, boolean there, [bytes expected], bytes value
//            compare_and_delete 4, bytes key, u64 version
//   outcome  done               1, u64 version, boolean existed
//            conflict           2, boolean there, [bytes actual]
//            refused            3, u8 code, bytes text
//   query    get                1, bytes key
//            scan               2, bytes prefix, bytes start_after, u32 limit
//            count              3, bytes prefix
//   answer   absent             1
//            found              2, u64 version, u64 owner, bytes value
//            page               3, boolean more, u32 n, n times (u64 version, u64 owner, bytes key, bytes value)
//            counted            4, u64 count
//   event    put                1, u64 version, u64 owner, bytes value
//            deleted            2, u64 version, boolean expired
#pragma once

#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "zraft/base/bytes.h"
#include "zraft/base/result.h"

namespace zraft::machines {

// --- commands: they go through the log ---

struct Put {
  Bytes key;
  Bytes value;
  friend bool operator==(const Put&, const Put&) = default;
};
struct Delete {
  Bytes key;
  friend bool operator==(const Delete&, const Delete&) = default;
};
// Puts `value` if the key now has the value `expected`; without one, if there is no such key.
struct CompareAndPut {
  Bytes key;
  std::optional<Bytes> expected;
  Bytes value;
  friend bool operator==(const CompareAndPut&, const CompareAndPut&) = default;
};
// Deletes the key if it still is what was put at `version`: so a lock is given back by who took it and nobody else.
struct CompareAndDelete {
  Bytes key;
  std::uint64_t version = 0;
  friend bool operator==(const CompareAndDelete&, const CompareAndDelete&) = default;
};
using KvCommand = std::variant<Put, Delete, CompareAndPut, CompareAndDelete>;

// `version` is the index of the command in the log: what a later get of that key shows. It never falls, so a lock's is
// its fencing token. `existed`: the key was there before. A delete of a key that was not there is done as well.
struct Done {
  std::uint64_t version = 0;
  bool existed = false;
  friend bool operator==(const Done&, const Done&) = default;
};
// Nothing was changed, because the key has another value or another version (`actual`: its value) or, without one, is
// not there.
struct Conflict {
  std::optional<Bytes> actual;
  friend bool operator==(const Conflict&, const Conflict&) = default;
};
// Nothing was changed: the bytes are no command. Every member says the same.
struct Refused {
  Error error;
  friend bool operator==(const Refused&, const Refused&) = default;
};
using KvOutcome = std::variant<Done, Conflict, Refused>;

// --- queries: they change nothing ---

struct Get {
  Bytes key;
  friend bool operator==(const Get&, const Get&) = default;
};
// The keys that start with `prefix` and come after `start_after` (empty: from the first), in the order of their
// bytes, at most `limit` of them (0: as many as one answer holds).
struct Scan {
  Bytes prefix;
  Bytes start_after;
  std::uint32_t limit = 0;
  friend bool operator==(const Scan&, const Scan&) = default;
};
struct Count {
  Bytes prefix;
  friend bool operator==(const Count&, const Count&) = default;
};
using KvQuery = std::variant<Get, Scan, Count>;

struct Absent {
  friend bool operator==(const Absent&, const Absent&) = default;
};
// `owner`: the session with which the key goes; 0: none.
struct Found {
  std::uint64_t version = 0;
  Bytes value;
  std::uint64_t owner = 0;
  friend bool operator==(const Found&, const Found&) = default;
};
struct KeyValue {
  std::uint64_t version = 0;
  Bytes key;
  Bytes value;
  std::uint64_t owner = 0;
  friend bool operator==(const KeyValue&, const KeyValue&) = default;
};
// `more`: keys of that prefix come after the last of `items`; ask again with it as `start_after`.
struct Page {
  bool more = false;
  std::vector<KeyValue> items;
  friend bool operator==(const Page&, const Page&) = default;
};
struct Counted {
  std::uint64_t count = 0;
  friend bool operator==(const Counted&, const Counted&) = default;
};
using KvAnswer = std::variant<Absent, Found, Page, Counted>;

// --- events: what has become of a key; a watch on it is told ---

struct PutEvent {
  std::uint64_t version = 0;
  Bytes value;
  std::uint64_t owner = 0;
  friend bool operator==(const PutEvent&, const PutEvent&) = default;
};
// `version`: the index at which it was deleted. `expired`: because the session that owned it has ended.
struct DeletedEvent {
  std::uint64_t version = 0;
  bool expired = false;
  friend bool operator==(const DeletedEvent&, const DeletedEvent&) = default;
};
using KvEvent = std::variant<PutEvent, DeletedEvent>;

// Requires, of every encode: keys and values below 4 GiB.
[[nodiscard]] Bytes encode(const KvCommand& command);
[[nodiscard]] Bytes encode(const KvOutcome& outcome);
[[nodiscard]] Bytes encode(const KvQuery& query);
[[nodiscard]] Bytes encode(const KvAnswer& answer);
[[nodiscard]] Bytes encode(const KvEvent& event);

// Errors: bad_request for what a client says, corrupt for what a server says.
[[nodiscard]] Result<KvCommand> decode_command(BytesView bytes);
[[nodiscard]] Result<KvOutcome> decode_outcome(BytesView bytes);
[[nodiscard]] Result<KvQuery> decode_query(BytesView bytes);
[[nodiscard]] Result<KvAnswer> decode_answer(BytesView bytes);
[[nodiscard]] Result<KvEvent> decode_event(BytesView bytes);

// The bytes that an item takes in an encoded Page, without those of its key and value.
constexpr std::size_t page_item_overhead = 8 + 8 + 4 + 4;

}  // namespace zraft::machines
