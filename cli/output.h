// SPDX-License-Identifier: Apache-2.0
//
// What is printed: tables for people and JSON for programs, of the same things. Text in, text out.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "zraft/client/admin.h"
#include "zraft/host/recover.h"
#include "zraft/machines/kv_wire.h"

namespace zraft::cli {

struct BenchResult {
  std::uint64_t operations = 0;
  std::uint64_t errors = 0;
  double per_second = 0;
  Duration p50;
  Duration p90;
  Duration p99;
  Duration p99_9;
  Duration longest;
};

// What `zraft recover` found and means to do, or did.
struct Recovery {
  std::vector<std::string> directories;  // of the hosts
  host::Survey survey;
  std::size_t chosen = 0;
  std::vector<host::Loss> losses;
  std::optional<host::NewGroup> made;  // nothing: it was only looked
};

// A column is as wide as its widest cell; an empty cell is shown as "-". The first row is the heading.
[[nodiscard]] std::string table(const std::vector<std::vector<std::string>>& rows);

// A line a key: key, a tab, value.
[[nodiscard]] std::string scan_text(const std::vector<machines::KeyValue>& items);
[[nodiscard]] std::string status_table(const std::vector<client::MemberStatus>& rows);
// What `zraft snapshot take` had written.
[[nodiscard]] std::string taken_table(const std::vector<client::MemberStatus>& rows);
[[nodiscard]] std::string groups_table(const std::vector<client::MemberStatus>& rows);
// Of a group, as its leader sees it; `rows` for what the others say of themselves.
[[nodiscard]] std::string members_table(const net::PeerStatus& leader, const std::vector<client::MemberStatus>& rows);
// All copies, the chosen one marked.
[[nodiscard]] std::string recovery_table(const Recovery& recovery);
// Members of the chosen copy that will be none.
[[nodiscard]] std::vector<std::string> cut_off(const Recovery& recovery);
// "term^index"
[[nodiscard]] std::string text_of(raft::Position position);
[[nodiscard]] std::string bench_table(const BenchResult& result);

// One line of JSON each. Bytes that are no UTF-8 are given in base64, under a name that says so ("value_base64").
[[nodiscard]] std::string done_json(const machines::Done& done);
[[nodiscard]] std::string conflict_json(const machines::Conflict& conflict);
[[nodiscard]] std::string get_json(const Bytes& key, const machines::Found* found);
[[nodiscard]] std::string scan_json(const std::vector<machines::KeyValue>& items, bool more);
[[nodiscard]] std::string count_json(std::uint64_t count);
[[nodiscard]] std::string created_json(const client::NewGroup& group);
[[nodiscard]] std::string status_json(const std::vector<client::MemberStatus>& rows);
[[nodiscard]] std::string taken_json(const std::string& group, const std::vector<client::MemberStatus>& rows);
[[nodiscard]] std::string groups_json(const std::vector<client::MemberStatus>& rows);
[[nodiscard]] std::string members_json(const net::PeerStatus& leader, const std::vector<client::MemberStatus>& rows);
[[nodiscard]] std::string leader_json(const std::string& leader);
[[nodiscard]] std::string destroyed_json(const std::string& group, const std::string& at);
[[nodiscard]] std::string recovery_json(const Recovery& recovery);
[[nodiscard]] std::string bench_json(const BenchResult& result);
[[nodiscard]] std::string error_json(const Error& error);

}  // namespace zraft::cli
