// SPDX-License-Identifier: Apache-2.0
//
// Several real hosts on simulated seams, numbered from 1, each with a disk that outlives it; and the process of an
// operator who works on the disks of those that are stopped. Member n of the group "kv" is "p<n>@n<n>:1", and its
// state machine answers with all it was ever told.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "test/host/host_world.h"
#include "zraft/host/recover.h"

namespace zraft::host::test {

class RecoverWorld {
 public:
  static constexpr raft::GroupId group_id{77};
  [[nodiscard]] static raft::Member member(std::size_t n);
  [[nodiscard]] static raft::Membership members(const std::vector<std::size_t>& numbers);  // that vote
  [[nodiscard]] static net::StartPeer start_peer(std::size_t n, const raft::Membership& membership);

  // All of them run.
  explicit RecoverWorld(std::size_t hosts, std::uint64_t seed = 1);
  ~RecoverWorld();
  RecoverWorld(const RecoverWorld&) = delete;
  RecoverWorld& operator=(const RecoverWorld&) = delete;

  void start(std::size_t n);
  void end(std::size_t n, sim::Ending ending = sim::Ending::killed);
  void run(Duration length) { world.run_until(world.now() + length); }
  [[nodiscard]] sim::Disk& disk(std::size_t n) { return machines_.at(n - 1)->disk; }
  // Every file of a host: what is read of it, and what a loss of power would leave.
  [[nodiscard]] std::map<std::string, std::pair<Bytes, Bytes>> contents(std::size_t n);

  // The group, with a member on each of these.
  void create(const std::vector<std::size_t>& numbers) { create(numbers, members(numbers)); }
  void create(const std::vector<std::size_t>& numbers, const raft::Membership& membership);
  net::Reply told(std::size_t n, net::RequestBody body);
  // Asks one after the other until the leader was among them; gives what the state machine answers.
  std::string write(const Bytes& data, std::vector<std::size_t> numbers = {});
  void begin_write(std::size_t n, const Bytes& data);
  [[nodiscard]] net::PeerStatus status(std::size_t n);
  // A snapshot now, and the log before it goes.
  void save(std::size_t n);
  [[nodiscard]] std::vector<std::string> snapshots(std::size_t n);  // the one file of each
  // Takes in a new member on host n, and waits until it votes.
  void join(std::size_t leader, std::size_t n, raft::NodeId id);

  sim::World world;
  sim::Fabric fabric{world, {}};

 private:
  struct Running {
    sim::SimLoop loop;
    sim::SimNetwork network;
    sim::SimWorker worker;
    sim::SimFiles files;
  };
  struct Machine {
    Machine(sim::World& of, sim::HostId its_id) : id(its_id), disk(of, its_id, {}) {}
    sim::HostId id;
    sim::Disk disk;
    sim::Process process;
    std::unique_ptr<Running> running;
    std::unique_ptr<Host> host;
  };

  std::vector<std::unique_ptr<Machine>> machines_;
};

// A process that recovers, on a machine from which all those disks can be reached. Ends with this object.
class Offline {
 public:
  using Place = std::pair<std::string, sim::Disk*>;

  Offline(RecoverWorld& world, const std::vector<std::size_t>& numbers, std::uint64_t seed = 1);
  Offline(sim::World& world, std::vector<Place> places, std::uint64_t seed = 1);
  ~Offline() { end(); }
  Offline(const Offline&) = delete;
  Offline& operator=(const Offline&) = delete;

  [[nodiscard]] Result<Survey> look(const std::string& group = "kv");
  // All of it. Error `stopped`: the process was ended meanwhile.
  Result<NewGroup> recover(const std::string& peer = "");
  void kill() { world_.kill(process_); }
  [[nodiscard]] bool is_alive() const { return world_.is_alive(process_); }
  void end(sim::Ending ending = sim::Ending::killed);

 private:
  sim::World& world_;
  const std::vector<Place> places_;
  const std::uint64_t seed_;
  const sim::Process process_;
  sim::SimLoop loop_;
  sim::SimWorker worker_;
  std::vector<std::unique_ptr<sim::SimFiles>> files_;
  std::vector<StoppedHost> hosts_;
  bool has_ended_ = false;
};

}  // namespace zraft::host::test
