// SPDX-License-Identifier: Apache-2.0
//
// Rounds of reads, oldest first.
#include "zraft/raft/reads.h"

#include <utility>

namespace zraft::raft {

Round Reads::begin_round(Index commit) {
  newest_ = next(newest_);
  size_ += waiting_.size();
  rounds_.push_back({newest_, commit, std::exchange(waiting_, {})});
  return newest_;
}

std::vector<Reads::Batch> Reads::confirmed(Round up_to) {
  std::vector<Batch> out;
  while (!rounds_.empty() && rounds_.front().round <= up_to) {
    size_ -= rounds_.front().readers.size();
    out.push_back(std::move(rounds_.front()));
    rounds_.pop_front();
  }
  return out;
}

std::vector<Reads::Reader> Reads::take_all() {
  std::vector<Reader> out;
  for (const Batch& batch : rounds_) out.insert(out.end(), batch.readers.begin(), batch.readers.end());
  out.insert(out.end(), waiting_.begin(), waiting_.end());
  rounds_.clear();
  waiting_.clear();
  size_ = 0;
  return out;
}

}  // namespace zraft::raft
