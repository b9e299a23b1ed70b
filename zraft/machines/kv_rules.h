// SPDX-License-Identifier: Apache-2.0
//
// What the key-value language means, once for every backend: a backend is a KvStore, which only keeps items in the
// order of their keys' bytes, and hands the calls of node::StateMachine to the functions here.
// What a command does depends on the commands before it and on nothing else: the limits, which are settings of one
// process, are asked at the door (admit) and never when a command is applied, so members that differ in them still
// hold the same keys (P67). The one rule that apply knows is a rule of the language: a key has at least one byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "zraft/machines/kv_wire.h"
#include "zraft/node/state_machine.h"

namespace zraft::machines {

struct KvLimits {
  std::size_t key_bytes_max = std::size_t{64} << 10;
  std::size_t value_bytes_max = std::size_t{1} << 20;
  // Of one page of a scan, encoded. A single item may be larger than that: a page is never empty while there is more.
  std::size_t page_bytes_max = std::size_t{1} << 20;

  // Errors: bad_request, naming the limit that is 0 or larger than a record of the log can hold.
  [[nodiscard]] Result<> valid() const;
};

// As a store lends it: valid until the call in which it was shown returns.
struct KvItem {
  std::uint64_t version = 0;
  BytesView key;
  BytesView value;
  std::uint64_t owner = 0;  // the session with which it goes; 0: none
};

// Errors, of every call: those of what the store stands on; one in memory has none.
class KvStore {
 public:
  virtual ~KvStore() = default;
  [[nodiscard]] virtual Result<std::optional<Found>> get(BytesView key) const = 0;
  // Both give whether the key was there before. For one entry of the log a key is put or erased once, and not read
  // afterwards: a store may let it wait until the entry ends.
  virtual Result<bool> put(const KvItem& item) = 0;
  virtual Result<bool> erase(BytesView key) = 0;
  // The keys of which that session is the owner, in the order of their bytes. Takes time with their number, not with
  // that of all keys.
  [[nodiscard]] virtual Result<std::vector<Bytes>> owned_by(std::uint64_t owner) const = 0;
  // Shows the items whose keys begin with `prefix` and come after `start_after` (empty: from the first), in order,
  // until `visit` says false.
  virtual Result<> walk(BytesView prefix, BytesView start_after,
                        const std::function<bool(const KvItem&)>& visit) const = 0;
  [[nodiscard]] virtual Result<std::uint64_t> count(BytesView prefix) const = 0;
};

// Errors: bad_request (no command, or an empty key), too_large (beyond a limit, which the sentence names).
[[nodiscard]] Result<> admit_command(BytesView command, const KvLimits& limits);
// An encoded KvOutcome, and an encoded KvEvent for each key that was put or was there and is deleted. Who puts a key
// decides anew whether it has an owner: what one session owned, another one's put or one without a session takes over.
// Errors: the store's.
[[nodiscard]] Result<node::Applied> apply_command(KvStore& store, const node::Command& command);
// Deletes what a session owned, in the order of the keys. Errors: the store's.
[[nodiscard]] Result<node::Applied> expire_session(KvStore& store, raft::Index index, node::SessionId session);
// An encoded KvAnswer; a get can be watched at its key, a scan and a count at their prefix. Errors: bad_request (no
// query), and the store's.
[[nodiscard]] Result<node::Queried> answer_query(const KvStore& store, BytesView query, const KvLimits& limits);
// The same for two stores that hold the same keys, values, versions and owners, whatever the backends. Takes time with
// the bytes held. Errors: the store's.
[[nodiscard]] Result<std::uint64_t> digest_of(const KvStore& store);

}  // namespace zraft::machines
