// SPDX-License-Identifier: Apache-2.0
//
// What a core says and does, in words: for logs, traces, the simulator's --verbose and the transcripts of the tests.
// A position reads term^index, as in "3^7". A sentence names its subject first: who says it, or to whom it happened.
// Pure, and the same on every machine, so that a transcript can be compared byte by byte.
#pragma once

#include "zraft/raft/input.h"
#include "zraft/raft/output.h"

namespace zraft::raft {

[[nodiscard]] Bytes describe(Position position);
// "1 2 3", "1 2 3 | 1 2 4 leaving" while it is joint (the second list is the outgoing one), "+4" for a learner.
[[nodiscard]] Bytes describe(const Membership& membership);
[[nodiscard]] Bytes describe(const Record& record);
[[nodiscard]] Bytes describe(const Message& message);
[[nodiscard]] Bytes describe(const Write& write);
[[nodiscard]] Bytes describe(const Answer& answer);
// Of an input: "tick", "receive ...", "propose #1 (5 bytes)".
[[nodiscard]] Bytes describe(const Input& input);
// What happened, without the subject ("leads term 2"), for a log of one member; and with it ("2 leads term 2").
[[nodiscard]] Bytes describe(const Event& event);
[[nodiscard]] Bytes describe(NodeId self, const Event& event);

}  // namespace zraft::raft
