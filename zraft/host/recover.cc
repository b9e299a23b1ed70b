// SPDX-License-Identifier: Apache-2.0
//
// See recover.h.
#include "zraft/host/recover.h"

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "zraft/base/random.h"
#include "zraft/host/peer_snapshots.h"
#include "zraft/storage/directory.h"
#include "zraft/storage/recovery.h"
#include "zraft/storage/snapshot_store.h"
#include "zraft/storage/wal.h"

namespace zraft::host {
namespace {

constexpr const char* lock_path = "lock";
constexpr const char* catalogue_path = "catalogue";
constexpr const char* log_directory = "log";  // as storage::Wal has it

Error naming(const StoppedHost& host, Error error) {
  error.text = host.name + ": " + error.text;
  return error;
}

Result<storage::Identity> identity_of(const StoppedHost& host) {
  auto identity = storage::read_identity(host.log_files, log_directory);
  if (!identity) return fail(identity);
  if (*identity) return std::move(**identity);
  return fail(Code::not_found, "there is no log: name the directory that is its log_dir with --log-dir");
}

// The newest one that a start would restore the machine from. What is passed over is told.
Result<> find_snapshot(const StoppedHost& host, GroupCopy& copy, std::vector<std::string>& story) {
  const std::string directory = snapshot_directory_of(copy.entry.log);
  auto found = storage::look_for_snapshots(host.snapshot_files, directory);
  if (!found) return fail(found);
  for (const std::string& sentence : found->damaged) story.push_back(sentence);
  for (auto manifest = found->complete.rbegin(); manifest != found->complete.rend(); ++manifest) {
    if (manifest->meta.last.index < copy.log.base.last.index) break;
    if (manifest->group != copy.entry.group_id || manifest->backend != copy.entry.backend) {
      story.push_back(directory + ": the snapshot up to index " + std::to_string(manifest->meta.last.index.value) +
                      " is of another group or backend");
      continue;
    }
    const auto verified = storage::verify_snapshot(host.snapshot_files, directory, *manifest);
    if (verified) {
      copy.snapshot = std::move(*manifest);
      return {};
    }
    if (verified.error().code != Code::corrupt) return verified;
    story.push_back(verified.error().text);
  }
  return {};
}

// As raft::Core does it when it starts: what does not go on from the snapshot was never committed.
void take_over(const raft::SnapshotMeta& snapshot, GroupCopy& copy) {
  copy.log.snapshot = snapshot;
  if (copy.term_at(snapshot.last.index) == snapshot.last.term) return;
  copy.log.base = snapshot;
  copy.log.entries.clear();
}

Result<> find_membership(GroupCopy& copy) {
  copy.membership = copy.log.base.membership;
  copy.membership_index = copy.log.base.membership_index;
  for (const raft::Record& record : copy.log.entries) {
    if (record.group() != copy.entry.group_id) {
      return fail(Code::corrupt, "the log of the group " + copy.entry.group + " holds entries of another group");
    }
    if (record.type() != raft::EntryType::membership) continue;
    auto membership = raft::decode_membership(record.payload());
    if (!membership) return fail(Code::corrupt, "group " + copy.entry.group + ": " + membership.error().text);
    copy.membership = std::move(*membership);
    copy.membership_index = record.index();
  }
  if (Result<> good = copy.membership.valid(); !copy.is_empty() && !good) {
    return fail(Code::corrupt, "the log of the group " + copy.entry.group + " names no members: " + good.error().text);
  }
  return {};
}

// As the host takes it, when it starts: docs/log_format.md.
Result<GroupCopy> copy_of(std::size_t number, const StoppedHost& host, const CatalogueEntry& entry, raft::Recovered log,
                          std::vector<std::string>& story) {
  GroupCopy copy{.host = number,
                 .entry = entry,
                 .log = std::move(log),
                 .snapshot = std::nullopt,
                 .problem = {},
                 .membership = {},
                 .membership_index = {}};
  if (Result<> found = find_snapshot(host, copy, story); !found) return fail(found);
  const raft::Index base = copy.log.base.last.index;
  if (copy.snapshot) {
    take_over(copy.snapshot->meta, copy);
    if (Result<> good = raft::check(copy.log); !good) copy.problem = good.error().text;
  } else if (base != raft::Index{}) {
    copy.problem = "its log begins behind index " + std::to_string(base.value) + ", and no snapshot in its " +
                   snapshot_directory_of(entry.log) +
                   " reaches there and is right: what was written before is not here. Bring its files back, or name "
                   "the directory that is its snapshot_dir with --snapshot-dir";
  }
  if (Result<> found = find_membership(copy); !found) return fail(found);
  return copy;
}

Result<> look_at(std::size_t number, const StoppedHost& host, const std::string& group, Survey& survey) {
  const auto is_there = host.files.exists(catalogue_path);
  if (!is_there) return fail(is_there);
  if (!*is_there) return fail(Code::not_found, "it is no data directory of zraftd, or of one that never had a group");
  if (Result<> locked = host.files.lock(lock_path); !locked) {
    if (locked.error().code != Code::busy) return locked;
    return fail(Code::busy, "it is in use: stop the zraftd that runs on it first, and name each directory once");
  }
  auto catalogue = read_catalogue(host.files);
  if (!catalogue) return fail(catalogue);
  survey.catalogues.push_back(*catalogue);
  const auto identity = identity_of(host);
  if (!identity) return fail(identity);
  auto log = storage::inspect(host.log_files, log_directory, *identity);
  if (!log) return fail(log);
  for (const std::string& line : log->story) survey.story.push_back(host.name + ": " + line);
  for (const CatalogueEntry& entry : *catalogue) {
    if (entry.group != group) continue;
    auto found = log->groups.extract(entry.log);
    if (found.empty()) {
      return fail(Code::corrupt, "the log does not hold the group " + entry.group +
                                     ", which the catalogue names: the log is not the one of this "
                                     "data, or it has lost its newest part");
    }
    std::vector<std::string> story;
    auto copy = copy_of(number, host, entry, std::move(found.mapped()), story);
    if (!copy) return fail(copy);
    for (const std::string& line : story) survey.story.push_back(host.name + ": " + line);
    if (!copy->problem.empty()) {
      survey.story.push_back(host.name + ": the copy of " + entry.peer + " cannot be gone on with: " + copy->problem);
    }
    survey.copies.push_back(std::move(*copy));
  }
  return {};
}

std::string names_in(const std::vector<Catalogue>& catalogues) {
  std::vector<std::string> names;
  for (const Catalogue& catalogue : catalogues) {
    for (const CatalogueEntry& entry : catalogue) names.push_back(entry.group);
  }
  std::ranges::sort(names);
  const auto repeated = std::ranges::unique(names);
  names.erase(repeated.begin(), repeated.end());
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text.empty() ? "none" : text;
}

// The last position that both have.
raft::Position agreement(const GroupCopy& a, const GroupCopy& b) {
  raft::Index at = std::min(a.last().index, b.last().index);
  const raft::Index base = std::max(a.log.base.last.index, b.log.base.last.index);
  while (at > base && a.term_at(at) != b.term_at(at)) at = at - 1;
  return {a.term_at(at).value_or(raft::Term{}), at};
}

// The work of recover(), until its end.
class Recovering {
 public:
  using Done = std::move_only_function<void(Result<NewGroup>)>;

  Recovering(node::Loop& loop, std::vector<StoppedHost> hosts, Survey survey, std::size_t chosen, std::uint64_t seed,
             Done done)
      : loop_(loop),
        hosts_(std::move(hosts)),
        survey_(std::move(survey)),
        chosen_(survey_.copies.at(chosen)),
        random_(seed),
        done_(std::move(done)) {}

  void start(node::Worker& worker) {
    const auto identity = identity_of(host());
    if (!identity) return end(fail(identity));
    storage::Wal::Options options;
    options.owner = identity->owner;
    auto log = storage::Wal::open(loop_, worker, host().log_files, std::move(options));
    if (!log) return end(fail(log));
    wal_ = std::move(log->wal);
    made_.id = {draw()};
    do {
      new_log_ = {draw()};
    } while (wal_->has(new_log_));
    if (Result<> copied = copy_snapshot(); !copied) {
      forget_snapshot();
      return end(fail(copied));
    }
    write_log();
  }

 private:
  [[nodiscard]] const StoppedHost& host() const { return hosts_.at(chosen_.host); }

  std::uint64_t draw() {
    for (;;) {
      if (const std::uint64_t drawn = random_.next(); drawn != 0) return drawn;
    }
  }

  // All that the new log's base stands for, before there is such a log.
  Result<> copy_snapshot() {
    if (!chosen_.snapshot) return {};
    return storage::copy_snapshot(host().snapshot_files, snapshot_directory_of(chosen_.entry.log), *chosen_.snapshot,
                                  snapshot_directory_of(new_log_), made_.id);
  }

  // What is left, the host's next start removes.
  void forget_snapshot() {
    static_cast<void>(storage::remove_all_snapshots(host().snapshot_files, snapshot_directory_of(new_log_)));
  }

  // The entries are written behind the start and not with it: a start is one batch, and there may be gigabytes. That
  // this is not one step does no harm, because no catalogue names the log yet.
  void write_log() {
    const raft::HardState state{.term = next(chosen_.log.hard_state.term), .vote = std::nullopt};
    std::vector<raft::Record> entries;
    entries.reserve(chosen_.log.entries.size() + 1);
    ClusterTime time = chosen_.log.base.time;
    for (const raft::Record& record : chosen_.log.entries) {
      entries.push_back(
          raft::Record::make(made_.id, record.position(), record.type(), record.time(), record.payload()));
      time = record.time();
    }
    // Of priority 1, whatever it had: one that never stands for election by itself would never lead.
    Bytes alone;
    raft::encode(raft::membership_of({{chosen_.entry.self, chosen_.entry.peer}}), alone);
    made_.last = {state.term, next(chosen_.last().index)};
    entries.push_back(raft::Record::make(made_.id, made_.last, raft::EntryType::membership, time, alone));

    wal_->start_group(new_log_, chosen_.log.base, {}, state, [](const Result<>&) {});
    log_ = wal_->log_of(new_log_);
    log_->write({.id = {}, .hard_state = std::nullopt, .truncate_from = {}, .entries = std::move(entries)},
                node::Durability::durable, [this](Result<> written) {
                  // Later: the log is still speaking, and is closed now.
                  post([this, written = std::move(written)] { on_written(written); });
                });
  }

  void on_written(const Result<>& written) {
    log_.reset();
    wal_.reset();
    if (!written) {
      forget_snapshot();
      return end(fail(written));
    }
    if (Result<> saved = write_catalogue(host().files, encode(new_catalogue(chosen_.host))); !saved) {
      // Either it was not renamed, or that is not durable.
      const auto now = read_catalogue(host().files);
      if (now && *now == survey_.catalogues[chosen_.host]) {
        forget_snapshot();
        return end(fail(saved));
      }
      return end(fail(Code::timeout_unknown_outcome,
                      "it is not known whether the catalogue was replaced: " + saved.error().text +
                          "; `zraft recover` shows what is there now"));
    }
    for (std::size_t other = 0; other < hosts_.size(); ++other) {
      const Catalogue catalogue = new_catalogue(other);
      if (other == chosen_.host || catalogue == survey_.catalogues[other]) continue;
      if (Result<> saved = write_catalogue(hosts_[other].files, encode(catalogue)); !saved) {
        made_.problems.push_back(hosts_[other].name +
                                 ": the copy there could not be marked as removed: " + saved.error().text);
      }
    }
    std::exchange(done_, nullptr)(std::move(made_));
  }

  [[nodiscard]] Catalogue new_catalogue(std::size_t of_host) const {
    Catalogue catalogue = survey_.catalogues[of_host];
    for (CatalogueEntry& entry : catalogue) {
      if (entry.group != chosen_.entry.group) continue;
      if (of_host == chosen_.host && entry == chosen_.entry) {
        entry.group_id = made_.id;
        entry.log = new_log_;
        entry.is_removed = false;
      } else {
        entry.is_removed = true;
      }
    }
    return catalogue;
  }

  void end(std::unexpected<Error> why) {
    post([this, error = naming(host(), std::move(why.error()))]() mutable {
      std::exchange(done_, nullptr)(std::unexpected(std::move(error)));
    });
  }

  void post(node::Task task) {
    loop_.post([life = lifetime_.watch(), task = std::move(task)]() mutable {
      if (!life.is_over()) task();
    });
  }

  node::Loop& loop_;
  const std::vector<StoppedHost> hosts_;
  const Survey survey_;
  const GroupCopy& chosen_;  // of the survey
  Random random_;
  Done done_;
  NewGroup made_;
  raft::GroupId new_log_;
  std::unique_ptr<storage::Wal> wal_;
  std::unique_ptr<node::GroupLog> log_;
  node::Lifetime lifetime_;
};

}  // namespace

std::optional<raft::Term> GroupCopy::term_at(raft::Index index) const {
  if (index < log.base.last.index || index > last().index) return std::nullopt;
  if (index == log.base.last.index) return log.base.last.term;
  return log.entries[index - log.base.last.index - 1].term();
}

Result<Survey> survey(const std::vector<StoppedHost>& hosts, const std::string& group) {
  Survey survey;
  for (std::size_t number = 0; number < hosts.size(); ++number) {
    if (Result<> looked = look_at(number, hosts[number], group, survey); !looked) {
      return std::unexpected(naming(hosts[number], looked.error()));
    }
  }
  if (survey.copies.empty()) {
    return fail(Code::not_found, "none of these directories has a member of a group " + group +
                                     "; the groups there: " + names_in(survey.catalogues));
  }
  return survey;
}

Result<std::size_t> choose(const Survey& survey, const std::string& peer) {
  std::optional<std::size_t> best;
  bool is_named = false;
  std::string problem;  // of the first that has one
  for (std::size_t at = 0; at < survey.copies.size(); ++at) {
    const GroupCopy& copy = survey.copies[at];
    is_named = is_named || copy.entry.peer == peer;
    if (peer.empty() ? copy.entry.is_removed : copy.entry.peer != peer) continue;
    if (copy.is_empty()) continue;
    if (!copy.problem.empty()) {
      if (problem.empty()) problem = copy.entry.peer + ": " + copy.problem;
      continue;
    }
    const auto worth = [](const GroupCopy& one) {
      return std::tuple(one.last(), one.membership.is_voter(one.entry.self), one.log.hard_state.term);
    };
    if (best && survey.copies[*best].entry.group_id != copy.entry.group_id) {
      return fail(Code::conflict, "there are copies of different groups of that name, " +
                                      survey.copies[*best].entry.peer + " and " + copy.entry.peer +
                                      ": leave one of the directories out, or say with --peer which one is meant");
    }
    if (!best || worth(copy) > worth(survey.copies[*best])) best = at;
  }
  if (best) return *best;
  if (!problem.empty()) return fail(Code::corrupt, problem);
  if (!peer.empty() && !is_named) return fail(Code::not_found, "none of the copies is of " + peer);
  const auto is_empty = [](const GroupCopy& copy) { return copy.is_empty(); };
  if (!peer.empty() || std::ranges::all_of(survey.copies, is_empty)) {
    return fail(Code::bad_request, (peer.empty() ? survey.copies.front().entry.peer : peer) +
                                       " has nothing of the group yet: it was to join, and nobody had taken it in");
  }
  return fail(Code::bad_request,
              "all that is here was removed from the group: if it is to be taken nevertheless, say "
              "so with --peer");
}

std::vector<Loss> losses(const Survey& survey, std::size_t chosen) {
  std::vector<Loss> lost;
  const GroupCopy& kept = survey.copies.at(chosen);
  for (std::size_t at = 0; at < survey.copies.size(); ++at) {
    const GroupCopy& copy = survey.copies[at];
    if (at == chosen || copy.entry.group_id != kept.entry.group_id) continue;
    const raft::Position agreed = agreement(kept, copy);
    if (agreed.index < copy.last().index) lost.push_back({at, agreed, copy.last().index - agreed.index});
  }
  return lost;
}

std::shared_ptr<const void> recover(node::Loop& loop, node::Worker& worker, std::vector<StoppedHost> hosts,
                                    Survey survey, std::size_t chosen, std::uint64_t seed,
                                    std::move_only_function<void(Result<NewGroup>)> done) {
  auto recovering =
      std::make_shared<Recovering>(loop, std::move(hosts), std::move(survey), chosen, seed, std::move(done));
  recovering->start(worker);
  return recovering;
}

}  // namespace zraft::host
