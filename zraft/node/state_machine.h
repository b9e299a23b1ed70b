// SPDX-License-Identifier: Apache-2.0
//
// The user's side: what a group replicates. Each member has one, fed with the same commands in the same order.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "zraft/base/bytes.h"
#include "zraft/base/result.h"
#include "zraft/base/time.h"
#include "zraft/raft/types.h"

namespace zraft::node {

// A client's session: the index of the entry that opened it, so it is never used twice. 0: none.
struct SessionId {
  std::uint64_t value = 0;
  friend constexpr auto operator<=>(SessionId, SessionId) = default;
};

struct Command {
  raft::Index index;  // rises from command to command, with gaps; unique, so it can serve as a version
  ClusterTime time;   // never goes back; the only clock that a state machine may use
  BytesView data;     // valid during the call
  SessionId session = {};     // in which it was written
  bool is_ephemeral = false;  // what it writes belongs to its session, and goes with it: expire()
};

// Something that watches listen to has become another. `event` is the machine's word for it, and goes to who watches.
struct Change {
  Bytes key;
  Bytes event;
  friend bool operator==(const Change&, const Change&) = default;
};

struct Applied {
  Bytes result;  // goes to the client that wrote
  std::vector<Change> changes = {};  // in the order in which they happened
  // The machine cannot go on, because its own disk failed: this member stops, and says why. Never for what is wrong
  // with a command: that is a result, the same at every member.
  std::optional<Error> failure = {};
};

// What a watch that is set by a query listens to: changes of that key, or of all keys that begin with it.
struct Watchable {
  Bytes key;
  bool is_prefix = false;
  friend bool operator==(const Watchable&, const Watchable&) = default;
};

struct Queried {
  Bytes result;
  std::vector<Watchable> watchable = {};  // none: such a query cannot set a watch
};

// What the layer of sessions wants to be kept by a machine that keeps its state on a disk itself. No value: it is gone.
struct Aside {
  Bytes key;
  std::optional<Bytes> value;
  friend bool operator==(const Aside&, const Aside&) = default;
};

// The files of one snapshot while they are written; used by one thread, away from the loop. A name is 1 to 64 of the
// characters a-z A-Z 0-9 . _ - and does not begin with a dot. Errors, of every call: bad_request (a name), no_space,
// io; after one the snapshot is given up, whatever is still written to it.
class SnapshotWriter {
 public:
  virtual ~SnapshotWriter() = default;
  // What is appended from now on goes into a new file of that name. A file may stay empty.
  virtual Result<> begin(const std::string& file) = 0;
  // Requires: begin() was called.
  virtual Result<> append(BytesView bytes) = 0;
  // For a machine whose library writes files by itself: an empty directory, as a path of the operating system. Every
  // plain file that stands in it when the task has returned is a file of the snapshot; it may be a hard link, if
  // nothing writes to it any more. Errors: unsupported, where files are not those of the operating system.
  virtual Result<std::string> directory() = 0;
};

// The files of a snapshot, each of which has the checksums it was written with. Used by one thread, away from the loop.
class SnapshotReader {
 public:
  virtual ~SnapshotReader() = default;
  [[nodiscard]] virtual std::vector<std::string> files() const = 0;  // sorted by name
  virtual Result<std::uint64_t> size(const std::string& file) = 0;
  // May give fewer bytes than asked for only at the end of the file. Errors: not_found, corrupt, io.
  virtual Result<Bytes> read(const std::string& file, std::uint64_t offset, std::size_t length) = 0;
  // Where the files are, as a path of the operating system: to be read or linked to, never to be changed. Errors:
  // unsupported.
  virtual Result<std::string> directory() = 0;
};

// Writes what the machine held when the task was made, however much is applied meanwhile. Run once or never, and
// destroyed on whatever thread. An error gives the snapshot up; it is tried again later.
using SnapshotTask = std::move_only_function<Result<>(SnapshotWriter&)>;

// All calls come one at a time. After a restart the machine is restored from the newest snapshot, if there is one, and
// fed again what came after it. It must be deterministic: the outcome depends on the commands alone, not on clocks,
// chance, addresses, the locale or the order of an unordered container (P67).
class StateMachine {
 public:
  virtual ~StateMachine() = default;

  // A command that cannot be carried out says so in its result; that is a result like any other, the same at every
  // member. Throws: the group stops at this member, with the reason in the log and in `status` (W-29).
  virtual Applied apply(const Command& command) = 0;

  // A session has ended, by its client's word or because its time was over: what belonged to it goes. Comes once for
  // a session, in the order of the log like a command. `result` is not used.
  virtual Applied expire(raft::Index index, SessionId session) {
    static_cast<void>(index), static_cast<void>(session);
    return {};
  }

  // Asked at the leader before a command enters the log; an error refuses it, and nothing happens. It looks at nothing
  // that apply changes, and may be called while another call runs. Here belong limits
  // that are settings of one process: apply must not know them, because two members may differ in them (P67). Throws:
  // it is refused with those words.
  [[nodiscard]] virtual Result<> admit(BytesView command) const {
    static_cast<void>(command);
    return {};
  }

  // Reads, changes nothing. Errors: bad_request if the bytes are no query of this machine. Throws: like bad_request.
  [[nodiscard]] virtual Result<Queried> query(BytesView query) const = 0;

  // Takes hold of the state as it is now, at once, and gives what will write it. Members with the same state should
  // write the same bytes: then one that fetches a snapshot can go on with it at another. Errors: unsupported: it has
  // no snapshots; its log is kept as a whole, and a new member gets all of it.
  virtual Result<SnapshotTask> snapshot() {
    return fail(Code::unsupported, "this state machine has no snapshots: give it snapshot() and restore()");
  }

  // Replaces all that it holds by what a snapshot holds. Away from the loop; nothing else is called meanwhile. After
  // an error it is not used any more.
  virtual Result<> restore(SnapshotReader& reader) {
    static_cast<void>(reader);
    return fail(Code::unsupported, "this state machine has no snapshots: give it snapshot() and restore()");
  }

  // --- for machines that keep their state on a disk themselves ---

  [[nodiscard]] virtual bool is_on_disk() const { return false; }
  // Asked once, before anything is applied: the last entry whose effects are there for good, with those of all before
  // it. They are not applied again.
  [[nodiscard]] virtual raft::Index durable() const { return {}; }
  // The end of each entry of the log, whether the machine saw anything of it or not. What apply and expire did there,
  // `aside`, and that it was applied become one: after a crash there is all of it or nothing. No query comes between
  // the two. An error stops this member.
  virtual Result<> commit(raft::Index index, const std::vector<Aside>& aside) {
    static_cast<void>(index), static_cast<void>(aside);
    return {};
  }
  // Shows everything that was put aside and is not gone, in the order of the keys. Asked once, after durable(). What
  // restore() brings has its asides with it. Errors: the disk's.
  virtual Result<> recall(const std::function<void(BytesView key, BytesView value)>& show) const {
    static_cast<void>(show);
    return {};
  }

  // True: apply and query may wait for a disk. They are then called away from the loop, still one at a time.
  [[nodiscard]] virtual bool may_block() const { return false; }
};

}  // namespace zraft::node
