// SPDX-License-Identifier: Apache-2.0
//
// What a leader does for the sessions of its group, besides what the log does: it gathers what shows that they live, so
// that ten thousand idle sessions cost a few entries a second (W-20), and proposes the end of those whose time is over.
// A session is looked at twice before that, some time apart: what its client has sent meanwhile is taken in first, so
// that a leader which was paused does not end what it only has not heard (P76). Whether a session really ends is
// decided where the entry is applied. Without sessions there is no timer.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "zraft/node/loop.h"
#include "zraft/node/node.h"
#include "zraft/session/entry.h"

namespace zraft::host {

class SessionKeeper {
 public:
  // Both outlive it.
  SessionKeeper(node::Loop& loop, node::Node& node) : loop_(loop), node_(node) {}
  ~SessionKeeper();
  SessionKeeper(const SessionKeeper&) = delete;
  SessionKeeper& operator=(const SessionKeeper&) = delete;

  // ok: it is committed that the session lives. session_expired: it does not. Else: as of a proposal.
  void keep_alive(session::Alive alive, Instant deadline, node::Done done);

  // This member leads now, or does not any more; a session was opened, or asked to be.
  void on_leadership(bool leads);
  void on_opened();
  void on_ended();

  // How many are open, as of the last look at them, if this member leads; a look comes soon after one was opened.
  [[nodiscard]] std::size_t open() const { return open_; }

 private:
  struct Waiting {
    session::Alive alive;
    node::Done done;
  };
  struct Suspect {
    ClusterTime seen;
    std::uint32_t looks = 0;
  };

  void flush();
  void arm(Duration after);
  void look();
  void judge(ClusterTime now, const node::Sessions& sessions);

  node::Loop& loop_;
  node::Node& node_;
  std::vector<Waiting> waiting_;
  Instant waiting_deadline_;  // the latest of theirs
  node::TimerId flush_timer_;
  std::map<session::SessionId, Suspect> suspects_;
  node::TimerId look_timer_;
  Instant look_at_;
  std::size_t open_ = 0;
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
