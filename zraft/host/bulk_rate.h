// SPDX-License-Identifier: Apache-2.0
//
// How many bytes of snapshots leave a host in a second, over all its links together, so that members that catch up do
// not take the network from the log. A bucket of tokens that may go into debt: whoever finds it not in debt sends one
// chunk, however large, and the others wait until the debt is paid. They are served in turn, so that all links get the
// same. On one loop.
// A rate so low that a chunk takes longer than a fetcher's patience makes it ask again in vain at first
// (snapshot_fetcher.h: its patience grows).
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>

#include "zraft/node/loop.h"

namespace zraft::host {

class BulkRate {
 public:
  using Turn = std::move_only_function<void()>;

  // 0: unlimited.
  BulkRate(node::Loop& loop, std::uint64_t bytes_per_second);
  ~BulkRate();
  BulkRate(const BulkRate&) = delete;
  BulkRate& operator=(const BulkRate&) = delete;

  void set(std::uint64_t bytes_per_second);
  [[nodiscard]] std::uint64_t bytes_per_second() const { return bytes_per_second_; }

  // True: `bytes` may be sent, and were counted. False: not now, or others wait already; wait_turn() says when.
  [[nodiscard]] bool take(std::size_t bytes);
  // `turn` is called once, when it may try again; in it, nobody is before it.
  void wait_turn(Turn turn);

 private:
  void refill();
  void arm();
  void serve();

  node::Loop& loop_;
  std::uint64_t bytes_per_second_;
  std::int64_t tokens_ = 0;  // bytes; below 0: debt
  Instant filled_at_;
  std::deque<Turn> waiting_;
  bool is_serving_ = false;
  node::TimerId timer_;
};

}  // namespace zraft::host
