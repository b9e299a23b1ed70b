// SPDX-License-Identifier: Apache-2.0
//
// The map whose copies cost nothing, against std::map as its model: random operations from seeds, with copies taken at
// random moments that must still hold at the end what they held then; and a thread that reads a copy meanwhile.
#include "zraft/machines/cow_map.h"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "zraft/base/random.h"

namespace zraft::machines {
namespace {

struct Held {
  std::uint64_t version = 0;
  Bytes value;
  std::uint64_t owner = 0;
  friend bool operator==(const Held&, const Held&) = default;
};
using Model = std::map<Bytes, Held>;

Model contents(const CowMap& map) {
  Model found;
  for (auto cursor = map.begin(); cursor.item() != nullptr; cursor.advance()) {
    const CowMap::Item& item = *cursor.item();
    found.emplace_hint(found.end(), Bytes(item.key()), Held{item.version(), Bytes(item.value()), item.owner()});
  }
  return found;
}

// What the cursors give, not just what the map has: in order, and each key once.
void expect_holds(const CowMap& map, const Model& model) {
  ASSERT_EQ(map.size(), model.size());
  auto expected = model.begin();
  for (auto cursor = map.begin(); cursor.item() != nullptr; cursor.advance(), ++expected) {
    ASSERT_TRUE(expected != model.end());
    ASSERT_EQ(cursor.item()->key(), expected->first);
    ASSERT_EQ(cursor.item()->version(), expected->second.version);
    ASSERT_EQ(cursor.item()->value(), expected->second.value);
    ASSERT_EQ(cursor.item()->owner(), expected->second.owner);
  }
  ASSERT_TRUE(expected == model.end());
}

void expect_same_bounds(const CowMap& map, const Model& model, const Bytes& key) {
  const auto same = [&](CowMap::Cursor cursor, Model::const_iterator at) {
    if (at == model.end()) return cursor.item() == nullptr;
    return cursor.item() != nullptr && cursor.item()->key() == at->first;
  };
  ASSERT_TRUE(same(map.lower_bound(key), model.lower_bound(key)));
  ASSERT_TRUE(same(map.upper_bound(key), model.upper_bound(key)));
  std::uint64_t counted = 0;
  for (auto at = model.lower_bound(key); at != model.end() && at->first.starts_with(key); ++at) ++counted;
  ASSERT_EQ(map.count(key), counted);
}

Bytes draw_key(Random& random, std::uint64_t range) {
  Bytes key = std::to_string(random.below(range));
  if (random.chance(20'000)) key.push_back('\0');
  return key;
}

struct Copy {
  CowMap map;
  Model model;
};

// Phases of growth and of decay, so that nodes are split and joined at every height.
void run_seed(std::uint64_t seed) {
  Random random(seed);
  const std::uint64_t range = std::uint64_t{10} << random.below(12);
  CowMap map;
  Model model;
  std::deque<Copy> copies;
  for (std::uint64_t i = 1; i <= 20'000; ++i) {
    const bool grows = i / 4'000 % 2 == 0;
    const Bytes key = draw_key(random, range);
    const auto at = model.find(key);
    const auto before = at == model.end() ? std::nullopt : std::optional(at->second.owner);
    if (random.chance(grows ? 800'000 : 200'000)) {
      const Bytes value(random.below(20), static_cast<char>('a' + random.below(26)));
      const std::uint64_t owner = random.chance(300'000) ? 1 + random.below(3) : 0;
      ASSERT_EQ(map.put(key, i, value, owner), before);
      model[key] = {i, value, owner};
    } else {
      ASSERT_EQ(map.erase(key), before);
      model.erase(key);
    }
    const CowMap::Item* found = map.find(key);
    ASSERT_EQ(found != nullptr, model.contains(key));
    if (random.chance(2'000)) copies.push_back({map, model});
    if (random.chance(500) && !copies.empty()) copies.erase(copies.begin());
    if (random.chance(500) && !copies.empty()) std::swap(map, copies[0].map), std::swap(model, copies[0].model);
    if (random.chance(20'000)) expect_same_bounds(map, model, key.substr(0, random.below(key.size() + 1)));
  }
  expect_holds(map, model);
  for (const Copy& copy : copies) expect_holds(copy.map, copy.model);
}

TEST(CowMap, DoesWhatAModelDoesAndCopiesStayWhatTheyWere) {
  for (std::uint64_t seed = 1; seed <= 16; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    run_seed(seed);
    if (HasFatalFailure()) return;
  }
}

TEST(CowMap, IsEmptyAtFirstAndAfterTheLastKeyIsErased) {
  CowMap map;
  EXPECT_EQ(map.begin().item(), nullptr);
  EXPECT_EQ(map.find("k"), nullptr);
  EXPECT_FALSE(map.erase("k").has_value());
  EXPECT_EQ(map.count(""), 0U);
  for (int i = 0; i < 3'000; ++i) map.put(std::to_string(i), 1, "v");
  const CowMap copy = map;
  for (int i = 0; i < 3'000; ++i) EXPECT_TRUE(map.erase(std::to_string(i)).has_value());
  EXPECT_EQ(map.size(), 0U);
  EXPECT_EQ(map.begin().item(), nullptr);
  EXPECT_EQ(copy.size(), 3'000U);
  EXPECT_EQ(copy.count("1"), 1'111U);
}

TEST(CowMap, HoldsKeysOfAnyBytesInTheirOrder) {
  CowMap map;
  for (const Bytes& key : {Bytes("\xff"), Bytes("a"), Bytes("\0", 1), Bytes(), Bytes("a\0", 2)}) map.put(key, 1, key);
  const Model expected{{Bytes(), {1, Bytes()}},
                       {Bytes("\0", 1), {1, Bytes("\0", 1)}},
                       {"a", {1, "a"}},
                       {Bytes("a\0", 2), {1, Bytes("a\0", 2)}},
                       {"\xff", {1, "\xff"}}};
  EXPECT_EQ(contents(map), expected);
}

TEST(CowMap, TakesKeysInOrderAndInReverse) {
  const auto key = [](int i) { return Bytes{static_cast<char>(i / 256), static_cast<char>(i % 256)}; };
  CowMap rising;
  CowMap falling;
  Model model;
  for (int i = 0; i < 20'000; ++i) {
    rising.put(key(i), 1, "v");
    falling.put(key(19'999 - i), 1, "v");
    model[key(i)] = {1, "v"};
  }
  expect_holds(rising, model);
  expect_holds(falling, model);
  // The right edge may be thin: from there on and from the left, down to nothing.
  for (int i = 0; i < 10'000; ++i) {
    for (CowMap* map : {&rising, &falling}) {
      ASSERT_TRUE(map->erase(key(i)).has_value());
      ASSERT_TRUE(map->erase(key(19'999 - i)).has_value());
    }
    model.erase(key(i));
    model.erase(key(19'999 - i));
    if (i % 1'000 == 0) expect_holds(rising, model);
  }
  expect_holds(rising, model);
  expect_holds(falling, model);
}

TEST(CowMap, CopiesMayBothBeChanged) {
  CowMap one;
  for (int i = 0; i < 1'000; ++i) one.put(std::to_string(i), 1, "v");
  CowMap other = one;
  one.put("1", 2, "one");
  other.put("1", 3, "other");
  one.erase("2");
  other.erase("3");
  EXPECT_EQ(one.find("1")->value(), "one");
  EXPECT_EQ(other.find("1")->value(), "other");
  EXPECT_EQ(one.find("2"), nullptr);
  EXPECT_EQ(other.find("3"), nullptr);
  EXPECT_EQ(one.size(), 999U);
  one = other;
  EXPECT_EQ(contents(one), contents(other));
}

// What a snapshot does: one thread reads a copy and drops it, while the writer changes every node that it shares. Run
// with the thread sanitizer as well.
TEST(CowMap, AThreadReadsACopyAndDropsItWhileTheWriterGoesOn) {
  Random random(1);
  CowMap map;
  for (std::uint64_t round = 0; round < 20; ++round) {
    for (int i = 0; i < 500; ++i) map.put(draw_key(random, 2'000), round, "before");
    const Model expected = contents(map);
    Model found;
    std::thread reader([copy = map, &found]() mutable {
      found = contents(copy);
      copy.clear();
    });
    for (int i = 0; i < 2'000; ++i) {
      const Bytes key = draw_key(random, 2'000);
      if (random.chance(600'000)) {
        map.put(key, round, "meanwhile");
      } else {
        map.erase(key);
      }
    }
    reader.join();
    ASSERT_EQ(found, expected);
  }
}

}  // namespace
}  // namespace zraft::machines
