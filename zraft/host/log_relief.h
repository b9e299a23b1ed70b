// SPDX-License-Identifier: Apache-2.0
//
// Frees the log of a host from groups to which little happens: their few entries would keep its oldest segments, and
// with them all that others wrote since, until a snapshot of theirs is due, which may be never. They are asked to drop
// those entries a few at a time: each of them writes a snapshot for it, and there may be thousands.
#pragma once

#include <functional>
#include <utility>

#include "zraft/base/queue.h"
#include "zraft/node/loop.h"
#include "zraft/raft/types.h"

namespace zraft::host {

class LogRelief {
 public:
  using Peer = std::pair<raft::GroupId, raft::NodeId>;
  using Free = std::function<void(Peer peer, raft::Index to)>;

  // `loop` outlives it. `free` is told, on the loop, of a peer whose log up to that index is to go.
  LogRelief(node::Loop& loop, Free free) : loop_(loop), free_(std::move(free)) {}
  ~LogRelief() { loop_.cancel(timer_); }
  LogRelief(const LogRelief&) = delete;
  LogRelief& operator=(const LogRelief&) = delete;

  // These keep the log from being cut; in place of those that wait still.
  void set(Queue<std::pair<Peer, raft::Index>> wanted);

 private:
  void free_some();

  node::Loop& loop_;
  const Free free_;
  Queue<std::pair<Peer, raft::Index>> wanted_;
  node::TimerId timer_;
};

}  // namespace zraft::host
