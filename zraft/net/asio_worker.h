// SPDX-License-Identifier: Apache-2.0
//
// The real Worker: a pool of threads. Work starts in the order it was given; its end is posted to the loop, where both
// tasks are destroyed as well. Destroying the pool waits for the works that run; those that wait are dropped, and
// their `then` does not run (P90). Destroy it on the loop's thread, or after the loop has ended.
#pragma once

#include <memory>

#include "zraft/base/result.h"
#include "zraft/node/worker.h"

namespace zraft::net {

class AsioWorker final : public node::Worker {
 public:
  // Requires: threads > 0; the loop outlives the pool. Errors: io, if the system gives no threads.
  static Result<std::unique_ptr<AsioWorker>> start(node::Loop& loop, std::size_t threads);
  ~AsioWorker() override;
  AsioWorker(const AsioWorker&) = delete;
  AsioWorker& operator=(const AsioWorker&) = delete;

  void run(node::Task work, node::Task then) override;

 private:
  struct Impl;
  explicit AsioWorker(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace zraft::net
