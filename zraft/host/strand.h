// SPDX-License-Identifier: Apache-2.0
//
// Works of a Worker, one at a time, in the order in which they were given. Whoever owns a directory of snapshots has
// one for everything that changes it (storage/snapshot_store.h asks for that), and it lives on where one user of it
// goes and the next comes: so the next one's first work waits for the last one's last.
// Laws: a `then` comes before the next work begins. After the strand is destroyed the work that runs ends, no other
// begins, and no `then` comes. Everything but the works happens on the loop. The worker outlives the last work.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "zraft/base/queue.h"
#include "zraft/node/worker.h"

namespace zraft::host {

class Strand {
 public:
  explicit Strand(node::Worker& worker) : state_(std::make_shared<State>(worker)) {}
  ~Strand() {
    state_->is_over = true;
    state_->waiting.clear();
  }
  Strand(const Strand&) = delete;
  Strand& operator=(const Strand&) = delete;

  void run(node::Task work, node::Task then) {
    state_->waiting.emplace_back(std::move(work), std::move(then));
    if (!state_->is_running) begin_next(state_);
  }
  // The same with what the work gives, for `then`; which does not come if `life` is over by then. A work that gives
  // nothing was not wanted any more, and `life` is over.
  template <class T>
  void compute(std::move_only_function<std::optional<T>()> work, node::Lifetime::Watch life,
               std::move_only_function<void(T)> then) {
    auto result = std::make_shared<std::optional<T>>();
    run([work = std::move(work), result]() mutable { *result = work(); },
        [result, life = std::move(life), then = std::move(then)]() mutable {
          if (!life.is_over()) then(**std::move(result));
        });
  }
  [[nodiscard]] bool is_idle() const { return !state_->is_running; }

 private:
  struct State {
    explicit State(node::Worker& its_worker) : worker(its_worker) {}
    node::Worker& worker;
    Queue<std::pair<node::Task, node::Task>> waiting;
    bool is_running = false;
    bool is_over = false;
  };

  static void begin_next(const std::shared_ptr<State>& state) {
    state->is_running = !state->waiting.empty();
    if (!state->is_running) return;
    auto next = std::move(state->waiting.front());
    state->waiting.pop_front();
    state->worker.run(std::move(next.first), [state, then = std::move(next.second)]() mutable {
      if (!state->is_over) then();
      begin_next(state);
    });
  }

  std::shared_ptr<State> state_;
};

}  // namespace zraft::host
