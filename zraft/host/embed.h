// SPDX-License-Identifier: Apache-2.0
//
// A host in a process of your own: the real seams (loops on threads of their own, TCP, files, pools of threads) and a
// Host on them. This is all that zraftd is made of, besides its settings.
//
//   auto host = EmbeddedHost::start({.host = {.name = "n1", .listen = "127.0.0.1:7101"}, .data_dir = "data/n1"},
//                                   {{"counter", [] { return std::make_unique<Counter>(); }}}, log_sink);
//
// Every call is allowed from every thread but the loops', on which callbacks and state machines run: those of one group
// always on the same. The log sink is called by one thread at a time.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "zraft/host/host.h"

namespace zraft::host {

struct EmbedOptions {
  Options host;  // its seed is drawn from the system, whatever stands here
  std::string data_dir;
  std::string log_dir;       // of the log, for a disk of its own; empty: data_dir
  std::string snapshot_dir;  // of the snapshots; empty: data_dir
  // Of each shard, for what others wait for; and as many for snapshots, which take long: while they are written,
  // fetched and compared the log must get its next segment, or its writes would wait for them.
  std::size_t worker_threads = 2;
  // Loops, each on a thread of its own with a log of its own; every group is on one of them. 1 to shards_max; it may be
  // raised at any start, and not be lowered below what the data has groups on.
  std::size_t shards = 1;
  bool catch_signals = false;  // SIGTERM and SIGINT do not end the process: wait() returns instead
  // How long start() waits for a directory that is busy: a process that was killed may still be on its way out.
  Duration busy_patience = Duration::seconds(2);
};

class EmbeddedHost {
 public:
  // Listens, reads the data directory, and returns when every peer runs. Errors, each with what to do: bad_request (an
  // option), busy (the directory is in use), wrong_owner (it is another host's), corrupt, unsupported, no_space, io
  // (the address is in use, or what the system says).
  static Result<std::unique_ptr<EmbeddedHost>> start(EmbedOptions options, Backends backends, LogSink log_sink);
  ~EmbeddedHost();  // stops
  EmbeddedHost(const EmbeddedHost&) = delete;
  EmbeddedHost& operator=(const EmbeddedHost&) = delete;

  [[nodiscard]] const std::string& address() const;  // where it listens, with the real port

  // Runs `task` on the first shard's loop, or never if the host stops before.
  void post(std::move_only_function<void(Host&)> task);
  // Has this host serve a request and waits for the answer. Error `stopped`: the host stopped meanwhile.
  [[nodiscard]] net::Reply call(net::RequestBody body, Duration timeout);

  // Until a signal that is caught, a stop() of another thread, or the disk's failure, which is the error: then this
  // host acknowledges nothing any more and should end.
  Result<> wait();

  // Closes every link, waits for writes under way and gives the directories free. What was acknowledged is durable
  // before as after it. The second call does nothing.
  void stop();

 private:
  struct World;
  explicit EmbeddedHost(std::unique_ptr<World> world);

  std::unique_ptr<World> world_;
};

}  // namespace zraft::host
