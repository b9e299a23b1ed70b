// SPDX-License-Identifier: Apache-2.0
//
// The simulated disk of one host: files and names, each as the processes see them and as a loss of power would leave
// them. Between the two lies, for every 512-byte sector, the list of contents it had since it was last durable; a
// loss of power leaves any of them, each sector on its own, so batches are torn in every way. Names that were not
// made durable by sync_directory survive or not as well, and so does a file's new size.
// Laws: a sector is written whole or not at all; what was synced stays; a process that was killed leaves everything
// it wrote, except that a write under way may stop at any sector.
// Failures: a failed sync leaves some sectors behind and forgets that it did (as Linux does), reads give what is in
// memory until the next sync. A full disk refuses to grow files. flip() is for tests.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/world.h"
#include "zraft/storage/file.h"

namespace zraft::sim {

constexpr std::size_t sector_size = 512;

// Chances in parts per million. The default is a good, fast disk.
struct DiskSettings {
  Duration latency_mean = Duration::microseconds(100);  // of a durable write
  std::int64_t slowness = 1;  // times latency_mean
  std::uint64_t stall_ppm = 0;
  Duration stall_max = Duration::seconds(1);
  std::uint64_t fail_write_ppm = 0;
  std::uint64_t fail_read_ppm = 0;
  std::uint64_t fail_sync_ppm = 0;
  std::uint64_t lie_ppm = 0;         // of durable writes: said to be durable, and are not (to test the checkers)
  std::uint64_t keep_ppm = 500'000;  // of each unsynced sector and name, when power is lost
  std::uint64_t zero_ppm = 0;        // of each unsynced sector that is lost and was never durable under this name
  bool is_journaled = true;          // names are lost from the newest on, never from among older ones
};

struct DiskCounts {
  std::uint64_t writes = 0;
  std::uint64_t bytes = 0;
  std::uint64_t stalls = 0;
  std::uint64_t failures = 0;
  std::uint64_t torn = 0;        // losses of power that found unsynced sectors
  std::uint64_t lost_sectors = 0;
  std::uint64_t kept_sectors = 0;
  std::uint64_t lost_names = 0;
};

class Disk {
 public:
  struct Inode {
    bool is_directory = false;
    Bytes seen;     // what reads give
    Bytes durable;  // what is left at least
    std::map<std::uint64_t, std::vector<Bytes>> dirty;  // sector: its contents since it was durable, oldest first
    std::vector<bool> was_durable;                      // sectors that were synced under this name
  };
  using InodePtr = std::shared_ptr<Inode>;

  Disk(World& world, HostId host, DiskSettings settings)
      : world_(world), host_(host), random_(world.fork()), settings_(settings) {}
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;

  void set_settings(const DiskSettings& settings) { settings_ = settings; }
  [[nodiscard]] const DiskSettings& settings() const { return settings_; }
  void set_full(bool is_full) { is_full_ = is_full; }
  [[nodiscard]] const DiskCounts& counts() const { return counts_; }

  // The process that used the disk has ended.
  void on_end(Ending ending);
  // Everything on it is gone, as if it had been replaced. Requires: no process uses it.
  void wipe();
  // `burn` runs instead of the `calls`-th call from now on: it should kill the process (a crash between two calls).
  void set_fuse(std::uint64_t calls, Task burn);
  // For tests: damages one bit for good. Requires: the file exists and is that long.
  void flip(const std::string& path, std::uint64_t offset, unsigned bit);
  [[nodiscard]] std::vector<std::string> paths() const;

  // --- for SimFiles ---
  [[nodiscard]] World& world() { return world_; }
  // Counts a call. Errors: io (the process has ended, or this call was drawn to fail).
  [[nodiscard]] Result<> begin_call(Process process, std::uint64_t fail_ppm, const std::string& what);
  [[nodiscard]] InodePtr find(const std::string& path) const;
  [[nodiscard]] std::vector<std::string> names_in(const std::string& directory) const;
  void link(const std::string& path, InodePtr inode);  // a new name, or the same name for another file
  void unlink(const std::string& path);
  void rename(const std::string& from, const std::string& to);
  void sync_names(const std::string& directory);
  [[nodiscard]] bool take_lock(const std::string& path, Process process);

  void write(Inode& inode, std::uint64_t offset, BytesView bytes);  // into memory
  void write_async(InodePtr inode, Process process, std::uint64_t offset, Bytes bytes, bool is_durable,
                   std::move_only_function<void(Result<>)> done);
  void flush(Inode& inode);         // all that was written is durable now
  void sync(Inode& inode);          // and what is read from now on comes from the disk
  void flush_badly(Inode& inode);   // some of it is, and the rest never will be
  void truncate(Inode& inode, std::uint64_t size);
  void preallocate(Inode& inode, std::uint64_t size);
  [[nodiscard]] bool has_room(const Inode& inode, std::uint64_t size) const {
    return !is_full_ || size <= inode.seen.size();
  }
  [[nodiscard]] bool is_full() const { return is_full_; }

 private:
  struct NameChange {
    std::string path;
    InodePtr inode;                   // null: the name goes
    std::optional<std::string> from;  // of a rename
  };
  struct UnderWay {
    InodePtr inode;
    std::uint64_t offset;
    Bytes bytes;
  };
  using Names = std::map<std::string, InodePtr>;

  [[nodiscard]] Result<> finish(std::uint64_t id, bool is_durable);
  template <class IsKept>
  std::vector<NameChange> perform_durably(std::vector<NameChange> changes, IsKept is_kept);
  void forget_below(const std::string& directory, std::vector<NameChange>& changes);
  void keep_sector(Inode& inode, std::uint64_t sector);
  void lose_power_of(Inode& inode);
  void lose_power_of_names();
  static void perform(const NameChange& change, Names& names);

  World& world_;
  HostId host_;
  Random random_;
  DiskSettings settings_;
  DiskCounts counts_;
  bool is_full_ = false;
  Names names_;                      // as the processes see them
  Names durable_names_;
  std::vector<NameChange> changes_;  // from the one to the other
  std::map<std::uint64_t, UnderWay> under_way_;
  std::uint64_t last_write_ = 0;
  std::map<std::string, Process> locks_;
  std::uint64_t fuse_ = 0;
  Task burn_;
};

// What one process sees of its host's disk.
class SimFiles : public storage::Files {
 public:
  // All paths are below `root`, which is made if it is not there.
  SimFiles(Disk& disk, Process process, const std::string& root = "");

  Result<std::unique_ptr<storage::File>> open(const std::string& path, storage::OpenMode mode) override;
  Result<std::vector<std::string>> list(const std::string& directory) override;
  [[nodiscard]] Result<bool> exists(const std::string& path) override;
  Result<> rename(const std::string& from, const std::string& to) override;
  Result<> remove(const std::string& path) override;
  Result<> make_directory(const std::string& path) override;
  Result<> sync_directory(const std::string& directory) override;
  Result<> link(const std::string& from, const std::string& to) override;
  Result<std::shared_ptr<node::SendableFile>> open_to_send(const std::string& path) override;
  Result<std::string> system_path(const std::string& path) override;
  Result<> lock(const std::string& path) override;

 private:
  [[nodiscard]] std::string full(const std::string& path) const;

  Disk& disk_;
  Process process_;
  std::string root_;  // "" or "a/b/"
};

}  // namespace zraft::sim
