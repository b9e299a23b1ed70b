// SPDX-License-Identifier: Apache-2.0
//
// Membership: its laws and its encoding (docs/log_format.md, "Membership").
#include "zraft/raft/types.h"

#include <algorithm>
#include <utility>

#include "zraft/base/codec.h"

namespace zraft::raft {
namespace {

constexpr std::size_t members_max = 1024;

Result<> check_ids(const std::vector<NodeId>& ids, const Membership& membership, const char* what) {
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i > 0 && !(ids[i - 1] < ids[i])) {
      return fail(Code::bad_request, std::string("membership: ") + what + " are not sorted, or one stands twice");
    }
    if (membership.find(ids[i]) == nullptr) {
      return fail(Code::bad_request, std::string("membership: ") + what + " name an id that is no member");
    }
  }
  return {};
}

// In the number of those that leave: who was removed follows.
constexpr std::uint32_t removed_follow = std::uint32_t{1} << 31;

void encode_ids(const std::vector<NodeId>& ids, Encoder& to) {
  to.u32(static_cast<std::uint32_t>(ids.size()));
  for (const NodeId id : ids) to.u64(id.value);
}

std::vector<NodeId> decode_ids(Decoder& from) {
  std::vector<NodeId> ids(from.count(8));
  for (NodeId& id : ids) id.value = from.u64();
  return ids;
}

}  // namespace

bool Membership::is_voter(NodeId id) const {
  return std::ranges::binary_search(voters, id) || std::ranges::binary_search(outgoing, id);
}

const Member* Membership::find(NodeId id) const {
  const auto at = std::ranges::lower_bound(members, id, {}, &Member::id);
  return at != members.end() && at->id == id ? &*at : nullptr;
}

Result<> Membership::valid() const {
  if (members.size() > members_max) return fail(Code::too_large, "membership: more than 1024 members");
  if (voters.empty()) return fail(Code::bad_request, "membership: no voter is left; name at least one");
  std::vector<std::string_view> peers;
  for (std::size_t i = 0; i < members.size(); ++i) {
    if (members[i].id.value == 0) return fail(Code::bad_request, "membership: a member has the id 0");
    if (i > 0 && !(members[i - 1].id < members[i].id)) {
      return fail(Code::bad_request, "membership: members are not sorted by id, or one stands twice");
    }
    peers.push_back(members[i].peer);
  }
  std::ranges::sort(peers);
  if (const auto twice = std::ranges::adjacent_find(peers); twice != peers.end()) {
    return fail(Code::bad_request, "membership: " + std::string(*twice) + " stands twice");
  }
  if (auto ok = check_ids(voters, *this, "voters"); !ok) return ok;
  if (auto ok = check_ids(outgoing, *this, "outgoing voters"); !ok) return ok;
  if (auto ok = check_ids(promoting, *this, "those to be promoted"); !ok) return ok;
  if (auto ok = check_ids(leaving, *this, "those that leave"); !ok) return ok;
  if (std::ranges::any_of(promoting, [this](NodeId id) { return is_voter(id); })) {
    return fail(Code::bad_request, "membership: one that is to be promoted votes already");
  }
  for (const NodeId id : leaving) {
    if (!std::ranges::binary_search(outgoing, id) || std::ranges::binary_search(voters, id)) {
      return fail(Code::bad_request, "membership: one that leaves is not an outgoing voter");
    }
  }
  if (removed.size() > removed_max) return fail(Code::bad_request, "membership: too many that were removed");
  if (std::ranges::any_of(removed, [this](NodeId id) { return find(id) != nullptr; })) {
    return fail(Code::bad_request, "membership: it names again one that was removed, whose id cannot come back");
  }
  if (std::ranges::none_of(voters, [this](NodeId id) { return find(id)->priority > 0; })) {
    return fail(Code::bad_request, "membership: no voter has a priority above 0: nobody could lead");
  }
  return {};
}

Membership membership_of(std::vector<Member> members) {
  Membership result;
  result.members = std::move(members);
  std::ranges::sort(result.members, {}, &Member::id);
  for (const Member& member : result.members) result.voters.push_back(member.id);
  return result;
}

namespace {

void note_removed(const Membership& from, Membership& to) {
  to.removed = from.removed;
  for (const Member& member : from.members) {
    if (to.find(member.id) == nullptr) to.removed.push_back(member.id);
  }
  if (to.removed.size() <= removed_max) return;
  const auto surplus = static_cast<std::ptrdiff_t>(to.removed.size() - removed_max);
  to.removed.erase(to.removed.begin(), to.removed.begin() + surplus);
}

}  // namespace

Membership first_step(const Membership& from, Membership to) {
  if (from.voters == to.voters) {
    note_removed(from, to);
    return to;
  }
  to.outgoing = from.voters;
  for (const NodeId id : from.voters) {
    if (to.find(id) != nullptr) continue;
    const Member& member = *from.find(id);
    to.members.insert(std::ranges::lower_bound(to.members, id, {}, &Member::id), member);
    to.leaving.push_back(id);
  }
  // Who votes still in the old majority is no learner yet.
  std::erase_if(to.promoting, [&](NodeId id) { return to.is_voter(id); });
  note_removed(from, to);
  return to;
}

Membership last_step(const Membership& joint) {
  Membership to = joint;
  std::erase_if(to.members, [&](const Member& member) { return std::ranges::binary_search(joint.leaving, member.id); });
  to.outgoing.clear();
  to.leaving.clear();
  note_removed(joint, to);
  return to;
}

void encode(const Membership& membership, Bytes& out) {
  Encoder to(out);
  to.u32(static_cast<std::uint32_t>(membership.members.size()));
  for (const Member& member : membership.members) {
    to.u64(member.id.value);
    to.bytes(member.peer);
    to.u32(member.priority);
  }
  encode_ids(membership.voters, to);
  encode_ids(membership.outgoing, to);
  encode_ids(membership.promoting, to);
  const std::uint32_t flag = membership.removed.empty() ? 0 : removed_follow;
  to.u32(static_cast<std::uint32_t>(membership.leaving.size()) | flag);
  for (const NodeId id : membership.leaving) to.u64(id.value);
  if (!membership.removed.empty()) encode_ids(membership.removed, to);
}

Result<Membership> decode_membership(BytesView bytes) {
  Decoder from(bytes);
  Membership membership;
  membership.members.resize(from.count(16));
  for (Member& member : membership.members) {
    member.id.value = from.u64();
    member.peer = from.bytes();
    member.priority = from.u32();
  }
  membership.voters = decode_ids(from);
  membership.outgoing = decode_ids(from);
  membership.promoting = decode_ids(from);
  const std::uint32_t leaving = from.u32();
  const bool has_removed = (leaving & removed_follow) != 0;
  for (std::uint32_t i = 0; i < (leaving & ~removed_follow) && !from.failed(); ++i) {
    membership.leaving.push_back({from.u64()});
  }
  if (has_removed) membership.removed = decode_ids(from);
  if (!from.ok() || has_removed == membership.removed.empty()) {
    return fail(Code::corrupt, "membership: the bytes are not of its format");
  }
  if (auto ok = membership.valid(); !ok) return fail(Code::corrupt, ok.error().text);
  return membership;
}

}  // namespace zraft::raft
