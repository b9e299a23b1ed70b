// SPDX-License-Identifier: Apache-2.0
//
// A link that another side made to this host: first the hellos, then raft messages of another host, or requests of a
// client. A side that breaks the format, or that does not take in its answers, loses the link; one with too many
// requests under way is told `busy`. Answers may come after the link is gone: they are dropped.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "zraft/host/host.h"
#include "zraft/host/inbound_fetch.h"

namespace zraft::host {

class Host::Inbound final : private node::LinkHandler {
 public:
  Inbound(Host& host, std::uint64_t id, std::unique_ptr<node::Link> link);

  void turn_away(const net::TurnedAway& told);
  // Of a watch that was set over this link. Who does not take in what he watches loses all his watches, and is told so
  // with each: they never slow the group.
  void tell(const WatchTold& told);
  // A snapshot comes in over this link, for a peer that is to be restored.
  void fetch(storage::Files& files, SnapshotFetcher::Wanted wanted, SnapshotFetcher::Done done);
  // A snapshot that goes out over this link.
  [[nodiscard]] std::optional<SnapshotSender::Progress> sending() const;

 private:
  void on_frame(node::FrameKind kind, const SharedBytes& body) override;
  void on_closed(const Error& why) override;

  [[nodiscard]] Result<> take(node::FrameKind kind, const SharedBytes& body);
  [[nodiscard]] Result<> greet(const SharedBytes& body);
  [[nodiscard]] Result<> serve(const SharedBytes& body);
  [[nodiscard]] Result<> serve_bulk(const SharedBytes& body);
  [[nodiscard]] Result<> cancel_watch(const net::CancelWatch& cancel, std::uint64_t id);
  void restore(net::RestorePeer body, Answer answer);
  void watch(net::Request request, Answer answer);
  void answer(const net::Reply& reply);
  void send_event(const WatchTold& told);
  void cut_off_watches();
  void unwatch_all();
  void close();

  Host& host_;
  const std::uint64_t id_;
  std::unique_ptr<node::Link> link_;  // null: closed, and about to be dropped
  std::optional<net::Hello> theirs_;
  Shard::Sender sender_;  // where the other side can be reached, if it is a host that says so
  std::unique_ptr<SnapshotSender> snapshots_;  // null: none was asked for
  std::optional<net::UndoPeer> restoring_;  // what is to be done if the link goes before the answer
  std::unique_ptr<InboundFetch> fetch_;     // null: none was begun
  std::size_t under_way_ = 0;
  std::map<std::uint64_t, std::string> watches_;  // groups, by the requests that set them
  node::Lifetime lifetime_;
};

}  // namespace zraft::host
