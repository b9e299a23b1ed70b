// SPDX-License-Identifier: Apache-2.0
//
// Whose directory this is: an identity file that names the format, the owner, and a random id that stands in every
// segment and batch, so that files of another directory are never taken for this one's (P57, decisions 6, 18, 20).
// The file is text, for people:
//
//   zraft data directory
//   format 1
//   id 00c0ffee00c0ffee
//   owner one
//   checksum 01234567          CRC32C of all the lines above
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "zraft/storage/file.h"

namespace zraft::storage {

struct Identity {
  std::uint64_t id = 0;
  std::string owner;
  friend bool operator==(const Identity&, const Identity&) = default;
};

[[nodiscard]] std::string join(const std::string& directory, const std::string& name);
[[nodiscard]] std::string hex(std::uint64_t number);  // 16 digits

// Keeps every other process out until `files` ends. Makes the directory if it is not there. Errors: busy, io.
Result<> lock_directory(Files& files, const std::string& directory);

// Nothing, if the directory has no identity yet. Errors: corrupt, unsupported, io.
Result<std::optional<Identity>> read_identity(Files& files, const std::string& directory);
// Durable when it returns. Errors: bad_request (an owner that no line can hold), io, no_space.
Result<> write_identity(Files& files, const std::string& directory, const Identity& identity);

// Errors: wrong_owner.
Result<> check_owner(const Identity& identity, const std::string& directory, const std::string& owner);

[[nodiscard]] Bytes encode_identity(const Identity& identity);
[[nodiscard]] Result<Identity> decode_identity(BytesView text);

}  // namespace zraft::storage
