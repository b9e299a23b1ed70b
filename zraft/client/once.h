// SPDX-License-Identifier: Apache-2.0
//
// What stands between a thread that asks and the client's thread that answers: a callback that is called once, and a
// std::stop_token by which the one cancels what the other has under way.
#pragma once

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "zraft/client/blocking.h"
#include "zraft/client/light_session.h"

namespace zraft::client {

// Called with what came, or, if nothing came because whoever was to call it is gone, with `stopped`; so that no thread
// waits for ever.
class Once {
 public:
  explicit Once(Done done) : done_(std::move(done)) {}
  Once(Once&& other) noexcept : done_(std::exchange(other.done_, nullptr)) {}
  Once& operator=(Once&&) = delete;
  ~Once() {
    if (done_) done_({.error = {Code::stopped, "the client was stopped before the answer came"}, .data = {}});
  }
  void operator()(Outcome outcome) { std::exchange(done_, nullptr)(std::move(outcome)); }

 private:
  Done done_;
};

[[nodiscard]] inline Instant deadline_of(const node::Loop& loop, Duration timeout) {
  return loop.now() + std::clamp(timeout, Duration{1}, Duration::seconds(86'400));
}

[[nodiscard]] inline Result<Bytes> result_of(Outcome outcome) {
  if (outcome.error.code != Code::ok) return std::unexpected(std::move(outcome.error));
  return std::move(outcome.data);
}

// Of what is told to the Done with which `ask` is called.
template <class Ask>
[[nodiscard]] std::future<Result<Bytes>> future_of(Ask ask) {
  std::promise<Result<Bytes>> promise;
  auto future = promise.get_future();
  ask(Done([promise = std::move(promise)](Outcome outcome) mutable {
    promise.set_value(result_of(std::move(outcome)));
  }));
  return future;
}

// Ends a request that is under way. Null: it was refused, and there is nothing to end.
using Cancel = std::function<void()>;

// Begins a request on the loop, where it is called: `begin` takes a Done and returns a Cancel, which is called on the
// loop if `stop` is asked to stop before the Done is called or destroyed.
template <class Begin>
void begin_stoppable(node::Loop& loop, std::stop_token stop, Once done, Begin begin) {
  if (!stop.stop_possible()) return static_cast<void>(begin(Done(std::move(done))));
  if (stop.stop_requested()) {
    return loop.post([done = std::move(done)]() mutable {
      done({.error = {Code::cancelled, "it was cancelled before it was begun"}, .data = {}});
    });
  }
  // The callback runs on the thread that asks to stop, so it only posts. By then the request may be over, and then
  // nobody has the hook any more.
  const auto hook = std::make_shared<std::optional<std::stop_callback<Cancel>>>();
  const Cancel cancel = begin(Done([hook, done = std::move(done)](Outcome outcome) mutable {
    hook->reset();
    done(std::move(outcome));
  }));
  if (!cancel) return;
  hook->emplace(std::move(stop), [&loop, weak = std::weak_ptr(hook), cancel] {
    loop.post([weak, cancel] {
      if (!weak.expired()) cancel();
    });
  });
}

}  // namespace zraft::client
