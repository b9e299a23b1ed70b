// SPDX-License-Identifier: Apache-2.0
//
// The built-in backend `memory`: the key-value language in an ordered map, lost with the process. A snapshot holds the
// map as it is by one reference and writes it away from the loop (cow_map.h), in the format of kv_file.h. The keys tell
// who owns them; beside them stands an index of what each session owns, which is no part of a snapshot: some 100 bytes
// and the key again for one that has an owner, nothing for the others.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "zraft/machines/cow_map.h"
#include "zraft/machines/kv_rules.h"
#include "zraft/node/state_machine.h"

namespace zraft::machines {

class MemoryStore final : public KvStore {
 public:
  [[nodiscard]] Result<std::optional<Found>> get(BytesView key) const override;
  Result<bool> put(const KvItem& item) override;
  Result<bool> erase(BytesView key) override;
  [[nodiscard]] Result<std::vector<Bytes>> owned_by(std::uint64_t owner) const override;
  Result<> walk(BytesView prefix, BytesView start_after,
                const std::function<bool(const KvItem&)>& visit) const override;
  [[nodiscard]] Result<std::uint64_t> count(BytesView prefix) const override;

  [[nodiscard]] const CowMap& values() const { return values_; }
  // Takes time with all keys, to find those that have an owner.
  void replace(CowMap values);

 private:
  void gain(std::uint64_t owner, BytesView key);
  void lose(std::uint64_t owner, BytesView key);

  CowMap values_;
  // Law: a key is here under its owner, if it has one, and nowhere else; no set is empty.
  std::map<std::uint64_t, std::set<Bytes, std::less<>>> owned_;
};

class MemoryKv : public node::StateMachine {
 public:
  explicit MemoryKv(KvLimits limits = {}) : limits_(limits) {}

  [[nodiscard]] Result<> admit(BytesView command) const override;
  node::Applied apply(const node::Command& command) override;
  node::Applied expire(raft::Index index, node::SessionId session) override;
  // A count takes time with the number of keys it counts, though little of it.
  [[nodiscard]] Result<node::Queried> query(BytesView query) const override;

  // Takes no time. Writes the same bytes at every member that holds the same.
  Result<node::SnapshotTask> snapshot() override;
  // After an error it holds what it held.
  Result<> restore(node::SnapshotReader& reader) override;

  // See digest_of.
  [[nodiscard]] std::uint64_t digest() const;
  [[nodiscard]] std::size_t size() const { return store_.values().size(); }

 private:
  KvLimits limits_;
  MemoryStore store_;
};

}  // namespace zraft::machines
