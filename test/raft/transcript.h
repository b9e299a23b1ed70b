// SPDX-License-Identifier: Apache-2.0
//
// Transcripts: a script of commands to a CoreCluster with, under ----, what the members said. A file of test/scripts
// is a row of blocks with an empty line between: comments (#) and commands, ----, the expected story.
//
//   cluster 3 [election=300ms heartbeat=60ms net=10ms disk=1ms seed=1 outgoing=1,4 learners=5 limits...]
//   log 2 terms=1,1,2 [term=3] [vote=1]  replaces the durable log of 2 and starts it anew
//   advance 400ms      settle 600ms (the same, untold)      campaign 2 (its election tick)      timers 2 off | on
//   propose 1 a b c (one turn)           read 1 [3] (one turn)
//   crash 1 2     restart 1     hold 1 (its writes)     release 1
//   partition 1 | 2 3     cut 1->2     heal
//   drop append 1->* [times=2 | always]    delay vote 2->1 by=50ms    duplicate append *->2 by=30ms
//   trace messages | writes | commits | applies | off      state     logs     applied
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace zraft::raft {

struct Block {
  std::vector<std::string> commands;  // comments included
  std::vector<std::string> expected;
  bool has_output = false;
};

[[nodiscard]] std::vector<Block> parse_blocks(std::string_view text);
[[nodiscard]] std::string text_of(const std::vector<Block>& blocks);
// The same blocks, with what really happened.
[[nodiscard]] std::vector<Block> run_blocks(std::vector<Block> blocks);

}  // namespace zraft::raft
