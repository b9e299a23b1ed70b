// SPDX-License-Identifier: Apache-2.0
//
// The checker of histories, on histories that are known to be good or bad. They are written as one reads them aloud:
// `began` and `ended` in the order in which the calls and the answers happened.
#include <gtest/gtest.h>

#include "sim/linearizability.h"
#include "zraft/base/random.h"

namespace zraft::sim {
namespace {

using Kind = Operation::Kind;
using Outcome = Operation::Outcome;

class Story {
 public:
  std::uint64_t put(const Bytes& value) { return call({.kind = Kind::put, .key = "k", .value = value}); }
  std::uint64_t get() { return call({.kind = Kind::get, .key = "k"}); }
  std::uint64_t remove() { return call({.kind = Kind::remove, .key = "k"}); }
  std::uint64_t cas(std::optional<Bytes> expected, const Bytes& value) {
    return call({.kind = Kind::compare_and_put, .key = "k", .value = value, .expected = std::move(expected)});
  }
  void done(std::uint64_t id) { end(id, {.outcome = Outcome::done}); }
  void done(std::uint64_t id, bool existed) { end(id, {.outcome = Outcome::done, .existed = existed}); }
  void version(std::uint64_t id, std::uint64_t v) { end(id, {.outcome = Outcome::done, .version = v}); }
  void found(std::uint64_t id, std::optional<Bytes> value) {
    end(id, {.outcome = Outcome::done, .found = std::move(value)});
  }
  void found(std::uint64_t id, const Bytes& value, std::uint64_t v) {
    end(id, {.outcome = Outcome::done, .found = value, .version = v});
  }
  void conflict(std::uint64_t id, std::optional<Bytes> value) {
    end(id, {.outcome = Outcome::conflict, .found = std::move(value)});
  }
  void failed(std::uint64_t id) { end(id, {.outcome = Outcome::failed}); }
  void unknown(std::uint64_t id) { end(id, {.outcome = Outcome::unknown}); }

  void did_put(const Bytes& value) { done(put(value)); }
  void did_get(std::optional<Bytes> value) { found(get(), std::move(value)); }

  [[nodiscard]] Verdict verdict(std::uint64_t steps_max = 1'000'000) const {
    return check_history(history_, steps_max);
  }
  [[nodiscard]] bool is_good() const { return verdict().kind == Verdict::Kind::linearizable; }
  [[nodiscard]] bool is_bad() const { return verdict().kind == Verdict::Kind::violated; }

 private:
  std::uint64_t call(Operation op) { return history_.call(std::move(op), {}); }
  void end(std::uint64_t id, const Told& told) { history_.end(id, told, {}); }
  History history_;
};

TEST(Linearizability, AcceptsAnEmptyHistory) { EXPECT_TRUE(Story{}.is_good()); }

TEST(Linearizability, AcceptsOneClientThatReadsWhatItWrote) {
  Story h;
  h.did_get(std::nullopt);
  h.did_put("a");
  h.did_get("a");
  h.did_put("b");
  h.did_get("b");
  h.done(h.remove());
  h.did_get(std::nullopt);
  EXPECT_TRUE(h.is_good());
}

TEST(Linearizability, RefusesAStaleRead) {
  Story h;
  h.did_put("a");
  h.did_put("b");
  h.did_get("a");
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, RefusesALostWrite) {
  Story h;
  h.did_put("a");
  h.did_get(std::nullopt);
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, AcceptsAReadOfAWriteThatIsUnderWay) {
  Story h;
  h.did_put("a");
  const auto write = h.put("b");
  h.did_get("b");
  h.done(write);
  EXPECT_TRUE(h.is_good());
}

TEST(Linearizability, RefusesReadsThatGoBackDuringAWrite) {
  Story h;
  h.did_put("a");
  const auto write = h.put("b");
  h.did_get("b");
  h.did_get("a");
  h.done(write);
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, AcceptsAWriteOfUnknownOutcomeThatTakesEffectLate) {
  Story h;
  h.did_put("a");
  h.unknown(h.put("b"));
  h.did_get("a");
  h.did_put("c");
  h.did_get("c");
  h.did_get("b");
  EXPECT_TRUE(h.is_good());
}

TEST(Linearizability, AcceptsAWriteOfUnknownOutcomeThatNeverTakesEffect) {
  Story h;
  h.did_put("a");
  h.unknown(h.put("b"));
  h.did_get("a");
  EXPECT_TRUE(h.is_good());
}

TEST(Linearizability, RefusesAWriteOfUnknownOutcomeThatTakesEffectTwice) {
  Story h;
  h.unknown(h.put("b"));
  h.did_get("b");
  h.did_put("c");
  h.did_get("b");
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, RefusesAWriteOfUnknownOutcomeBeforeItsCall) {
  Story h;
  const auto read = h.get();
  h.found(read, "b");
  h.unknown(h.put("b"));
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, RefusesAFailedWriteThatAppears) {
  Story h;
  h.did_put("a");
  h.failed(h.put("b"));
  h.did_get("b");
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, AcceptsACompareAndPutThatSawTheValue) {
  Story h;
  h.done(h.cas(std::nullopt, "a"));
  h.done(h.cas("a", "b"));
  h.conflict(h.cas("a", "c"), "b");
  h.did_get("b");
  EXPECT_TRUE(h.is_good());
}

TEST(Linearizability, RefusesACompareAndPutThatIsAppliedTwice) {
  Story h;
  h.did_put("a");
  h.done(h.cas("a", "b"));
  h.did_put("a");
  h.did_get("b");
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, RefusesTwoCompareAndPutsThatBothWon) {
  Story h;
  h.did_put("a");
  const auto one = h.cas("a", "b");
  const auto two = h.cas("a", "c");
  h.done(one);
  h.done(two);
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, RefusesAConflictWithTheExpectedValue) {
  Story h;
  h.did_put("a");
  h.conflict(h.cas("a", "b"), "a");
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, FindsAChainOfUnknownCompareAndPuts) {
  Story h;
  h.did_put("a");
  h.unknown(h.cas("b", "c"));
  h.unknown(h.cas("a", "b"));
  h.unknown(h.cas("c", "d"));
  h.did_get("d");
  EXPECT_TRUE(h.is_good());
}

TEST(Linearizability, RefusesAChainWithAMissingLink) {
  Story h;
  h.did_put("a");
  h.unknown(h.cas("x", "c"));
  h.unknown(h.cas("a", "b"));
  h.did_get("c");
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, AcceptsAnUnknownDeleteAsTheReasonOfAbsence) {
  Story h;
  h.did_put("a");
  h.unknown(h.remove());
  h.did_get("a");
  h.did_get(std::nullopt);
  EXPECT_TRUE(h.is_good());
}

TEST(Linearizability, UsesAnUnknownDeleteOnlyOnce) {
  Story h;
  h.did_put("a");
  h.unknown(h.remove());
  h.did_get(std::nullopt);
  h.did_put("b");
  h.did_get(std::nullopt);
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, HoldsAWriteToWhatItSaidExistedBefore) {
  Story h;
  h.done(h.put("a"), false);
  h.done(h.put("b"), true);
  h.done(h.remove(), true);
  EXPECT_TRUE(h.is_good());
  h.done(h.put("c"), true);
  EXPECT_TRUE(h.is_bad());
}

TEST(Linearizability, KeepsKeysApart) {
  History h;
  h.end(h.call({.kind = Kind::put, .key = "x", .value = "1"}, {}), {.outcome = Outcome::done}, {});
  h.end(h.call({.kind = Kind::get, .key = "y"}, {}), {.outcome = Outcome::done}, {});
  EXPECT_EQ(check_history(h, 1'000).kind, Verdict::Kind::linearizable);
}

TEST(Linearizability, NamesTheOperationThatCannotBe) {
  Story h;
  h.did_put("a");
  h.did_put("b");
  h.did_get("a");
  EXPECT_NE(h.verdict().why.find("the key holds 'a'"), std::string::npos) << h.verdict().why;
  EXPECT_NE(h.verdict().why.find("found 'a'"), std::string::npos) << h.verdict().why;
}

TEST(Versions, OfALaterWriteAreLarger) {
  Story h;
  h.version(h.put("a"), 7);
  h.version(h.put("b"), 5);
  EXPECT_TRUE(h.is_bad());
}

TEST(Versions, BelongToOneWrite) {
  Story h;
  const auto one = h.put("a");
  const auto two = h.put("b");
  h.version(one, 7);
  h.version(two, 7);
  EXPECT_TRUE(h.is_bad());
}

TEST(Versions, AreFoundWithTheValueTheyBelongTo) {
  Story h;
  h.version(h.put("a"), 7);
  h.found(h.get(), "a", 7);
  EXPECT_TRUE(h.is_good());
  h.found(h.get(), "a", 6);
  EXPECT_TRUE(h.is_bad());
}

// Plays a true register under many clients, each operation taking effect at a random moment between its call and its
// answer; some answers are lost, and of those some never took effect.
struct Played {
  Story told;
  std::size_t unknown = 0;
};

Played play(std::uint64_t seed, int operations, int clients, bool is_broken, bool has_versions = true) {
  Random random(seed);
  Played played;
  std::optional<Bytes> value;
  std::optional<Bytes> old;
  struct Client {
    std::uint64_t id = 0;
    int phase = 0;  // 0 idle, 1 called, 2 has taken effect
    Kind kind = Kind::get;
    Bytes write;
    std::optional<Bytes> expected;
    std::optional<Bytes> seen;
    std::uint64_t version = 0;
  };
  std::vector<Client> all(static_cast<std::size_t>(clients));
  for (int i = 0; i < operations * 3;) {
    Client& c = all[random.below(all.size())];
    ++i;
    if (c.phase == 0) {
      c.kind = static_cast<Kind>(random.below(4));
      c.write = "v" + std::to_string(i);
      c.expected = random.chance(500'000) ? value : old;
      if (c.kind == Kind::get) c.id = played.told.get();
      if (c.kind == Kind::put) c.id = played.told.put(c.write);
      if (c.kind == Kind::remove) c.id = played.told.remove();
      if (c.kind == Kind::compare_and_put) c.id = played.told.cas(c.expected, c.write);
      c.phase = 1;
    } else if (c.phase == 1) {
      if (random.chance(10'000)) {
        ++played.unknown;
        played.told.unknown(c.id);
        c.phase = 0;
        continue;
      }
      c.seen = value;
      const bool is_stale = is_broken && c.kind == Kind::get && i > operations && random.chance(20'000);
      if (is_stale) c.seen = "v1";
      if (c.kind == Kind::put || (c.kind == Kind::compare_and_put && value == c.expected)) {
        old = std::exchange(value, c.write);
      }
      if (c.kind != Kind::get) c.version = static_cast<std::uint64_t>(i);
      if (c.kind == Kind::remove) old = std::exchange(value, std::nullopt);
      c.phase = 2;
    } else {
      c.phase = 0;
      if (random.chance(10'000)) {
        ++played.unknown;
        played.told.unknown(c.id);
      } else if (c.kind == Kind::get) {
        played.told.found(c.id, c.seen);
      } else if (c.kind == Kind::compare_and_put && c.seen != c.expected) {
        played.told.conflict(c.id, c.seen);
      } else if (c.kind == Kind::compare_and_put) {
        has_versions ? played.told.version(c.id, c.version) : played.told.done(c.id);
      } else if (has_versions) {
        played.told.version(c.id, c.version);
      } else {
        played.told.done(c.id, c.seen.has_value());
      }
    }
  }
  return played;
}

TEST(Linearizability, DecidesThousandsOfOperationsOnOneKey) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Played played = play(seed, 4'000, 16, false);
    const Verdict verdict = played.told.verdict();
    EXPECT_EQ(verdict.kind, Verdict::Kind::linearizable) << seed << ": " << verdict.why;
    EXPECT_GT(played.unknown, 20U);
  }
}

TEST(Linearizability, DecidesAHistoryWithoutVersions) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    const Verdict verdict = play(seed, 4'000, 6, false, false).told.verdict();
    EXPECT_EQ(verdict.kind, Verdict::Kind::linearizable) << seed << ": " << verdict.why;
  }
}

TEST(Linearizability, FindsAStaleReadAmongThousands) {
  for (std::uint64_t seed = 1; seed <= 10; ++seed) {
    EXPECT_NE(play(seed, 2'000, 8, true).told.verdict().kind, Verdict::Kind::linearizable) << seed;
  }
}

TEST(Linearizability, SaysThatItIsUndecidedWhenItsStepsRunOut) {
  const Played played = play(3, 1'000, 16, false);
  EXPECT_EQ(played.told.verdict(100).kind, Verdict::Kind::undecided);
}

}  // namespace
}  // namespace zraft::sim
