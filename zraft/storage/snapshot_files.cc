// SPDX-License-Identifier: Apache-2.0
//
// See snapshot_files.h.
#include "zraft/storage/snapshot_files.h"

#include <charconv>
#include <utility>

#include "zraft/base/checksum.h"
#include "zraft/storage/directory.h"

namespace zraft::storage {
namespace {

std::optional<std::uint64_t> number(std::string_view digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

std::string text_of(raft::Position position) {
  return std::to_string(position.term.value) + "^" + std::to_string(position.index.value);
}

// The seam does not say what is a directory: one that holds something is not removed, and can be listed.
Result<> remove_with_content(Files& files, const std::string& path) {
  auto removed = files.remove(path);
  if (removed) return {};
  auto names = files.list(path);
  if (!names) return removed;
  for (const std::string& name : *names) {
    if (auto gone = remove_with_content(files, join(path, name)); !gone) return gone;
  }
  return files.remove(path);
}

}  // namespace

std::string snapshot_name(const std::string& prefix, raft::Position position) {
  return prefix + std::to_string(position.index.value) + "-" + std::to_string(position.term.value);
}

std::optional<raft::Position> parse_snapshot_name(const std::string& prefix, const std::string& name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  const std::string_view numbers = std::string_view(name).substr(prefix.size());
  const std::size_t dash = numbers.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto index = number(numbers.substr(0, dash));
  const auto term = number(numbers.substr(dash + 1));
  if (!index || !term) return std::nullopt;
  const raft::Position position{{*term}, {*index}};
  if (snapshot_name(prefix, position) != name) return std::nullopt;
  return position;
}

Result<SnapshotManifest> read_manifest(Files& files, const std::string& path, raft::Position position) {
  const std::string name = join(path, manifest_name);
  auto bytes = read_file(files, name, manifest_bytes_max);
  if (!bytes) {
    const Code code = bytes.error().code;
    const bool is_damage = code == Code::not_found || code == Code::too_large;
    return fail(is_damage ? Code::corrupt : code, bytes.error().text);
  }
  auto manifest = decode_manifest(*bytes);
  if (!manifest) return fail(manifest.error().code, name + ": " + manifest.error().text);
  if (manifest->meta.last != position) {
    return fail(Code::corrupt, name + ": it is the manifest of a snapshot at " + text_of(manifest->meta.last));
  }
  return manifest;
}

Result<SnapshotManifest> read_complete(Files& files, const std::string& path, raft::Position position) {
  auto manifest = read_manifest(files, path, position);
  if (!manifest) return manifest;
  for (const SnapshotFile& file : manifest->files) {
    if (auto opened = open_file_of_snapshot(files, join(path, file.name), file.size); !opened) return fail(opened);
  }
  return manifest;
}

Result<> write_manifest(Files& files, const std::string& path, const SnapshotManifest& manifest) {
  const Bytes bytes = encode(manifest);
  if (bytes.size() > manifest_bytes_max) {
    return fail(Code::too_large, path + ": its manifest would have " + std::to_string(bytes.size()) +
                                     " bytes, at most " + std::to_string(manifest_bytes_max) + " are allowed");
  }
  auto file = files.open(join(path, manifest_name), OpenMode::create);
  if (!file) return fail(file);
  if (auto written = (*file)->write_now(0, bytes); !written) return written;
  return (*file)->sync();
}

Result<std::unique_ptr<File>> open_file_of_snapshot(Files& files, const std::string& path, std::uint64_t size) {
  auto present = files.exists(path);
  if (!present) return fail(present);
  if (!*present) return fail(Code::corrupt, path + ": there is no such file");
  auto file = files.open(path, OpenMode::read);
  if (!file) return file;
  auto found = (*file)->size();
  if (!found) return fail(found);
  if (*found != size) {
    return fail(Code::corrupt,
                path + ": it has " + std::to_string(*found) + " bytes and was written with " + std::to_string(size));
  }
  return file;
}

Result<Bytes> read_chunk(File& from, const std::string& path, const SnapshotFile& file, std::uint64_t chunk) {
  const std::uint64_t offset = chunk * snapshot_chunk_size;
  const std::size_t length = chunk_length(file.size, chunk);
  auto bytes = from.read(offset, length);
  if (!bytes) return bytes;
  if (bytes->size() == length && crc32c(*bytes) == file.chunks[static_cast<std::size_t>(chunk)]) return bytes;
  return fail(Code::corrupt, path + " at byte " + std::to_string(offset) + ": the checksum of these " +
                                 std::to_string(length) + " bytes is wrong");
}

Result<> write_chunk_now(File& to, std::uint64_t offset, BytesView chunk) {
  if (auto written = to.write_now(offset, chunk); !written) return written;
  return to.sync();
}

Result<> verify_files(Files& files, const std::string& path, const SnapshotManifest& manifest,
                      const std::function<bool(std::size_t)>& go_on) {
  for (const SnapshotFile& file : manifest.files) {
    const std::string name = join(path, file.name);
    auto opened = open_file_of_snapshot(files, name, file.size);
    if (!opened) return fail(opened);
    for (std::uint64_t chunk = 0; chunk < file.chunks.size(); ++chunk) {
      auto bytes = read_chunk(**opened, name, file, chunk);
      if (!bytes) return fail(bytes);
      if (go_on && !go_on(bytes->size())) return fail(Code::timeout, path + ": it was not compared to its end");
    }
  }
  return {};
}

Result<> remove_tree(Files& files, const std::string& path) {
  auto present = files.exists(path);
  if (!present) return fail(present);
  return *present ? remove_with_content(files, path) : Result<>();
}

Result<> give_name(Files& files, const std::string& directory, const std::string& from, raft::Position position) {
  const std::string to = join(directory, snapshot_name(complete_prefix, position));
  const std::string aside = join(directory, snapshot_name(std::string(temporary_prefix) + "damaged-", position));
  auto present = files.exists(to);
  if (!present) return fail(present);
  if (*present) {
    auto manifest = read_complete(files, to, position);
    if (manifest && verify_files(files, to, *manifest, nullptr)) {
      if (auto synced = files.sync_directory(directory); !synced) return synced;  // its name may not be durable yet
      return remove_tree(files, from);
    }
    if (auto removed = remove_tree(files, aside); !removed) return removed;
    if (auto moved = files.rename(to, aside); !moved) return moved;
  }
  if (auto renamed = files.rename(from, to); !renamed) return renamed;
  if (auto synced = files.sync_directory(directory); !synced) {
    // Nobody can say which name a loss of power would leave. It goes back, and that may work.
    if (files.rename(to, from)) (void)files.sync_directory(directory);
    return synced;
  }
  // The new one is durable. What is left of the old one, if this fails, is worthless and known as such by its name.
  if (*present) (void)remove_tree(files, aside);
  return {};
}

}  // namespace zraft::storage
