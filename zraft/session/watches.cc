// SPDX-License-Identifier: Apache-2.0
//
// See watches.h.
#include "zraft/session/watches.h"

#include <algorithm>
#include <string>
#include <utility>

#include "zraft/base/check.h"

namespace zraft::session {
namespace {

bool listens(const Wanted& wanted, BytesView key) {
  return std::ranges::any_of(wanted.watchable, [&](const node::Watchable& any) {
    return any.is_prefix ? key.starts_with(any.key) : key == any.key;
  });
}

std::size_t size_of(const std::vector<node::Change>& changes) {
  std::size_t bytes = sizeof(Changed) + sizeof(changes);
  for (const node::Change& change : changes) bytes += sizeof change + change.key.size() + change.event.size();
  return bytes;
}

// What a watch listens to of what one entry changed; null: nothing. Mostly all of it, and then it is shared.
std::shared_ptr<const std::vector<node::Change>> part_for(const Wanted& wanted, const Changed& what) {
  const auto is_heard = [&](const node::Change& change) { return listens(wanted, change.key); };
  const auto heard = static_cast<std::size_t>(std::ranges::count_if(*what.changes, is_heard));
  if (heard == 0) return nullptr;
  if (heard == what.changes->size()) return what.changes;
  auto part = std::make_shared<std::vector<node::Change>>();
  std::ranges::copy_if(*what.changes, std::back_inserter(*part), is_heard);
  return part;
}

template <class Map, class Key>
void drop(Map& map, const Key& key, WatchId watch) {
  const auto found = map.find(key);
  if (found == map.end()) return;
  found->second.erase(watch);
  if (found->second.empty()) map.erase(found);
}

}  // namespace

Watches::Watches(Sink& sink, std::size_t history_bytes, raft::Index applied)
    : sink_(sink), history_bytes_max_(history_bytes), known_from_(applied), applied_(applied) {}

Result<> Watches::may_add(WatchId watch, const Wanted& wanted) const {
  if (wanted.watchable.empty()) {
    return fail(Code::bad_request, "the state machine does not say what such a query listens to: it sets no watch");
  }
  if (wanted.watchable.size() > watchable_max) {
    return fail(Code::bad_request, "a watch listens to " + std::to_string(watchable_max) + " places at most");
  }
  if (set_ != nullptr && set_->watches.contains(watch)) {
    return fail(Code::bad_request, "this request has set a watch already");
  }
  if (wanted.after < known_from_) {
    return fail(Code::compacted, "changes behind index " + std::to_string(wanted.after.value) +
                                     " are not remembered here, only those behind " +
                                     std::to_string(known_from_.value) + ": read again, and watch from there");
  }
  return {};
}

void Watches::add(WatchId watch, Wanted wanted) {
  const raft::Index after = wanted.after;
  if (set_ == nullptr) set_ = std::make_unique<Set>();
  const auto [at, is_new] = set_->watches.emplace(watch, std::move(wanted));
  CHECK(is_new, "a watch is set twice");
  note(watch, at->second);
  for (std::size_t i = 0; i < history_.size(); ++i) {
    if (history_[i].index > after && !tell(watch, history_[i])) return;
  }
}

void Watches::note(WatchId watch, const Wanted& wanted) {
  for (const node::Watchable& any : wanted.watchable) {
    (any.is_prefix ? set_->by_prefix : set_->by_key)[any.key].insert(watch);
  }
  if (wanted.session != SessionId{}) set_->by_session[wanted.session].insert(watch);
}

bool Watches::remove(WatchId watch) {
  if (set_ == nullptr) return false;
  const auto found = set_->watches.find(watch);
  if (found == set_->watches.end()) return false;
  const Wanted wanted = std::move(found->second);
  set_->watches.erase(found);
  for (const node::Watchable& any : wanted.watchable) {
    drop(any.is_prefix ? set_->by_prefix : set_->by_key, any.key, watch);
  }
  drop(set_->by_session, wanted.session, watch);
  if (set_->watches.empty()) set_.reset();
  return true;
}

void Watches::remove_link(std::uint64_t link) {
  if (set_ == nullptr) return;
  std::vector<WatchId> of_link;
  for (auto at = set_->watches.lower_bound({link, 0}); at != set_->watches.end() && at->first.link == link; ++at) {
    of_link.push_back(at->first);
  }
  for (const WatchId watch : of_link) remove(watch);
}

// --- what happens ---

void Watches::on_applied(raft::Index index, std::vector<node::Change> changes) {
  applied_ = index;
  if (changes.empty()) return;
  const Changed what{index, std::make_shared<const std::vector<node::Change>>(std::move(changes))};
  std::set<WatchId> listeners;
  if (set_ != nullptr) {
    for (const node::Change& change : *what.changes) collect(*set_, change.key, listeners);
  }
  for (const WatchId watch : listeners) tell(watch, what);
  remember(what);
}

void Watches::collect(const Set& from, BytesView key, std::set<WatchId>& into) {
  if (const auto found = from.by_key.find(key); found != from.by_key.end()) {
    into.insert(found->second.begin(), found->second.end());
  }
  // Of the prefixes that do not sort behind the key, from the last: one that is none tells how long the next can be.
  auto at = from.by_prefix.upper_bound(key);
  while (at != from.by_prefix.begin()) {
    --at;
    if (key.starts_with(at->first)) {
      into.insert(at->second.begin(), at->second.end());
      continue;
    }
    const auto differs = std::ranges::mismatch(key, at->first).in1;
    at = from.by_prefix.upper_bound(key.substr(0, static_cast<std::size_t>(differs - key.begin())));
  }
}

bool Watches::tell(WatchId watch, const Changed& what) {
  Wanted& wanted = set_->watches.at(watch);
  // One that goes on may have been told by another member of what this one applies only now.
  if (what.index <= wanted.after) return true;
  auto part = part_for(wanted, what);
  if (part == nullptr) return true;
  wanted.after = what.index;
  const bool is_last = !wanted.is_persistent;
  if (is_last) remove(watch);
  sink_.on_changed(watch, {what.index, std::move(part)}, is_last);
  return !is_last;
}

void Watches::remember(const Changed& what) {
  const std::size_t bytes = size_of(*what.changes);
  history_.push_back(what);
  history_bytes_ += bytes;
  while (!history_.empty() && history_bytes_ > history_bytes_max_) {
    known_from_ = history_.front().index;
    history_bytes_ -= size_of(*history_.front().changes);
    history_.pop_front();
  }
  told_bytes_ += bytes;
  if (told_bytes_ >= history_bytes_max_ / 2) tell_progress();
}

// Or a watch of something that never changes could not go on elsewhere: what is behind the last it heard is forgotten.
void Watches::tell_progress() {
  told_bytes_ = 0;
  if (set_ == nullptr) return;
  for (auto& [watch, wanted] : set_->watches) {
    if (!wanted.is_persistent || wanted.after >= applied_) continue;
    wanted.after = applied_;
    sink_.on_progress(watch, applied_);
  }
}

void Watches::on_session_ended(SessionId session) {
  if (set_ == nullptr) return;
  const auto found = set_->by_session.find(session);
  if (found == set_->by_session.end()) return;
  for (const WatchId watch : std::set<WatchId>(found->second)) {
    remove(watch);
    sink_.on_ended(watch, {Code::session_expired, "the session that watched is over"});
  }
}

void Watches::on_installed(raft::Index index) {
  history_.clear();
  history_bytes_ = told_bytes_ = 0;
  known_from_ = applied_ = index;
}

void Watches::end_all(const Error& why) {
  const std::unique_ptr<Set> ended = std::exchange(set_, nullptr);
  if (ended == nullptr) return;
  for (const auto& [watch, wanted] : ended->watches) sink_.on_ended(watch, why);
}

}  // namespace zraft::session
