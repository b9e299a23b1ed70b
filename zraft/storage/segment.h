// SPDX-License-Identifier: Apache-2.0
//
// One segment file, and its names. `wal-<16 hex digits>` is part of the log, `spare-<...>` was and waits to be used
// again, `*.tmp` was being made when the process ended.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "zraft/storage/file.h"

namespace zraft::storage {

struct Segment {
  std::uint64_t number = 0;
  std::uint64_t size = 0;
  std::unique_ptr<File> file;
};

[[nodiscard]] std::string segment_name(std::uint64_t number);
[[nodiscard]] std::string spare_name(std::uint64_t number);
// The number of a segment or a spare, if the name is one.
[[nodiscard]] std::optional<std::uint64_t> parse_segment_name(std::string_view name);
[[nodiscard]] std::optional<std::uint64_t> parse_spare_name(std::string_view name);

// Makes a segment: allocated, its header written, synced, under its name, the name durable. Takes over `spare` if
// one is named. After a crash there is the whole file under its name, or none. Blocks.
Result<Segment> make_segment(Files& files, const std::string& directory, std::uint64_t directory_id,
                             std::uint64_t number, std::uint64_t size, const std::optional<std::string>& spare);

}  // namespace zraft::storage
