// SPDX-License-Identifier: Apache-2.0
//
// How peers come and go. Whoever creates it asks every host whether it could (CheckPeer), then has each start its
// peer (StartPeer), and if one cannot, has the others undo it (UndoPeer). On a host:
//
//   StartPeer --> log: the group's first state, durable --> catalogue, durable --> the peer runs --> answer
//   RestorePeer --> its snapshot, durable --> the same; the log begins behind the snapshot
//
// A crash before the catalogue was written leaves a group in the log that the catalogue does not know; the next start
// ends it. Every member begins with the same first entry, the membership at 1^1, as if a leader of term 1 had
// replicated it to all: so a group needs no first leader, and whoever is elected first has term 2 or later.
#include <algorithm>
#include <utility>

#include "zraft/host/shard.h"

namespace zraft::host {
namespace {

constexpr std::size_t name_bytes_max = 128;
constexpr std::uint64_t entries_of_a_new_group_max = 64;
constexpr std::size_t undone_max = 1'000;

// Of a StartPeer, an UndoPeer, a DestroyPeer.
PeerKey key_of(const auto& body) { return {body.group_id, body.self}; }
PeerKey key_of_entry(const CatalogueEntry& entry) { return {entry.group_id, entry.self}; }

raft::Recovered first_state(const net::StartPeer& wanted) {
  if (wanted.membership.find(wanted.self) == nullptr) {
    // It is to join: whoever takes it in sends it everything. What it knows is whom to answer.
    raft::Recovered first;
    first.base.membership = wanted.membership;
    return first;
  }
  Bytes payload;
  raft::encode(wanted.membership, payload);
  raft::Recovered first;
  first.hard_state.term = {1};
  first.entries.push_back(
      raft::Record::make(wanted.group_id, {{1}, {1}}, raft::EntryType::membership, {}, payload));
  return first;
}

// A group that serves users is not undone, whoever asks: what was created stays until it is removed on purpose.
// `began`: where its log did.
bool is_in_use(const raft::LogWindow& log, raft::Index began) {
  if (log.last().index.value > began.value + entries_of_a_new_group_max) return true;
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

Result<> Shard::check_new(const CatalogueEntry& entry) const {
  if (Result<> good = check_name(entry.group); !good) return good;
  if (const auto parsed = net::parse_peer(entry.peer); !parsed) return fail(parsed);
  if (!around_.backends.contains(entry.backend)) {
    std::string known;
    for (const auto& [name, factory] : around_.backends) known += (known.empty() ? "" : ", ") + name;
    return fail(Code::bad_request,
                "host " + options_.name + " has no backend \"" + entry.backend + "\"; it has: " + known);
  }
  const auto is_in_the_way = [&entry](const CatalogueEntry& other) {
    if (other.group != entry.group) return false;
    return other.group_id != entry.group_id || other.peer == entry.peer || other.self == entry.self;
  };
  if (std::ranges::any_of(creating_.starting, is_in_the_way)) {
    return fail(Code::busy, "host " + options_.name + " is just starting a peer of a group " + entry.group +
                                ": try again when that has ended");
  }
  if (const auto other = std::ranges::find_if(catalogue_, is_in_the_way); other != catalogue_.end()) {
    return fail(Code::already_present,
                "host " + options_.name + " already has " + other->peer + " of a group " + entry.group +
                    (other->is_removed ? ", which was removed from it: destroy what is left of it first"
                                       : ": take another name, or other hosts"));
  }
  return {};
}

void Shard::on(net::CheckPeer&& body, Instant, Answer answer) {
  CatalogueEntry entry;
  entry.group = body.group;
  entry.backend = body.backend;
  entry.peer = body.peer;
  answer(reply_of(check_new(entry)));
}

// What a StartPeer or a RestorePeer asks for; nothing, if that is done already: asked again after a lost answer.
Result<std::optional<CatalogueEntry>> Shard::entry_of(const auto& body) {
  if (body.group_id.value == 0 || body.self.value == 0) {
    return fail(Code::bad_request, "the peer that is to be started has no group or no member");
  }
  if (Result<> good = body.membership.valid(); !good) return fail(good);
  // One that is to join stands there by neither; one that begins with the group, by both.
  const auto is_other = [&body](const raft::Member& member) {
    return (member.id == body.self) != (member.peer == body.peer);
  };
  if (std::ranges::any_of(body.membership.members, is_other)) {
    return fail(Code::bad_request, "the peer that is to be started is named otherwise than its membership does");
  }
  if (const auto found = peers_.find(key_of(body)); found != peers_.end()) {
    const CatalogueEntry& known = found->second->entry();
    if (known.group == body.group && known.peer == body.peer) return std::nullopt;
  }
  if (std::ranges::find(creating_.undone, key_of(body)) != creating_.undone.end()) {
    return fail(Code::conflict, "this creation of the group " + body.group + " was undone: create it anew");
  }
  CatalogueEntry entry{.group = body.group,
                       .group_id = body.group_id,
                       .backend = body.backend,
                       .self = body.self,
                       .peer = body.peer,
                       .log = {random_.next()}};
  if (Result<> good = check_new(entry); !good) return fail(good);
  return entry;
}

void Shard::on(net::StartPeer&& body, Instant, Answer answer) {
  const auto entry = entry_of(body);
  if (!entry) return answer(reply_of(entry.error()));
  if (!*entry) return answer(reply_of(Error{}));
  creating_.starting.push_back(**entry);
  begin_start(**entry, first_state(body), std::move(answer));
}

void Shard::on(net::RestorePeer&&, Instant, Answer answer) {
  answer(reply_of({Code::bad_request, "RestorePeer comes over a link, for the state comes over the same one"}));
}

// Until its state is here, the name is taken and nothing else: a crash leaves files that belong to nobody, and the next
// start removes them.
void Shard::restore(net::RestorePeer body, Fetch fetch, Answer answer) {
  if (body.membership.find(body.self) == nullptr) {
    return answer(reply_of({Code::bad_request, "RestorePeer names a peer that is no member of the group"}));
  }
  const auto known = entry_of(body);
  if (!known) return answer(reply_of(known.error()));
  if (!*known) return answer(reply_of(Error{}));
  const CatalogueEntry entry = **known;
  creating_.starting.push_back(entry);
  fetch(snapshot_directory_of(entry.log), [this, life = lifetime_.watch(), entry, membership = body.membership,
                                           answer = std::move(answer)](
                                              Result<storage::SnapshotManifest> fetched) mutable {
    if (life.is_over()) return;
    if (!fetched) return give_up_start(entry, fetched.error(), std::move(answer));
    const raft::SnapshotMeta& base = fetched->meta;
    if (base.last.index == raft::Index{} || base.last.index < base.membership_index || base.membership != membership) {
      return give_up_start(entry, {Code::bad_request, "the state that came is not one of this group and its members"},
                           std::move(answer));
    }
    raft::Recovered first;
    first.hard_state.term = base.last.term;
    first.base = base;
    creating_.restored[key_of_entry(entry)] = base.last.index;
    begin_start(entry, std::move(first), std::move(answer));
  });
}

void Shard::begin_start(const CatalogueEntry& entry, raft::Recovered first, Answer answer) {
  prepare(entry, std::move(first), [this, entry, answer = std::move(answer)](Result<PreparedPeer> prepared) mutable {
    if (!prepared) return give_up_start(entry, prepared.error(), std::move(answer));
    start(entry, std::move(*prepared), std::move(answer));
  });
}

// What was made of it goes before its name is free again.
void Shard::give_up_start(const CatalogueEntry& entry, Error why, Answer answer) {
  const PeerFiles files{.data = seams_.files, .snapshots = seams_.snapshot_files};
  seams_.worker.run([files, entry] { remove_peer(files, entry); },
                    [this, life = lifetime_.watch(), entry, why = std::move(why),
                     answer = std::move(answer)]() mutable {
                      if (life.is_over()) return;
                      creating_.restored.erase(key_of_entry(entry));
                      answer(reply_of(std::move(why)));
                      end_start(entry);
                    });
}

void Shard::start(const CatalogueEntry& entry, PreparedPeer prepared, Answer answer) {
  const raft::Recovered first = prepared.recovered;
  wal_->start_group(entry.log, first.base, first.entries, first.hard_state,
                    [this, life = lifetime_.watch(), entry, prepared = std::move(prepared),
                     answer = std::move(answer)](const Result<>& written) mutable {
                      if (life.is_over()) return;
                      if (written) return enter_in_catalogue(entry, std::move(prepared), std::move(answer));
                      answer(reply_of(written));
                      end_start(entry);
                    });
}

void Shard::enter_in_catalogue(const CatalogueEntry& entry, PreparedPeer prepared, Answer answer) {
  catalogue_.push_back(entry);
  save_catalogue([this, entry, prepared = std::move(prepared), answer = std::move(answer)](Result<> saved) mutable {
    if (saved) {
      say(LogLevel::info, "group " + entry.group + ": " + entry.peer + " was created");
      run_peer(entry, std::move(prepared));
    } else {
      // Which catalogue is on the disk is not known: so the log keeps the group, and the next start decides, unless it
      // is undone before.
      std::erase(catalogue_, entry);
      creating_.doubtful.push_back(entry);
    }
    answer(reply_of(saved));
    end_start(entry);
  });
}

bool Shard::has(const std::string& group) const {
  return std::ranges::find(catalogue_, group, &CatalogueEntry::group) != catalogue_.end() ||
         std::ranges::find(creating_.starting, group, &CatalogueEntry::group) != creating_.starting.end() ||
         std::ranges::find(creating_.doubtful, group, &CatalogueEntry::group) != creating_.doubtful.end();
}

void Shard::end_start(const CatalogueEntry& entry) {
  std::erase(creating_.starting, entry);
  for (auto& [body, answer] : std::exchange(creating_.undoing, {})) on(std::move(body), {}, std::move(answer));
}

// Whoever creates a group may tire of waiting for StartPeer and undo it. Then it is undone whether it was carried out,
// is being carried out, or comes only now, over another link: else its name would be taken for good.
void Shard::on(net::UndoPeer&& body, Instant, Answer answer) {
  const PeerKey key = key_of(body);
  if (std::ranges::find(creating_.starting, key, key_of_entry) != creating_.starting.end()) {
    creating_.undoing.emplace_back(std::move(body), std::move(answer));
    return;
  }
  const auto restored = creating_.restored.find(key);
  const raft::Index began = restored == creating_.restored.end() ? raft::Index{} : restored->second;
  if (const auto found = peers_.find(key);
      found != peers_.end() && is_in_use(found->second->node().core().log(), began)) {
    return answer(reply_of({Code::conflict, "the group " + body.group + " is in use: it was not undone"}));
  }
  if (creating_.undone.size() == undone_max) creating_.undone.erase(creating_.undone.begin());
  creating_.undone.push_back(key);
  destroy(key, std::move(answer));
}

void Shard::on(net::DestroyPeer&& body, Instant, Answer answer) { destroy(key_of(body), std::move(answer)); }

// Nothing is there: that is as good.
void Shard::destroy(PeerKey key, Answer answer) {
  const auto known = std::ranges::find(catalogue_, key, key_of_entry);
  const auto doubtful = std::ranges::find(creating_.doubtful, key, key_of_entry);
  if (known == catalogue_.end() && doubtful == creating_.doubtful.end()) return answer(reply_of(Error{}));
  const CatalogueEntry entry = known == catalogue_.end() ? *doubtful : *known;
  EndedPeer ended = end_peer(key);
  creating_.restored.erase(key);
  std::erase(catalogue_, entry);
  // The log forgets it after the catalogue: the other way round, a crash between the two leaves a catalogue that names
  // a group that the log does not hold, and that is refused at the next start.
  save_catalogue([this, entry, ended = std::move(ended), answer = std::move(answer)](Result<> saved) mutable {
    if (saved) {
      say(LogLevel::info, "group " + entry.group + ": " + entry.peer + " and its data were destroyed");
      std::erase(creating_.doubtful, entry);
      wal_->end_group(entry.log, [](const Result<>&) {});
      remove_files(entry, std::move(ended));
    } else if (std::ranges::find(creating_.doubtful, entry) == creating_.doubtful.end()) {
      creating_.doubtful.push_back(entry);
    }
    answer(reply_of(saved));
  });
}

// The peer was removed from its group: it stops, and what it has stays until it is destroyed. Later, because it is the
// peer that says so.
void Shard::retire(PeerKey key) {
  seams_.loop.post([this, key, life = lifetime_.watch()] {
    if (life.is_over() || !peers_.contains(key)) return;
    for (CatalogueEntry& entry : catalogue_) {
      if (entry.group_id != key.first || entry.self != key.second) continue;
      entry.is_removed = true;
      say(LogLevel::info, "group " + entry.group + ": " + entry.peer + " was removed from it and stops; " +
                              "its data is kept");
    }
    retired_[key] = end_peer(key);
    save_catalogue([this](const Result<>& saved) {
      // If it runs again after a restart, it will be told again.
      if (!saved) say(LogLevel::warning, "the catalogue could not be written: " + saved.error().text);
    });
  });
}

// One save at a time; those who ask meanwhile share the next one.
void Shard::save_catalogue(Saved done) {
  creating_.savers.push_back(std::move(done));
  if (!creating_.is_saving) save_once();
}

void Shard::save_once() {
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
