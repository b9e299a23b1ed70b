// SPDX-License-Identifier: Apache-2.0
//
// See directories.h.
#include "cli/directories.h"

#include <filesystem>
#include <utility>

namespace zraft::cli {
namespace {

bool has_catalogue(const std::string& directory) {
  std::error_code error;
  return std::filesystem::exists(directory + "/catalogue", error);
}

// Of one host.
struct Places {
  std::string data;
  std::string log;
  std::string snapshots;
};

Result<> open_shard(Directories& directories, const Places& places, std::size_t number) {
  const std::string path = path_of_shard(places.data, number);
  auto files = directories.open(path);
  if (!files) return fail(files);
  const auto other = [&](const std::string& place) {
    return place == places.data ? files : directories.open(path_of_shard(place, number));
  };
  const auto log_files = other(places.log);
  if (!log_files) return fail(log_files);
  const auto snapshot_files = other(places.snapshots);
  if (!snapshot_files) return fail(snapshot_files);
  directories.hosts.push_back(
      {.name = path, .files = **files, .log_files = **log_files, .snapshot_files = **snapshot_files});
  directories.shards.push_back(number);
  return {};
}

Result<> open_host(Directories& directories, const Places& places) {
  std::vector<std::size_t> numbers;
  for (std::size_t number = 1; number < host::shards_max; ++number) {
    if (has_catalogue(path_of_shard(places.data, number))) numbers.push_back(number);
  }
  // One that never had a group has nothing to look at, if others had.
  if (numbers.empty() || has_catalogue(places.data)) numbers.insert(numbers.begin(), 0);
  for (const std::size_t number : numbers) {
    if (auto opened = open_shard(directories, places, number); !opened) return opened;
  }
  return {};
}

}  // namespace

Result<storage::RealFiles*> Directories::open(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    return fail(Code::not_found, path + ": there is no such directory");
  }
  auto made = storage::RealFiles::make(*loop, path);
  if (!made) return fail(made);
  files.push_back(std::move(*made));
  return files.back().get();
}

Result<Directories> open_directories(const std::vector<std::string>& data, const std::vector<std::string>& log_dirs,
                                     const std::vector<std::string>& snapshot_dirs) {
  Directories directories;
  auto loop = net::AsioLoop::open();
  if (!loop) return fail(loop);
  directories.loop = std::move(*loop);
  for (std::size_t at = 0; at < data.size(); ++at) {
    const Places places{.data = data[at],
                        .log = log_dirs.empty() ? data[at] : log_dirs[at],
                        .snapshots = snapshot_dirs.empty() ? data[at] : snapshot_dirs[at]};
    if (auto opened = open_host(directories, places); !opened) return fail(opened);
  }
  return directories;
}

std::string path_of_shard(const std::string& directory, std::size_t number) {
  return number == 0 ? directory : directory + "/" + host::directory_of_shard(number);
}

}  // namespace zraft::cli
