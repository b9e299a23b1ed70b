// SPDX-License-Identifier: Apache-2.0
//
// See snapshot_world.h.
#include "test/host/snapshot_world.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"
#include "zraft/storage/directory.h"

namespace zraft::host::test {
namespace {

constexpr std::uint64_t snapshot_entries = 20;

class Shelf final : public node::StateMachine {
 public:
  explicit Shelf(Shelves& all) : all_(all) { ++all_.alive; }
  ~Shelf() override { --all_.alive; }

  [[nodiscard]] bool may_block() const override { return all_.may_block; }
  node::Applied apply(const node::Command& command) override {
    ++all_.applied;
    if (all_.apply) return {.result = {}, .failure = all_.apply};
    Encoder(content_).bytes(command.data);
    ++count_;
    return {Bytes(command.data)};
  }
  [[nodiscard]] Result<node::Queried> query(BytesView) const override {
    return node::Queried{std::to_string(count_) + "/" + std::to_string(crc32c(content_))};
  }
  Result<node::SnapshotTask> snapshot() override {
    return [content = content_, count = count_, &all = all_](node::SnapshotWriter& writer) -> Result<> {
      ++all.written;
      if (all.snapshot) return std::unexpected(*all.snapshot);
      Bytes head;
      Encoder(head).u64(count);
      if (auto begun = writer.begin("empty"); !begun) return begun;
      if (auto begun = writer.begin("shelf"); !begun) return begun;
      if (auto written = writer.append(head); !written) return written;
      return writer.append(content);
    };
  }
  Result<> restore(node::SnapshotReader& reader) override {
    const auto size = reader.size("shelf");
    if (!size) return fail(size);
    const auto bytes = reader.read("shelf", 0, static_cast<std::size_t>(*size));
    if (!bytes) return fail(bytes);
    Decoder in(*bytes);
    count_ = in.u64();
    content_ = Bytes(in.rest());
    ++all_.restored;
    return {};
  }

 private:
  Shelves& all_;
  Bytes content_;
  std::uint64_t count_ = 0;
};

}  // namespace

SnapshotWorld::SnapshotWorld(std::size_t hosts) {
  for (std::size_t n = 1; n <= hosts; ++n) {
    hosts_.push_back(hosts_.empty() ? std::make_unique<HostWorld>()
                                    : std::make_unique<HostWorld>(*hosts_.front(), "n" + std::to_string(n)));
    shelves_.push_back(std::make_unique<Shelves>());
    HostWorld& added = *hosts_.back();
    added.options.snapshots.entries = snapshot_entries;
    added.options.log_bytes_retained = 0;
    added.options.seed = n;
    added.backends["shelf"] = [&all = *shelves_.back()]() -> Factory::Made {
      if (all.open) return std::unexpected(*all.open);
      return std::make_unique<Shelf>(all);
    };
  }
}

SnapshotWorld::~SnapshotWorld() {
  while (!hosts_.empty()) hosts_.pop_back();
}

void SnapshotWorld::each(const std::function<void(HostWorld&)>& change) {
  for (const auto& one : hosts_) change(*one);
}

void SnapshotWorld::start() {
  for (const auto& one : hosts_) one->must_start();
}

raft::Member SnapshotWorld::member(std::uint64_t n) const {
  return {{100 + n}, "p" + std::to_string(n) + "@" + hosts_[place(n)]->options.listen};
}

raft::Membership SnapshotWorld::members(const std::vector<std::uint64_t>& numbers) const {
  std::vector<raft::Member> out;
  for (const std::uint64_t n : numbers) out.push_back(member(n));
  return raft::membership_of(std::move(out));
}

void SnapshotWorld::create(const std::vector<std::uint64_t>& numbers) {
  for (const std::uint64_t n : numbers) {
    net::StartPeer start = lone_peer("kv");
    start.backend = "shelf";
    start.self = member(n).id;
    start.peer = member(n).peer;
    start.membership = members(numbers);
    const net::Reply reply = host(n).told(start);
    EXPECT_EQ(reply.error.code, Code::ok) << reply.error.text;
  }
}

net::StartPeer SnapshotWorld::newcomer(std::uint64_t n) {
  net::StartPeer start = lone_peer("kv");
  start.backend = "shelf";
  start.self = member(n).id;
  start.peer = member(n).peer;
  start.membership = peer(leader())->node().core().membership();
  return start;
}

void SnapshotWorld::change_to(const std::vector<std::uint64_t>& numbers) {
  Error why;
  for (int attempt = 0; attempt < 40; ++attempt, run(Duration::milliseconds(50))) {
    const std::uint64_t leads = leader();
    if (leads == 0) continue;
    raft::Membership wanted = members(numbers);
    const raft::Membership present = peer(leads)->node().core().membership();
    if (present == wanted) return;
    std::erase_if(wanted.voters, [&](raft::NodeId id) { return present.find(id) == nullptr; });
    for (const raft::Member& one : wanted.members) {
      if (present.find(one.id) == nullptr) wanted.promoting.push_back(one.id);
    }
    why = host(leads).told(net::ChangeMembers{"kv", status(leads).membership_index, wanted}).error;
    if (why.code == Code::ok && wait([&] {
          const std::uint64_t now = leader();
          return now != 0 && peer(now)->node().core().membership() == members(numbers);
        })) {
      return;
    }
  }
  ADD_FAILURE() << "the members were not changed: " << why.text;
}

void SnapshotWorld::write(std::size_t count, std::size_t bytes) {
  for (std::size_t i = 0; i < count; ++i) {
    Bytes data = std::to_string(++written_) + ".";
    data.resize(std::max(bytes, data.size()), static_cast<char>('a' + written_ % 26));
    Error why;
    const bool is_written = wait([&] {
      const std::uint64_t leads = leader();
      if (leads == 0) return false;
      why = host(leads).told(net::Propose{"kv", data}).error;
      return why.code == Code::ok;
    });
    if (!is_written) {
      ADD_FAILURE() << "not written: " << why.text;
      return;
    }
  }
}

bool SnapshotWorld::wait(const std::function<bool()>& condition, Duration limit) {
  const Instant end = host(1).world.now() + limit;
  while (!condition()) {
    if (end < host(1).world.now()) return false;
    run(Duration::milliseconds(10));
  }
  return true;
}

const Group* SnapshotWorld::peer(std::uint64_t n) {
  if (n == 0 || !host(n).is_up()) return nullptr;
  return host(n).host().find_peer({{77}, member(n).id});
}

std::uint64_t SnapshotWorld::leader() {
  std::uint64_t leads = 0;
  raft::Term term;
  for (std::uint64_t n = 1; n <= 9 && (hosts_.size() == 1 || n <= hosts_.size()); ++n) {
    const Group* one = peer(n);
    if (one == nullptr || !one->node().core().is_leader() || one->node().core().term() < term) continue;
    leads = n;
    term = one->node().core().term();
  }
  return leads;
}

net::PeerStatus SnapshotWorld::status(std::uint64_t n) {
  const Group* one = peer(n);
  return one == nullptr ? net::PeerStatus{} : one->status(host(1).world.now());
}

std::string SnapshotWorld::content(std::uint64_t n) {
  const Group* one = peer(n);
  if (one == nullptr) return "none";
  const auto queried = one->machine().query("");
  return queried ? queried->result : queried.error().text;
}

bool SnapshotWorld::agree(const std::vector<std::uint64_t>& numbers, Duration limit) {
  return wait(
      [&] {
        return std::ranges::all_of(numbers, [&](std::uint64_t n) {
          return content(n) == content(numbers.front()) && content(n).starts_with(std::to_string(written_) + "/");
        });
      },
      limit);
}

raft::Index SnapshotWorld::newest(std::uint64_t n) {
  const Group* one = peer(n);
  if (one == nullptr || one->snapshots().complete().empty()) return {};
  return one->snapshots().complete().back().meta.last.index;
}

bool SnapshotWorld::has_said(std::uint64_t n, const std::string& part) {
  return std::ranges::any_of(host(n).said, [&](const std::string& line) { return has(line, part); });
}

std::string SnapshotWorld::directory(std::uint64_t n) {
  const Group* one = peer(n);
  return one == nullptr ? "" : snapshot_directory_of(one->entry().log);
}

std::vector<std::string> SnapshotWorld::complete(std::uint64_t n) {
  std::vector<std::pair<std::uint64_t, std::string>> found;
  for (const std::string& path : host(n).paths("/snap-")) {
    const std::string name = path.substr(path.find("/snap-") + 1);
    if (name.find('/') == std::string::npos) found.emplace_back(std::stoull(name.substr(5)), name);
  }
  std::ranges::sort(found);
  std::vector<std::string> names;
  for (auto& [index, name] : found) names.push_back(std::move(name));
  return names;
}

}  // namespace zraft::host::test
