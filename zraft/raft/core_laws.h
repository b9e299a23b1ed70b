// SPDX-License-Identifier: Apache-2.0
//
// The laws of one core as code: what must hold in every state, and between a state and the one a step before. A
// broken law is a bug of ours, so each is a CHECK. Numbers I… are those of docs/protocol.md.
#pragma once

#include <optional>

#include "zraft/raft/types.h"

namespace zraft::raft {

class Core;

class Laws {
 public:
  // What of the state before a step the laws need.
  static Laws of(const Core& core);
  void check(const Core& after) const;

 private:
  void check_state(const Core& core) const;
  void check_leader(const Core& core) const;

  HardState hard_;
  Position last_;
  Position snapshot_;
  Index base_;
  Index commit_;
  Index applied_;
  Position committed_;
  bool led_ = false;
};

}  // namespace zraft::raft
