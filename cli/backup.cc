// SPDX-License-Identifier: Apache-2.0
//
// See backup.h. Members are asked one after the other until one gives all of its snapshot; that is looked for again
// from the front, because nothing that was fetched is kept of one that fails.
#include "cli/backup.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <random>
#include <tuple>
#include <utility>

#include "cli/backup_file.h"
#include "cli/backup_place.h"
#include "cli/backup_report.h"
#include "cli/output.h"
#include "cli/snapshot_download.h"
#include "zraft/client/client.h"
#include "zraft/net/address.h"
#include "zraft/net/asio_network.h"

namespace zraft::cli {
namespace {

constexpr Duration saving_time = Duration::seconds(3600);  // for a member to write its snapshot

struct Made {
  BackupHeader header;
  std::string peer;
  std::uint64_t bytes = 0;  // of the file
};

// One attempt, at one member.
class Attempt {
 public:
  Attempt(BackupPlace& place, net::AsioNetwork& network, const Backup& backup, const std::string& group)
      : place_(place), network_(network), backup_(backup), group_(group) {}

  Result<Made> run(const client::MemberStatus& row, const std::string& address) {
    Result<> ended = fail(Code::stopped, "the loop ended");
    const SnapshotDownload download(
        *place_.loop, network_,
        {.address = address,
         .group = row.status.group_id,
         .from = row.status.self,
         .bytes_per_second = backup_.bytes_per_second},
        {.begin = [this](const storage::SnapshotManifest& manifest) { return begin(manifest); },
         .take = [this](BytesView chunk) { return keep(writer_->append(chunk)); }},
        [this, &ended](Result<> how) {
          ended = std::move(how);
          place_.loop->stop();
        });
    place_.loop->run();
    if (ended) ended = keep(writer_->finish());
    if (!ended) return fail(ended);
    return Made{.header = std::move(header_), .peer = row.peer, .bytes = writer_->bytes()};
  }
  // What failed is this side's: another member does not help.
  [[nodiscard]] bool is_ours() const { return is_ours_; }

 private:
  Result<> begin(const storage::SnapshotManifest& manifest) {
    header_ = {.group = group_, .manifest = manifest};
    std::random_device device;
    const std::string temporary = place_.name + ".tmp-" + std::to_string(device());
    auto writer = BackupWriter::begin(*place_.files, place_.name, temporary, header_);
    if (!writer) return keep(fail(writer));
    writer_.emplace(std::move(*writer));
    return {};
  }
  Result<> keep(Result<> how) {
    is_ours_ = is_ours_ || !how;
    return how;
  }

  BackupPlace& place_;
  net::AsioNetwork& network_;
  const Backup& backup_;
  const std::string& group_;
  BackupHeader header_;
  std::optional<BackupWriter> writer_;
  bool is_ours_ = false;
};

Result<Made> attempt(client::Client& client, const Command& command, const Backup& backup,
                     const client::MemberStatus& row, bool& is_ours) {
  const auto parsed = net::parse_peer(row.peer);
  if (!parsed) return fail(parsed);
  const net::Reply saved = client.ask(parsed->address, net::SaveSnapshot{command.group}, saving_time);
  if (saved.error.code != Code::ok) return fail(saved.error.code, row.peer + ": " + saved.error.text);
  auto place = place_of(backup.file);  // a loop that was stopped does not run again
  if (!place) {
    is_ours = true;
    return fail(place);
  }
  net::AsioNetwork network(*place->loop);
  Attempt one(*place, network, backup, command.group);
  auto made = one.run(row, parsed->address);
  is_ours = one.is_ours();
  return made;
}

// The one that has applied most first; a leader has other work to do.
void sort_by_worth(std::vector<client::MemberStatus>& rows) {
  std::erase_if(rows, [](const client::MemberStatus& row) {
    return row.error.code != Code::ok || row.status.role == "removed" || row.status.role == "loading" ||
           row.status.role == "stopped";
  });
  std::ranges::sort(rows, std::greater(), [](const client::MemberStatus& row) {
    return std::tuple(row.status.applied, row.status.role != "leader", row.peer);
  });
}

Result<Made> make(const Command& command, const Backup& backup) {
  auto place = place_of(backup.file);
  if (!place) return fail(place);
  const auto is_there = place->files->exists(place->name);
  if (!is_there) return fail(is_there);
  if (*is_there) return fail(Code::already_present, backup.file + " is there already, and was left as it is");
  auto client = client::Client::connect({.hosts = command.hosts, .group = command.group, .name = "zraft"});
  if (!client) return fail(client);
  std::vector<client::MemberStatus> rows = (*client)->status(command.timeout);
  Error why{Code::not_found, "no member of the group " + command.group + " can be asked"};
  for (const client::MemberStatus& row : rows) {
    if (row.error.code != Code::ok) why = row.error;
  }
  sort_by_worth(rows);
  for (const client::MemberStatus& row : rows) {
    bool is_ours = false;
    auto made = attempt(**client, command, backup, row, is_ours);
    if (made || is_ours) return made;
    why = made.error();
  }
  return std::unexpected(why);
}

Outcome failed(const Command& command, const Error& error, Exit status) {
  return {status, command.format == Format::json ? error_json(error) : "", "zraft: " + error.text + "\n"};
}

}  // namespace

Outcome run_backup(const Command& command, const Backup& backup) {
  const auto made = make(command, backup);
  if (!made) return failed(command, made.error(), status_of(made.error().code));
  if (command.format == Format::json) {
    return {Exit::done, backup_json(made->header, backup.file, made->peer, made->bytes), {}};
  }
  return {Exit::done,
          "the group " + command.group + " up to " + text_of(made->header.manifest.meta.last) + ", from " + made->peer +
              ", is in " + backup.file + "\n",
          {}};
}

Outcome run_backup_inspect(const Command& command, const BackupInspect& inspect) {
  auto place = place_of(inspect.file);
  if (!place) return failed(command, place.error(), Exit::refused);
  const auto header = verify_backup(*place->files, place->name);
  if (!header) {
    const bool is_damaged = header.error().code == Code::corrupt;
    return failed(command, header.error(), is_damaged ? Exit::damaged : Exit::refused);
  }
  std::error_code error;
  const auto bytes = std::filesystem::file_size(inspect.file, error);
  if (command.format == Format::json) return {Exit::done, backup_json(*header, inspect.file, "", bytes), {}};
  return {Exit::done, backup_table(*header, bytes), {}};
}

}  // namespace zraft::cli
