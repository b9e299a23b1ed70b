// SPDX-License-Identifier: Apache-2.0
//
// What is the same over every implementation of the file seam.
#include "zraft/storage/file.h"

namespace zraft::storage {
namespace {

std::string directory_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

Result<> write_whole(Files& files, const std::string& path, BytesView content) {
  if (auto left_over = files.exists(path); !left_over) {
    return fail(left_over);
  } else if (*left_over) {
    if (auto removed = files.remove(path); !removed) return removed;
  }
  auto file = files.open(path, OpenMode::create);
  if (!file) return fail(file);
  if (auto written = (*file)->write_now(0, content); !written) return written;
  return (*file)->sync();
}

}  // namespace

Result<> replace_file(Files& files, const std::string& path, BytesView content) {
  const std::string temporary = path + ".tmp";
  if (auto written = write_whole(files, temporary, content); !written) return written;
  if (auto renamed = files.rename(temporary, path); !renamed) return renamed;
  return files.sync_directory(directory_of(path));
}

Result<Bytes> read_file(Files& files, const std::string& path, std::size_t limit) {
  auto present = files.exists(path);
  if (!present) return fail(present);
  if (!*present) return fail(Code::not_found, path + ": there is no such file");
  auto file = files.open(path, OpenMode::read);
  if (!file) return fail(file);
  auto size = (*file)->size();
  if (!size) return fail(size);
  if (*size > limit) {
    return fail(Code::too_large, path + ": " + std::to_string(*size) + " bytes; at most " + std::to_string(limit) +
                                     " were expected");
  }
  auto content = (*file)->read(0, static_cast<std::size_t>(*size));
  if (content && content->size() != *size) return fail(Code::io, path + ": ended while it was read");
  return content;
}

}  // namespace zraft::storage
