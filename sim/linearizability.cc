// SPDX-License-Identifier: Apache-2.0
//
// See linearizability.h. An operation becomes a step: what it needs the key to be, and what it makes of it. Values
// are numbers, 0 is absent, 1 any that nobody saw. The search keeps the known steps that are not yet placed in a list
// ordered by call; those called before the first return among them are the ones that may come next.
#include "sim/linearizability.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "zraft/base/random.h"

namespace zraft::sim {

namespace {

using State = std::uint32_t;
constexpr State absent = 0;
constexpr State unseen = 1;  // any value that nobody saw

struct Step {
  enum class Needs : std::uint8_t { anything, this_state, presence };
  Needs needs = Needs::anything;
  State needed = absent;
  std::optional<State> makes;
  std::uint64_t called = 0;
  std::uint64_t returned = UINT64_MAX;
  const Operation* op = nullptr;
  std::uint64_t mark[2] = {0, 0};  // random; the steps taken are remembered as the sum of their marks (by xor)

  [[nodiscard]] bool fits(State state) const {
    if (needs == Needs::anything) return true;
    return needs == Needs::presence ? state != absent : state == needed;
  }
  [[nodiscard]] State after(State state) const { return makes.value_or(state); }
  [[nodiscard]] bool does_the_same_as(const Step& other) const {
    return needs == other.needs && needed == other.needed && makes == other.makes;
  }
};

class Values {
 public:
  State of(const std::optional<Bytes>& value) {
    if (!value) return absent;
    const auto [at, is_new] = numbers_.try_emplace(*value, static_cast<State>(numbers_.size() + 2));
    if (is_new) names_.push_back(*value);
    return at->second;
  }
  [[nodiscard]] std::string name(State state) const {
    if (state == absent) return "nothing";
    return state == unseen ? "a value that nobody saw" : "'" + names_[state - 2].substr(0, 40) + "'";
  }

 private:
  std::map<Bytes, State> numbers_;
  std::vector<Bytes> names_;
};

class Search {
 public:
  // Where as many steps are placed as `explained`, it says why it goes no further.
  Search(const std::vector<Operation>& operations, std::uint64_t steps_max, std::optional<std::size_t> explained)
      : steps_max_(steps_max), explained_(explained) {
    for (const Operation& op : operations) add(op);
    merge_unseen();
    const auto by_call = [](const Step& a, const Step& b) { return a.called < b.called; };
    std::sort(known_.begin(), known_.end(), by_call);
    std::sort(unknown_.begin(), unknown_.end(), by_call);
    Random random(0x6c696e);
    for (auto* steps : {&known_, &unknown_}) {
      for (Step& step : *steps) {
        step.mark[0] = random.next();
        step.mark[1] = random.next();
      }
    }
    is_used_.resize(unknown_.size());
    for (auto* steps : {&known_, &unknown_}) {
      for (const Step& step : *steps) count(step, 1);
    }
    for (std::size_t i = 0; i <= known_.size(); ++i) {
      next_.push_back(i + 1);
      previous_.push_back(i == 0 ? 0 : i - 1);
    }
  }

  Verdict run() {
    if (std::string why = find_impossible(); !why.empty()) return {Verdict::Kind::violated, std::move(why), 0};
    stack_.push_back({moves(), 0, absent});
    while (here_.placed < known_.size()) {
      if (steps_ > steps_max_) return {Verdict::Kind::undecided, "the search was given up: " + why_, steps_};
      Frame& frame = stack_.back();
      if (frame.tried == frame.moves.size()) {
        stack_.pop_back();
        if (stack_.empty()) return {Verdict::Kind::violated, why_, steps_};
        take_back(stack_.back().moves[stack_.back().tried - 1], stack_.back().state);
        continue;
      }
      const Move& move = frame.moves[frame.tried++];
      perform(move);
      if (!been_here_.insert({here_.marks[0], here_.marks[1] ^ (std::uint64_t{here_.state} << 32)}).second) {
        take_back(move, frame.state);
        continue;
      }
      stack_.push_back({moves(), 0, here_.state});
    }
    return {Verdict::Kind::linearizable, {}, steps_};
  }

  // The most steps that were placed.
  [[nodiscard]] std::size_t deepest() const { return deepest_; }

 private:
  // How far the order has come: what the key holds, and which steps are in it.
  struct Place {
    State state = absent;
    std::size_t placed = 0;
    std::uint64_t marks[2] = {0, 0};
  };
  // Of a value: how many known steps still need it, and how many steps that are left make it.
  struct Demand {
    int readers = 0;
    int writers = 0;
  };
  struct Move {
    std::vector<std::size_t> before;  // unknown ones, in order
    std::size_t step;                 // a known one
    State state;                      // afterwards
  };
  struct Frame {
    std::vector<Move> moves;
    std::size_t tried;
    State state;  // before any of them
  };

  void add(const Operation& op) {
    Step step;
    step.op = &op;
    step.called = op.called;
    using Kind = Operation::Kind;
    using Outcome = Operation::Outcome;
    if (op.outcome == Outcome::failed) return;
    const bool is_known = op.outcome != Outcome::unknown;
    if (is_known) step.returned = op.returned;
    if (op.kind == Kind::get || op.outcome == Outcome::conflict) {
      if (!is_known) return;
      step.needs = Step::Needs::this_state;
      step.needed = values_.of(op.found);
    } else {
      step.makes = op.removes() ? absent : values_.of(op.value);
      if (op.kind == Kind::compare_and_put || op.kind == Kind::compare_and_remove) {
        step.needs = Step::Needs::this_state;
        step.needed = values_.of(op.expected);
      } else if (is_known && op.existed) {
        step.needs = *op.existed ? Step::Needs::presence : Step::Needs::this_state;
      }
    }
    (is_known ? known_ : unknown_).push_back(step);
  }

  void merge_unseen() {
    std::set<State> seen;
    for (auto* steps : {&known_, &unknown_}) {
      for (const Step& step : *steps) {
        if (step.needs == Step::Needs::this_state) seen.insert(step.needed);
      }
    }
    for (auto* steps : {&known_, &unknown_}) {
      for (Step& step : *steps) {
        if (step.makes && *step.makes != absent && !seen.contains(*step.makes)) step.makes = unseen;
      }
    }
  }

  // What no order explains, said in words that help: a value that nobody could have written, a conflict about nothing.
  std::string find_impossible() const {
    std::vector<std::uint64_t> first_written(demands_.size(), UINT64_MAX);  // when a write of that value was called
    for (const auto* steps : {&known_, &unknown_}) {
      for (const Step& step : *steps) {
        if (step.makes) first_written[*step.makes] = std::min(first_written[*step.makes], step.called);
      }
    }
    for (const Step& reader : known_) {
      const Operation& op = *reader.op;
      if (op.outcome == Operation::Outcome::conflict && op.found == op.expected) {
        return describe(op) + ": a conflict with the very value that was expected";
      }
      if (reader.needs != Step::Needs::this_state || reader.needed == absent) continue;
      if (first_written[reader.needed] < reader.returned) continue;
      return describe(op) + ": nobody can have written that value by then (or the write of it failed)";
    }
    return {};
  }

  // Places: 0 is the head of the list, i + 1 is known_[i].
  std::vector<Move> moves() {
    std::vector<std::size_t> candidates;
    std::uint64_t first_return = UINT64_MAX;
    for (std::size_t at = next_[0]; at <= known_.size(); at = next_[at]) {
      const Step& step = known_[at - 1];
      if (step.called > first_return) break;
      candidates.push_back(at - 1);
      first_return = std::min(first_return, step.returned);
      ++steps_;
    }
    // A guess at the order, no more: by the store's own versions, else the one that returned first.
    std::sort(candidates.begin(), candidates.end(), [this](std::size_t a, std::size_t b) {
      const auto guess = [](const Step& step) {
        return std::pair(step.op->version.value_or(UINT64_MAX), step.returned);
      };
      return guess(known_[a]) < guess(known_[b]);
    });
    std::vector<Move> found;
    for (const std::size_t candidate : candidates) {
      if (known_[candidate].fits(here_.state) && !known_[candidate].makes) return {{{}, candidate, here_.state}};
    }
    deepest_ = std::max(deepest_, here_.placed);
    if (explained_ == here_.placed && why_.empty()) explain(candidates);
    leave_out_repeated(candidates);
    for (const std::size_t candidate : candidates) {
      const State after = known_[candidate].after(here_.state);
      if (known_[candidate].fits(here_.state) && can_leave(here_.state, after, known_[candidate])) {
        found.push_back({{}, candidate, after});
      }
    }
    for (const std::size_t candidate : candidates) {
      if (known_[candidate].fits(here_.state)) continue;
      std::vector<std::size_t> chain;
      find_chains(candidate, here_.state, first_return, chain, found);
    }
    return found;
  }

  // Keeps the first of those that do the same.
  void leave_out_repeated(std::vector<std::size_t>& candidates) const {
    std::vector<std::size_t> kept;
    for (const std::size_t candidate : candidates) {
      const bool is_repeated = std::any_of(kept.begin(), kept.end(), [&](std::size_t other) {
        return known_[other].does_the_same_as(known_[candidate]);
      });
      if (!is_repeated) kept.push_back(candidate);
    }
    candidates = std::move(kept);
  }

  // May `state` be overwritten by `step`, which is not counted as taken yet?
  [[nodiscard]] bool can_leave(State state, State after, const Step& step) const {
    const Demand& demand = demands_[state];
    const bool is_reader = step.needs == Step::Needs::this_state && step.needed == state && step.returned != UINT64_MAX;
    return state == after || demand.writers > 0 || demand.readers == (is_reader ? 1 : 0);
  }

  // A step is there to be taken, or is not any more.
  void count(const Step& step, int by) {
    const State largest = std::max(step.needed, step.makes.value_or(absent));
    if (demands_.size() <= largest) demands_.resize(std::size_t{largest} + 1);
    if (step.needs == Step::Needs::this_state && step.returned != UINT64_MAX) demands_[step.needed].readers += by;
    if (step.makes) demands_[*step.makes].writers += by;
  }

  // Sequences of unknown steps that lead from `state` to one in which the candidate fits. Only the first of them may
  // be unconditional: what came before such a one would not matter.
  void find_chains(std::size_t candidate, State state, std::uint64_t first_return, std::vector<std::size_t>& chain,
                   std::vector<Move>& found) {
    std::vector<const Step*> tried;
    for (std::size_t i = 0; i < unknown_.size() && unknown_[i].called < first_return; ++i) {
      const Step& step = unknown_[i];
      ++steps_;
      if (is_used_[i] || !step.fits(state) || step.after(state) == state) continue;
      if (!chain.empty() && step.needs == Step::Needs::anything) continue;
      if (steps_ > steps_max_) return;
      const bool is_repeated =
          std::any_of(tried.begin(), tried.end(), [&](const Step* other) { return other->does_the_same_as(step); });
      if (is_repeated) continue;
      tried.push_back(&step);
      const State after = step.after(state);
      if (!can_leave(state, after, step)) continue;
      chain.push_back(i);
      is_used_[i] = true;
      if (known_[candidate].fits(after)) {
        found.push_back({chain, candidate, known_[candidate].after(after)});
      } else {
        find_chains(candidate, after, first_return, chain, found);
      }
      is_used_[i] = false;
      chain.pop_back();
    }
  }

  void perform(const Move& move) {
    for (const std::size_t i : move.before) {
      is_used_[i] = true;
      flip(unknown_[i]);
      count(unknown_[i], -1);
    }
    count(known_[move.step], -1);
    const std::size_t at = move.step + 1;
    next_[previous_[at]] = next_[at];
    if (next_[at] <= known_.size()) previous_[next_[at]] = previous_[at];
    flip(known_[move.step]);
    here_.state = move.state;
    ++here_.placed;
  }

  void take_back(const Move& move, State before) {
    for (const std::size_t i : move.before) {
      is_used_[i] = false;
      flip(unknown_[i]);
      count(unknown_[i], 1);
    }
    count(known_[move.step], 1);
    const std::size_t at = move.step + 1;
    next_[previous_[at]] = at;
    if (next_[at] <= known_.size()) previous_[next_[at]] = at;
    flip(known_[move.step]);
    here_.state = before;
    --here_.placed;
  }

  void flip(const Step& step) {
    here_.marks[0] ^= step.mark[0];
    here_.marks[1] ^= step.mark[1];
  }

  void explain(const std::vector<std::size_t>& candidates) {
    why_ = "after " + std::to_string(here_.placed) + " operations in an order that fits, the key holds " +
           values_.name(here_.state) + " and the next must be one of:";
    for (const std::size_t candidate : candidates) why_ += "\n  " + describe(*known_[candidate].op);
    for (std::size_t at = next_[0]; at <= known_.size(); at = next_[at]) {
      const Step& step = known_[at - 1];
      if (step.needs != Step::Needs::this_state || step.needed != here_.state) continue;
      why_ += "\nand before the key changes this must come: " + describe(*step.op);
      break;
    }
  }

  const std::uint64_t steps_max_;
  Values values_;
  std::vector<Step> known_;
  std::vector<Step> unknown_;
  std::vector<bool> is_used_;
  std::vector<Demand> demands_;  // by value
  std::vector<std::size_t> next_;
  std::vector<std::size_t> previous_;
  std::vector<Frame> stack_;
  Place here_;
  std::set<std::pair<std::uint64_t, std::uint64_t>> been_here_;
  std::uint64_t steps_ = 0;
  std::size_t deepest_ = 0;
  const std::optional<std::size_t> explained_;
  std::string why_;
};

}  // namespace

Verdict check_key(const std::vector<Operation>& of_one_key, std::uint64_t steps_max) {
  Search search(of_one_key, steps_max, std::nullopt);
  Verdict verdict = search.run();
  if (verdict.kind == Verdict::Kind::linearizable) return verdict;
  // Why is asked of a second search, which goes the same way: to say it wherever the first one comes further is dear.
  return Search(of_one_key, steps_max, search.deepest()).run();
}

Verdict check_history(const History& history, std::uint64_t steps_max_per_key) {
  Verdict sum;
  for (const auto& [key, operations] : history.by_key()) {
    if (std::string why = wrong_version(operations); !why.empty()) {
      return {Verdict::Kind::violated, "versions of key " + key + ": " + why, sum.steps};
    }
    Verdict verdict = check_key(operations, steps_max_per_key);
    sum.steps += verdict.steps;
    if (verdict.kind == Verdict::Kind::linearizable || sum.kind == Verdict::Kind::violated) continue;
    sum.kind = verdict.kind;
    sum.why = "key " + key + ": " + verdict.why;
    if (sum.kind == Verdict::Kind::violated) break;
  }
  return sum;
}

}  // namespace zraft::sim
