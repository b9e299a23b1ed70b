// SPDX-License-Identifier: Apache-2.0
//
// Opening a host, and what goes in and out: links, and frames on their way to the peers. Nothing listens before every
// peer of the catalogue is there, so that no message of a group is answered with "unknown" while it is opened.
#include "zraft/host/host.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/host/inbound.h"
#include "zraft/net/address.h"
#include "zraft/net/peer_mesh.h"
#include "zraft/storage/wal.h"

namespace zraft::host {
namespace {

constexpr const char* lock_path = "lock";
constexpr std::size_t name_bytes_max = 64;

bool is_name(std::string_view text) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !text.empty() && text.size() <= name_bytes_max && std::all_of(text.begin(), text.end(), is_allowed);
}

Options with_defaults(Options options) {
  if (options.heartbeat_interval.ns == 0) options.heartbeat_interval = options.election_timeout / 5;
  if (options.request_timeout.ns == 0) options.request_timeout = options.election_timeout * 2;
  return options;
}

}  // namespace

std::vector<Error> problems_of(const Options& options) {
  std::vector<Error> problems;
  const auto expect = [&problems](bool holds, const std::string& text) {
    if (!holds) problems.push_back({Code::bad_request, text});
  };
  expect(is_name(options.name),
         "name is \"" + options.name + "\": it must be 1 to 64 of the characters a-z A-Z 0-9 . _ -");
  const auto address = net::parse_address(options.listen);
  if (!address) expect(false, "listen: " + address.error().text);
  expect(options.election_timeout >= Duration::milliseconds(10),
         "election_timeout is less than 10 ms: give at least ten times what a message takes");
  expect(options.heartbeat_interval * 2 <= options.election_timeout,
         "heartbeat_interval is more than half of election_timeout: make it a fifth");
  expect(options.command_bytes_max > 0 && options.command_bytes_max <= raft::record_payload_max,
         "command_bytes_max is " + std::to_string(options.command_bytes_max) + ": it must be 1 to " +
             std::to_string(raft::record_payload_max));
  return problems;
}

Host::Host(Seams seams, Options options, Backends backends, LogSink log_sink, Watcher* watcher)
    : seams_(seams),
      options_(with_defaults(std::move(options))),
      backends_(std::move(backends)),
      log_sink_(std::move(log_sink)),
      watcher_(watcher),
      random_(options_.seed) {}

// Peers go before what they stand on.
Host::~Host() {
  listener_.reset();
  inbound_.clear();
  peers_.clear();
}

Result<std::unique_ptr<Host>> Host::open(Seams seams, Options options, Backends backends, LogSink log_sink,
                                         Watcher* watcher) {
  std::unique_ptr<Host> host(
      new Host(seams, std::move(options), std::move(backends), std::move(log_sink), watcher));
  if (Result<> started = host->start(); !started) return fail(started);
  return host;
}

Result<> Host::start() {
  const std::vector<Error> problems = problems_of(options_);
  if (!problems.empty()) return std::unexpected(problems.front());
  if (Result<> locked = seams_.files.lock(lock_path); !locked) return locked;
  auto catalogue = read_catalogue(seams_.files);
  if (!catalogue) return fail(catalogue);
  catalogue_ = std::move(*catalogue);

  storage::Wal::Options log_options;
  log_options.owner = options_.name;
  log_options.new_directory_id = random_.next();
  log_options.max_segment_size = options_.max_segment_size;
  log_options.tell = [this](const std::string& line) { say(LogLevel::warning, line); };
  auto log = storage::Wal::open(seams_.loop, seams_.worker, seams_.log_files, std::move(log_options));
  if (!log) return fail(log);
  wal_ = std::move(log->wal);
  for (const std::string& line : log->story) say(LogLevel::info, "log: " + line);

  const auto on_link = [this](const net::LinkEvent& event) {
    say(event.is_up ? LogLevel::info : LogLevel::warning,
        event.is_up ? "connected to " + event.address
                    : "not connected to " + event.address + ", trying again: " + event.why.text);
  };
  mesh_ = std::make_unique<net::PeerMesh>(
      seams_.loop, seams_.network,
      net::MeshSettings{.name = options_.name,
                        .address = [this] { return told_address(); },
                        .queue_bytes_max = options_.link_queue_bytes_max}, random_.fork(),
      on_link);
  if (Result<> running = run_catalogue(std::move(log->groups)); !running) return running;

  auto listener = seams_.network.listen(options_.listen, [this](std::unique_ptr<node::Link> link) {
    accept(std::move(link));
  });
  if (!listener) return fail(listener);
  listener_ = std::move(*listener);
  say(LogLevel::info, options_.name + " listens at " + address() + ", with " + std::to_string(peers_.size()) +
                          (peers_.size() == 1 ? " peer" : " peers"));
  return {};
}

Result<> Host::run_catalogue(std::map<raft::GroupId, raft::Recovered> logs) {
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
    if (!entry.is_removed) run_peer(entry, std::move(recovered));
  }
  // What is left is of creations that did not finish, or that were undone.
  for (const auto& [log, recovered] : logs) wal_->end_group(log, [](const Result<>&) {});
  return {};
}

// The log knows records, not memberships: whether they make sense together is for the host to say.
Result<> Host::check(const CatalogueEntry& entry, const raft::Recovered& recovered) const {
  if (!backends_.contains(entry.backend)) {
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

std::string Host::address() const { return listener_ == nullptr ? options_.listen : listener_->address(); }

// Port 0 is not yet a port that anybody can reach.
std::string Host::told_address() const {
  const std::string here = address();
  const auto parsed = net::parse_address(here);
  return parsed && parsed->port != 0 ? here : std::string();
}

void Host::say(LogLevel level, const std::string& text) const {
  if (log_sink_) log_sink_(level, text);
}

// --- links ---

void Host::accept(std::unique_ptr<node::Link> link) {
  const std::uint64_t id = ++last_inbound_;
  inbound_.emplace(id, std::make_unique<Inbound>(*this, id, std::move(link)));
}

// Later, because the link may be the one that is speaking.
void Host::drop(std::uint64_t inbound) {
  seams_.loop.post([this, inbound, life = lifetime_.watch()] {
    if (!life.is_over()) inbound_.erase(inbound);
  });
}

void Host::route(const net::PeerFrame& frame, const std::string& sender) {
  const auto found = peers_.find({frame.group, frame.message.to});
  if (found == peers_.end()) return;
  mesh_->heard_from(frame.group, frame.message.to, frame.message.from, sender);
  found->second->node().receive(frame.message);
}

// --- peers ---

node::Node::Options Host::node_options(const CatalogueEntry& entry) const {
  node::Node::Options options;
  options.sync_mode = options_.sync_mode;
  options.core.group = entry.group_id;
  options.core.self = entry.self;
  options.core.election_timeout = options_.election_timeout;
  options.core.heartbeat_interval = options_.heartbeat_interval;
  options.core.command_bytes_max = options_.command_bytes_max;
  options.core.uncommitted_bytes_max = options_.uncommitted_bytes_max;
  options.core.log_bytes_max = options_.log_bytes_max;
  options.core.replication = options_.replication;
  // Members of one group must not draw the same timeouts, whatever seed their hosts were given.
  options.core.seed = Random(options_.seed ^ entry.self.value ^ entry.group_id.value).next();
  options.core.lease_reads = options_.lease_reads;
  options.core.check_laws = options_.check_laws;
  return options;
}

void Host::run_peer(const CatalogueEntry& entry, raft::Recovered recovered) {
  const PeerKey key{entry.group_id, entry.self};
  const auto deliver = [this, key](raft::Message message) {
    if (const auto found = peers_.find(key); found != peers_.end()) found->second->node().receive(std::move(message));
  };
  Group::Parts parts{.machine = backends_.at(entry.backend)(),
                     .transport = mesh_->transport_for(entry.group_id, entry.self, deliver),
                     .log = wal_->log_of(entry.log)};
  Group::Callbacks callbacks{.log_sink = log_sink_,
                             .watcher = watcher_,
                             .stopped = [this](const Error& why) { on_stopped(why); },
                             .removed = [this, key] { retire(key); }};
  const bool is_new = peers_
                          .emplace(key, std::make_unique<Group>(entry, std::move(parts), seams_.loop,
                                                                node_options(entry), std::move(recovered),
                                                                std::move(callbacks)))
                          .second;
  CHECK(is_new, "a peer runs once");
}

// A state machine that threw ends its own group; a log that failed ends all of them.
void Host::on_stopped(const Error& why) {
  const bool is_of_disk = why.code == Code::io || why.code == Code::no_space;
  if (!is_of_disk || has_failed_) return;
  has_failed_ = true;
  if (options_.on_failed) options_.on_failed(why);
}

}  // namespace zraft::host
