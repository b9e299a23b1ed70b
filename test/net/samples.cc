// SPDX-License-Identifier: Apache-2.0
//
// The samples. Their values are small and different from each other, so that swapped fields show.
#include "test/net/samples.h"

#include <gtest/gtest.h>

#include <memory>

#include "test/net/join.h"
#include "zraft/net/frame.h"
#include "zraft/net/wire.h"
#include "zraft/net/wire_bulk.h"
#include "zraft/raft/record.h"

namespace zraft::net::test {
namespace {

using raft::EntryType;
using raft::GroupId;
using raft::Index;
using raft::Membership;
using raft::NodeId;
using raft::Position;
using raft::Record;
using raft::Round;
using raft::Term;

constexpr GroupId group{0x0807060504030201};

Position at(std::uint64_t term, std::uint64_t index) { return {Term{term}, Index{index}}; }

Membership three() {
  return raft::membership_of({{NodeId{1}, "a@10.0.0.1:7000"}, {NodeId{2}, "b@h:1"}, {NodeId{3}, "c@[::1]:65535"}});
}

Membership joint_with_learner() {
  Membership membership = three();
  membership.voters = {NodeId{1}, NodeId{2}};
  membership.outgoing = {NodeId{1}};
  return membership;
}

Membership after_two_were_removed() {
  Membership membership = three();
  membership.removed = {NodeId{9}, NodeId{4}};
  return membership;
}

Bytes bytes_of(const Membership& membership) {
  Bytes out;
  raft::encode(membership, out);
  return out;
}

Record command(std::uint64_t index, BytesView payload) {
  return Record::make(group, at(2, index), EntryType::command, ClusterTime{1'000'000}, payload);
}

Bytes message(std::uint64_t term, raft::Body body) {
  return join(
      encode(PeerFrame{group, {.from = NodeId{1}, .to = NodeId{3}, .term = Term{term}, .body = std::move(body)}}));
}

Bytes request(RequestBody body) { return encode(Request{.id = 77, .timeout_ms = 1500, .body = std::move(body)}); }

Bytes reply(Error error, std::string leader, ReplyBody body) {
  return encode(Reply{.id = 77, .error = std::move(error), .leader = std::move(leader), .body = std::move(body)});
}

Bytes frame(node::FrameKind kind, Bytes body) {
  const Pieces pieces{piece_of(std::move(body))};
  const FrameHeader header = frame_header(kind, pieces);
  return Bytes(header.data(), header.size()) + join(pieces);
}

std::vector<Sample> hellos() {
  return {
      {"host",
       encode(Hello{
           .role = Hello::Role::host, .name = "n1", .address = "n1:7001", .run = 77, .bulk_address = "n1:8"})},
      {"client",
       encode(Hello{.version = 9, .version_oldest = 3, .role = Hello::Role::client, .features = 5, .name = ""})},
  };
}

std::vector<Sample> messages() {
  const Record membership =
      Record::make(group, at(2, 7), EntryType::membership, ClusterTime{2'000'000}, bytes_of(joint_with_learner()));
  return {
      {"request_pre_vote", message(4, raft::RequestPreVote{.proposed = Term{5}, .last = at(4, 9)})},
      {"pre_vote", message(4, raft::PreVote{.proposed = Term{5}, .granted = true})},
      {"request_vote", message(5, raft::RequestVote{.last = at(4, 9), .transfer = true})},
      {"vote", message(5, raft::Vote{.granted = true})},
      {"append_empty", message(5, raft::Append{.previous = at(4, 9), .commit = Index{8}, .entries = {}})},
      {"append_one",
       message(2, raft::Append{.previous = at(1, 5), .commit = Index{5}, .entries = {command(6, "set x")}})},
      {"append_more", message(2, raft::Append{.previous = at(1, 5),
                                              .commit = Index{5},
                                              .entries = {command(6, ""), membership, command(8, Bytes(300, 'x'))}})},
      {"appended", message(5, raft::Appended{.match = Index{9}})},
      {"append_rejected", message(5, raft::AppendRejected{.rejected = Index{9}, .hint = at(3, 6)})},
      {"heartbeat", message(5, raft::Heartbeat{.commit = Index{9}, .round = Round{12}, .may_quiesce = true})},
      {"heartbeat_reply", message(5, raft::HeartbeatReply{.round = Round{12}, .quiesces = true})},
      {"stale_term", message(6, raft::StaleTerm{})},
  };
}

std::vector<Sample> requests() {
  return {
      {"propose", request(Propose{.group = "kv", .data = "set x"})},
      {"query", request(Query{.group = "kv", .consistency = Consistency::linearizable, .data = "get x"})},
      {"query_stale", request(Query{.group = "kv", .consistency = Consistency::stale, .data = ""})},
      {"query_bounded",
       request(Query{.group = "kv", .consistency = Consistency::bounded, .data = "get x", .staleness_max_ms = 500})},
      {"get_status", request(GetStatus{.group = ""})},
      {"check_peer", request(CheckPeer{.group = "kv", .peer = "a@10.0.0.1:7000", .backend = "memory"})},
      {"start_peer", request(StartPeer{.group = "kv",
                                       .group_id = group,
                                       .backend = "memory",
                                       .self = NodeId{2},
                                       .membership = joint_with_learner()})},
      {"undo_peer", request(UndoPeer{.group = "kv", .group_id = group, .self = NodeId{2}})},
      {"open_session", request(OpenSession{.group = "kv", .nonce = {5, 6}, .session_timeout_ms = 3000})},
      {"session_write", request(SessionWrite{.group = "kv",
                                             .session = {9},
                                             .sequence = 4,
                                             .acknowledged = 3,
                                             .is_ephemeral = true,
                                             .data = "set x"})},
      {"keep_alive", request(KeepAlive{.group = "kv", .session = {9}, .acknowledged = 3})},
      {"close_session", request(CloseSession{.group = "kv", .session = {9}})},
      {"watch", request(Watch{.group = "kv",
                              .session = {9},
                              .is_persistent = false,
                              .query = "get x",
                              .consistency = Consistency::lease,
                              .after = std::nullopt,
                              .watchable = {}})},
      {"watch_on", request(Watch{.group = "kv",
                                 .session = {},
                                 .is_persistent = true,
                                 .query = "",
                                 .after = Index{7},
                                 .watchable = {{"x", false}, {"y/", true}}})},
      {"cancel_watch", request(CancelWatch{.watch = 76})},
      {"restore_peer", request(RestorePeer{.group = "kv",
                                           .group_id = group,
                                           .backend = "memory",
                                           .self = NodeId{2},
                                           .peer = "a@10.0.0.1:7000",
                                           .membership = joint_with_learner()})},
  };
}

PeerStatus status_of_leader() {
  return {.group = "kv",
          .group_id = group,
          .backend = "memory",
          .peer = "a@10.0.0.1:7000",
          .self = NodeId{1},
          .role = "leader",
          .leader = "a@10.0.0.1:7000",
          .term = Term{5},
          .first = Index{1},
          .last = Index{12},
          .durable = Index{11},
          .commit = Index{10},
          .applied = Index{9},
          .log_bytes = 4096,
          .membership = three(),
          .problem = "",
          .sessions = 12,
          .watches = 7};
}

std::vector<Sample> replies() {
  const PeerStatus stopped{.group = "old", .group_id = GroupId{3}, .role = "stopped", .problem = "the log: io"};
  return {
      {"nothing", reply({}, "", Nothing{})},
      {"data", reply({}, "", Data{.data = "41"})},
      {"not_leader", reply({Code::not_leader, "ask the leader"}, "b@h:1", Nothing{})},
      {"status_none", reply({}, "", Status{.host = "n1", .version = "0.1.0", .peers = {}})},
      {"status", reply({}, "", Status{.host = "n1", .version = "0.1.0", .peers = {status_of_leader(), stopped}})},
      {"session_opened", reply({}, "", SessionOpened{.session = {9}})},
      {"watching",
       reply({}, "", Watching{.data = "41", .index = {7}, .watchable = {{"x", false}, {"y/", true}}})},
  };
}

std::vector<Sample> watch_events() {
  using What = WatchEvent::What;
  const std::vector<node::Change> changes = {{"x", "put"}, {"y/z", ""}};
  const auto end = [](What what, Error why) {
    return encode(
        WatchEvent{.watch = 76, .what = what, .is_last = true, .index = {}, .changes = {}, .error = std::move(why)});
  };
  return {
      {"changed", encode(WatchEvent{.watch = 76, .is_last = true, .index = {8}, .changes = changes, .error = {}})},
      {"progress",
       encode(WatchEvent{.watch = 76, .what = What::progress, .index = {9}, .changes = {}, .error = {}})},
      {"leader_changed", end(What::leader_changed, {Code::leader_changed, "ask b"})},
      {"closed", end(What::closed, {Code::session_expired, "it is over"})},
  };
}

std::vector<Sample> bulks() {
  const Bytes chunk_head = encode(SnapshotChunk{.file = 1, .chunk = 2, .data = {}});
  return {
      {"fetch", encode(FetchSnapshot{.group = group, .from = {1}, .to = {3}, .partial = std::nullopt})},
      {"fetch_rest", encode(FetchSnapshot{.group = group, .from = {1}, .to = {3}, .partial = at(5, 9)})},
      {"offered", encode(SnapshotOffered{.error = {}, .manifest = "manifest"})},
      {"refused", encode(SnapshotOffered{.error = {Code::busy, "ask later"}, .manifest = {}})},
      {"want", encode(WantChunk{.file = 1, .chunk = 2})},
      {"chunk", chunk_head + "data"},
  };
}

// The data of a chunk goes out beside what encode() gives.
Result<Bytes> bulk_again(BytesView bytes) {
  const auto value = decode_bulk(bytes);
  if (!value) return fail(value);
  const auto* chunk = std::get_if<SnapshotChunk>(&*value);
  return encode(*value) + Bytes(chunk != nullptr ? chunk->data : BytesView{});
}

Result<Bytes> frames_again(BytesView input) {
  FrameReader reader(1 << 20);
  Bytes out;
  while (!input.empty()) {
    auto found = reader.take(input);
    if (!found) return fail(found);
    if (!*found) return fail(Code::corrupt, "cut short");
    out += frame((*found)->kind, *(*found)->body);
  }
  return out;
}

template <class Decode>
std::function<Result<Bytes>(BytesView)> again_by(Decode decode) {
  return [decode](BytesView bytes) -> Result<Bytes> {
    const auto value = decode(bytes);
    if (!value) return fail(value);
    return encode(*value);
  };
}

}  // namespace

std::vector<Format> formats() {
  const auto peer_again = [](BytesView bytes) -> Result<Bytes> {
    const auto value = decode_peer_frame(std::make_shared<const Bytes>(bytes));
    if (!value) return fail(value);
    return join(encode(*value));
  };
  const auto membership_again = [](BytesView bytes) -> Result<Bytes> {
    const auto value = raft::decode_membership(bytes);
    if (!value) return fail(value);
    return bytes_of(*value);
  };
  const auto record_again = [](BytesView bytes) -> Result<Bytes> {
    const auto copy = std::make_shared<const Bytes>(bytes);
    const auto value = Record::parse(copy, *copy);
    if (!value) return fail(value);
    if (value->size() != bytes.size()) return fail(Code::corrupt, "something follows the record");
    const Record made = Record::make(value->group(), value->position(), value->type(), value->time(), value->payload());
    return Bytes(made.bytes());
  };
  const Bytes hello = hellos().front().bytes;
  const Bytes empty = frame(node::FrameKind::peer, "");
  return {
      {"hello", again_by([](BytesView bytes) { return decode_hello(bytes); }), hellos()},
      {"beat", again_by([](BytesView bytes) { return decode_beat(bytes); }),
       {{"host", encode(Beat{.run = 77, .number = 12})}}},
      {"turned_away", again_by([](BytesView bytes) { return decode_turned_away(bytes); }),
       {{"gone", encode(TurnedAway{.group = {9}, .from = {1}, .to = {2}, .why = "gone"})}}},
      {"bulk", bulk_again, bulks()},
      {"peer_frame", peer_again, messages()},
      {"request", again_by([](BytesView bytes) { return decode_request(bytes); }), requests()},
      {"reply", again_by([](BytesView bytes) { return decode_reply(bytes); }), replies()},
      {"watch_event", again_by([](BytesView bytes) { return decode_watch_event(bytes); }), watch_events()},
      {"membership", membership_again,
       {{"three", bytes_of(three())},
        {"joint", bytes_of(joint_with_learner())},
        {"removed", bytes_of(after_two_were_removed())}}},
      {"record", record_again,
       {{"command", Bytes(command(6, "set x").bytes())}, {"empty", Bytes(command(6, "").bytes())}}},
      {"frame", frames_again,
       {{"hello", frame(node::FrameKind::hello, hello)},
        {"empty", empty},
        {"three", frame(node::FrameKind::hello, hello) + empty + frame(node::FrameKind::reply, replies()[1].bytes)}}},
  };
}

Bytes sample(const std::string& format_name, const std::string& name) {
  for (const Format& format : formats()) {
    if (format.name != format_name) continue;
    for (const Sample& one : format.samples) {
      if (one.name == name) return one.bytes;
    }
  }
  ADD_FAILURE() << "there is no sample " << format_name << " " << name;
  return {};
}

}  // namespace zraft::net::test
