// SPDX-License-Identifier: Apache-2.0
//
// Fetches one snapshot over a link that the other side made, for a peer that is to begin with it: a SnapshotFetcher
// with a single try, whose network is that link alone. The hellos were said when the link was made, so the fetcher is
// told one of the right role here, and its own is not sent. On the loop of the link.
#pragma once

#include <memory>

#include "zraft/host/snapshot_fetcher.h"

namespace zraft::host {

class InboundFetch {
 public:
  struct Seams {
    node::Loop& loop;
    node::Worker& worker;
    storage::Files& files;
  };
  static constexpr Duration patience = Duration::seconds(30);  // with a side that was asked, and says nothing

  // `link` outlives it. `done` comes once, never from within a call, when nothing is at work in the directory any more;
  // not if this is destroyed before, unless it was given up.
  InboundFetch(Seams seams, node::Link& link, SnapshotFetcher::Wanted wanted, Random random, LogSink tell,
               SnapshotFetcher::Done done);
  ~InboundFetch();
  InboundFetch(const InboundFetch&) = delete;
  InboundFetch& operator=(const InboundFetch&) = delete;

  // The body of a frame of the kind bulk; after the end it is ignored. Errors: it was not asked for; close the link.
  [[nodiscard]] Result<> on_message(const SharedBytes& body);
  // The link goes: `done` is told so, if it was not told anything yet.
  void give_up();

 private:
  class OneLink;

  void end(Result<storage::SnapshotManifest> result);

  std::unique_ptr<OneLink> network_;
  std::shared_ptr<Strand> strand_;
  SnapshotFetcher::Done done_;  // null: it was told, or will be
  std::unique_ptr<SnapshotFetcher> fetcher_;
};

}  // namespace zraft::host
