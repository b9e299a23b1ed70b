// SPDX-License-Identifier: Apache-2.0
//
// What several cores must hold together, checked after every step of a CoreCluster. It sees all of them and their
// disks, and remembers what ever was promised, over crashes. Numbers I.. are those of docs/protocol.md:
// I1 one leader a term, I2 one vote a term, I3 nothing is said that is not durable, I5 log matching, I6 committed
// entries never change and every later leader holds them, I7 what is committed is durable on a quorum, I8 by an entry
// of the leader's own term, I13 every state machine sees the same entries, I26 a read sees every earlier commit.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "zraft/raft/core.h"

namespace zraft::raft {

// What would survive the loss of power.
struct DurableState {
  HardState hard_state;
  std::vector<Record> log;  // behind the base
  SnapshotMeta base = {};
  SnapshotMeta snapshot = {};
  std::vector<std::string> state = {};  // in the snapshot: the commands that were applied

  [[nodiscard]] Term term() const;
  [[nodiscard]] Index last() const;
  [[nodiscard]] bool holds(Position position) const;
};

class ClusterLaws {
 public:
  using DiskOf = std::function<const DurableState&(NodeId)>;
  explicit ClusterLaws(DiskOf disk_of) : disk_of_(std::move(disk_of)) {}

  void on_start(const Core& core);  // also after a restart
  void on_output(const Core& core, const Output& output);
  void on_installed(const Core& core, Position last);
  void on_read(NodeId member, RequestId id);

  [[nodiscard]] Index newest_commit() const;
  // Every law that was broken since the last call, in words.
  [[nodiscard]] std::vector<std::string> take_broken() { return std::exchange(broken_, {}); }

 private:
  struct Body {
    std::uint32_t checksum = 0;
    Term previous_term;
    friend bool operator==(const Body&, const Body&) = default;
  };
  struct Entry {
    Term term;
    std::uint32_t checksum = 0;
    friend bool operator==(const Entry&, const Entry&) = default;
  };

  void check_record(const Core& core, const Record& record);
  void check_leader(const Core& core);
  void check_commit(const Core& core);
  void check_message(const Message& message);
  void check_promise(const Message& message, NodeId candidate);
  void check_answer(NodeId member, const Answer& answer);
  void broken(const std::string& what) { broken_.push_back(what); }

  DiskOf disk_of_;
  std::map<Term, NodeId> leaders_;
  std::map<std::pair<NodeId, Term>, NodeId> votes_;
  std::map<std::pair<Index, Term>, Body> entries_;
  std::map<Index, Entry> committed_;
  std::map<NodeId, Index> seen_commit_;
  std::map<NodeId, Index> seen_applied_;
  std::map<std::pair<NodeId, RequestId>, Index> reads_;
  std::vector<std::string> broken_;
};

}  // namespace zraft::raft
