// SPDX-License-Identifier: Apache-2.0
//
// What a client with threads takes from the system: waiting on the caller's thread for what the loop answers, futures
// and stop tokens, and a seed that no other client has. The only place of the client that blocks.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <future>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>

namespace zraft::client {

// One answer, given on one thread and waited for on another; of several, the first counts. The giver's call is its last
// look at this object, so the waiter may destroy it as soon as wait() has returned and nobody else gives.
template <class T>
class Awaited {
 public:
  void give(T answer) {
    const std::lock_guard lock(mutex_);
    if (answer_) return;
    answer_.emplace(std::move(answer));
    given_.notify_one();
  }
  [[nodiscard]] T wait() {
    std::unique_lock lock(mutex_);
    given_.wait(lock, [this] { return answer_.has_value(); });
    return std::move(*answer_);
  }

 private:
  std::mutex mutex_;
  std::condition_variable given_;
  std::optional<T> answer_;
};

[[nodiscard]] std::uint64_t seed_of_the_system();

}  // namespace zraft::client
