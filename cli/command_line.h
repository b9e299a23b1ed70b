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
#include "zraft/net/wire.h"

namespace zraft::cli {

// The numbers are relied on by scripts: never change or reuse one.
enum class Exit : int {
  done = 0,
  none = 1,         // there is no such key, or a compare found another value
  usage = 2,        // the command line cannot be
  unreachable = 3,  // nobody could be asked in time: nothing was changed
  unknown = 4,      // the answer was lost: it may or may not have been done
  refused = 5,      // it was refused, with the reason: nothing was changed
  damaged = 6,      // of what was looked at something is damaged: nothing was changed
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
  net::ReadChoice reading{};
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
  net::ReadChoice reading{};
};
struct Count {
  Bytes prefix;
  net::ReadChoice reading{};
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

// Has members write a snapshot.
struct Take {
  std::string at;  // empty: all of them
};

// Offline, on the data directories of stopped hosts.
struct Recover {
  std::vector<std::string> data;
  std::vector<std::string> log_dirs;       // one for each of `data`; empty: the same directories
  std::vector<std::string> snapshot_dirs;  // the same
  std::string peer;                        // empty: whoever has the newest copy
  bool applies = false;                    // else nothing is changed
};

// Offline and read-only, on the data directory of a stopped host.
struct Inspect {
  enum class What { log_dump, log_verify, snapshot_ls, snapshot_verify };
  What what = What::log_dump;
  std::string data;
  std::string apart;  // its log_dir or snapshot_dir; empty: the same directory
};

// A file that is not there yet.
struct Backup {
  std::string file;
  std::uint64_t bytes_per_second = 0;  // that are fetched, at most; 0: as fast as it goes
};
// Offline.
struct BackupInspect {
  std::string file;
};

// A new group out of such a file.
struct Restore {
  std::string file;
  client::NewGroup group;  // its backend is the file's
  std::uint64_t bytes_per_second = 0;  // that are sent, at most; 0: as fast as it goes
  bool is_dry_run = false;             // only look
};

struct Bench {
  enum class Op { put, get, mixed, sessions, watch };
  std::uint32_t clients = 64;
  std::uint32_t connections = 8;
  std::uint32_t value_bytes = 256;
  std::uint32_t keys = 10'000;
  Duration length = Duration::seconds(10);
  Op op = Op::put;
};

// --- what stays until it is ended ---

struct Watch {
  Bytes key;
  bool is_prefix = false;
  bool is_once = false;  // ends with the first change
};
struct Session {
  Duration timeout = Duration::seconds(10);
};
// While it runs, its environment has ZRAFT_LOCK and ZRAFT_TOKEN.
struct Lock {
  std::string name;
  std::vector<std::string> command;
  Duration session_timeout = Duration::seconds(10);
  std::optional<Duration> wait;  // for the lock; none: as long as it takes
};
struct Elect {
  std::string name;
  Bytes value;
  Duration session_timeout = Duration::seconds(10);
};

using Action = std::variant<Create, Put, Get, Delete, Compare, Scan, Count, Status, Groups, Members, Change, Transfer,
                            Destroy, Take, Recover, Inspect, Backup, BackupInspect, Restore, Bench, Watch,
                            Session, Lock, Elect>;

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
