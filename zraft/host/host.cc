// SPDX-License-Identifier: Apache-2.0
//
// Opening a host, and what goes in and out: links, frames on their way to the shards, and answers on their way back. It
// listens before its groups are loaded, so that whoever asks for one is told so and need not guess.
#include "zraft/host/host.h"

#include <algorithm>
#include <utility>

#include "zraft/host/inbound.h"
#include "zraft/net/address.h"

namespace zraft::host {
namespace {

constexpr std::size_t name_bytes_max = 64;

bool is_name(std::string_view text) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' ||
           c == '-';
  };
  return !text.empty() && text.size() <= name_bytes_max && std::all_of(text.begin(), text.end(), is_allowed);
}

// A log that is not read yet cannot be changed; and of several shards none knows what the others will have.
bool is_of_creation(const net::RequestBody& body) {
  return std::holds_alternative<net::CheckPeer>(body) || std::holds_alternative<net::StartPeer>(body) ||
         std::holds_alternative<net::UndoPeer>(body) || std::holds_alternative<net::DestroyPeer>(body);
}

std::string group_of(const net::RequestBody& body) {
  return std::visit(
      [](const auto& any) {
        if constexpr (requires { any.group; }) {
          return any.group;
        } else {
          return std::string();
        }
      },
      body);
}

net::Reply loading_of(const std::string& name) {
  return {.id = 0, .error = {Code::loading, "host " + name + " is being started: try again"}, .leader = {}, .body = {}};
}

Options with_defaults(Options options) {
  if (options.heartbeat_interval.ns == 0) options.heartbeat_interval = options.election_timeout / 5;
  if (options.request_timeout.ns == 0) options.request_timeout = options.election_timeout * 2;
  // A slow watch is to cost the watches, not the link.
  options.watch_queue_bytes_max = std::min(options.watch_queue_bytes_max, options.link_queue_bytes_max / 2);
  if (options.quiesce_after.ns == 0) options.quiesce_after = options.election_timeout * 2;
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
  if (!options.snapshot_listen.empty()) {
    const auto bulk = net::parse_address(options.snapshot_listen);
    if (!bulk) expect(false, "snapshot_listen: " + bulk.error().text);
  }
  expect(options.election_timeout >= Duration::milliseconds(10),
         "election_timeout is less than 10 ms: give at least ten times what a message takes");
  expect(options.heartbeat_interval * 2 <= options.election_timeout,
         "heartbeat_interval is more than half of election_timeout: make it a fifth");
  expect(options.command_bytes_max > 0 && options.command_bytes_max <= raft::record_payload_max,
         "command_bytes_max is " + std::to_string(options.command_bytes_max) + ": it must be 1 to " +
             std::to_string(raft::record_payload_max));
  return problems;
}

Host::Host(std::vector<Seams> seams, Options options, Backends backends, LogSink log_sink, Watcher* watcher)
    : seams_(std::move(seams)),
      options_(with_defaults(std::move(options))),
      backends_(std::move(backends)),
      log_sink_(std::move(log_sink)),
      watcher_(watcher),
      random_(options_.seed),
      run_(random_.next() | 1),
      bulk_rate_(seams_.front().loop, options_.snapshot_rate) {}

Host::~Host() {
  listener_.reset();
  bulk_listener_.reset();
  inbound_.clear();
  shards_.clear();
}

Result<std::unique_ptr<Host>> Host::open(std::vector<Seams> seams, Options options, Backends backends,
                                         LogSink log_sink, Watcher* watcher) {
  std::unique_ptr<Host> host(
      new Host(std::move(seams), std::move(options), std::move(backends), std::move(log_sink), watcher));
  if (Result<> started = host->start(); !started) return fail(started);
  return host;
}

Result<> Host::start() {
  const std::vector<Error> problems = problems_of(options_);
  if (!problems.empty()) return std::unexpected(problems.front());
  if (Result<> good = check_shards(); !good) return good;
  if (Result<> opened = open_shards(); !opened) return opened;
  auto listener = listen(options_.listen);
  if (!listener) return fail(listener);
  listener_ = std::move(*listener);
  if (!options_.snapshot_listen.empty()) {
    auto bulk_listener = listen(options_.snapshot_listen);
    if (!bulk_listener) return fail(bulk_listener);
    bulk_listener_ = std::move(*bulk_listener);
  }
  say(LogLevel::info, options_.name + " listens at " + address() +
                          (bulk_listener_ == nullptr ? "" : ", and sends snapshots at " + bulk_address()));
  loading_ = shards_.size();
  for (std::size_t number = 0; number < shards_.size(); ++number) {
    at(number, [this, number, life = lifetime_.watch(), ours = hello()](Shard& shard) {
      shard.load(ours, [this, number, life](Result<> loaded) {
        at_home(number, life, [this, loaded = std::move(loaded)] { on_shard_loaded(loaded); });
      });
    });
  }
  return {};
}

// Groups of a shard that is not there would be missing, and nobody would know why.
Result<> Host::check_shards() const {
  if (seams_.empty() || seams_.size() > shards_max) {
    return fail(Code::bad_request, "a host has 1 to " + std::to_string(shards_max) + " shards");
  }
  for (std::size_t beyond = shards_max; beyond > seams_.size(); --beyond) {
    const auto is_there = seams_.front().files.exists(directory_of_shard(beyond - 1) + "/catalogue");
    if (!is_there) return fail(is_there);
    if (!*is_there) continue;
    return fail(Code::bad_request, "shards is " + std::to_string(seams_.size()) + ", and this data has groups on " +
                                       std::to_string(beyond) + ": give shards = " + std::to_string(beyond) +
                                       " or more");
  }
  return {};
}

Result<> Host::open_shards() {
  const Shard::Surroundings around{.options = options_,
                                   .backends = backends_,
                                   .log_sink = log_sink_,
                                   .watcher = watcher_,
                                   .run = run_,
                                   .shards = seams_.size()};
  for (std::size_t number = 0; number < seams_.size(); ++number) {
    const auto failed = [this, number, life = lifetime_.watch()](const Error& why) {
      at_home(number, life, [this, why] { on_failed(why); });
    };
    const auto turned_away = [this, number, life = lifetime_.watch()](std::uint64_t link, net::TurnedAway told) {
      at_home(number, life, [this, link, told = std::move(told)] { turn_away(link, told); });
    };
    const auto tell_watch = [this, number, life = lifetime_.watch()](WatchTold told) {
      at_home(number, life, [this, told = std::move(told)] { this->tell_watch(told); });
    };
    auto opened = Shard::open(seams_[number], around, random_.fork(), failed, turned_away, tell_watch);
    if (!opened) return fail(opened);
    shards_.push_back(std::move(*opened));
  }
  if (has_one_shard()) return {};
  for (std::size_t number = 0; number < shards_.size(); ++number) {
    for (const CatalogueEntry& entry : shards_[number]->catalogue()) {
      places_.try_emplace(entry.group, Place{.shard = number, .id = entry.group_id});
      shards_by_id_.try_emplace(entry.group_id, number);
    }
  }
  return {};
}

void Host::on_shard_loaded(const Result<>& loaded) {
  if (has_failed_) return;
  if (!loaded) {
    has_failed_ = true;
    if (options_.on_loaded) options_.on_loaded(loaded);
    return;
  }
  if (--loading_ > 0) return;
  say(LogLevel::info, options_.name + " is loaded");
  if (options_.on_loaded) options_.on_loaded({});
}

void Host::on_failed(const Error& why) {
  if (std::exchange(has_failed_, true)) return;
  if (options_.on_failed) options_.on_failed(why);
}

std::string Host::address() const { return listener_ == nullptr ? options_.listen : listener_->address(); }

std::string Host::bulk_address() const { return bulk_listener_ == nullptr ? "" : bulk_listener_->address(); }

Result<std::unique_ptr<node::Listener>> Host::listen(const std::string& address) {
  return seams_.front().network.listen(address,
                                       [this](std::unique_ptr<node::Link> link) { accept(std::move(link)); });
}

// Port 0 is not yet a port that anybody can reach.
net::Hello Host::hello() const {
  const std::string here = address();
  const auto parsed = net::parse_address(here);
  return {.role = net::Hello::Role::host,
          .name = options_.name,
          .address = parsed && parsed->port != 0 ? here : std::string(),
          .run = run_,
          .bulk_address = bulk_address()};
}

void Host::say(LogLevel level, const std::string& text) const {
  if (log_sink_) log_sink_(level, text);
}

std::map<PeerKey, const Group*> Host::peers() const {
  std::map<PeerKey, const Group*> all;
  for (const auto& shard : shards_) {
    for (const auto& [key, group] : shard->peers()) all.emplace(key, group.get());
  }
  return all;
}

const Group* Host::find_peer(PeerKey key) const {
  for (const auto& shard : shards_) {
    if (const auto found = shard->peers().find(key); found != shard->peers().end()) return found->second.get();
  }
  return nullptr;
}

// --- links ---

void Host::accept(std::unique_ptr<node::Link> link) {
  const std::uint64_t id = ++last_inbound_;
  inbound_.emplace(id, std::make_unique<Inbound>(*this, id, std::move(link)));
}

// Later, because the link may be the one that is speaking.
void Host::drop(std::uint64_t inbound) {
  seams_.front().loop.post([this, inbound, life = lifetime_.watch()] {
    if (!life.is_over()) inbound_.erase(inbound);
  });
}

// A host of several shards: the answer comes back to this loop, where the link is.
void Host::open_snapshot(const net::FetchSnapshot& asked, SnapshotSender::Found found) {
  const std::size_t number = shard_of(asked.group);
  at(number, [this, number, asked, life = lifetime_.watch(), found = std::move(found)](Shard& shard) mutable {
    shard.open_snapshot(asked, [this, number, life, found = std::move(found)](auto opened) mutable {
      at_home(number, life, [found = std::move(found), opened = std::move(opened)]() mutable {
        found(std::move(opened));
      });
    });
  });
}

// The link over which it came is on this loop, and so is the fetching; the peer is on its shard's.
void Host::restore(net::RestorePeer body, std::uint64_t link, Answer answer) {
  if (is_loading()) return answer(loading_of(options_.name));
  const std::size_t number = claim(body.group, body.group_id);
  SnapshotFetcher::Wanted wanted{.group = body.group_id,
                                 .self = body.self,
                                 .from = {},
                                 .address = {},
                                 .directory = {},
                                 .backend = body.backend};
  auto fetch = [this, number, link, life = lifetime_.watch(), wanted](std::string directory,
                                                                      Shard::Fetched fetched) mutable {
    wanted.directory = std::move(directory);
    at_home(number, life, [this, number, link, wanted, fetched = std::move(fetched)]() mutable {
      fetch_over(link, number, std::move(wanted), std::move(fetched));
    });
  };
  const std::string group = body.group;
  change(number, group,
         [body = std::move(body), fetch = std::move(fetch)](Shard& shard, Answer done) mutable {
           shard.restore(std::move(body), std::move(fetch), std::move(done));
         },
         std::move(answer));
}

void Host::fetch_over(std::uint64_t link, std::size_t number, SnapshotFetcher::Wanted wanted, Shard::Fetched fetched) {
  auto told = [this, number, life = lifetime_.watch(),
               fetched = std::move(fetched)](Result<storage::SnapshotManifest> result) mutable {
    if (life.is_over()) return;
    at(number, [fetched = std::move(fetched), result = std::move(result)](Shard&) mutable {
      fetched(std::move(result));
    });
  };
  const auto found = inbound_.find(link);
  if (found == inbound_.end()) return told(fail(Code::stopped, "the link over which the state was to come is gone"));
  found->second->fetch(seams_[number].snapshot_files, std::move(wanted), std::move(told));
}

// What is being sent is known to the links, who leads to the shards.
void Host::add_transfers(net::Reply& reply) const {
  auto* status = std::get_if<net::Status>(&reply.body);
  if (status == nullptr) return;
  for (const auto& [id, inbound] : inbound_) {
    const auto sent = inbound->sending();
    if (!sent) continue;
    for (net::PeerStatus& peer : status->peers) {
      for (net::FollowerStatus& follower : peer.followers) {
        if (peer.group_id != sent->group || follower.id != sent->to || !follower.needs_snapshot) continue;
        follower.sending = {.index = sent->position.index,
                            .bytes = sent->bytes,
                            .bytes_total = sent->bytes_total,
                            .bytes_per_second = sent->bytes_per_second};
      }
    }
  }
}

void Host::route(net::PeerFrame frame, std::uint64_t link, const Shard::Sender& sender) {
  const std::size_t shard = shard_of(frame.group);
  if (shard == 0) return shards_.front()->receive(std::move(frame), link, sender);
  at(shard, [frame = std::move(frame), link, sender](Shard& there) mutable {
    there.receive(std::move(frame), link, sender);
  });
}

void Host::turn_away(std::uint64_t link, const net::TurnedAway& told) {
  if (const auto found = inbound_.find(link); found != inbound_.end()) found->second->turn_away(told);
}

void Host::tell_watch(const WatchTold& told) {
  if (const auto found = inbound_.find(told.watch.link); found != inbound_.end()) found->second->tell(told);
}

const Piece& Host::encoded(const std::shared_ptr<const std::vector<node::Change>>& changes) {
  if (last_told_.changes != changes) last_told_ = {.changes = changes, .bytes = net::encode_changes(*changes)};
  return last_told_.bytes;
}

void Host::unwatch(const std::string& group, session::WatchId watch) {
  at(shard_of(group), [group, watch](Shard& shard) { shard.unwatch(group, watch); });
}

// It lives for the groups of all shards, whichever of its own has said so.
void Host::heard_beat(const net::Beat& beat) {
  for (std::size_t number = 0; number < shards_.size(); ++number) {
    at(number, [beat](Shard& shard) { shard.heard_beat(beat); });
  }
}

// --- shards ---

void Host::at(std::size_t number, Task task) {
  Shard& shard = *shards_[number];
  if (number == 0) return task(shard);
  shard.loop().post([&shard, life = shard.watch(), task = std::move(task)]() mutable {
    if (!life.is_over()) task(shard);
  });
}

// From a shard's loop to this one.
void Host::at_home(std::size_t from, const node::Lifetime::Watch& life, node::Task task) {
  if (from == 0) return task();
  seams_.front().loop.post([life, task = std::move(task)]() mutable {
    if (!life.is_over()) task();
  });
}

std::size_t Host::shard_of(raft::GroupId group) const {
  if (has_one_shard()) return 0;
  const auto known = shards_by_id_.find(group);
  return known == shards_by_id_.end() ? group.value % shards_.size() : known->second;
}

// Of a name that is not here any shard can say so.
std::size_t Host::shard_of(const std::string& group) const {
  const auto known = places_.find(group);
  return known == places_.end() ? 0 : known->second.shard;
}

// Two groups of a name must not be here at once, so the first to come takes it, and the others go where it is: there
// they are refused. It keeps the name as long as its shard has it.
std::size_t Host::claim(const std::string& group, raft::GroupId id) {
  if (has_one_shard()) return 0;
  const auto [place, is_new] = places_.try_emplace(group, Place{.shard = shard_of(id), .id = id});
  if (is_new) shards_by_id_.try_emplace(id, place->second.shard);
  return place->second.shard;
}

void Host::settle(const std::string& group, std::size_t shard, bool is_there) {
  const auto place = places_.find(group);
  if (place == places_.end() || place->second.shard != shard) return;
  if (--place->second.under_way > 0 || is_there) return;
  shards_by_id_.erase(place->second.id);
  places_.erase(place);
}

// --- requests ---

void Host::serve(net::Request request, Answer answer, std::uint64_t link) {
  if (is_loading() && is_of_creation(request.body)) return answer(loading_of(options_.name));
  if (std::holds_alternative<net::GetStatus>(request.body)) {
    answer = [this, life = lifetime_.watch(), answer = std::move(answer)](net::Reply reply) mutable {
      if (!life.is_over()) add_transfers(reply);
      answer(std::move(reply));
    };
  }
  if (has_one_shard()) return shards_.front()->serve(std::move(request), std::move(answer), link);
  if (const auto* body = std::get_if<net::GetStatus>(&request.body); body != nullptr && body->group.empty()) {
    return serve_of_all(std::move(request), std::move(answer));
  }
  const std::string group = group_of(request.body);
  if (const auto* body = std::get_if<net::StartPeer>(&request.body)) {
    const std::size_t shard = claim(body->group, body->group_id);
    return serve_change(shard, group, std::move(request), std::move(answer));
  }
  if (const auto* body = std::get_if<net::UndoPeer>(&request.body)) {
    const std::size_t shard = shard_of(body->group_id);
    return serve_change(shard, group, std::move(request), std::move(answer));
  }
  if (const auto* body = std::get_if<net::DestroyPeer>(&request.body)) {
    const std::size_t shard = shard_of(body->group_id);
    return serve_change(shard, group, std::move(request), std::move(answer));
  }
  serve_at(shard_of(group), std::move(request), std::move(answer), link);
}

void Host::serve_at(std::size_t number, net::Request request, Answer answer, std::uint64_t link) {
  at(number, [request = std::move(request), answer = to_here(number, std::move(answer)), link](Shard& shard) mutable {
    shard.serve(std::move(request), std::move(answer), link);
  });
}

// Answers are given where they are waited for.
Host::Answer Host::to_here(std::size_t from, Answer answer) {
  if (from == 0) return answer;
  return [this, from, life = lifetime_.watch(), answer = std::move(answer)](net::Reply reply) mutable {
    at_home(from, life, [answer = std::move(answer), reply = std::move(reply)]() mutable { answer(std::move(reply)); });
  };
}

// What may bring a group here, or take it away.
void Host::serve_change(std::size_t number, const std::string& group, net::Request request, Answer answer) {
  change(number, group,
         [request = std::move(request)](Shard& shard, Answer done) mutable {
           shard.serve(std::move(request), std::move(done));
         },
         std::move(answer));
}

void Host::change(std::size_t number, const std::string& group, Change change, Answer answer) {
  if (const auto place = places_.find(group); place != places_.end() && place->second.shard == number) {
    ++place->second.under_way;
  }
  at(number, [this, number, group, life = lifetime_.watch(), change = std::move(change),
              answer = std::move(answer)](Shard& shard) mutable {
    change(shard, [this, number, group, life, &shard, answer = std::move(answer)](net::Reply reply) mutable {
      at_home(number, life, [this, number, group, is_there = shard.has(group), answer = std::move(answer),
                             reply = std::move(reply)]() mutable {
        settle(group, number, is_there);
        answer(std::move(reply));
      });
    });
  });
}

// The state of all groups, by shard.
void Host::serve_of_all(net::Request request, Answer answer) {
  struct Gathering {
    std::vector<net::Reply> replies;
    std::size_t left;
    Answer answer;
  };
  auto gathering = std::make_shared<Gathering>(Gathering{
      .replies = std::vector<net::Reply>(shards_.size()), .left = shards_.size(), .answer = std::move(answer)});
  for (std::size_t number = 0; number < shards_.size(); ++number) {
    serve_at(number, request, [gathering, number](net::Reply reply) {
      gathering->replies[number] = std::move(reply);
      if (--gathering->left > 0) return;
      net::Reply all = std::move(gathering->replies.front());
      net::Status& status = std::get<net::Status>(all.body);
      for (std::size_t other = 1; other < gathering->replies.size(); ++other) {
        std::ranges::move(std::get<net::Status>(gathering->replies[other].body).peers,
                          std::back_inserter(status.peers));
      }
      gathering->answer(std::move(all));
    });
  }
}

}  // namespace zraft::host
