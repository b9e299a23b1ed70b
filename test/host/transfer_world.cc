// SPDX-License-Identifier: Apache-2.0
//
// See transfer_world.h.
#include "test/host/transfer_world.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "zraft/base/checksum.h"
#include "zraft/net/wire.h"
#include "zraft/session/session_machine.h"

namespace zraft::host::test {
namespace {

constexpr const char* directory = "snapshots";
constexpr std::size_t chunk_size = storage::snapshot_chunk_size;

}  // namespace

std::shared_ptr<SharedSnapshot> make_snapshot(std::uint64_t index, const FileSizes& files, std::uint64_t seed) {
  auto snapshot = std::make_shared<SharedSnapshot>();
  storage::SnapshotManifest& manifest = snapshot->parsed;
  manifest.group = {77};
  manifest.backend = "echo";
  manifest.meta.last = {raft::Term{3}, raft::Index{index}};
  manifest.meta.membership = raft::membership_of({{{1}, "p1@n1:1"}, {{2}, "p2@n2:1"}});
  manifest.meta.membership_index = raft::Index{1};
  Random random(seed);
  for (const auto& [name, size] : files) {
    Bytes content(size, '\0');
    for (std::size_t at = 0; at < size; at += 64) content[at] = static_cast<char>(random.next());
    storage::SnapshotFile file{.name = name, .size = size, .chunks = {}};
    for (std::size_t at = 0; at < size; at += chunk_size) {
      file.chunks.push_back(crc32c(BytesView(content).substr(at, chunk_size)));
    }
    manifest.files.push_back(std::move(file));
    snapshot->files.push_back(std::make_shared<MemoryFile>(std::move(content)));
  }
  snapshot->manifest = storage::encode(manifest);
  return snapshot;
}

void add_no_sessions(SharedSnapshot& snapshot) {
  const Bytes table = session::SessionTable(false).encode();
  snapshot.parsed.files.push_back({.name = session::sessions_file, .size = table.size(), .chunks = {crc32c(table)}});
  snapshot.files.push_back(std::make_shared<MemoryFile>(table));
  snapshot.manifest = storage::encode(snapshot.parsed);
}

std::shared_ptr<SharedSnapshot> usual_snapshot(std::uint64_t index, std::uint64_t seed) {
  return make_snapshot(index,
                       {{"a", 0}, {"b", 1}, {"c", chunk_size}, {"d", 5'000}, {"e", 2 * chunk_size + 17}, {"f", 100},
                        {"g", 200}, {"h", 300}, {"i", 400}, {"j", 0}},
                       seed);
}

// Sees which chunks go out.
class Source::CountingLink final : public node::Link {
 public:
  CountingLink(Source& source, std::unique_ptr<node::Link> link) : source_(source), link_(std::move(link)) {}
  void set_handler(node::LinkHandler* handler) override { link_->set_handler(handler); }
  void send(node::FrameKind kind, Pieces body) override { link_->send(kind, std::move(body)); }
  void send_file(node::FrameKind kind, Bytes head, node::FilePart part) override {
    const Bytes whole = head + "data";
    const auto message = net::decode_bulk(whole);
    ASSERT_TRUE(message.has_value());
    const auto& chunk = std::get<net::SnapshotChunk>(*message);
    ++source_.sent[{chunk.file, chunk.chunk}];
    ++count;
    link_->send_file(kind, std::move(head), std::move(part));
  }
  [[nodiscard]] std::size_t queued_bytes() const override { return link_->queued_bytes(); }
  [[nodiscard]] std::string remote() const override { return link_->remote(); }

  std::size_t count = 0;

 private:
  Source& source_;
  std::unique_ptr<node::Link> link_;
};

// One link to a source.
class Source::Serving final : private node::LinkHandler {
 public:
  Serving(Source& source, std::unique_ptr<node::Link> link)
      : source_(source),
        link_(std::make_unique<CountingLink>(source, std::move(link))),
        sender_(source.loop_, *link_, source.rate_,
                [this](const net::FetchSnapshot& fetch, SnapshotSender::Found found) { answer(fetch, found); }) {
    link_->set_handler(this);
  }

 private:
  void on_frame(node::FrameKind kind, const SharedBytes& body) override {
    if (source_.is_silent) return;
    if (kind == node::FrameKind::hello) {
      const net::Hello hello{.role = net::Hello::Role::host, .name = "source"};
      return link_->send(node::FrameKind::hello, {piece_of(net::encode(hello))});
    }
    if (source_.let_go_after != 0 && link_->count >= source_.let_go_after) {
      const net::SnapshotOffered gone{.error = {Code::not_found, "it was let go"}, .manifest = {}};
      return link_->send(node::FrameKind::bulk, {piece_of(net::encode(gone))});
    }
    const Result<> taken = sender_.on_message(*body);
    if (!taken) source_.offences.push_back(taken.error());
    if (!taken || (source_.cut_after != 0 && link_->count >= source_.cut_after)) close();
  }
  void answer(const net::FetchSnapshot& fetch, SnapshotSender::Found& found) {
    source_.asked.push_back(fetch);
    if (source_.refusals.empty()) return found(source_.snapshot);
    const Error why = source_.refusals.front();
    source_.refusals.erase(source_.refusals.begin());
    found(std::unexpected(why));
  }
  void on_closed(const Error&) override { close(); }
  void close() {
    std::erase_if(source_.links_, [this](const auto& one) { return one.get() == this; });
  }

  Source& source_;
  std::unique_ptr<CountingLink> link_;
  SnapshotSender sender_;
};

Source::Source(sim::World& world, sim::Fabric& fabric, const std::string& name,
               std::shared_ptr<SharedSnapshot> its_snapshot)
    : address(name + ":1"),
      snapshot(std::move(its_snapshot)),
      world_(world),
      fabric_(fabric),
      process_(world.start(world.add_host(name), 0)),
      loop_(world, process_),
      network_(fabric, process_, name),
      rate_(loop_, 0) {
  listener_ = *network_.listen(address, [this](std::unique_ptr<node::Link> link) {
    links_.push_back(std::make_unique<Serving>(*this, std::move(link)));
  });
}

Source::~Source() {
  world_.kill(process_);
  fabric_.on_end(process_, sim::Ending::killed);
}

std::size_t Source::chunks_sent() const {
  std::size_t count = 0;
  for (const auto& [chunk, times] : sent) count += static_cast<std::size_t>(times);
  return count;
}

TransferWorld::Running::Running(TransferWorld& world, sim::Process process)
    : loop(world.world, process),
      network(world.fabric, process, "r"),
      worker(world.world, process, Duration::microseconds(300)),
      files(world.disk, process),
      strand(worker) {}

TransferWorld::TransferWorld(std::uint64_t seed) : world(seed), id(world.add_host("r")), disk(world, id, {}) {
  settings.hello = {.role = net::Hello::Role::host, .name = "receiver"};
  start_receiver();
}

TransferWorld::~TransferWorld() { end_receiver(); }

void TransferWorld::start_receiver() {
  process_ = world.start(id, 0);
  running_ = std::make_unique<Running>(*this, process_);
}

void TransferWorld::end_receiver(sim::Ending ending) {
  if (running_ == nullptr) return;
  world.kill(process_);
  fabric.on_end(process_, ending);
  disk.on_end(ending);
  fetcher.reset();
  running_.reset();
}

void TransferWorld::fetch_from(const Source& source, raft::Term term_max) {
  done.reset();
  fetcher = std::make_unique<SnapshotFetcher>(
      SnapshotFetcher::Seams{running_->loop, running_->network, running_->strand, running_->files}, settings,
      SnapshotFetcher::Wanted{.group = {77},
                              .self = {2},
                              .from = {1},
                              .address = source.address,
                              .directory = directory,
                              .backend = "echo",
                              .term_max = term_max},
      Random(7), [this](LogLevel, std::string_view line) { said.emplace_back(line); },
      [this](Result<storage::SnapshotManifest> result) {
        EXPECT_FALSE(done.has_value()) << "told twice";
        done = std::move(result);
      });
}

std::optional<Result<storage::SnapshotManifest>> TransferWorld::wait(Duration limit) {
  const Instant end = world.now() + limit;
  while (!done && world.run_one(end)) {
  }
  return done;
}

void TransferWorld::expect_fetched(const SharedSnapshot& snapshot) {
  ASSERT_TRUE(done.has_value()) << "it did not end: " << (said.empty() ? "" : said.back());
  ASSERT_TRUE(done->has_value()) << done->error().text;
  EXPECT_TRUE(**done == snapshot.parsed);
  const auto found = find();
  ASSERT_TRUE(found.has_value()) << found.error().text;
  EXPECT_FALSE(found->partial.has_value());
  EXPECT_TRUE(found->damaged.empty());
  EXPECT_TRUE(std::ranges::find(found->complete, snapshot.parsed) != found->complete.end());
  const Result<> whole = storage::verify_snapshot(running_->files, directory, snapshot.parsed);
  EXPECT_TRUE(whole.has_value()) << whole.error().text;
}

void TransferWorld::write(const SharedSnapshot& snapshot) {
  const storage::SnapshotManifest& manifest = snapshot.parsed;
  const auto written = storage::write_snapshot(
      running_->files, directory, manifest.group, manifest.backend, manifest.meta,
      [&](node::SnapshotWriter& writer) -> Result<> {
        for (std::size_t i = 0; i < manifest.files.size(); ++i) {
          if (Result<> begun = writer.begin(manifest.files[i].name); !begun) return begun;
          const auto content = snapshot.files[i]->read(0, manifest.files[i].size);
          if (Result<> put = writer.append(*content); !put) return put;
        }
        return {};
      });
  ASSERT_TRUE(written.has_value()) << written.error().text;
  EXPECT_TRUE(*written == manifest);
}

Result<storage::FoundSnapshots> TransferWorld::find() { return storage::find_snapshots(running_->files, directory); }

bool TransferWorld::was_said(const std::string& part) const {
  return std::ranges::any_of(said, [&](const std::string& line) { return line.find(part) != std::string::npos; });
}

}  // namespace zraft::host::test
