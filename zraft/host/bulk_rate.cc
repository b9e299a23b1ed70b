// SPDX-License-Identifier: Apache-2.0
//
// See bulk_rate.h. Unused tokens are kept for a tenth of a second: a burst is no longer than that, besides one chunk.
#include "zraft/host/bulk_rate.h"

#include <algorithm>
#include <utility>

namespace zraft::host {
namespace {

constexpr std::int64_t second = 1'000'000;  // in microseconds
constexpr std::int64_t kept_parts = 10;     // of a second
constexpr std::int64_t rate_max = std::int64_t{1} << 33;  // bytes a second; beyond it is no limit
constexpr std::int64_t passed_max = 1'000 * second;       // rate_max times that is still a number

}  // namespace

BulkRate::BulkRate(node::Loop& loop, std::uint64_t bytes_per_second)
    : loop_(loop), bytes_per_second_(0), filled_at_(loop.now()) {
  set(bytes_per_second);
}

BulkRate::~BulkRate() { loop_.cancel(timer_); }

void BulkRate::set(std::uint64_t bytes_per_second) {
  refill();
  bytes_per_second_ = bytes_per_second >= static_cast<std::uint64_t>(rate_max) ? 0 : bytes_per_second;
  tokens_ = std::min<std::int64_t>(tokens_, 0);
  if (waiting_.empty()) return;
  loop_.cancel(timer_);
  arm();
}

void BulkRate::refill() {
  const Instant now = loop_.now();
  if (bytes_per_second_ == 0) {
    tokens_ = 0;
    filled_at_ = now;
    return;
  }
  const auto rate = static_cast<std::int64_t>(bytes_per_second_);
  const std::int64_t passed = std::min((now - filled_at_).to_microseconds(), passed_max);
  const std::int64_t gained = passed * rate / second;
  if (gained == 0) return;
  tokens_ = std::min(tokens_ + gained, rate / kept_parts);
  filled_at_ = now;
}

bool BulkRate::take(std::size_t bytes) {
  if (bytes_per_second_ == 0) return true;
  refill();
  if (tokens_ < 0 || (!waiting_.empty() && !is_serving_)) return false;
  tokens_ -= static_cast<std::int64_t>(bytes);
  return true;
}

void BulkRate::wait_turn(Turn turn) {
  waiting_.push_back(std::move(turn));
  if (waiting_.size() == 1 && !is_serving_) arm();
}

// When the debt will be paid.
void BulkRate::arm() {
  Duration wait{};
  if (bytes_per_second_ != 0 && tokens_ < 0) {
    const auto rate = static_cast<std::int64_t>(bytes_per_second_);
    wait = Duration::microseconds(-tokens_ * second / rate + 1);
  }
  timer_ = loop_.wake_at(loop_.now() + wait, [this] { serve(); });
}

void BulkRate::serve() {
  is_serving_ = true;
  for (std::size_t count = waiting_.size(); count > 0; --count) {
    refill();
    if (bytes_per_second_ != 0 && tokens_ < 0) break;
    Turn turn = std::move(waiting_.front());
    waiting_.pop_front();
    turn();
  }
  is_serving_ = false;
  if (!waiting_.empty()) arm();
}

}  // namespace zraft::host
