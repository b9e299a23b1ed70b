// SPDX-License-Identifier: Apache-2.0
//
// How a snapshot travels: frames of the kind `bulk`, over a link of its own after the usual hellos. Whoever wants it
// asks for each chunk, some ahead, so it can go on wherever it was cut off, at whatever member has the same bytes.
// Byte by byte in docs/wire_format.md. Every decoder is total.
//
//   wants it                          has it
//   FetchSnapshot  ----------------->
//                  <----------------- SnapshotOffered: the manifest, or why not
//   WantChunk ...  ----------------->
//                  <----------------- SnapshotChunk, with the bytes of the file behind it
#pragma once

#include <cstdint>
#include <optional>
#include <variant>

#include "zraft/base/bytes.h"
#include "zraft/base/result.h"
#include "zraft/raft/types.h"

namespace zraft::net {

struct FetchSnapshot {
  raft::GroupId group;
  raft::NodeId from;  // the member that is asked
  raft::NodeId to;    // the member that asks; 0: a client
  // One that was begun elsewhere, of which the rest is wanted if it is there; otherwise the newest is.
  std::optional<raft::Position> partial;
};
struct SnapshotOffered {
  Error error;     // code ok, or why there is none: not_found, loading, busy, ...
  Bytes manifest;  // encoded (storage/snapshot_format.h)
};
struct WantChunk {
  std::uint32_t file = 0;  // of the manifest
  std::uint64_t chunk = 0;
};
struct SnapshotChunk {
  std::uint32_t file = 0;
  std::uint64_t chunk = 0;
  BytesView data;  // in a frame that came: the bytes behind the head, never none. Not encoded: see encode()
};

using BulkMessage = std::variant<FetchSnapshot, SnapshotOffered, WantChunk, SnapshotChunk>;

// Of a SnapshotChunk: the head alone, behind which the data is sent (node::Link::send_file).
[[nodiscard]] Bytes encode(const BulkMessage& message);
// `data` borrows from `bytes`. Errors: corrupt.
[[nodiscard]] Result<BulkMessage> decode_bulk(BytesView bytes);

}  // namespace zraft::net
