// SPDX-License-Identifier: Apache-2.0
//
// Groups as tests make them and compare them: small entries, small bases, and a text that is the same if and only if
// what was recovered is the same.
#pragma once

#include <map>
#include <string>

#include "zraft/raft/core.h"

namespace zraft::test {

inline constexpr raft::GroupId group_a{0xa};
inline constexpr raft::GroupId group_b{0xb};

using Groups = std::map<raft::GroupId, raft::Recovered>;

[[nodiscard]] std::string describe(const Groups& groups);
[[nodiscard]] raft::Record entry(raft::GroupId group, std::uint64_t term, std::uint64_t index,
                                 const std::string& text = "value");
[[nodiscard]] raft::SnapshotMeta base_at(std::uint64_t term, std::uint64_t index);

}  // namespace zraft::test
