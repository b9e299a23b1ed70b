// SPDX-License-Identifier: Apache-2.0
//
// See kv_model.h.
#include "sim/kv_model.h"

#include <iterator>
#include <string_view>
#include <utility>
#include <variant>

#include "zraft/base/check.h"

namespace zraft::sim {

using namespace machines;  // NOLINT: its language is what this file is about

void KvModel::note(std::uint64_t index, const Bytes& key) {
  const auto item = items_.find(key);
  past_[key][index] = item == items_.end() ? std::nullopt : std::optional(item->second);
}

KvOutcome KvModel::put(Effect& effect, std::uint64_t index, const Bytes& key, Item item) {
  const bool existed = items_.contains(key);
  effect.changes.push_back(
      {key, encode(KvEvent(PutEvent{.version = index, .value = item.value, .owner = item.owner}))});
  items_[key] = std::move(item);
  note(index, key);
  return Done{.version = index, .existed = existed};
}

KvOutcome KvModel::erase(Effect& effect, std::uint64_t index, const Bytes& key, bool expired) {
  const bool existed = items_.erase(key) > 0;
  if (existed) {
    effect.changes.push_back({key, encode(KvEvent(DeletedEvent{.version = index, .expired = expired}))});
    note(index, key);
  }
  return Done{.version = index, .existed = existed};
}

KvModel::Effect KvModel::apply(std::uint64_t index, BytesView command, std::uint64_t owner) {
  const auto decoded = decode_command(command);
  CHECK(decoded.has_value(), "a client of the simulator wrote what is no command");
  Effect effect;
  const auto found = [&](const Bytes& key) -> std::optional<Bytes> {
    const auto item = items_.find(key);
    return item == items_.end() ? std::nullopt : std::optional(item->second.value);
  };
  KvOutcome outcome;
  if (const auto* p = std::get_if<Put>(&*decoded)) {
    outcome = put(effect, index, p->key, {.version = index, .value = p->value, .owner = owner});
  } else if (const auto* d = std::get_if<Delete>(&*decoded)) {
    outcome = erase(effect, index, d->key, false);
  } else if (const auto* c = std::get_if<CompareAndPut>(&*decoded)) {
    if (found(c->key) == c->expected) {
      outcome = put(effect, index, c->key, {.version = index, .value = c->value, .owner = owner});
    } else {
      outcome = Conflict{.actual = found(c->key)};
    }
  } else {
    const auto& g = std::get<CompareAndDelete>(*decoded);
    const auto item = items_.find(g.key);
    if (item != items_.end() && item->second.version == g.version) {
      outcome = erase(effect, index, g.key, false);
    } else {
      outcome = Conflict{.actual = found(g.key)};
    }
  }
  effect.answer = encode(outcome);
  return effect;
}

KvModel::Effect KvModel::end(std::uint64_t index, std::uint64_t session) {
  std::vector<Bytes> keys;
  for (const auto& [key, item] : items_) {
    if (item.owner == session) keys.push_back(key);
  }
  Effect effect;
  for (const Bytes& key : keys) static_cast<void>(erase(effect, index, key, true));
  return effect;
}

const KvModel::Item* KvModel::find_at(std::uint64_t index, const Past& past) {
  const auto after = past.upper_bound(index);
  if (after == past.begin()) return nullptr;
  const auto& item = std::prev(after)->second;
  return item ? &*item : nullptr;
}

Bytes KvModel::answer_at(std::uint64_t index, BytesView query) const {
  const auto decoded = decode_query(query);
  CHECK(decoded.has_value(), "a client of the simulator asked what is no query");
  if (const auto* get = std::get_if<Get>(&*decoded)) {
    const auto past = past_.find(get->key);
    const Item* item = past == past_.end() ? nullptr : find_at(index, past->second);
    if (item == nullptr) return encode(KvAnswer(Absent{}));
    return encode(KvAnswer(Found{.version = item->version, .value = item->value, .owner = item->owner}));
  }
  const auto* scan = std::get_if<Scan>(&*decoded);
  const auto* count = std::get_if<Count>(&*decoded);
  CHECK(count != nullptr || (scan->limit == 0 && scan->start_after.empty()), "the model does not know that query");
  const Bytes& prefix = count != nullptr ? count->prefix : scan->prefix;
  Page page;
  for (const auto& [key, past] : past_) {
    const Item* item = find_at(index, past);
    if (item == nullptr || !std::string_view(key).starts_with(prefix)) continue;
    page.items.push_back({.version = item->version, .key = key, .value = item->value, .owner = item->owner});
  }
  if (count != nullptr) return encode(KvAnswer(Counted{page.items.size()}));
  return encode(KvAnswer(std::move(page)));
}

}  // namespace zraft::sim
