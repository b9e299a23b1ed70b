// SPDX-License-Identifier: Apache-2.0
//
// What the key-value language says that a command does, written down a second time and as simply as can be: a map. The
// ghost of the sessions feeds it with what is committed, and holds every member to it. It forgets nothing, so it also
// knows what stood where at any index before.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "zraft/machines/kv_wire.h"
#include "zraft/node/state_machine.h"

namespace zraft::sim {

class KvModel {
 public:
  struct Item {
    std::uint64_t version = 0;
    Bytes value;
    std::uint64_t owner = 0;
    friend bool operator==(const Item&, const Item&) = default;
  };
  struct Effect {
    Bytes answer;
    std::vector<node::Change> changes;
  };

  // `owner`: the session that is to own what is put; 0: none.
  Effect apply(std::uint64_t index, BytesView command, std::uint64_t owner);
  // The session has ended: what it owns goes.
  Effect end(std::uint64_t index, std::uint64_t session);

  [[nodiscard]] const std::map<Bytes, Item>& items() const { return items_; }
  // The answer to a query when the entry at `index` was the last that was applied. Requires: a get, a count, or a
  // scan without a limit.
  [[nodiscard]] Bytes answer_at(std::uint64_t index, BytesView query) const;

 private:
  void note(std::uint64_t index, const Bytes& key);
  machines::KvOutcome put(Effect& effect, std::uint64_t index, const Bytes& key, Item item);
  machines::KvOutcome erase(Effect& effect, std::uint64_t index, const Bytes& key, bool expired);
  using Past = std::map<std::uint64_t, std::optional<Item>>;
  [[nodiscard]] static const Item* find_at(std::uint64_t index, const Past& past);

  std::map<Bytes, Item> items_;
  std::map<Bytes, Past> past_;  // what a key became, by index
};

}  // namespace zraft::sim
