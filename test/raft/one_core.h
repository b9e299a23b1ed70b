// SPDX-License-Identifier: Apache-2.0
//
// One core on the bench: the test plays everyone else. Member 1 is the core, of `n` voters; its log is given by terms
// (entry 1 is the membership). Writes complete only when the test says so, unless `auto_write` is on.
#pragma once

#include <algorithm>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

#include "test/raft/core_cluster.h"
#include "zraft/raft/core.h"
#include "zraft/raft/describe.h"

namespace zraft::raft {

inline constexpr GroupId bench_group{77};

[[nodiscard]] inline Record entry(std::uint64_t term, std::uint64_t index, BytesView text = "x",
                                  GroupId group = bench_group) {
  return Record::make(group, {{term}, {index}}, EntryType::command, {}, text);
}

[[nodiscard]] inline Record membership_entry(std::uint64_t term, std::uint64_t index, const Membership& membership) {
  Bytes payload;
  encode(membership, payload);
  return Record::make(bench_group, {{term}, {index}}, EntryType::membership, {}, payload);
}

// For the messages of failed tests.
template <class Tag>
void PrintTo(Number<Tag> number, std::ostream* out) {
  *out << number.value;
}
inline void PrintTo(Index index, std::ostream* out) { *out << index.value; }
inline void PrintTo(Position position, std::ostream* out) { *out << describe(position); }

[[nodiscard]] constexpr Position at(std::uint64_t term, std::uint64_t index) { return {{term}, {index}}; }

class OneCore {
 public:
  struct Setup {
    Membership membership = voters_up_to(3);
    std::vector<std::uint64_t> log = {1};
    HardState hard_state = {};
    Config config = {};
    bool auto_write = true;
  };

  OneCore() : OneCore(Setup{}) {}
  explicit OneCore(Setup setup) : auto_write_(setup.auto_write) {
    Config config = setup.config;
    config.group = bench_group;
    config.self = {1};
    config.check_laws = true;
    Recovered recovered{.hard_state = setup.hard_state, .base = {}, .entries = {}, .snapshot = {}, .applied = {}};
    for (std::size_t i = 0; i < setup.log.size(); ++i) {
      recovered.entries.push_back(i == 0 ? membership_entry(setup.log[0], 1, setup.membership)
                                         : entry(setup.log[i], i + 1));
    }
    core_.emplace(config, std::move(recovered), now_);
    drain();
  }

  [[nodiscard]] const Core& core() const { return *core_; }
  [[nodiscard]] const Core* operator->() const { return &*core_; }
  [[nodiscard]] Instant now() const { return now_; }

  void give(Input input) {
    core_->step(now_, std::move(input));
    drain();
  }
  // All in one turn.
  void give_all(std::vector<Input> inputs) {
    for (Input& input : inputs) core_->step(now_, std::move(input));
    drain();
  }
  template <class AnyBody>
  void receive(std::uint64_t from, std::uint64_t term, AnyBody body) {
    give(Receive{Message{{from}, {1}, {term}, std::move(body)}});
  }
  void append(std::uint64_t from, std::uint64_t term, Position previous, std::vector<Record> entries,
              std::uint64_t commit = 0) {
    receive(from, term, Append{previous, {commit}, std::move(entries)});
  }
  void pass(Duration duration) { now_ = now_ + duration; }
  // Time passes until the core's deadline, and it gets its tick.
  void tick() {
    now_ = std::max(now_, core_->deadline());
    give(Tick{});
  }
  // It stands for election: pre-votes have been asked for.
  void stand() { tick(); }
  // It stands in a real election, by pre-votes of every other voter.
  void stand_for_votes() {
    stand();
    const Term proposed = next(core_->term());
    for (const auto& [id, peer, priority] : core_->membership().members) {
      if (!is_pre_candidate()) break;
      if (id.value != 1) receive(id.value, core_->term().value, PreVote{proposed, true});
    }
  }
  void lead() {
    stand_for_votes();
    for (const auto& [id, peer, priority] : core_->membership().members) {
      if (core_->is_leader()) break;
      if (id.value != 1) receive(id.value, core_->term().value, Vote{true});
    }
  }
  // The oldest write that is not done becomes durable. False: there is none.
  bool complete_write() {
    if (pending_.empty()) return false;
    const WriteId id = pending_.front();
    pending_.erase(pending_.begin());
    give(Written{id});
    return true;
  }
  void auto_write(bool on) {
    auto_write_ = on;
    while (on && complete_write()) continue;
  }

  // What was sent since the last call, of one kind.
  template <class AnyBody>
  std::vector<std::pair<NodeId, AnyBody>> sent() {
    std::vector<std::pair<NodeId, AnyBody>> out;
    std::erase_if(sent_, [&](const Message& message) {
      const auto* body = std::get_if<AnyBody>(&message.body);
      if (body != nullptr) out.emplace_back(message.to, *body);
      return body != nullptr;
    });
    return out;
  }
  // The last of them to one member.
  template <class AnyBody>
  std::optional<AnyBody> sent_to(std::uint64_t to) {
    std::optional<AnyBody> out;
    for (auto& [id, body] : sent<AnyBody>()) {
      if (id.value == to) out = std::move(body);
    }
    return out;
  }
  template <class AnyAnswer>
  std::vector<AnyAnswer> answered() {
    std::vector<AnyAnswer> out;
    std::erase_if(answers_, [&](const Answer& answer) {
      if (const auto* one = std::get_if<AnyAnswer>(&answer)) {
        out.push_back(*one);
        return true;
      }
      return false;
    });
    return out;
  }
  [[nodiscard]] const std::vector<Message>& everything_sent() const { return sent_; }
  [[nodiscard]] const std::vector<Write>& writes() const { return writes_; }
  [[nodiscard]] const std::vector<Record>& applied() const { return applied_; }
  [[nodiscard]] const std::vector<Fetch>& fetched() const { return fetched_; }
  [[nodiscard]] std::vector<Bytes> story() const {
    std::vector<Bytes> out;
    for (const Event& event : events_) out.push_back(describe({1}, event));
    return out;
  }
  [[nodiscard]] std::vector<std::uint64_t> log_terms() const {
    std::vector<std::uint64_t> out;
    for (Index i = core_->log().first(); i <= core_->log().last().index; i = next(i)) {
      out.push_back(core_->log().at(i).term().value);
    }
    return out;
  }
  [[nodiscard]] bool is_follower() const { return std::holds_alternative<Follower>(core_->role()); }
  [[nodiscard]] bool is_pre_candidate() const {
    const auto* role = std::get_if<Candidate>(&core_->role());
    return role != nullptr && role->phase == Candidate::Phase::pre_vote;
  }
  [[nodiscard]] bool is_candidate() const {
    const auto* role = std::get_if<Candidate>(&core_->role());
    return role != nullptr && role->phase == Candidate::Phase::vote;
  }
  void forget() {
    sent_.clear();
    answers_.clear();
    writes_.clear();
    events_.clear();
  }

 private:
  // Until nothing more comes out: a completion may let out more, and that may be another write.
  void drain() {
    for (bool is_quiet = false; !is_quiet;) {
      Output output = core_->take_output();
      is_quiet = output.is_empty();
      sent_.insert(sent_.end(), output.send.begin(), output.send.end());
      answers_.insert(answers_.end(), output.answers.begin(), output.answers.end());
      events_.insert(events_.end(), output.events.begin(), output.events.end());
      applied_.insert(applied_.end(), output.apply.begin(), output.apply.end());
      if (output.fetch) fetched_.push_back(*output.fetch);
      if (output.write) {
        pending_.push_back(output.write->id);
        writes_.push_back(std::move(*output.write));
      }
      if (!output.apply.empty()) core_->step(now_, Applied{output.apply.back().index()});
      if (!auto_write_) continue;
      for (const WriteId id : std::exchange(pending_, {})) core_->step(now_, Written{id});
    }
  }

  Instant now_ = Instant{} + Duration::seconds(1);
  bool auto_write_;
  std::optional<Core> core_;
  std::vector<WriteId> pending_;
  std::vector<Message> sent_;
  std::vector<Answer> answers_;
  std::vector<Event> events_;
  std::vector<Record> applied_;
  std::vector<Fetch> fetched_;
  std::vector<Write> writes_;
};

}  // namespace zraft::raft
