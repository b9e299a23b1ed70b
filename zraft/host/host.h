// SPDX-License-Identifier: Apache-2.0
//
// Many groups in one process: one port, one log, one loop. A host listens for other hosts and for clients, runs the
// peers that its catalogue names (several of one group, if that is wanted), and serves requests: propose, query,
// status, the starting and ending of peers, the change of members. It knows the world only through its seams, so the
// simulator runs this very code.
//
//   user's factories --> Host <-- seams: Loop, Network, Files, Worker
//                         |-- catalogue      which peers run here
//                         |-- Wal            one log for all groups
//                         |-- PeerMesh       one link to each other host
//                         '-- Group ...      node + state machine of one peer
//
// Everything happens on the loop. For a process with real threads, files and sockets see embed.h.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/host/group.h"
#include "zraft/host/log_sink.h"
#include "zraft/net/wire.h"
#include "zraft/node/network.h"
#include "zraft/node/worker.h"
#include "zraft/storage/file.h"

namespace zraft::storage {
class Wal;
}
namespace zraft::net {
class PeerMesh;
}

namespace zraft::host {

// Makes a fresh, empty state machine; the name is what `create --backend` asks for.
using Factory = std::function<std::unique_ptr<node::StateMachine>()>;
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
  std::size_t command_bytes_max = std::size_t{2} << 20;
  std::size_t uncommitted_bytes_max = std::size_t{64} << 20;
  std::size_t log_bytes_max = std::size_t{4} << 30;
  Duration request_timeout{};  // of a request that names none; 0: twice election_timeout
  std::size_t requests_per_link_max = 10'000;
  std::size_t link_queue_bytes_max = std::size_t{64} << 20;
  raft::ReplicationLimits replication;
  std::uint64_t seed = 1;
  bool lease_reads = false;  // the same at every host of a group: raft::Config says what it costs
  bool check_laws = false;
  // Called on the loop, once, when the disk has failed: this host acknowledges nothing any more and should end.
  std::function<void(const Error&)> on_failed;
};

// All that is wrong with them; open() refuses them with the first.
[[nodiscard]] std::vector<Error> problems_of(const Options& options);

class Host {
 public:
  struct Seams {
    node::Loop& loop;
    node::Network& network;
    node::Worker& worker;
    storage::Files& files;      // the data directory
    storage::Files& log_files;  // the directory of the log; may be the same
  };

  // Reads the data directory (blocking), starts every peer in the catalogue, then listens. A directory that cannot be
  // trusted is refused with the reason and left as it is. `watcher` may be null; it outlives the host.
  static Result<std::unique_ptr<Host>> open(Seams seams, Options options, Backends backends, LogSink log_sink,
                                            Watcher* watcher = nullptr);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  using Answer = std::move_only_function<void(net::Reply)>;
  // Serves one request, from the wire or from within the process. The reply's id is for the caller to set.
  void serve(net::Request request, Answer answer);

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] std::string address() const;  // where it listens, with the real port
  // The peers that run here; those that were removed from their groups are in the catalogue only.
  [[nodiscard]] const std::map<PeerKey, std::unique_ptr<Group>>& peers() const { return peers_; }
  // The disk has failed: see Options::on_failed.
  [[nodiscard]] bool has_failed() const { return has_failed_; }

 private:
  class Inbound;

  Host(Seams seams, Options options, Backends backends, LogSink log_sink, Watcher* watcher);
  [[nodiscard]] Result<> start();
  void accept(std::unique_ptr<node::Link> link);
  void drop(std::uint64_t inbound);
  void route(const net::PeerFrame& frame, const std::string& sender);
  [[nodiscard]] Result<> check(const CatalogueEntry& entry, const raft::Recovered& recovered) const;
  [[nodiscard]] Result<> run_catalogue(std::map<raft::GroupId, raft::Recovered> logs);
  void run_peer(const CatalogueEntry& entry, raft::Recovered recovered);
  [[nodiscard]] node::Node::Options node_options(const CatalogueEntry& entry) const;
  void on_stopped(const Error& why);
  [[nodiscard]] std::string told_address() const;
  void say(LogLevel level, const std::string& text) const;

  // service.cc
  void on(net::Propose&& body, Instant deadline, Answer answer);
  void on(net::Query&& body, Instant deadline, Answer answer);
  void on(net::GetStatus&& body, Instant deadline, Answer answer);
  void on(net::ChangeMembers&& body, Instant deadline, Answer answer);
  void on(net::TransferLeadership&& body, Instant deadline, Answer answer);
  [[nodiscard]] Group* find(const std::string& group);
  [[nodiscard]] node::Done reply_later(const Group& group, Answer answer);
  [[nodiscard]] Error not_here(const std::string& group) const;

  // creation.cc
  using Saved = std::move_only_function<void(Result<>)>;
  void on(net::CheckPeer&& body, Instant deadline, Answer answer);
  void on(net::StartPeer&& body, Instant deadline, Answer answer);
  void on(net::UndoPeer&& body, Instant deadline, Answer answer);
  void on(net::DestroyPeer&& body, Instant deadline, Answer answer);
  [[nodiscard]] Result<> check_new(const CatalogueEntry& entry) const;
  void enter_in_catalogue(const CatalogueEntry& entry, raft::Recovered first, Answer answer);
  void end_start(const CatalogueEntry& entry);
  void destroy(PeerKey key, Answer answer);
  void save_catalogue(Saved done);
  void save_once();
  void retire(PeerKey key);

  const Seams seams_;
  const Options options_;
  const Backends backends_;
  const LogSink log_sink_;
  Watcher* const watcher_;
  Catalogue catalogue_;
  Random random_;
  struct Creating {
    Catalogue starting;           // peers whose start is under way
    Catalogue doubtful;           // in the log, and perhaps in the catalogue on the disk
    std::vector<PeerKey> undone;  // newest last: what still comes of their start is refused
    std::vector<std::pair<net::UndoPeer, Answer>> undoing;  // wait until a start has ended
    std::vector<Saved> savers;                              // wait for the next save of the catalogue
    bool is_saving = false;
  } creating_;
  bool has_failed_ = false;
  std::unique_ptr<storage::Wal> wal_;
  std::unique_ptr<net::PeerMesh> mesh_;
  std::map<PeerKey, std::unique_ptr<Group>> peers_;
  std::map<std::uint64_t, std::unique_ptr<Inbound>> inbound_;  // by the order in which they came
  std::uint64_t last_inbound_ = 0;
  std::unique_ptr<node::Listener> listener_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
