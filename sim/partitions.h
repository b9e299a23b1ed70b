// SPDX-License-Identifier: Apache-2.0
//
// The shapes that a network breaks into, as sets of directed links that carry nothing. Pure: a shape, the members and
// a random generator give the links. What each shape has broken elsewhere is in the names: a bridge and a chain are
// the partial connectivity of P17, isolate_leader is P15 and P16, one_way is a half-deaf leader.
#pragma once

#include <array>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "sim/world.h"

namespace zraft::sim {

enum class Shape : std::uint8_t {
  isolate_one,     // one member hears nobody and is heard by nobody
  isolate_leader,  // the same, and it is the leader
  halves,          // two sides
  uniform,         // every member in a part of its own choice
  bridge,          // two sides and one member that both can hear
  chain,           // each hears only its neighbours
  majority_ring,   // each hears a majority, no two the same one
  one_way,         // one member is heard but hears nobody, or the other way round
  asymmetric,      // each direction of each link on its own
};

inline constexpr std::array<Shape, 9> all_shapes = {
    Shape::isolate_one, Shape::isolate_leader, Shape::halves,  Shape::uniform,   Shape::bridge,
    Shape::chain,       Shape::majority_ring,  Shape::one_way, Shape::asymmetric};

[[nodiscard]] std::string_view name_of(Shape shape);

// A link that carries nothing, from the first to the second.
using Blocked = std::pair<HostId, HostId>;

// Requires: at least two members. Ensures: sorted, nothing twice, no member with itself.
[[nodiscard]] std::vector<Blocked> blocked_by(Shape shape, std::vector<HostId> members, std::optional<HostId> leader,
                                              Random& random);

}  // namespace zraft::sim
