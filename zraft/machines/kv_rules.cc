// SPDX-License-Identifier: Apache-2.0
//
// The rules of the key-value language: one function a command, one a query.
#include "zraft/machines/kv_rules.h"

#include <string>
#include <utility>

#include "zraft/base/checksum.h"

namespace zraft::machines {
namespace {

// Leaves room in a record of the log (64 MiB) for the command around the value.
constexpr std::size_t limit_max = std::size_t{32} << 20;

constexpr std::string_view empty_key = "a key has at least one byte: give one";

// --- limits ---

std::string beyond(std::string_view what, std::size_t size, std::size_t max, std::string_view setting) {
  return std::string(what) + " has " + std::to_string(size) + " bytes, the limit is " + std::to_string(max) +
         ": make it smaller or raise " + std::string(setting);
}

Result<> check_value(BytesView value, const KvLimits& limits) {
  if (value.size() <= limits.value_bytes_max) return {};
  return fail(Code::too_large, beyond("the value", value.size(), limits.value_bytes_max, "value_bytes_max"));
}

Result<> check_key(BytesView key, const KvLimits& limits) {
  if (key.empty()) return fail(Code::bad_request, std::string(empty_key));
  if (key.size() <= limits.key_bytes_max) return {};
  return fail(Code::too_large, beyond("the key", key.size(), limits.key_bytes_max, "key_bytes_max"));
}

Result<> check(const Put& command, const KvLimits& limits) {
  if (auto ok = check_key(command.key, limits); !ok) return ok;
  return check_value(command.value, limits);
}

Result<> check(const Delete& command, const KvLimits& limits) { return check_key(command.key, limits); }

Result<> check(const CompareAndPut& command, const KvLimits& limits) {
  if (auto ok = check_key(command.key, limits); !ok) return ok;
  if (auto ok = check_value(command.expected.value_or(Bytes()), limits); !ok) return ok;
  return check_value(command.value, limits);
}

Result<> check(const CompareAndDelete& command, const KvLimits& limits) { return check_key(command.key, limits); }

// --- commands ---

const Bytes& key_of(const KvCommand& command) {
  return std::visit([](const auto& alternative) -> const Bytes& { return alternative.key; }, command);
}

// One entry of the log on its way into a store: what it brings along, and what it changes for those who watch.
struct Entry {
  KvStore& store;
  std::uint64_t version;
  std::uint64_t owner = 0;  // of what is put
  std::vector<node::Change> changes = {};
};

void add_change(Entry& entry, Bytes key, const KvEvent& event) {
  entry.changes.push_back({.key = std::move(key), .event = encode(event)});
}

Result<KvOutcome> put(Entry& entry, Bytes key, Bytes value) {
  const Result<bool> existed =
      entry.store.put({.version = entry.version, .key = key, .value = value, .owner = entry.owner});
  if (!existed) return fail(existed);
  add_change(entry, std::move(key),
             PutEvent{.version = entry.version, .value = std::move(value), .owner = entry.owner});
  return Done{.version = entry.version, .existed = *existed};
}

Result<KvOutcome> erase(Entry& entry, Bytes key, bool expired) {
  const Result<bool> existed = entry.store.erase(key);
  if (!existed) return fail(existed);
  if (*existed) add_change(entry, std::move(key), DeletedEvent{.version = entry.version, .expired = expired});
  return Done{.version = entry.version, .existed = *existed};
}

Result<KvOutcome> carry_out(Entry& entry, Put&& command) {
  return put(entry, std::move(command.key), std::move(command.value));
}

Result<KvOutcome> carry_out(Entry& entry, Delete&& command) { return erase(entry, std::move(command.key), false); }

Result<KvOutcome> carry_out(Entry& entry, CompareAndPut&& command) {
  Result<std::optional<Found>> found = entry.store.get(command.key);
  if (!found) return fail(found);
  std::optional<Bytes> actual;
  if (*found) actual = std::move((*found)->value);
  if (command.expected != actual) return Conflict{.actual = std::move(actual)};
  return put(entry, std::move(command.key), std::move(command.value));
}

Result<KvOutcome> carry_out(Entry& entry, CompareAndDelete&& command) {
  Result<std::optional<Found>> found = entry.store.get(command.key);
  if (!found) return fail(found);
  if (!*found) return Conflict{.actual = std::nullopt};
  if ((*found)->version != command.version) return Conflict{.actual = std::move((*found)->value)};
  return erase(entry, std::move(command.key), false);
}

// --- queries ---

Result<KvAnswer> answer(const KvStore& store, const Get& query, const KvLimits&) {
  Result<std::optional<Found>> found = store.get(query.key);
  if (!found) return fail(found);
  if (!*found) return Absent{};
  return std::move(**found);
}

Result<KvAnswer> answer(const KvStore& store, const Scan& query, const KvLimits& limits) {
  Page page;
  std::size_t bytes = 0;
  const auto visit = [&](const KvItem& item) {
    const std::size_t size = page_item_overhead + item.key.size() + item.value.size();
    const bool is_full = query.limit != 0 && page.items.size() >= query.limit;
    if (is_full || (!page.items.empty() && bytes + size > limits.page_bytes_max)) {
      page.more = true;
      return false;
    }
    bytes += size;
    page.items.push_back(
        {.version = item.version, .key = Bytes(item.key), .value = Bytes(item.value), .owner = item.owner});
    return true;
  };
  if (auto ok = store.walk(query.prefix, query.start_after, visit); !ok) return fail(ok);
  return page;
}

Result<KvAnswer> answer(const KvStore& store, const Count& query, const KvLimits&) {
  const Result<std::uint64_t> counted = store.count(query.prefix);
  if (!counted) return fail(counted);
  return Counted{.count = *counted};
}

node::Watchable watchable_of(const Get& query) { return {.key = query.key, .is_prefix = false}; }
node::Watchable watchable_of(const Scan& query) { return {.key = query.prefix, .is_prefix = true}; }
node::Watchable watchable_of(const Count& query) { return {.key = query.prefix, .is_prefix = true}; }

// --- the digest ---

std::uint64_t mix(std::uint64_t hash, std::uint64_t word) {
  hash = (hash ^ word) * 0x9e3779b97f4a7c15;
  return hash ^ (hash >> 32);
}

std::uint64_t mix(std::uint64_t hash, BytesView bytes) { return mix(mix(hash, bytes.size()), crc32c(bytes)); }

}  // namespace

Result<> KvLimits::valid() const {
  const auto one = [](std::string_view name, std::size_t value) -> Result<> {
    if (value > 0 && value <= limit_max) return {};
    return fail(Code::bad_request, std::string(name) + " is " + std::to_string(value) + ": give 1 to " +
                                       std::to_string(limit_max) + " bytes");
  };
  if (auto ok = one("key_bytes_max", key_bytes_max); !ok) return ok;
  if (auto ok = one("value_bytes_max", value_bytes_max); !ok) return ok;
  return one("page_bytes_max", page_bytes_max);
}

Result<> admit_command(BytesView command, const KvLimits& limits) {
  const Result<KvCommand> decoded = decode_command(command);
  if (!decoded) return fail(decoded);
  return std::visit([&](const auto& alternative) { return check(alternative, limits); }, *decoded);
}

Result<node::Applied> apply_command(KvStore& store, const node::Command& command) {
  Result<KvCommand> decoded = decode_command(command.data);
  if (!decoded) return node::Applied{encode(KvOutcome(Refused{decoded.error()}))};
  if (key_of(*decoded).empty()) {
    return node::Applied{encode(KvOutcome(Refused{{Code::bad_request, std::string(empty_key)}}))};
  }
  Entry entry{.store = store,
              .version = command.index.value,
              .owner = command.is_ephemeral ? command.session.value : 0};
  const auto outcome = std::visit(
      [&entry](auto&& alternative) { return carry_out(entry, std::move(alternative)); }, std::move(*decoded));
  if (!outcome) return fail(outcome);
  return node::Applied{.result = encode(*outcome), .changes = std::move(entry.changes)};
}

Result<node::Applied> expire_session(KvStore& store, raft::Index index, node::SessionId session) {
  Result<std::vector<Bytes>> keys = store.owned_by(session.value);
  if (!keys) return fail(keys);
  Entry entry{.store = store, .version = index.value};
  entry.changes.reserve(keys->size());
  for (Bytes& key : *keys) {
    if (const auto erased = erase(entry, std::move(key), true); !erased) return fail(erased);
  }
  return node::Applied{.result = {}, .changes = std::move(entry.changes)};
}

Result<node::Queried> answer_query(const KvStore& store, BytesView query, const KvLimits& limits) {
  const Result<KvQuery> decoded = decode_query(query);
  if (!decoded) return fail(decoded);
  const Result<KvAnswer> answered =
      std::visit([&](const auto& alternative) { return answer(store, alternative, limits); }, *decoded);
  if (!answered) return fail(answered);
  const auto watchable = std::visit([](const auto& alternative) { return watchable_of(alternative); }, *decoded);
  return node::Queried{.result = encode(*answered), .watchable = {watchable}};
}

Result<std::uint64_t> digest_of(const KvStore& store) {
  std::uint64_t hash = 0;
  std::uint64_t items = 0;
  const auto visit = [&](const KvItem& item) {
    hash = mix(mix(mix(mix(hash, item.key), item.value), item.version), item.owner);
    ++items;
    return true;
  };
  if (auto ok = store.walk({}, {}, visit); !ok) return fail(ok);
  return mix(hash, items);
}

}  // namespace zraft::machines
