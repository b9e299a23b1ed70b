// SPDX-License-Identifier: Apache-2.0
//
// Is there an order of the operations on one key that explains what every client was told, and in which each takes
// effect between its call and its return? (Herlihy and Wing 1990; the search of Wing and Gong 1993 with Lowe's memory
// of positions already tried.) An operation with an unknown outcome may take effect at any time after its call, or
// never; a failed one never does; a get with an unknown outcome says nothing.
//
// Rules that keep the search small and lose nothing:
// 1. An operation of unknown outcome is put in only right before one that needs it: it may as well happen later, and
//    where the next operation fits with and without it, the result is the same. Of several that do the same, the one
//    that was called first is taken.
// 2. An operation that changes nothing and fits is put in at once: it fits here, and is in nobody's way.
// 3. A value that somebody still has to see, and nobody can write any more, is not overwritten.
// 4. Of several known ones that do the same, the one that returned first comes first. Values that nobody saw count as
//    the same.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/history.h"

namespace zraft::sim {

struct Verdict {
  enum class Kind : std::uint8_t { linearizable, violated, undecided };
  Kind kind = Kind::linearizable;
  std::string why;          // for people; empty if linearizable
  std::uint64_t steps = 0;  // of the search
};

// The key is absent at first. `undecided` when `steps_max` did not suffice: neither good nor bad, and the same for
// the same history on every machine.
[[nodiscard]] Verdict check_key(const std::vector<Operation>& of_one_key, std::uint64_t steps_max);

// All keys, each on its own (linearizability is local), versions included; the first that is violated, else the
// first that is undecided.
[[nodiscard]] Verdict check_history(const History& history, std::uint64_t steps_max_per_key);

}  // namespace zraft::sim
