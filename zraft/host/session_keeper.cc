// SPDX-License-Identifier: Apache-2.0
//
// See session_keeper.h.
#include "zraft/host/session_keeper.h"

#include <algorithm>
#include <utility>

namespace zraft::host {
namespace {

constexpr Duration gather = Duration::milliseconds(20);
constexpr std::size_t gathered_max = 10'000;
constexpr Duration look_interval = Duration::milliseconds(100);
// An expiry that was proposed and did not come about is proposed again after so many looks.
constexpr std::uint32_t looks_between = 10;
constexpr Duration expiry_timeout = Duration::seconds(5);

}  // namespace

SessionKeeper::~SessionKeeper() {
  loop_.cancel(flush_timer_);
  loop_.cancel(look_timer_);
}

void SessionKeeper::keep_alive(session::Alive alive, Instant deadline, node::Done done) {
  waiting_.push_back({alive, std::move(done)});
  waiting_deadline_ = std::max(waiting_deadline_, deadline);
  // Who does not lead says so at once.
  if (!node_.core().is_leader() || waiting_.size() >= gathered_max) return flush();
  if (flush_timer_ != node::TimerId{}) return;
  flush_timer_ = loop_.wake_at(loop_.now() + gather, [this] {
    flush_timer_ = {};
    flush();
  });
}

void SessionKeeper::flush() {
  loop_.cancel(std::exchange(flush_timer_, {}));
  if (waiting_.empty()) return;
  session::KeepAlive entry;
  for (const Waiting& one : waiting_) entry.sessions.push_back(one.alive);
  const Instant deadline = std::exchange(waiting_deadline_, {});
  node_.propose(raft::EntryType::session, encode(session::Entry(std::move(entry))), deadline,
                [all = std::exchange(waiting_, {})](node::Reply reply) mutable {
                  std::vector<bool> alive(all.size(), true);
                  if (reply.error.code == Code::ok) {
                    if (auto told = session::alive(reply.data, all.size())) {
                      alive = std::move(*told);
                    } else {
                      reply.error = told.error();
                    }
                  }
                  for (std::size_t i = 0; i < all.size(); ++i) {
                    node::Reply one{.error = reply.error, .data = {}, .leader = reply.leader};
                    if (!alive[i]) {
                      one.error = {Code::session_expired, "the session " + std::to_string(all[i].alive.session.value) +
                                                              " is over: open another one"};
                    }
                    all[i].done(std::move(one));
                  }
                });
}

void SessionKeeper::on_leadership(bool leads) {
  suspects_.clear();
  open_ = 0;
  loop_.cancel(std::exchange(look_timer_, {}));
  if (leads) return arm(look_interval);
  flush();  // they are told who leads
}

// It may be over before all others.
void SessionKeeper::on_opened() {
  if (!node_.core().is_leader()) return;
  if (look_timer_ == node::TimerId{} || loop_.now() + look_interval < look_at_) arm(look_interval);
}

void SessionKeeper::on_ended() {
  if (open_ > 0) --open_;
}

void SessionKeeper::arm(Duration after) {
  loop_.cancel(look_timer_);
  look_at_ = loop_.now() + after;
  look_timer_ = loop_.wake_at(look_at_, [this] {
    look_timer_ = {};
    look();
  });
}

void SessionKeeper::look() {
  node_.look_at_sessions([this, life = lifetime_.watch()](ClusterTime now, const node::Sessions& sessions) {
    if (!life.is_over()) judge(now, sessions);
  });
}

void SessionKeeper::judge(ClusterTime now, const node::Sessions& sessions) {
  if (!node_.core().is_leader()) return;
  open_ = sessions.open;
  std::map<session::SessionId, Suspect> suspects;
  std::vector<session::Expire> over;
  for (const node::Overdue& overdue : sessions.overdue) {
    Suspect suspect{.seen = overdue.seen, .looks = 0};
    if (const auto known = suspects_.find(overdue.session); known != suspects_.end()) {
      if (known->second.seen == overdue.seen) suspect.looks = known->second.looks + 1;
    }
    if (suspect.looks % looks_between == 1) over.push_back({overdue.session, overdue.seen});
    suspects.emplace(overdue.session, suspect);
  }
  suspects_ = std::move(suspects);
  if (!over.empty()) flush();  // what shows that one of them lives comes first
  for (const session::Expire& expire : over) {
    node_.propose(raft::EntryType::session, encode(session::Entry(expire)), loop_.now() + expiry_timeout,
                  [](const node::Reply&) {});
  }
  if (look_timer_ != node::TimerId{} || sessions.open == 0) return;
  Duration after = look_interval;
  if (suspects_.empty() && sessions.next) after = std::max(after, Duration{sessions.next->ns - now.ns});
  arm(after);
}

}  // namespace zraft::host
