// SPDX-License-Identifier: Apache-2.0
//
// Seam: the file system. Real: storage/real_files (io_uring, or a thread with pwritev and fdatasync, chosen at
// start). Simulated: sim/disk (torn, lost, flipped, failed, full, slow). Paths are relative to the directory that
// the Files was made for and use '/'. The blocking calls are for start-up and for the Worker (they may be called
// from its threads); write() is the log's path and is asynchronous.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "zraft/base/piece.h"
#include "zraft/base/result.h"
#include "zraft/node/network.h"

namespace zraft::storage {

// An open File stays the same file when its name is changed or removed.
class File {
 public:
  virtual ~File() = default;  // closes; what was not synced may be lost

  // --- asynchronous, on the loop; at most one at a time on a file ---
  // Writes all the pieces, one after the other, from `offset` on. With `durable` this write and every earlier write
  // to this file (and the size that is needed to find them) would survive the loss of power when `done` is told so;
  // no pieces and `durable` is a sync alone. `done` comes on the loop, never before this call returns; it may still
  // come after the File is destroyed. After an error the file must not be used any more: what is on the disk is
  // unknown (decision 11: never retry a failed sync).
  virtual void write(std::uint64_t offset, Pieces pieces, bool durable,
                     std::move_only_function<void(Result<>)> done) = 0;

  // --- blocking ---
  // May give fewer bytes than asked for only at the end of the file.
  virtual Result<Bytes> read(std::uint64_t offset, std::size_t length) = 0;
  virtual Result<std::uint64_t> size() = 0;
  virtual Result<> write_now(std::uint64_t offset, BytesView bytes) = 0;
  // Makes [0, size) allocated and readable as zeros where nothing was written, and durable in itself.
  virtual Result<> preallocate(std::uint64_t size) = 0;
  // Makes every earlier write durable. What is read after it comes from the disk, not from a cache.
  virtual Result<> sync() = 0;
  virtual Result<> truncate(std::uint64_t size) = 0;
};

enum class OpenMode : std::uint8_t {
  read,        // must exist
  read_write,  // must exist
  create,      // must not exist
};

class Files {
 public:
  virtual ~Files() = default;

  virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode) = 0;
  virtual Result<std::vector<std::string>> list(const std::string& directory) = 0;  // names, sorted
  [[nodiscard]] virtual Result<bool> exists(const std::string& path) = 0;
  // Of a file or a directory; replaces the file `to` at once. A directory takes all that is in it along, and replaces
  // an empty directory alone. Errors: io, when `to` holds something.
  virtual Result<> rename(const std::string& from, const std::string& to) = 0;
  virtual Result<> remove(const std::string& path) = 0;  // a directory has to be empty
  // With its parents, durably; that it is there already is no error.
  virtual Result<> make_directory(const std::string& path) = 0;
  // Names created, renamed and removed in `directory` are durable only after this.
  virtual Result<> sync_directory(const std::string& directory) = 0;
  // A second name for the same file. Errors: already_present.
  virtual Result<> link(const std::string& from, const std::string& to) = 0;
  // For sending; open as long as it lives, whatever becomes of its name.
  virtual Result<std::shared_ptr<node::SendableFile>> open_to_send(const std::string& path) = 0;
  // The path for the operating system. Errors: unsupported, where these are not files of its.
  virtual Result<std::string> system_path(const std::string& path) = 0;
  // Held until the Files ends. Errors: busy, when another process holds it.
  virtual Result<> lock(const std::string& path) = 0;
};

// Writes a small file so that after a crash there is the old one or the new one, whole: temporary name, sync,
// rename, sync of the directory.
Result<> replace_file(Files& files, const std::string& path, BytesView content);
// Reads a whole file of at most `limit` bytes. Errors: not_found, too_large, io.
Result<Bytes> read_file(Files& files, const std::string& path, std::size_t limit);

}  // namespace zraft::storage
