// SPDX-License-Identifier: Apache-2.0
//
// What a host is told when it is opened.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "zraft/base/result.h"
#include "zraft/base/time.h"
#include "zraft/host/catalogue.h"
#include "zraft/node/node.h"

namespace zraft::host {

// For a machine that keeps its state on a disk itself: a directory of the operating system that is its own, for as
// long as the peer exists. It is not made yet. Empty where there is none (in the simulator).
struct MachinePlace {
  std::string directory;
};

// Makes a state machine: an empty one, or, on a disk, one with what it held before. From a function that takes a
// MachinePlace or nothing, and gives a std::unique_ptr or a Result of one. It is called away from the loops, for
// several peers at the same time.
class Factory {
 public:
  using Made = Result<std::unique_ptr<node::StateMachine>>;

  Factory() = default;  // makes nothing
  template <class Make>
    requires(!std::is_same_v<std::decay_t<Make>, Factory>)
  Factory(Make make) {  // so that Backends can be written as a list of functions
    if constexpr (std::is_invocable_v<Make, const MachinePlace&>) {
      make_ = std::move(make);
    } else {
      make_ = [make = std::move(make)](const MachinePlace&) -> Made { return make(); };
    }
  }
  [[nodiscard]] Made make(const MachinePlace& place) const {
    if (make_ == nullptr) return fail(Code::unsupported, "this backend has no factory");
    return make_(place);
  }

 private:
  std::function<Made(const MachinePlace&)> make_;
};

// The name is what `create --backend` asks for.
using Backends = std::map<std::string, Factory>;

// A peer of a group: the group, and which member it is.
using PeerKey = std::pair<raft::GroupId, raft::NodeId>;

struct Options {
  std::string name;    // of this host, for people and for the data directory
  std::string listen;  // "host:port"
  Duration election_timeout = Duration::milliseconds(300);
  Duration heartbeat_interval{};  // 0: a fifth of election_timeout
  node::SyncMode sync_mode = node::SyncMode::durable;
  std::size_t max_segment_size = std::size_t{16} << 20;
  // When the log of all groups is larger on the disk, members that keep its oldest segments write snapshots, though
  // none is due, and drop their entries. 0: never. Less than two segments a shard count as two.
  std::uint64_t max_log_size = std::uint64_t{2} << 30;
  std::size_t command_bytes_max = std::size_t{2} << 20;
  std::size_t uncommitted_bytes_max = std::size_t{64} << 20;
  std::size_t log_bytes_max = std::size_t{4} << 30;
  std::size_t log_bytes_retained = std::size_t{8} << 20;  // behind a snapshot, for members that are a little behind
  node::SnapshotRules snapshots;       // when a member writes one
  std::size_t snapshot_backups = 0;    // older ones that are kept besides the newest
  Duration snapshot_backup_age{};      // by how much they may be older than it, in cluster time; 0: by any time
  std::uint64_t snapshot_rate = 0;     // of all snapshots that are sent, in bytes per second; 0: as fast as it goes
  // Snapshots are read and compared in the background, twice a day, with so many bytes per second; 0: never.
  std::uint64_t scrub_rate = std::uint64_t{16} << 20;
  // Where other hosts fetch snapshots, "host:port"; port 0: any free one. Empty: at `listen`.
  std::string snapshot_listen;
  Duration request_timeout{};  // of a request that names none; 0: twice election_timeout
  std::size_t requests_per_link_max = 10'000;
  std::size_t link_queue_bytes_max = std::size_t{64} << 20;
  raft::ReplicationLimits replication;
  // A group to which nothing happens for that long sends no heartbeats any more, until something happens; that the
  // hosts live is watched once for all groups. 0: twice election_timeout; negative: never.
  Duration quiesce_after{};
  // Of each group, the last changes are remembered in so many bytes, so that a watch which broke off can go on without
  // a gap.
  std::size_t watch_history_bytes = std::size_t{1} << 20;
  // A link that has not taken in so much of what it watches loses its watches, and is told so. At most half of
  // link_queue_bytes_max counts.
  std::size_t watch_queue_bytes_max = std::size_t{16} << 20;
  std::uint64_t seed = 1;
  bool lease_reads = false;  // the same at every host of a group: raft::Config says what it costs
  bool check_laws = false;
  // Called on the first shard's loop, once: every peer of the catalogue runs, or why this host cannot run and should
  // end. May be null.
  std::function<void(const Result<>&)> on_loaded;
  // Called on the first shard's loop, once, when the disk has failed: this host acknowledges nothing any more and
  // should end. May be null.
  std::function<void(const Error&)> on_failed;
};

// All that is wrong with them; open() refuses them with the first.
[[nodiscard]] std::vector<Error> problems_of(const Options& options);

}  // namespace zraft::host
