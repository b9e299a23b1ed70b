// SPDX-License-Identifier: Apache-2.0
//
// See backup_place.h.
#include "cli/backup_place.h"

#include <filesystem>
#include <utility>

namespace zraft::cli {

Result<BackupPlace> place_of(const std::string& file) {
  const std::filesystem::path path(file);
  const std::string directory = path.has_parent_path() ? path.parent_path().string() : ".";
  std::error_code error;
  if (!path.has_filename()) return fail(Code::bad_request, file + " names no file");
  if (!std::filesystem::is_directory(directory, error)) {
    return fail(Code::not_found, directory + ": there is no such directory");
  }
  auto loop = net::AsioLoop::open();
  if (!loop) return fail(loop);
  auto files = storage::RealFiles::make(**loop, directory);
  if (!files) return fail(files);
  return BackupPlace{.loop = std::move(*loop), .files = std::move(*files), .name = path.filename().string()};
}

}  // namespace zraft::cli
