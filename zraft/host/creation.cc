// SPDX-License-Identifier: Apache-2.0
//
// How a group comes to be. Whoever creates it asks every host whether it could (CheckPeer), then has each start its
// peer (StartPeer), and if one cannot, has the others undo it (UndoPeer). On a host:
//
//   StartPeer --> log: the group's first state, durable --> catalogue, durable --> the peer runs --> answer
//
// A crash before the catalogue was written leaves a group in the log that the catalogue does not know; the next start
// ends it. Every member begins with the same first entry, the membership at 1^1, as if a leader of term 1 had
// replicated it to all: so a group needs no first leader, and whoever is elected first has term 2 or later.
#include <algorithm>
#include <utility>

#include "zraft/host/host.h"
#include "zraft/storage/wal.h"

namespace zraft::host {
namespace {

constexpr std::size_t name_bytes_max = 128;
constexpr std::uint64_t entries_of_a_new_group_max = 64;
constexpr std::size_t undone_max = 1'000;

net::Reply reply_of(Error error) { return {.id = 0, .error = std::move(error), .leader = {}, .body = {}}; }
net::Reply reply_of(const Result<>& result) { return reply_of(result ? Error{} : result.error()); }

raft::Recovered first_state(const net::StartPeer& wanted) {
  Bytes payload;
  raft::encode(wanted.membership, payload);
  raft::Recovered first;
  first.hard_state.term = {1};
  first.entries.push_back(
      raft::Record::make(wanted.group_id, {{1}, {1}}, raft::EntryType::membership, {}, payload));
  return first;
}

// A group that serves users is not undone, whoever asks: what was created stays until it is removed on purpose.
bool is_in_use(const raft::LogWindow& log) {
  if (log.last().index.value > entries_of_a_new_group_max) return true;
  for (raft::Index at = log.first(); at <= log.last().index; at = next(at)) {
    if (log.at(at).type() == raft::EntryType::command) return true;
  }
  return false;
}

Result<> check_name(const std::string& group) {
  const auto is_allowed = [](char c) { return c > ' ' && c < 0x7f && c != '/' && c != '"' && c != '\\'; };
  const bool is_short = !group.empty() && group.size() <= name_bytes_max;
  if (is_short && std::ranges::all_of(group, is_allowed)) return {};
  return fail(Code::bad_request, "\"" + group.substr(0, name_bytes_max) + "\" is no name for a group: take 1 to 128 " +
                                     "visible ASCII characters without / \" \\");
}

}  // namespace

Result<> Host::check_new(const std::string& group, const std::string& peer, const std::string& backend) const {
  if (Result<> good = check_name(group); !good) return good;
  if (const auto parsed = net::parse_peer(peer); !parsed) return fail(parsed);
  if (!backends_.contains(backend)) {
    std::string known;
    for (const auto& [name, factory] : backends_) known += (known.empty() ? "" : ", ") + name;
    return fail(Code::bad_request,
                "host " + options_.name + " has no backend \"" + backend + "\"; it has: " + known);
  }
  const auto is_of_group = [&group](const CatalogueEntry& entry) { return entry.group == group; };
  if (std::ranges::any_of(creating_.starting, is_of_group)) {
    return fail(Code::busy, "host " + options_.name + " is just starting a peer of a group " + group +
                                ": try again when that has ended");
  }
  if (std::ranges::any_of(catalogue_, is_of_group)) {
    return fail(Code::already_present, "host " + options_.name + " already has a peer of a group " + group +
                                           ": take another name, or other hosts");
  }
  return {};
}

void Host::on(net::CheckPeer&& body, Instant, Answer answer) {
  answer(reply_of(check_new(body.group, body.peer, body.backend)));
}

void Host::on(net::StartPeer&& body, Instant, Answer answer) {
  const raft::Member* self = body.membership.find(body.self);
  if (Result<> good = body.membership.valid(); !good) return answer(reply_of(good));
  if (self == nullptr || body.group_id.value == 0) {
    return answer(reply_of({Code::bad_request, "StartPeer names a member that is not in its membership, or no group"}));
  }
  const CatalogueEntry entry{body.group, body.group_id, body.backend, body.self, self->peer};
  // Asked again after a lost answer: what is done is done.
  if (std::find(catalogue_.begin(), catalogue_.end(), entry) != catalogue_.end() && groups_.contains(entry.group_id)) {
    return answer(reply_of(Error{}));
  }
  if (std::ranges::find(creating_.undone, entry.group_id) != creating_.undone.end()) {
    return answer(reply_of({Code::conflict, "this creation of the group " + entry.group +
                                                " was undone: create it anew"}));
  }
  if (Result<> good = check_new(entry.group, entry.peer, entry.backend); !good) return answer(reply_of(good));
  if (wal_->has(entry.group_id)) {
    return answer(reply_of({Code::busy, "host " + options_.name +
                                            " is still clearing away an earlier attempt: create the group anew"}));
  }
  creating_.starting.push_back(entry);
  raft::Recovered first = first_state(body);
  wal_->start_group(entry.group_id, first.base, first.entries, first.hard_state,
                    [this, life = lifetime_.watch(), entry, first, answer = std::move(answer)](auto written) mutable {
                      if (life.is_over()) return;
                      if (written) return enter_in_catalogue(entry, std::move(first), std::move(answer));
                      answer(reply_of(written));
                      end_start(entry);
                    });
}

void Host::enter_in_catalogue(const CatalogueEntry& entry, raft::Recovered first, Answer answer) {
  catalogue_.push_back(entry);
  save_catalogue([this, entry, first = std::move(first), answer = std::move(answer)](Result<> saved) mutable {
    if (saved) {
      say(LogLevel::info, "group " + entry.group + ": " + entry.peer + " was created");
      run_peer(entry, std::move(first));
    } else {
      // Which catalogue is on the disk is not known: so the log keeps the group, and the next start decides.
      std::erase(catalogue_, entry);
    }
    answer(reply_of(saved));
    end_start(entry);
  });
}

bool Host::is_starting(raft::GroupId group) const {
  return std::ranges::find(creating_.starting, group, &CatalogueEntry::group_id) != creating_.starting.end();
}

void Host::end_start(const CatalogueEntry& entry) {
  std::erase(creating_.starting, entry);
  for (auto& [body, answer] : std::exchange(creating_.undoing, {})) on(std::move(body), {}, std::move(answer));
}

// Whoever creates a group may tire of waiting for StartPeer and undo it. Then it is undone whether it was carried out,
// is being carried out, or comes only now, over another link: else its name would be taken for good.
void Host::on(net::UndoPeer&& body, Instant, Answer answer) {
  if (is_starting(body.group_id)) {
    creating_.undoing.emplace_back(std::move(body), std::move(answer));
    return;
  }
  CatalogueEntry entry{.group = body.group, .group_id = body.group_id, .backend = {}, .self = body.self, .peer = {}};
  const auto found = groups_.find(body.group_id);
  if (found != groups_.end()) {
    entry = found->second->entry();
    if (entry.self != body.self) return answer(reply_of(Error{}));
    if (is_in_use(found->second->node().core().log())) {
      return answer(reply_of({Code::conflict, "the group " + entry.group + " is in use: it was not undone"}));
    }
    groups_.erase(found);
    std::erase(catalogue_, entry);
  }
  if (creating_.undone.size() == undone_max) creating_.undone.erase(creating_.undone.begin());
  creating_.undone.push_back(entry.group_id);
  // A group that is in the log alone is of a start that failed at the catalogue: what that says is not known.
  if (!wal_->has(entry.group_id)) return answer(reply_of(Error{}));
  undo(entry, std::move(answer));
}

void Host::undo(const CatalogueEntry& entry, Answer answer) {
  // The log forgets it after the catalogue: the other way round, a crash between the two leaves a catalogue that names
  // a group that the log does not hold, and that is refused at the next start.
  save_catalogue([this, entry, answer = std::move(answer)](Result<> saved) mutable {
    if (saved) {
      say(LogLevel::info, "group " + entry.group + ": its creation here was undone");
      wal_->end_group(entry.group_id, [](const Result<>&) {});
    }
    answer(reply_of(saved));
  });
}

// One save at a time; those who ask meanwhile share the next one.
void Host::save_catalogue(Saved done) {
  creating_.savers.push_back(std::move(done));
  if (!creating_.is_saving) save_once();
}

void Host::save_once() {
  creating_.is_saving = true;
  auto saved = std::make_shared<Result<>>();
  const auto work = [&files = seams_.files, bytes = encode(catalogue_), saved] {
    *saved = write_catalogue(files, bytes);
  };
  auto served = std::exchange(creating_.savers, {});
  seams_.worker.run(work, [this, life = lifetime_.watch(), saved, served = std::move(served)]() mutable {
    if (life.is_over()) return;
    creating_.is_saving = false;
    for (Saved& done : served) done(*saved);
    if (!creating_.savers.empty() && !creating_.is_saving) save_once();
  });
}

}  // namespace zraft::host
