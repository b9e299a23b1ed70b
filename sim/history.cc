// SPDX-License-Identifier: Apache-2.0
//
// See history.h.
#include "sim/history.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"

namespace zraft::sim {

namespace {

std::string shown(const std::optional<Bytes>& value) {
  if (!value) return "nothing";
  return value->size() <= 24 ? "'" + *value + "'" : "'" + value->substr(0, 24) + "...'";
}

std::string outcome_of(const Operation& op) {
  switch (op.outcome) {
    case Operation::Outcome::unknown: return "outcome unknown";
    case Operation::Outcome::failed: return "failed";
    case Operation::Outcome::conflict: return "conflict with " + shown(op.found);
    case Operation::Outcome::done: break;
  }
  std::string text = op.kind == Operation::Kind::get ? "found " + shown(op.found) : "done";
  if (op.existed) text += *op.existed ? ", existed" : ", was absent";
  if (op.version) text += ", version " + std::to_string(*op.version);
  return text;
}

std::string wanted_by(const Operation& op) {
  switch (op.kind) {
    case Operation::Kind::get: return "get";
    case Operation::Kind::put: return "put " + shown(op.value);
    case Operation::Kind::remove: return "delete";
    case Operation::Kind::compare_and_put: return "put " + shown(op.value) + " over " + shown(op.expected);
    case Operation::Kind::compare_and_remove:
      return "delete " + shown(op.expected) + " of version " + std::to_string(op.expected_version);
  }
  UNREACHABLE("an operation of no kind");
}

}  // namespace

std::string describe(const Operation& op) {
  std::string text = "#" + std::to_string(op.id) + " client " + std::to_string(op.client.value) + " [" +
                     std::to_string(op.called_at.ns / 1'000) + "us, ";
  text += op.returned == UINT64_MAX ? "..." : std::to_string(op.returned_at.ns / 1'000) + "us";
  return text + "] " + op.key + ": " + wanted_by(op) + ": " + outcome_of(op);
}

std::uint64_t History::call(Operation operation, Instant now) {
  operation.id = operations_.size();
  operation.called = ++stamp_;
  operation.called_at = now;
  operations_.push_back(std::move(operation));
  ++under_way_;
  return operations_.back().id;
}

void History::end(std::uint64_t id, const Told& told, Instant now) {
  CHECK(id < operations_.size() && operations_[id].returned == UINT64_MAX, "an operation ended that is not under way");
  Operation& op = operations_[id];
  op.returned = ++stamp_;
  op.returned_at = now;
  op.outcome = told.outcome;
  op.found = told.found;
  op.existed = told.existed;
  op.version = told.version;
  --under_way_;
}

std::map<Bytes, std::vector<Operation>> History::by_key() const {
  std::map<Bytes, std::vector<Operation>> all;
  for (const Operation& op : operations_) all[op.key].push_back(op);
  return all;
}

std::string wrong_version(const std::vector<Operation>& of_one_key) {
  struct Moment {
    std::uint64_t stamp;
    std::size_t op;
    bool is_return;
  };
  std::vector<Moment> moments;
  for (std::size_t i = 0; i < of_one_key.size(); ++i) {
    const Operation& op = of_one_key[i];
    if (op.outcome != Operation::Outcome::done || !op.version) continue;
    moments.push_back({op.called, i, false});
    moments.push_back({op.returned, i, true});
  }
  std::sort(moments.begin(), moments.end(), [](const Moment& a, const Moment& b) { return a.stamp < b.stamp; });
  std::uint64_t newest = 0;  // the largest version that anyone was told of so far
  std::vector<std::uint64_t> floor(of_one_key.size());
  std::map<std::uint64_t, std::pair<std::optional<Bytes>, bool>> value_of;  // by version; is its write known?
  for (const Moment& moment : moments) {
    const Operation& op = of_one_key[moment.op];
    if (!moment.is_return) {
      floor[moment.op] = newest;
      continue;
    }
    const bool is_write = op.kind != Operation::Kind::get;
    if (*op.version < floor[moment.op] || (is_write && *op.version == floor[moment.op])) {
      return describe(op) + ": older than version " + std::to_string(floor[moment.op]) +
             ", which was told of before it was called";
    }
    newest = std::max(newest, *op.version);
    std::optional<Bytes> value = op.found;
    if (is_write) value = op.removes() ? std::nullopt : std::optional(op.value);
    const auto [known, is_new] = value_of.try_emplace(*op.version, value, is_write);
    if (!is_new && (known->second.first != value || (known->second.second && is_write))) {
      return describe(op) + ": that version belongs to " + shown(known->second.first);
    }
    known->second.second = known->second.second || is_write;
  }
  return {};
}

}  // namespace zraft::sim
