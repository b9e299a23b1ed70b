// SPDX-License-Identifier: Apache-2.0
//
// What `zraft ...` was asked to do: the words of the command line and of the environment, checked as far as that goes
// without a cluster. The grammar and the exit statuses are in docs/cli.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "zraft/base/bytes.h"
#include "zraft/base/time.h"
#include "zraft/client/members.h"

namespace zraft::cli {

// The numbers are relied on by scripts: never change or reuse one.
enum class Exit : int {
  done = 0,
  none = 1,         // there is no such key, or a compare found another value
  usage = 2,        // the command line cannot be
  unreachable = 3,  // nobody could be asked in time: nothing was changed
  unknown = 4,      // the answer was lost: it may or may not have been done
  refused = 5,      // it was refused, with the reason: nothing was changed
};

struct Create {
  client::NewGroup group;
};
struct Put {
  Bytes key;
  Bytes value;
};
struct Get {
  Bytes key;
  bool is_stale = false;
};
struct Delete {
  Bytes key;
};
struct Compare {
  Bytes key;
  std::optional<Bytes> expected;
  Bytes value;
};
struct Scan {
  Bytes prefix;
  std::uint64_t limit = 0;  // 0: all
  bool is_stale = false;
};
struct Count {
  Bytes prefix;
  bool is_stale = false;
};
struct Status {};
struct Groups {};
struct Members {};
struct Change {
  client::MemberChange change;
};
struct Transfer {
  std::string peer;  // empty: to whoever can best
};
struct Destroy {
  std::string at;  // empty: at all members
};

struct Bench {
  enum class Op { put, get, mixed };
  std::uint32_t clients = 64;
  std::uint32_t connections = 8;
  std::uint32_t value_bytes = 256;
  std::uint32_t keys = 10'000;
  Duration length = Duration::seconds(10);
  Op op = Op::put;
};

using Action = std::variant<Create, Put, Get, Delete, Compare, Scan, Count, Status, Groups, Members, Change, Transfer,
                            Destroy, Bench>;

enum class Format { table, json };

struct Command {
  std::vector<std::string> hosts;
  std::string group = "kv";
  Duration timeout = Duration::seconds(5);
  Format format = Format::table;
  Action action;
};

// A command, or what to print instead of doing one, and with which status to end.
struct Instead {
  std::string text;
  Exit status = Exit::done;  // done: the text was asked for
};

// `read_stdin` gives the value for which "-" stands.
[[nodiscard]] std::variant<Command, Instead> parse(std::vector<std::string> arguments, const std::string& version,
                                                   Bytes (*read_stdin)());

}  // namespace zraft::cli
