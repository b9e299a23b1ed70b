// SPDX-License-Identifier: Apache-2.0
//
// How a shard comes to life. The log is read away from the loop, which tells whoever asks meanwhile that it is loading;
// then the peers are started, some in each turn, so that the first ones serve while the last ones wait.
#include "zraft/host/shard.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/net/peer_mesh.h"

namespace zraft::host {
namespace {

constexpr const char* lock_path = "lock";
constexpr std::int64_t beats_per_timeout = 3;  // a host is lost when none came for an election timeout
constexpr std::size_t starts_at_once = 64;
constexpr Duration turn_away_pause = Duration::seconds(1);
constexpr std::size_t turned_away_max = 1'000;
constexpr Duration look_again = Duration::milliseconds(10);  // whether a peer that has ended is used no more

}  // namespace

Shard::Shard(Seams seams, Surroundings around, Random random, Told failed, TurnAway turn_away,
             TellWatch tell_watch)
    : seams_(seams),
      around_(around),
      options_(around.options),
      random_(random),
      failed_(std::move(failed)),
      turn_away_(std::move(turn_away)),
      tell_watch_(std::move(tell_watch)),
      scrub_rate_(seams.loop, std::max<std::uint64_t>(options_.scrub_rate / around.shards, 1)),
      relief_(seams.loop, [this](const PeerKey& peer, raft::Index to) {
        if (const auto found = peers_.find(peer); found != peers_.end()) found->second->node().free_log(to);
      }) {}

// Peers go before what they stand on.
Shard::~Shard() {
  seams_.loop.cancel(beat_timer_);
  peers_.clear();
}

Result<std::unique_ptr<Shard>> Shard::open(Seams seams, Surroundings around, Random random, Told failed,
                                           TurnAway turn_away, TellWatch tell_watch) {
  std::unique_ptr<Shard> shard(new Shard(seams, around, random, std::move(failed), std::move(turn_away),
                                         std::move(tell_watch)));
  if (Result<> locked = seams.files.lock(lock_path); !locked) return fail(locked);
  auto catalogue = read_catalogue(seams.files);
  if (!catalogue) return fail(catalogue);
  shard->catalogue_ = std::move(*catalogue);
  return shard;
}

storage::Wal::Options Shard::log_options() {
  storage::Wal::Options options;
  options.owner = options_.name;
  options.new_directory_id = random_.next();
  options.max_segment_size = options_.max_segment_size;
  options.bytes_wanted = options_.max_log_size / around_.shards;
  options.on_pinned = [this](const storage::Pinned& pinned) { on_pinned(pinned); };
  options.on_failed = [this](const Error& why) { on_failed(why); };
  options.tell = [this](const std::string& line) { say(LogLevel::warning, line); };
  return options;
}

void Shard::load(net::Hello hello, Loaded loaded) {
  hello_ = std::move(hello);
  loaded_ = std::move(loaded);
  auto contents = std::make_shared<Result<storage::Wal::Contents>>();
  const auto work = [&log_files = seams_.log_files, options = log_options(), contents]() mutable {
    *contents = storage::Wal::read(log_files, std::move(options));
  };
  seams_.worker.run(work, [this, life = lifetime_.watch(), contents] {
    if (life.is_over()) return;
    if (Result<> begun = begin(std::move(*contents)); !begun) end_loading(std::move(begun));
  });
}

Result<> Shard::begin(Result<storage::Wal::Contents> contents) {
  if (!contents) return fail(contents);
  storage::Wal::Opened log = storage::Wal::begin(seams_.loop, seams_.worker, seams_.log_files, std::move(*contents));
  wal_ = std::move(log.wal);
  for (const std::string& line : log.story) say(LogLevel::info, "log: " + line);

  const auto on_link = [this](const net::LinkEvent& event) {
    say(event.is_up ? LogLevel::info : LogLevel::warning,
        event.is_up ? "connected to " + event.address
                    : "not connected to " + event.address + ", trying again: " + event.why.text);
  };
  const auto on_turned_away = [this](const net::TurnedAwayEvent& event) {
    const auto found = peers_.find({event.group, event.from});
    if (found == peers_.end()) return;
    const CatalogueEntry& entry = found->second->entry();
    say(LogLevel::warning,
        "group " + entry.group + ": " + event.address + " turns " + entry.peer + " away: " + event.why);
  };
  mesh_ = std::make_unique<net::PeerMesh>(seams_.loop, seams_.network,
                                          net::MeshSettings{.name = options_.name,
                                                            .address = hello_.address,
                                                            .bulk_address = hello_.bulk_address,
                                                            .queue_bytes_max = options_.link_queue_bytes_max,
                                                            .run = around_.run,
                                                            .lost_after = options_.election_timeout},
                                          random_.fork(), on_link, on_turned_away);
  beat();
  return run_catalogue(std::move(log.groups));
}

Result<> Shard::run_catalogue(std::map<raft::GroupId, raft::Recovered> logs) {
  for (const CatalogueEntry& entry : catalogue_) {
    const auto found = logs.find(entry.log);
    if (found == logs.end()) {
      return fail(Code::corrupt, "the log does not hold the group " + entry.group +
                                     ", which the catalogue names: log_dir is not the one this data belongs to, or it "
                                     "has lost its newest part. Nothing was changed");
    }
    if (Result<> good = check(entry, found->second); !good) return good;
  }
  for (const CatalogueEntry& entry : catalogue_) {
    raft::Recovered recovered = std::move(logs.extract(entry.log).mapped());
    if (!entry.is_removed) to_start_.push_back({entry, std::move(recovered)});
  }
  // What is left is of creations that did not finish, or that were undone.
  for (const auto& [log, recovered] : logs) wal_->end_group(log, [](const Result<>&) {});
  std::ranges::reverse(to_start_);
  clear_up();
  return {};
}

// Not before it is known that the catalogue and the log belong together, and before anything new can come.
void Shard::clear_up() {
  auto removed = std::make_shared<Result<>>();
  const PeerFiles files{.data = seams_.files, .snapshots = seams_.snapshot_files};
  seams_.worker.run([files, catalogue = catalogue_, removed] { *removed = remove_left_over(files, catalogue); },
                    [this, life = lifetime_.watch(), removed] {
                      if (life.is_over()) return;
                      if (!*removed) return end_loading(*removed);
                      prepare_some();
                    });
}

// Some at a time: a state machine may have much to read.
void Shard::prepare_some() {
  while (starting_ < starts_at_once && !to_start_.empty()) {
    Waiting next = std::move(to_start_.back());
    to_start_.pop_back();
    ++starting_;
    prepare(next.entry, std::move(next.recovered), [this, entry = next.entry](Result<PreparedPeer> prepared) {
      --starting_;
      if (loaded_ == nullptr) return;
      if (!prepared) return end_loading(fail(prepared));
      run_peer(entry, std::move(*prepared));
      prepare_some();
    });
  }
  if (starting_ == 0 && loaded_ != nullptr) end_loading({});
}

void Shard::prepare(const CatalogueEntry& entry, raft::Recovered recovered, Prepared then) {
  auto prepared = std::make_shared<std::optional<Result<PreparedPeer>>>();
  const PeerFiles files{.data = seams_.files, .snapshots = seams_.snapshot_files};
  seams_.worker.run(
      [files, entry, &factory = around_.backends.at(entry.backend), recovered = std::move(recovered),
       prepared]() mutable { prepared->emplace(prepare_peer(files, entry, factory, std::move(recovered))); },
      [life = lifetime_.watch(), prepared, then = std::move(then)]() mutable {
        if (!life.is_over()) then(std::move(**prepared));
      });
}

void Shard::end_loading(Result<> how) {
  if (how) is_loading_ = false;
  to_start_.clear();
  std::exchange(loaded_, nullptr)(std::move(how));
}

// The log knows records, not memberships: whether they make sense together is for the host to say.
Result<> Shard::check(const CatalogueEntry& entry, const raft::Recovered& recovered) const {
  if (!around_.backends.contains(entry.backend)) {
    return fail(Code::unsupported, "the group " + entry.group + " needs the backend " + entry.backend +
                                       ", which this program does not have");
  }
  // A peer that was started to join has nothing at first.
  if (recovered.entries.empty() && recovered.base.last == raft::Position{}) return {};
  raft::Membership newest = recovered.base.membership;
  for (const raft::Record& record : recovered.entries) {
    if (record.group() != entry.group_id) {
      return fail(Code::corrupt, "the log of the group " + entry.group + " holds entries of another group");
    }
    if (record.type() != raft::EntryType::membership) continue;
    auto membership = raft::decode_membership(record.payload());
    if (!membership) return fail(Code::corrupt, "group " + entry.group + ": " + membership.error().text);
    newest = std::move(*membership);
  }
  if (Result<> good = newest.valid(); !good) {
    return fail(Code::corrupt, "the log of the group " + entry.group + " names no members: " + good.error().text);
  }
  return {};
}

void Shard::say(LogLevel level, const std::string& text) const {
  if (around_.log_sink) around_.log_sink(level, text);
}

// --- what comes from other hosts ---

// One word to each other host in the name of all groups; who is told of a change is woken.
void Shard::beat() {
  for (const PeerKey& key : mesh_->beat()) {
    if (const auto found = peers_.find(key); found != peers_.end()) found->second->node().wake();
  }
  beat_timer_ = seams_.loop.wake_at(seams_.loop.now() + options_.election_timeout / beats_per_timeout,
                                    [this] { beat(); });
}

void Shard::on_pinned(const storage::Pinned& pinned) {
  std::map<raft::GroupId, PeerKey> by_log;
  for (const CatalogueEntry& entry : catalogue_) by_log.emplace(entry.log, PeerKey{entry.group_id, entry.self});
  Queue<std::pair<PeerKey, raft::Index>> wanted;
  for (const auto& [log, to] : pinned) {
    if (const auto peer = by_log.find(log); peer != by_log.end()) wanted.push_back({peer->second, to});
  }
  relief_.set(std::move(wanted));
}

void Shard::heard_beat(const net::Beat& beat) {
  if (mesh_ != nullptr) mesh_->heard_beat(beat);
}

void Shard::receive(net::PeerFrame frame, std::uint64_t link, const Sender& sender) {
  const auto found = peers_.find({frame.group, frame.message.to});
  if (found == peers_.end()) return turn_away(frame, link);
  mesh_->heard_from(frame.group, frame.message.to, frame.message.from, sender.address);
  hand_over(*found->second, std::move(frame.message), sender);
}

// Where an offer comes from, that snapshot is fetched.
void Shard::hand_over(Group& peer, raft::Message message, const Sender& sender) {
  if (std::holds_alternative<raft::OfferSnapshot>(message.body)) {
    const std::string& address = sender.bulk_address.empty() ? sender.address : sender.bulk_address;
    if (!address.empty()) peer.snapshots().learn(message.from, address);
  }
  peer.node().receive(std::move(message));
}

// A member that is just being started, or loaded, is only late. Of what is said of a foreign one, little: it may be
// many, and is for people.
void Shard::turn_away(const net::PeerFrame& frame, std::uint64_t link) {
  if (is_loading_) return;
  const Instant now = seams_.loop.now();
  const auto key = std::tuple(frame.group, frame.message.from, frame.message.to);
  if (turned_away_.size() >= turned_away_max) {
    std::erase_if(turned_away_, [now](const auto& one) { return turn_away_pause < now - one.second; });
    if (turned_away_.size() >= turned_away_max) return;
  }
  const auto [last, is_new] = turned_away_.try_emplace(key, now);
  if (!is_new && now - last->second < turn_away_pause) return;
  last->second = now;
  const auto is_it = [&frame](const CatalogueEntry& entry) {
    return entry.group_id == frame.group && entry.self == frame.message.to;
  };
  std::string why = "host " + options_.name + " has no such member of a group of that id: it never had, or it was " +
                    "destroyed there";
  if (const auto entry = std::ranges::find_if(catalogue_, is_it); entry != catalogue_.end()) {
    if (!entry->is_removed) return;
    why = entry->peer + " was removed from the group " + entry->group;
  } else if (std::ranges::any_of(creating_.starting, is_it)) {
    return;
  }
  turn_away_(link, {.group = frame.group, .from = frame.message.from, .to = frame.message.to, .why = std::move(why)});
}

// --- peers ---

node::Node::Options Shard::node_options(const CatalogueEntry& entry) const {
  node::Node::Options options;
  options.sync_mode = options_.sync_mode;
  options.core.group = entry.group_id;
  options.core.self = entry.self;
  options.core.election_timeout = options_.election_timeout;
  options.core.heartbeat_interval = options_.heartbeat_interval;
  options.core.command_bytes_max = options_.command_bytes_max;
  options.core.uncommitted_bytes_max = options_.uncommitted_bytes_max;
  options.core.log_bytes_max = options_.log_bytes_max;
  options.core.log_bytes_retained = options_.log_bytes_retained;
  options.snapshots = options_.snapshots;
  options.core.replication = options_.replication;
  options.core.quiesce_after = std::max(options_.quiesce_after, Duration{});
  // Members of one group must not draw the same timeouts, whatever seeds their hosts were given.
  options.core.seed = options_.seed;
  for (const std::uint64_t mixed_in : {entry.self.value, entry.group_id.value}) {
    options.core.seed = Random(Random(options.core.seed).next() + mixed_in).next();
  }
  options.core.lease_reads = options_.lease_reads;
  options.core.check_laws = options_.check_laws;
  return options;
}

std::unique_ptr<PeerSnapshots> Shard::snapshots_of(const CatalogueEntry& entry, PeerSnapshots::Found found) {
  const auto tell = [this, who = "group " + entry.group + ": " + entry.peer + ": "](LogLevel level,
                                                                                    std::string_view line) {
    say(level, who + std::string(line));
  };
  return std::make_unique<PeerSnapshots>(
      PeerSnapshots::Seams{.loop = seams_.loop,
                           .network = seams_.network,
                           .worker = seams_.snapshot_worker,
                           .files = seams_.snapshot_files,
                           .scrub_rate = options_.scrub_rate == 0 ? nullptr : &scrub_rate_},
      PeerSnapshots::Settings{.hello = &hello_,
                              .backups = options_.snapshot_backups,
                              .backup_age = options_.snapshot_backup_age,
                              .patience = options_.election_timeout * 3},
      PeerSnapshots::Peer{.group = entry.group_id,
                          .self = entry.self,
                          .backend = entry.backend,
                          .directory = snapshot_directory_of(entry.log)},
      std::move(found), random_.fork(), tell);
}

void Shard::open_snapshot(const net::FetchSnapshot& asked, SnapshotSender::Found found) {
  const auto peer = peers_.find({asked.group, asked.from});
  if (peer != peers_.end()) return peer->second->snapshots().open(asked.partial, std::move(found));
  if (is_loading_) return found(fail(Code::loading, "host " + options_.name + " is just opening its groups"));
  found(fail(Code::not_found, "host " + options_.name + " has no such member of a group of that id"));
}

void Shard::run_peer(const CatalogueEntry& entry, PreparedPeer prepared) {
  const PeerKey key{entry.group_id, entry.self};
  for (const std::string& line : prepared.story) {
    say(LogLevel::warning, "group " + entry.group + ": " + entry.peer + ": " + line);
  }
  const auto deliver = [this, key](raft::Message message) {
    const auto found = peers_.find(key);
    if (found == peers_.end()) return;
    hand_over(*found->second, std::move(message), {.address = hello_.address, .bulk_address = hello_.bulk_address});
  };
  Group::Parts parts{.machine = std::move(prepared.machine),
                     .snapshots = snapshots_of(entry, {std::move(prepared.snapshots), std::move(prepared.damaged)}),
                     .transport = mesh_->transport_for(entry.group_id, entry.self, deliver),
                     .log = wal_->log_of(entry.log)};
  Group::Callbacks callbacks{.log_sink = around_.log_sink,
                             .watcher = around_.watcher,
                             .removed = [this, key] { retire(key); },
                             .watch_told = tell_watch_};
  const auto [peer, is_new] =
      peers_.emplace(key, std::make_unique<Group>(entry, std::move(parts), seams_.loop, seams_.worker,
                                                  node_options(entry), std::move(prepared.recovered),
                                                  std::move(callbacks), options_.watch_history_bytes));
  CHECK(is_new, "a peer runs once");
  by_name_[entry.group].push_back(peer->second.get());
}

// None is running there: what is left of one that ran, if there is something.
Shard::EndedPeer Shard::end_peer(PeerKey key) {
  const auto found = peers_.find(key);
  if (found == peers_.end()) {
    auto retired = retired_.extract(key);
    return retired.empty() ? EndedPeer{} : std::move(retired.mapped());
  }
  EndedPeer ended{.machine = found->second->shared_machine(), .strand = found->second->snapshots().strand()};
  const auto named = by_name_.find(found->second->entry().group);
  std::erase(named->second, found->second.get());
  if (named->second.empty()) by_name_.erase(named);
  // A machine may have much to close: not here.
  seams_.worker.run([machine = found->second->shared_machine()]() mutable { machine.reset(); }, [] {});
  peers_.erase(found);
  return ended;
}

// When nothing uses them any more: no job of the machine, and none of the snapshots. What cannot be removed is removed
// at the next start.
void Shard::remove_files(const CatalogueEntry& entry, EndedPeer ended) {
  if (!ended.machine.expired()) {
    seams_.loop.wake_at(seams_.loop.now() + look_again,
                        [this, life = lifetime_.watch(), entry, ended = std::move(ended)]() mutable {
                          if (!life.is_over()) remove_files(entry, std::move(ended));
                        });
    return;
  }
  const PeerFiles files{.data = seams_.files, .snapshots = seams_.snapshot_files};
  auto work = [files, entry] { remove_peer(files, entry); };
  if (ended.strand == nullptr) return seams_.worker.run(std::move(work), [] {});
  Strand& strand = *ended.strand;
  strand.run(std::move(work), [kept = std::move(ended.strand)] {});
}

// A state machine that threw, or whose own disk failed, ends its own group; a log that failed ends all of them.
void Shard::on_failed(const Error& why) {
  if (std::exchange(has_failed_, true)) return;
  failed_(why);
}

}  // namespace zraft::host
