// SPDX-License-Identifier: Apache-2.0
//
// See partitions.h. Each shape says of two members, by their places in a shuffled order, whether the first is heard
// by the second; everything else is common.
#include "sim/partitions.h"

#include <algorithm>
#include <cstddef>
#include <functional>

#include "sim/draw.h"
#include "zraft/base/check.h"

namespace zraft::sim {

namespace {

using IsHeard = std::function<bool(std::size_t from, std::size_t to)>;

IsHeard by_parts(std::vector<std::size_t> part) {
  return [part = std::move(part)](std::size_t from, std::size_t to) { return part[from] == part[to]; };
}

// Two sides of random sizes, none empty. With a bridge its place is the last one.
std::vector<std::size_t> two_sides(std::size_t size, Random& random) {
  const std::size_t first = 1 + draw_index(random, size - 1);
  std::vector<std::size_t> part(size, 0);
  for (std::size_t i = first; i < size; ++i) part[i] = 1;
  return part;
}

IsHeard uniform(std::size_t size, Random& random) {
  std::vector<std::size_t> part;
  for (std::size_t i = 0; i < size; ++i) part.push_back(draw_index(random, size));
  return by_parts(std::move(part));
}

IsHeard bridge(std::size_t size, Random& random) {
  if (size < 3) return by_parts(two_sides(size, random));
  std::vector<std::size_t> part = two_sides(size - 1, random);
  return [part = std::move(part), last = size - 1](std::size_t from, std::size_t to) {
    return from == last || to == last || part[from] == part[to];
  };
}

IsHeard majority_ring(std::size_t size) {
  // Each hears those at most `reach` places away in the ring; with itself that is a majority.
  return [size, reach = (size / 2 + 1) / 2](std::size_t from, std::size_t to) {
    const std::size_t ahead = (to + size - from) % size;
    return ahead <= reach || size - ahead <= reach;
  };
}

IsHeard one_way(Random& random) {
  const bool is_deaf = random.chance(500'000);
  return [is_deaf](std::size_t from, std::size_t to) { return is_deaf ? to != 0 : from != 0; };
}

IsHeard asymmetric(std::size_t size, Random& random) {
  std::vector<bool> heard;
  for (std::size_t i = 0; i < size * size; ++i) heard.push_back(random.chance(500'000));
  return [size, heard = std::move(heard)](std::size_t from, std::size_t to) { return heard[from * size + to]; };
}

IsHeard rule_of(Shape shape, std::size_t size, Random& random) {
  switch (shape) {
    case Shape::isolate_one:
    case Shape::isolate_leader: return [](std::size_t from, std::size_t to) { return from != 0 && to != 0; };
    case Shape::halves: return by_parts(two_sides(size, random));
    case Shape::uniform: return uniform(size, random);
    case Shape::bridge: return bridge(size, random);
    case Shape::chain: return [](std::size_t from, std::size_t to) { return from + 1 == to || to + 1 == from; };
    case Shape::majority_ring: return majority_ring(size);
    case Shape::one_way: return one_way(random);
    case Shape::asymmetric: return asymmetric(size, random);
  }
  UNREACHABLE("a shape without a rule");
}

}  // namespace

std::string_view name_of(Shape shape) {
  switch (shape) {
    case Shape::isolate_one: return "isolate one";
    case Shape::isolate_leader: return "isolate the leader";
    case Shape::halves: return "halves";
    case Shape::uniform: return "uniform";
    case Shape::bridge: return "bridge";
    case Shape::chain: return "chain";
    case Shape::majority_ring: return "majority ring";
    case Shape::one_way: return "one way";
    case Shape::asymmetric: return "asymmetric";
  }
  UNREACHABLE("a shape without a name");
}

std::vector<Blocked> blocked_by(Shape shape, std::vector<HostId> members, std::optional<HostId> leader,
                                Random& random) {
  CHECK(members.size() >= 2, "a partition of fewer than two members");
  shuffle(random, members);
  const bool wants_leader = shape == Shape::isolate_leader || (shape == Shape::one_way && random.chance(500'000));
  if (wants_leader && leader) {
    const auto place = std::find(members.begin(), members.end(), *leader);
    if (place != members.end()) std::iter_swap(members.begin(), place);
  }
  const IsHeard is_heard = rule_of(shape, members.size(), random);
  std::vector<Blocked> blocked;
  for (std::size_t from = 0; from < members.size(); ++from) {
    for (std::size_t to = 0; to < members.size(); ++to) {
      if (from != to && !is_heard(from, to)) blocked.emplace_back(members[from], members[to]);
    }
  }
  std::sort(blocked.begin(), blocked.end());
  return blocked;
}

}  // namespace zraft::sim
