// SPDX-License-Identifier: Apache-2.0
//
// A snapshot on its way with real threads, files and sockets: written to one directory, sent by sendfile, fetched into
// another. What was damaged on the sender's disk does not get into the receiver's, although the sender reads nothing.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "test/net_real/real_world.h"
#include "zraft/host/snapshot_fetcher.h"
#include "zraft/host/snapshot_sender.h"
#include "zraft/net/asio_network.h"
#include "zraft/net/asio_worker.h"
#include "zraft/storage/real_files.h"

namespace zraft::host {
namespace {

using net::test::RealLoop;
using net::test::Watched;

constexpr const char* directory = "snapshots";

class RealTransfer : public ::testing::Test, private node::LinkHandler {
 protected:
  RealTransfer() {
    std::filesystem::remove_all(place_);
    loop_.on_loop([this] {
      network_ = std::make_unique<net::AsioNetwork>(*loop_);
      worker_ = *net::AsioWorker::start(*loop_, 2);
      strand_ = std::make_unique<Strand>(*worker_);
      from_ = *storage::RealFiles::make(*loop_, place_ / "from");
      to_ = *storage::RealFiles::make(*loop_, place_ / "to");
      rate_ = std::make_unique<BulkRate>(*loop_, 0);
      listener_ =
          *network_->listen("127.0.0.1:0", [this](std::unique_ptr<node::Link> link) { serve(std::move(link)); });
    });
  }
  ~RealTransfer() override {
    loop_.on_loop([this] {
      fetcher_.reset();
      sender_.reset();
      link_.reset();
      strand_.reset();
    });
    worker_.reset();
    loop_.on_loop([this] {
      snapshot_.reset();
      listener_.reset();
      network_.reset();
      rate_.reset();
      from_.reset();
      to_.reset();
    });
    std::filesystem::remove_all(place_);
  }

  void write(const std::vector<std::pair<std::string, std::size_t>>& files) {
    const auto task = [&files](node::SnapshotWriter& writer) -> Result<> {
      for (const auto& [name, size] : files) {
        if (auto begun = writer.begin(name); !begun) return begun;
        Bytes content(size, '\0');
        for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * 31 >> 7);
        if (auto appended = writer.append(content); !appended) return appended;
      }
      return {};
    };
    const raft::SnapshotMeta meta{.last = {raft::Term{3}, raft::Index{9}},
                                  .membership = raft::membership_of({{{1}, "p1@n1:1"}, {{2}, "p2@n2:1"}}),
                                  .membership_index = raft::Index{1},
                                  .time = {}};
    const auto manifest = storage::write_snapshot(*from_, directory, {77}, "echo", meta, task);
    ASSERT_TRUE(manifest.has_value()) << manifest.error().text;
    auto opened = storage::open_snapshot_to_send(*from_, directory, *manifest);
    ASSERT_TRUE(opened.has_value()) << opened.error().text;
    snapshot_ = std::make_shared<SharedSnapshot>();
    snapshot_->manifest = storage::encode(*manifest);
    snapshot_->parsed = *manifest;
    snapshot_->files = *std::move(opened);
  }
  void flip(const std::string& file, std::uint64_t at) {
    for (const auto& entry : std::filesystem::recursive_directory_iterator(place_ / "from")) {
      if (entry.path().filename() != file) continue;
      std::fstream stream(entry.path(), std::ios::binary | std::ios::in | std::ios::out);
      stream.seekg(static_cast<std::streamoff>(at));
      const auto byte = static_cast<char>(stream.get() ^ 1);
      stream.seekp(static_cast<std::streamoff>(at));
      stream.put(byte);
    }
  }
  void fetch() {
    loop_.on_loop([this] {
      const net::Hello hello{.role = net::Hello::Role::host, .name = "receiver"};
      fetcher_ = std::make_unique<SnapshotFetcher>(
          SnapshotFetcher::Seams{*loop_, *network_, *strand_, *to_}, SnapshotFetcher::Settings{.hello = hello},
          SnapshotFetcher::Wanted{{77}, {2}, {1}, listener_->address(), directory, "echo"}, Random(1),
          [this](LogLevel, std::string_view line) {
            said_.change([&](std::string& all) { all += std::string(line) + "\n"; });
          },
          [this](Result<storage::SnapshotManifest> result) {
            done_.change([&](auto& now) { now = std::move(result); });
          });
    });
  }
  void expect_fetched() {
    const auto done = done_.wait([](const auto& now) { return now.has_value(); });
    ASSERT_TRUE(done.has_value() && done->has_value()) << done->error().text;
    const Result<> whole = storage::verify_snapshot(*to_, directory, snapshot_->parsed);
    EXPECT_TRUE(whole.has_value()) << whole.error().text;
  }

  Watched<std::string> said_;

 private:
  void serve(std::unique_ptr<node::Link> link) {
    sender_.reset();
    link_ = std::move(link);
    link_->set_handler(this);
    sender_ = std::make_unique<SnapshotSender>(
        *loop_, *link_, *rate_, [this](const net::FetchSnapshot&, SnapshotSender::Found found) { found(snapshot_); });
  }
  void on_frame(node::FrameKind kind, const SharedBytes& body) override {
    if (kind == node::FrameKind::bulk) {
      EXPECT_TRUE(sender_->on_message(*body).has_value());
    } else {
      link_->send(kind, {piece_of(net::encode(net::Hello{.role = net::Hello::Role::host, .name = "sender"}))});
    }
  }
  void on_closed(const Error&) override {
    sender_.reset();
    link_.reset();
  }

  const std::filesystem::path place_ =
      std::filesystem::path(::testing::TempDir()) / ("zraft_transfer_test." + std::to_string(::getpid()));
  RealLoop loop_;
  std::unique_ptr<net::AsioNetwork> network_;
  std::unique_ptr<net::AsioWorker> worker_;
  std::unique_ptr<Strand> strand_;
  std::unique_ptr<storage::RealFiles> from_;
  std::unique_ptr<storage::RealFiles> to_;
  std::unique_ptr<BulkRate> rate_;
  std::unique_ptr<node::Listener> listener_;
  std::shared_ptr<SharedSnapshot> snapshot_;
  std::unique_ptr<node::Link> link_;
  std::unique_ptr<SnapshotSender> sender_;
  std::unique_ptr<SnapshotFetcher> fetcher_;
  Watched<std::optional<Result<storage::SnapshotManifest>>> done_;
};

TEST_F(RealTransfer, BringsTheFilesOfOneDirectoryIntoTheOther) {
  write({{"a", 0}, {"b", 1}, {"c", 20'000'003}, {"d", 1 << 20}, {"e", 4'097}});
  fetch();
  expect_fetched();
}

TEST_F(RealTransfer, OfAFileThatWasDamagedAtTheSenderIsNoticedAndGoesOnWhenItIsWhole) {
  write({{"a", 3'000'000}});
  flip("a", 2'500'000);
  fetch();
  said_.wait([](const std::string& all) { return all.find("a frame's body was damaged") != std::string::npos; });
  flip("a", 2'500'000);
  expect_fetched();
}

}  // namespace
}  // namespace zraft::host
