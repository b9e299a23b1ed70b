// SPDX-License-Identifier: Apache-2.0
//
// The simulated Worker: the same loop, at a random later moment, so that two works run in either order and the loop
// goes on meanwhile. The work itself takes no time; the wait before it stands for that.
#pragma once

#include <utility>

#include "sim/draw.h"
#include "sim/world.h"
#include "zraft/node/worker.h"

namespace zraft::sim {

class SimWorker : public node::Worker {
 public:
  SimWorker(World& world, Process process, Duration mean)
      : world_(world), process_(process), mean_(mean), random_(world.fork()) {}

  void run(Task work, Task then) override {
    const Duration delay = draw_exponential(random_, mean_);
    world_.after(delay, process_, EventKind::worker, 0,
                 [this, work = std::move(work), then = std::move(then)]() mutable {
                   work();
                   world_.at(world_.now(), process_, EventKind::worker, 1, std::move(then));
                 });
  }

 private:
  World& world_;
  Process process_;
  Duration mean_;
  Random random_;
};

}  // namespace zraft::sim
