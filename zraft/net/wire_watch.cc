// SPDX-License-Identifier: Apache-2.0
//
// What a watch is told; the layout is in docs/wire_format.md. What differs from watch to watch stands first, and the
// changes last, so that the frames of all who listen to the same share them.
#include <utility>

#include "zraft/base/codec.h"
#include "zraft/net/wire.h"

namespace zraft::net {
namespace {

constexpr std::size_t change_min = 4 + 4;

void put_head(Encoder& to, const WatchEvent& event) {
  to.u64(event.watch);
  to.u8(static_cast<std::uint8_t>(event.what));
  to.boolean(event.is_last);
  to.u64(event.index.value);
  to.u8(static_cast<std::uint8_t>(event.error.code));
  to.bytes(event.error.text);
}

void put(Encoder& to, const std::vector<node::Change>& changes) {
  to.u32(static_cast<std::uint32_t>(changes.size()));
  for (const node::Change& change : changes) {
    to.bytes(change.key);
    to.bytes(change.event);
  }
}

// Whoever follows the events of a watch may rely on it.
Result<> check(const WatchEvent& event) {
  using What = WatchEvent::What;
  if (event.what < What::changed || event.what > What::closed) {
    return fail(Code::corrupt, "watch event: nothing that happens has the number " +
                                   std::to_string(static_cast<int>(event.what)));
  }
  if (name_of(event.error.code) == "unknown") {
    return fail(Code::corrupt, "watch event: an error code that this build does not know");
  }
  if (event.changes.empty() == (event.what == What::changed)) {
    return fail(Code::corrupt, "watch event: it has changes if it says that something changed, and only then");
  }
  const bool is_end = event.what == What::leader_changed || event.what == What::closed;
  if ((is_end && !event.is_last) || (event.what == What::progress && event.is_last)) {
    return fail(Code::corrupt, "watch event: the last one is not of that kind");
  }
  return {};
}

}  // namespace

Piece encode_changes(const std::vector<node::Change>& changes) {
  Bytes out;
  Encoder to(out);
  put(to, changes);
  return piece_of(std::move(out));
}

Bytes encode(const WatchEvent& event) {
  Bytes out;
  Encoder to(out);
  put_head(to, event);
  put(to, event.changes);
  return out;
}

Pieces encode(const WatchEvent& event, const Piece& changes) {
  Bytes head;
  Encoder to(head);
  put_head(to, event);
  return {piece_of(std::move(head)), changes};
}

Result<WatchEvent> decode_watch_event(BytesView bytes) {
  Decoder from(bytes);
  WatchEvent event;
  event.watch = from.u64();
  event.what = static_cast<WatchEvent::What>(from.u8());
  event.is_last = from.boolean();
  event.index.value = from.u64();
  event.error.code = static_cast<Code>(from.u8());
  event.error.text = from.bytes();
  event.changes.resize(from.count(change_min));
  for (node::Change& change : event.changes) {
    change.key = from.bytes();
    change.event = from.bytes();
  }
  if (!from.ok()) return fail(Code::corrupt, "watch event: the bytes are not of its format");
  if (const auto good = check(event); !good) return fail(good);
  return event;
}

}  // namespace zraft::net
