// SPDX-License-Identifier: Apache-2.0
//
// Seam: the loop that one shard runs on, and its clock. Real: net/asio_loop. Simulated: sim/world (virtual time).
// Everything of a shard happens on its loop, one task at a time, so nothing behind this seam needs a lock.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>

#include "zraft/base/time.h"

namespace zraft::node {

using Task = std::move_only_function<void()>;

struct TimerId {
  std::uint64_t value = 0;  // 0 is no timer
  friend bool operator==(TimerId, TimerId) = default;
};

class Loop {
 public:
  virtual ~Loop() = default;

  // Monotonic. Stays the same during one task in the simulator; may advance in reality.
  [[nodiscard]] virtual Instant now() const = 0;

  // Runs `task` after the present one, in the order of the posts. The only call that other threads may make.
  virtual void post(Task task) = 0;

  // Runs `task` once, at `when` or as soon after it as the loop is free. Never before this call returns.
  virtual TimerId wake_at(Instant when, Task task) = 0;

  // After it the task does not run. A timer that has run, or was cancelled, or is 0: nothing happens.
  virtual void cancel(TimerId timer) = 0;
};

// Says whether its owner still lives. A callback that may come after its owner's end captures watch() and asks first
// (P87). For one thread only.
class Lifetime {
 public:
  class Watch {
   public:
    explicit Watch(std::weak_ptr<const int> token) : token_(std::move(token)) {}
    [[nodiscard]] bool is_over() const { return token_.expired(); }

   private:
    std::weak_ptr<const int> token_;
  };

  Lifetime() : token_(std::make_shared<const int>(0)) {}
  Lifetime(const Lifetime&) = delete;
  Lifetime& operator=(const Lifetime&) = delete;
  [[nodiscard]] Watch watch() const { return Watch(token_); }

 private:
  std::shared_ptr<const int> token_;
};

}  // namespace zraft::node
