// SPDX-License-Identifier: Apache-2.0
//
// The File seam over a simulated disk: paths, modes and errors. What a call does to the disk is in sim/disk.cc. The
// blocking calls take no virtual time, because nothing else of the process could happen meanwhile; a crash between
// two of them is Disk::set_fuse.
#include <utility>

#include "sim/disk.h"

namespace zraft::sim {

namespace {

using storage::File;
using storage::OpenMode;

// "a//b/" and "./a/b" are "a/b"; "." is the root, "".
std::string plain(const std::string& path) {
  std::string out;
  std::size_t at = 0;
  while (at < path.size()) {
    const std::size_t slash = std::min(path.find('/', at), path.size());
    const std::string part = path.substr(at, slash - at);
    if (!part.empty() && part != ".") out += (out.empty() ? "" : "/") + part;
    at = slash + 1;
  }
  return out;
}

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

class SimFile : public File {
 public:
  SimFile(Disk& disk, Process process, Disk::InodePtr inode, std::string path)
      : disk_(disk), process_(process), inode_(std::move(inode)), path_(std::move(path)) {}

  void write(std::uint64_t offset, Pieces pieces, bool durable,
             std::move_only_function<void(Result<>)> done) override {
    Bytes joined;
    for (const Piece& piece : pieces) joined.append(piece.bytes);
    if (disk_.world().is_alive(process_)) {
      disk_.write_async(inode_, process_, offset, std::move(joined), durable, std::move(done));
    }
  }

  Result<Bytes> read(std::uint64_t offset, std::size_t length) override {
    if (const Result<> begun = begin(disk_.settings().fail_read_ppm, "read"); !begun) return fail(begun);
    if (offset >= inode_->seen.size()) return Bytes{};
    return inode_->seen.substr(offset, length);
  }

  Result<std::uint64_t> size() override {
    if (const Result<> begun = begin(0, "size"); !begun) return fail(begun);
    return inode_->seen.size();
  }

  Result<> write_now(std::uint64_t offset, BytesView bytes) override {
    if (const Result<> begun = begin(disk_.settings().fail_write_ppm, "write"); !begun) return begun;
    if (!disk_.has_room(*inode_, offset + bytes.size())) return no_space();
    disk_.write(*inode_, offset, bytes);
    return {};
  }

  Result<> preallocate(std::uint64_t size) override {
    if (const Result<> begun = begin(disk_.settings().fail_write_ppm, "preallocate"); !begun) return begun;
    if (!disk_.has_room(*inode_, size)) return no_space();
    disk_.preallocate(*inode_, size);
    return {};
  }

  Result<> sync() override {
    if (const Result<> begun = begin(disk_.settings().fail_sync_ppm, "sync"); !begun) {
      if (disk_.world().is_alive(process_)) disk_.flush_badly(*inode_);
      return begun;
    }
    disk_.sync(*inode_);
    return {};
  }

  Result<> truncate(std::uint64_t size) override {
    if (const Result<> begun = begin(disk_.settings().fail_write_ppm, "truncate"); !begun) return begun;
    if (!disk_.has_room(*inode_, size)) return no_space();
    disk_.truncate(*inode_, size);
    return {};
  }

 private:
  [[nodiscard]] Result<> begin(std::uint64_t fail_ppm, const std::string& what) {
    return disk_.begin_call(process_, fail_ppm, what + " of " + path_);
  }
  [[nodiscard]] Result<> no_space() const { return fail(Code::no_space, path_ + ": no space left on device"); }

  Disk& disk_;
  Process process_;
  Disk::InodePtr inode_;
  std::string path_;
};

class SimSendableFile : public node::SendableFile {
 public:
  SimSendableFile(Disk& disk, Process process, Disk::InodePtr inode, std::string path)
      : disk_(disk), process_(process), inode_(std::move(inode)), path_(std::move(path)), size_(inode_->seen.size()) {}

  [[nodiscard]] std::uint64_t size() const override { return size_; }
  Result<Bytes> read(std::uint64_t offset, std::size_t length) override {
    const Result<> begun = disk_.begin_call(process_, disk_.settings().fail_read_ppm, "read of " + path_);
    if (!begun) return fail(begun);
    if (offset >= inode_->seen.size()) return Bytes{};
    return inode_->seen.substr(offset, length);
  }

 private:
  Disk& disk_;
  Process process_;
  Disk::InodePtr inode_;
  std::string path_;
  std::uint64_t size_;
};

}  // namespace

SimFiles::SimFiles(Disk& disk, Process process, const std::string& root) : disk_(disk), process_(process) {
  const std::string path = plain(root);
  if (path.empty()) return;
  root_ = path + "/";
  if (disk_.find(path)) return;
  auto directory = std::make_shared<Disk::Inode>();
  directory->is_directory = true;
  disk_.link(path, std::move(directory));
  disk_.sync_names(directory_of(path));
}

std::string SimFiles::full(const std::string& path) const { return plain(root_ + path); }

Result<std::unique_ptr<File>> SimFiles::open(const std::string& given, OpenMode mode) {
  const std::string path = full(given);
  if (const Result<> begun = disk_.begin_call(process_, 0, "open of " + path); !begun) return fail(begun);
  Disk::InodePtr inode = disk_.find(path);
  if (inode && inode->is_directory) return fail(Code::io, path + " is a directory");
  if (mode == OpenMode::create) {
    if (inode) return fail(Code::already_present, path + " is there already");
    const Disk::InodePtr directory = disk_.find(directory_of(path));
    if (!directory || !directory->is_directory) {
      return fail(Code::not_found, "the directory of " + path + " is missing");
    }
    if (disk_.is_full()) return fail(Code::no_space, path + ": no space left on device");
    inode = std::make_shared<Disk::Inode>();
    disk_.link(path, inode);
  }
  if (!inode) return fail(Code::not_found, path + " does not exist");
  return std::make_unique<SimFile>(disk_, process_, std::move(inode), path);
}

Result<std::vector<std::string>> SimFiles::list(const std::string& given) {
  const std::string path = full(given);
  if (const Result<> begun = disk_.begin_call(process_, 0, "list of " + path); !begun) return fail(begun);
  const Disk::InodePtr directory = disk_.find(path);
  if (!directory || !directory->is_directory) return fail(Code::not_found, path + " is no directory");
  return disk_.names_in(path);
}

Result<bool> SimFiles::exists(const std::string& given) {
  const std::string path = full(given);
  if (const Result<> begun = disk_.begin_call(process_, 0, "look at " + path); !begun) return fail(begun);
  return disk_.find(path) != nullptr;
}

Result<> SimFiles::rename(const std::string& given_from, const std::string& given_to) {
  const std::string from = full(given_from);
  const std::string to = full(given_to);
  if (Result<> begun = disk_.begin_call(process_, 0, "rename of " + from); !begun) return begun;
  const Disk::InodePtr inode = disk_.find(from);
  if (!inode) return fail(Code::not_found, from + " does not exist");
  if (const Disk::InodePtr present = disk_.find(to)) {
    if (present == inode) return {};
    if (present->is_directory != inode->is_directory) return fail(Code::io, to + " is of another kind than " + from);
    if (present->is_directory && !disk_.names_in(to).empty()) return fail(Code::io, to + " is not empty");
  }
  if (inode->is_directory && to.starts_with(from + "/")) return fail(Code::io, to + " is inside of " + from);
  disk_.rename(from, to);
  return {};
}

Result<> SimFiles::remove(const std::string& given) {
  const std::string path = full(given);
  if (Result<> begun = disk_.begin_call(process_, 0, "removal of " + path); !begun) return begun;
  const Disk::InodePtr inode = disk_.find(path);
  if (!inode) return fail(Code::not_found, path + " does not exist");
  if (inode->is_directory && !disk_.names_in(path).empty()) return fail(Code::io, path + " is not empty");
  disk_.unlink(path);
  return {};
}

Result<> SimFiles::make_directory(const std::string& given) {
  const std::string path = full(given);
  if (Result<> begun = disk_.begin_call(process_, 0, "making of " + path); !begun) return begun;
  for (std::size_t at = 0; at < path.size();) {
    at = std::min(path.find('/', at + 1), path.size());
    const std::string prefix = path.substr(0, at);
    const Disk::InodePtr present = disk_.find(prefix);
    if (present && !present->is_directory) return fail(Code::io, prefix + " is not a directory");
    if (present) continue;
    auto directory = std::make_shared<Disk::Inode>();
    directory->is_directory = true;
    disk_.link(prefix, std::move(directory));
    disk_.sync_names(directory_of(prefix));
  }
  return {};
}

Result<> SimFiles::sync_directory(const std::string& given) {
  const std::string path = full(given);
  if (Result<> begun = disk_.begin_call(process_, disk_.settings().fail_sync_ppm, "sync of " + path); !begun) {
    return begun;
  }
  const Disk::InodePtr directory = disk_.find(path);
  if (!directory || !directory->is_directory) return fail(Code::not_found, path + " is no directory");
  disk_.sync_names(path);
  return {};
}

Result<> SimFiles::link(const std::string& given_from, const std::string& given_to) {
  const std::string from = full(given_from);
  const std::string to = full(given_to);
  if (Result<> begun = disk_.begin_call(process_, 0, "link of " + from); !begun) return begun;
  Disk::InodePtr inode = disk_.find(from);
  if (!inode) return fail(Code::not_found, from + " does not exist");
  if (inode->is_directory) return fail(Code::io, from + " is a directory");
  if (disk_.find(to)) return fail(Code::already_present, to + " is there already");
  const Disk::InodePtr directory = disk_.find(directory_of(to));
  if (!directory || !directory->is_directory) return fail(Code::not_found, "the directory of " + to + " is missing");
  if (disk_.is_full()) return fail(Code::no_space, to + ": no space left on device");
  disk_.link(to, std::move(inode));
  return {};
}

Result<std::shared_ptr<node::SendableFile>> SimFiles::open_to_send(const std::string& given) {
  const std::string path = full(given);
  if (const Result<> begun = disk_.begin_call(process_, 0, "open of " + path); !begun) return fail(begun);
  Disk::InodePtr inode = disk_.find(path);
  if (!inode) return fail(Code::not_found, path + " does not exist");
  if (inode->is_directory) return fail(Code::io, path + " is a directory");
  return std::make_shared<SimSendableFile>(disk_, process_, std::move(inode), path);
}

Result<std::string> SimFiles::system_path(const std::string& path) {
  return fail(Code::unsupported, full(path) + " is on a simulated disk");
}

Result<> SimFiles::lock(const std::string& given) {
  const std::string path = full(given);
  if (Result<> begun = disk_.begin_call(process_, 0, "lock of " + path); !begun) return begun;
  if (!disk_.take_lock(path, process_)) return fail(Code::busy, path + " is locked by another process");
  return {};
}

}  // namespace zraft::sim
