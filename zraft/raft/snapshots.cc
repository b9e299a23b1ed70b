// SPDX-License-Identifier: Apache-2.0
//
// Snapshots: thesis 5. A member writes its own whenever its caller sees fit (SnapshotSaved) and drops the log that it
// covers. A leader offers its newest one to whoever needs what is gone; how the bytes travel is not the core's affair.
// What comes of it (SnapshotInstalled) replaces the state and, where the two do not agree, the log.
//
// A snapshot holds committed entries only, so it is true whoever sent it, in whatever term (thesis 5.1): one that comes
// late is installed if it is news, and else is nothing.
#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/raft/core.h"

namespace zraft::raft {
namespace {

constexpr const char* what_to_do =
    ": files of different times were mixed, or some are lost. Nothing was changed. Bring back the files that belong "
    "together, or remove this member from its group and start it anew as another one";

std::string text(Index index) { return std::to_string(index.value); }

}  // namespace

Result<> check(const Recovered& recovered) {
  const Index base = recovered.base.last.index;
  const Position snapshot = recovered.snapshot.last;
  const Index last = recovered.entries.empty() ? base : recovered.entries.back().index();
  // Rows 8 and 9: never start as if nothing had been there.
  if (snapshot.index < base) {
    return fail(Code::corrupt, "the log begins behind index " + text(base) + ", and the newest snapshot ends at " +
                                   text(snapshot.index) + what_to_do);
  }
  // Row 10.
  if (recovered.hard_state.term < snapshot.term) {
    return fail(Code::corrupt, "the snapshot is of term " + std::to_string(snapshot.term.value) +
                                   ", and the log knows only of term " +
                                   std::to_string(recovered.hard_state.term.value) + what_to_do);
  }
  if (std::max(last, snapshot.index) < recovered.applied) {
    return fail(Code::corrupt, "the state machine holds everything up to index " + text(recovered.applied) +
                                   ", and the log ends at " + text(std::max(last, snapshot.index)) + what_to_do);
  }
  return {};
}

// --- what is here ---

// The snapshot is durable, and the state machine holds it. What the log has behind it stays, if the two agree (P60); if
// not, it was never committed.
void Core::take_over(const SnapshotMeta& snapshot) {
  const Index last = snapshot.last.index;
  const bool is_in_log = log_.term_at(last) == snapshot.last.term;
  if (!is_in_log) {
    CHECK(!is_leader() && commit_ < last, "a snapshot that is not of what is committed here");
    Write& wanted = write();
    if (const auto other = log_.term_at(last)) {
      tell(Event::Kind::truncates, {}, {*other, last});
      promises_.truncated_from(last);
      wanted.truncate_from = std::min(wanted.truncate_from.value_or(last), last);
    }
    wanted.entries.clear();
    wanted.base = snapshot;
    log_.reset(snapshot);
    out_.membership_changed = true;
  }
  snapshot_ = snapshot;
  promises_.installed(last);
  commit_ = std::max(commit_, last);
  handed_ = std::max(handed_, last);
  applied_ = last;
  if (is_in_log) cut_log();
}

void Core::on(const SnapshotInstalled& input) {
  const Index last = input.meta.last.index;
  CHECK(applied_ < last, "a snapshot of less than was applied is installed");
  take_over(input.meta);
  tell(Event::Kind::installs_snapshot, {}, input.meta.last);
  const auto* follower = std::get_if<Follower>(&role_);
  if (follower == nullptr || !follower->leader) return;
  send(*follower->leader, Appended{last}, Promises::Needs::everything);
}

void Core::on(const SnapshotSaved& input) {
  CHECK(input.meta.last.index <= applied_, "a snapshot of what was not applied");
  if (input.meta.last.index <= snapshot_.last.index) return;  // P59: another one came meanwhile
  snapshot_ = input.meta;
  tell(Event::Kind::saves_snapshot, {}, snapshot_.last);
  cut_log();
}

void Core::on(const FreeLog& input) {
  free_to_ = std::max(free_to_, input.to);
  cut_log();
}

// How much of the log need not be kept: what the snapshot covers, but for a tail of it. P64: who is offered a snapshot
// will need what follows it, and goes on to need it when the snapshot is installed: what was written meanwhile may be
// more than several snapshots cover. Only if it takes so long that memory would run out, it must begin anew.
Index Core::index_to_cut_to() const {
  const std::size_t kept = log_.bytes_after(snapshot_.last.index) + config_.log_bytes_retained;
  // The first index behind which there is no more than that.
  Index index = log_.base().last.index;
  for (Index high = snapshot_.last.index; index < high;) {
    const Index middle = index + (high - index) / 2;
    if (log_.bytes_after(middle) <= kept) {
      high = middle;
    } else {
      index = next(middle);
    }
  }
  index = std::max(index, std::min(free_to_, snapshot_.last.index));
  if (const auto* role = std::get_if<Leader>(&role_)) {
    for (const Progress& progress : role->progresses) {
      const Index wanted = std::max(progress.wanted_after(), log_.base().last.index);
      if (!progress.catches_up() || index <= wanted) continue;
      if (log_.bytes_after(wanted) <= config_.log_bytes_max / 4) index = wanted;
    }
  }
  return index;
}

void Core::cut_log() {
  const Index index = index_to_cut_to();
  if (index <= log_.base().last.index) return;
  log_.drop_to(index);
  write().base = log_.base();
}

// --- what others need ---

void Core::offer_snapshot(Progress& progress) {
  progress.begin_snapshot(snapshot_.last);
  tell(Event::Kind::offers_snapshot, progress.id(), snapshot_.last);
  send(progress.id(), OfferSnapshot{snapshot_.last});
}

// The same one, though newer ones were written: an offer of those that arrives just after the install would have the
// member fetch another one in vain. Who begins only now is given the newest there is (P64).
void Core::repeat_offer(Progress& progress) {
  if (progress.snapshot().index < log_.base().last.index) return offer_snapshot(progress);
  send(progress.id(), OfferSnapshot{progress.snapshot()});
}

void Core::on(Follower& role, const Message& message, const OfferSnapshot& body) {
  hear_leader(role, message.from);
  if (body.last.index <= commit_) {
    // Everything committed agrees with every leader.
    send(message.from, Appended{commit_}, Promises::Needs::everything);
    return;
  }
  // A snapshot that is durable before its term would be refused at the next start. The offer comes again.
  if (promises_.must_wait(Promises::Needs::term)) return;
  out_.fetch = Fetch{.from = message.from, .last = body.last, .term = hard_.term};
}
void Core::on(Candidate&, const Message&, const OfferSnapshot&) { UNREACHABLE("a candidate heard a leader"); }
void Core::on(Leader&, const Message&, const OfferSnapshot&) { UNREACHABLE("two leaders in one term"); }

}  // namespace zraft::raft
