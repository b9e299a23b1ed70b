// SPDX-License-Identifier: Apache-2.0
//
// A log entry as one immutable, shared piece of bytes. The leader encodes it once; the same bytes go into its log,
// over the wire, into the followers' logs, and stay in memory until a snapshot covers them. Nobody encodes it again
// and nobody copies the payload. Both checksums are made where the command enters the cluster, and are checked at
// every step it takes. The header has a checksum of its own, so that the identity (index, term) of a record is known
// when its payload is lost. Fields that differ from node to node stand in the log's batches, not here.
//
//   offset  0  u16  magic 0x525a ("ZR")      offset 24  u64  index
//           2  u8   version, 1                      32  i64  cluster time, ns
//           3  u8   type (EntryType)                40  u32  CRC32C of the payload
//           4  u32  payload length                  44  u32  CRC32C of bytes 0..43
//           8  u64  group                           48       payload
//          16  u64  term
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

#include "zraft/raft/types.h"

namespace zraft::raft {

enum class EntryType : std::uint8_t {
  noop = 1,        // what a leader appends at the start of its term (thesis 6.4)
  command = 2,     // for the state machine
  membership = 3,  // who is in the group
  session = 4,     // for the layer of sessions around the state machine (session/entry.h)
};

constexpr std::size_t record_header_size = 48;
// The format's own bound, so that a length is checked before it is trusted. Callers have smaller ones.
constexpr std::size_t record_payload_max = std::size_t{64} << 20;

class Record {
 public:
  Record() = default;  // holds nothing; only to be assigned to

  static Record make(GroupId group, Position position, EntryType type, ClusterTime time, BytesView payload);

  // Reads one record at the start of `bytes`, which `owner` keeps alive; what follows it is not looked at.
  // Errors: corrupt (the sentence says which check failed), unsupported (another version).
  static Result<Record> parse(std::shared_ptr<const void> owner, BytesView bytes);

  // Like parse, of the header alone: what remains known when the payload is lost.
  static Result<Record> parse_header(BytesView bytes);

  [[nodiscard]] GroupId group() const { return group_; }
  [[nodiscard]] Position position() const { return position_; }
  [[nodiscard]] Term term() const { return position_.term; }
  [[nodiscard]] Index index() const { return position_.index; }
  [[nodiscard]] EntryType type() const { return type_; }
  [[nodiscard]] ClusterTime time() const { return time_; }
  [[nodiscard]] std::uint32_t payload_checksum() const { return payload_checksum_; }
  [[nodiscard]] BytesView payload() const { return bytes_.substr(record_header_size); }
  [[nodiscard]] BytesView bytes() const { return bytes_; }  // header and payload
  [[nodiscard]] std::size_t size() const { return bytes_.size(); }
  [[nodiscard]] const std::shared_ptr<const void>& owner() const { return owner_; }

  // The payload still has the checksum that it entered the cluster with.
  [[nodiscard]] bool is_intact() const;

 private:
  GroupId group_;
  Position position_;
  EntryType type_ = EntryType::noop;
  ClusterTime time_;
  std::uint32_t payload_checksum_ = 0;
  std::shared_ptr<const void> owner_;
  BytesView bytes_;
};

}  // namespace zraft::raft
