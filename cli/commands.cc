// SPDX-License-Identifier: Apache-2.0
//
// A command is a conversation of one or, for a long scan, of some requests.
#include "cli/commands.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "cli/bench.h"
#include "cli/output.h"
#include "zraft/client/client.h"

namespace zraft::cli {
namespace {

using client::Client;

class Conversation {
 public:
  Conversation(const Command& command, Client& client) : command_(command), client_(client) {}

  Outcome operator()(const Create& create) {
    if (const auto created = client_.create_group(create.group, command_.timeout); !created) {
      return failed(created.error());
    }
    const std::string count = std::to_string(create.group.peers.size());
    const std::string members = create.group.peers.size() == 1 ? " member" : " members";
    return done("group " + create.group.name + " is created, with " + count + members + "\n",
                created_json(create.group));
  }
  Outcome operator()(const Put& put) { return write(machines::Put{put.key, put.value}); }
  Outcome operator()(const Delete& del) { return write(machines::Delete{del.key}); }
  Outcome operator()(const Compare& compare) {
    return write(machines::CompareAndPut{compare.key, compare.expected, compare.value});
  }
  Outcome operator()(const Get& get) {
    const auto answer = ask(machines::Get{get.key}, get.is_stale);
    if (!answer) return failed(answer.error());
    if (std::holds_alternative<machines::Absent>(*answer)) return {Exit::none, in_json(get_json(get.key, nullptr)), {}};
    const auto* found = std::get_if<machines::Found>(&*answer);
    return found == nullptr ? strange() : done(found->value + "\n", get_json(get.key, found));
  }
  Outcome operator()(const Count& count) {
    const auto answer = ask(machines::Count{count.prefix}, count.is_stale);
    if (!answer) return failed(answer.error());
    const auto* counted = std::get_if<machines::Counted>(&*answer);
    if (counted == nullptr) return strange();
    return done(std::to_string(counted->count) + "\n", count_json(counted->count));
  }
  Outcome operator()(const Scan& scan) {
    std::vector<machines::KeyValue> items;
    Bytes start_after;
    for (bool more = true; more && (scan.limit == 0 || items.size() < scan.limit);) {
      const std::uint64_t left = scan.limit == 0 ? 0 : std::min<std::uint64_t>(scan.limit - items.size(), UINT32_MAX);
      auto answer = ask(machines::Scan{scan.prefix, start_after, static_cast<std::uint32_t>(left)}, scan.is_stale);
      if (!answer) return failed(answer.error());
      auto* page = std::get_if<machines::Page>(&*answer);
      if (page == nullptr || (page->more && page->items.empty())) return strange();
      more = page->more;
      if (more) start_after = page->items.back().key;
      std::ranges::move(page->items, std::back_inserter(items));
      has_more_ = more;
    }
    return done(scan_text(items), scan_json(items, has_more_));
  }
  Outcome operator()(const Status&) {
    const std::vector<client::MemberStatus> rows = client_.status(command_.timeout);
    Outcome outcome = done(status_table(rows), status_json(rows));
    const auto is_there = [](const client::MemberStatus& row) { return row.error.code == Code::ok; };
    if (std::ranges::any_of(rows, is_there)) return outcome;
    if (rows.empty()) return failed({Code::not_found, "none of the nodes has a member of the group " + command_.group});
    outcome.status = Exit::unreachable;
    outcome.problem = "zraft: none of the nodes answers\n";
    return outcome;
  }
  Outcome operator()(const Groups&) {
    const std::vector<client::MemberStatus> rows = client_.status(command_.timeout);
    const auto is_there = [](const client::MemberStatus& row) { return row.error.code == Code::ok; };
    if (rows.empty() || std::ranges::any_of(rows, is_there)) return done(groups_table(rows), groups_json(rows));
    return failed({Code::all_failed, "none of the nodes answers: " + rows.front().error.text});
  }
  Outcome operator()(const Members&) {
    const std::vector<client::MemberStatus> rows = client_.status(command_.timeout);
    const client::MemberStatus* leader = client::leader_of(rows);
    if (leader == nullptr) return failed({Code::all_failed, "no member of the group " + command_.group + " leads"});
    return done(members_table(leader->status, rows), members_json(leader->status, rows));
  }
  Outcome operator()(const Change& change) {
    const auto tell = [](const std::string& what) { std::fprintf(stderr, "%s\n", what.c_str()); };
    const bool is_watched = command_.format == Format::table && ::isatty(STDERR_FILENO) == 1;
    const auto progress = is_watched ? client::Progress(tell) : client::Progress();
    const auto changed = client_.change_members(change.change, progress, command_.timeout);
    if (!changed) return failed(changed.error());
    return (*this)(Members{});
  }
  Outcome operator()(const Transfer& transfer) {
    const auto leader = client_.transfer_leadership(command_.group, transfer.peer, command_.timeout);
    if (!leader) return failed(leader.error());
    return done(*leader + " leads\n", leader_json(*leader));
  }
  Outcome operator()(const Destroy& destroy) {
    if (const auto destroyed = client_.destroy_group(command_.group, destroy.at, command_.timeout); !destroyed) {
      return failed(destroyed.error());
    }
    const std::string where = destroy.at.empty() ? "" : " at " + destroy.at;
    return done("group " + command_.group + " is destroyed" + where + "\n", destroyed_json(command_.group, destroy.at));
  }
  Outcome operator()(const Bench&) { return strange(); }

 private:
  [[nodiscard]] std::string in_json(std::string json) const {
    return command_.format == Format::json ? std::move(json) : std::string();
  }
  [[nodiscard]] Outcome done(std::string text, std::string json) const {
    return {Exit::done, command_.format == Format::json ? std::move(json) : std::move(text), {}};
  }
  [[nodiscard]] Outcome failed(const Error& error) const {
    return {status_of(error.code), in_json(error_json(error)), "zraft: " + error.text + "\n"};
  }
  // The group is not one of keys and values.
  [[nodiscard]] Outcome strange() const {
    return failed({Code::unsupported, "the group " + command_.group + " does not answer like a key-value store: its"
                                      " backend is another"});
  }

  Outcome write(const machines::KvCommand& write) {
    const auto answer = client_.propose(machines::encode(write), command_.timeout);
    if (!answer) return failed(answer.error());
    const auto outcome = machines::decode_outcome(*answer);
    if (!outcome) return strange();
    if (const auto* refused = std::get_if<machines::Refused>(&*outcome)) return failed(refused->error);
    if (const auto* conflict = std::get_if<machines::Conflict>(&*outcome)) {
      return {Exit::none, in_json(conflict_json(*conflict)),
              conflict->actual ? "zraft: the key has another value\n" : "zraft: there is no such key\n"};
    }
    const auto& was_done = std::get<machines::Done>(*outcome);
    if (std::holds_alternative<machines::Delete>(write) && !was_done.existed) {
      return {Exit::none, in_json(done_json(was_done)), {}};
    }
    return done("ok\n", done_json(was_done));
  }

  Result<machines::KvAnswer> ask(const machines::KvQuery& query, bool is_stale) {
    const auto consistency = is_stale ? net::Consistency::stale : net::Consistency::linearizable;
    const auto answer = client_.query(machines::encode(query), command_.timeout, consistency);
    if (!answer) return fail(answer);
    return machines::decode_answer(*answer);
  }

  const Command& command_;
  Client& client_;
  bool has_more_ = false;
};

}  // namespace

Exit status_of(Code code) {
  switch (code) {
    case Code::ok: return Exit::done;
    case Code::timeout_unknown_outcome: return Exit::unknown;
    case Code::timeout:
    case Code::all_failed: return Exit::unreachable;
    default: return Exit::refused;
  }
}

Outcome run(const Command& command) {
  if (const auto* bench = std::get_if<Bench>(&command.action)) return run_bench(command, *bench);
  auto client = Client::connect({.hosts = command.hosts, .group = command.group, .name = "zraft"});
  if (!client) return {status_of(client.error().code), {}, "zraft: " + client.error().text + "\n"};
  return std::visit(Conversation(command, **client), command.action);
}

}  // namespace zraft::cli
