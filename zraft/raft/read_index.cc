// SPDX-License-Identifier: Apache-2.0
//
// Linearizable reads: thesis 6.4 (ReadIndex, also for followers) and 6.4.1 (leases). A leader confirms that it still
// leads by a round of heartbeats that began after the read came; a follower asks the leader for the index and waits
// until it has applied as much. A lease saves the round, at the price of a bound on the speed of clocks.
#include <algorithm>
#include <utility>

#include "zraft/raft/core.h"
#include "zraft/raft/quorum.h"

namespace zraft::raft {

// --- the leader ---

// A quorum has promised, when it heard what was sent then, to elect no other for an election timeout: of both
// majorities while it is joint (P41). Not before the own term's first commit (P36), not once a successor was called
// (P40).
bool Core::has_lease(Instant now) const {
  const auto* role = std::get_if<Leader>(&role_);
  if (role == nullptr || !config_.lease_reads || role->lease_is_void || commit_ < role->term_start) return false;
  const Instant from = quorum_value(membership(), [&](NodeId id) {
    if (id == config_.self) return now;
    const Progress* progress = role->progresses.find(id);
    return progress == nullptr ? Instant{} : progress->lease_from();
  });
  return now < from + config_.election_timeout * (100 - config_.lease_margin_percent) / 100;
}

void Core::on(Leader& role, const ReadBarrier& input) {
  if (input.from == ReadFrom::lease && has_lease(now_)) {
    out_.answers.emplace_back(ReadReady{.id = input.id, .index = commit_, .by_lease = true});
  } else if (role.reads.size() >= config_.reads_max) {
    out_.answers.emplace_back(Refused{input.id, Code::busy, leader()});
  } else {
    role.reads.add({.follower = {}, .number = input.id.value});
  }
}

void Core::settle_reads(Leader& role) {
  const Round confirmed = quorum_value(membership(), [&](NodeId id) {
    if (id == config_.self) return role.reads.newest();
    const Progress* progress = role.progresses.find(id);
    return progress == nullptr ? Round{} : progress->acknowledged();
  });
  for (const Reads::Batch& batch : role.reads.confirmed(confirmed)) {
    for (const Reads::Reader& reader : batch.readers) {
      if (reader.follower == NodeId{}) {
        out_.answers.emplace_back(ReadReady{.id = {reader.number}, .index = batch.index});
      } else {
        send(reader.follower, ReadIndex{.attempt = reader.number, .index = batch.index});
      }
    }
  }
}

// What comes while there is no room is lost, and asked again.
void Core::on(Leader& role, const Message& message, const RequestReadIndex& body) {
  if (role.reads.size() < config_.reads_max) role.reads.add({.follower = message.from, .number = body.attempt});
}
void Core::on(Leader&, const Message&, const ReadIndex&) {}

// --- others ---

void Core::on(Follower& role, const ReadBarrier& input) {
  if (input.from != ReadFrom::anywhere || !role.leader) {
    out_.answers.emplace_back(Refused{input.id, Code::not_leader, role.leader});
  } else if (role.reads.size() + role.asked.size() >= config_.reads_max) {
    out_.answers.emplace_back(Refused{input.id, Code::busy, role.leader});
  } else {
    role.reads.push_back(input.id);
  }
}
void Core::on(Candidate&, const ReadBarrier& input) {
  out_.answers.emplace_back(Refused{input.id, Code::not_leader, std::nullopt});
}

// One attempt at a time; what comes meanwhile goes into the next one together.
void Core::ask_leader(Follower& role) {
  if (role.reads.empty() || role.attempt || !role.leader) return;
  role.asked = std::exchange(role.reads, {});
  role.attempt = random_.next();
  role.asked_at = now_;
  send(*role.leader, RequestReadIndex{*role.attempt});
}

void Core::refuse_reads(Follower& role) {
  for (const auto* list : {&role.asked, &role.reads}) {
    for (const RequestId id : *list) out_.answers.emplace_back(Refused{id, Code::not_leader, std::nullopt});
  }
  role.asked.clear();
  role.reads.clear();
  role.attempt.reset();
}

// The answer to an attempt that was given up says nothing about the reads of a later one (P37).
void Core::on(Follower& role, const Message&, const ReadIndex& body) {
  if (role.attempt != body.attempt) return;
  for (const RequestId id : std::exchange(role.asked, {})) {
    out_.answers.emplace_back(ReadReady{.id = id, .index = body.index});
  }
  role.attempt.reset();
}
void Core::on(Follower&, const Message&, const RequestReadIndex&) {}
void Core::on(Candidate&, const Message&, const RequestReadIndex&) {}
void Core::on(Candidate&, const Message&, const ReadIndex&) {}

}  // namespace zraft::raft
