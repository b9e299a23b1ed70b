// SPDX-License-Identifier: Apache-2.0
//
// See inspect.h. Damage is what the checksums and laws of a format say; what the operating system refuses (a missing
// permission, say) is no damage, and ends the command.
#include "cli/inspect.h"

#include <algorithm>
#include <utility>

#include "cli/directories.h"
#include "cli/findings.h"
#include "cli/output.h"
#include "zraft/storage/directory.h"

namespace zraft::cli {
namespace {

constexpr const char* lock_path = "lock";
constexpr const char* log_directory = "log";
constexpr const char* snapshots_directory = "snapshots";

bool is_damage(const Error& error) { return error.code == Code::corrupt || error.code == Code::wrong_owner; }

Error naming(const std::string& directory, Error error) {
  error.text = directory + ": " + error.text;
  return error;
}

// As long as the files live. A directory in which nobody ever took the lock is not given one.
Result<> lock(const host::StoppedHost& host) {
  auto present = host.files.exists(lock_path);
  if (!present) return fail(present);
  if (!*present) return {};
  auto locked = host.files.lock(lock_path);
  if (locked || locked.error().code != Code::busy) return locked;
  return fail(Code::busy, "it is in use: stop the zraftd that runs on it first");
}

// --- the log ---

// What a host checks besides, when it opens a group.
void check_group(const host::CatalogueEntry& entry, const LogFindings& found, std::vector<std::string>& damages) {
  const auto at = found.log.groups.find(entry.log);
  if (at == found.log.groups.end()) {
    damages.push_back("the log does not hold the group " + entry.group +
                      ", which the catalogue names: the log is not "
                      "the one of this data, or it has lost its newest part");
    return;
  }
  for (const raft::Record& record : at->second.entries) {
    const std::string where = "group " + entry.group + ", entry " + std::to_string(record.index().value) + ": ";
    if (record.group() != entry.group_id) {
      damages.push_back(where + "it is an entry of another group");
      return;
    }
    if (record.type() != raft::EntryType::membership) continue;
    if (auto membership = raft::decode_membership(record.payload()); !membership) {
      damages.push_back(where + membership.error().text);
    }
  }
}

Result<> read_log(const host::StoppedHost& host, LogFindings& found) {
  auto identity = storage::read_identity(host.log_files, log_directory);
  if (!identity) return fail(identity);
  if (!*identity) {
    return fail(Code::not_found, "there is no log: name the directory that is its log_dir with --log-dir");
  }
  auto log = storage::inspect_up_to_damage(host.log_files, log_directory, **identity);
  if (!log) return fail(log);
  found.log = std::move(*log);
  return {};
}

Result<LogFindings> look_at_log(const host::StoppedHost& host) {
  LogFindings found{.directory = host.name, .catalogue = {}, .log = {}, .damages = {}};
  auto catalogue = host::read_catalogue(host.files);
  if (!catalogue && !is_damage(catalogue.error())) return fail(catalogue);
  if (catalogue) {
    found.catalogue = std::move(*catalogue);
  } else {
    found.damages.push_back(catalogue.error().text);
  }
  if (auto read = read_log(host, found); !read) {
    if (!is_damage(read.error())) return fail(read);
    found.damages.push_back(read.error().text);
    return found;
  }
  // What is behind the damage is not known, so nothing is missing yet.
  if (found.log.damage) {
    found.damages.push_back(found.log.damage->text);
    return found;
  }
  for (const host::CatalogueEntry& entry : found.catalogue) check_group(entry, found, found.damages);
  return found;
}

Result<std::vector<LogFindings>> look_at_logs(const Inspect& inspect) {
  std::vector<std::string> log_dirs;
  if (!inspect.apart.empty()) log_dirs.push_back(inspect.apart);
  auto directories = open_directories({inspect.data}, log_dirs, {});
  if (!directories) return fail(directories);
  std::vector<LogFindings> all;
  for (const host::StoppedHost& host : directories->hosts) {
    if (auto locked = lock(host); !locked) return std::unexpected(naming(host.name, locked.error()));
    auto found = look_at_log(host);
    if (!found) return std::unexpected(naming(host.name, found.error()));
    all.push_back(std::move(*found));
  }
  return all;
}

bool has_group(const std::vector<LogFindings>& found, const std::string& name) {
  return std::ranges::any_of(found, [&](const LogFindings& one) {
    return std::ranges::find(one.catalogue, name, &host::CatalogueEntry::group) != one.catalogue.end();
  });
}

// --- snapshots ---

class Looking {
 public:
  Looking(std::string root, storage::Files& files, bool reads_all)
      : root_(std::move(root)), files_(files), reads_all_(reads_all) {}

  Result<> look(const host::Catalogue& catalogue) {
    auto present = files_.exists(snapshots_directory);
    if (!present) return fail(present);
    if (!*present) return {};
    auto names = files_.list(snapshots_directory);
    if (!names) return fail(names);
    for (const std::string& name : *names) {
      const auto entry = std::ranges::find_if(
          catalogue, [&](const host::CatalogueEntry& any) { return storage::hex(any.log.value) == name; });
      if (auto done = look_at_peer(name, entry == catalogue.end() ? nullptr : &*entry); !done) return done;
    }
    return {};
  }
  [[nodiscard]] std::vector<SnapshotFinding> take() { return std::move(all_); }

 private:
  Result<> look_at_peer(const std::string& name, const host::CatalogueEntry* entry) {
    const std::string directory = storage::join(snapshots_directory, name);
    auto found = storage::look_for_snapshots(files_, directory);
    if (!found) return fail(found);
    const SnapshotFinding about{.group = entry != nullptr ? entry->group : "",
                                .peer = entry != nullptr ? entry->peer : "",
                                .path = root_ + "/" + directory,
                                .state = {},
                                .manifest = std::nullopt,
                                .damage = {}};
    for (storage::SnapshotManifest& manifest : found->complete) {
      SnapshotFinding& one = add(about, SnapshotFinding::State::complete, std::move(manifest));
      if (entry != nullptr && one.manifest->group != entry->group_id) {
        damage(one, one.path + ": it is a snapshot of another group");
      }
      if (!reads_all_) continue;
      const auto verified = storage::verify_snapshot(files_, directory, *one.manifest);
      if (!verified && !is_damage(verified.error())) return verified;
      if (!verified) damage(one, root_ + "/" + verified.error().text);
    }
    if (found->partial) add(about, SnapshotFinding::State::partial, std::move(*found->partial));
    for (const std::string& sentence : found->damaged) {
      all_.push_back(about);
      damage(all_.back(), root_ + ": " + sentence);
    }
    return {};
  }

  SnapshotFinding& add(const SnapshotFinding& about, SnapshotFinding::State state, storage::SnapshotManifest manifest) {
    SnapshotFinding one = about;
    one.state = state;
    one.path += state == SnapshotFinding::State::partial ? "/part-" : "/snap-";
    one.path += std::to_string(manifest.meta.last.index.value) + "-" + std::to_string(manifest.meta.last.term.value);
    one.manifest = std::move(manifest);
    all_.push_back(std::move(one));
    return all_.back();
  }

  static void damage(SnapshotFinding& one, const std::string& sentence) {
    one.state = SnapshotFinding::State::damaged;
    one.damage = sentence;
  }

  const std::string root_;
  storage::Files& files_;
  const bool reads_all_;
  std::vector<SnapshotFinding> all_;
};

Result<std::vector<SnapshotFinding>> look_at_snapshots(const Inspect& inspect) {
  auto directories = open_directories({inspect.data}, {}, {});
  if (!directories) return fail(directories);
  std::vector<SnapshotFinding> all;
  for (std::size_t at = 0; at < directories->hosts.size(); ++at) {
    const host::StoppedHost& host = directories->hosts[at];
    if (auto locked = lock(host); !locked) return std::unexpected(naming(host.name, locked.error()));
    auto catalogue = host::read_catalogue(host.files);
    if (!catalogue) return std::unexpected(naming(host.name, catalogue.error()));
    const std::string root = inspect.apart.empty() ? host.name : path_of_shard(inspect.apart, directories->shards[at]);
    auto files = directories->open(root);
    if (!files) return fail(files);
    Looking looking(root, **files, inspect.what == Inspect::What::snapshot_verify);
    if (auto looked = looking.look(*catalogue); !looked) return std::unexpected(naming(root, looked.error()));
    std::ranges::move(looking.take(), std::back_inserter(all));
  }
  return all;
}

// --- what it says ---

Outcome failed(const Command& command, const Error& error) {
  return {status_of(error.code), command.format == Format::json ? error_json(error) : "",
          "zraft: " + error.text + "\n"};
}

Outcome told(const Command& command, const std::string& text, const std::string& json,
             const std::vector<std::string>& damages) {
  std::string problem;
  for (const std::string& damage : damages) problem += "zraft: " + damage + "\n";
  return {damages.empty() ? Exit::done : Exit::damaged, command.format == Format::json ? json : text, problem};
}

Outcome run_on_log(const Command& command, const Inspect& inspect) {
  const auto found = look_at_logs(inspect);
  if (!found) return failed(command, found.error());
  std::vector<std::string> damages;
  for (const LogFindings& one : *found) {
    for (const std::string& damage : one.damages) damages.push_back(one.directory + ": " + damage);
  }
  if (inspect.what == Inspect::What::log_verify) return told(command, logs_text(*found), logs_json(*found), damages);
  if (damages.empty() && !command.group.empty() && !has_group(*found, command.group)) {
    return failed(command, {Code::not_found, inspect.data + ": there is no group " + command.group});
  }
  const bool is_json = command.format == Format::json;
  return told(command, is_json ? "" : dump_text(*found, command.group), is_json ? dump_json(*found, command.group) : "",
              damages);
}

}  // namespace

Outcome run_inspect(const Command& command, const Inspect& inspect) {
  if (inspect.what == Inspect::What::log_dump || inspect.what == Inspect::What::log_verify) {
    return run_on_log(command, inspect);
  }
  const auto found = look_at_snapshots(inspect);
  if (!found) return failed(command, found.error());
  std::vector<std::string> damages;
  for (const SnapshotFinding& one : *found) {
    if (!one.damage.empty()) damages.push_back(one.damage);
  }
  return told(command, snapshots_text(*found), snapshots_json(*found), damages);
}

}  // namespace zraft::cli
