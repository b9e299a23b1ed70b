// SPDX-License-Identifier: Apache-2.0
//
// Fetches one snapshot from another member into a directory: asks for the newest there, or for the rest of one that was
// begun, writes each chunk as it comes, and in the end makes it whole under its name. A link that breaks, a refusal or
// silence only make it try again, a little later, with what is missing. Only the disk ends it, unless it has one try.
//
//   the disk: finding  --> waiting --> beginning --> fetching <--> finishing --> done
//             what was                 the directory             synced, and read once more
//             begun
//   the link: none <--> greeting --> asking --> offered: chunks may be asked for, a window of them
//
// On a shard's loop; the disk's work is on the strand, which belongs to the directory: of two fetchers after each other
// with the same strand, the second one's work begins when the first one's last work has ended (P87).
// Memory: no more is asked for than fits the window together with what was not written yet. RELIABILITY P63, P64.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/host/log_sink.h"
#include "zraft/host/strand.h"
#include "zraft/host/transfer_rate.h"
#include "zraft/net/wire.h"
#include "zraft/net/wire_bulk.h"
#include "zraft/node/network.h"
#include "zraft/storage/snapshot_store.h"

namespace zraft::host {

class SnapshotFetcher final : private node::LinkHandler {
 public:
  struct Seams {
    node::Loop& loop;
    node::Network& network;
    Strand& strand;  // of the directory
    storage::Files& files;
  };
  struct Settings {
    net::Hello hello;  // of this host
    std::size_t window = std::size_t{8} << 20;  // bytes asked for and not yet written; two chunks at least
    Duration pause_min = Duration::milliseconds(20);
    Duration pause_max = Duration::seconds(1);
    // Without a word from the other side. Longer each time that it was too short, up to the maximum: a sender may be
    // slow because its operator wants it so.
    Duration patience = Duration::seconds(1);
    Duration patience_max = Duration::seconds(60);
    bool tries_again = true;  // false: whatever goes wrong ends it, and is the error of `done`
  };
  struct Wanted {
    raft::GroupId group;
    raft::NodeId self;
    raft::NodeId from;    // the member that is asked
    std::string address;  // where
    std::string directory;
    std::string backend;
    raft::Term term_max{UINT64_MAX};  // one whose last entry is of a later term is not taken yet
  };
  struct Progress {
    raft::Position position;        // 0^0: not known yet
    std::uint64_t bytes = 0;        // that are on the disk
    std::uint64_t bytes_total = 0;
    std::uint64_t bytes_per_second = 0;
  };
  using Done = std::move_only_function<void(Result<storage::SnapshotManifest>)>;

  // `tell`: where it fetches, and what goes wrong, once as long as it is the same. `done` comes once, never from within
  // a call; it may destroy the fetcher. Destroying it before stops it, and what has come stays on the disk.
  // Errors of `done`: no_space, io; corrupt: what was written is read as something else, again and again; of one try
  // also what the other side did.
  SnapshotFetcher(Seams seams, Settings settings, Wanted wanted, Random random, LogSink tell, Done done);
  ~SnapshotFetcher() override;
  SnapshotFetcher(const SnapshotFetcher&) = delete;
  SnapshotFetcher& operator=(const SnapshotFetcher&) = delete;

  // That member has it now: goes on there if it has the same, else begins with what it has.
  void go_to(raft::NodeId from, const std::string& address, raft::Term term_max = {UINT64_MAX});

  [[nodiscard]] Progress progress() const;

 private:
  using Chunk = storage::IncomingSnapshot::Chunk;
  enum class DiskState : std::uint8_t { finding, waiting, beginning, fetching, finishing, done };
  enum class LinkState : std::uint8_t { none, greeting, asking, offered };
  struct Disk;  // what the works on the strand use, alive as long as one runs
  struct Arrived {
    Chunk chunk;
    SharedBytes body;
    BytesView data;  // in it
  };
  using Batch = std::vector<Arrived>;
  struct Written {
    std::size_t count = 0;  // of the batch
    Result<> how;           // of the one after them
  };

  void on_frame(node::FrameKind kind, const SharedBytes& body) override;
  void on_closed(const Error& why) override { retry(why); }
  [[nodiscard]] Result<> take(node::FrameKind kind, const SharedBytes& body);
  [[nodiscard]] Result<> greet(const SharedBytes& body);
  [[nodiscard]] Result<> take_offer(const net::SnapshotOffered& offered);
  [[nodiscard]] Result<> take_chunk(const net::SnapshotChunk& came, const SharedBytes& body);

  void connect();
  void drop_link();
  void retry(const Error& why);
  void watch_silence();
  void ask_for_more();
  [[nodiscard]] std::size_t length_of(Chunk chunk) const;

  void find();
  void begin(storage::SnapshotManifest manifest);
  void fetch(const std::vector<Chunk>& missing);
  void write_some();
  void on_written(const Written& written);
  void finish_if_whole();
  void on_finished(const Result<>& how, const std::vector<Chunk>& missing);
  void end(Result<storage::SnapshotManifest> result);
  void say(LogLevel level, const std::string& text);
  void say_where(const std::string& what);
  // Runs `work` on the strand, then `then` here, unless this fetcher is gone.
  template <class T>
  void on_disk(std::move_only_function<T(Disk&)> work, std::move_only_function<void(T)> then);

  const Seams seams_;
  const Settings settings_;
  Wanted wanted_;
  Random random_;
  const LogSink tell_;
  Done done_;

  LinkState link_state_ = LinkState::none;
  std::unique_ptr<node::Link> link_;  // null: none
  Duration pause_;                    // the next one is about that long
  Duration patience_;
  bool is_paused_ = false;
  node::TimerId retry_timer_;
  node::TimerId silence_timer_;
  Instant heard_at_;
  std::optional<std::string> told_;  // the failure that was last told of

  DiskState disk_state_ = DiskState::finding;
  std::shared_ptr<Disk> disk_;
  std::optional<raft::Position> begun_;              // of which a part was found
  std::vector<storage::SnapshotManifest> complete_;  // that were found
  std::optional<storage::SnapshotManifest> manifest_;
  std::uint64_t begins_ = 0;                // what was written for an earlier one does not count
  std::deque<Chunk> missing_;               // not asked for
  std::deque<Chunk> asked_;                 // over this link, in the order of the answers
  Batch arrived_;                           // not given to the disk
  std::shared_ptr<const Batch> writing_;    // null: nothing
  std::size_t held_ = 0;                    // bytes of asked, arrived and writing
  std::uint64_t bytes_ = 0;                 // that are on the disk
  int corrupt_ = 0;                         // times that finish() found something wrong
  TransferRate speed_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
