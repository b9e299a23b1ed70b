// SPDX-License-Identifier: Apache-2.0
//
// See findings.h. Numbers that need all of their 64 bits are strings in JSON.
#include "cli/findings.h"

#include <algorithm>
#include <tuple>

#include "cli/json.h"
#include "cli/output.h"
#include "zraft/storage/directory.h"

namespace zraft::cli {
namespace {

using Rows = std::vector<std::vector<std::string>>;

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string seconds(ClusterTime time) {
  const auto ns = static_cast<std::uint64_t>(time.ns < 0 ? 0 : time.ns);
  const std::string fraction = number(ns / 1'000'000 % 1000);
  return number(ns / 1'000'000'000) + "." + std::string(3 - fraction.size(), '0') + fraction + "s";
}

std::string name_of(raft::EntryType type) {
  switch (type) {
    case raft::EntryType::noop: return "no-op";
    case raft::EntryType::command: return "command";
    case raft::EntryType::membership: return "membership";
    case raft::EntryType::session: return "session";
  }
  return "unknown";
}

std::string name_of(SnapshotFinding::State state) {
  switch (state) {
    case SnapshotFinding::State::complete: return "complete";
    case SnapshotFinding::State::partial: return "partial";
    case SnapshotFinding::State::damaged: return "damaged";
  }
  return "unknown";
}

// A group of the log, under the name that the catalogue has for it.
struct Group {
  std::string name;  // empty: no catalogue names it
  std::string peer;
  raft::GroupId log;
  const raft::Recovered* state;
};

std::vector<Group> groups_of(const LogFindings& found, const std::string& wanted) {
  std::vector<Group> groups;
  for (const auto& [log, state] : found.log.groups) {
    const auto entry = std::ranges::find(found.catalogue, log, &host::CatalogueEntry::log);
    const bool is_named = entry != found.catalogue.end();
    if (!wanted.empty() && (!is_named || entry->group != wanted)) continue;
    groups.push_back({is_named ? entry->group : "", is_named ? entry->peer : "", log, &state});
  }
  // By the log's id as well: clang takes no stable_sort of this standard library.
  std::ranges::sort(groups, {}, [](const Group& group) { return std::tie(group.name, group.log); });
  return groups;
}

raft::Position last_of(const raft::Recovered& state) {
  return state.entries.empty() ? state.base.last : state.entries.back().position();
}

std::uint64_t entries_in(const LogFindings& found) {
  std::uint64_t sum = 0;
  for (const auto& [log, state] : found.log.groups) sum += state.entries.size();
  return sum;
}

std::uint64_t batches_in(const LogFindings& found) {
  return found.log.segments.empty() ? 0 : found.log.segments.back().sequence;
}

std::string text_of(const LogFindings& found, const std::string& wanted) {
  Rows segments{{"SEGMENT", "BYTES", "END", "LAST_BATCH"}};
  for (const auto& segment : found.log.segments) {
    segments.push_back({number(segment.number), number(segment.size), number(segment.end), number(segment.sequence)});
  }
  Rows groups{{"GROUP", "PEER", "LOG", "TERM", "VOTE", "BASE", "LAST", "ENTRIES"}};
  Rows entries{{"GROUP", "INDEX", "TERM", "TYPE", "BYTES", "TIME"}};
  for (const Group& group : groups_of(found, wanted)) {
    const raft::HardState& hard = group.state->hard_state;
    groups.push_back({group.name, group.peer, storage::hex(group.log.value), number(hard.term.value),
                      hard.vote ? number(hard.vote->value) : "", cli::text_of(group.state->base.last),
                      cli::text_of(last_of(*group.state)), number(group.state->entries.size())});
    for (const raft::Record& entry : group.state->entries) {
      entries.push_back({group.name, number(entry.index().value), number(entry.term().value), name_of(entry.type()),
                         number(entry.payload().size()), seconds(entry.time())});
    }
  }
  std::string text = found.directory + "\n\n" + table(segments) + "\n" + table(groups) + "\n" + table(entries) + "\n";
  for (const std::string& line : found.log.story) text += line + "\n";
  return text;
}

Json json_of(const LogFindings& found, const Group& group) {
  const raft::HardState& hard = group.state->hard_state;
  const raft::Position last = last_of(*group.state);
  return {{"kind", "group"},
          {"directory", found.directory},
          {"group", group.name},
          {"peer", group.peer},
          {"log", storage::hex(group.log.value)},
          {"term", hard.term.value},
          {"vote", hard.vote ? Json(number(hard.vote->value)) : Json(nullptr)},
          {"base_term", group.state->base.last.term.value},
          {"base", group.state->base.last.index.value},
          {"last_term", last.term.value},
          {"last", last.index.value},
          {"entries", group.state->entries.size()}};
}

Json json_of(const Group& group, const raft::Record& entry) {
  return {{"kind", "entry"},
          {"group", group.name},
          {"log", storage::hex(group.log.value)},
          {"index", entry.index().value},
          {"term", entry.term().value},
          {"type", name_of(entry.type())},
          {"bytes", entry.payload().size()},
          {"time_ns", entry.time().ns}};
}

std::string json_of(const LogFindings& found, const std::string& wanted) {
  std::string text;
  for (const auto& segment : found.log.segments) {
    text += line_of({{"kind", "segment"},
                     {"directory", found.directory},
                     {"segment", segment.number},
                     {"bytes", segment.size},
                     {"end", segment.end},
                     {"last_batch", segment.sequence}});
  }
  for (const Group& group : groups_of(found, wanted)) {
    text += line_of(json_of(found, group));
    for (const raft::Record& entry : group.state->entries) text += line_of(json_of(group, entry));
  }
  const auto add = [&](const char* kind, const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      text += line_of({{"kind", kind}, {"directory", found.directory}, {"text", line}});
    }
  };
  add("note", found.log.story);
  add("damage", found.damages);
  return text;
}

Json json_of(const SnapshotFinding& found) {
  Json json{{"group", found.group}, {"peer", found.peer}, {"path", found.path}, {"state", name_of(found.state)}};
  if (found.manifest) {
    const storage::SnapshotManifest& manifest = *found.manifest;
    Json members = Json::array();
    for (const raft::Member& member : manifest.meta.membership.members) members.push_back(member.peer);
    Json files = Json::array();
    for (const auto& file : manifest.files) files.push_back({{"name", file.name}, {"bytes", file.size}});
    json["group_id"] = number(manifest.group.value);
    json["backend"] = manifest.backend;
    json["index"] = manifest.meta.last.index.value;
    json["term"] = manifest.meta.last.term.value;
    json["time_ns"] = manifest.meta.time.ns;
    json["members_at"] = manifest.meta.membership_index.value;
    json["members"] = std::move(members);
    json["bytes"] = manifest.bytes();
    json["files"] = std::move(files);
  }
  json["damage"] = found.damage.empty() ? Json(nullptr) : Json(found.damage);
  return json;
}

}  // namespace

std::string dump_text(const std::vector<LogFindings>& found, const std::string& group) {
  std::string text;
  for (const LogFindings& one : found) text += text_of(one, group);
  return text;
}

std::string dump_json(const std::vector<LogFindings>& found, const std::string& group) {
  std::string text;
  for (const LogFindings& one : found) text += json_of(one, group);
  return text;
}

std::string logs_text(const std::vector<LogFindings>& found) {
  Rows rows{{"DIRECTORY", "SEGMENTS", "LAST_BATCH", "GROUPS", "ENTRIES", "STATE"}};
  std::string notes;
  for (const LogFindings& one : found) {
    rows.push_back({one.directory, number(one.log.segments.size()), number(batches_in(one)),
                    number(one.log.groups.size()), number(entries_in(one)), one.damages.empty() ? "right" : "damaged"});
    for (const std::string& line : one.log.story) notes += one.directory + ": " + line + "\n";
  }
  return table(rows) + notes;
}

std::string logs_json(const std::vector<LogFindings>& found) {
  Json logs = Json::array();
  for (const LogFindings& one : found) {
    logs.push_back({{"directory", one.directory},
                    {"segments", one.log.segments.size()},
                    {"last_batch", batches_in(one)},
                    {"groups", one.log.groups.size()},
                    {"entries", entries_in(one)},
                    {"notes", one.log.story},
                    {"damages", one.damages}});
  }
  const bool is_right = std::ranges::all_of(found, [](const LogFindings& one) { return one.damages.empty(); });
  return line_of({{"damaged", !is_right}, {"logs", std::move(logs)}});
}

std::string snapshots_text(const std::vector<SnapshotFinding>& found) {
  Rows rows{{"GROUP", "PEER", "LAST", "TIME", "FILES", "BYTES", "STATE", "PATH"}};
  for (const SnapshotFinding& one : found) {
    const auto* manifest = one.manifest ? &*one.manifest : nullptr;
    rows.push_back({one.group, one.peer, manifest != nullptr ? cli::text_of(manifest->meta.last) : "",
                    manifest != nullptr ? seconds(manifest->meta.time) : "",
                    manifest != nullptr ? number(manifest->files.size()) : "",
                    manifest != nullptr ? number(manifest->bytes()) : "", name_of(one.state), one.path});
  }
  return table(rows);
}

std::string snapshots_json(const std::vector<SnapshotFinding>& found) {
  Json snapshots = Json::array();
  for (const SnapshotFinding& one : found) snapshots.push_back(json_of(one));
  const bool is_right = std::ranges::all_of(found, [](const SnapshotFinding& one) { return one.damage.empty(); });
  return line_of({{"damaged", !is_right}, {"snapshots", std::move(snapshots)}});
}

}  // namespace zraft::cli
