// SPDX-License-Identifier: Apache-2.0
//
// See recover_world.h.
#include "test/host/recover_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <optional>
#include <utility>

namespace zraft::host::test {
namespace {

class Journal final : public node::StateMachine {
 public:
  node::Applied apply(const node::Command& command) override {
    all_ += Bytes(command.data) + ",";
    return {all_};
  }
  [[nodiscard]] Result<node::Queried> query(BytesView) const override { return node::Queried{all_}; }
  Result<node::SnapshotTask> snapshot() override {
    return [all = all_](node::SnapshotWriter& writer) -> Result<> {
      if (auto begun = writer.begin("all"); !begun) return begun;
      return writer.append(all);
    };
  }
  Result<> restore(node::SnapshotReader& reader) override {
    const auto size = reader.size("all");
    if (!size) return fail(size);
    auto all = reader.read("all", 0, *size);
    if (!all) return fail(all);
    all_ = std::move(*all);
    return {};
  }

 private:
  Bytes all_;
};

std::string name_of_host(std::size_t n) { return "n" + std::to_string(n); }

std::vector<Offline::Place> places_of(RecoverWorld& world, const std::vector<std::size_t>& numbers) {
  std::vector<Offline::Place> places;
  for (const std::size_t n : numbers) places.emplace_back("data" + std::to_string(n), &world.disk(n));
  return places;
}

}  // namespace

raft::Member RecoverWorld::member(std::size_t n) {
  return {{100 + n}, "p" + std::to_string(n) + "@" + name_of_host(n) + ":1"};
}

raft::Membership RecoverWorld::members(const std::vector<std::size_t>& numbers) {
  std::vector<raft::Member> out;
  for (const std::size_t n : numbers) out.push_back(member(n));
  return raft::membership_of(std::move(out));
}

net::StartPeer RecoverWorld::start_peer(std::size_t n, const raft::Membership& membership) {
  return {.group = "kv",
          .group_id = group_id,
          .backend = "journal",
          .self = member(n).id,
          .peer = member(n).peer,
          .membership = membership};
}

RecoverWorld::RecoverWorld(std::size_t hosts, std::uint64_t seed) : world(seed) {
  for (std::size_t n = 1; n <= hosts; ++n) {
    machines_.push_back(std::make_unique<Machine>(world, world.add_host(name_of_host(n))));
    start(n);
  }
}

RecoverWorld::~RecoverWorld() {
  for (std::size_t n = 1; n <= machines_.size(); ++n) end(n);
}

void RecoverWorld::start(std::size_t n) {
  Machine& machine = *machines_.at(n - 1);
  machine.process = world.start(machine.id, 0);
  machine.running = std::unique_ptr<Running>(new Running{
      sim::SimLoop(world, machine.process), sim::SimNetwork(fabric, machine.process, name_of_host(n)),
      sim::SimWorker(world, machine.process, Duration::milliseconds(1)), sim::SimFiles(machine.disk, machine.process)});
  Options options;
  options.name = name_of_host(n);
  options.listen = name_of_host(n) + ":1";
  options.election_timeout = Duration::milliseconds(100);
  options.max_segment_size = std::size_t{64} << 10;
  options.log_bytes_retained = 0;  // behind a snapshot: so that a log begins with a base
  options.seed = world.fork().next();
  options.check_laws = true;
  std::optional<Result<>> loaded;
  options.on_loaded = [&loaded](const Result<>& how) { loaded = how; };
  auto opened = Host::open({{.loop = machine.running->loop,
                             .network = machine.running->network,
                             .worker = machine.running->worker,
                             .snapshot_worker = machine.running->worker,
                             .files = machine.running->files,
                             .log_files = machine.running->files,
                             .snapshot_files = machine.running->files}},
                           options, {{"journal", [] { return std::make_unique<Journal>(); }}}, {});
  ASSERT_TRUE(opened.has_value()) << opened.error().text;
  machine.host = std::move(*opened);
  while (!loaded && world.run_one(world.now() + Duration::seconds(20))) {
  }
  ASSERT_TRUE(loaded && loaded->has_value()) << (loaded ? loaded->error().text : "it is not loaded");
}

void RecoverWorld::end(std::size_t n, sim::Ending ending) {
  Machine& machine = *machines_.at(n - 1);
  if (machine.running == nullptr) return;
  world.kill(machine.process);
  fabric.on_end(machine.process, ending);
  machine.disk.on_end(ending);
  machine.host.reset();
  machine.running.reset();
}

std::map<std::string, std::pair<Bytes, Bytes>> RecoverWorld::contents(std::size_t n) {
  std::map<std::string, std::pair<Bytes, Bytes>> files;
  for (const std::string& path : disk(n).paths()) {
    const sim::Disk::InodePtr inode = disk(n).find(path);
    files[path] = {inode->seen, inode->durable};
  }
  return files;
}

void RecoverWorld::create(const std::vector<std::size_t>& numbers, const raft::Membership& membership) {
  for (const std::size_t n : numbers) ASSERT_EQ(told(n, start_peer(n, membership)).error.code, Code::ok);
}

net::Reply RecoverWorld::told(std::size_t n, net::RequestBody body) {
  auto answered = std::make_shared<std::optional<net::Reply>>();
  Machine& machine = *machines_.at(n - 1);
  if (machine.host == nullptr) {
    ADD_FAILURE() << name_of_host(n) << " does not run";
    return {};
  }
  net::Request request{.id = 1, .timeout_ms = 10'000, .body = std::move(body)};
  world.at(world.now(), machine.process, sim::EventKind::task, 0, [&machine, answered, request = std::move(request)] {
    machine.host->serve(request, [answered](net::Reply reply) { *answered = std::move(reply); });
  });
  const Instant until = world.now() + Duration::seconds(20);
  while (!*answered && world.run_one(until)) {
  }
  EXPECT_TRUE(answered->has_value()) << "no answer";
  return answered->value_or(net::Reply{});
}

std::string RecoverWorld::write(const Bytes& data, std::vector<std::size_t> numbers) {
  const bool is_for_any = numbers.empty();
  for (std::size_t n = 1; is_for_any && n <= machines_.size(); ++n) {
    if (machines_[n - 1]->host != nullptr) numbers.push_back(n);
  }
  net::Reply reply;
  for (int attempt = 0; attempt < 50; ++attempt) {
    for (const std::size_t n : numbers) {
      reply = told(n, net::Propose{"kv", data});
      if (reply.error.code == Code::ok) return std::get<net::Data>(reply.body).data;
    }
    run(Duration::milliseconds(50));
  }
  ADD_FAILURE() << reply.error.text;
  return {};
}

void RecoverWorld::begin_write(std::size_t n, const Bytes& data) {
  machines_.at(n - 1)->host->serve({.id = 1, .timeout_ms = 1'000, .body = net::Propose{"kv", data}},
                                   [](const net::Reply&) {});
}

net::PeerStatus RecoverWorld::status(std::size_t n) {
  const net::Reply reply = told(n, net::GetStatus{"kv"});
  const auto* status = std::get_if<net::Status>(&reply.body);
  EXPECT_TRUE(status != nullptr && status->peers.size() == 1) << reply.error.text;
  return status == nullptr || status->peers.empty() ? net::PeerStatus{} : status->peers.front();
}

void RecoverWorld::save(std::size_t n) {
  const net::Reply saved = told(n, net::SaveSnapshot{"kv"});
  ASSERT_EQ(saved.error.code, Code::ok) << saved.error.text;
  run(Duration::milliseconds(100));  // until the log before it is gone
}

std::vector<std::string> RecoverWorld::snapshots(std::size_t n) {
  std::vector<std::string> paths = disk(n).paths();
  std::erase_if(paths, [](const std::string& path) { return !path.ends_with("/all"); });
  return paths;
}

void RecoverWorld::join(std::size_t leader, std::size_t n, raft::NodeId id) {
  const net::PeerStatus before = status(leader);
  net::StartPeer start = start_peer(n, before.membership);
  start.group_id = before.group_id;
  start.self = id;
  ASSERT_EQ(told(n, start).error.code, Code::ok);
  raft::Membership wanted = before.membership;
  wanted.members.push_back({id, member(n).peer});
  std::ranges::sort(wanted.members, {}, &raft::Member::id);
  wanted.promoting = {id};
  const net::Reply changed = told(leader, net::ChangeMembers{"kv", before.membership_index, wanted});
  ASSERT_EQ(changed.error.code, Code::ok) << changed.error.text;
  const auto is_in = [&] {
    const raft::Membership now = status(n).membership;
    return now.is_voter(id) && !now.is_joint();
  };
  for (int i = 0; i < 100 && !is_in(); ++i) run(Duration::milliseconds(50));
  EXPECT_TRUE(is_in());
}

Offline::Offline(RecoverWorld& world, const std::vector<std::size_t>& numbers, std::uint64_t seed)
    : Offline(world.world, places_of(world, numbers), seed) {}

Offline::Offline(sim::World& world, std::vector<Place> places, std::uint64_t seed)
    : world_(world),
      places_(std::move(places)),
      seed_(seed),
      process_(world.start(world.add_host("operator"), 0)),
      loop_(world, process_),
      worker_(world, process_, Duration::milliseconds(1)) {
  for (const auto& [name, disk] : places_) {
    files_.push_back(std::make_unique<sim::SimFiles>(*disk, process_));
    hosts_.push_back(
        {.name = name, .files = *files_.back(), .log_files = *files_.back(), .snapshot_files = *files_.back()});
  }
}

Result<Survey> Offline::look(const std::string& group) { return survey(hosts_, group); }

Result<NewGroup> Offline::recover(const std::string& peer) {
  auto found = look();
  if (!found) return fail(found);
  const auto chosen = choose(*found, peer);
  if (!chosen) return fail(chosen);
  auto ended = std::make_shared<std::optional<Result<NewGroup>>>();
  const auto work = host::recover(loop_, worker_, hosts_, std::move(*found), *chosen, seed_,
                                  [ended](Result<NewGroup> made) { *ended = std::move(made); });
  EXPECT_FALSE(ended->has_value()) << "it is told later";
  const Instant until = world_.now() + Duration::seconds(20);
  while (!*ended && is_alive() && world_.run_one(until)) {
  }
  if (!*ended) return fail(Code::stopped, "there was no answer");
  return std::move(**ended);
}

void Offline::end(sim::Ending ending) {
  if (std::exchange(has_ended_, true)) return;
  kill();
  for (const auto& [name, disk] : places_) disk->on_end(ending);
}

}  // namespace zraft::host::test
