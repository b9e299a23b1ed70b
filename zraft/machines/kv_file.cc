// SPDX-License-Identifier: Apache-2.0
//
// Writes and reads the file of kv_file.h, one block at a time.
#include "zraft/machines/kv_file.h"

#include <string>
#include <utility>
#include <vector>

#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::machines {
namespace {

static_assert(kv_file_magic.size() == 8, "as the header draws it");
constexpr std::size_t header_size = 8 + 2;
constexpr std::size_t end_size = 8;  // between the length 0 and the checksum

class FileWriter {
 public:
  explicit FileWriter(node::SnapshotWriter& writer) : writer_(writer) {}

  Result<> append(BytesView bytes) {
    checksum_ = crc32c(bytes, checksum_);
    return writer_.append(bytes);
  }
  // The bytes, and behind them the checksum of everything so far.
  Result<> append_sealed(Bytes bytes) {
    checksum_ = crc32c(bytes, checksum_);
    const std::uint32_t sealed = checksum_;
    const std::size_t covered = bytes.size();
    Encoder(bytes).u32(sealed);
    checksum_ = crc32c(BytesView(bytes).substr(covered), checksum_);
    return writer_.append(bytes);
  }
  Result<> append_block(BytesView items) {
    Bytes block;
    block.reserve(items.size() + 8);
    Encoder(block).bytes(items);
    return append_sealed(std::move(block));
  }

 private:
  node::SnapshotWriter& writer_;
  std::uint32_t checksum_ = 0;
};

class FileReader {
 public:
  FileReader(node::SnapshotReader& reader, std::uint64_t size) : reader_(reader), size_(size) {}

  [[nodiscard]] std::uint64_t left() const { return size_ - offset_; }

  [[nodiscard]] std::unexpected<Error> corrupt(std::string_view what) const {
    return fail(Code::corrupt, std::string("the file kv of the snapshot: ") + std::string(what) + ", before offset " +
                                   std::to_string(offset_) + ": fetch or take another snapshot");
  }

  Result<Bytes> take(std::size_t n) {
    if (n > left()) return corrupt("it ends too early");
    Result<Bytes> bytes = reader_.read(kv_file_name, offset_, n);
    if (!bytes) return bytes;
    offset_ += bytes->size();
    if (bytes->size() != n) return corrupt("it is shorter than it was");
    checksum_ = crc32c(*bytes, checksum_);
    return bytes;
  }

  // n bytes that the checksum of everything so far follows, which is compared.
  Result<Bytes> take_sealed(std::size_t n) {
    Result<Bytes> bytes = take(n);
    if (!bytes) return bytes;
    const std::uint32_t expected = checksum_;
    const Result<Bytes> seal = take(4);
    if (!seal) return fail(seal);
    if (Decoder(*seal).u32() != expected) return corrupt("a checksum is wrong");
    return bytes;
  }

 private:
  node::SnapshotReader& reader_;
  std::uint64_t size_;
  std::uint64_t offset_ = 0;
  std::uint32_t checksum_ = 0;
};

Result<> take_header(FileReader& in) {
  const Result<Bytes> header = in.take(header_size);
  if (!header) return fail(header);
  Decoder decoder(*header);
  if (decoder.raw(kv_file_magic.size()) != kv_file_magic) return in.corrupt("it is no store of keys and values");
  const std::uint16_t version = decoder.u16();
  if (version == kv_file_version) return {};
  const std::string what_to_do = version > kv_file_version ? "run a newer one" : "fetch or take another snapshot";
  return fail(Code::unsupported, "the file kv of the snapshot has version " + std::to_string(version) +
                                     ", this build reads version " + std::to_string(kv_file_version) + ": " +
                                     what_to_do);
}

// Puts the items of one block into `values`; `last_key` is the key before it, and then the block's last. False: the
// bytes are no items, or break a law.
bool take_items(BytesView block, CowMap& values, Bytes& last_key) {
  Decoder in(block);
  while (in.left() > 0) {
    if (block.size() - in.left() >= kv_block_bytes) return false;  // the block would have ended here
    const std::uint64_t version = in.u64();
    const std::uint64_t owner = in.u64();
    const BytesView key = in.bytes();
    const BytesView value = in.bytes();
    if (in.failed() || key <= last_key) return false;
    values.put(key, version, value, owner);
    last_key = key;
  }
  return true;
}

}  // namespace

Result<> write_kv_file(const CowMap& values, node::SnapshotWriter& writer) {
  if (auto ok = writer.begin(kv_file_name); !ok) return ok;
  FileWriter out(writer);
  Bytes header(kv_file_magic);
  Encoder(header).u16(kv_file_version);
  if (auto ok = out.append(header); !ok) return ok;

  Bytes items;
  for (auto cursor = values.begin(); const CowMap::Item* item = cursor.item(); cursor.advance()) {
    Encoder encoder(items);
    encoder.u64(item->version());
    encoder.u64(item->owner());
    encoder.bytes(item->key());
    encoder.bytes(item->value());
    if (items.size() < kv_block_bytes) continue;
    if (auto ok = out.append_block(items); !ok) return ok;
    items.clear();
  }
  if (!items.empty()) {
    if (auto ok = out.append_block(items); !ok) return ok;
  }
  Bytes end;
  Encoder encoder(end);
  encoder.u32(0);
  encoder.u64(values.size());
  return out.append_sealed(std::move(end));
}

Result<CowMap> read_kv_file(node::SnapshotReader& reader) {
  if (reader.files() != std::vector<std::string>{kv_file_name}) {
    return fail(Code::corrupt, "a snapshot of the backend `memory` has one file, kv: is this one of another backend?");
  }
  const Result<std::uint64_t> size = reader.size(kv_file_name);
  if (!size) return fail(size);
  FileReader in(reader, *size);
  if (auto ok = take_header(in); !ok) return fail(ok);

  CowMap values;
  Bytes last_key;
  bool is_short = false;  // a block that did not reach its size must have been the last
  while (true) {
    const Result<Bytes> word = in.take(4);
    if (!word) return fail(word);
    const std::size_t length = Decoder(*word).u32();
    if (length == 0) break;
    if (is_short || length > kv_block_bytes_max) return in.corrupt("a block has a length that none can have");
    const Result<Bytes> block = in.take_sealed(length);
    if (!block) return fail(block);
    is_short = block->size() < kv_block_bytes;
    if (!take_items(*block, values, last_key)) return in.corrupt("a block holds no items in order");
  }
  const Result<Bytes> end = in.take_sealed(end_size);
  if (!end) return fail(end);
  if (Decoder(*end).u64() != values.size()) return in.corrupt("its items are fewer or more than it says");
  if (in.left() != 0) return in.corrupt("something follows its end");
  return values;
}

}  // namespace zraft::machines
