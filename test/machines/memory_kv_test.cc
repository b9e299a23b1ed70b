// SPDX-License-Identifier: Apache-2.0
//
// The backend `memory`: what each command and query does, that the limits stand at the door only, and that two
// stores fed the same commands are the same, whatever their limits are.
#include "zraft/machines/memory_kv.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "zraft/base/random.h"

namespace zraft::machines {
namespace {

class Store {
 public:
  explicit Store(KvLimits limits = {}) : machine(limits) {}

  // The next entry of the log, at an index one higher than the last.
  KvOutcome apply(const KvCommand& command) { return apply_bytes(encode(command)); }
  KvOutcome apply_bytes(BytesView data) {
    index_ = next(index_);
    const node::Applied applied = machine.apply({.index = index_, .time = {}, .data = data});
    return decode_outcome(applied.result).value();
  }
  [[nodiscard]] KvAnswer ask(const KvQuery& query) const {
    return decode_answer(machine.query(encode(query)).value().result).value();
  }
  [[nodiscard]] std::vector<Bytes> keys(const Scan& scan) const {
    std::vector<Bytes> keys;
    const Page page = std::get<Page>(ask(scan));
    for (const KeyValue& item : page.items) keys.push_back(item.key);
    return keys;
  }

  MemoryKv machine;

 private:
  raft::Index index_;
};

TEST(MemoryKv, GetsWhatWasPut) {
  Store store;
  EXPECT_EQ(store.ask(Get{"k"}), KvAnswer(Absent{}));
  EXPECT_EQ(store.apply(Put{"k", "v"}), KvOutcome(Done{1, false}));
  EXPECT_EQ(store.ask(Get{"k"}), KvAnswer(Found{1, "v"}));
  EXPECT_EQ(store.apply(Put{"k", ""}), KvOutcome(Done{2, true}));
  EXPECT_EQ(store.ask(Get{"k"}), KvAnswer(Found{2, ""}));
}

TEST(MemoryKv, SaysOfADeleteWhetherTheKeyWasThere) {
  Store store;
  store.apply(Put{"k", "v"});
  EXPECT_EQ(store.apply(Delete{"k"}), KvOutcome(Done{2, true}));
  EXPECT_EQ(store.apply(Delete{"k"}), KvOutcome(Done{3, false}));
  EXPECT_EQ(store.ask(Get{"k"}), KvAnswer(Absent{}));
}

TEST(MemoryKv, ComparesBeforeItPuts) {
  Store store;
  EXPECT_EQ(store.apply(CompareAndPut{"k", "a", "b"}), KvOutcome(Conflict{std::nullopt}));
  EXPECT_EQ(store.apply(CompareAndPut{"k", std::nullopt, "a"}), KvOutcome(Done{2, false}));
  EXPECT_EQ(store.apply(CompareAndPut{"k", std::nullopt, "b"}), KvOutcome(Conflict{"a"}));
  EXPECT_EQ(store.apply(CompareAndPut{"k", "x", "b"}), KvOutcome(Conflict{"a"}));
  EXPECT_EQ(store.ask(Get{"k"}), KvAnswer(Found{2, "a"}));
  EXPECT_EQ(store.apply(CompareAndPut{"k", "a", "b"}), KvOutcome(Done{5, true}));
  EXPECT_EQ(store.ask(Get{"k"}), KvAnswer(Found{5, "b"}));
}

TEST(MemoryKv, TellsAnEmptyValueFromNone) {
  Store store;
  EXPECT_EQ(store.apply(CompareAndPut{"k", "", "v"}), KvOutcome(Conflict{std::nullopt}));
  store.apply(Put{"k", ""});
  EXPECT_EQ(store.apply(CompareAndPut{"k", std::nullopt, "v"}), KvOutcome(Conflict{""}));
  EXPECT_EQ(store.apply(CompareAndPut{"k", "", "v"}), KvOutcome(Done{4, true}));
}

TEST(MemoryKv, ScansAPrefixInTheOrderOfTheBytes) {
  Store store;
  for (const Bytes key : {"b", "a2", "a", "a1", "\xff", "B"}) store.apply(Put{key, "v"});
  EXPECT_EQ(store.keys(Scan{}), (std::vector<Bytes>{"B", "a", "a1", "a2", "b", "\xff"}));
  EXPECT_EQ(store.keys(Scan{.prefix = "a"}), (std::vector<Bytes>{"a", "a1", "a2"}));
  EXPECT_EQ(store.keys(Scan{.prefix = "a", .start_after = "a1"}), (std::vector<Bytes>{"a2"}));
  EXPECT_EQ(store.keys(Scan{.prefix = "a", .start_after = "B"}), (std::vector<Bytes>{"a", "a1", "a2"}));
  EXPECT_EQ(store.keys(Scan{.prefix = "a", .start_after = "c"}), std::vector<Bytes>{});
  EXPECT_EQ(store.keys(Scan{.prefix = "none"}), std::vector<Bytes>{});
}

TEST(MemoryKv, CountsAPrefix) {
  Store store;
  for (const Bytes key : {"a", "a1", "b"}) store.apply(Put{key, "v"});
  EXPECT_EQ(store.ask(Count{}), KvAnswer(Counted{3}));
  EXPECT_EQ(store.ask(Count{"a"}), KvAnswer(Counted{2}));
  EXPECT_EQ(store.ask(Count{"c"}), KvAnswer(Counted{0}));
}

TEST(MemoryKv, SaysThatMoreKeysFollowAPageThatTheLimitEnded) {
  Store store;
  for (const Bytes key : {"a1", "a2", "a3", "b"}) store.apply(Put{key, "v"});
  EXPECT_EQ(store.ask(Scan{.prefix = "a", .limit = 2}),
            KvAnswer(Page{.more = true, .items = {{1, "a1", "v"}, {2, "a2", "v"}}}));
  EXPECT_EQ(store.ask(Scan{.prefix = "a", .start_after = "a2", .limit = 2}),
            KvAnswer(Page{.more = false, .items = {{3, "a3", "v"}}}));
  EXPECT_EQ(std::get<Page>(store.ask(Scan{.prefix = "a", .limit = 3})).more, false);
}

TEST(MemoryKv, BoundsAPageByItsBytes) {
  Store store({.page_bytes_max = 100});
  for (const Bytes key : {"1", "2", "3", "4"}) store.apply(Put{key, Bytes(30, 'v')});
  EXPECT_EQ(store.keys(Scan{}), (std::vector<Bytes>{"1", "2"}));
  EXPECT_TRUE(std::get<Page>(store.ask(Scan{})).more);
  store.apply(Put{"3", Bytes(1000, 'v')});
  EXPECT_EQ(store.keys(Scan{.start_after = "2"}), (std::vector<Bytes>{"3"}));
  EXPECT_EQ(store.keys(Scan{.start_after = "3"}), (std::vector<Bytes>{"4"}));
}

TEST(MemoryKv, RefusesAtTheDoorWhatIsBeyondTheLimits) {
  const MemoryKv machine({.key_bytes_max = 4, .value_bytes_max = 8});
  EXPECT_TRUE(machine.admit(encode(KvCommand(Put{"1234", "12345678"}))).has_value());
  EXPECT_TRUE(machine.admit(encode(KvCommand(Delete{"1234"}))).has_value());
  const Result<> key = machine.admit(encode(KvCommand(Put{"12345", ""})));
  EXPECT_EQ(key.error().code, Code::too_large);
  EXPECT_EQ(key.error().text, "the key has 5 bytes, the limit is 4: make it smaller or raise key_bytes_max");
  EXPECT_EQ(machine.admit(encode(KvCommand(Delete{"12345"}))).error().code, Code::too_large);
  EXPECT_EQ(machine.admit(encode(KvCommand(Put{"k", "123456789"}))).error().text,
            "the value has 9 bytes, the limit is 8: make it smaller or raise value_bytes_max");
  EXPECT_EQ(machine.admit(encode(KvCommand(CompareAndPut{"k", "123456789", ""}))).error().code, Code::too_large);
  EXPECT_EQ(machine.admit(encode(KvCommand(CompareAndPut{"k", "", "123456789"}))).error().code, Code::too_large);
  EXPECT_EQ(machine.admit(encode(KvCommand(Put{"", "v"}))).error().code, Code::bad_request);
  EXPECT_EQ(machine.admit("nonsense").error().code, Code::bad_request);
}

TEST(MemoryKv, AllowsKeysOf64KiBAndValuesOf1MiBByDefault) {
  const MemoryKv machine;
  EXPECT_TRUE(machine.admit(encode(KvCommand(Put{Bytes(65536, 'k'), Bytes(1048576, 'v')}))).has_value());
  EXPECT_FALSE(machine.admit(encode(KvCommand(Put{Bytes(65537, 'k'), "v"}))).has_value());
  EXPECT_FALSE(machine.admit(encode(KvCommand(Put{"k", Bytes(1048577, 'v')}))).has_value());
}

TEST(MemoryKv, NamesALimitThatCannotBe) {
  EXPECT_TRUE(KvLimits{}.valid().has_value());
  EXPECT_EQ(KvLimits{.key_bytes_max = 0}.valid().error().text, "key_bytes_max is 0: give 1 to 33554432 bytes");
  EXPECT_EQ(KvLimits{.value_bytes_max = 33554433}.valid().error().code, Code::bad_request);
  EXPECT_EQ(KvLimits{.page_bytes_max = 0}.valid().error().code, Code::bad_request);
}

TEST(MemoryKv, AnswersBytesThatAreNoCommandWithARefusalAndChangesNothing) {
  Store store;
  store.apply(Put{"k", "v"});
  const std::uint64_t before = store.machine.digest();
  EXPECT_EQ(std::get<Refused>(store.apply_bytes("nonsense")).error.code, Code::bad_request);
  EXPECT_EQ(std::get<Refused>(store.apply_bytes("")).error.code, Code::bad_request);
  EXPECT_EQ(std::get<Refused>(store.apply(Put{"", "v"})).error.code, Code::bad_request);
  EXPECT_EQ(store.machine.digest(), before);
}

TEST(MemoryKv, SaysOfBytesThatAreNoQueryThatTheyAreNone) {
  EXPECT_EQ(Store().machine.query("nonsense").error().code, Code::bad_request);
}

TEST(MemoryKv, DigestTellsKeysValuesAndVersionsApart) {
  Store a;
  Store b;
  EXPECT_EQ(a.machine.digest(), b.machine.digest());
  a.apply(Put{"k", "v"});
  EXPECT_NE(a.machine.digest(), b.machine.digest());
  b.apply(Put{"k", "w"});
  EXPECT_NE(a.machine.digest(), b.machine.digest());
  b.apply(Put{"k", "v"});  // the same value at another version
  EXPECT_NE(a.machine.digest(), b.machine.digest());
}

KvCommand draw_command(Random& random) {
  const Bytes key(1, static_cast<char>('a' + random.below(8)));
  const Bytes value = std::to_string(random.below(4));
  switch (random.below(4)) {
    case 0: return Delete{key};
    case 1: return CompareAndPut{key, std::nullopt, value};
    case 2: return CompareAndPut{key, std::to_string(random.below(4)), value};
    default: return Put{key, value};
  }
}

// P67: two members with different settings hold the same keys, because apply does not know the limits.
TEST(MemoryKv, P67LimitsThatDifferDoNotMakeMembersDiffer) {
  Random random(7);
  Store wide;
  Store narrow({.key_bytes_max = 1, .value_bytes_max = 1, .page_bytes_max = 1});
  for (int i = 0; i < 2'000; ++i) {
    KvCommand command = draw_command(random);
    if (Put* put = std::get_if<Put>(&command); put != nullptr && random.chance(100'000)) put->value = Bytes(500, 'x');
    EXPECT_EQ(wide.apply(command), narrow.apply(command));
  }
  EXPECT_EQ(wide.machine.digest(), narrow.machine.digest());
}

TEST(MemoryKv, DoesWhatASimpleModelDoes) {
  Random random(42);
  Store store;
  std::map<Bytes, Bytes> model;
  for (int i = 0; i < 5'000; ++i) {
    const KvCommand command = draw_command(random);
    const KvOutcome outcome = store.apply(command);
    if (const auto* put = std::get_if<Put>(&command)) model[put->key] = put->value;
    if (const auto* del = std::get_if<Delete>(&command)) model.erase(del->key);
    if (const auto* cas = std::get_if<CompareAndPut>(&command)) {
      const auto at = model.find(cas->key);
      const bool fits = at == model.end() ? !cas->expected : cas->expected == at->second;
      EXPECT_EQ(std::holds_alternative<Done>(outcome), fits);
      if (fits) model[cas->key] = cas->value;
    }
    ASSERT_EQ(store.machine.size(), model.size());
  }
  const Page all = std::get<Page>(store.ask(Scan{}));
  EXPECT_TRUE(std::equal(all.items.begin(), all.items.end(), model.begin(), model.end(),
                         [](const KeyValue& item, const auto& pair) {
                           return item.key == pair.first && item.value == pair.second;
                         }));
}

}  // namespace
}  // namespace zraft::machines
