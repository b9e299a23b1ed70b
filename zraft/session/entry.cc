// SPDX-License-Identifier: Apache-2.0
//
// See entry.h.
#include "zraft/session/entry.h"

#include <string>
#include <type_traits>

#include "zraft/base/codec.h"

namespace zraft::session {
namespace {

template <std::size_t Number, class T>
constexpr bool is_number = std::is_same_v<std::variant_alternative_t<Number - 1, Entry>, T>;
static_assert(is_number<1, Open> && is_number<2, KeepAlive> && is_number<3, Close> && is_number<4, Expire> &&
              is_number<5, Write>);

constexpr std::size_t alive_size = 16;

void put(Encoder& to, const Open& open) {
  for (const std::uint64_t part : open.nonce) to.u64(part);
  to.u32(open.timeout_ms);
}
void put(Encoder& to, const KeepAlive& keep_alive) {
  to.u32(static_cast<std::uint32_t>(keep_alive.sessions.size()));
  for (const Alive& alive : keep_alive.sessions) {
    to.u64(alive.session.value);
    to.u64(alive.acknowledged);
  }
}
void put(Encoder& to, const Close& close) { to.u64(close.session.value); }
void put(Encoder& to, const Expire& expire) {
  to.u64(expire.session.value);
  to.i64(expire.seen.ns);
}
void put(Encoder& to, const Write& write) {
  to.u64(write.session.value);
  to.u64(write.sequence);
  to.u64(write.acknowledged);
  to.boolean(write.is_ephemeral);
  to.raw(write.command);
}

Entry take(Decoder& from, std::uint8_t kind) {
  switch (kind) {
    case 1: {
      Open open;
      for (std::uint64_t& part : open.nonce) part = from.u64();
      open.timeout_ms = from.u32();
      return open;
    }
    case 2: {
      KeepAlive keep_alive;
      const std::size_t n = from.count(alive_size);
      keep_alive.sessions.reserve(n);
      for (std::size_t i = 0; i < n; ++i) {
        const SessionId session{from.u64()};
        keep_alive.sessions.push_back({session, from.u64()});
      }
      return keep_alive;
    }
    case 3: return Close{{from.u64()}};
    case 4: {
      const SessionId session{from.u64()};
      return Expire{session, {from.i64()}};
    }
    case 5: {
      Write write{.session = {from.u64()}, .sequence = 0, .acknowledged = 0, .is_ephemeral = false, .command = {}};
      write.sequence = from.u64();
      write.acknowledged = from.u64();
      write.is_ephemeral = from.boolean();
      write.command = from.raw(from.left());
      return write;
    }
    default: from.fail(); return Open{};
  }
}

}  // namespace

Bytes encode(const Entry& entry) {
  Bytes bytes;
  if (const auto* write = std::get_if<Write>(&entry)) bytes.reserve(write->command.size() + 26);
  Encoder to(bytes);
  to.u8(static_cast<std::uint8_t>(entry.index() + 1));
  std::visit([&](const auto& any) { put(to, any); }, entry);
  return bytes;
}

Result<Entry> decode_entry(BytesView bytes) {
  Decoder from(bytes);
  const std::uint8_t kind = from.u8();
  Entry entry = take(from, kind);
  if (!from.ok()) return fail(Code::bad_request, "these bytes are no entry of the layer of sessions");
  return entry;
}

bool is_open(BytesView bytes) { return bytes.starts_with('\x01'); }

Result<> admit(const Entry& entry) {
  if (const auto* open = std::get_if<Open>(&entry)) {
    const Duration timeout = Duration::milliseconds(open->timeout_ms);
    if (timeout < timeout_min || timeout_max < timeout) {
      return fail(Code::bad_request, "the timeout of a session is from " +
                                         std::to_string(timeout_min.to_milliseconds()) + " ms to 24 hours, not " +
                                         std::to_string(open->timeout_ms) + " ms");
    }
  }
  if (const auto* write = std::get_if<Write>(&entry); write != nullptr && write->sequence <= write->acknowledged) {
    return fail(Code::bad_request, "a write's sequence is larger than what its client has acknowledged");
  }
  return {};
}

Result<SessionId> opened(BytesView result) {
  Decoder from(result);
  const SessionId session{from.u64()};
  if (!from.ok()) return fail(Code::corrupt, "that is no answer to the opening of a session");
  return session;
}

Result<std::vector<bool>> alive(BytesView result, std::size_t sessions) {
  Decoder from(result);
  std::vector<bool> all;
  for (std::size_t i = 0; i < sessions; ++i) all.push_back(from.boolean());
  if (!from.ok()) return fail(Code::corrupt, "that is no answer to sessions that were kept alive");
  return all;
}

}  // namespace zraft::session
