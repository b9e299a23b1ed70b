// SPDX-License-Identifier: Apache-2.0
//
// What an operator does with a group, over a light session: create it, look at it. Creating asks every host first,
// then starts the peers, and undoes what was started when one cannot be: nothing is left half done, unless a host
// cannot be reached any more, which the error then says.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "zraft/client/light_session.h"

namespace zraft::client {

struct NewGroup {
  std::string name;
  std::vector<std::string> peers;  // "name@host:port"
  std::string backend = "memory";
};

// A host that cannot be reached, or is busy, is asked again for half of the time.
// Errors: bad_request (a peer that is no "name@host:port", one that stands twice, none; an unknown backend),
// already_present, all_failed (a host cannot be reached), each naming the peer. `done` comes on the loop.
void create_group(node::Loop& loop, LightSession& session, NewGroup group, Instant deadline, Random random,
                  std::move_only_function<void(Result<>)> done);

// Starts the first peer of a group, with a state of its own instead of none, and tells when it is durable there, or why
// it is not and nothing was begun.
using Bring =
    std::move_only_function<void(const net::RestorePeer& first, std::move_only_function<void(Result<>)> done)>;

// Creates a group whose first peer is brought a state; the other ones begin with nothing, and are sent that. `timeout`
// is for all of it but the bringing. Whatever fails, what was begun is undone. Errors: as create_group().
void restore_group(node::Loop& loop, LightSession& session, NewGroup group, Bring bring, Duration timeout,
                   Random random, std::move_only_function<void(Result<>)> done);

// One row of what a cluster looks like: a member, as its host sees it, or why its host says nothing.
struct MemberStatus {
  std::string peer;     // "name@host:port", or the address alone if nobody knows who is there
  std::string host;     // the name of the host
  std::string version;  // of its build
  Error error;          // code ok: `status` is there
  net::PeerStatus status;
};

// Of every member of the group that any of the hosts, or any membership that they tell of, names; sorted by peer.
// `group` empty: of all groups.
void gather_status(node::Loop& loop, LightSession& session, std::vector<std::string> hosts, std::string group,
                   Instant deadline, std::move_only_function<void(std::vector<MemberStatus>)> done);

}  // namespace zraft::client
