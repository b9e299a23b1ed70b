// SPDX-License-Identifier: Apache-2.0
//
// The key-value store in memory. What it does with a command is said in kv_rules.cc; nothing here can fail.
#include "zraft/machines/memory_kv.h"

#include <utility>

#include "zraft/machines/kv_file.h"

namespace zraft::machines {

Result<std::optional<Found>> MemoryStore::get(BytesView key) const {
  const CowMap::Item* item = values_.find(key);
  if (item == nullptr) return std::nullopt;
  return Found{.version = item->version(), .value = Bytes(item->value()), .owner = item->owner()};
}

Result<bool> MemoryStore::put(const KvItem& item) {
  const auto owner_before = values_.put(item.key, item.version, item.value, item.owner);
  if (owner_before.value_or(0) != item.owner) {
    lose(owner_before.value_or(0), item.key);
    gain(item.owner, item.key);
  }
  return owner_before.has_value();
}

Result<bool> MemoryStore::erase(BytesView key) {
  const auto owner_before = values_.erase(key);
  lose(owner_before.value_or(0), key);
  return owner_before.has_value();
}

void MemoryStore::gain(std::uint64_t owner, BytesView key) {
  if (owner != 0) owned_[owner].emplace(key);
}

void MemoryStore::lose(std::uint64_t owner, BytesView key) {
  if (owner == 0) return;
  const auto keys = owned_.find(owner);
  keys->second.erase(keys->second.find(key));
  if (keys->second.empty()) owned_.erase(keys);
}

Result<std::vector<Bytes>> MemoryStore::owned_by(std::uint64_t owner) const {
  const auto keys = owned_.find(owner);
  if (keys == owned_.end()) return std::vector<Bytes>();
  return std::vector<Bytes>(keys->second.begin(), keys->second.end());
}

void MemoryStore::replace(CowMap values) {
  values_ = std::move(values);
  owned_.clear();
  for (auto cursor = values_.begin(); const CowMap::Item* item = cursor.item(); cursor.advance()) {
    gain(item->owner(), item->key());
  }
}

Result<> MemoryStore::walk(BytesView prefix, BytesView start_after,
                           const std::function<bool(const KvItem&)>& visit) const {
  const bool from_first = start_after < prefix || start_after.empty();
  auto cursor = from_first ? values_.lower_bound(prefix) : values_.upper_bound(start_after);
  for (; const CowMap::Item* item = cursor.item(); cursor.advance()) {
    if (!item->key().starts_with(prefix)) break;
    const bool goes_on = visit(
        {.version = item->version(), .key = item->key(), .value = item->value(), .owner = item->owner()});
    if (!goes_on) break;
  }
  return {};
}

Result<std::uint64_t> MemoryStore::count(BytesView prefix) const { return values_.count(prefix); }

Result<> MemoryKv::admit(BytesView command) const { return admit_command(command, limits_); }

node::Applied MemoryKv::apply(const node::Command& command) { return apply_command(store_, command).value(); }

node::Applied MemoryKv::expire(raft::Index index, node::SessionId session) {
  return expire_session(store_, index, session).value();
}

Result<node::Queried> MemoryKv::query(BytesView query) const { return answer_query(store_, query, limits_); }

Result<node::SnapshotTask> MemoryKv::snapshot() {
  return [values = store_.values()](node::SnapshotWriter& writer) mutable {
    const Result<> written = write_kv_file(values, writer);
    values.clear();  // here, where nobody waits, and not where the task is destroyed
    return written;
  };
}

Result<> MemoryKv::restore(node::SnapshotReader& reader) {
  Result<CowMap> values = read_kv_file(reader);
  if (!values) return fail(values);
  store_.replace(std::move(*values));
  return {};
}

std::uint64_t MemoryKv::digest() const { return digest_of(store_).value(); }

}  // namespace zraft::machines
