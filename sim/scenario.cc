// SPDX-License-Identifier: Apache-2.0
//
// See scenario.h. Each part has a generator of its own, so that a new draw in one leaves the others as they are.
#include "sim/scenario.h"

#include <algorithm>

#include "sim/draw.h"

namespace zraft::sim {

namespace {

constexpr std::uint64_t percent = 10'000;  // in parts per million

class Dice {
 public:
  explicit Dice(Random random) : random_(random) {}
  bool even() { return random_.chance(50 * percent); }
  bool one_in(std::uint64_t n) { return random_.below(n) == 0; }
  std::uint64_t up_to(std::uint64_t n) { return random_.below(n + 1); }
  std::int64_t between(std::int64_t low, std::int64_t high) { return random_.between(low, high); }
  Duration ms(std::int64_t low, std::int64_t high) { return Duration::milliseconds(random_.between(low, high)); }
  // Even over the orders of magnitude: most draws are small.
  Duration us_by_magnitude(std::int64_t low, std::int64_t high) {
    std::int64_t top = low;
    while (top < high && even()) top *= 2;
    const std::int64_t bound = top < high ? top : high;
    return Duration::microseconds(random_.between(low, bound));
  }
  Random& random() { return random_; }

 private:
  Random random_;
};

void draw_cluster(Dice dice, Scenario& s) {
  constexpr std::size_t sizes[] = {1, 3, 3, 3, 3, 3, 5, 5, 5, 7};
  s.members = sizes[dice.up_to(9)];
  s.groups = dice.one_in(4) ? 2 : 1;
  s.clients = dice.up_to(5) + 1;
  host::Options& host = s.host.host;
  host.election_timeout = dice.ms(100, 600);
  const std::int64_t beats = dice.between(3, 10);
  host.heartbeat_interval = host.election_timeout / beats;
  host.max_segment_size = (std::size_t{64} << 10) << dice.up_to(3);
  if (dice.even()) host.uncommitted_bytes_max = (std::size_t{1} << 10) << dice.up_to(8);
  if (dice.even()) {
    host.replication.append_bytes_max = (std::size_t{1} << 8) << dice.up_to(10);
    host.replication.inflight_messages_max = dice.up_to(15) + 1;
    host.replication.inflight_bytes_max = (std::size_t{1} << 10) << dice.up_to(10);
  }
  if (dice.one_in(3)) host.requests_per_link_max = dice.up_to(3) + 1;
  host.lease_reads = dice.one_in(3);
  s.host.worker_delay = dice.us_by_magnitude(100, 50'000);
  if (dice.even()) s.host.drift_ppm_max = dice.between(1, 500);
  s.safety_phase = Duration::milliseconds(dice.between(4'000, 20'000));
}

void draw_network(Dice dice, Scenario& s) {
  NetworkSettings& net = s.network;
  net.delay_min = dice.us_by_magnitude(20, 10'000);
  net.delay_mean = dice.us_by_magnitude(50, 30'000);
  net.give_up_after = dice.ms(500, 10'000);
  net.kernel_buffer = (std::size_t{4} << 10) << dice.up_to(6);
  if (dice.even()) {
    net.tail_ppm = dice.up_to(3 * percent);
    net.tail_factor = dice.between(10, 100);
  }
  if (dice.one_in(3)) net.ns_per_byte = dice.between(10, 2'000);
  net.peer_frames_in_order = dice.one_in(4);
  const std::uint64_t worst = dice.one_in(3) ? 30 * percent : 3 * percent;
  if (dice.even()) net.loss_ppm = dice.up_to(worst);
  if (dice.even()) net.duplicate_ppm = dice.up_to(worst);
  if (dice.even()) net.late_ppm = dice.up_to(worst);
  net.late_max = s.host.host.election_timeout * dice.between(1, 100);
  if (dice.even()) net.replay_ppm = dice.up_to(2 * percent);
  if (dice.even()) net.corrupt_ppm = dice.up_to(500);
  if (dice.even()) net.reset_ppm = dice.up_to(1'000);
  if (dice.even()) net.half_open_ppm = dice.up_to(50 * percent);
  if (dice.even()) net.refuse_ppm = dice.up_to(20 * percent);
}

void draw_disk(Dice dice, Scenario& s) {
  DiskSettings& disk = s.host.disk;
  disk.latency_mean = dice.us_by_magnitude(50, 50'000);
  if (dice.even()) {
    disk.stall_ppm = dice.up_to(percent / 2);
    disk.stall_max = s.host.host.election_timeout * dice.between(1, 10);
  }
  disk.keep_ppm = dice.up_to(100 * percent);
  disk.zero_ppm = dice.even() ? dice.up_to(100 * percent) : 0;
  disk.is_journaled = dice.even();
  if (dice.one_in(8)) disk.fail_write_ppm = dice.up_to(1'000);
  if (dice.one_in(8)) disk.fail_sync_ppm = dice.up_to(1'000);
}

void draw_faults(Dice dice, Scenario& s) {
  FaultPlan& faults = s.faults;
  const Duration timeout = s.host.host.election_timeout;
  const bool has_partitions = dice.even();
  faults.partition_length = dice.one_in(3) ? dice.ms(10, 300) : dice.ms(200, 5'000);
  if (has_partitions) faults.partition_every = dice.one_in(3) ? dice.ms(50, 500) : dice.ms(500, 6'000);
  for (const Shape shape : all_shapes) {
    if (dice.even()) faults.shapes.push_back(shape);
  }
  if (faults.shapes.empty()) faults.shapes.push_back(Shape::isolate_leader);
  if (dice.even()) faults.cut_clients_ppm = 50 * percent;

  const bool has_crashes = dice.even();
  if (has_crashes) faults.crash_every = dice.ms(200, 8'000);
  faults.restart_after = dice.us_by_magnitude(10'000, 10'000'000);
  faults.power_ppm = dice.even() ? dice.up_to(100 * percent) : 0;
  faults.fuse_ppm = dice.even() ? 30 * percent : 0;
  faults.all_down_ppm = dice.one_in(4) ? 10 * percent : 0;
  if (has_crashes && dice.one_in(3)) faults.new_term_ppm = dice.up_to(30 * percent);

  const bool has_pauses = dice.even();
  if (has_pauses) faults.pause_every = dice.ms(300, 6'000);
  faults.pause_max = timeout * dice.between(1, 20);

  const bool has_resets = dice.even();
  if (has_resets) faults.reset_every = dice.ms(100, 4'000);

  const bool has_slow_disks = dice.even();
  if (has_slow_disks) faults.slow_disk_every = dice.ms(1'000, 10'000);
  faults.slow_disk_length = dice.ms(200, 5'000);
  faults.slow_disk_factor = dice.between(5, 100);
}

void draw_clients(Dice dice, Scenario& s) {
  KvClientOptions& client = s.client;
  client.timeout = s.host.host.election_timeout * dice.between(1, 6);
  client.think_mean = dice.us_by_magnitude(500, 200'000);
  const std::uint64_t keys = dice.up_to(4) + 1;
  for (std::uint64_t i = 0; i < keys; ++i) client.keys.push_back(Bytes("k") + std::to_string(i));
  // A value that can never be taken in would keep its client waiting for ever.
  client.value_bytes_max = std::min<std::size_t>(dice.one_in(4) ? 8'000 : 100, s.host.host.uncommitted_bytes_max / 4);
  client.put_ppm = dice.up_to(60 * percent);
  client.remove_ppm = dice.up_to(10 * percent);
  client.compare_ppm = dice.up_to(25 * percent);
  client.abandon_ppm = dice.even() ? dice.up_to(2 * percent) : 0;
  client.cancel_ppm = dice.one_in(3) ? dice.up_to(20 * percent) : 0;
  s.has_readers = dice.even();
  if (dice.even()) client.reads.push_back(net::Consistency::follower);
  if (s.host.host.lease_reads) client.reads.push_back(net::Consistency::lease);
}

void draw_creation(Dice dice, Scenario& s) {
  s.creation_patience = dice.ms(50, 5'000);
  if (dice.one_in(3)) s.creation_at = dice.ms(10, 3'000);
}

void draw_quiescence(Dice dice, Scenario& s) {
  host::Options& host = s.host.host;
  host.quiesce_after = dice.one_in(3) ? Duration{-1} : host.heartbeat_interval * dice.between(1, 20);
}

void draw_shards(Dice dice, Scenario& s) {
  s.host.shards = dice.even() ? 1 : dice.up_to(2) + 1;
  s.has_uneven_shards = dice.one_in(4);
}

// Most runs have many snapshots, some few, and some none.
void draw_snapshots(Dice dice, Scenario& s) {
  host::Options& host = s.host.host;
  host.snapshots.entries = dice.one_in(4) ? 0 : dice.up_to(dice.even() ? 20 : 300) + 2;
  host.snapshots.bytes = dice.one_in(4) ? (std::uint64_t{1} << 10) << dice.up_to(8) : 0;
  host.snapshots.retry_min = dice.ms(10, 500);
  host.snapshots.retry_max = host.snapshots.retry_min * 8;
  host.max_log_size = dice.even() ? 0 : 1;  // two segments
  host.log_bytes_retained = dice.even() ? 0 : dice.up_to(16 << 10);
  host.snapshot_backups = dice.one_in(3) ? dice.up_to(3) : 0;
  // With less, many members that fetch at once from one host take longer than is waited for in the end.
  host.snapshot_rate = dice.one_in(4) ? (std::uint64_t{16} << 10) << dice.up_to(6) : 0;
  s.has_bulk_listeners = dice.one_in(4);
  if (dice.one_in(4)) s.faults.full_disk_every = dice.ms(500, 5'000);
  s.faults.full_disk_length = dice.ms(50, 3'000);
}

void draw_churn(Dice dice, Scenario& s) {
  constexpr std::size_t sizes[] = {1, 2, 3, 3, 3, 3, 4, 5};
  s.members = sizes[dice.up_to(7)];
  s.spares = dice.up_to(2) + 1;
  s.creation_at.reset();
  // What is asked for over few requests at a time would wait for the clients' for ever.
  s.host.host.requests_per_link_max = host::Options{}.requests_per_link_max;
  // And a newcomer that is sent an entry a round trip would never be as fast as clients beside a leader of one.
  raft::ReplicationLimits& limits = s.host.host.replication;
  limits.append_bytes_max = std::max(limits.append_bytes_max, std::size_t{4} << 10);
  limits.inflight_bytes_max = std::max(limits.inflight_bytes_max, std::size_t{16} << 10);
  s.churn.change_every = dice.ms(100, 2'000);
  s.churn.patience = dice.ms(500, 5'000);
  if (dice.one_in(3)) s.churn.wipe_every = dice.ms(500, 4'000);
}

// Sessions that are shorter than the cluster takes to elect a leader a few times end all the while.
void draw_sessions(Dice dice, Scenario& s) {
  constexpr std::uint64_t permille = 1'000;
  s.clients = dice.up_to(2);
  s.sessions.clients = dice.up_to(4) + 1;
  SessionClientOptions& client = s.sessions.client;
  client.session_min = dice.ms(200, 2'000);
  client.session_max = client.session_min + dice.ms(0, 3'000);
  client.timeout = s.client.timeout;
  client.think_mean = s.client.think_mean;
  client.keys = s.client.keys;
  client.value_bytes_max = s.client.value_bytes_max;
  client.writes_max = dice.up_to(5) + 1;
  client.read_ppm = dice.up_to(40 * percent);
  client.close_ppm = dice.even() ? dice.up_to(10 * permille) : 0;
  client.crash_ppm = dice.even() ? dice.up_to(10 * permille) : 0;
  client.pause_ppm = dice.even() ? dice.up_to(10 * permille) : 0;
  client.idle_ppm = dice.even() ? dice.up_to(30 * permille) : 0;
  client.ephemeral_ppm = dice.up_to(60 * percent);
  client.cancel_ppm = s.client.cancel_ppm;
  s.sessions.watchers = dice.up_to(3);
  WatchClientOptions& watcher = s.sessions.watcher;
  watcher.timeout = s.client.timeout;
  watcher.think_mean = dice.ms(5, 300);
  watcher.keys = s.client.keys;
  watcher.watches_max = dice.up_to(5) + 1;
  watcher.session_timeout = dice.ms(200, 3'000);
  watcher.cancel_ppm = dice.up_to(5 * percent);
  watcher.crash_ppm = dice.even() ? dice.up_to(20 * permille) : 0;
  // Who lives writes, to the end. A log that waits for its next segment as long as an election takes is not well.
  s.host.worker_delay = std::min(s.host.worker_delay, s.host.host.election_timeout / 20);
}

std::string shown(Duration d) {
  return d.ns >= 10'000'000 ? std::to_string(d.to_milliseconds()) + "ms" : std::to_string(d.to_microseconds()) + "us";
}

}  // namespace

Scenario draw_scenario(std::uint64_t seed) {
  Random random(seed);
  Scenario s;
  s.seed = seed;
  draw_cluster(Dice(random.fork()), s);
  draw_network(Dice(random.fork()), s);
  draw_disk(Dice(random.fork()), s);
  draw_faults(Dice(random.fork()), s);
  draw_clients(Dice(random.fork()), s);
  draw_creation(Dice(random.fork()), s);
  draw_quiescence(Dice(random.fork()), s);
  draw_shards(Dice(random.fork()), s);
  draw_snapshots(Dice(random.fork()), s);
  s.host.is_timely = s.faults.pause_every == Duration{};
  return s;
}

Scenario draw_membership_scenario(std::uint64_t seed) {
  Scenario s = draw_scenario(seed);
  draw_churn(Dice(Random(~seed)), s);
  return s;
}

Scenario draw_session_scenario(std::uint64_t seed) {
  Scenario s = draw_scenario(seed);
  draw_sessions(Dice(Random(~seed ^ 0x5e55)), s);
  return s;
}

std::string describe(const Scenario& s) {
  std::string text = std::to_string(s.members) + " members, " +
                     (s.spares == 0 ? "" : std::to_string(s.spares) + " spare hosts, ") + std::to_string(s.groups) +
                     " groups, " + std::to_string(s.clients) + " clients, election " +
                     shown(s.host.host.election_timeout) + ", delay " + shown(s.network.delay_mean) + ", disk " +
                     shown(s.host.disk.latency_mean);
  if (s.sessions.clients > 0) {
    text += ", " + std::to_string(s.sessions.clients) + " clients with sessions of " +
            shown(s.sessions.client.session_min) + " to " + shown(s.sessions.client.session_max) + ", " +
            std::to_string(s.sessions.watchers) + " watchers";
  }
  if (s.host.shards > 1 || s.has_uneven_shards) {
    text += ", " + std::to_string(s.host.shards) + (s.has_uneven_shards ? " or one more shards" : " shards");
  }
  const node::SnapshotRules& snapshots = s.host.host.snapshots;
  if (snapshots.entries > 0) text += ", snapshots every " + std::to_string(snapshots.entries) + " entries";
  if (snapshots.bytes > 0) text += ", snapshots every " + std::to_string(snapshots.bytes) + " bytes";
  const auto add = [&](const char* what, Duration every) {
    if (every > Duration{}) text += std::string(", ") + what + " every " + shown(every);
  };
  add("partitions", s.faults.partition_every);
  add("crashes", s.faults.crash_every);
  add("pauses", s.faults.pause_every);
  add("resets", s.faults.reset_every);
  add("slow disks", s.faults.slow_disk_every);
  add("full disks", s.faults.full_disk_every);
  add("changes of members", s.churn.change_every);
  add("lost disks", s.churn.wipe_every);
  return text;
}

}  // namespace zraft::sim
