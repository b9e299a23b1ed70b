// SPDX-License-Identifier: Apache-2.0
//
// See backup_file.h.
#include "cli/backup_file.h"

#include <utility>

#include "zraft/base/check.h"

namespace zraft::cli {
namespace {

Result<> refuse_present(storage::Files& files, const std::string& path) {
  const auto is_there = files.exists(path);
  if (!is_there) return fail(is_there);
  if (*is_there) return fail(Code::already_present, path + " is there already, and was left as it is");
  return {};
}

// A sender asks for whole chunks.
class FileOfBackup final : public node::SendableFile {
 public:
  FileOfBackup(std::shared_ptr<OpenBackup> backup, std::size_t file) : backup_(std::move(backup)), file_(file) {}
  [[nodiscard]] std::uint64_t size() const override { return backup_->header().manifest.files[file_].size; }
  Result<Bytes> read(std::uint64_t offset, std::size_t length) override {
    auto chunk = backup_->chunk(file_, offset / storage::snapshot_chunk_size);
    if (!chunk) return chunk;
    CHECK(offset % storage::snapshot_chunk_size == 0 && length == chunk->size(), "a chunk is read as a whole");
    return chunk;
  }

 private:
  std::shared_ptr<OpenBackup> backup_;
  std::size_t file_;
};

}  // namespace

Result<BackupWriter> BackupWriter::begin(storage::Files& files, std::string path, std::string temporary,
                                         const BackupHeader& header) {
  if (Result<> absent = refuse_present(files, path); !absent) return fail(absent);
  auto file = files.open(temporary, storage::OpenMode::create);
  if (!file) return fail(file);
  BackupWriter writer(files, std::move(path), std::move(temporary), std::move(*file));
  const Bytes bytes = encode(header);
  if (Result<> written = writer.file_->write_now(0, bytes); !written) return fail(written);
  writer.offset_ = bytes.size();
  return writer;
}

BackupWriter::~BackupWriter() {
  if (file_ == nullptr) return;
  file_.reset();
  static_cast<void>(files_->remove(temporary_));
}

Result<> BackupWriter::append(BytesView chunk) {
  const Bytes bytes = encode_backup_chunk(chunk);
  if (Result<> written = file_->write_now(offset_, bytes); !written) return written;
  offset_ += bytes.size();
  return {};
}

Result<> BackupWriter::finish() {
  if (Result<> synced = file_->sync(); !synced) return synced;
  if (const auto right = verify_backup(*files_, temporary_); !right) return fail(right);
  if (Result<> absent = refuse_present(*files_, path_); !absent) return absent;
  if (Result<> renamed = files_->rename(temporary_, path_); !renamed) return renamed;
  file_.reset();
  return files_->sync_directory("");
}

Result<BackupHeader> verify_backup(storage::Files& files, const std::string& path) {
  const auto backup = OpenBackup::open(files, path);
  if (!backup) return fail(backup);
  return (*backup)->header();
}

Result<std::shared_ptr<OpenBackup>> OpenBackup::open(storage::Files& files, const std::string& path) {
  const auto named = [&path](const auto& result) {
    return fail(result.error().code, path + ": " + result.error().text);
  };
  const auto is_there = files.exists(path);
  if (!is_there) return fail(is_there);
  if (!*is_there) return fail(Code::not_found, path + ": there is no such file");
  auto opened = files.open(path, storage::OpenMode::read);
  if (!opened) return fail(opened);
  const std::shared_ptr<storage::File> file = std::move(*opened);
  auto reader =
      BackupReader::open([file](std::uint64_t offset, std::size_t length) { return file->read(offset, length); });
  if (!reader) return named(reader);
  std::shared_ptr<OpenBackup> backup(new OpenBackup(std::move(*reader)));
  backup->offsets_.resize(backup->header().manifest.files.size());
  BackupReader& all = backup->reader_;
  while (!all.is_at_end()) {
    const BackupReader::Place place = all.place();
    if (const auto chunk = all.next(); !chunk) return named(chunk);
    backup->offsets_[place.file].push_back(place.offset);
  }
  if (Result<> ended = all.finish(); !ended) return named(ended);
  return backup;
}

Result<Bytes> OpenBackup::chunk(std::size_t file, std::uint64_t chunk) const {
  return reader_.again({file, chunk, offsets_[file][static_cast<std::size_t>(chunk)]});
}

std::vector<std::shared_ptr<node::SendableFile>> files_of(const std::shared_ptr<OpenBackup>& backup) {
  std::vector<std::shared_ptr<node::SendableFile>> files;
  for (std::size_t file = 0; file < backup->header().manifest.files.size(); ++file) {
    files.push_back(std::make_shared<FileOfBackup>(backup, file));
  }
  return files;
}

}  // namespace zraft::cli
