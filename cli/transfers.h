// SPDX-License-Identifier: Apache-2.0
//
// How far snapshots are that are on their way, for people: in `zraft status`, and while a change of members waits for
// a new one. Text in, text out, but for ProgressLines, which writes to a terminal.
#pragma once

#include <cstdio>
#include <optional>
#include <string>
#include <vector>

#include "zraft/client/members.h"

namespace zraft::cli {

// "12.5 MiB"; below a kibibyte "12 B".
[[nodiscard]] std::string bytes_text(std::uint64_t bytes);
// Of what is there to come, rounded down: all of it is 100, and nothing else.
[[nodiscard]] std::uint64_t percent_of(const net::SnapshotProgress& progress);
// At the speed of now; nothing: it stands still.
[[nodiscard]] std::optional<std::uint64_t> seconds_left(const net::SnapshotProgress& progress);
// "12.5 MiB of 64.0 MiB, 19%, 1.0 MiB/s, 52s left"
[[nodiscard]] std::string progress_text(const net::SnapshotProgress& progress);

// A line for each snapshot that is being written, fetched or sent; empty: none is.
[[nodiscard]] std::string transfers_table(const std::vector<client::MemberStatus>& rows);

// What a change of members waits for: a line for each step, and one that is written over as bytes come.
class ProgressLines {
 public:
  explicit ProgressLines(std::FILE* terminal) : terminal_(terminal) {}
  ~ProgressLines();
  ProgressLines(const ProgressLines&) = delete;
  ProgressLines& operator=(const ProgressLines&) = delete;

  void tell(const client::Waiting& waiting);

 private:
  std::FILE* terminal_;
  std::string what_;
  bool is_open_ = false;  // the last line has no end yet
};

}  // namespace zraft::cli
