// SPDX-License-Identifier: Apache-2.0
//
// See host_world.h. The state machine "echo" answers what it was told last; the command "throw" makes it throw.
#include "test/host/host_world.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <utility>

namespace zraft::host::test {
namespace {

class Echo final : public node::StateMachine {
 public:
  node::Applied apply(const node::Command& command) override {
    if (command.data == "throw") throw std::runtime_error("this machine was told to");
    last_ = Bytes(command.data);
    return {last_};
  }
  [[nodiscard]] Result<node::Queried> query(BytesView) const override { return node::Queried{last_}; }

 private:
  Bytes last_;
};

}  // namespace

HostWorld::HostWorld(std::uint64_t seed)
    : own_(std::make_unique<Shared>(seed)),
      world(own_->world),
      fabric(own_->fabric),
      id(world.add_host("n1")),
      other(world.add_host("c1")),
      name_("n1") {
  set_options();
}

HostWorld::HostWorld(HostWorld& first, const std::string& name)
    : world(first.world), fabric(first.fabric), id(world.add_host(name)), other(first.other), name_(name) {
  set_options();
}

void HostWorld::set_options() {
  options.name = name_;
  options.listen = name_ + ":1";
  options.election_timeout = Duration::milliseconds(100);
  options.max_segment_size = std::size_t{64} << 10;
  options.check_laws = true;
  backends["echo"] = [] { return std::make_unique<Echo>(); };
}

HostWorld::~HostWorld() { end(); }

Result<> HostWorld::begin() {
  process_ = world.start(id, 0);
  running_ = std::unique_ptr<Running>(new Running{sim::SimLoop(world, process_),
                                                  sim::SimNetwork(fabric, process_, name_),
                                                  sim::SimWorker(world, process_, Duration::milliseconds(1)),
                                                  {},
                                                  {}});
  running_->files.reserve(shards);
  running_->log_files.reserve(shards);
  std::vector<Host::Seams> seams;
  for (std::size_t number = 0; number < shards; ++number) {
    const std::string root = directory_of_shard(number);
    sim::SimFiles& files = running_->files.emplace_back(disk, process_, root);
    seams.push_back({.loop = running_->loop,
                     .network = running_->network,
                     .worker = running_->worker,
                     .snapshot_worker = running_->worker,
                     .files = files,
                     .log_files = running_->log_files.emplace_back(has_log_disk ? log_disk : disk, process_, root),
                     .snapshot_files = files});
  }
  const auto say = [this](LogLevel level, std::string_view text) {
    if (level == LogLevel::warning || level == LogLevel::error) said.emplace_back(text);
  };
  loaded_.reset();
  Options wanted = options;
  wanted.on_loaded = [this](const Result<>& how) { loaded_ = how; };
  auto opened = Host::open(std::move(seams), std::move(wanted), backends, say, watcher);
  if (!opened) return fail(opened);
  host_ = std::move(*opened);
  return {};
}

Result<> HostWorld::start() {
  Result<> begun = begin();
  while (begun && !loaded_ && world.is_alive(process_) && world.run_one(world.now() + Duration::seconds(20))) {
  }
  if (begun) begun = loaded_.value_or(fail(Code::stopped, "it was killed while it was loaded"));
  if (!begun) end();
  return begun;
}

void HostWorld::must_start() {
  const Result<> started = start();
  ASSERT_TRUE(started.has_value()) << started.error().text;
}

void HostWorld::end(sim::Ending ending) {
  if (running_ == nullptr) return;
  world.kill(process_);
  fabric.on_end(process_, ending);
  disk.on_end(ending);
  log_disk.on_end(ending);
  host_.reset();
  running_.reset();
}

std::optional<net::Reply> HostWorld::ask(net::RequestBody body, Duration timeout) {
  auto answered = std::make_shared<std::optional<net::Reply>>();
  net::Request request{.id = 1,
                       .timeout_ms = static_cast<std::uint32_t>(timeout.to_milliseconds()),
                       .body = std::move(body)};
  world.at(world.now(), process_, sim::EventKind::task, 0, [this, answered, request = std::move(request)] {
    host_->serve(request, [answered](net::Reply reply) { *answered = std::move(reply); });
  });
  const Instant end = world.now() + Duration::seconds(20);
  while (!*answered && world.is_alive(process_) && world.run_one(end)) {
  }
  return *answered;
}

net::Reply HostWorld::told(net::RequestBody body, Duration timeout) {
  auto reply = ask(std::move(body), timeout);
  EXPECT_TRUE(reply.has_value()) << "no answer";
  return reply ? *reply : net::Reply{};
}

net::Reply HostWorld::propose(const std::string& group, const std::string& data) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    net::Reply reply = told(net::Propose{group, data});
    if (reply.error.code != Code::not_leader) return reply;
    run(Duration::milliseconds(50));
  }
  ADD_FAILURE() << "no leader of " << group;
  return {};
}

void HostWorld::overwrite(const std::string& path, const Bytes& bytes) {
  const sim::Disk::InodePtr inode = disk.find(path);
  ASSERT_NE(inode, nullptr) << path;
  inode->seen = bytes;
  inode->durable = bytes;
  inode->dirty.clear();
}

Bytes HostWorld::content(const std::string& path) {
  const sim::Disk::InodePtr inode = disk.find(path);
  return inode == nullptr ? Bytes{} : inode->seen;
}

std::vector<std::string> HostWorld::paths(const std::string& part) const {
  std::vector<std::string> found;
  for (const std::string& path : disk.paths()) {
    if (path.find(part) != std::string::npos) found.push_back(path);
  }
  return found;
}

net::StartPeer lone_peer(const std::string& group, std::uint64_t group_id) {
  return {.group = group,
          .group_id = {group_id},
          .backend = "echo",
          .self = {101},
          .peer = "p1@n1:1",
          .membership = raft::membership_of({{{101}, "p1@n1:1"}})};
}

net::UndoPeer undo_of(const net::StartPeer& start) {
  return {.group = start.group, .group_id = start.group_id, .self = start.self};
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace zraft::host::test
