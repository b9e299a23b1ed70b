// SPDX-License-Identifier: Apache-2.0
//
// The directories of stopped hosts, for the commands that ask no node. One that is not there is refused and not made;
// nothing in them is changed, and nothing is locked, by opening them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "zraft/host/recover.h"
#include "zraft/net/asio_loop.h"
#include "zraft/storage/real_files.h"

namespace zraft::cli {

// Destroyed from below: the files use the loop.
struct Directories {
  std::unique_ptr<net::AsioLoop> loop;
  std::vector<std::unique_ptr<storage::RealFiles>> files;
  std::vector<host::StoppedHost> hosts;  // one for each shard that ever had a group, or for a host that had none
  std::vector<std::size_t> shards;       // the number of each

  // Errors: not_found.
  [[nodiscard]] Result<storage::RealFiles*> open(const std::string& path);
};

// Requires: `log_dirs` and `snapshot_dirs` are empty, or there is one for each of `data`.
[[nodiscard]] Result<Directories> open_directories(const std::vector<std::string>& data,
                                                   const std::vector<std::string>& log_dirs,
                                                   const std::vector<std::string>& snapshot_dirs);

// Where a shard is within a directory of its host.
[[nodiscard]] std::string path_of_shard(const std::string& directory, std::size_t number);

}  // namespace zraft::cli
