// SPDX-License-Identifier: Apache-2.0
//
// Members that come and go while everything else goes wrong: every now and then, for each group, one change through the
// client library, drawn from what the members are: another member, one less, one for another, a vote given or taken, a
// whole new set, another leader. Some are given up half way, and two may be under way at once.
// A host that loses its disk takes its member with it; that one is replaced before anything else is changed and before
// another is lost, because more than that no group survives (thesis 11.7.2).
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "sim/nemesis.h"
#include "sim/operator.h"

namespace zraft::sim {

class Churn {
 public:
  struct Target {
    std::string name;
    raft::GroupId id;
  };

  // Requires: the rest outlives it.
  Churn(World& world, Operator& by, Nemesis& nemesis, const std::vector<std::unique_ptr<SimHost>>& hosts,
        ChurnPlan plan);

  void begin(std::vector<Target> groups);
  // Begins nothing new, but for replacing what was lost.
  void rest();
  // Nothing is under way, and nothing that was lost is still a member.
  [[nodiscard]] bool is_idle() const;
  [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

  // A peer that never was, for a host.
  [[nodiscard]] std::string fresh_peer(const std::string& address);

 private:
  struct Group {
    Target target;
    std::size_t under_way = 0;
    std::optional<std::string> lost;    // a member whose data is gone
    bool is_replacing = false;
    std::optional<std::string> removed;  // not a member any more, and its data is still there
  };

  void repeat_changes(Group& group);
  void repeat_losses();
  void change(Group& group);
  [[nodiscard]] std::optional<client::MemberChange> draw_change(const raft::Membership& now);
  [[nodiscard]] client::MemberChange draw_set(const raft::Membership& now);
  void perform(Group& group, const std::string& what, client::MemberChange change);
  void transfer(Group& group, const raft::Membership& now);
  void destroy_removed(Group& group);
  void lose_a_disk();
  void replace_lost(Group& group);
  void end(Group& group, const std::string& what, const Error& error);
  [[nodiscard]] bool can_lose(const Group& group, const SimHost& host) const;
  // A host that has none of them, if there is one.
  [[nodiscard]] std::string draw_address(const raft::Membership& now);

  World& world_;
  Operator& operator_;
  Nemesis& nemesis_;
  const std::vector<std::unique_ptr<SimHost>>& hosts_;
  const ChurnPlan plan_;
  Random random_;
  std::vector<std::unique_ptr<Group>> groups_;
  bool is_resting_ = true;
  std::uint64_t peers_ = 0;
  std::map<std::string, std::uint64_t> counts_;
};

}  // namespace zraft::sim
