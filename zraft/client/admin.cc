// SPDX-License-Identifier: Apache-2.0
//
// See admin.h. Each operation is an object that lives until its answer is given.
#include "zraft/client/admin.h"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

namespace zraft::client {
namespace {

// --- creation ---

class Creation : public std::enable_shared_from_this<Creation> {
 public:
  // `bring`: null, if the group begins with nothing.
  Creation(node::Loop& loop, LightSession& session, NewGroup group, Bring bring, Instant deadline,
           std::move_only_function<void(Result<>)> done)
      : loop_(loop),
        session_(session),
        group_(std::move(group)),
        bring_(std::move(bring)),
        deadline_(deadline),
        done_(std::move(done)) {}

  void start(Random random) {
    group_id_.value = random.next() | 1;
    std::vector<raft::Member> members;
    for (const std::string& peer : group_.peers) {
      const auto parsed = net::parse_peer(peer);
      if (!parsed) return finish(fail(parsed));
      members.push_back({{random.next() | 1}, peer});
    }
    membership_ = raft::membership_of(std::move(members));
    if (auto good = membership_.valid(); !good) return finish(std::move(good));
    unchecked_ = membership_.members;
    check();
  }

 private:
  using Then = std::function<void()>;

  [[nodiscard]] static bool may_pass(const Error& error) {
    return error.code == Code::all_failed || error.code == Code::busy || error.code == Code::loading;
  }

  [[nodiscard]] static std::string address_of(const raft::Member& member) {
    return net::parse_peer(member.peer)->address;
  }

  // Asks every member's host the same, and goes on when all have answered.
  template <class BodyOf>
  void ask_all(const std::vector<raft::Member>& members, BodyOf body_of, Instant deadline, Then then) {
    auto left = std::make_shared<std::size_t>(members.size());
    for (const raft::Member& member : members) {
      session_.ask(address_of(member), body_of(member), deadline,
                   [self = shared_from_this(), member, left, then](const net::Reply& reply) {
                     self->note(member, reply.error);
                     if (--*left == 0) then();
                   });
    }
  }

  void note(const raft::Member& member, const Error& error) {
    if (error.code == Code::ok) return;
    failed_.push_back(member);
    // One that time does not mend says more than one that it may.
    if (first_error_ && (!may_pass(*first_error_) || may_pass(error))) return;
    first_error_ = Error{error.code, member.peer + ": " + error.text};
  }

  // A host that is just being started is waited for, for half of the time: nothing has happened yet.
  void check() {
    ask_all(
        std::exchange(unchecked_, {}),
        [this](const raft::Member& member) { return net::CheckPeer{group_.name, member.peer, group_.backend}; },
        deadline_, [this] {
          if (!first_error_) return bring_ == nullptr ? start_peers() : bring_first();
          const Instant again = loop_.now() + pause;
          if (!may_pass(*first_error_) || deadline_ - again < again - begun_) {
            return finish(std::unexpected(*first_error_));
          }
          first_error_.reset();
          unchecked_ = std::exchange(failed_, {});
          loop_.wake_at(again, [self = shared_from_this()] { self->check(); });
        });
  }

  void start_peers() {
    ask_all(
        membership_.members,
        [this](const raft::Member& member) {
          return net::StartPeer{group_.name, group_id_, group_.backend, member.id, member.peer, membership_};
        },
        deadline_, [this] { end_start(); });
  }

  // The others know nobody but the first one, and so cannot elect anybody among themselves, with nothing: it has to
  // lead, and they are members by the membership that it sends them.
  void bring_first() {
    const auto first = *std::ranges::find(membership_.members, group_.peers.front(), &raft::Member::peer);
    const Duration timeout = deadline_ - begun_;
    bring_({group_.name, group_id_, group_.backend, first.id, first.peer, membership_},
           [self = shared_from_this(), first, timeout](const Result<>& brought) {
             self->deadline_ = self->loop_.now() + timeout;
             self->note(first, brought ? Error{} : brought.error());
             self->first_error_ ? self->undo() : self->start_others(first);
           });
  }

  void start_others(const raft::Member& first) {
    std::vector<raft::Member> others = membership_.members;
    std::erase(others, first);
    if (others.empty()) return finish({});
    ask_all(
        others,
        [this, &first](const raft::Member& member) {
          return net::StartPeer{group_.name, group_id_, group_.backend, member.id, member.peer,
                                raft::membership_of({first})};
        },
        deadline_, [this] { end_start(); });
  }

  void end_start() { first_error_ ? undo() : finish({}); }

  // One whose answer did not come may have started as well.
  void undo() {
    const Error why = *std::exchange(first_error_, std::nullopt);
    failed_.clear();
    ask_all(
        membership_.members,
        [this](const raft::Member& member) { return net::UndoPeer{group_.name, group_id_, member.id}; },
        deadline_ + Duration::seconds(2), [this, why] {
          if (!first_error_) {
            return finish(fail(why.code, why.text + "; the group was not created, and nothing is left of it"));
          }
          std::string left;
          for (const raft::Member& member : failed_) left += (left.empty() ? "" : ", ") + member.peer;
          finish(fail(why.code, why.text + "; the group was not created, but something may be left of it at " + left));
        });
  }

  void finish(Result<> result) { std::exchange(done_, nullptr)(std::move(result)); }

  static constexpr Duration pause = Duration::milliseconds(50);

  node::Loop& loop_;
  LightSession& session_;
  const NewGroup group_;
  Bring bring_;
  const Instant begun_ = loop_.now();
  Instant deadline_;
  std::move_only_function<void(Result<>)> done_;
  raft::GroupId group_id_;
  raft::Membership membership_;
  std::vector<raft::Member> unchecked_;
  std::vector<raft::Member> failed_;
  std::optional<Error> first_error_;
};

// --- status ---

class Gathering : public std::enable_shared_from_this<Gathering> {
 public:
  Gathering(LightSession& session, std::string group, Instant deadline,
            std::move_only_function<void(std::vector<MemberStatus>)> done)
      : session_(session), group_(std::move(group)), deadline_(deadline), done_(std::move(done)) {}

  void ask(const std::string& address) {
    if (!asked_.emplace(address, false).second) return;
    ++under_way_;
    session_.ask(address, net::GetStatus{group_}, deadline_,
                 [self = shared_from_this(), address](net::Reply reply) { self->take(address, std::move(reply)); });
  }

 private:
  void take(const std::string& address, net::Reply reply) {
    const auto* status = std::get_if<net::Status>(&reply.body);
    if (reply.error.code == Code::ok && status != nullptr) {
      asked_[address] = true;
      for (const net::PeerStatus& peer : status->peers) {
        rows_.push_back(
            {.peer = peer.peer, .host = status->host, .version = status->version, .error = {}, .status = peer});
        for (const raft::Member& member : peer.membership.members) {
          const auto parsed = net::parse_peer(member.peer);
          if (!parsed) continue;
          named_[parsed->address].push_back(member.peer);
          ask(parsed->address);
        }
      }
    } else {
      failures_[address] = reply.error;
    }
    if (--under_way_ == 0) finish();
  }

  void finish() {
    for (const auto& [address, error] : failures_) {
      auto& peers = named_[address];
      std::ranges::sort(peers);
      const auto again = std::ranges::unique(peers);
      peers.erase(again.begin(), again.end());
      if (peers.empty()) peers.push_back(address);
      for (const std::string& peer : peers) {
        rows_.push_back({.peer = peer, .host = {}, .version = {}, .error = error, .status = {}});
      }
    }
    // All of a row that can differ: clang takes no stable_sort of this standard library.
    std::ranges::sort(rows_, {}, [](const MemberStatus& row) {
      return std::tuple(row.status.group, row.peer, row.host, row.error.text);
    });
    std::exchange(done_, nullptr)(std::move(rows_));
  }

  LightSession& session_;
  const std::string group_;
  const Instant deadline_;
  std::move_only_function<void(std::vector<MemberStatus>)> done_;
  std::size_t under_way_ = 0;
  std::map<std::string, bool> asked_;
  std::map<std::string, Error> failures_;
  std::map<std::string, std::vector<std::string>> named_;  // who lives at an address, by what memberships say
  std::vector<MemberStatus> rows_;
};

}  // namespace

void create_group(node::Loop& loop, LightSession& session, NewGroup group, Instant deadline, Random random,
                  std::move_only_function<void(Result<>)> done) {
  auto creation = std::make_shared<Creation>(loop, session, std::move(group), nullptr, deadline, std::move(done));
  loop.post([creation, random] { creation->start(random); });
}

void restore_group(node::Loop& loop, LightSession& session, NewGroup group, Bring bring, Duration timeout,
                   Random random, std::move_only_function<void(Result<>)> done) {
  auto creation = std::make_shared<Creation>(loop, session, std::move(group), std::move(bring), loop.now() + timeout,
                                             std::move(done));
  loop.post([creation, random] { creation->start(random); });
}

void gather_status(node::Loop& loop, LightSession& session, std::vector<std::string> hosts, std::string group,
                   Instant deadline, std::move_only_function<void(std::vector<MemberStatus>)> done) {
  auto gathering = std::make_shared<Gathering>(session, std::move(group), deadline, std::move(done));
  loop.post([gathering, hosts = std::move(hosts)] {
    for (const std::string& host : hosts) gathering->ask(host);
  });
}

}  // namespace zraft::client
