// SPDX-License-Identifier: Apache-2.0
//
// The laws of sessions, checked after every entry that a member applies. What is committed is carried out here a second
// time, by rules of a page (kv_model.h beside them), when the first member applies it: that member must show what the
// model shows, and every later one what the first did.
//   I13 all members have the same sessions and keys at each index
//   I27 a write of a session has at most one effect, and the answer to it stays the same
//   I29 a session ends by an entry that says so: a close, or an expiry that is neither too early nor void
//   I30 what a session owns is there as long as the session, and goes in the entry that ends it
//   I31 the versions that a key is given rise for ever, also after it was deleted
//   P78 a session that is over is not there again, and nothing is done in it
// It also knows every change of a key, for those who check watches (watch_laws.h).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/kv_model.h"
#include "zraft/machines/memory_kv.h"
#include "zraft/raft/record.h"
#include "zraft/session/session_machine.h"

namespace zraft::sim {

// The backend that ships, which knows in addition up to which entry it holds everything: a member that catches up
// applies many before it says so of the first.
class IndexedKv final : public machines::MemoryKv {
 public:
  Result<> commit(raft::Index index, const std::vector<node::Aside>& asides) override {
    index_ = index;
    return MemoryKv::commit(index, asides);
  }
  Result<> restore(node::SnapshotReader& reader) override {
    index_ = {};
    return MemoryKv::restore(reader);
  }
  [[nodiscard]] raft::Index index() const { return index_; }  // 0: not known

 private:
  raft::Index index_;
};

class SessionGhost {
 public:
  struct Session {
    session::Nonce nonce{};
    Duration timeout;
    ClusterTime seen;
    std::optional<ClusterTime> term_began;  // the first term since it was seen
    std::uint64_t acknowledged = 0;
    std::map<std::uint64_t, Bytes> answers;  // by sequence, all above `acknowledged`

    [[nodiscard]] ClusterTime deadline() const { return {term_began.value_or(seen).ns + timeout.ns}; }
  };
  // Of a write of a session that reached the machine.
  struct Effect {
    std::uint64_t index = 0;
    Bytes answer;
  };
  // What happened when an entry was applied for the first time anywhere.
  struct News {
    std::uint64_t index = 0;
    node::SessionId ended;           // 0: none
    bool by_expiry = false;
    const std::vector<node::Change>* changes = nullptr;
  };

  // A member applied that entry. `machine`, around an IndexedKv, is null where it cannot be looked at: while its host
  // loads.
  void on_applied(raft::NodeId member, const raft::Record& record, const node::Outcome& outcome,
                  const session::SessionMachine* machine);
  // The member holds what a snapshot up to `index` covers.
  void on_installed(raft::NodeId member, raft::Index index, const session::SessionMachine& machine);
  // Told of each entry once. It must not change the ghost.
  void set_listener(std::function<void(const News&)> listener) { listener_ = std::move(listener); }

  [[nodiscard]] std::uint64_t applied() const { return steps_.size(); }
  [[nodiscard]] const std::map<node::SessionId, Session>& alive() const { return alive_; }
  [[nodiscard]] bool is_over(node::SessionId session) const { return over_.contains(session); }
  [[nodiscard]] const Effect* effect_of(node::SessionId session, std::uint64_t sequence) const;
  [[nodiscard]] const KvModel& keys() const { return keys_; }
  // By index; none is empty.
  [[nodiscard]] const std::map<std::uint64_t, std::vector<node::Change>>& changes() const { return changes_; }
  // How often each thing happened, by name.
  [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

  [[nodiscard]] std::vector<std::string> take_broken() { return std::exchange(broken_, {}); }

 private:
  struct Step {
    node::SessionId ended;
    std::uint32_t changes = 0;  // a checksum
    std::optional<std::uint64_t> digest;  // of what the first member that could be looked at held then
  };
  struct Done {
    node::SessionId ended;
    bool by_expiry = false;
    bool is_repeated = false;
    std::vector<node::Change> changes;
  };

  Done carry_out(const raft::Record& record);
  Done on(const session::Open& open, const raft::Record& record);
  Done on(const session::KeepAlive& keep_alive, const raft::Record& record);
  Done on(const session::Close& close, const raft::Record& record);
  Done on(const session::Expire& expire, const raft::Record& record);
  Done on(const session::Write& write, const raft::Record& record);
  Done end(node::SessionId session, std::uint64_t index);
  static void see(Session& session, ClusterTime now);
  static void acknowledge(Session& session, std::uint64_t acknowledged);
  void step(raft::NodeId member, const raft::Record& record, const node::Outcome& outcome);
  void check_versions(std::uint64_t index, const std::vector<node::Change>& changes);
  void check_sessions(const std::string& where, const session::SessionTable& table);
  void check_keys(const std::string& where, const session::SessionMachine& machine);
  void broken(std::string law) { broken_.push_back(std::move(law)); }

  KvModel keys_;
  std::map<node::SessionId, Session> alive_;
  std::set<node::SessionId> over_;
  std::map<std::pair<node::SessionId, std::uint64_t>, Effect> effects_;
  std::vector<Step> steps_;  // of index 1 and on
  std::map<std::uint64_t, std::vector<node::Change>> changes_;
  std::map<Bytes, std::uint64_t> versions_;  // the newest that a key was given
  std::map<std::string, std::uint64_t> counts_;
  std::function<void(const News&)> listener_;
  std::vector<std::string> broken_;
};

}  // namespace zraft::sim
