// SPDX-License-Identifier: Apache-2.0
//
// A callback that is called once: with what came, or, if nothing came because whoever was to call it is gone, with
// `stopped`; so that no thread waits for ever.
#pragma once

#include <utility>

#include "zraft/client/light_session.h"

namespace zraft::client {

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

[[nodiscard]] inline Result<Bytes> result_of(Outcome outcome) {
  if (outcome.error.code != Code::ok) return std::unexpected(std::move(outcome.error));
  return std::move(outcome.data);
}

}  // namespace zraft::client
