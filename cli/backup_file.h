// SPDX-License-Identifier: Apache-2.0
//
// A backup on a disk: written under a temporary name, synced, read again and compared, and only then renamed, so what
// bears its name is whole. An older file of that name is never replaced. And one that is there, to be read. Blocks.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cli/backup_format.h"
#include "zraft/storage/file.h"

namespace zraft::cli {

class BackupWriter {
 public:
  // `temporary` is the name it has meanwhile, in the same directory. Errors: already_present, no_space, io.
  [[nodiscard]] static Result<BackupWriter> begin(storage::Files& files, std::string path, std::string temporary,
                                                  const BackupHeader& header);
  BackupWriter(BackupWriter&&) = default;
  BackupWriter& operator=(BackupWriter&&) = delete;
  ~BackupWriter();  // without finish() nothing is left

  // Requires: the next one, in the order of the manifest.
  [[nodiscard]] Result<> append(BytesView chunk);
  // Requires: all chunks were appended. Errors: corrupt (what was read back is not what was written), already_present,
  // no_space, io.
  [[nodiscard]] Result<> finish();

  [[nodiscard]] std::uint64_t bytes() const { return offset_; }

 private:
  BackupWriter(storage::Files& files, std::string path, std::string temporary, std::unique_ptr<storage::File> file)
      : files_(&files), path_(std::move(path)), temporary_(std::move(temporary)), file_(std::move(file)) {}

  storage::Files* files_;
  std::string path_;
  std::string temporary_;
  std::unique_ptr<storage::File> file_;  // null: finished, or moved from
  std::uint64_t offset_ = 0;
};

// Reads all of it and compares. Gives the header. Errors: not_found, corrupt, unsupported, io.
[[nodiscard]] Result<BackupHeader> verify_backup(storage::Files& files, const std::string& path);

// A backup all of which was read and compared, and that is read again where it is asked for: each chunk is compared
// once more. It holds the file open, the header, and eight bytes a chunk.
class OpenBackup {
 public:
  // Errors: as verify_backup().
  [[nodiscard]] static Result<std::shared_ptr<OpenBackup>> open(storage::Files& files, const std::string& path);

  [[nodiscard]] const BackupHeader& header() const { return reader_.header(); }
  [[nodiscard]] std::uint64_t bytes() const { return reader_.offset(); }
  // Requires: there is such a file, and such a chunk of it.
  [[nodiscard]] Result<Bytes> chunk(std::size_t file, std::uint64_t chunk) const;

 private:
  explicit OpenBackup(BackupReader reader) : reader_(std::move(reader)) {}

  BackupReader reader_;
  std::vector<std::vector<std::uint64_t>> offsets_;  // of the chunks of each file
};

// Its files, in the order of the manifest, to be sent.
[[nodiscard]] std::vector<std::shared_ptr<node::SendableFile>> files_of(const std::shared_ptr<OpenBackup>& backup);

}  // namespace zraft::cli
