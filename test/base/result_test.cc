// SPDX-License-Identifier: Apache-2.0
//
// Errors: every code has a name of its own, and the numbers stay what they are, because they are on the wire and in
// exit codes.
#include "zraft/base/result.h"

#include <gtest/gtest.h>

#include <set>

#include "zraft/base/check.h"
#include "zraft/base/piece.h"
#include "zraft/base/time.h"

namespace zraft {
namespace {

TEST(Result, NamesEachCodeOnce) {
  std::set<std::string_view> names;
  int known = 0;
  for (int n = 0; n < 256; ++n) {
    const std::string_view name = name_of(static_cast<Code>(n));
    if (name == "unknown") continue;
    ++known;
    EXPECT_TRUE(names.insert(name).second) << name;
  }
  EXPECT_EQ(known, 27);
}

TEST(Result, KeepsTheNumbersThatAreOnTheWire) {
  EXPECT_EQ(static_cast<int>(Code::ok), 0);
  EXPECT_EQ(static_cast<int>(Code::not_leader), 1);
  EXPECT_EQ(static_cast<int>(Code::timeout_unknown_outcome), 2);
  EXPECT_EQ(static_cast<int>(Code::too_large), 4);
  EXPECT_EQ(static_cast<int>(Code::not_found), 16);
  EXPECT_EQ(static_cast<int>(Code::stopped), 19);
  EXPECT_EQ(static_cast<int>(Code::io), 32);
  EXPECT_EQ(static_cast<int>(Code::wrong_owner), 36);
}

TEST(Result, HandsAnErrorOnToAnotherType) {
  const Result<int> failed = fail(Code::busy, "try again");
  const Result<std::string> other = fail(failed);
  EXPECT_EQ(other.error(), (Error{Code::busy, "try again"}));
}

TEST(Check, SaysWhatDoesNotHoldAndWhyThenEnds) {
  const int found = 1;
  CHECK(found == 1, "never seen");
  EXPECT_DEATH(CHECK(found == 2, "the answer is two"), "CHECK failed: found == 2: the answer is two");
  EXPECT_DEATH(UNREACHABLE("here"), "unreachable: here");
}

TEST(Piece, KeepsItsBytesAndCountsThem) {
  Pieces pieces;
  pieces.push_back(piece_of("ab"));
  pieces.push_back(piece_of("cde"));
  EXPECT_EQ(pieces[0].bytes, "ab");
  EXPECT_EQ(size_of(pieces), 5u);
  EXPECT_EQ(size_of({}), 0u);
}

TEST(Time, CountsInNanoseconds) {
  constexpr Duration second = Duration::seconds(1);
  static_assert(second == Duration::milliseconds(1'000) && second == Duration::microseconds(1'000'000));
  static_assert(second.to_milliseconds() == 1'000 && (second / 4).to_microseconds() == 250'000);
  constexpr Instant start{5};
  static_assert((start + second) - start == second && start + second - second == start);
  EXPECT_LT(start + second, Instant::never());
}

}  // namespace
}  // namespace zraft
