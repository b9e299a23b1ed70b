// SPDX-License-Identifier: Apache-2.0
//
// A disk in memory that loses what a real one may lose. Every write is pending until its file is synced, every name
// until its directory is (a directory that was made is durable at once). A crash keeps the pending writes in pieces of
// 512 bytes and the pending names one by one, as a random generator wants it. Any call can be made to fail.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/node/loop.h"
#include "zraft/storage/file.h"

namespace zraft::test {

// What outlives the process.
class MemoryDisk {
 public:
  struct Pending {
    std::size_t offset;
    Bytes bytes;
  };
  struct Inode {
    Bytes now;      // as a reader sees it
    Bytes durable;  // as it is after a crash that loses everything pending
    std::vector<Pending> pending;
    void write(std::size_t offset, BytesView bytes);
    void sync();
  };
  struct NameChange {
    std::string removed;  // empty: none
    std::string made;     // empty: none
    std::shared_ptr<Inode> inode;  // of what is made; null: a directory, renamed with all that is in it
  };

  MemoryDisk() = default;
  MemoryDisk(const MemoryDisk& other);  // a copy of the disk, not of who uses it
  MemoryDisk& operator=(const MemoryDisk&) = delete;

  // The power goes. What was pending is lost, or survives in part.
  void crash();
  void crash(Random& random);

  // The content of a file, to be changed behind everybody's back; call `touched` after.
  [[nodiscard]] Bytes& bytes(const std::string& path);
  void touched(const std::string& path);
  void remove(const std::string& path);
  [[nodiscard]] std::vector<std::string> paths() const;
  [[nodiscard]] bool has(const std::string& path) const { return names.contains(path); }

  // The n-th call from now on (1 is the next) fails with `code`, and if `lasting`, so does every later one.
  void fail_call(std::uint64_t n, Code code, bool lasting = false);
  void fail_nothing() { fail_at_ = 0; }
  // Counts a call; an error if it is to fail.
  Result<> call(const std::string& what);
  [[nodiscard]] std::uint64_t calls() const { return calls_; }

  std::map<std::string, std::shared_ptr<Inode>> names;
  std::map<std::string, std::shared_ptr<Inode>> durable_names;
  std::set<std::string> directories;
  std::set<std::string> durable_directories;
  std::vector<NameChange> name_changes;
  std::set<std::string> locks;
  std::optional<std::uint64_t> bytes_max;  // of all files together; beyond it there is no space
  std::uint64_t syncs = 0;                 // durable writes and syncs
  std::uint64_t writes = 0;                // asynchronous ones

 private:
  std::uint64_t calls_ = 0;
  std::uint64_t fail_at_ = 0;
  Code fail_with_ = Code::io;
  bool fails_on_ = false;
};

// One process's view of a disk.
class MemoryFiles final : public storage::Files {
 public:
  MemoryFiles(MemoryDisk& disk, node::Loop& loop) : disk_(disk), loop_(loop) {}
  ~MemoryFiles() override;

  Result<std::unique_ptr<storage::File>> open(const std::string& path, storage::OpenMode mode) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  Result<bool> exists(const std::string& path) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& path) override;
  Result<> make_directory(const std::string& path) override;
  Result<> sync_directory(const std::string& directory) override;
  Result<> link(const std::string& from, const std::string& to) override;
  Result<std::shared_ptr<node::SendableFile>> open_to_send(const std::string& path) override;
  Result<std::string> system_path(const std::string& path) override;
  Result<> lock(const std::string& path) override;

  // Asynchronous writes reach the disk (not durably) and are not answered before release().
  void hold() { is_held_ = true; }
  void release();
  [[nodiscard]] std::size_t held() const { return held_.size(); }

 private:
  friend class MemoryFile;
  void finish(node::Task task);
  [[nodiscard]] bool holds_something(const std::string& directory) const;

  MemoryDisk& disk_;
  node::Loop& loop_;
  std::set<std::string> locks_;
  std::vector<node::Task> held_;
  bool is_held_ = false;
};

}  // namespace zraft::test
