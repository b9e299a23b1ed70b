// SPDX-License-Identifier: Apache-2.0
//
// Calls of the operating system. Every error names the file and holds the system's own words.
#include "zraft/storage/real_files.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/storage/async_io.h"

namespace zraft::storage {
namespace {

constexpr std::size_t direct_alignment = 4096;
constexpr std::size_t kept_buffer_max = std::size_t{1} << 20;
constexpr std::size_t fill_chunk = std::size_t{1} << 20;
constexpr std::size_t read_piece = std::size_t{256} << 10;

std::unexpected<Error> failed(const std::string& what) { return std::unexpected(system_error(what, errno)); }

// Calls until it is not interrupted.
template <class Call>
auto uninterrupted(Call call) {
  auto result = call();
  while (result < 0 && errno == EINTR) result = call();
  return result;
}

Result<> write_all(int fd, const std::string& path, std::uint64_t offset, BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t written =
        uninterrupted([&] { return ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset)); });
    if (written < 0) return failed(path + ": write");
    if (written == 0) return fail(Code::io, path + ": write: nothing was written");
    bytes.remove_prefix(static_cast<std::size_t>(written));
    offset += static_cast<std::uint64_t>(written);
  }
  return {};
}

// Whoever reads says how much; the system must not read more than that ahead. Scenario: 1. a snapshot of a GiB is read
// again to be compared  2. the system reads 8 MiB ahead, in one request after the other, and disks serve reads first
// 3. a durable write of 4 KiB to the log waits for half a second behind them. In small pieces and without reading
// ahead it waits for 30 ms, and the reading was not slower (a virtual disk that is set to 8 MiB; ext4).
void read_no_more_than_asked(int fd) { (void)::posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM); }

// Fewer bytes only at the end of the file.
Result<Bytes> read_all(int fd, const std::string& path, std::uint64_t offset, std::size_t length) {
  Bytes bytes(length, '\0');
  std::size_t got = 0;
  while (got < length) {
    const std::size_t piece = std::min(length - got, read_piece);
    const ssize_t n = uninterrupted(
        [&] { return ::pread(fd, bytes.data() + got, piece, static_cast<off_t>(offset + got)); });
    if (n < 0) return failed(path + ": read");
    if (n == 0) break;
    got += static_cast<std::size_t>(n);
  }
  bytes.resize(got);
  return bytes;
}

class RealFile final : public File {
 public:
  RealFile(AsyncIo& io, std::string path, int fd)
      : io_(io), path_(std::move(path)), file_(std::make_shared<Descriptor>(fd)) {}

  void write(std::uint64_t offset, Pieces pieces, bool durable,
             std::move_only_function<void(Result<>)> done) override {
    auto transfer = std::make_unique<Transfer>();
    transfer->file = file_;
    transfer->path = path_;
    transfer->offset = offset;
    transfer->done = std::move(done);
    // RWF_DSYNC covers only what it writes: if something is in the cache from before, the file has to be synced.
    if (durable) transfer->sync = is_dirty_ || pieces.empty() ? Transfer::Sync::file : Transfer::Sync::this_write;
    is_dirty_ = !durable;
    const std::size_t size = size_of(pieces);
    if (size > 0 && size % direct_alignment == 0 && offset % direct_alignment == 0 && use_direct()) {
      transfer->file = direct_;
      gather(pieces, size, *transfer);
    } else if (size > 0) {
      refer(std::move(pieces), *transfer);
    }
    io_.start(std::move(transfer));
  }

  Result<Bytes> read(std::uint64_t offset, std::size_t length) override {
    return read_all(file_->get(), path_, offset, length);
  }

  Result<std::uint64_t> size() override {
    struct stat about {};
    if (::fstat(file_->get(), &about) != 0) return failed(path_ + ": stat");
    return static_cast<std::uint64_t>(about.st_size);
  }

  Result<> write_now(std::uint64_t offset, BytesView bytes) override {
    is_dirty_ = true;
    return write_all(file_->get(), path_, offset, bytes);
  }

  Result<> preallocate(std::uint64_t size) override {
    auto present = this->size();
    if (!present) return fail(present);
    // Where the file system cannot reserve, the zeros below do it.
    if (uninterrupted([&] { return ::fallocate(file_->get(), 0, 0, static_cast<off_t>(size)); }) != 0 &&
        errno != EOPNOTSUPP) {
      return failed(path_ + ": allocate");
    }
    // Blocks that were only reserved cost a journal entry at their first write: a durable write of 4 KiB took 5 ms
    // on them and 0.2 ms on blocks that hold zeros (ext4). Each chunk is durable before the next, because this is done
    // beside a log that is written: 16 MiB at once held up its writes for 90 ms, so they are held up for 20.
    const Bytes zeros(fill_chunk, '\0');
    for (std::uint64_t at = *present; at < size; at += fill_chunk) {
      const auto chunk = static_cast<std::size_t>(std::min<std::uint64_t>(fill_chunk, size - at));
      if (auto ok = write_all(file_->get(), path_, at, BytesView(zeros).substr(0, chunk)); !ok) return ok;
      if (uninterrupted([&] { return ::fdatasync(file_->get()); }) != 0) return failed(path_ + ": fdatasync");
    }
    if (uninterrupted([&] { return ::fsync(file_->get()); }) != 0) return failed(path_ + ": fsync");
    return {};
  }

  Result<> sync() override {
    if (uninterrupted([&] { return ::fdatasync(file_->get()); }) != 0) return failed(path_ + ": fdatasync");
    is_dirty_ = false;
    // After a failed sync of another process the cache may hold clean pages that the disk does not have. Only advice:
    // if it is not taken, nothing is worse than without it.
    (void)::posix_fadvise(file_->get(), 0, 0, POSIX_FADV_DONTNEED);
    return {};
  }

  Result<> truncate(std::uint64_t size) override {
    if (uninterrupted([&] { return ::ftruncate(file_->get(), static_cast<off_t>(size)); }) != 0) {
      return failed(path_ + ": truncate");
    }
    return {};
  }

 private:
  struct AlignedBuffer {
    explicit AlignedBuffer(std::size_t n)
        : bytes(static_cast<char*>(std::aligned_alloc(direct_alignment, n))), size(n) {
      CHECK(bytes != nullptr, "there is no memory left");
    }
    ~AlignedBuffer() { std::free(bytes); }
    AlignedBuffer(const AlignedBuffer&) = delete;
    AlignedBuffer& operator=(const AlignedBuffer&) = delete;
    char* const bytes;
    const std::size_t size;
  };

  // A second descriptor for the same file, past the cache, if there is anything to gain and the file system has it.
  bool use_direct() {
    if (!io_.wants_direct() || is_direct_refused_) return false;
    if (direct_) return true;
    const std::string self = "/proc/self/fd/" + std::to_string(file_->get());
    const int access = ::fcntl(file_->get(), F_GETFL) & O_ACCMODE;
    const int fd = ::open(self.c_str(), access | O_DIRECT | O_CLOEXEC);
    if (fd < 0) {
      is_direct_refused_ = true;
      return false;
    }
    direct_ = std::make_shared<Descriptor>(fd);
    // Scenario: 1. the process is killed while the disk hangs on a write  2. the kernel lets go of the process, and of
    // its locks, but not of that write  3. the next process reads the file and writes on at the same place  4. the
    // old write arrives over the new one. The kernel keeps this descriptor, and with it this lock, until the write
    // has ended; open() asks for it. A thread's write needs none of this: a process does not end before its threads.
    (void)::flock(fd, LOCK_SH);
    return true;
  }

  // The disk's controller reads the memory itself, so it has to lie at a block's boundary: one copy.
  void gather(const Pieces& pieces, std::size_t size, Transfer& transfer) {
    std::shared_ptr<AlignedBuffer> buffer = buffer_;
    if (!buffer || buffer->size < size) {
      buffer = std::make_shared<AlignedBuffer>(std::max(size, std::size_t{64} << 10));
      if (buffer->size <= kept_buffer_max) buffer_ = buffer;
    }
    char* at = buffer->bytes;
    for (const Piece& piece : pieces) {
      std::memcpy(at, piece.bytes.data(), piece.bytes.size());
      at += piece.bytes.size();
    }
    transfer.parts = {{.iov_base = buffer->bytes, .iov_len = size}};
    transfer.memory = std::move(buffer);
  }

  static void refer(Pieces pieces, Transfer& transfer) {
    transfer.parts.reserve(pieces.size());
    for (const Piece& piece : pieces) {
      if (piece.bytes.empty()) continue;
      transfer.parts.push_back({.iov_base = const_cast<char*>(piece.bytes.data()), .iov_len = piece.bytes.size()});
    }
    transfer.memory = std::make_shared<const Pieces>(std::move(pieces));
  }

  AsyncIo& io_;
  const std::string path_;
  const std::shared_ptr<Descriptor> file_;
  std::shared_ptr<Descriptor> direct_;
  std::shared_ptr<AlignedBuffer> buffer_;  // at most one write at a time, so it is free when the next one comes
  bool is_direct_refused_ = false;
  bool is_dirty_ = false;
};

class RealSendableFile final : public node::SendableFile {
 public:
  RealSendableFile(std::string path, int fd) : path_(std::move(path)), file_(fd) {}

  Result<> look() {
    struct stat about {};
    if (::fstat(file_.get(), &about) != 0) return failed(path_ + ": stat");
    size_ = static_cast<std::uint64_t>(about.st_size);
    return {};
  }
  [[nodiscard]] std::uint64_t size() const override { return size_; }
  Result<Bytes> read(std::uint64_t offset, std::size_t length) override {
    return read_all(file_.get(), path_, offset, length);
  }
  [[nodiscard]] int descriptor() const override { return file_.get(); }

 private:
  const std::string path_;
  const Descriptor file_;
  std::uint64_t size_ = 0;
};

Result<> sync_names_in(const std::string& directory) {
  const Descriptor fd(uninterrupted([&] { return ::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (fd.get() < 0) return failed(directory + ": open");
  if (uninterrupted([&] { return ::fsync(fd.get()); }) != 0) return failed(directory + ": fsync");
  return {};
}

// With the parents that are missing; each new name durable.
Result<> make_directories(const std::filesystem::path& path) {
  std::error_code error;
  if (path.empty() || std::filesystem::is_directory(path, error)) return {};
  const std::filesystem::path parent = path.parent_path();
  if (auto made = make_directories(parent); !made) return made;
  if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return failed(path.string() + ": cannot be made");
  return sync_names_in(parent.empty() ? "." : parent.string());
}

Result<std::unique_ptr<AsyncIo>> choose(node::Loop& loop, RealFiles::Method method, std::string& name) {
  name = "a thread with pwritev";
  if (method == RealFiles::Method::thread) return make_thread_io(loop);
  auto ring = make_ring_io(loop);
  if (ring) {
    name = "io_uring";
    return ring;
  }
  if (method == RealFiles::Method::io_uring) return ring;
  name += " (" + ring.error().text + ")";
  return make_thread_io(loop);
}

}  // namespace

RealFiles::RealFiles(std::string root, std::unique_ptr<AsyncIo> io, std::string method)
    : root_(std::move(root)), io_(std::move(io)), method_(std::move(method)) {}

RealFiles::~RealFiles() {
  io_.reset();
  for (const int fd : locks_) ::close(fd);
}

Result<std::unique_ptr<RealFiles>> RealFiles::make(node::Loop& loop, const std::string& root, Method method) {
  if (auto made = make_directories(root); !made) return fail(made);
  std::string name;
  auto io = choose(loop, method, name);
  if (!io) return fail(io);
  return std::unique_ptr<RealFiles>(new RealFiles(root, std::move(*io), std::move(name)));
}

std::string RealFiles::full(const std::string& path) const { return root_ + "/" + path; }

Result<std::unique_ptr<File>> RealFiles::open(const std::string& path, OpenMode mode) {
  int flags = O_CLOEXEC;
  switch (mode) {
    case OpenMode::read: flags |= O_RDONLY; break;
    case OpenMode::read_write: flags |= O_RDWR; break;
    case OpenMode::create: flags |= O_RDWR | O_CREAT | O_EXCL; break;
  }
  const std::string name = full(path);
  const int fd = uninterrupted([&] { return ::open(name.c_str(), flags, 0644); });
  if (fd < 0) return failed(name + ": open");
  read_no_more_than_asked(fd);
  auto file = std::make_unique<RealFile>(*io_, name, fd);
  if (mode != OpenMode::read_write) return file;
  if (::flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
    return fail(Code::busy, name + " is still being written, by a process that has ended: try again");
  }
  (void)::flock(fd, LOCK_UN);
  return file;
}

Result<std::vector<std::string>> RealFiles::list(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator at(full(directory), error), end; !error && at != end; at.increment(error)) {
    names.push_back(at->path().filename().string());
  }
  if (error) return fail(Code::io, full(directory) + ": list: " + error.message());
  std::ranges::sort(names);
  return names;
}

Result<bool> RealFiles::exists(const std::string& path) {
  struct stat about {};
  if (::stat(full(path).c_str(), &about) == 0) return true;
  if (errno == ENOENT) return false;
  return failed(full(path) + ": stat");
}

Result<> RealFiles::rename(const std::string& from, const std::string& to) {
  if (::rename(full(from).c_str(), full(to).c_str()) != 0) return failed(full(from) + ": rename to " + full(to));
  return {};
}

Result<> RealFiles::remove(const std::string& path) {
  if (std::remove(full(path).c_str()) != 0) return failed(full(path) + ": remove");  // of both kinds
  return {};
}

Result<> RealFiles::make_directory(const std::string& path) { return make_directories(full(path)); }

Result<> RealFiles::sync_directory(const std::string& directory) { return sync_names_in(full(directory)); }

Result<> RealFiles::link(const std::string& from, const std::string& to) {
  if (::link(full(from).c_str(), full(to).c_str()) == 0) return {};
  if (errno == EEXIST) return fail(Code::already_present, full(to) + " is there already");
  return failed(full(from) + ": link to " + full(to));
}

Result<std::shared_ptr<node::SendableFile>> RealFiles::open_to_send(const std::string& path) {
  const std::string name = full(path);
  const int fd = uninterrupted([&] { return ::open(name.c_str(), O_RDONLY | O_CLOEXEC); });
  if (fd < 0) return failed(name + ": open");
  read_no_more_than_asked(fd);
  auto file = std::make_shared<RealSendableFile>(name, fd);
  if (auto looked = file->look(); !looked) return fail(looked);
  return file;
}

// Absolute, because whoever gets it may not have this process's working directory in mind.
Result<std::string> RealFiles::system_path(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(full(path), error);
  if (error) return fail(Code::io, full(path) + ": " + error.message());
  return absolute.lexically_normal().string();
}

Result<> RealFiles::lock(const std::string& path) {
  const std::string name = full(path);
  const int fd = uninterrupted([&] { return ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644); });
  if (fd < 0) return failed(name + ": open");
  if (uninterrupted([&] { return ::flock(fd, LOCK_EX | LOCK_NB); }) != 0) {
    const int number = errno;
    ::close(fd);
    if (number == EWOULDBLOCK) {
      return fail(Code::busy, name + " is held by another process: end that one, or choose another directory");
    }
    return std::unexpected(system_error(name + ": lock", number));
  }
  locks_.push_back(fd);
  return {};
}

}  // namespace zraft::storage
