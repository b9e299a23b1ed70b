// SPDX-License-Identifier: Apache-2.0
//
// Majorities, of one list of voters or of two (joint consensus, thesis 4.3: both must agree). Pure functions over a
// Membership; nothing here depends on the order in which progress is stored (P33). Learners are never asked (P54).
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "zraft/base/check.h"
#include "zraft/raft/types.h"

namespace zraft::raft {

// The largest value that a majority of `voters` has reached. Requires: voters is not empty.
template <class ValueOf>
[[nodiscard]] auto majority_value(const std::vector<NodeId>& voters, ValueOf value_of) {
  CHECK(!voters.empty(), "a majority of nobody was asked for");
  std::vector<decltype(value_of(voters.front()))> values;
  values.reserve(voters.size());
  for (const NodeId id : voters) values.push_back(value_of(id));
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end(), [](const auto& a, const auto& b) { return b < a; });
  return *middle;
}

// The largest value that a quorum of the membership has reached: of both majorities while it is joint.
template <class ValueOf>
[[nodiscard]] auto quorum_value(const Membership& membership, ValueOf value_of) {
  auto value = majority_value(membership.voters, value_of);
  if (membership.is_joint()) value = std::min(value, majority_value(membership.outgoing, value_of));
  return value;
}

// Do those for whom `has` is true make a quorum?
template <class Has>
[[nodiscard]] bool is_quorum(const Membership& membership, Has has) {
  return quorum_value(membership, [&](NodeId id) { return has(id) ? 1 : 0; }) == 1;
}

}  // namespace zraft::raft
