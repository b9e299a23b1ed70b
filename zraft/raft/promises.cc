// SPDX-License-Identifier: Apache-2.0
//
// Promises and the durable index. Promises come out in the order they were made.
#include "zraft/raft/promises.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"

namespace zraft::raft {

std::optional<Instant> Promises::waiting_since() const {
  if (writes_.empty()) return std::nullopt;
  return writes_.front().since;
}

WriteId Promises::open(Instant now) {
  last_write_ = next(last_write_);
  writes_.push_back({.id = last_write_, .since = now, .last = std::nullopt});
  return last_write_;
}

void Promises::truncated_from(Index index) {
  durable_ = std::min(durable_, index - 1);
  for (Pending& write : writes_) {
    if (write.last) write.last = std::min(*write.last, index - 1);
  }
}

void Promises::keep(Kept kept, Needs needs) { kept_.push_back({.after = after(needs), .kept = std::move(kept)}); }

std::vector<Promises::Kept> Promises::written(WriteId id) {
  CHECK(!writes_.empty() && writes_.front().id == id, "writes complete in the order they were made, once each");
  if (writes_.front().last) durable_ = std::max(durable_, *writes_.front().last);
  writes_.pop_front();
  done_ = id;
  std::vector<Kept> out;
  std::vector<Held> still;
  for (Held& held : kept_) {
    if (held.after <= id) {
      out.push_back(std::move(held.kept));
    } else {
      still.push_back(std::move(held));
    }
  }
  kept_ = std::move(still);
  return out;
}

}  // namespace zraft::raft
