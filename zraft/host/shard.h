// SPDX-License-Identifier: Apache-2.0
//
// One loop's part of a host: some of its groups, with a log, a catalogue and links to other hosts of their own. It
// runs the peers that its catalogue names, and serves requests of its groups: propose, query, status, the starting and
// ending of peers, the change of members. Shards know nothing of each other: the host says what goes where.
//
//   Host --> Shard <-- seams: Loop, Network, Files, Worker
//              |-- catalogue      which peers run here
//              |-- Wal            one log for all groups
//              |-- PeerMesh       one link to each other host
//              '-- Group ...      node + state machine of one peer
//
// Everything happens on the shard's loop.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/host/group.h"
#include "zraft/host/log_relief.h"
#include "zraft/host/log_sink.h"
#include "zraft/host/options.h"
#include "zraft/host/peer_start.h"
#include "zraft/net/wire.h"
#include "zraft/node/network.h"
#include "zraft/node/worker.h"
#include "zraft/storage/file.h"
#include "zraft/storage/wal.h"

namespace zraft::net {
class PeerMesh;
}

namespace zraft::host {

// An answer without a body. ok: it is done.
[[nodiscard]] inline net::Reply reply_of(Error error) {
  return {.id = 0, .error = std::move(error), .leader = {}, .body = {}};
}
[[nodiscard]] inline net::Reply reply_of(const Result<>& result) { return reply_of(result ? Error{} : result.error()); }

class Shard {
 public:
  struct Seams {
    node::Loop& loop;
    node::Network& network;
    // Short works that others wait for: the next segment of the log, batches of a machine.
    node::Worker& worker;
    node::Worker& snapshot_worker;  // works that take long; may be the same, where threads have no end
    storage::Files& files;      // the directory of this shard's catalogue
    storage::Files& log_files;  // the directory of its log; may be the same
    storage::Files& snapshot_files;  // and of its snapshots; may be the same
  };
  // By the host; all of it outlives the shard.
  struct Surroundings {
    const Options& options;
    const Backends& backends;
    const LogSink& log_sink;
    Watcher* watcher = nullptr;  // may be null
    std::uint64_t run = 0;       // tells this run of the process from all others
    std::size_t shards = 1;      // how many there are
  };
  using Answer = std::move_only_function<void(net::Reply)>;
  using Told = std::function<void(const Error&)>;
  // To whoever sent a message over that link: it is for nobody here.
  using TurnAway = std::function<void(std::uint64_t link, net::TurnedAway)>;
  // To the link that set the watch.
  using TellWatch = std::function<void(WatchTold)>;
  using Loaded = std::move_only_function<void(Result<>)>;

  // Takes the lock and reads the catalogue (blocking). `failed` is told once that the disk has failed.
  static Result<std::unique_ptr<Shard>> open(Seams seams, Surroundings around, Random random, Told failed,
                                             TurnAway turn_away, TellWatch tell_watch);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  // Reads the log, away from the loop, and starts every peer of the catalogue. Until `loaded` is told so, requests are
  // answered with `loading`. A log that cannot be trusted is refused with the reason and left as it is. `hello`: what
  // this host says of itself.
  void load(net::Hello hello, Loaded loaded);

  // Requires, of what may bring a group or take it away: it is loaded. `link`: over which it came, for watches.
  void serve(net::Request request, Answer answer, std::uint64_t link = 0);
  // Nothing is told of it any more, but for what is on its way.
  void unwatch(const std::string& group, session::WatchId watch);
  // `link`: over which it came. `sender`: where that host can be reached, and its snapshots be had; may be empty.
  struct Sender {
    std::string address;
    std::string bulk_address;
  };
  void receive(net::PeerFrame frame, std::uint64_t link, const Sender& sender);
  // Fetches the snapshot that a new peer is to begin with into that directory of Seams::snapshot_files, and answers on
  // this loop, when nothing is at work there any more.
  using Fetched = SnapshotFetcher::Done;
  using Fetch = std::move_only_function<void(std::string directory, Fetched)>;
  // Starts a peer with the state that `fetch` brings. Requires: it is loaded.
  void restore(net::RestorePeer body, Fetch fetch, Answer answer);
  // Opens a snapshot to be sent. Answers on this loop.
  void open_snapshot(const net::FetchSnapshot& asked, SnapshotSender::Found found);
  void heard_beat(const net::Beat& beat);

  // A peer of a group of that name is here, or is being started.
  [[nodiscard]] bool has(const std::string& group) const;
  [[nodiscard]] const Catalogue& catalogue() const { return catalogue_; }
  // The peers that run here; those that were removed from their groups are in the catalogue only.
  [[nodiscard]] const std::map<PeerKey, std::unique_ptr<Group>>& peers() const { return peers_; }
  [[nodiscard]] node::Loop& loop() const { return seams_.loop; }
  [[nodiscard]] node::Lifetime::Watch watch() const { return lifetime_.watch(); }

 private:
  struct Waiting {
    CatalogueEntry entry;
    raft::Recovered recovered;
  };
  // A peer that is gone: its jobs may still use them.
  struct EndedPeer {
    std::weak_ptr<session::SessionMachine> machine;
    std::shared_ptr<Strand> strand;
  };

  Shard(Seams seams, Surroundings around, Random random, Told failed, TurnAway turn_away, TellWatch tell_watch);
  [[nodiscard]] storage::Wal::Options log_options();
  [[nodiscard]] Result<> begin(Result<storage::Wal::Contents> contents);
  void end_loading(Result<> how);
  void beat();
  [[nodiscard]] Result<> check(const CatalogueEntry& entry, const raft::Recovered& recovered) const;
  [[nodiscard]] Result<> run_catalogue(std::map<raft::GroupId, raft::Recovered> logs);
  void clear_up();
  void prepare_some();
  using Prepared = std::move_only_function<void(Result<PreparedPeer>)>;
  void prepare(const CatalogueEntry& entry, raft::Recovered recovered, Prepared then);
  void run_peer(const CatalogueEntry& entry, PreparedPeer prepared);
  [[nodiscard]] std::unique_ptr<PeerSnapshots> snapshots_of(const CatalogueEntry& entry, PeerSnapshots::Found found);
  void remove_files(const CatalogueEntry& entry, EndedPeer ended);
  EndedPeer end_peer(PeerKey key);
  [[nodiscard]] node::Node::Options node_options(const CatalogueEntry& entry) const;
  void on_failed(const Error& why);
  void on_pinned(const storage::Pinned& pinned);
  void turn_away(const net::PeerFrame& frame, std::uint64_t link);
  static void hand_over(Group& peer, raft::Message message, const Sender& sender);
  void say(LogLevel level, const std::string& text) const;

  // service.cc
  void on(net::Propose&& body, Instant deadline, Answer answer);
  void on(net::Query&& body, Instant deadline, Answer answer);
  void on(net::GetStatus&& body, Instant deadline, Answer answer);
  void on(net::ChangeMembers&& body, Instant deadline, Answer answer);
  void on(net::TransferLeadership&& body, Instant deadline, Answer answer);
  void on(net::SaveSnapshot&& body, Instant deadline, Answer answer);
  void on(net::OpenSession&& body, Instant deadline, Answer answer);
  void on(net::SessionWrite&& body, Instant deadline, Answer answer);
  void on(net::KeepAlive&& body, Instant deadline, Answer answer);
  void on(net::CloseSession&& body, Instant deadline, Answer answer);
  void on(net::CancelWatch&& body, Instant deadline, Answer answer);
  void watch(net::Watch&& body, session::WatchId id, Instant deadline, Answer answer);
  [[nodiscard]] Group* find(const std::string& group);
  [[nodiscard]] node::Done reply_later(const Group& group, Answer answer);
  [[nodiscard]] Error not_here(const std::string& group) const;

  // creation.cc
  using Saved = std::move_only_function<void(Result<>)>;
  void on(net::CheckPeer&& body, Instant deadline, Answer answer);
  void on(net::StartPeer&& body, Instant deadline, Answer answer);
  void on(net::RestorePeer&& body, Instant deadline, Answer answer);
  void on(net::UndoPeer&& body, Instant deadline, Answer answer);
  void on(net::DestroyPeer&& body, Instant deadline, Answer answer);
  [[nodiscard]] Result<> check_new(const CatalogueEntry& entry) const;
  [[nodiscard]] Result<std::optional<CatalogueEntry>> entry_of(const auto& body);
  void begin_start(const CatalogueEntry& entry, raft::Recovered first, Answer answer);
  void start(const CatalogueEntry& entry, PreparedPeer prepared, Answer answer);
  void enter_in_catalogue(const CatalogueEntry& entry, PreparedPeer prepared, Answer answer);
  void give_up_start(const CatalogueEntry& entry, Error why, Answer answer);
  void end_start(const CatalogueEntry& entry);
  void destroy(PeerKey key, Answer answer);
  void save_catalogue(Saved done);
  void save_once();
  void retire(PeerKey key);

  const Seams seams_;
  const Surroundings around_;
  const Options& options_;
  Random random_;
  const Told failed_;
  const TurnAway turn_away_;
  const TellWatch tell_watch_;
  BulkRate scrub_rate_;
  Catalogue catalogue_;
  net::Hello hello_;
  Loaded loaded_;
  std::vector<Waiting> to_start_;  // newest first
  std::size_t starting_ = 0;       // that are being prepared
  bool is_loading_ = true;
  node::TimerId beat_timer_;
  struct Creating {
    Catalogue starting;           // peers whose start is under way
    Catalogue doubtful;           // in the log, and perhaps in the catalogue on the disk
    std::map<PeerKey, raft::Index> restored;  // where those begin that were, since this host was started
    std::vector<PeerKey> undone;  // newest last: what still comes of their start is refused
    std::vector<std::pair<net::UndoPeer, Answer>> undoing;  // wait until a start has ended
    std::vector<Saved> savers;                              // wait for the next save of the catalogue
    bool is_saving = false;
  } creating_;
  bool has_failed_ = false;
  LogRelief relief_;
  std::unique_ptr<storage::Wal> wal_;    // null: not read yet, and so is the mesh
  std::unique_ptr<net::PeerMesh> mesh_;
  std::map<PeerKey, std::unique_ptr<Group>> peers_;
  std::map<PeerKey, EndedPeer> retired_;  // were removed from their groups, and not destroyed yet
  std::map<std::string, std::vector<Group*>> by_name_;  // the same, by the names of their groups; none is empty
  // When it was last said of a group's messages, by sender and member.
  std::map<std::tuple<raft::GroupId, raft::NodeId, raft::NodeId>, Instant> turned_away_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
