// SPDX-License-Identifier: Apache-2.0
//
// Where a file is that a command was given: its directory, as the seams have it, and its name there.
#pragma once

#include <memory>
#include <string>

#include "zraft/base/result.h"
#include "zraft/net/asio_loop.h"
#include "zraft/storage/real_files.h"

namespace zraft::cli {

struct BackupPlace {
  std::unique_ptr<net::AsioLoop> loop;
  std::unique_ptr<storage::RealFiles> files;  // of the directory
  std::string name;                           // in it
};

// Errors: bad_request, not_found (the directory), io.
[[nodiscard]] Result<BackupPlace> place_of(const std::string& file);

}  // namespace zraft::cli
