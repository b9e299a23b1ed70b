// SPDX-License-Identifier: Apache-2.0
//
// See output.h.
#include "cli/output.h"

#include <algorithm>
#include <cstdio>
#include <map>
#include <string_view>
#include <utility>

#include "cli/json.h"
#include "cli/transfers.h"

namespace zraft::cli {
namespace {

std::string number(std::uint64_t value) { return std::to_string(value); }
double milliseconds(Duration duration) { return static_cast<double>(duration.ns) / 1e6; }
std::string decimals(double value, int places) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", places, value);
  return text;
}

// Why this member does not serve; empty: it does.
std::string problem_of(const client::MemberStatus& row) {
  return row.error.code == Code::ok ? row.status.problem : row.error.text;
}

// One line for each group that anybody has.
struct GroupLine {
  std::string backend;
  std::string leader;
  std::size_t members = 0;
  raft::Term term;
};

std::map<std::string, GroupLine> groups_of(const std::vector<client::MemberStatus>& rows) {
  std::map<std::string, GroupLine> groups;
  for (const client::MemberStatus& row : rows) {
    if (row.error.code != Code::ok) continue;
    GroupLine& line = groups[row.status.group];
    line.backend = row.status.backend;
    if (row.status.term < line.term) continue;
    line.term = row.status.term;
    if (!row.status.leader.empty()) line.leader = row.status.leader;
    if (!row.status.membership.members.empty()) line.members = row.status.membership.members.size();
  }
  return groups;
}

// "voter", "learner", "catching up" (to vote), "leaving".
std::string duty_of(const raft::Membership& membership, raft::NodeId id) {
  const auto has = [id](const std::vector<raft::NodeId>& list) { return std::ranges::find(list, id) != list.end(); };
  if (has(membership.voters)) return membership.is_joint() && !has(membership.outgoing) ? "joining" : "voter";
  if (has(membership.outgoing)) return "leaving";
  return has(membership.promoting) ? "catching-up" : "learner";
}

// What a copy is by its host's catalogue and by the newest membership in its own log.
std::string kind_of(const host::GroupCopy& copy) {
  if (!copy.problem.empty()) return "unusable";
  if (copy.entry.is_removed) return "removed";
  if (copy.is_empty()) return "empty";
  return copy.membership.find(copy.entry.self) == nullptr ? "no-member" : duty_of(copy.membership, copy.entry.self);
}

std::string match_of(const net::PeerStatus& leader, raft::NodeId id) {
  if (id == leader.self) return number(leader.durable.value);
  const auto found = std::ranges::find(leader.followers, id, &net::FollowerStatus::id);
  return found == leader.followers.end() ? "" : number(found->match.value);
}

// null: nothing is on its way; and so is the time left of what stands still.
Json progress_json(const net::SnapshotProgress& progress) {
  if (progress.bytes_total == 0) return nullptr;
  const auto left = seconds_left(progress);
  return {{"index", progress.index.value},
          {"bytes", progress.bytes},
          {"bytes_total", progress.bytes_total},
          {"percent", percent_of(progress)},
          {"bytes_per_second", progress.bytes_per_second},
          {"seconds_left", left ? Json(*left) : Json(nullptr)}};
}

Json followers_json(const net::PeerStatus& leader) {
  Json list = Json::array();
  for (const net::FollowerStatus& follower : leader.followers) {
    const raft::Member* member = leader.membership.find(follower.id);
    list.push_back({{"peer", member == nullptr ? "" : member->peer},
                    {"id", number(follower.id.value)},
                    {"match", follower.match.value},
                    {"is_replicating", follower.is_replicating},
                    {"heard_ms", follower.heard_ms},
                    {"needs_snapshot", follower.needs_snapshot},
                    {"sending", progress_json(follower.sending)}});
  }
  return list;
}

}  // namespace

std::string table(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max({widths[i], row[i].size(), std::size_t{1}});
  }
  std::string out;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = row[i].empty() ? "-" : row[i];
      out += cell;
      if (i + 1 < row.size()) out += std::string(widths[i] - cell.size() + 2, ' ');
    }
    out += "\n";
  }
  return out;
}

std::string scan_text(const std::vector<machines::KeyValue>& items) {
  std::string out;
  for (const machines::KeyValue& item : items) out += item.key + "\t" + item.value + "\n";
  return out;
}

std::string status_table(const std::vector<client::MemberStatus>& rows) {
  std::vector<std::vector<std::string>> lines{
      {"PEER", "GROUP", "ROLE", "TERM", "FIRST", "LAST", "COMMIT", "APPLIED", "LOG_BYTES", "SNAPSHOT",
       "SNAPSHOT_BYTES", "SESSIONS", "WATCHES", "PROBLEM"}};
  for (const client::MemberStatus& row : rows) {
    if (row.error.code != Code::ok) {
      lines.push_back({row.peer, "", "unreachable", "", "", "", "", "", "", "", "", "", "", problem_of(row)});
      continue;
    }
    const net::PeerStatus& peer = row.status;
    const bool leads = peer.role == "leader";
    lines.push_back({row.peer, peer.group, peer.role, number(peer.term.value), number(peer.first.value),
                     number(peer.last.value), number(peer.commit.value), number(peer.applied.value),
                     number(peer.log_bytes), number(peer.snapshot.value), number(peer.snapshot_bytes),
                     leads ? number(peer.sessions) : "", leads ? number(peer.watches) : "", problem_of(row)});
  }
  const std::string transfers = transfers_table(rows);
  return table(lines) + (transfers.empty() ? "" : "\n" + transfers);
}

std::string taken_table(const std::vector<client::MemberStatus>& rows) {
  std::vector<std::vector<std::string>> lines{{"PEER", "SNAPSHOT", "SNAPSHOT_BYTES", "PROBLEM"}};
  for (const client::MemberStatus& row : rows) {
    const bool is_taken = row.error.code == Code::ok;
    lines.push_back({row.peer, is_taken ? number(row.status.snapshot.value) : "",
                     is_taken ? number(row.status.snapshot_bytes) : "", problem_of(row)});
  }
  return table(lines);
}

std::string groups_table(const std::vector<client::MemberStatus>& rows) {
  std::vector<std::vector<std::string>> lines{{"GROUP", "BACKEND", "MEMBERS", "TERM", "LEADER"}};
  for (const auto& [name, line] : groups_of(rows)) {
    lines.push_back({name, line.backend, number(line.members), number(line.term.value), line.leader});
  }
  return table(lines);
}

std::string members_table(const net::PeerStatus& leader, const std::vector<client::MemberStatus>& rows) {
  std::vector<std::vector<std::string>> lines{{"PEER", "MEMBER", "ROLE", "MATCH", "PROBLEM"}};
  for (const raft::Member& member : leader.membership.members) {
    const auto row = std::ranges::find(rows, member.peer, &client::MemberStatus::peer);
    const bool is_there = row != rows.end() && row->error.code == Code::ok;
    lines.push_back({member.peer, duty_of(leader.membership, member.id), is_there ? row->status.role : "unreachable",
                     match_of(leader, member.id), row == rows.end() ? "" : problem_of(*row)});
  }
  return table(lines);
}

std::string text_of(raft::Position position) {
  return number(position.term.value) + "^" + number(position.index.value);
}

std::string recovery_table(const Recovery& recovery) {
  std::vector<std::vector<std::string>> lines{
      {"DIRECTORY", "PEER", "COPY", "TERM", "LAST", "SNAPSHOT", "ENTRIES", "MEMBERS_AT", "MEMBERS", "CHOSEN"}};
  for (std::size_t at = 0; at < recovery.survey.copies.size(); ++at) {
    const host::GroupCopy& copy = recovery.survey.copies[at];
    std::string members;
    for (const raft::Member& member : copy.membership.members) {
      const std::string duty = duty_of(copy.membership, member.id);
      members += (members.empty() ? "" : ",") + member.peer + (duty == "voter" ? "" : "(" + duty + ")");
    }
    lines.push_back({recovery.directories[copy.host], copy.entry.peer, kind_of(copy),
                     number(copy.log.hard_state.term.value), text_of(copy.last()),
                     copy.snapshot ? text_of(copy.snapshot->meta.last) : "", number(copy.log.entries.size()),
                     number(copy.membership_index.value), members, at == recovery.chosen ? "yes" : ""});
  }
  return table(lines);
}

std::vector<std::string> cut_off(const Recovery& recovery) {
  const host::GroupCopy& chosen = recovery.survey.copies.at(recovery.chosen);
  std::vector<std::string> peers;
  for (const raft::Member& member : chosen.membership.members) {
    if (member.id != chosen.entry.self) peers.push_back(member.peer);
  }
  return peers;
}

std::string bench_table(const BenchResult& result) {
  return table({{"OPERATIONS", "ERRORS", "PER_SECOND", "P50_MS", "P90_MS", "P99_MS", "P99.9_MS", "MAX_MS"},
                {number(result.operations), number(result.errors), decimals(result.per_second, 0),
                 decimals(milliseconds(result.p50), 3), decimals(milliseconds(result.p90), 3),
                 decimals(milliseconds(result.p99), 3), decimals(milliseconds(result.p99_9), 3),
                 decimals(milliseconds(result.longest), 3)}});
}

std::string done_json(const machines::Done& done) {
  return line_of({{"done", true}, {"version", done.version}, {"existed", done.existed}});
}

std::string conflict_json(const machines::Conflict& conflict) {
  Json json{{"done", false}, {"exists", conflict.actual.has_value()}};
  if (conflict.actual) set(json, "actual", *conflict.actual);
  return line_of(json);
}

std::string get_json(const Bytes& key, const machines::Found* found) {
  Json json{{"exists", found != nullptr}};
  set(json, "key", key);
  if (found != nullptr) {
    set(json, "value", found->value);
    json["version"] = found->version;
    if (found->owner != 0) json["owner"] = found->owner;
  }
  return line_of(json);
}

std::string scan_json(const std::vector<machines::KeyValue>& items, bool more) {
  Json list = Json::array();
  for (const machines::KeyValue& item : items) {
    Json one;
    set(one, "key", item.key);
    set(one, "value", item.value);
    one["version"] = item.version;
    if (item.owner != 0) one["owner"] = item.owner;
    list.push_back(std::move(one));
  }
  return line_of({{"more", more}, {"items", std::move(list)}});
}

std::string count_json(std::uint64_t count) { return line_of({{"count", count}}); }

std::string created_json(const client::NewGroup& group) {
  return line_of({{"group", group.name}, {"backend", group.backend}, {"peers", group.peers}});
}

std::string status_json(const std::vector<client::MemberStatus>& rows) {
  Json list = Json::array();
  for (const client::MemberStatus& row : rows) {
    Json one{{"peer", row.peer}};
    if (row.error.code == Code::ok) {
      const net::PeerStatus& peer = row.status;
      one.update({{"group", peer.group},
                  {"group_id", number(peer.group_id.value)},
                  {"backend", peer.backend},
                  {"host", row.host},
                  {"version", row.version},
                  {"role", peer.role},
                  {"leader", peer.leader},
                  {"term", peer.term.value},
                  {"first", peer.first.value},
                  {"last", peer.last.value},
                  {"durable", peer.durable.value},
                  {"commit", peer.commit.value},
                  {"applied", peer.applied.value},
                  {"log_bytes", peer.log_bytes},
                  {"snapshot", peer.snapshot.value},
                  {"snapshot_bytes", peer.snapshot_bytes},
                  {"is_saving", peer.is_saving},
                  {"fetching", progress_json(peer.fetching)},
                  {"followers", followers_json(peer)}});
      if (peer.role == "leader") one.update(Json{{"sessions", peer.sessions}, {"watches", peer.watches}});
    } else {
      one["role"] = "unreachable";
    }
    if (const std::string problem = problem_of(row); !problem.empty()) one["problem"] = problem;
    list.push_back(std::move(one));
  }
  return line_of({{"members", std::move(list)}});
}

std::string taken_json(const std::string& group, const std::vector<client::MemberStatus>& rows) {
  Json list = Json::array();
  for (const client::MemberStatus& row : rows) {
    Json one{{"peer", row.peer}};
    if (row.error.code == Code::ok) {
      one["snapshot"] = row.status.snapshot.value;
      one["snapshot_bytes"] = row.status.snapshot_bytes;
    }
    if (const std::string problem = problem_of(row); !problem.empty()) one["problem"] = problem;
    list.push_back(std::move(one));
  }
  return line_of({{"group", group}, {"members", std::move(list)}});
}

std::string groups_json(const std::vector<client::MemberStatus>& rows) {
  Json list = Json::array();
  for (const auto& [name, line] : groups_of(rows)) {
    list.push_back({{"group", name},
                    {"backend", line.backend},
                    {"members", line.members},
                    {"term", line.term.value},
                    {"leader", line.leader}});
  }
  return line_of({{"groups", std::move(list)}});
}

std::string members_json(const net::PeerStatus& leader, const std::vector<client::MemberStatus>& rows) {
  Json list = Json::array();
  for (const raft::Member& member : leader.membership.members) {
    const auto row = std::ranges::find(rows, member.peer, &client::MemberStatus::peer);
    const bool is_there = row != rows.end() && row->error.code == Code::ok;
    Json one{{"peer", member.peer},
             {"id", number(member.id.value)},
             {"member", duty_of(leader.membership, member.id)},
             {"role", is_there ? row->status.role : "unreachable"}};
    if (const std::string match = match_of(leader, member.id); !match.empty()) one["match"] = std::stoull(match);
    list.push_back(std::move(one));
  }
  return line_of({{"group", leader.group}, {"leader", leader.peer}, {"members", std::move(list)}});
}

std::string leader_json(const std::string& leader) { return line_of({{"leader", leader}}); }

std::string destroyed_json(const std::string& group, const std::string& at) {
  Json json{{"destroyed", group}};
  if (!at.empty()) json["at"] = at;
  return line_of(json);
}

std::string recovery_json(const Recovery& recovery) {
  const host::GroupCopy& chosen = recovery.survey.copies.at(recovery.chosen);
  Json copies = Json::array();
  for (std::size_t at = 0; at < recovery.survey.copies.size(); ++at) {
    const host::GroupCopy& copy = recovery.survey.copies[at];
    Json members = Json::array();
    for (const raft::Member& member : copy.membership.members) {
      members.push_back(
          {{"peer", member.peer}, {"id", number(member.id.value)}, {"member", duty_of(copy.membership, member.id)}});
    }
    copies.push_back({{"directory", recovery.directories[copy.host]},
                      {"peer", copy.entry.peer},
                      {"id", number(copy.entry.self.value)},
                      {"group_id", number(copy.entry.group_id.value)},
                      {"backend", copy.entry.backend},
                      {"copy", kind_of(copy)},
                      {"term", copy.log.hard_state.term.value},
                      {"last_term", copy.last().term.value},
                      {"last", copy.last().index.value},
                      {"snapshot", copy.snapshot ? Json(copy.snapshot->meta.last.index.value) : Json(nullptr)},
                      {"entries", copy.log.entries.size()},
                      {"problem", copy.problem.empty() ? Json(nullptr) : Json(copy.problem)},
                      {"members_at", copy.membership_index.value},
                      {"members", std::move(members)},
                      {"chosen", at == recovery.chosen}});
  }
  Json lost = Json::array();
  for (const host::Loss& loss : recovery.losses) {
    const host::GroupCopy& copy = recovery.survey.copies[loss.copy];
    lost.push_back({{"directory", recovery.directories[copy.host]},
                    {"peer", copy.entry.peer},
                    {"after", loss.after.index.value},
                    {"entries", loss.entries}});
  }
  Json json{{"group", chosen.entry.group},   {"applied", recovery.made.has_value()},
            {"chosen", chosen.entry.peer},   {"copies", std::move(copies)},
            {"lost", std::move(lost)},       {"cut_off", cut_off(recovery)},
            {"notes", recovery.survey.story}};
  if (recovery.made) {
    json["group_id"] = number(recovery.made->id.value);
    json["problems"] = recovery.made->problems;
  }
  return line_of(json);
}

std::string bench_json(const BenchResult& result) {
  return line_of({{"operations", result.operations},
                  {"errors", result.errors},
                  {"per_second", result.per_second},
                  {"p50_ms", milliseconds(result.p50)},
                  {"p90_ms", milliseconds(result.p90)},
                  {"p99_ms", milliseconds(result.p99)},
                  {"p99_9_ms", milliseconds(result.p99_9)},
                  {"max_ms", milliseconds(result.longest)}});
}

std::string error_json(const Error& error) {
  return line_of({{"error", name_of(error.code)}, {"text", error.text}});
}

}  // namespace zraft::cli
