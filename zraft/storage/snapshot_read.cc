// SPDX-License-Identifier: Apache-2.0
//
// Gives a machine the files of a snapshot. No byte leaves here that was not compared with its checksum (I41).
#include <algorithm>
#include <utility>

#include "zraft/storage/directory.h"
#include "zraft/storage/snapshot_files.h"
#include "zraft/storage/snapshot_store.h"

namespace zraft::storage {
namespace {

class Reader final : public node::SnapshotReader {
 public:
  Reader(Files& files, std::string path, SnapshotManifest manifest)
      : files_(files), path_(std::move(path)), manifest_(std::move(manifest)) {}

  [[nodiscard]] std::vector<std::string> files() const override {
    std::vector<std::string> names;
    for (const SnapshotFile& file : manifest_.files) names.push_back(file.name);
    return names;
  }

  Result<std::uint64_t> size(const std::string& name) override {
    auto file = find(name);
    if (!file) return fail(file);
    return (*file)->size;
  }

  Result<Bytes> read(const std::string& name, std::uint64_t offset, std::size_t length) override {
    auto file = find(name);
    if (!file) return fail(file);
    Bytes bytes;
    if (offset >= (*file)->size) return bytes;
    length = static_cast<std::size_t>(std::min<std::uint64_t>(length, (*file)->size - offset));
    bytes.reserve(length);
    while (bytes.size() < length) {
      const std::uint64_t at = offset + bytes.size();
      if (auto loaded = load(**file, at / snapshot_chunk_size); !loaded) return fail(loaded);
      bytes.append(BytesView(chunk_).substr(at % snapshot_chunk_size, length - bytes.size()));
    }
    return bytes;
  }

  Result<std::string> directory() override {
    auto known = files_.system_path(path_);
    if (!known) return known;
    if (auto right = verify_files(files_, path_, manifest_, nullptr); !right) return fail(right);
    return known;
  }

 private:
  Result<const SnapshotFile*> find(const std::string& name) const {
    const auto at = std::ranges::lower_bound(manifest_.files, name, {}, &SnapshotFile::name);
    if (at != manifest_.files.end() && at->name == name) return &*at;
    return fail(Code::not_found, path_ + ": the snapshot has no file `" + name + "`");
  }

  // Makes chunk_ that chunk. A machine reads from the front to the end: one file is open, one chunk is kept.
  Result<> load(const SnapshotFile& file, std::uint64_t chunk) {
    if (loaded_ == std::pair(&file, chunk)) return {};
    loaded_.first = nullptr;
    const std::string path = join(path_, file.name);
    if (opened_ != &file) {
      auto opened = open_file_of_snapshot(files_, path, file.size);
      if (!opened) return fail(opened);
      file_ = std::move(*opened);
      opened_ = &file;
    }
    auto bytes = read_chunk(*file_, path, file, chunk);
    if (!bytes) return fail(bytes);
    chunk_ = std::move(*bytes);
    loaded_ = {&file, chunk};
    return {};
  }

  Files& files_;
  const std::string path_;
  const SnapshotManifest manifest_;
  std::unique_ptr<File> file_;
  const SnapshotFile* opened_ = nullptr;  // what file_ is
  Bytes chunk_;
  std::pair<const SnapshotFile*, std::uint64_t> loaded_;  // what chunk_ is; null: nothing
};

}  // namespace

Result<std::unique_ptr<node::SnapshotReader>> open_snapshot(Files& files, const std::string& directory,
                                                            raft::Position position) {
  const std::string path = join(directory, snapshot_name(complete_prefix, position));
  auto present = files.exists(path);
  if (!present) return fail(present);
  if (!*present) return fail(Code::not_found, path + ": there is no such snapshot");
  auto manifest = read_complete(files, path, position);
  if (!manifest) return fail(manifest);
  return std::make_unique<Reader>(files, path, std::move(*manifest));
}

}  // namespace zraft::storage
