// SPDX-License-Identifier: Apache-2.0
//
// What the clients of a run asked for and were told, in the order in which it really happened. The checkers judge by
// it alone (sim/linearizability.h). Calls and returns get stamps that rise with each of them, so that two things at
// the same virtual time still have an order: an operation that was called after another's return follows it.
// Outcomes: `failed` is a promise that the operation never happens; `unknown` may have happened or may yet, at any
// later time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/world.h"
#include "zraft/base/bytes.h"

namespace zraft::sim {

struct Operation {
  enum class Kind : std::uint8_t { get, put, remove, compare_and_put, compare_and_remove };
  enum class Outcome : std::uint8_t { unknown, done, conflict, failed };

  std::uint64_t id = 0;
  HostId client;
  Kind kind = Kind::get;
  Bytes key;
  Bytes value;                    // to be written
  std::optional<Bytes> expected;  // by compare_and_put; none: that there is no such key. By compare_and_remove
  std::uint64_t expected_version = 0;  // as well, which names it by this: a version has one value, here one each
  std::uint64_t called = 0;       // stamps
  std::uint64_t returned = UINT64_MAX;
  Instant called_at;  // for people
  Instant returned_at;

  Outcome outcome = Outcome::unknown;
  std::optional<Bytes> found;            // by a get that is done, or named by a conflict; none: absent
  std::optional<bool> existed;           // told by a write that is done
  std::optional<std::uint64_t> version;  // told by a write that is done, or found

  [[nodiscard]] bool removes() const { return kind == Kind::remove || kind == Kind::compare_and_remove; }
};

// What an operation was told.
struct Told {
  Operation::Outcome outcome = Operation::Outcome::unknown;
  std::optional<Bytes> found = std::nullopt;
  std::optional<bool> existed = std::nullopt;
  std::optional<std::uint64_t> version = std::nullopt;
};

// An operation in one line.
[[nodiscard]] std::string describe(const Operation& operation);

class History {
 public:
  // Fills in id, stamp and time. Gives the id.
  std::uint64_t call(Operation operation, Instant now);
  // Requires: it was called, and has not returned.
  void end(std::uint64_t id, const Told& told, Instant now);

  [[nodiscard]] const std::vector<Operation>& all() const { return operations_; }
  [[nodiscard]] const Operation& at(std::uint64_t id) const { return operations_[id]; }
  [[nodiscard]] std::map<Bytes, std::vector<Operation>> by_key() const;
  [[nodiscard]] std::size_t under_way() const { return under_way_; }

 private:
  std::vector<Operation> operations_;  // by id
  std::uint64_t stamp_ = 0;
  std::size_t under_way_ = 0;
};

// The versions that the store gave agree with the order of the operations: of one key, a write that was called after
// another operation's return has a larger version than that one saw or made, a get no smaller one, a version belongs
// to one value. Gives what is wrong, or nothing.
[[nodiscard]] std::string wrong_version(const std::vector<Operation>& of_one_key);

}  // namespace zraft::sim
