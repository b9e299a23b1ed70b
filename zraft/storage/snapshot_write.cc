// SPDX-License-Identifier: Apache-2.0
//
// Writes a snapshot. Checksums are made of what the machine gives, on its way to the disk; at the end all of it is read
// back from there and compared, before it gets its name: whatever is lost or changed between is found while the log
// still has everything (I46; RELIABILITY 2.3, row 14; W-60).
#include <algorithm>
#include <utility>

#include "zraft/base/checksum.h"
#include "zraft/storage/directory.h"
#include "zraft/storage/snapshot_files.h"
#include "zraft/storage/snapshot_store.h"

namespace zraft::storage {
namespace {

// Where a machine's library writes by itself. No file of a snapshot has a name that begins with a dot.
constexpr const char* library_directory = ".files";

class Writer final : public node::SnapshotWriter {
 public:
  Writer(Files& files, std::string path) : files_(files), path_(std::move(path)) {}

  Result<> begin(const std::string& name) override {
    return keep([&] { return begin_file(name); });
  }
  Result<> append(BytesView bytes) override {
    return keep([&] { return append_to_file(bytes); });
  }
  Result<std::string> directory() override {
    const std::string path = join(path_, library_directory);
    auto known = files_.system_path(path);
    if (!known) return known;  // the machine may go on with begin() and append()
    has_library_ = true;
    if (auto made = keep([&] { return files_.make_directory(path); }); !made) return fail(made);
    return known;
  }

  [[nodiscard]] const std::optional<Error>& failed() const { return failed_; }
  // All files, sorted and durable, but for their names.
  Result<std::vector<SnapshotFile>> finish() {
    auto ended = keep([&] { return end_file(); });
    if (ended && has_library_) ended = keep([&] { return adopt_all(); });
    if (!ended) return fail(ended);
    std::ranges::sort(done_, {}, &SnapshotFile::name);
    return std::move(done_);
  }

 private:
  // After the first error there is no other outcome, whatever the machine makes of it.
  template <class Call>
  Result<> keep(Call call) {
    if (failed_) return std::unexpected(*failed_);
    Result<> outcome = call();
    if (!outcome) failed_ = outcome.error();
    return outcome;
  }

  Result<> check_name(const std::string& name) const {
    if (!is_snapshot_file_name(name)) {
      return fail(Code::bad_request, "a file of a snapshot cannot be named `" + name +
                                         "`: take 1 to 64 of a-z A-Z 0-9 . _ -, not a dot first, and not `meta`");
    }
    if (std::ranges::find(done_, name, &SnapshotFile::name) != done_.end()) {
      return fail(Code::bad_request, "the snapshot has a file named `" + name + "` already");
    }
    return {};
  }

  Result<> begin_file(const std::string& name) {
    if (auto ended = end_file(); !ended) return ended;
    if (auto ok = check_name(name); !ok) return ok;
    auto file = files_.open(join(path_, name), OpenMode::create);
    if (!file) return fail(file);
    file_ = std::move(*file);
    present_ = {.name = name, .size = 0, .chunks = {}};
    return {};
  }

  Result<> append_to_file(BytesView bytes) {
    if (!file_) return fail(Code::bad_request, "a snapshot's bytes go into a file: begin() one first");
    while (!bytes.empty()) {
      if (buffer_.empty() && bytes.size() >= snapshot_chunk_size) {  // spares a copy
        if (auto written = write_chunk(bytes.substr(0, snapshot_chunk_size)); !written) return written;
        bytes.remove_prefix(snapshot_chunk_size);
        continue;
      }
      const std::size_t taken = std::min<std::size_t>(bytes.size(), snapshot_chunk_size - buffer_.size());
      buffer_.append(bytes.substr(0, taken));
      bytes.remove_prefix(taken);
      if (buffer_.size() < snapshot_chunk_size) continue;
      if (auto written = write_chunk(buffer_); !written) return written;
      buffer_.clear();
    }
    return {};
  }

  Result<> write_chunk(BytesView chunk) {
    present_.chunks.push_back(crc32c(chunk));
    const std::uint64_t offset = std::exchange(present_.size, present_.size + chunk.size());
    return write_chunk_now(*file_, offset, chunk);
  }

  Result<> end_file() {
    if (!file_) return {};
    if (!buffer_.empty()) {
      if (auto written = write_chunk(buffer_); !written) return written;
      buffer_.clear();
    }
    if (auto synced = file_->sync(); !synced) return synced;
    file_.reset();
    done_.push_back(std::exchange(present_, {}));
    return {};
  }

  Result<> adopt_all() {
    const std::string from = join(path_, library_directory);
    auto names = files_.list(from);
    if (!names) return fail(names);
    for (const std::string& name : *names) {
      if (auto ok = check_name(name); !ok) return ok;
      if (auto adopted = adopt(join(from, name), name); !adopted) return adopted;
      if (auto renamed = files_.rename(join(from, name), join(path_, name)); !renamed) return renamed;
    }
    return files_.remove(from);
  }

  Result<> adopt(const std::string& path, const std::string& name) {
    if (files_.list(path)) {
      return fail(Code::bad_request, path + " is a directory: a snapshot is made of plain files");
    }
    auto file = files_.open(path, OpenMode::read);
    if (!file) return fail(file);
    auto size = (*file)->size();
    if (!size) return fail(size);
    SnapshotFile about{.name = name, .size = *size, .chunks = {}};
    for (std::uint64_t chunk = 0; chunk < chunk_count(*size); ++chunk) {
      auto bytes = (*file)->read(chunk * snapshot_chunk_size, chunk_length(*size, chunk));
      if (!bytes) return fail(bytes);
      about.chunks.push_back(crc32c(*bytes));
    }
    done_.push_back(std::move(about));
    return (*file)->sync();
  }

  Files& files_;
  const std::string path_;
  std::vector<SnapshotFile> done_;
  std::unique_ptr<File> file_;  // the one that is appended to
  SnapshotFile present_;
  Bytes buffer_;  // less than a chunk
  bool has_library_ = false;
  std::optional<Error> failed_;
};

Result<SnapshotManifest> write_into(Files& files, const std::string& path, SnapshotManifest manifest,
                                    node::SnapshotTask task) {
  if (auto made = files.make_directory(path); !made) return fail(made);
  Writer writer(files, path);
  const auto ran = task(writer);
  if (writer.failed()) return std::unexpected(*writer.failed());  // whatever the task made of it
  if (!ran) return fail(ran);
  auto written = writer.finish();
  if (!written) return fail(written);
  manifest.files = std::move(*written);
  if (auto done = write_manifest(files, path, manifest); !done) return fail(done);
  if (auto synced = files.sync_directory(path); !synced) return fail(synced);
  auto again = read_manifest(files, path, manifest.meta.last);
  if (!again) return fail(again);
  if (*again != manifest) return fail(Code::corrupt, path + ": its manifest is not what was written");
  if (auto right = verify_files(files, path, manifest, nullptr); !right) return fail(right);
  return manifest;
}

}  // namespace

Result<SnapshotManifest> write_snapshot(Files& files, const std::string& directory, raft::GroupId group,
                                        const std::string& backend, const raft::SnapshotMeta& meta,
                                        node::SnapshotTask task) {
  if (auto made = files.make_directory(directory); !made) return fail(made);
  const std::string complete = join(directory, snapshot_name(complete_prefix, meta.last));
  auto present = files.exists(complete);
  if (!present) return fail(present);
  if (*present) {
    auto there = read_complete(files, complete, meta.last);
    if (!there && there.error().code != Code::corrupt) return there;
    if (there && verify_files(files, complete, *there, nullptr)) {
      // Whoever gave it its name may not have lived to sync that.
      if (auto synced = files.sync_directory(directory); !synced) return fail(synced);
      return there;
    }
  }
  const std::string path = join(directory, snapshot_name(temporary_prefix, meta.last));
  if (auto removed = remove_tree(files, path); !removed) return fail(removed);
  const SnapshotManifest about{.group = group, .backend = backend, .meta = meta, .files = {}};
  auto manifest = write_into(files, path, about, std::move(task));
  if (manifest) {
    auto named = give_name(files, directory, path, meta.last);
    if (named) return manifest;
    manifest = fail(named);
  }
  (void)remove_tree(files, path);
  return manifest;
}

}  // namespace zraft::storage
