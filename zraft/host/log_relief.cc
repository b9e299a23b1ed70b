// SPDX-License-Identifier: Apache-2.0
//
// See log_relief.h.
#include "zraft/host/log_relief.h"

#include <cstddef>

namespace zraft::host {
namespace {

constexpr std::size_t at_once = 16;
constexpr Duration pause = Duration::milliseconds(100);

}  // namespace

void LogRelief::set(Queue<std::pair<Peer, raft::Index>> wanted) {
  wanted_ = std::move(wanted);
  if (timer_ == node::TimerId{}) free_some();
}

void LogRelief::free_some() {
  for (std::size_t i = 0; i < at_once && !wanted_.empty(); ++i) {
    const auto [peer, to] = wanted_.front();
    wanted_.pop_front();
    free_(peer, to);
  }
  if (wanted_.empty()) return;
  timer_ = loop_.wake_at(loop_.now() + pause, [this] {
    timer_ = {};
    free_some();
  });
}

}  // namespace zraft::host
