// SPDX-License-Identifier: Apache-2.0
//
// Seam: work that may block (preparing a file, a slow state machine) and must not hold up the loop. Real: a pool of
// threads. Simulated: the same loop, at a random later moment.
#pragma once

#include "zraft/node/loop.h"

namespace zraft::node {

class Worker {
 public:
  virtual ~Worker() = default;

  // Runs `work` off the loop, then `then` on the loop that this worker belongs to. Two works may run at once and in
  // either order. Both tasks are destroyed on the loop's thread or after it has ended.
  virtual void run(Task work, Task then) = 0;
};

}  // namespace zraft::node
