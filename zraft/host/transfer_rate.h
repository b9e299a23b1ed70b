// SPDX-License-Identifier: Apache-2.0
//
// How fast something goes: bytes a second over the last few seconds, for people who watch it. Costs the same however
// much goes.
#pragma once

#include <algorithm>
#include <cstdint>
#include <deque>

#include "zraft/base/time.h"

namespace zraft::host {

class TransferRate {
 public:
  void add(Instant now, std::uint64_t bytes) {
    forget(now);
    if (slots_.empty() || now - slots_.back().since >= slot) slots_.push_back({now, 0});
    slots_.back().bytes += bytes;
  }
  [[nodiscard]] std::uint64_t per_second(Instant now) const {
    std::uint64_t bytes = 0;
    Instant since = now;
    for (const Slot& one : slots_) {
      if (now - one.since > window) continue;
      bytes += one.bytes;
      since = std::min(since, one.since);
    }
    // What has only just begun is not divided by next to nothing.
    const auto ms = static_cast<std::uint64_t>(std::max(now - since, slot).to_milliseconds());
    return bytes * 1000 / ms;
  }

 private:
  struct Slot {
    Instant since;
    std::uint64_t bytes;
  };
  static constexpr Duration window = Duration::seconds(5);
  static constexpr Duration slot = Duration::milliseconds(250);

  void forget(Instant now) {
    while (!slots_.empty() && now - slots_.front().since > window) slots_.pop_front();
  }

  std::deque<Slot> slots_;
};

}  // namespace zraft::host
