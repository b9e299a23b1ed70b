// SPDX-License-Identifier: Apache-2.0
//
// Liveness by exhaustion. A group that is at rest, with a leader of our choice, is cut along every graph there is: all
// 1,024 undirected ones of five members, with each member as the first leader, and all 64 directed ones of three. The
// cut stays. Wherever some member reaches a quorum both ways, one that does must lead and commit within ten election
// timeouts, and must go on committing; elsewhere nothing may be committed. What is known to fail in practice (a leaf
// that disturbs, a bridge that is outvoted, a leader that is heard and does not hear) is among the graphs.
// Source: Ng and others, "Omni-Paxos: breaking the barriers of partial connectivity", 2023; Jensen and others, 2021,
// on Raft under partial connectivity.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "sim/world.h"

namespace zraft::sim {

// Who can send to whom; for good.
class Graph {
 public:
  // The `number`-th undirected graph: a bit for each pair (0,1), (0,2), .. (n-2,n-1). Requires: number < undirected(n).
  [[nodiscard]] static Graph undirected(std::size_t members, std::uint64_t number);
  // The `number`-th directed one: a bit for each ordered pair (0,1), (0,2), .. Requires: number < 2^(n * (n-1)).
  [[nodiscard]] static Graph directed(std::size_t members, std::uint64_t number);

  [[nodiscard]] std::size_t members() const { return members_; }
  [[nodiscard]] bool has(std::size_t from, std::size_t to) const { return from == to || edges_[from * members_ + to]; }
  // It reaches, and is reached by, enough others to make a majority with itself.
  [[nodiscard]] bool reaches_quorum(std::size_t member) const;
  [[nodiscard]] bool has_quorum() const;

 private:
  explicit Graph(std::size_t members) : members_(members), edges_(members * members) {}
  std::size_t members_;
  std::vector<bool> edges_;
};

// One graph and one first leader.
struct Cut {
  std::uint64_t number = 0;  // to see it again
  Graph graph;
  std::size_t leader = 0;
};

struct CutResult {
  std::optional<double> commits_after;  // in election timeouts from the cut on: what was written after it
  std::uint64_t terms_after = 0;        // that began later than that, in ten more election timeouts
  std::uint64_t events = 0;
  std::vector<std::string> broken;  // what did not hold, in words
};

// All 1,024 * 5 + 64 * 3 of them.
[[nodiscard]] std::vector<Cut> all_cuts();
[[nodiscard]] CutResult run_cut(const Cut& cut, World::Narrator narrator);

// What many cuts came to, by what the cut left of the first leader's quorum.
struct CutRow {
  std::string what;
  std::uint64_t cuts = 0;
  std::uint64_t commits = 0;
  std::uint64_t failed = 0;
  std::vector<double> times;
  std::uint64_t terms_after_max = 0;
};
class CutTable {
 public:
  CutTable();
  void add(const Cut& cut, const CutResult& result);
  // As docs/testing.md has it.
  [[nodiscard]] std::string text() const;

 private:
  std::vector<CutRow> rows_;
};

}  // namespace zraft::sim
