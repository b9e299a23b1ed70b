// SPDX-License-Identifier: Apache-2.0
//
// The built-in backend `memory`: the key-value store of kv_wire.h in an ordered map. Keys are ordered by their bytes.
// What a command does depends on the commands before it and on nothing else: the limits, which are settings of one
// process, are asked at the door (admit) and never when a command is applied, so members that differ in them still
// hold the same keys (P67). The one rule that apply knows is a rule of the language: a key has at least one byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>

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

class MemoryKv final : public node::StateMachine {
 public:
  explicit MemoryKv(KvLimits limits = {});

  // Errors: bad_request (no command, or an empty key), too_large (beyond a limit, which the sentence names).
  [[nodiscard]] Result<> admit(BytesView command) const override;
  // An encoded KvOutcome.
  node::Applied apply(const node::Command& command) override;
  // An encoded KvAnswer. A count takes time with the number of keys it counts.
  [[nodiscard]] Result<node::Queried> query(BytesView query) const override;

  // The same for two stores that hold the same keys, values and versions. Takes time with the bytes held.
  [[nodiscard]] std::uint64_t digest() const;
  [[nodiscard]] std::size_t size() const { return values_.size(); }

 private:
  struct Versioned {
    std::uint64_t version = 0;
    Bytes value;
  };
  using Values = std::map<Bytes, Versioned, std::less<>>;

  KvOutcome carry_out(std::uint64_t version, Put command);
  KvOutcome carry_out(std::uint64_t version, const Delete& command);
  KvOutcome carry_out(std::uint64_t version, CompareAndPut command);
  [[nodiscard]] KvAnswer answer(const Get& query) const;
  [[nodiscard]] KvAnswer answer(const Scan& query) const;
  [[nodiscard]] KvAnswer answer(const Count& query) const;

  KvLimits limits_;
  Values values_;
};

}  // namespace zraft::machines
