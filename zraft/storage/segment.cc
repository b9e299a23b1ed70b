// SPDX-License-Identifier: Apache-2.0
//
// Names and making of segment files.
#include "zraft/storage/segment.h"

#include <charconv>

#include "zraft/storage/directory.h"
#include "zraft/storage/wal_format.h"

namespace zraft::storage {
namespace {

constexpr std::string_view segment_prefix = "wal-";
constexpr std::string_view spare_prefix = "spare-";
constexpr const char* temporary_name = "segment.tmp";

std::optional<std::uint64_t> parse(std::string_view prefix, std::string_view name) {
  if (!name.starts_with(prefix)) return std::nullopt;
  name.remove_prefix(prefix.size());
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number, 16);
  if (error != std::errc{} || name != hex(number) || number == 0) return std::nullopt;
  return number;
}

Result<> remove_if_there(Files& files, const std::string& path) {
  auto there = files.exists(path);
  if (!there) return fail(there);
  return *there ? files.remove(path) : Result<>{};
}

// A spare may be of a life in which segments had another size. With a header that lies about it no start would go on.
Result<bool> has_size(Files& files, const std::string& path, std::uint64_t size) {
  auto file = files.open(path, OpenMode::read);
  if (!file) return fail(file);
  auto found = (*file)->size();
  if (!found) return fail(found);
  return *found == size;
}

Result<Segment> fill(Files& files, const std::string& path, const SegmentHeader& header, bool is_new) {
  auto file = files.open(path, is_new ? OpenMode::create : OpenMode::read_write);
  if (!file) return fail(file);
  if (is_new) {
    if (auto allocated = (*file)->preallocate(header.size); !allocated) return fail(allocated);
  }
  if (auto written = (*file)->write_now(0, encode_segment_header(header)); !written) return fail(written);
  if (auto synced = (*file)->sync(); !synced) return fail(synced);
  return Segment{header.segment, header.size, std::move(*file)};
}

}  // namespace

std::string segment_name(std::uint64_t number) { return std::string(segment_prefix) + hex(number); }
std::string spare_name(std::uint64_t number) { return std::string(spare_prefix) + hex(number); }
std::optional<std::uint64_t> parse_segment_name(std::string_view name) { return parse(segment_prefix, name); }
std::optional<std::uint64_t> parse_spare_name(std::string_view name) { return parse(spare_prefix, name); }

Result<Segment> make_segment(Files& files, const std::string& directory, std::uint64_t directory_id,
                             std::uint64_t number, std::uint64_t size, const std::optional<std::string>& spare) {
  const std::string temporary = join(directory, temporary_name);
  if (auto removed = remove_if_there(files, temporary); !removed) return fail(removed);
  bool is_new = true;
  if (spare) {
    if (auto renamed = files.rename(join(directory, *spare), temporary); !renamed) return fail(renamed);
    const auto fits = has_size(files, temporary, size);
    if (!fits) return fail(fits);
    is_new = !*fits;
    if (is_new) {
      if (auto removed = files.remove(temporary); !removed) return fail(removed);
    }
  }
  auto segment = fill(files, temporary, {.directory = directory_id, .segment = number, .size = size}, is_new);
  if (!segment) {
    // A full disk must not stay full of a half-made file. If this fails too, the next attempt removes it.
    (void)remove_if_there(files, temporary);
    return segment;
  }
  if (auto named = files.rename(temporary, join(directory, segment_name(number))); !named) return fail(named);
  if (auto synced = files.sync_directory(directory); !synced) return fail(synced);
  return segment;
}

}  // namespace zraft::storage
