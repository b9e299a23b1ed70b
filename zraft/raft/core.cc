// SPDX-License-Identifier: Apache-2.0
//
// The core's frame: dispatch of inputs, the change of roles (in one place, after dispatch), the write being gathered,
// the promises it keeps back, and the output. The rules of the protocol are in election.cc and replication.cc.
#include "zraft/raft/core.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/raft/core_laws.h"

namespace zraft::raft {
namespace {

// One output never hands over more than this, so that a long replay does not keep the loop from heartbeats.
constexpr std::uint64_t apply_batch_max = 1024;

LogWindow log_of(Recovered& recovered) {
  LogWindow log(std::move(recovered.base));
  for (Record& record : recovered.entries) log.append(std::move(record));
  return log;
}

}  // namespace

Core::Core(Config config, Recovered recovered, Instant now)
    : config_(config),
      random_(config.seed),
      now_(now),
      hard_(recovered.hard_state),
      log_(log_of(recovered)),
      snapshot_(log_.base()),
      commit_(log_.base().last.index),
      handed_(commit_),
      applied_(commit_),
      leader_heard_(config.lease_reads ? now : now - config.election_timeout),
      promises_(log_.last().index) {
  // P05: only a new group has no hard state, and it has one entry, whose term is the first term. Whoever has a log
  // and no term has lost its votes; the storage refuses it with a sentence before it comes here.
  CHECK(log_.last().term <= hard_.term || (hard_ == HardState{} && log_.last().index <= Index{1}),
        "the log ends in a term after the one that was saved");
  CHECK(config_.command_bytes_max <= record_payload_max, "command_bytes_max is beyond what a record can hold");
  hard_.term = std::max(hard_.term, log_.last().term);
  if (snapshot_.last.index < recovered.snapshot.last.index) take_over(recovered.snapshot);
  CHECK(recovered.applied <= log_.last().index, "the state machine holds more than the log");
  commit_ = handed_ = applied_ = std::max(commit_, recovered.applied);
  arm_election();
  out_.membership_changed = true;
}

std::optional<NodeId> Core::leader() const {
  if (is_leader()) return config_.self;
  if (const auto* follower = std::get_if<Follower>(&role_)) return follower->leader;
  return std::nullopt;
}

Instant Core::deadline() const {
  if (is_quiesced_) return Instant::never();
  if (const auto* leader = std::get_if<Leader>(&role_)) return leader->heartbeat_due;
  return election_due_;
}

bool Core::has_more() const { return handed_ < std::min(commit_, promises_.durable()); }

void Core::step(Instant now, Input input) {
  CHECK(now_ <= now, "time goes back");
  std::optional<Laws> before;
  if (config_.check_laws) before = Laws::of(*this);
  now_ = now;
  if (disturbs(input)) {
    if (is_quiesced_) wake(input);
    if (auto* role = std::get_if<Leader>(&role_)) {
      role->disturbed = now_;
      role->agreed.clear();
    }
  }
  std::visit([this](const auto& body) { on(body); }, input);
  settle();
  if (before) before->check(*this);
}

Output Core::take_output() {
  if (auto* role = std::get_if<Leader>(&role_)) {
    if (role->reads.is_round_wanted() && role->term_start <= commit_) {
      (void)role->reads.begin_round(commit_);
      role->heartbeat_wanted = true;
    }
    if (role->heartbeat_wanted) heartbeat(*role);
    replicate(*role);
    settle_reads(*role);
  } else if (auto* follower = std::get_if<Follower>(&role_)) {
    ask_leader(*follower);
  }
  hand_over_committed();
  return std::exchange(out_, Output{});
}

// --- inputs ---

void Core::on(const Tick&) {
  if (is_quiesced_) return;
  if (auto* leader = std::get_if<Leader>(&role_)) return on(*leader, Tick{});
  if (now_ < election_due_) return;
  if (auto* follower = std::get_if<Follower>(&role_)) return on(*follower, Tick{});
  on(std::get<Candidate>(role_), Tick{});
}

void Core::on(const Receive& input) {
  const Message& message = input.message;
  if (!admit(message)) return;
  // Thesis 3.4: a candidate that hears the leader of its own term follows it.
  if (is_of_leader(message) && std::holds_alternative<Candidate>(role_)) {
    become(BecomeFollower{message.from, "another leads this term"});
  }
  std::visit([&](auto& role, const auto& body) { on(role, message, body); }, role_, message.body);
}

void Core::on(const Propose& input) {
  auto* role = std::get_if<Leader>(&role_);
  const auto refuse = [&](Code code) { out_.answers.emplace_back(Refused{input.id, code, leader()}); };
  if (role == nullptr) return refuse(Code::not_leader);
  if (input.data.size() > config_.command_bytes_max) return refuse(Code::too_large);
  const std::size_t size = record_header_size + input.data.size();
  // P35: what is not committed is bounded, and so is what no snapshot covers yet.
  // Whoever hands over takes nothing new, or the successor would never have everything.
  if (role->handover) return refuse(Code::busy);
  if (log_.bytes_after(commit_) + size > config_.uncommitted_bytes_max || log_.bytes() + size > config_.log_bytes_max) {
    return refuse(Code::busy);
  }
  append_own(input.type, input.data);
  out_.answers.emplace_back(Accepted{input.id, log_.last()});
}

void Core::on(const ReadBarrier& input) {
  std::visit([&](auto& role) { on(role, input); }, role_);
}

void Core::on(const Written& input) {
  for (Promises::Kept& kept : promises_.written(input.id)) {
    if (auto* message = std::get_if<Message>(&kept)) {
      out_.send.push_back(std::move(*message));
    } else if (auto* candidate = std::get_if<Candidate>(&role_);
               candidate != nullptr && std::get<OwnVote>(kept).term == hard_.term) {
      count_vote(*candidate, config_.self, true);
    }
  }
  if (auto* role = std::get_if<Leader>(&role_)) {
    advance_commit(*role);
    drive_membership(*role);
  }
}

void Core::on(const Applied& input) {
  CHECK(applied_ <= input.index && input.index <= handed_, "applied what was not handed over");
  applied_ = input.index;
}

// --- roles ---

void Core::settle() {
  while (!std::holds_alternative<std::monostate>(change_)) {
    const Change change = std::exchange(change_, std::monostate{});
    std::visit(
        [this](const auto& wanted) {
          if constexpr (!std::is_same_v<std::decay_t<decltype(wanted)>, std::monostate>) become(wanted);
        },
        change);
  }
}

void Core::become(BecomeFollower wanted) {
  const bool led = is_leader();
  if (led) {
    tell(Event::Kind::steps_down, {}, {}, wanted.why);
    leave_office(std::get<Leader>(role_));
    for (const Reads::Reader& reader : std::get<Leader>(role_).reads.take_all()) {
      if (reader.follower != NodeId{}) continue;  // it asks the next leader
      out_.answers.emplace_back(Refused{{reader.number}, Code::not_leader, wanted.leader});
    }
  } else if (auto* follower = std::get_if<Follower>(&role_)) {
    refuse_reads(*follower);
  }
  role_ = Follower{};
  if (led) arm_election();
  if (wanted.leader) hear_leader(std::get<Follower>(role_), *wanted.leader);
}

// --- what is gathered for the output ---

Write& Core::write() {
  if (!out_.write) {
    out_.write =
        Write{.id = promises_.open(now_), .hard_state = {}, .truncate_from = {}, .base = {}, .entries = {}};
  }
  return *out_.write;
}

void Core::save_hard_state() {
  write().hard_state = hard_;
  promises_.wrote_hard_state();
}

// Every message speaks in the name of a term, so it waits at least until that term is durable (P01).
void Core::send(NodeId to, Body body, Promises::Needs needs) {
  Message message{.from = config_.self, .to = to, .term = hard_.term, .body = std::move(body)};
  if (promises_.must_wait(needs)) {
    promises_.keep(std::move(message), needs);
  } else {
    out_.send.push_back(std::move(message));
  }
}

void Core::tell(Event::Kind kind, NodeId peer, Position position, const char* why) {
  out_.events.push_back({.kind = kind, .term = hard_.term, .peer = peer, .position = position, .why = why});
}

void Core::commit_to(Index index) {
  if (index <= commit_) return;
  CHECK(index <= log_.last().index, "more is committed than is in the log");
  commit_ = index;
  tell(Event::Kind::commits, {}, {*log_.term_at(index), index});
}

void Core::hand_over_committed() {
  const Index end = std::min({commit_, promises_.durable(), handed_ + apply_batch_max});
  while (handed_ < end) {
    handed_ = next(handed_);
    out_.apply.push_back(log_.at(handed_));
  }
}

}  // namespace zraft::raft
