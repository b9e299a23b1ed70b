// SPDX-License-Identifier: Apache-2.0
//
// What holds for every backend about keys that belong to a session: who owns a key, what goes when a session ends, what
// those who watch are told, and that a snapshot brings the owners along. Each test runs with each backend.
#include <gtest/gtest.h>

#include <map>

#include "test/machines/backends.h"
#include "zraft/base/random.h"

namespace zraft::machines {
namespace {

using test::files_of;
using test::KvChange;
using test::restore;
using Changes = std::vector<KvChange>;

template <class Backend>
class KvOwners : public testing::Test {
 public:
  using Store = test::Store<Backend>;
};
TYPED_TEST_SUITE(KvOwners, test::Backends, test::BackendNames);

// --- owners ---

TYPED_TEST(KvOwners, WhatASessionPutsForItsTimeShowsItsOwner) {
  typename TestFixture::Store store;
  store.apply(Put{"a", "x"}, 7);
  store.apply(Put{"b", "y"});
  EXPECT_EQ(store.ask(Get{"a"}), KvAnswer(Found{1, "x", 7}));
  EXPECT_EQ(store.ask(Get{"b"}), KvAnswer(Found{2, "y", 0}));
  EXPECT_EQ(store.ask(Scan{}), KvAnswer(Page{false, {{1, "a", "x", 7}, {2, "b", "y", 0}}}));
}

TYPED_TEST(KvOwners, WhatASessionPutsForGoodHasNoOwner) {
  typename TestFixture::Store store;
  const Bytes put = encode(KvCommand(Put{"k", "v"}));
  store.machine->apply({.index = {1}, .time = {}, .data = put, .session = {7}, .is_ephemeral = false});
  ASSERT_TRUE(store.machine->commit({1}, {}).has_value());
  EXPECT_EQ(store.ask(Get{"k"}), KvAnswer(Found{1, "v", 0}));
  store.index = {1};
  EXPECT_EQ(store.expire(7), Changes{});
}

TYPED_TEST(KvOwners, WhoPutsAKeyLastOwnsIt) {
  typename TestFixture::Store store;
  for (const std::uint64_t owner : {7, 8, 0, 8, 8, 7}) {
    store.apply(Put{"k", "v"}, owner);
    const KvAnswer found = store.ask(Get{"k"});
    EXPECT_EQ(std::get<Found>(found).owner, owner);
    for (const std::uint64_t other : {6, 7, 8, 9}) {
      if (other == owner) continue;
      EXPECT_EQ(store.expire(other), Changes{}) << other << " took what " << owner << " owns";
    }
    EXPECT_EQ(store.ask(Get{"k"}), found);
  }
  const Changes changes = store.expire(7);
  EXPECT_EQ(changes, (Changes{{"k", DeletedEvent{store.index.value, true}}}));
}

TYPED_TEST(KvOwners, ACompareThatFitsMakesAnOwnerAndOneThatDoesNotMakesNone) {
  typename TestFixture::Store store;
  EXPECT_EQ(store.apply(CompareAndPut{"lock", std::nullopt, "mine"}, 7), KvOutcome(Done{1, false}));
  EXPECT_EQ(store.apply(CompareAndPut{"lock", std::nullopt, "mine"}, 8), KvOutcome(Conflict{"mine"}));
  EXPECT_EQ(store.expire(8), Changes{});
  EXPECT_EQ(store.ask(Get{"lock"}), KvAnswer(Found{1, "mine", 7}));
  EXPECT_EQ(store.expire(7).size(), 1U);
  EXPECT_EQ(store.apply(CompareAndPut{"lock", std::nullopt, "mine"}, 8), KvOutcome(Done{5, false}));
  EXPECT_EQ(store.apply(CompareAndPut{"lock", "mine", "for good"}), KvOutcome(Done{6, true}));
  EXPECT_EQ(store.expire(8), Changes{});
}

TYPED_TEST(KvOwners, P82_ALockIsGivenBackByWhoTookItAndNobodyElse) {
  typename TestFixture::Store store;
  EXPECT_EQ(store.apply(CompareAndDelete{"lock", 1}), KvOutcome(Conflict{std::nullopt}));
  store.apply(Put{"lock", "first"}, 7);   // 2
  store.apply(Put{"lock", "second"}, 8);  // 3
  EXPECT_EQ(store.apply(CompareAndDelete{"lock", 2}), KvOutcome(Conflict{"second"}));
  EXPECT_EQ(store.changes, Changes{});
  EXPECT_EQ(store.ask(Get{"lock"}), KvAnswer(Found{3, "second", 8}));
  EXPECT_EQ(store.apply(CompareAndDelete{"lock", 3}), KvOutcome(Done{5, true}));
  EXPECT_EQ(store.changes, (Changes{{"lock", DeletedEvent{5, false}}}));
  EXPECT_EQ(store.ask(Get{"lock"}), KvAnswer(Absent{}));
  EXPECT_EQ(store.apply(CompareAndDelete{"lock", 3}), KvOutcome(Conflict{std::nullopt}));
  EXPECT_EQ(store.expire(8), Changes{});
  EXPECT_EQ(std::get<Refused>(store.apply(CompareAndDelete{"", 3})).error.code, Code::bad_request);
}

// --- the end of a session ---

TYPED_TEST(KvOwners, W27_ASessionTakesWithItWhatItOwnsInTheOrderOfTheKeysAndOnce) {
  typename TestFixture::Store store;
  for (const Bytes key : {"c", "a", "b"}) store.apply(Put{key, "v"}, 7);
  store.apply(Put{Bytes("\0", 1), "v"}, 7);
  store.apply(Put{"\xff", "v"}, 7);
  store.apply(Put{"b2", "v"}, 8);
  store.apply(Put{"b3", "v"});
  const DeletedEvent gone{8, true};
  EXPECT_EQ(store.expire(7), (Changes{{Bytes("\0", 1), gone}, {"a", gone}, {"b", gone}, {"c", gone}, {"\xff", gone}}));
  EXPECT_EQ(store.keys(Scan{}), (std::vector<Bytes>{"b2", "b3"}));
  const std::uint64_t after = store.digest();
  EXPECT_EQ(store.expire(7), Changes{});
  EXPECT_EQ(store.digest(), after);
}

TYPED_TEST(KvOwners, TheEndOfASessionThatOwnsNothingChangesNothing) {
  typename TestFixture::Store store;
  EXPECT_EQ(store.expire(7), Changes{});
  store.apply(Put{"k", "v"});
  store.apply(Put{"l", "v"}, 8);
  const std::uint64_t before = store.digest();
  for (const std::uint64_t session : {std::uint64_t{0}, std::uint64_t{7}, std::uint64_t{8} << 8, UINT64_MAX}) {
    EXPECT_EQ(store.expire(session), Changes{});
  }
  EXPECT_EQ(store.digest(), before);
}

TYPED_TEST(KvOwners, AKeyThatWasDeletedAndPutForGoodStays) {
  typename TestFixture::Store store;
  store.apply(Put{"k", "v"}, 7);
  store.apply(Delete{"k"});
  store.apply(Put{"k", "w"});
  EXPECT_EQ(store.expire(7), Changes{});
  EXPECT_EQ(store.ask(Get{"k"}), KvAnswer(Found{3, "w", 0}));
}

// A session is the index of an entry, so its bytes may be any: one may begin as another ends.
TYPED_TEST(KvOwners, TellsSessionsApartWhateverTheirBytesAre) {
  typename TestFixture::Store store;
  const std::uint64_t sessions[] = {1, 256, 0x0100000000000000, 0x0101010101010101, UINT64_MAX};
  for (const std::uint64_t session : sessions) store.apply(Put{std::to_string(session), "v"}, session);
  for (const std::uint64_t session : sessions) {
    const Changes changes = store.expire(session);
    ASSERT_EQ(changes.size(), 1U);
    EXPECT_EQ(changes.front().first, std::to_string(session));
  }
  EXPECT_EQ(store.ask(Count{}), KvAnswer(Counted{0}));
}

// --- for those who watch ---

TYPED_TEST(KvOwners, SaysWhatChanged) {
  typename TestFixture::Store store;
  store.apply(Put{"k", "v"});
  EXPECT_EQ(store.changes, (Changes{{"k", PutEvent{1, "v", 0}}}));
  store.apply(Put{"k", ""}, 7);
  EXPECT_EQ(store.changes, (Changes{{"k", PutEvent{2, "", 7}}}));
  store.apply(CompareAndPut{"k", "other", "w"});
  EXPECT_EQ(store.changes, Changes{});
  store.apply(CompareAndPut{"k", "", "w"});
  EXPECT_EQ(store.changes, (Changes{{"k", PutEvent{4, "w", 0}}}));
  store.apply(Delete{"k"});
  EXPECT_EQ(store.changes, (Changes{{"k", DeletedEvent{5, false}}}));
  store.apply(Delete{"k"});
  EXPECT_EQ(store.changes, Changes{});
  store.apply_bytes("nonsense");
  EXPECT_EQ(store.changes, Changes{});
}

TYPED_TEST(KvOwners, SaysWhereAQueryCanBeWatched) {
  const typename TestFixture::Store store;
  const auto watchable = [&](const KvQuery& query) { return store.machine->query(encode(query)).value().watchable; };
  using Watchables = std::vector<node::Watchable>;
  EXPECT_EQ(watchable(Get{"k"}), (Watchables{{.key = "k", .is_prefix = false}}));
  EXPECT_EQ(watchable(Scan{.prefix = "p", .start_after = "p5"}), (Watchables{{.key = "p", .is_prefix = true}}));
  EXPECT_EQ(watchable(Count{""}), (Watchables{{.key = "", .is_prefix = true}}));
}

// --- snapshots ---

TYPED_TEST(KvOwners, ASnapshotBringsTheOwnersAlong) {
  typename TestFixture::Store store;
  for (const Bytes key : {"a", "b", "c", "d"}) store.apply(Put{key, "v"}, key < "c" ? 7 : 8);
  store.apply(Put{"e", "v"});
  typename TestFixture::Store other;
  other.apply(Put{"a", "of before"}, 9);
  other.apply(Put{"z", "of before"}, 7);
  ASSERT_TRUE(restore(*other.machine, files_of(*store.machine)).has_value());
  EXPECT_EQ(other.digest(), store.digest());
  EXPECT_EQ(other.ask(Get{"a"}), KvAnswer(Found{1, "v", 7}));
  other.index = store.index;
  EXPECT_EQ(other.expire(9), Changes{});
  EXPECT_EQ(other.expire(7), (Changes{{"a", DeletedEvent{7, true}}, {"b", DeletedEvent{7, true}}}));
  EXPECT_EQ(other.keys(Scan{}), (std::vector<Bytes>{"c", "d", "e"}));
}

// --- against a model ---

struct Owned {
  Bytes value;
  std::uint64_t owner = 0;
};
using Model = std::map<Bytes, Owned>;

Changes expire(Model& model, std::uint64_t session, std::uint64_t index) {
  Changes changes;
  std::erase_if(model, [&](const auto& pair) {
    if (pair.second.owner != session) return false;
    changes.emplace_back(pair.first, DeletedEvent{index, true});
    return true;
  });
  return changes;
}

template <class Store>
void expect_holds(const Store& store, const Model& model) {
  const Page page = std::get<Page>(store.ask(Scan{}));
  ASSERT_EQ(store.ask(Count{}), KvAnswer(Counted{model.size()}));
  ASSERT_EQ(page.items.size(), model.size());
  auto expected = model.begin();
  for (const KeyValue& item : page.items) {
    ASSERT_EQ(item.key, expected->first);
    ASSERT_EQ(item.value, expected->second.value);
    ASSERT_EQ(item.owner, expected->second.owner);
    ++expected;
  }
}

// One of four sessions writes or ends; now and then another store goes on from a snapshot.
TYPED_TEST(KvOwners, DoesWhatASimpleModelDoes) {
  Random random(5);
  typename TestFixture::Store stores[2];
  std::size_t current = 0;
  Model model;
  for (int i = 0; i < 3'000; ++i) {
    auto& store = stores[current];
    const Bytes key = std::to_string(random.below(40));
    const std::uint64_t session = 1 + random.below(4);
    const std::uint64_t owner = random.chance(600'000) ? session : 0;
    switch (random.below(10)) {
      case 0: {
        const Changes changes = store.expire(session);
        ASSERT_EQ(changes, expire(model, session, store.index.value));
        break;
      }
      case 1:
      case 2:
        store.apply(Delete{key}, owner);
        model.erase(key);
        break;
      default:
        store.apply(Put{key, std::to_string(i)}, owner);
        model[key] = {std::to_string(i), owner};
    }
    ASSERT_NO_FATAL_FAILURE(expect_holds(store, model));
    if (!random.chance(3'000)) continue;
    current = 1 - current;
    ASSERT_TRUE(restore(*stores[current].machine, files_of(*store.machine)).has_value());
    stores[current].index = store.index;
  }
}

TEST(KvOwnersOfBackends, HaveTheSameDigestAndTellTheSameChanges) {
  test::Store<test::InMemory> memory;
  test::Store<test::InRocksDb> rocks;
  Random random(13);
  for (int i = 0; i < 1'000; ++i) {
    const std::uint64_t session = 1 + random.below(4);
    if (random.chance(50'000)) {
      ASSERT_EQ(memory.expire(session), rocks.expire(session));
      continue;
    }
    const Put put{.key = std::to_string(random.below(100)), .value = "v"};
    ASSERT_EQ(memory.apply(put, session), rocks.apply(put, session));
    ASSERT_EQ(memory.changes, rocks.changes);
  }
  EXPECT_EQ(memory.digest(), rocks.digest());
}

}  // namespace
}  // namespace zraft::machines
