// SPDX-License-Identifier: Apache-2.0
//
// See backup_report.h. Numbers that need all of their 64 bits are strings in JSON.
#include "cli/backup_report.h"

#include <utility>

#include "cli/json.h"
#include "cli/output.h"

namespace zraft::cli {
namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }

std::string seconds(ClusterTime time) {
  const auto ns = static_cast<std::uint64_t>(time.ns < 0 ? 0 : time.ns);
  const std::string fraction = number(ns / 1'000'000 % 1000);
  return number(ns / 1'000'000'000) + "." + std::string(3 - fraction.size(), '0') + fraction + "s";
}

Json json_of(const BackupHeader& header, const std::string& file, std::uint64_t bytes) {
  const storage::SnapshotManifest& manifest = header.manifest;
  Json members = Json::array();
  for (const raft::Member& member : manifest.meta.membership.members) members.push_back(member.peer);
  return {{"group", header.group},
          {"group_id", number(manifest.group.value)},
          {"backend", manifest.backend},
          {"term", manifest.meta.last.term.value},
          {"index", manifest.meta.last.index.value},
          {"time_ns", manifest.meta.time.ns},
          {"files", manifest.files.size()},
          {"state_bytes", manifest.bytes()},
          {"bytes", bytes},
          {"members", std::move(members)},
          {"file", file}};
}

}  // namespace

std::string backup_table(const BackupHeader& header, std::uint64_t bytes) {
  const storage::SnapshotManifest& manifest = header.manifest;
  std::string members;
  for (const raft::Member& member : manifest.meta.membership.members) {
    members += (members.empty() ? "" : ",") + member.peer;
  }
  return table({{"GROUP", "GROUP_ID", "BACKEND", "LAST", "TIME", "FILES", "STATE_BYTES", "BYTES", "MEMBERS"},
                {header.group, number(manifest.group.value), manifest.backend, text_of(manifest.meta.last),
                 seconds(manifest.meta.time), number(manifest.files.size()), number(manifest.bytes()), number(bytes),
                 members}});
}

std::string backup_json(const BackupHeader& header, const std::string& file, const std::string& peer,
                        std::uint64_t bytes) {
  Json json = json_of(header, file, bytes);
  if (!peer.empty()) json["peer"] = peer;
  return line_of(json);
}

std::string restoration_text(const Restoration& restoration) {
  const std::string what = "group " + restoration.group;
  const std::string reach = "up to " + text_of(restoration.header.manifest.meta.last);
  if (restoration.group_id != raft::GroupId{}) {
    const std::size_t others = restoration.peers.size() - 1;
    return what + " is restored from " + restoration.file + ", " + reach + ": " + restoration.peers.front().name +
           " has its state" +
           (others == 0 ? "" : ", and the other " + (others == 1 ? "" : number(others) + " ") +
                                   (others == 1 ? "member fetches it" : "members fetch it")) +
           "\n";
  }
  std::vector<std::vector<std::string>> rows{{"PEER", "BEGINS", "ANSWER"}};
  for (const Restoration::Peer& peer : restoration.peers) {
    rows.push_back({peer.name, rows.size() == 1 ? "with-the-state" : "empty",
                    peer.problem.code == Code::ok ? "could-be-started" : peer.problem.text});
  }
  return backup_table(restoration.header, restoration.bytes) + "\nEvery byte of it is right. The " + what +
         " would begin with all of it, " + reach + ", under a new id:\n\n" + table(rows) + "\nNothing was changed.\n";
}

std::string restoration_json(const Restoration& restoration) {
  Json peers = Json::array();
  for (const Restoration::Peer& peer : restoration.peers) {
    peers.push_back({{"peer", peer.name},
                     {"problem", peer.problem.code == Code::ok ? Json() : Json(peer.problem.text)}});
  }
  const bool is_applied = restoration.group_id != raft::GroupId{};
  return line_of({{"group", restoration.group},
                  {"applied", is_applied},
                  {"group_id", is_applied ? Json(number(restoration.group_id.value)) : Json()},
                  {"peers", std::move(peers)},
                  {"backup", json_of(restoration.header, restoration.file, restoration.bytes)}});
}

}  // namespace zraft::cli
