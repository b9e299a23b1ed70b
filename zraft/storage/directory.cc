// SPDX-License-Identifier: Apache-2.0
//
// The identity and the lock of a directory.
#include "zraft/storage/directory.h"

#include <charconv>

#include "zraft/base/checksum.h"

namespace zraft::storage {
namespace {

constexpr BytesView title = "zraft data directory";
constexpr std::size_t identity_bytes_max = 4096;
constexpr const char* identity_name = "zraft.id";
constexpr const char* lock_name = "lock";

// Takes "name value\n" off the front of `text`.
std::optional<BytesView> take_line(BytesView& text, BytesView name) {
  const std::size_t end = text.find('\n');
  if (end == BytesView::npos) return std::nullopt;
  BytesView line = text.substr(0, end);
  if (!line.starts_with(name)) return std::nullopt;
  line.remove_prefix(name.size());
  if (!line.starts_with(' ')) return std::nullopt;
  text.remove_prefix(end + 1);
  return line.substr(1);
}

std::optional<std::uint64_t> number(BytesView digits, int base) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, base);
  if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  return value;
}

}  // namespace

std::string join(const std::string& directory, const std::string& name) { return directory + "/" + name; }

std::string hex(std::uint64_t value) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out(16, '0');
  for (std::size_t i = 16; i-- > 0; value >>= 4) out[i] = digits[value & 15];
  return out;
}

Result<> lock_directory(Files& files, const std::string& directory) {
  if (auto made = files.make_directory(directory); !made) return made;
  auto locked = files.lock(join(directory, lock_name));
  if (!locked && locked.error().code == Code::busy) {
    return fail(Code::busy, directory + " is in use by another process: stop that one, or name another directory");
  }
  return locked;
}

Bytes encode_identity(const Identity& identity) {
  Bytes text(title);
  text += "\nformat 1\nid " + hex(identity.id) + "\nowner " + identity.owner + "\n";
  return text + "checksum " + hex(crc32c(text)).substr(8) + "\n";
}

Result<Identity> decode_identity(BytesView text) {
  const BytesView whole = text;
  if (!text.starts_with(title) || !text.substr(title.size()).starts_with('\n')) {
    return fail(Code::corrupt, "it is no identity of a zraft data directory");
  }
  text.remove_prefix(title.size() + 1);
  const auto format = take_line(text, "format");
  if (format && *format != "1") {
    return fail(Code::unsupported, "it says format " + std::string(*format) +
                                       "; this build knows format 1: run a newer build; nothing was changed");
  }
  const auto id = take_line(text, "id");
  const auto owner = take_line(text, "owner");
  const std::size_t checked = whole.size() - text.size();
  const auto checksum = take_line(text, "checksum");
  if (!format || !id || !owner || !checksum || !text.empty()) return fail(Code::corrupt, "lines are missing");
  const auto id_value = number(*id, 16);
  const auto checksum_value = number(*checksum, 16);
  if (!id_value || !checksum_value || *checksum_value != crc32c(whole.substr(0, checked))) {
    return fail(Code::corrupt, "its checksum is wrong");
  }
  return Identity{*id_value, std::string(*owner)};
}

Result<std::optional<Identity>> read_identity(Files& files, const std::string& directory) {
  const std::string path = join(directory, identity_name);
  auto text = read_file(files, path, identity_bytes_max);
  if (!text && text.error().code == Code::not_found) return std::nullopt;
  if (!text && text.error().code == Code::too_large) return fail(Code::corrupt, text.error().text);
  if (!text) return fail(text);
  auto identity = decode_identity(*text);
  if (!identity) {
    return fail(identity.error().code, path + ": " + identity.error().text +
                                           (identity.error().code == Code::corrupt
                                                ? ": restore the directory, or start this host with an empty one "
                                                  "under a new name; nothing was changed"
                                                : ""));
  }
  return *identity;
}

Result<> write_identity(Files& files, const std::string& directory, const Identity& identity) {
  if (identity.owner.empty() || identity.owner.size() > 1024 || identity.owner.find('\n') != std::string::npos) {
    return fail(Code::bad_request, "the name of a host must be one line of 1 to 1024 bytes");
  }
  return replace_file(files, join(directory, identity_name), encode_identity(identity));
}

Result<> check_owner(const Identity& identity, const std::string& directory, const std::string& owner) {
  if (identity.owner == owner) return {};
  return fail(Code::wrong_owner, directory + " belongs to the host '" + identity.owner + "', and this is '" + owner +
                                     "': start with that name, or name another directory");
}

}  // namespace zraft::storage
