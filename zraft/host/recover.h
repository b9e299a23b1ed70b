// SPDX-License-Identifier: Apache-2.0
//
// A group whose majority is lost, made anew from one of the copies that are left, on the data directories of stopped
// hosts. survey() only looks. recover() gives the chosen peer a new log: the same entries under a new group id, and one
// more behind them, a membership of this peer alone. The new id keeps the lost members out, should they come back.
//
//   snapshot under the new log's id, durable --> new log: all entries behind its base, durable
//     --> catalogue names it, durable --> the other copies are marked as removed
//
// A crash before the catalogue leaves the group as it was, and a log and snapshots that nobody names, which the host's
// next start ends and removes; so it does with the old ones afterwards. A machine that keeps its state on a disk begins
// with an empty directory, and is restored from the snapshot.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "zraft/host/catalogue.h"
#include "zraft/node/loop.h"
#include "zraft/node/worker.h"
#include "zraft/raft/core.h"
#include "zraft/storage/file.h"
#include "zraft/storage/snapshot_format.h"

namespace zraft::host {

// The directories of one host that does not run.
struct StoppedHost {
  std::string name;  // of its data directory, for people
  storage::Files& files;
  storage::Files& log_files;       // may be the same
  storage::Files& snapshot_files;  // may be the same
};

// What one peer has of its group.
struct GroupCopy {
  std::size_t host = 0;  // which of those that were looked at
  CatalogueEntry entry;
  raft::Recovered log;  // as a start takes it: one that does not go as far as the snapshot begins behind that
  // The newest that is right to its last byte, and that the log goes on from.
  std::optional<storage::SnapshotManifest> snapshot;
  std::string problem;  // why it cannot be gone on with; empty: it can
  // The newest that stands in its log, and where. Of a peer that is to join and has nothing yet: whom it would answer.
  raft::Membership membership;
  raft::Index membership_index;

  [[nodiscard]] bool is_empty() const { return last() == raft::Position{}; }
  [[nodiscard]] raft::Position last() const {
    return log.entries.empty() ? log.base.last : log.entries.back().position();
  }
  // The term of the entry at `index`, if it is known: from the base to the last one.
  [[nodiscard]] std::optional<raft::Term> term_at(raft::Index index) const;
};

struct Survey {
  std::vector<Catalogue> catalogues;  // by host
  std::vector<GroupCopy> copies;
  std::vector<std::string> story;  // what is unusual about the logs, for people
};

// Reads everything, the newest snapshot of each copy too, and changes nothing, but locks the directories as long as
// `files` live. Blocks. A copy that lacks the snapshot that its log goes on from is shown with that problem. Errors:
// not_found (no data directory; no such group, with those there are), busy (the host runs), corrupt, unsupported,
// wrong_owner, io.
[[nodiscard]] Result<Survey> survey(const std::vector<StoppedHost>& hosts, const std::string& group);

// The copy to go on with: that of `peer` or, if it is empty, the newest of those that were not removed from the group
// and have no problem. Errors: not_found (no such peer), bad_request (it has nothing), corrupt (its problem, or that of
// all), conflict (groups of the same name: `peer` must say which).
[[nodiscard]] Result<std::size_t> choose(const Survey& survey, const std::string& peer);

// Entries of another copy of the same group that the chosen one does not have.
struct Loss {
  std::size_t copy = 0;
  raft::Position after;  // up to there they agree
  std::uint64_t entries = 0;
};
[[nodiscard]] std::vector<Loss> losses(const Survey& survey, std::size_t chosen);

struct NewGroup {
  raft::GroupId id;
  raft::Position last;                // of the new membership
  std::vector<std::string> problems;  // copies that could not be marked as removed, and why
};

// Ids are drawn from `seed`, so it must be random. `done` comes on the loop, after this call, if what is returned is
// kept until then: without it nothing goes on, and the disk is as a crash leaves it. Requires: `survey` is of these
// very hosts and holds their locks; the hosts' files and `worker` outlive every job, `loop` what is returned. Errors:
// what the log says, and then nothing was changed; timeout_unknown_outcome, when the catalogue could perhaps not be
// replaced.
[[nodiscard]] std::shared_ptr<const void> recover(node::Loop& loop, node::Worker& worker,
                                                  std::vector<StoppedHost> hosts, Survey survey, std::size_t chosen,
                                                  std::uint64_t seed,
                                                  std::move_only_function<void(Result<NewGroup>)> done);

}  // namespace zraft::host
