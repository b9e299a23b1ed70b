// SPDX-License-Identifier: Apache-2.0
//
// See session_ghost.h.
#include "sim/session_ghost.h"

#include <variant>

#include "zraft/base/check.h"
#include "zraft/base/checksum.h"

namespace zraft::sim {

namespace {

using node::SessionId;

// What a member holds is looked at as a whole at some of the entries only: that is dear, and what is wrong stays wrong.
constexpr std::uint64_t digested_each = 8;

std::uint32_t checksum_of(const std::vector<node::Change>& changes) {
  std::uint32_t sum = 0;
  for (const node::Change& change : changes) {
    sum = crc32c(change.key, sum);
    sum = crc32c("=", sum);
    sum = crc32c(change.event, sum);
    sum = crc32c(";", sum);
  }
  return sum;
}

const IndexedKv& keys_of(const session::SessionMachine& machine) {
  return dynamic_cast<const IndexedKv&>(machine.machine());
}

std::uint64_t digest_of(const session::SessionMachine& machine) {
  return keys_of(machine).digest() ^ (std::uint64_t{crc32c(machine.table().encode())} << 16);
}

std::string shown(const std::vector<node::Change>& changes) {
  std::string text;
  for (const node::Change& change : changes) text += (text.empty() ? "" : ", ") + change.key;
  return text.empty() ? "nothing" : text;
}

std::string name_of(SessionId session) { return "session " + std::to_string(session.value); }

}  // namespace

const SessionGhost::Effect* SessionGhost::effect_of(SessionId session, std::uint64_t sequence) const {
  const auto found = effects_.find({session, sequence});
  return found == effects_.end() ? nullptr : &found->second;
}

// --- what a member shows ---

void SessionGhost::on_applied(raft::NodeId member, const raft::Record& record, const node::Outcome& outcome,
                              const session::SessionMachine* machine) {
  const std::uint64_t index = record.index().value;
  const std::string where = "member " + std::to_string(member.value) + " at index " + std::to_string(index);
  if (index > steps_.size() + 1) return broken("I13: " + where + " applied what nobody had applied everything before");
  const bool is_first = index == steps_.size() + 1;
  if (is_first) step(member, record, outcome);
  const bool is_newest = index == steps_.size();
  Step& known = steps_[index - 1];
  if (outcome.ended != known.ended || checksum_of(outcome.changes) != known.changes) {
    return broken("I13: " + where + " did something else than the first that applied the entry");
  }
  if (machine == nullptr || keys_of(*machine).index() != record.index()) return;
  if (is_first) {
    check_sessions(where, machine->table());
    check_keys(where, *machine);
  }
  if (index % digested_each != 0) return;
  const std::uint64_t digest = digest_of(*machine);
  if (!known.digest) known.digest = digest;
  if (*known.digest != digest) {
    broken("I13: " + where + " has other sessions or keys than another member had there");
    if (is_newest) check_sessions(where, machine->table());
    if (is_newest) check_keys(where, *machine);
  }
}

void SessionGhost::on_installed(raft::NodeId member, raft::Index index, const session::SessionMachine& machine) {
  const std::string where = "member " + std::to_string(member.value) + " with a snapshot up to " +
                            std::to_string(index.value);
  if (index.value == 0 || index.value > steps_.size()) return broken("I13: " + where + ": nobody has applied so far");
  const auto& known = steps_[index.value - 1].digest;
  if (known && *known != digest_of(machine)) broken("I13: " + where + " has other sessions or keys than were there");
}

void SessionGhost::step(raft::NodeId member, const raft::Record& record, const node::Outcome& outcome) {
  const std::uint64_t index = record.index().value;
  const std::string where = "member " + std::to_string(member.value) + " at index " + std::to_string(index);
  Done done = carry_out(record);
  if (outcome.ended != done.ended) {
    broken("I29: " + where + ": " +
           (outcome.ended == SessionId{} ? name_of(done.ended) + " was to end, and has not"
                                         : name_of(outcome.ended) + " has ended, and was not to"));
  }
  if (outcome.changes != done.changes) {
    const char* law = done.ended != SessionId{} ? "I30: " : done.is_repeated ? "I27: " : "I13: ";
    broken(law + where + " changed " + shown(outcome.changes) + ", and was to change " + shown(done.changes));
  }
  check_versions(index, outcome.changes);
  steps_.push_back({.ended = done.ended, .changes = checksum_of(done.changes), .digest = {}});
  if (done.ended != SessionId{}) ++counts_[done.by_expiry ? "sessions expired" : "sessions closed"];
  if (done.ended != SessionId{}) counts_["keys that went with their session"] += done.changes.size();
  if (done.is_repeated) ++counts_["writes of sessions that came again"];
  const News news{.index = index, .ended = done.ended, .by_expiry = done.by_expiry, .changes = &done.changes};
  if (listener_) listener_(news);
  if (!done.changes.empty()) changes_.emplace(index, std::move(done.changes));
}

void SessionGhost::check_versions(std::uint64_t index, const std::vector<node::Change>& changes) {
  for (const node::Change& change : changes) {
    const auto event = machines::decode_event(change.event);
    if (!event) return broken("I40: the event of index " + std::to_string(index) + " cannot be read");
    const std::uint64_t version = std::visit([](const auto& any) { return any.version; }, *event);
    if (version <= versions_[change.key]) {
      broken("I31: " + change.key + " has version " + std::to_string(version) + " after version " +
             std::to_string(versions_[change.key]));
    }
    versions_[change.key] = version;
  }
}

void SessionGhost::check_sessions(const std::string& where, const session::SessionTable& table) {
  for (const auto& [session, state] : table.all()) {
    const auto known = alive_.find(session);
    if (known == alive_.end()) {
      broken((is_over(session) ? "P78: " : "I29: ") + where + " has " + name_of(session) + ", which is over");
      continue;
    }
    const Session& model = known->second;
    if (state.nonce != model.nonce) broken("P80: " + where + " has another nonce for " + name_of(session));
    if (state.seen != model.seen || state.deadline != model.deadline()) {
      broken("I29: " + where + " has another deadline for " + name_of(session) + ": " +
             std::to_string(state.deadline.ns) + ", not " + std::to_string(model.deadline().ns));
    }
    bool is_same = state.acknowledged == model.acknowledged && state.replies.size() == model.answers.size();
    for (const auto& [sequence, reply] : state.replies) {
      const auto answer = model.answers.find(sequence);
      is_same = is_same && answer != model.answers.end() && answer->second == reply->result;
    }
    if (!is_same) broken("I27: " + where + " would give other answers in " + name_of(session) + " than were given");
  }
  for (const auto& [session, model] : alive_) {
    if (table.find(session) == nullptr) broken("I29: " + where + " does not have " + name_of(session));
  }
}

void SessionGhost::check_keys(const std::string& where, const session::SessionMachine& machine) {
  const auto answer = machine.query(machines::encode(machines::KvQuery(machines::Scan{})));
  const auto page = answer ? machines::decode_answer(answer->result) : fail(answer);
  CHECK(page && std::holds_alternative<machines::Page>(*page), "a scan of all keys was not answered");
  std::map<Bytes, KvModel::Item> items;
  for (const auto& item : std::get<machines::Page>(*page).items) {
    if (item.owner != 0 && !alive_.contains({item.owner})) {
      broken("I30: " + where + " has the key " + item.key + " of " + name_of({item.owner}) + ", which is over");
    }
    items[item.key] = {.version = item.version, .value = item.value, .owner = item.owner};
  }
  CHECK(!std::get<machines::Page>(*page).more, "the keys of the simulator go into one answer");
  if (items != keys_.items()) broken("I13: " + where + " has other keys than its entries say");
}

// --- the model ---

SessionGhost::Done SessionGhost::carry_out(const raft::Record& record) {
  switch (record.type()) {
    case raft::EntryType::noop:
      for (auto& [session, state] : alive_) {
        if (!state.term_began) state.term_began = record.time();
      }
      return {};
    case raft::EntryType::membership: return {};
    case raft::EntryType::command:
      return {.ended = {}, .changes = keys_.apply(record.index().value, record.payload(), 0).changes};
    case raft::EntryType::session: break;
  }
  const auto entry = session::decode_entry(record.payload());
  CHECK(entry.has_value(), "an entry of the layer of sessions cannot be read");
  return std::visit([&](const auto& any) { return on(any, record); }, *entry);
}

void SessionGhost::see(Session& session, ClusterTime now) {
  session.seen = now;
  session.term_began.reset();
}

void SessionGhost::acknowledge(Session& session, std::uint64_t acknowledged) {
  session.acknowledged = std::max(session.acknowledged, acknowledged);
  session.answers.erase(session.answers.begin(), session.answers.upper_bound(session.acknowledged));
}

SessionGhost::Done SessionGhost::on(const session::Open& open, const raft::Record& record) {
  for (auto& [id, session] : alive_) {
    if (session.nonce != open.nonce) continue;
    ++counts_["openings of sessions that came again"];
    see(session, record.time());
    return {};
  }
  ++counts_["sessions opened"];
  alive_[{record.index().value}] = {
      .nonce = open.nonce, .timeout = Duration::milliseconds(open.timeout_ms), .seen = record.time(), .answers = {}};
  return {};
}

SessionGhost::Done SessionGhost::on(const session::KeepAlive& keep_alive, const raft::Record& record) {
  for (const session::Alive& alive : keep_alive.sessions) {
    const auto found = alive_.find(alive.session);
    if (found == alive_.end()) continue;
    see(found->second, record.time());
    acknowledge(found->second, alive.acknowledged);
  }
  return {};
}

SessionGhost::Done SessionGhost::on(const session::Close& close, const raft::Record& record) {
  if (!alive_.contains(close.session)) return {};
  return end(close.session, record.index().value);
}

SessionGhost::Done SessionGhost::on(const session::Expire& expire, const raft::Record& record) {
  const auto found = alive_.find(expire.session);
  if (found == alive_.end()) return {};
  if (expire.seen < found->second.seen || record.time() < found->second.deadline()) {
    ++counts_["expiries that were void"];
    return {};
  }
  Done done = end(expire.session, record.index().value);
  done.by_expiry = true;
  return done;
}

SessionGhost::Done SessionGhost::end(SessionId session, std::uint64_t index) {
  alive_.erase(session);
  over_.insert(session);
  return {.ended = session, .changes = keys_.end(index, session.value).changes};
}

SessionGhost::Done SessionGhost::on(const session::Write& write, const raft::Record& record) {
  const auto found = alive_.find(write.session);
  if (found == alive_.end()) {
    ++counts_["writes of sessions that were over"];
    return {};
  }
  Session& session = found->second;
  see(session, record.time());
  acknowledge(session, write.acknowledged);
  if (write.sequence <= session.acknowledged) {
    ++counts_["writes of sessions that were too late"];
    return {};
  }
  if (session.answers.contains(write.sequence)) return {.ended = {}, .is_repeated = true, .changes = {}};
  const std::uint64_t index = record.index().value;
  KvModel::Effect effect = keys_.apply(index, write.command, write.is_ephemeral ? write.session.value : 0);
  session.answers[write.sequence] = effect.answer;
  ++counts_["writes of sessions"];
  const bool is_new = effects_.try_emplace({write.session, write.sequence}, index, std::move(effect.answer)).second;
  if (!is_new) broken("I27: a write of " + name_of(write.session) + " has had an effect before");
  return {.ended = {}, .changes = std::move(effect.changes)};
}

}  // namespace zraft::sim
