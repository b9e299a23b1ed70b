// SPDX-License-Identifier: Apache-2.0
//
// See connectivity.h. The hosts are the simulator's, so all is real above the seams; the network is good, but for what
// is cut, and clients reach everybody.
#include "sim/connectivity.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>

#include "sim/kv_client.h"
#include "sim/operator.h"
#include "sim/partitions.h"
#include "sim/sim_host.h"
#include "zraft/base/check.h"
#include "zraft/base/checksum.h"

namespace zraft::sim {

namespace {

constexpr Duration election_timeout = Duration::milliseconds(300);
constexpr int timeouts_max = 10;
constexpr Duration glance = Duration::milliseconds(5);

class CutCluster {
 public:
  CutCluster(const Cut& cut, World::Narrator narrator)
      : cut_(cut), world_(cut.number + 1), fabric_(world_, {}) {
    world_.set_narrator(std::move(narrator));
    SimHost::Options options;
    options.host.election_timeout = election_timeout;
    options.host.max_segment_size = std::size_t{64} << 10;  // little is written, and thousands of clusters are made
    std::vector<std::string> addresses;
    for (std::size_t i = 0; i < cut_.graph.members(); ++i) {
      const HostId id = world_.add_host("n" + std::to_string(i + 1));
      hosts_.push_back(std::make_unique<SimHost>(world_, fabric_, ghosts_, id, options));
      hosts_.back()->disk().set_settings({});
      addresses.push_back(hosts_.back()->address());
    }
    operator_ = std::make_unique<Operator>(world_, fabric_, world_.add_host("operator"), addresses);
    KvClientOptions writes{.hosts = addresses, .group = "kv", .timeout = election_timeout * 2, .keys = {"k"},
                           .put_ppm = 1'000'000, .remove_ppm = 0, .compare_ppm = 0, .abandon_ppm = 0};
    client_ = std::make_unique<KvClient>(world_, fabric_, history_, world_.add_host("c1"), std::move(writes),
                                         [this](std::uint64_t index, const Bytes& command) {
                                           ghost().on_acknowledged(index, crc32c(command));
                                         });
    world_.set_onlooker([this](HostId id) {
      if (id.value > hosts_.size()) return;
      hosts_[id.value - 1]->look();
      for (auto& [group, one] : ghosts_) {
        for (std::string& law : one.take_broken()) broken_.push_back(std::move(law));
      }
    });
  }
  ~CutCluster() {
    world_.set_onlooker({});
    client_.reset();
    operator_.reset();
    hosts_.clear();
  }
  CutCluster(const CutCluster&) = delete;
  CutCluster& operator=(const CutCluster&) = delete;

  CutResult run() {
    CutResult result;
    for (const auto& host : hosts_) expect(host->start().has_value(), "a host does not start");
    while (!std::ranges::all_of(hosts_, &SimHost::is_loaded)) CHECK(world_.run_one(patience_to_load), "nothing loads");
    create();
    if (broken_.empty()) elect();
    if (broken_.empty()) cut(result);
    result.events = world_.events();
    result.broken = std::move(broken_);
    return result;
  }

 private:
  void expect(bool is_met, const std::string& what) {
    if (!is_met) broken_.push_back(what);
  }
  bool run_until(Duration limit, const std::function<bool()>& is_over) {
    for (const Instant end = world_.now() + limit; world_.now() < end;) {
      if (!broken_.empty() || is_over()) return broken_.empty();
      world_.run_until(std::min(end, world_.now() + glance));
    }
    return is_over();
  }
  Ghost& ghost() { return ghosts_.at(group_); }
  const host::Group* leader() const { return leader_of(hosts_, group_); }
  bool leads(std::size_t member) const {
    const host::Group* now = leader();
    return now != nullptr && now->entry().peer == peer(member);
  }
  std::string peer(std::size_t member) const {
    return "p" + std::to_string(member + 1) + "@" + hosts_[member]->address();
  }

  void create() {
    std::vector<std::string> peers;
    for (std::size_t i = 0; i < hosts_.size(); ++i) peers.push_back(peer(i));
    std::optional<Result<>> created;
    operator_->create("kv", peers, Duration::seconds(10), [&created](const Result<>& done) { created = done; });
    run_until(Duration::seconds(20), [&] { return created.has_value(); });
    expect(created && *created, "the group is not created");
    if (broken_.empty()) group_ = hosts_.front()->host()->peers().begin()->first.first;
  }

  // The chosen one leads, and all are alike.
  void elect() {
    run_until(election_timeout * 10, [&] { return leader() != nullptr && is_at_rest(); });
    if (!leads(cut_.leader)) {
      bool is_over = false;
      operator_->transfer("kv", peer(cut_.leader), Duration::seconds(5), [&](const auto&) { is_over = true; });
      run_until(Duration::seconds(6), [&] { return is_over; });
    }
    run_until(election_timeout * 10, [&] { return leads(cut_.leader) && is_at_rest(); });
    expect(leads(cut_.leader) && is_at_rest(), "the first leader does not lead");
  }
  bool is_at_rest() const {
    const host::Group* first = leader();
    return first != nullptr && std::ranges::all_of(hosts_, [&](const auto& host) {
      const raft::Core& core = host->host()->peers().begin()->second->node().core();
      return core.commit() == first->node().core().log().last().index && core.term() == first->node().core().term() &&
             core.applied() == core.commit() && core.leader();
    });
  }

  void cut(CutResult& result) {
    std::vector<Blocked> blocked;
    for (std::size_t from = 0; from < hosts_.size(); ++from) {
      for (std::size_t to = 0; to < hosts_.size(); ++to) {
        if (!cut_.graph.has(from, to)) blocked.emplace_back(hosts_[from]->id(), hosts_[to]->id());
      }
    }
    const std::uint64_t before = ghost().commit();
    const Instant began = world_.now();
    world_.narrate({}, "the cut is made");
    fabric_.set_blocked(blocked);
    client_->start();
    const bool commits = run_until(election_timeout * timeouts_max, [&] { return commits_beyond(before); });
    if (!broken_.empty()) return;
    if (!cut_.graph.has_quorum()) {
      return expect(ghost().commit() == before, "something is committed, and nobody reaches a quorum");
    }
    expect(commits, "no leader that reaches a quorum commits within ten election timeouts");
    if (!commits) return;
    result.commits_after =
        static_cast<double>((world_.now() - began).ns) / static_cast<double>(election_timeout.ns);
    const std::uint64_t terms = newest_term();
    run_until(election_timeout * (timeouts_max - 2), [] { return false; });
    const std::uint64_t meanwhile = ghost().commit();
    run_until(election_timeout * 2, [] { return false; });
    result.terms_after = newest_term() - terms;
    expect(ghost().commit() > meanwhile, "it does not go on committing");
  }
  bool commits_beyond(std::uint64_t before) const {
    const host::Group* now = leader();
    if (now == nullptr || now->node().core().commit().value <= before) return false;
    for (std::size_t i = 0; i < hosts_.size(); ++i) {
      if (leads(i)) return cut_.graph.reaches_quorum(i);
    }
    return false;
  }
  std::uint64_t newest_term() const {
    std::uint64_t newest = 0;
    for (const auto& host : hosts_) {
      newest = std::max(newest, host->host()->peers().begin()->second->node().core().term().value);
    }
    return newest;
  }

  const Cut& cut_;
  World world_;
  Fabric fabric_;
  SimHost::Ghosts ghosts_;
  std::vector<std::unique_ptr<SimHost>> hosts_;
  std::unique_ptr<Operator> operator_;
  History history_;
  std::unique_ptr<KvClient> client_;
  raft::GroupId group_;
  std::vector<std::string> broken_;
};

std::string shown(double value) {
  const auto tenths = static_cast<std::uint64_t>(value * 10 + 0.5);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10);
}

}  // namespace

Graph Graph::undirected(std::size_t members, std::uint64_t number) {
  Graph graph(members);
  for (std::size_t a = 0; a < members; ++a) {
    for (std::size_t b = a + 1; b < members; ++b, number >>= 1) {
      graph.edges_[a * members + b] = graph.edges_[b * members + a] = (number & 1) != 0;
    }
  }
  CHECK(number == 0, "there are fewer graphs of so many members");
  return graph;
}

Graph Graph::directed(std::size_t members, std::uint64_t number) {
  Graph graph(members);
  for (std::size_t from = 0; from < members; ++from) {
    for (std::size_t to = 0; to < members; ++to) {
      if (from == to) continue;
      graph.edges_[from * members + to] = (number & 1) != 0;
      number >>= 1;
    }
  }
  CHECK(number == 0, "there are fewer graphs of so many members");
  return graph;
}

bool Graph::reaches_quorum(std::size_t member) const {
  std::size_t reached = 0;
  for (std::size_t other = 0; other < members_; ++other) reached += has(member, other) && has(other, member) ? 1 : 0;
  return reached > members_ / 2;
}

bool Graph::has_quorum() const {
  for (std::size_t member = 0; member < members_; ++member) {
    if (reaches_quorum(member)) return true;
  }
  return false;
}

std::vector<Cut> all_cuts() {
  std::vector<Cut> cuts;
  for (std::uint64_t number = 0; number < 1024; ++number) {
    for (std::size_t leader = 0; leader < 5; ++leader) {
      cuts.push_back({cuts.size(), Graph::undirected(5, number), leader});
    }
  }
  for (std::uint64_t number = 0; number < 64; ++number) {
    for (std::size_t leader = 0; leader < 3; ++leader) {
      cuts.push_back({cuts.size(), Graph::directed(3, number), leader});
    }
  }
  return cuts;
}

CutResult run_cut(const Cut& cut, World::Narrator narrator) { return CutCluster(cut, std::move(narrator)).run(); }

// --- the table ---

CutTable::CutTable() {
  for (const char* members : {"5, both ways", "3, each way"}) {
    for (const char* left : {"the leader has a quorum", "others have one", "nobody has one"}) {
      rows_.push_back({.what = std::string(members) + " | " + left, .times = {}});
    }
  }
}

void CutTable::add(const Cut& cut, const CutResult& result) {
  const std::size_t left = cut.graph.reaches_quorum(cut.leader) ? 0 : cut.graph.has_quorum() ? 1 : 2;
  CutRow& row = rows_[(cut.graph.members() == 5 ? 0 : 3) + left];
  ++row.cuts;
  if (!result.broken.empty()) ++row.failed;
  if (!result.commits_after) return;
  ++row.commits;
  row.times.push_back(*result.commits_after);
  row.terms_after_max = std::max(row.terms_after_max, result.terms_after);
}

std::string CutTable::text() const {
  std::string out =
      "| members, links cut | after the cut | cuts | a leader commits | median, longest, in election timeouts "
      "| most terms in ten more | failed |\n|---|---|---|---|---|---|---|\n";
  for (CutRow row : rows_) {
    std::ranges::sort(row.times);
    const std::string times =
        row.times.empty() ? "-" : shown(row.times[row.times.size() / 2]) + ", " + shown(row.times.back());
    out += "| " + row.what + " | " + std::to_string(row.cuts) + " | " + std::to_string(row.commits) + " | " + times +
           " | " + (row.times.empty() ? "-" : std::to_string(row.terms_after_max)) + " | " +
           std::to_string(row.failed) + " |\n";
  }
  return out;
}

}  // namespace zraft::sim
