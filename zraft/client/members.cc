// SPDX-License-Identifier: Apache-2.0
//
// See members.h.
#include "zraft/client/members.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

namespace zraft::client {
namespace {

constexpr Duration pause_between_looks = Duration::milliseconds(50);

using Rows = std::vector<MemberStatus>;

const raft::Member* member_at(const raft::Membership& membership, const std::string& peer) {
  const auto found = std::ranges::find(membership.members, peer, &raft::Member::peer);
  return found == membership.members.end() ? nullptr : &*found;
}

bool has(const std::vector<std::string>& list, const std::string& peer) {
  return std::ranges::find(list, peer) != list.end();
}
bool has(const std::vector<raft::NodeId>& list, raft::NodeId id) {
  return std::ranges::find(list, id) != list.end();
}
void insert(std::vector<raft::NodeId>& list, raft::NodeId id) {
  if (!has(list, id)) list.insert(std::ranges::lower_bound(list, id), id);
}

Result<> check_peers(const std::vector<std::string>& peers) {
  for (const std::string& peer : peers) {
    if (const auto parsed = net::parse_peer(peer); !parsed) return fail(parsed);
  }
  return {};
}

// Looks again and again until its deadline; each look says whether it is over.
class Looking : public std::enable_shared_from_this<Looking> {
 public:
  Looking(node::Loop& loop, LightSession& session, std::string group, Instant deadline)
      : loop_(loop), session_(session), group_(std::move(group)), deadline_(deadline) {}
  virtual ~Looking() = default;

  void look() {
    const Instant patience = std::min(deadline_, loop_.now() + Duration::seconds(1));
    gather_status(loop_, session_, session_.hosts(), group_, patience,
                  [self = shared_from_this()](Rows rows) { self->take(std::move(rows)); });
  }

 protected:
  virtual void on_leader(const Rows& rows, const MemberStatus& leader) = 0;
  virtual void end(Error why) = 0;

  void look_again(const std::string& why) {
    waits_for_ = why;
    if (deadline_ <= loop_.now() + pause_between_looks) {
      return end({Code::timeout, "not done in time: " + waits_for_ + "; what was begun may go on by itself"});
    }
    loop_.wake_at(loop_.now() + pause_between_looks, [self = shared_from_this()] { self->look(); });
  }

  void ask_leader(const MemberStatus& leader, net::RequestBody body, std::function<void(const net::Reply&)> then) {
    session_.ask(net::parse_peer(leader.peer)->address, std::move(body), deadline_,
                 [self = shared_from_this(), then = std::move(then)](const net::Reply& reply) { then(reply); });
  }

  node::Loop& loop_;
  LightSession& session_;
  const std::string group_;
  const Instant deadline_;

 private:
  void take(const Rows& rows) {
    const bool is_anybody_there =
        std::ranges::any_of(rows, [](const MemberStatus& row) { return row.error.code == Code::ok; });
    if (const MemberStatus* leader = leader_of(rows)) return on_leader(rows, *leader);
    const bool is_unknown = !rows.empty() && std::ranges::all_of(rows, [](const MemberStatus& row) {
      return row.error.code == Code::not_found;
    });
    if (rows.empty() || is_unknown)
      return end({Code::not_found, "none of the hosts has a member of the group " + group_});
    look_again(is_anybody_there ? "no member leads" : "no host answers: " + rows.front().error.text);
  }

  std::string waits_for_;
};

// --- members ---

class Changing final : public Looking {
 public:
  Changing(node::Loop& loop, LightSession& session, MemberChange change, Instant deadline, Random random,
           Progress progress, std::move_only_function<void(Result<>)> done)
      : Looking(loop, session, change.group, deadline),
        change_(std::move(change)),
        random_(random),
        progress_(std::move(progress)),
        done_(std::move(done)) {}

  void start() {
    for (const auto* peers : {&change_.voters, &change_.learners, &change_.gone}) {
      if (Result<> good = check_peers(*peers); !good) return end(good.error());
    }
    look();
  }

 private:
  void on_leader(const Rows& rows, const MemberStatus& leader) override {
    const raft::Membership& now = leader.status.membership;
    if (!is_begun_) {
      if (Result<> good = begin(now); !good) return end(good.error());
    }
    if (now.is_joint()) return wait("the change before is being finished");
    for (const auto* peers : {&change_.voters, &change_.learners}) {
      for (const std::string& peer : *peers) {
        const raft::Member* member = member_at(now, peer);
        if (member != nullptr && !has(taken_in_, peer)) taken_in_.push_back(peer);
        if (member == nullptr && has(taken_in_, peer)) {
          return end({Code::peers_changed, peer + " was removed meanwhile by another change: look and decide again"});
        }
        if (member == nullptr && !started_.contains(peer)) return start_peer(leader, peer);
      }
    }
    const raft::Membership wanted = next_towards_goal(now);
    if (wanted != now) return change_to(leader, wanted);
    if (!now.promoting.empty()) return wait("the new members catch up", fetching_of(rows, now));
    finish({});
  }

  // Whether the goal makes sense, as things are.
  Result<> begin(const raft::Membership& now) {
    if (change_.only_if) {
      std::vector<std::string> old = *change_.only_if;
      std::vector<std::string> found;
      for (const raft::Member& member : now.members) found.push_back(member.peer);
      std::ranges::sort(old);
      std::ranges::sort(found);
      if (old != found) {
        std::string names;
        for (const std::string& peer : found) names += (names.empty() ? "" : ", ") + peer;
        return fail(Code::peers_changed, "the members are not what was named as old: they are " + names);
      }
      for (const std::string& peer : found) {
        if (!has(change_.voters, peer)) change_.gone.push_back(peer);
      }
    }
    for (const std::string& peer : change_.gone) {
      if (member_at(now, peer) == nullptr) return fail(Code::bad_request, peer + " is no member of " + group_);
    }
    const bool is_any_left = !change_.voters.empty() || std::ranges::any_of(now.voters, [&](raft::NodeId id) {
      const std::string& peer = now.find(id)->peer;
      return !has(change_.gone, peer) && !has(change_.learners, peer);
    });
    if (!is_any_left)
      return fail(Code::bad_request, "nobody would be left to vote: destroy the group, if that is meant");
    is_begun_ = true;
    return {};
  }

  // First those come who are to come; who is to go goes when they vote.
  raft::Membership next_towards_goal(const raft::Membership& now) const {
    raft::Membership wanted = now;
    for (const auto* peers : {&change_.voters, &change_.learners}) {
      for (const std::string& peer : *peers) {
        if (member_at(now, peer) != nullptr) continue;
        const raft::Member member{.id = started_.at(peer), .peer = peer};
        wanted.members.insert(std::ranges::lower_bound(wanted.members, member.id, {}, &raft::Member::id), member);
      }
    }
    bool do_all_vote = true;
    for (const std::string& peer : change_.voters) {
      const raft::NodeId id = member_at(wanted, peer)->id;
      if (has(now.voters, id)) continue;
      insert(wanted.promoting, id);
      do_all_vote = false;
    }
    if (!do_all_vote) return wanted;
    for (const std::string& peer : change_.learners) {
      std::erase(wanted.voters, member_at(wanted, peer)->id);
      std::erase(wanted.promoting, member_at(wanted, peer)->id);
    }
    for (const std::string& peer : change_.gone) {
      const raft::Member* member = member_at(wanted, peer);
      if (member == nullptr) continue;
      const raft::NodeId id = member->id;
      std::erase(wanted.voters, id);
      std::erase(wanted.promoting, id);
      std::erase_if(wanted.members, [id](const raft::Member& one) { return one.id == id; });
    }
    return wanted;
  }

  void start_peer(const MemberStatus& leader, const std::string& peer) {
    tell({"starting " + peer, {}});
    net::StartPeer body{.group = group_,
                        .group_id = leader.status.group_id,
                        .backend = leader.status.backend,
                        .self = ids_.try_emplace(peer, raft::NodeId{random_.next() | 1}).first->second,
                        .peer = peer,
                        .membership = leader.status.membership};
    const raft::NodeId id = body.self;
    session_.ask(net::parse_peer(peer)->address, std::move(body), deadline_,
                 [self = shared_from_this(), this, peer, id](const net::Reply& reply) {
                   const Code code = reply.error.code;
                   if (code == Code::ok) {
                     started_[peer] = id;
                     return look();
                   }
                   const std::string text = peer + ": " + reply.error.text;
                   const bool may_pass = code == Code::all_failed || code == Code::busy || code == Code::loading ||
                                         code == Code::timeout;
                   if (may_pass) return look_again(text);
                   end({code, text});
                 });
  }

  void change_to(const MemberStatus& leader, raft::Membership wanted) {
    tell({"changing the members", {}});
    ask_leader(leader, net::ChangeMembers{group_, leader.status.membership_index, std::move(wanted)},
               [this](const net::Reply& reply) {
                 const Code code = reply.error.code;
                 if (code == Code::ok) return look();
                 const bool is_final = code == Code::bad_request || code == Code::unsupported || code == Code::stopped;
                 if (is_final) return end(reply.error);
                 look_again(reply.error.text);
               });
  }

  // What those who are to vote say of snapshots that they fetch.
  static std::vector<Waiting::Fetching> fetching_of(const Rows& rows, const raft::Membership& now) {
    std::vector<Waiting::Fetching> found;
    for (const MemberStatus& row : rows) {
      const bool is_fetching = row.error.code == Code::ok && row.status.fetching.bytes_total != 0;
      if (is_fetching && has(now.promoting, row.status.self)) found.push_back({row.peer, row.status.fetching});
    }
    return found;
  }

  void wait(const std::string& what, std::vector<Waiting::Fetching> fetching = {}) {
    tell({what, std::move(fetching)});
    look_again(what);
  }
  void tell(const Waiting& waiting) {
    if (waiting == told_) return;
    told_ = waiting;
    if (progress_) progress_(waiting);
  }
  void end(Error why) override { finish(std::unexpected(std::move(why))); }
  void finish(Result<> result) { std::exchange(done_, nullptr)(std::move(result)); }

  MemberChange change_;
  Random random_;
  const Progress progress_;
  std::move_only_function<void(Result<>)> done_;
  bool is_begun_ = false;
  // Drawn once for each new peer: an answer that was lost is asked for again, and what was started is not in the way.
  std::map<std::string, raft::NodeId> ids_;
  std::map<std::string, raft::NodeId> started_;
  std::vector<std::string> taken_in_;  // were seen as members
  Waiting told_;
};

// --- the leader ---

class Transferring final : public Looking {
 public:
  Transferring(node::Loop& loop, LightSession& session, std::string group, std::string peer, Instant deadline,
               std::move_only_function<void(Result<std::string>)> done)
      : Looking(loop, session, std::move(group), deadline), peer_(std::move(peer)), done_(std::move(done)) {}

 private:
  void on_leader(const Rows&, const MemberStatus& leader) override {
    const raft::Member* target = member_at(leader.status.membership, peer_);
    if (!peer_.empty() && target == nullptr) return end({Code::bad_request, peer_ + " is no member of " + group_});
    const bool is_done = peer_.empty() ? is_asked_ && leader.peer != first_leader_ : leader.peer == peer_;
    if (is_done) return std::exchange(done_, nullptr)(leader.peer);
    if (!is_asked_) first_leader_ = leader.peer;
    is_asked_ = true;
    ask_leader(leader, net::TransferLeadership{group_, target == nullptr ? raft::NodeId{} : target->id},
               [this](const net::Reply& reply) {
                 if (reply.error.code == Code::bad_request) return end(reply.error);
                 look_again(reply.error.code == Code::ok ? "the new leader is elected" : reply.error.text);
               });
  }
  void end(Error why) override { std::exchange(done_, nullptr)(std::unexpected(std::move(why))); }

  const std::string peer_;
  std::move_only_function<void(Result<std::string>)> done_;
  bool is_asked_ = false;
  std::string first_leader_;
};

// --- the end ---

class Destroying : public std::enable_shared_from_this<Destroying> {
 public:
  Destroying(LightSession& session, std::string group, std::string at, Instant deadline,
             std::move_only_function<void(Result<>)> done)
      : session_(session), group_(std::move(group)), at_(std::move(at)), deadline_(deadline), done_(std::move(done)) {}

  void take(const Rows& rows) {
    for (const MemberStatus& row : rows) {
      if (!at_.empty() && row.peer != at_) continue;
      if (row.error.code == Code::not_found) continue;
      if (row.error.code != Code::ok) {
        note({row.error.code, row.peer + ": " + row.error.text});
        continue;
      }
      ++under_way_;
      is_found_ = true;
      session_.ask(net::parse_peer(row.peer)->address,
                   net::DestroyPeer{group_, row.status.group_id, row.status.self}, deadline_,
                   [self = shared_from_this(), peer = row.peer](const net::Reply& reply) {
                     if (reply.error.code != Code::ok) self->note({reply.error.code, peer + ": " + reply.error.text});
                     if (--self->under_way_ == 0) self->finish();
                   });
    }
    if (under_way_ == 0) finish();
  }

 private:
  void note(Error why) {
    if (!first_error_) first_error_ = std::move(why);
  }
  void finish() {
    if (first_error_) {
      first_error_->text += "; what is left there can be destroyed when it answers again";
      return std::exchange(done_, nullptr)(std::unexpected(*first_error_));
    }
    if (!is_found_) {
      return std::exchange(done_, nullptr)(
          fail(Code::not_found, at_.empty() ? "none of the hosts has a member of the group " + group_
                                            : at_ + " has no member of the group " + group_));
    }
    std::exchange(done_, nullptr)({});
  }

  LightSession& session_;
  const std::string group_;
  const std::string at_;
  const Instant deadline_;
  std::move_only_function<void(Result<>)> done_;
  std::size_t under_way_ = 0;
  bool is_found_ = false;
  std::optional<Error> first_error_;
};

}  // namespace

const MemberStatus* leader_of(const Rows& rows) {
  const MemberStatus* found = nullptr;
  for (const MemberStatus& row : rows) {
    if (row.error.code != Code::ok || row.status.role != "leader") continue;
    if (found == nullptr || found->status.term < row.status.term) found = &row;
  }
  return found;
}

void change_members(node::Loop& loop, LightSession& session, MemberChange change, Instant deadline, Random random,
                    Progress progress, std::move_only_function<void(Result<>)> done) {
  auto changing = std::make_shared<Changing>(loop, session, std::move(change), deadline, random, std::move(progress),
                                             std::move(done));
  loop.post([changing] { changing->start(); });
}

void transfer_leadership(node::Loop& loop, LightSession& session, std::string group, std::string peer, Instant deadline,
                         std::move_only_function<void(Result<std::string>)> done) {
  auto transferring = std::make_shared<Transferring>(loop, session, std::move(group), std::move(peer), deadline,
                                                     std::move(done));
  loop.post([transferring] { transferring->look(); });
}

void destroy_group(node::Loop& loop, LightSession& session, std::string group, std::string at, Instant deadline,
                   std::move_only_function<void(Result<>)> done) {
  auto destroying = std::make_shared<Destroying>(session, group, std::move(at), deadline, std::move(done));
  gather_status(loop, session, session.hosts(), std::move(group), deadline,
                [destroying](Rows rows) { destroying->take(rows); });
}

}  // namespace zraft::client
