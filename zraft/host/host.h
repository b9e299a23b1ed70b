// SPDX-License-Identifier: Apache-2.0
//
// Many groups in one process, behind one port. A host listens for other hosts and for clients, and hands what comes to
// the shard whose group it concerns. It knows the world only through its seams, so the simulator runs this very code.
//
//   links --> Host --> Shard 0   on the loop that the host itself is on
//                 '--> Shard n   each on a loop of its own; tasks are posted there and answers posted back
//
// A group lives on one shard: a new one on that of its id, and then where its catalogue entry is, so the number of
// shards can be raised at any start. One shard needs no table and no post: what comes is served at once.
// Everything of this class happens on the first shard's loop. For a process with real threads, files and sockets see
// embed.h.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "zraft/host/shard.h"

namespace zraft::host {

class Host {
 public:
  using Seams = Shard::Seams;

  // Takes the locks, reads the catalogues (blocking), listens, and begins to load: Options::on_loaded tells of the end.
  // Until then it says of its groups that they are loading. A directory that cannot be trusted is refused with the
  // reason and left as it is. `seams` has those of each shard; its first ones' network listens. `watcher` may be null;
  // it outlives the host, and is called on every loop.
  static Result<std::unique_ptr<Host>> open(std::vector<Seams> seams, Options options, Backends backends,
                                            LogSink log_sink, Watcher* watcher = nullptr);
  // Requires: the loops of the other shards do not run any more.
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  using Answer = Shard::Answer;
  // Serves one request, from the wire or from within the process. The reply's id is for the caller to set. `link`: over
  // which it came; a watch needs one.
  void serve(net::Request request, Answer answer, std::uint64_t link = 0);

  [[nodiscard]] const Options& options() const { return options_; }
  [[nodiscard]] std::string address() const;  // where it listens, with the real port
  [[nodiscard]] std::string bulk_address() const;  // where its snapshots can be fetched; empty: there
  // The disk has failed, or the host could not be loaded: see Options.
  [[nodiscard]] bool has_failed() const { return has_failed_; }
  [[nodiscard]] bool is_loading() const { return loading_ > 0; }

  // For tests and the simulator, where all shards are on one loop.
  [[nodiscard]] const std::vector<std::unique_ptr<Shard>>& shards() const { return shards_; }
  [[nodiscard]] std::map<PeerKey, const Group*> peers() const;
  [[nodiscard]] const Group* find_peer(PeerKey key) const;  // null: it does not run here

 private:
  class Inbound;
  // Where the peers of a group are, by its name; of several shards only.
  struct Place {
    std::size_t shard = 0;
    raft::GroupId id;
    std::size_t under_way = 0;  // requests that may change whether it is there
  };

  Host(std::vector<Seams> seams, Options options, Backends backends, LogSink log_sink, Watcher* watcher);
  [[nodiscard]] Result<> start();
  [[nodiscard]] Result<> check_shards() const;
  [[nodiscard]] Result<> open_shards();
  void on_shard_loaded(const Result<>& loaded);
  void on_failed(const Error& why);
  void accept(std::unique_ptr<node::Link> link);
  void drop(std::uint64_t inbound);
  void route(net::PeerFrame frame, std::uint64_t link, const Shard::Sender& sender);
  void open_snapshot(const net::FetchSnapshot& asked, SnapshotSender::Found found);
  void restore(net::RestorePeer body, std::uint64_t link, Answer answer);
  void fetch_over(std::uint64_t link, std::size_t shard, SnapshotFetcher::Wanted wanted, Shard::Fetched fetched);
  void add_transfers(net::Reply& reply) const;
  [[nodiscard]] Result<std::unique_ptr<node::Listener>> listen(const std::string& address);
  [[nodiscard]] net::Hello hello() const;
  void turn_away(std::uint64_t link, const net::TurnedAway& told);
  void tell_watch(const WatchTold& told);
  [[nodiscard]] const Piece& encoded(const std::shared_ptr<const std::vector<node::Change>>& changes);
  void unwatch(const std::string& group, session::WatchId watch);
  void heard_beat(const net::Beat& beat);
  void say(LogLevel level, const std::string& text) const;

  using Task = std::move_only_function<void(Shard&)>;
  [[nodiscard]] bool has_one_shard() const { return shards_.size() == 1; }
  void at(std::size_t shard, Task task);
  void at_home(std::size_t from, const node::Lifetime::Watch& life, node::Task task);
  [[nodiscard]] std::size_t shard_of(raft::GroupId group) const;
  [[nodiscard]] std::size_t shard_of(const std::string& group) const;
  [[nodiscard]] Answer to_here(std::size_t shard, Answer answer);
  void serve_of_all(net::Request request, Answer answer);
  void serve_at(std::size_t shard, net::Request request, Answer answer, std::uint64_t link = 0);
  void serve_change(std::size_t shard, const std::string& group, net::Request request, Answer answer);
  using Change = std::move_only_function<void(Shard&, Answer)>;
  void change(std::size_t shard, const std::string& group, Change change, Answer answer);
  void settle(const std::string& group, std::size_t shard, bool is_there);
  [[nodiscard]] std::size_t claim(const std::string& group, raft::GroupId id);

  const std::vector<Seams> seams_;
  const Options options_;
  const Backends backends_;
  const LogSink log_sink_;
  Watcher* const watcher_;
  Random random_;
  const std::uint64_t run_;  // tells this run of the process from all others
  std::size_t loading_ = 0;  // shards that are not loaded yet
  bool has_failed_ = false;
  std::vector<std::unique_ptr<Shard>> shards_;
  std::map<std::string, Place> places_;
  std::map<raft::GroupId, std::size_t> shards_by_id_;  // the same, by the ids
  std::map<std::uint64_t, std::unique_ptr<Inbound>> inbound_;  // by the order in which they came
  std::uint64_t last_inbound_ = 0;
  BulkRate bulk_rate_;
  struct {
    std::shared_ptr<const std::vector<node::Change>> changes;
    Piece bytes;
  } last_told_;  // one change often goes to many
  std::unique_ptr<node::Listener> listener_;
  std::unique_ptr<node::Listener> bulk_listener_;  // null: snapshots are fetched where all else is
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
