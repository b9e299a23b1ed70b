// SPDX-License-Identifier: Apache-2.0
//
// See memory_files.h.
#include "test/storage/memory_files.h"

#include <algorithm>
#include <utility>

namespace zraft::test {
namespace {

constexpr std::size_t sector = 512;

void put(Bytes& into, std::size_t offset, BytesView bytes) {
  if (into.size() < offset + bytes.size()) into.resize(offset + bytes.size());
  into.replace(offset, bytes.size(), bytes);
}

bool is_in(const std::string& path, const std::string& directory) {
  const std::size_t slash = path.rfind('/');
  return directory == (slash == std::string::npos ? "." : path.substr(0, slash));
}

using Names = std::map<std::string, std::shared_ptr<MemoryDisk::Inode>>;

void apply(const MemoryDisk::NameChange& change, Names& names, std::set<std::string>& directories) {
  if (change.inode) {
    if (!change.removed.empty()) names.erase(change.removed);
    names[change.made] = change.inode;
    return;
  }
  names.erase(change.removed);
  directories.erase(change.removed);
  if (change.made.empty()) return;
  directories.insert(change.made);
  const std::string below = change.removed + "/";
  const auto now = [&](const std::string& path) { return change.made + path.substr(change.removed.size()); };
  for (auto at = names.lower_bound(below); at != names.end() && at->first.starts_with(below);) {
    names[now(at->first)] = at->second;
    at = names.erase(at);
  }
  for (auto at = directories.lower_bound(below); at != directories.end() && at->starts_with(below);) {
    directories.insert(now(*at));
    at = directories.erase(at);
  }
}

}  // namespace

void MemoryDisk::Inode::write(std::size_t offset, BytesView bytes) {
  put(now, offset, bytes);
  pending.push_back({offset, Bytes(bytes)});
}

void MemoryDisk::Inode::sync() {
  for (const Pending& write : pending) put(durable, write.offset, write.bytes);
  pending.clear();
}

MemoryDisk::MemoryDisk(const MemoryDisk& other) {
  std::map<const Inode*, std::shared_ptr<Inode>> copies;
  const auto copy = [&](const std::shared_ptr<Inode>& inode) {
    auto& made = copies[inode.get()];
    if (!made) made = std::make_shared<Inode>(*inode);
    return made;
  };
  for (const auto& [path, inode] : other.names) names[path] = copy(inode);
  for (const auto& [path, inode] : other.durable_names) durable_names[path] = copy(inode);
  for (const NameChange& change : other.name_changes) {
    name_changes.push_back({change.removed, change.made, change.inode ? copy(change.inode) : nullptr});
  }
  directories = other.directories;
  durable_directories = other.durable_directories;
}

void MemoryDisk::crash() {
  for (auto& [path, inode] : durable_names) {
    inode->pending.clear();
    inode->now = inode->durable;
  }
  names = durable_names;
  directories = durable_directories;
  name_changes.clear();
  locks.clear();
}

void MemoryDisk::crash(Random& random) {
  for (const NameChange& change : std::exchange(name_changes, {})) {
    if (random.chance(500'000)) apply(change, durable_names, durable_directories);
  }
  for (auto& [path, inode] : durable_names) {
    for (const Pending& write : std::exchange(inode->pending, {})) {
      for (std::size_t at = 0; at < write.bytes.size();) {
        const std::size_t length = std::min(write.bytes.size() - at, sector - (write.offset + at) % sector);
        if (random.chance(500'000)) put(inode->durable, write.offset + at, BytesView(write.bytes).substr(at, length));
        at += length;
      }
    }
  }
  crash();
}

Bytes& MemoryDisk::bytes(const std::string& path) { return names.at(path)->now; }

void MemoryDisk::touched(const std::string& path) {
  Inode& inode = *names.at(path);
  inode.pending.clear();
  inode.durable = inode.now;
}

void MemoryDisk::remove(const std::string& path) {
  names.erase(path);
  durable_names.erase(path);
}

std::vector<std::string> MemoryDisk::paths() const {
  std::vector<std::string> result;
  for (const auto& [path, inode] : names) result.push_back(path);
  return result;
}

void MemoryDisk::fail_call(std::uint64_t n, Code code, bool lasting) {
  fail_at_ = calls_ + n;
  fail_with_ = code;
  fails_on_ = lasting;
}

Result<> MemoryDisk::call(const std::string& what) {
  ++calls_;
  if (fail_at_ == 0 || (fails_on_ ? calls_ < fail_at_ : calls_ != fail_at_)) return {};
  return fail(fail_with_, what + ": injected failure");
}

class MemoryFile final : public storage::File {
 public:
  MemoryFile(MemoryFiles& files, std::string path, std::shared_ptr<MemoryDisk::Inode> inode)
      : files_(files), disk_(files.disk_), path_(std::move(path)), inode_(std::move(inode)) {}

  void write(std::uint64_t offset, Pieces pieces, bool durable,
             std::move_only_function<void(Result<>)> done) override {
    ++disk_.writes;
    auto outcome = disk_.call(path_ + ": write");
    Bytes whole;
    for (const Piece& piece : pieces) whole.append(piece.bytes);
    // A failed write has written something, or nothing, or all: half.
    if (!outcome) whole.resize(whole.size() / 2);
    inode_->write(static_cast<std::size_t>(offset), whole);
    files_.finish([durable, inode = inode_, outcome, done = std::move(done), disk = &disk_]() mutable {
      if (outcome && durable) {
        ++disk->syncs;
        inode->sync();
      }
      done(outcome);
    });
  }

  Result<Bytes> read(std::uint64_t offset, std::size_t length) override {
    if (auto ok = disk_.call(path_ + ": read"); !ok) return fail(ok);
    if (offset >= inode_->now.size()) return Bytes{};
    return inode_->now.substr(static_cast<std::size_t>(offset), length);
  }

  Result<std::uint64_t> size() override {
    if (auto ok = disk_.call(path_ + ": size"); !ok) return fail(ok);
    return inode_->now.size();
  }

  Result<> write_now(std::uint64_t offset, BytesView bytes) override {
    if (auto ok = disk_.call(path_ + ": write"); !ok) return ok;
    inode_->write(static_cast<std::size_t>(offset), bytes);
    return {};
  }

  Result<> preallocate(std::uint64_t size) override {
    if (auto ok = disk_.call(path_ + ": allocate"); !ok) return ok;
    std::uint64_t used = size;
    for (const auto& [path, inode] : disk_.names) used += inode->now.size();
    if (disk_.bytes_max && used > *disk_.bytes_max) return fail(Code::no_space, path_ + ": the disk is full");
    inode_->now.resize(static_cast<std::size_t>(size));
    inode_->durable.resize(static_cast<std::size_t>(size));
    return {};
  }

  Result<> sync() override {
    if (auto ok = disk_.call(path_ + ": sync"); !ok) return ok;
    ++disk_.syncs;
    inode_->sync();
    return {};
  }

  Result<> truncate(std::uint64_t size) override {
    if (auto ok = disk_.call(path_ + ": truncate"); !ok) return ok;
    inode_->now.resize(static_cast<std::size_t>(size));
    inode_->durable.resize(static_cast<std::size_t>(size));
    return {};
  }

 private:
  MemoryFiles& files_;
  MemoryDisk& disk_;
  const std::string path_;
  const std::shared_ptr<MemoryDisk::Inode> inode_;
};

class MemorySendableFile final : public node::SendableFile {
 public:
  MemorySendableFile(MemoryDisk& disk, std::string path, std::shared_ptr<MemoryDisk::Inode> inode)
      : disk_(disk), path_(std::move(path)), inode_(std::move(inode)) {}
  [[nodiscard]] std::uint64_t size() const override { return inode_->now.size(); }
  Result<Bytes> read(std::uint64_t offset, std::size_t length) override {
    if (auto ok = disk_.call(path_ + ": read"); !ok) return fail(ok);
    if (offset >= inode_->now.size()) return Bytes{};
    return inode_->now.substr(static_cast<std::size_t>(offset), length);
  }

 private:
  MemoryDisk& disk_;
  const std::string path_;
  const std::shared_ptr<MemoryDisk::Inode> inode_;
};

MemoryFiles::~MemoryFiles() {
  for (const std::string& path : locks_) disk_.locks.erase(path);
}

void MemoryFiles::finish(node::Task task) {
  if (is_held_) {
    held_.push_back(std::move(task));
  } else {
    loop_.post(std::move(task));
  }
}

void MemoryFiles::release() {
  is_held_ = false;
  for (node::Task& task : std::exchange(held_, {})) loop_.post(std::move(task));
}

Result<std::unique_ptr<storage::File>> MemoryFiles::open(const std::string& path, storage::OpenMode mode) {
  if (auto ok = disk_.call(path + ": open"); !ok) return fail(ok);
  const auto at = disk_.names.find(path);
  if (mode != storage::OpenMode::create) {
    if (at == disk_.names.end()) return fail(Code::io, path + ": no such file");
    return std::make_unique<MemoryFile>(*this, path, at->second);
  }
  if (at != disk_.names.end()) return fail(Code::io, path + ": is there already");
  auto inode = std::make_shared<MemoryDisk::Inode>();
  disk_.names[path] = inode;
  disk_.name_changes.push_back({"", path, inode});
  return std::make_unique<MemoryFile>(*this, path, inode);
}

Result<std::vector<std::string>> MemoryFiles::list(const std::string& directory) {
  if (auto ok = disk_.call(directory + ": list"); !ok) return fail(ok);
  std::vector<std::string> result;
  for (const auto& [path, inode] : disk_.names) {
    if (is_in(path, directory)) result.push_back(path.substr(path.rfind('/') + 1));
  }
  for (const std::string& path : disk_.directories) {
    if (is_in(path, directory)) result.push_back(path.substr(path.rfind('/') + 1));
  }
  if (disk_.names.contains(directory)) return fail(Code::io, directory + ": is no directory");
  std::ranges::sort(result);
  return result;
}

Result<bool> MemoryFiles::exists(const std::string& path) {
  if (auto ok = disk_.call(path + ": exists"); !ok) return fail(ok);
  return disk_.names.contains(path) || disk_.directories.contains(path);
}

Result<> MemoryFiles::rename(const std::string& from, const std::string& to) {
  if (auto ok = disk_.call(from + ": rename"); !ok) return ok;
  const auto at = disk_.names.find(from);
  const bool is_directory = disk_.directories.contains(from);
  if (at == disk_.names.end() && !is_directory) return fail(Code::io, from + ": no such file");
  if (is_directory && holds_something(to)) return fail(Code::io, to + ": is not empty");
  const MemoryDisk::NameChange change{from, to, is_directory ? nullptr : at->second};
  apply(change, disk_.names, disk_.directories);
  disk_.name_changes.push_back(change);
  return {};
}

Result<> MemoryFiles::remove(const std::string& path) {
  if (auto ok = disk_.call(path + ": remove"); !ok) return ok;
  if (disk_.directories.contains(path) && holds_something(path)) return fail(Code::io, path + ": is not empty");
  if (disk_.names.erase(path) + disk_.directories.erase(path) == 0) return fail(Code::io, path + ": no such file");
  disk_.name_changes.push_back({path, "", nullptr});
  return {};
}

bool MemoryFiles::holds_something(const std::string& directory) const {
  const auto is_here = [&](const std::string& path) { return is_in(path, directory); };
  return std::ranges::any_of(disk_.names, [&](const auto& name) { return is_here(name.first); }) ||
         std::ranges::any_of(disk_.directories, is_here);
}

Result<> MemoryFiles::make_directory(const std::string& path) {
  if (auto ok = disk_.call(path + ": make directory"); !ok) return ok;
  for (std::size_t at = 0; at < path.size();) {
    at = std::min(path.find('/', at + 1), path.size());
    disk_.directories.insert(path.substr(0, at));
    disk_.durable_directories.insert(path.substr(0, at));
  }
  return {};
}

Result<> MemoryFiles::link(const std::string& from, const std::string& to) {
  if (auto ok = disk_.call(from + ": link"); !ok) return ok;
  const auto at = disk_.names.find(from);
  if (at == disk_.names.end()) return fail(Code::io, from + ": no such file");
  if (disk_.names.contains(to)) return fail(Code::already_present, to + ": is there already");
  const MemoryDisk::NameChange change{"", to, at->second};
  apply(change, disk_.names, disk_.directories);
  disk_.name_changes.push_back(change);
  return {};
}

Result<std::shared_ptr<node::SendableFile>> MemoryFiles::open_to_send(const std::string& path) {
  if (auto ok = disk_.call(path + ": open"); !ok) return fail(ok);
  const auto at = disk_.names.find(path);
  if (at == disk_.names.end()) return fail(Code::io, path + ": no such file");
  return std::make_shared<MemorySendableFile>(disk_, path, at->second);
}

Result<std::string> MemoryFiles::system_path(const std::string& path) {
  return fail(Code::unsupported, path + ": is in memory");
}

Result<> MemoryFiles::sync_directory(const std::string& directory) {
  if (auto ok = disk_.call(directory + ": sync"); !ok) return ok;
  std::erase_if(disk_.name_changes, [&](const MemoryDisk::NameChange& change) {
    if (!is_in(change.made.empty() ? change.removed : change.made, directory)) return false;
    apply(change, disk_.durable_names, disk_.durable_directories);
    return true;
  });
  return {};
}

Result<> MemoryFiles::lock(const std::string& path) {
  if (auto ok = disk_.call(path + ": lock"); !ok) return ok;
  if (!disk_.locks.insert(path).second) return fail(Code::busy, path + ": is locked");
  locks_.insert(path);
  return {};
}

}  // namespace zraft::test
