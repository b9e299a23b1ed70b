// SPDX-License-Identifier: Apache-2.0
//
// Hosts whose groups write snapshots, for tests. The machine "shelf" keeps every command it was given; its snapshot is
// one file with all of them and an empty one beside it. The members of the group "kv" are n = 1, 2, ...: "p<n>" with
// the id 100 + n, on the host of that number, or all on the one host there is.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "test/host/host_world.h"

namespace zraft::host::test {

// What all shelves of one host do, and what was seen of them.
struct Shelves {
  std::optional<Error> open;      // why none can be made
  std::optional<Error> snapshot;  // why none can write one
  std::optional<Error> apply;     // why none can go on
  bool may_block = false;
  std::size_t alive = 0;          // of them
  std::size_t restored = 0;       // times
  std::size_t written = 0;        // times that a snapshot's files were begun
  std::size_t applied = 0;        // commands, by all of them together
};

class SnapshotWorld {
 public:
  // A snapshot every 20 entries, nothing kept of the log behind it, segments of 64 KiB.
  explicit SnapshotWorld(std::size_t hosts);
  ~SnapshotWorld();
  SnapshotWorld(const SnapshotWorld&) = delete;
  SnapshotWorld& operator=(const SnapshotWorld&) = delete;

  [[nodiscard]] HostWorld& host(std::size_t n) { return *hosts_[place(n)]; }
  [[nodiscard]] Shelves& shelves(std::size_t n) { return *shelves_[place(n)]; }
  void each(const std::function<void(HostWorld&)>& change);
  void start();
  // The group, of those members.
  void create(const std::vector<std::uint64_t>& numbers);
  // A peer that is to join; and its taking in.
  [[nodiscard]] net::StartPeer newcomer(std::uint64_t n);
  void change_to(const std::vector<std::uint64_t>& numbers);

  // Writes that many commands, of so many bytes each, and waits for all of them.
  void write(std::size_t count, std::size_t bytes = 10);
  void forget() { written_ = 0; }  // what was written to a group that is no more
  void run(Duration length) { host(1).run(length); }
  // False: it did not come about.
  bool wait(const std::function<bool()>& condition, Duration limit = Duration::seconds(60));

  [[nodiscard]] const Group* peer(std::uint64_t n);  // null: it does not run
  [[nodiscard]] std::uint64_t leader();              // its number; 0: none
  [[nodiscard]] net::PeerStatus status(std::uint64_t n);
  // What its machine was given: how many, and a checksum of all.
  [[nodiscard]] std::string content(std::uint64_t n);
  // All members that run hold all that was written.
  bool agree(const std::vector<std::uint64_t>& numbers, Duration limit = Duration::seconds(60));
  [[nodiscard]] raft::Index newest(std::uint64_t n);  // snapshot; 0: none
  [[nodiscard]] bool has_said(std::uint64_t n, const std::string& part);
  // The names of its complete snapshots, oldest first; of a host with one peer.
  [[nodiscard]] std::vector<std::string> complete(std::uint64_t n);
  // The directory of its snapshots.
  [[nodiscard]] std::string directory(std::uint64_t n);

  [[nodiscard]] raft::Member member(std::uint64_t n) const;
  [[nodiscard]] raft::Membership members(const std::vector<std::uint64_t>& numbers) const;

 private:
  [[nodiscard]] std::size_t place(std::size_t n) const { return hosts_.size() == 1 ? 0 : n - 1; }

  std::vector<std::unique_ptr<Shelves>> shelves_;
  std::vector<std::unique_ptr<HostWorld>> hosts_;
  std::uint64_t written_ = 0;
};

}  // namespace zraft::host::test
