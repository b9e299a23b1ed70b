// SPDX-License-Identifier: Apache-2.0
//
// How a write leaves the loop and comes back: through io_uring or through a thread. Inside of storage/real_files.
// A transfer is started and finished on the loop; in between it belongs to the other side.
#pragma once

#include <sys/uio.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "zraft/base/result.h"
#include "zraft/node/loop.h"

namespace zraft::storage {

// Closes when the last user is gone.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  [[nodiscard]] int get() const { return fd_; }

 private:
  const int fd_;
};

// An error of the operating system as a sentence: no_space if the disk is full, otherwise io.
[[nodiscard]] Error system_error(const std::string& what, int number);

struct Transfer {
  enum class Sync : std::uint8_t {
    none,
    this_write,  // RWF_DSYNC: what this write brings
    file,        // fdatasync after it: what earlier writes brought as well
  };

  std::shared_ptr<Descriptor> file;
  std::string path;  // for errors
  std::uint64_t offset = 0;
  std::vector<iovec> parts;  // what is left to be written
  std::shared_ptr<const void> memory;  // of the parts
  Sync sync = Sync::none;
  std::move_only_function<void(Result<>)> done;

  std::size_t first = 0;  // of the parts that are left
  // Takes what was written off the parts.
  void advance(std::size_t bytes);
  [[nodiscard]] bool is_written() const { return first == parts.size(); }
  [[nodiscard]] int part_count() const;  // that one call may take
  [[nodiscard]] iovec* part() { return parts.data() + first; }
};

class AsyncIo {
 public:
  // Waits for what is under way.
  virtual ~AsyncIo() = default;
  virtual void start(std::unique_ptr<Transfer> transfer) = 0;
  [[nodiscard]] virtual bool wants_direct() const = 0;  // gains by writing past the cache
};

std::unique_ptr<AsyncIo> make_thread_io(node::Loop& loop);
// Errors: unsupported, with what the kernel said.
Result<std::unique_ptr<AsyncIo>> make_ring_io(node::Loop& loop);

}  // namespace zraft::storage
