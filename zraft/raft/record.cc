// SPDX-License-Identifier: Apache-2.0
//
// Records: encoding and the checks of decoding. The layout is drawn in record.h and told in docs/log_format.md.
#include "zraft/raft/record.h"

#include "zraft/base/check.h"
#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::raft {
namespace {

constexpr std::uint16_t magic = 0x525a;
constexpr std::uint8_t version = 1;
constexpr std::size_t checksummed_header = 44;
static_assert(checksummed_header + sizeof(std::uint32_t) == record_header_size);

std::string at(Position position) {
  return "record " + std::to_string(position.term.value) + "^" + std::to_string(position.index.value);
}

}  // namespace

Record Record::make(GroupId group, Position position, EntryType type, ClusterTime time, BytesView payload) {
  CHECK(payload.size() <= record_payload_max, "the caller bounds payloads before they come here");
  Record record;
  record.group_ = group;
  record.position_ = position;
  record.type_ = type;
  record.time_ = time;
  record.payload_checksum_ = crc32c(payload);
  auto bytes = std::make_shared<Bytes>();
  bytes->reserve(record_header_size + payload.size());
  Encoder to(*bytes);
  to.u16(magic);
  to.u8(version);
  to.u8(static_cast<std::uint8_t>(type));
  to.u32(static_cast<std::uint32_t>(payload.size()));
  to.u64(group.value);
  to.u64(position.term.value);
  to.u64(position.index.value);
  to.i64(time.ns);
  to.u32(record.payload_checksum_);
  to.u32(crc32c(*bytes));
  to.raw(payload);
  record.bytes_ = *bytes;
  record.owner_ = std::move(bytes);
  return record;
}

Result<Record> Record::parse_header(BytesView bytes) {
  Decoder from(bytes);
  const BytesView header = from.raw(record_header_size);
  if (from.failed()) return fail(Code::corrupt, "record: shorter than its header");
  Decoder field(header);
  const std::uint16_t found_magic = field.u16();
  const std::uint8_t found_version = field.u8();
  const std::uint8_t type = field.u8();
  const std::uint32_t length = field.u32();
  Record record;
  record.group_ = {field.u64()};
  record.position_.term = {field.u64()};
  record.position_.index = {field.u64()};
  record.time_ = {field.i64()};
  record.payload_checksum_ = field.u32();
  if (found_magic != magic) return fail(Code::corrupt, "record: the magic number is wrong");
  if (field.u32() != crc32c(header.substr(0, checksummed_header))) {
    return fail(Code::corrupt, "record: the checksum of the header is wrong");
  }
  if (found_version != version) {
    return fail(Code::unsupported, "record: format version " + std::to_string(found_version) +
                                       "; this build reads version 1: run a newer build");
  }
  if (type < static_cast<std::uint8_t>(EntryType::noop) || type > static_cast<std::uint8_t>(EntryType::session)) {
    return fail(Code::unsupported, at(record.position_) + ": unknown type " + std::to_string(type));
  }
  if (length > record_payload_max) return fail(Code::corrupt, at(record.position_) + ": longer than any record may be");
  record.type_ = static_cast<EntryType>(type);
  return record;
}

Result<Record> Record::parse(std::shared_ptr<const void> owner, BytesView bytes) {
  auto record = parse_header(bytes);
  if (!record) return record;
  Decoder length_field(bytes.substr(4));
  const std::size_t length = length_field.u32();
  if (bytes.size() - record_header_size < length) {
    return fail(Code::corrupt, at(record->position_) + ": the payload is cut short");
  }
  record->bytes_ = bytes.substr(0, record_header_size + length);
  record->owner_ = std::move(owner);
  if (!record->is_intact())
    return fail(Code::corrupt, at(record->position_) + ": the checksum of the payload is wrong");
  return record;
}

bool Record::is_intact() const { return crc32c(payload()) == payload_checksum_; }

}  // namespace zraft::raft
