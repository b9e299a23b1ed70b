// SPDX-License-Identifier: Apache-2.0
//
// One real host on simulated seams, for tests: a disk that outlives it, a network, time that passes only while the
// test waits for an answer. The groups that the tests create have this host as their only member unless they say
// otherwise, so they elect and commit without help. Several hosts may share one world and its network.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/disk.h"
#include "sim/network.h"
#include "sim/worker.h"
#include "zraft/host/host.h"

namespace zraft::host::test {

class HostWorld {
  struct Shared {
    explicit Shared(std::uint64_t seed) : world(seed) {}
    sim::World world;
    sim::Fabric fabric{world, {}};
  };
  std::unique_ptr<Shared> own_;  // null: another one's

 public:
  explicit HostWorld(std::uint64_t seed = 1);
  // Another host, of that name, in the world of `first`, which outlives it.
  HostWorld(HostWorld& first, const std::string& name);
  ~HostWorld();
  HostWorld(const HostWorld&) = delete;
  HostWorld& operator=(const HostWorld&) = delete;

  // Waits until it is loaded. Errors: why it refused to start, or stopped: it was killed meanwhile.
  Result<> start();
  // Does not wait.
  Result<> begin();
  void end(sim::Ending ending = sim::Ending::killed);
  void restart() {
    end();
    must_start();
  }
  // Ends the process in the middle of what it does; end() has to follow.
  void kill() { world.kill(process_); }
  void must_start();
  [[nodiscard]] Host& host() { return *host_; }
  [[nodiscard]] bool is_up() const { return host_ != nullptr; }

  void run(Duration length) { world.run_until(world.now() + length); }
  // Serves a request from within; nothing if no answer comes, because the host died or in 20 s.
  std::optional<net::Reply> ask(net::RequestBody body, Duration timeout = Duration::seconds(10));
  // The same, when an answer must come.
  net::Reply told(net::RequestBody body, Duration timeout = Duration::seconds(10));
  // Asks until the leader is there.
  net::Reply propose(const std::string& group, const std::string& data);

  // The file as it lies on the disk, replaced.
  void overwrite(const std::string& path, const Bytes& bytes);
  [[nodiscard]] Bytes content(const std::string& path);

  // The files and directories whose paths have that in them.
  [[nodiscard]] std::vector<std::string> paths(const std::string& part) const;

  sim::World& world;
  sim::Fabric& fabric;
  sim::HostId id;
  sim::HostId other;
  sim::Disk disk{world, id, {}};
  sim::Disk log_disk{world, id, {}};  // used if has_log_disk
  bool has_log_disk = false;
  std::size_t shards = 1;
  Options options;
  Backends backends;
  Watcher* watcher = nullptr;
  std::vector<std::string> said;  // warnings and errors

 private:
  void set_options();
  struct Running {
    sim::SimLoop loop;
    sim::SimNetwork network;
    sim::SimWorker worker;
    std::vector<sim::SimFiles> files;      // of each shard
    std::vector<sim::SimFiles> log_files;
  };

  const std::string name_;
  sim::Process process_;
  std::optional<Result<>> loaded_;
  std::unique_ptr<Running> running_;
  std::unique_ptr<Host> host_;
};

// A group with the one member "p1@n1:1".
[[nodiscard]] net::StartPeer lone_peer(const std::string& group, std::uint64_t group_id = 77);
[[nodiscard]] net::UndoPeer undo_of(const net::StartPeer& start);
[[nodiscard]] bool has(const std::string& text, const std::string& part);

}  // namespace zraft::host::test
