// SPDX-License-Identifier: Apache-2.0
//
// Errors are values. An Error has a code that programs decide by and a sentence that says what to do. We throw
// nothing; a Result that is not looked at does not compile ([[nodiscard]] through std::expected).
#pragma once

#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <utility>

namespace zraft {

// The numbers are on the wire and in exit codes: never change or reuse one.
enum class Code : std::uint8_t {
  ok = 0,
  // What a caller of a group can be told.
  not_leader = 1,               // ask the leader; the hint may name it
  timeout_unknown_outcome = 2,  // a write may or may not have been applied
  busy = 3,                     // refused before anything happened: try again later
  too_large = 4,                // beyond a limit that the sentence names
  loading = 5,                  // the group is being opened
  session_expired = 6,
  not_stable = 7,
  newer_exists = 8,
  process_prev_change = 9,
  peers_changed = 10,
  leader_changed = 11,
  already_present = 12,
  all_failed = 13,  // no host answered
  no_peers = 14,
  timeout = 15,  // definitely not applied (a read, or a write that was never sent)
  not_found = 16,
  conflict = 17,  // a compare-and-put found another value
  bad_request = 18,
  stopped = 19,     // the group or the host has stopped; the sentence says why
  compacted = 20,   // the changes that a watch would go on behind are not remembered any more
  cancelled = 21,   // its caller did not wait any longer; it was not applied
  // What the world did.
  io = 32,           // the operating system refused; the sentence holds its words
  no_space = 33,     // the disk is full
  corrupt = 34,      // a checksum or a law of a format does not hold
  unsupported = 35,  // a version or feature this build does not know
  wrong_owner = 36,  // a directory or a message of another node, group or cluster
};

[[nodiscard]] std::string_view name_of(Code code);

struct Error {
  Code code = Code::ok;
  std::string text;  // one sentence: what is wrong with what, and what to do

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T = void>
using Result = std::expected<T, Error>;

[[nodiscard]] inline std::unexpected<Error> fail(Code code, std::string text) {
  return std::unexpected(Error{code, std::move(text)});
}

// Hands the error of one Result on as the error of another.
template <class T>
[[nodiscard]] std::unexpected<Error> fail(const Result<T>& failed) {
  return std::unexpected(failed.error());
}

}  // namespace zraft
