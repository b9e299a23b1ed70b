// SPDX-License-Identifier: Apache-2.0
//
// A command is a conversation of one or, for a long scan, of some requests.
#include "cli/commands.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <utility>

#include "cli/backup.h"
#include "cli/bench.h"
#include "cli/inspect.h"
#include "cli/live.h"
#include "cli/output.h"
#include "cli/recover.h"
#include "cli/restore.h"
#include "cli/transfers.h"
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
    const auto answer = ask(machines::Get{get.key}, get.reading);
    if (!answer) return failed(answer.error());
    if (std::holds_alternative<machines::Absent>(*answer)) return {Exit::none, in_json(get_json(get.key, nullptr)), {}};
    const auto* found = std::get_if<machines::Found>(&*answer);
    return found == nullptr ? strange() : done(found->value + "\n", get_json(get.key, found));
  }
  Outcome operator()(const Count& count) {
    const auto answer = ask(machines::Count{count.prefix}, count.reading);
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
      auto answer = ask(machines::Scan{scan.prefix, start_after, static_cast<std::uint32_t>(left)}, scan.reading);
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
    if (const auto changed = change_members(change.change); !changed) return failed(changed.error());
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
  Outcome operator()(const Take& take) {
    const std::vector<client::MemberStatus> rows = client_.status(command_.timeout);
    std::vector<client::MemberStatus> taken;
    for (const client::MemberStatus& row : rows) {
      const bool is_meant = take.at.empty() ? row.status.role != "removed" : row.peer == take.at;
      if (is_meant) taken.push_back(take_at(row));
    }
    if (taken.empty()) {
      return failed({Code::not_found, take.at.empty() ? "none of the nodes has a member of the group " + command_.group
                                                      : take.at + " is no member of the group " + command_.group});
    }
    Outcome outcome = done(taken_table(taken), taken_json(command_.group, taken));
    for (const client::MemberStatus& row : taken) {
      if (row.error.code == Code::ok) continue;
      if (outcome.status == Exit::done) outcome.status = status_of(row.error.code);
      outcome.problem += "zraft: " + row.peer + ": " + row.error.text + "\n";
    }
    return outcome;
  }
  // These are no conversations.
  Outcome operator()(const Inspect&) { return strange(); }
  Outcome operator()(const Recover&) { return strange(); }
  Outcome operator()(const Backup&) { return strange(); }
  Outcome operator()(const BackupInspect&) { return strange(); }
  Outcome operator()(const Restore&) { return strange(); }
  Outcome operator()(const Bench&) { return strange(); }
  Outcome operator()(const Watch&) { return strange(); }
  Outcome operator()(const Session&) { return strange(); }
  Outcome operator()(const Lock&) { return strange(); }
  Outcome operator()(const Elect&) { return strange(); }

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

  Result<> change_members(const client::MemberChange& change) {
    const bool is_watched = command_.format == Format::table && ::isatty(STDERR_FILENO) == 1;
    if (!is_watched) return client_.change_members(change, nullptr, command_.timeout);
    ProgressLines lines(stderr);
    return client_.change_members(
        change, [&lines](const client::Waiting& waiting) { lines.tell(waiting); }, command_.timeout);
  }

  // What that member is when it has written a snapshot, or why it has not.
  client::MemberStatus take_at(client::MemberStatus row) {
    if (row.error.code != Code::ok) return row;
    const auto named = net::parse_peer(row.peer);
    if (!named) return row;
    net::Reply reply = client_.ask(named->address, net::SaveSnapshot{command_.group}, command_.timeout);
    if (reply.error.code == Code::ok) {
      reply = client_.ask(named->address, net::GetStatus{command_.group}, command_.timeout);
    }
    row.error = reply.error;
    if (const auto* status = std::get_if<net::Status>(&reply.body)) {
      const auto found = std::ranges::find(status->peers, row.status.self, &net::PeerStatus::self);
      if (found != status->peers.end()) row.status = *found;
    }
    return row;
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

  Result<machines::KvAnswer> ask(const machines::KvQuery& query, net::ReadChoice choice) {
    const auto answer = client_.query(machines::encode(query), command_.timeout, choice);
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
  if (const auto* bench = std::get_if<Bench>(&command.action)) {
    const bool is_live = bench->op == Bench::Op::sessions || bench->op == Bench::Op::watch;
    return is_live ? run_bench_sessions(command, *bench) : run_bench(command, *bench);
  }
  if (const auto* recover = std::get_if<Recover>(&command.action)) return run_recover(command, *recover);
  if (const auto* inspect = std::get_if<Inspect>(&command.action)) return run_inspect(command, *inspect);
  if (const auto* backup = std::get_if<Backup>(&command.action)) return run_backup(command, *backup);
  if (const auto* file = std::get_if<BackupInspect>(&command.action)) return run_backup_inspect(command, *file);
  if (const auto* watch = std::get_if<Watch>(&command.action)) return run_watch(command, *watch);
  if (const auto* session = std::get_if<Session>(&command.action)) return run_session(command, *session);
  if (const auto* lock = std::get_if<Lock>(&command.action)) return run_lock(command, *lock);
  if (const auto* elect = std::get_if<Elect>(&command.action)) return run_elect(command, *elect);
  if (const auto* restore = std::get_if<Restore>(&command.action)) return run_restore(command, *restore);
  auto client = Client::connect({.hosts = command.hosts, .group = command.group, .name = "zraft"});
  if (!client) return {status_of(client.error().code), {}, "zraft: " + client.error().text + "\n"};
  return std::visit(Conversation(command, **client), command.action);
}

}  // namespace zraft::cli
