// SPDX-License-Identifier: Apache-2.0
//
// The real file system, below one directory. Writes of the log go through io_uring where the kernel allows it (it is
// often forbidden in containers), past the cache where the file system allows that; otherwise a thread makes them
// with pwritev. Which of the two is decided at start and can be asked for. Measured with durable writes of 4 KiB to a
// preallocated file on ext4, from the loop and back: io_uring 140 us, the thread 150 to 170 us, io_uring through the
// cache 200 us.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "zraft/node/loop.h"
#include "zraft/storage/file.h"

namespace zraft::storage {

class AsyncIo;

class RealFiles final : public Files {
 public:
  enum class Method : std::uint8_t { automatic, io_uring, thread };

  // `root` is made if it is not there. Requires: `loop` outlives this. Errors: io, and unsupported if `method` is
  // io_uring and the kernel does not give it.
  static Result<std::unique_ptr<RealFiles>> make(node::Loop& loop, const std::string& root,
                                                 Method method = Method::automatic);
  ~RealFiles() override;  // waits for writes that are under way; their `done` does not come any more

  [[nodiscard]] std::string_view method() const { return method_; }  // for the log

  Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) override;
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

 private:
  RealFiles(std::string root, std::unique_ptr<AsyncIo> io, std::string method);
  [[nodiscard]] std::string full(const std::string& path) const;

  const std::string root_;
  std::unique_ptr<AsyncIo> io_;
  const std::string method_;
  std::vector<int> locks_;
};

}  // namespace zraft::storage
