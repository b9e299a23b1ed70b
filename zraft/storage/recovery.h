// SPDX-License-Identifier: Apache-2.0
//
// Reads the whole log at start-up and decides what is to be believed (RELIABILITY 2.3, rows 1-3, 10, 16, 20; told
// in docs/log_format.md, "Start-up"). In short: batches are followed from the first segment on, each linked to the
// one before. Where they end, everything behind is searched: if any batch there says that the missing one had been
// durable, the log is damaged and is refused, untouched; otherwise the end was never durable, nobody was told that
// it was, and it is cut. What is cut is made unreadable before anything new is written, so that no byte of it can
// be taken for live later.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "zraft/raft/core.h"
#include "zraft/storage/directory.h"
#include "zraft/storage/ledger.h"
#include "zraft/storage/segment.h"

namespace zraft::storage {

// Where the log ends.
struct Tail {
  std::uint64_t offset = first_batch_offset;  // in the current segment
  std::uint64_t sequence = 0;                 // of the last batch
  std::uint64_t durable = 0;                  // every batch up to this one survives the loss of power
  std::uint64_t claimed = 0;                  // the highest `synced_upto` that stands in a batch
  std::uint32_t chain = 0;                    // checksum of the last batch's header
};

struct RecoveredLog {
  Ledger ledger;
  std::map<raft::GroupId, raft::Recovered> groups;
  std::uint64_t first_segment = 1;  // the oldest that is there
  Segment current;
  Tail tail;
  std::optional<Segment> ready;     // the next one, made ahead and not used yet
  std::vector<std::uint64_t> spares;
  std::vector<std::string> story;   // what was found and done, for people; empty if nothing was unusual
};

// Blocks. Requires: the directory is locked and its identity is `identity`. Errors: corrupt, unsupported, io,
// wrong_owner: the sentence names file, offset, sequence and what to do; nothing was changed.
Result<RecoveredLog> recover(Files& files, const std::string& directory, const Identity& identity);

// What recover() would find, for whoever only looks: nothing is written, synced or removed. Blocks. Requires: nobody
// writes to the directory. Errors: as recover().
struct InspectedSegment {
  std::uint64_t number = 0;
  std::uint64_t size = 0;
  std::uint64_t end = first_batch_offset;  // behind the last batch that belongs to the log
  std::uint64_t sequence = 0;              // of the last batch up to there
};
struct InspectedLog {
  std::map<raft::GroupId, raft::Recovered> groups;
  std::vector<InspectedSegment> segments;  // that were read, oldest first
  std::vector<std::string> story;
  std::optional<Error> damage;  // of inspect_up_to_damage() alone: what recover() would refuse the log for
};
Result<InspectedLog> inspect(Files& files, const std::string& directory, const Identity& identity);
// A damaged log is not refused: gives what stands before the damage, as if the log ended there, and what the damage is.
// Errors: those that no batch can be read for.
Result<InspectedLog> inspect_up_to_damage(Files& files, const std::string& directory, const Identity& identity);

}  // namespace zraft::storage
