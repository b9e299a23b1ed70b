// SPDX-License-Identifier: Apache-2.0
//
// Who the members of a group are, and who leads it, changed from outside over a light session. A change is driven by
// its goal: look at the leader's membership, do the next thing that brings it nearer, look again. So a leader that
// changes in the middle, or an answer that is lost, is looked at and gone on from; and what was begun and not finished
// can be asked for again. New members are started as learners, catch up, and vote before old ones go.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "zraft/client/admin.h"

namespace zraft::client {

// Peers are "name@host:port".
struct MemberChange {
  std::string group;
  std::vector<std::string> voters;    // that are to vote, whether they are members or not
  std::vector<std::string> learners;  // that are to be members without a vote
  std::vector<std::string> gone;      // that are to be members no more
  // Not null: the members are to be `voters` and nobody else, if they are this now (peers_changed otherwise).
  std::optional<std::vector<std::string>> only_if;
};

// Whoever leads by the newest term that anybody knows; null: nobody.
[[nodiscard]] const MemberStatus* leader_of(const std::vector<MemberStatus>& rows);

struct Waiting {
  struct Fetching {
    std::string peer;
    net::SnapshotProgress progress;
    friend bool operator==(const Fetching&, const Fetching&) = default;
  };
  std::string what;                // is being waited for, in words for people
  std::vector<Fetching> fetching;  // snapshots, by members that are to catch up
  friend bool operator==(const Waiting&, const Waiting&) = default;
};

// Called whenever that changes.
using Progress = std::function<void(const Waiting&)>;

// Tries until the deadline. Errors: bad_request (no such peer to remove, nobody would vote, no "name@host:port"),
// peers_changed, already_present (a host has another peer of that group), not_found (no such group), timeout (with what
// was waited for: the change may go on by itself), all_failed. `done` comes on the loop.
void change_members(node::Loop& loop, LightSession& session, MemberChange change, Instant deadline, Random random,
                    Progress progress, std::move_only_function<void(Result<>)> done);

// `peer` empty: to whoever can best. Gives the new leader's peer.
void transfer_leadership(node::Loop& loop, LightSession& session, std::string group, std::string peer, Instant deadline,
                         std::move_only_function<void(Result<std::string>)> done);

// Stops the group at all its members, and forgets its data. `at` not empty: at that peer alone. Errors: all_failed,
// naming a host that could not be reached: what is there comes back with it, and can be destroyed then.
void destroy_group(node::Loop& loop, LightSession& session, std::string group, std::string at, Instant deadline,
                   std::move_only_function<void(Result<>)> done);

}  // namespace zraft::client
