// SPDX-License-Identifier: Apache-2.0
//
// The key-value store in memory: one function a command, one a query.
#include "zraft/machines/memory_kv.h"

#include <string>
#include <utility>

#include "zraft/base/checksum.h"

namespace zraft::machines {
namespace {

// Leaves room in a record of the log (64 MiB) for the command around the value.
constexpr std::size_t limit_max = std::size_t{32} << 20;

constexpr std::string_view empty_key = "a key has at least one byte: give one";

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

const Bytes& key_of(const KvCommand& command) {
  return std::visit([](const auto& alternative) -> const Bytes& { return alternative.key; }, command);
}

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

MemoryKv::MemoryKv(KvLimits limits) : limits_(limits) {}

Result<> MemoryKv::admit(BytesView command) const {
  const Result<KvCommand> decoded = decode_command(command);
  if (!decoded) return fail(decoded);
  return std::visit([&](const auto& alternative) { return check(alternative, limits_); }, *decoded);
}

node::Applied MemoryKv::apply(const node::Command& command) {
  Result<KvCommand> decoded = decode_command(command.data);
  if (!decoded) return {encode(KvOutcome(Refused{decoded.error()}))};
  if (key_of(*decoded).empty()) return {encode(KvOutcome(Refused{{Code::bad_request, std::string(empty_key)}}))};
  const std::uint64_t version = command.index.value;
  return {encode(std::visit([&](auto& alternative) { return carry_out(version, std::move(alternative)); }, *decoded))};
}

KvOutcome MemoryKv::carry_out(std::uint64_t version, Put command) {
  const auto [at, is_new] = values_.try_emplace(std::move(command.key));
  at->second = {.version = version, .value = std::move(command.value)};
  return Done{.version = version, .existed = !is_new};
}

KvOutcome MemoryKv::carry_out(std::uint64_t version, const Delete& command) {
  return Done{.version = version, .existed = values_.erase(command.key) != 0};
}

KvOutcome MemoryKv::carry_out(std::uint64_t version, CompareAndPut command) {
  const auto at = values_.find(command.key);
  if (at == values_.end()) {
    if (command.expected) return Conflict{.actual = std::nullopt};
    return carry_out(version, Put{.key = std::move(command.key), .value = std::move(command.value)});
  }
  if (command.expected != at->second.value) return Conflict{.actual = at->second.value};
  at->second = {.version = version, .value = std::move(command.value)};
  return Done{.version = version, .existed = true};
}

Result<node::Queried> MemoryKv::query(BytesView query) const {
  const Result<KvQuery> decoded = decode_query(query);
  if (!decoded) return fail(decoded);
  return node::Queried{encode(std::visit([&](const auto& alternative) { return answer(alternative); }, *decoded))};
}

KvAnswer MemoryKv::answer(const Get& query) const {
  const auto at = values_.find(query.key);
  if (at == values_.end()) return Absent{};
  return Found{.version = at->second.version, .value = at->second.value};
}

KvAnswer MemoryKv::answer(const Scan& query) const {
  Page page;
  std::size_t bytes = 0;
  const bool from_first = query.start_after < query.prefix || query.start_after.empty();
  auto at = from_first ? values_.lower_bound(query.prefix) : values_.upper_bound(query.start_after);
  for (; at != values_.end() && at->first.starts_with(query.prefix); ++at) {
    const std::size_t size = page_item_overhead + at->first.size() + at->second.value.size();
    const bool is_full = query.limit != 0 && page.items.size() >= query.limit;
    if (is_full || (!page.items.empty() && bytes + size > limits_.page_bytes_max)) {
      page.more = true;
      break;
    }
    bytes += size;
    page.items.push_back({.version = at->second.version, .key = at->first, .value = at->second.value});
  }
  return page;
}

KvAnswer MemoryKv::answer(const Count& query) const {
  Counted counted;
  for (auto at = values_.lower_bound(query.prefix); at != values_.end() && at->first.starts_with(query.prefix); ++at) {
    ++counted.count;
  }
  return counted;
}

std::uint64_t MemoryKv::digest() const {
  std::uint64_t hash = values_.size();
  for (const auto& [key, versioned] : values_) {
    hash = mix(mix(mix(hash, key), versioned.value), versioned.version);
  }
  return hash;
}

}  // namespace zraft::machines
