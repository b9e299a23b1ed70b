// SPDX-License-Identifier: Apache-2.0
//
// Encoders and decoders of the key-value language, one pair a type. The drawing of the bytes is in the header. A
// decoder reads as if all went well and asks once at its end, because a failed Decoder only gives zeros.
#include "zraft/machines/kv_wire.h"

#include <string>
#include <utility>

#include "zraft/base/codec.h"

namespace zraft::machines {
namespace {

enum class CommandTag : std::uint8_t { put = 1, del = 2, compare_and_put = 3, compare_and_delete = 4 };
enum class OutcomeTag : std::uint8_t { done = 1, conflict = 2, refused = 3 };
enum class QueryTag : std::uint8_t { get = 1, scan = 2, count = 3 };
enum class AnswerTag : std::uint8_t { absent = 1, found = 2, page = 3, counted = 4 };
enum class EventTag : std::uint8_t { put = 1, deleted = 2 };

template <class Tag>
void put_tag(Encoder& out, Tag tag) {
  out.u8(static_cast<std::uint8_t>(tag));
}

void put_optional(Encoder& out, const std::optional<Bytes>& value) {
  out.boolean(value.has_value());
  if (value) out.bytes(*value);
}

std::optional<Bytes> take_optional(Decoder& in) {
  if (!in.boolean()) return std::nullopt;
  return Bytes(in.bytes());
}

// --- commands ---

void write(Encoder& out, const Put& command) {
  put_tag(out, CommandTag::put);
  out.bytes(command.key);
  out.bytes(command.value);
}

void write(Encoder& out, const Delete& command) {
  put_tag(out, CommandTag::del);
  out.bytes(command.key);
}

void write(Encoder& out, const CompareAndPut& command) {
  put_tag(out, CommandTag::compare_and_put);
  out.bytes(command.key);
  put_optional(out, command.expected);
  out.bytes(command.value);
}

void write(Encoder& out, const CompareAndDelete& command) {
  put_tag(out, CommandTag::compare_and_delete);
  out.bytes(command.key);
  out.u64(command.version);
}

KvCommand read_command(Decoder& in) {
  switch (static_cast<CommandTag>(in.u8())) {
    case CommandTag::put: {
      Bytes key(in.bytes());
      return Put{.key = std::move(key), .value = Bytes(in.bytes())};
    }
    case CommandTag::del: return Delete{.key = Bytes(in.bytes())};
    case CommandTag::compare_and_put: {
      Bytes key(in.bytes());
      std::optional<Bytes> expected = take_optional(in);
      return CompareAndPut{.key = std::move(key), .expected = std::move(expected), .value = Bytes(in.bytes())};
    }
    case CommandTag::compare_and_delete: {
      Bytes key(in.bytes());
      return CompareAndDelete{.key = std::move(key), .version = in.u64()};
    }
  }
  in.fail();
  return {};
}

// --- outcomes ---

void write(Encoder& out, const Done& done) {
  put_tag(out, OutcomeTag::done);
  out.u64(done.version);
  out.boolean(done.existed);
}

void write(Encoder& out, const Conflict& conflict) {
  put_tag(out, OutcomeTag::conflict);
  put_optional(out, conflict.actual);
}

void write(Encoder& out, const Refused& refused) {
  put_tag(out, OutcomeTag::refused);
  out.u8(static_cast<std::uint8_t>(refused.error.code));
  out.bytes(refused.error.text);
}

KvOutcome read_outcome(Decoder& in) {
  switch (static_cast<OutcomeTag>(in.u8())) {
    case OutcomeTag::done: {
      const std::uint64_t version = in.u64();
      return Done{.version = version, .existed = in.boolean()};
    }
    case OutcomeTag::conflict: return Conflict{.actual = take_optional(in)};
    case OutcomeTag::refused: {
      const auto code = static_cast<Code>(in.u8());
      return Refused{Error{code, std::string(in.bytes())}};
    }
  }
  in.fail();
  return {};
}

// --- queries ---

void write(Encoder& out, const Get& query) {
  put_tag(out, QueryTag::get);
  out.bytes(query.key);
}

void write(Encoder& out, const Scan& query) {
  put_tag(out, QueryTag::scan);
  out.bytes(query.prefix);
  out.bytes(query.start_after);
  out.u32(query.limit);
}

void write(Encoder& out, const Count& query) {
  put_tag(out, QueryTag::count);
  out.bytes(query.prefix);
}

KvQuery read_query(Decoder& in) {
  switch (static_cast<QueryTag>(in.u8())) {
    case QueryTag::get: return Get{.key = Bytes(in.bytes())};
    case QueryTag::scan: {
      Bytes prefix(in.bytes());
      Bytes start_after(in.bytes());
      return Scan{.prefix = std::move(prefix), .start_after = std::move(start_after), .limit = in.u32()};
    }
    case QueryTag::count: return Count{.prefix = Bytes(in.bytes())};
  }
  in.fail();
  return {};
}

// --- answers ---

void write(Encoder& out, const Absent&) { put_tag(out, AnswerTag::absent); }

void write(Encoder& out, const Found& found) {
  put_tag(out, AnswerTag::found);
  out.u64(found.version);
  out.u64(found.owner);
  out.bytes(found.value);
}

void write(Encoder& out, const Page& page) {
  put_tag(out, AnswerTag::page);
  out.boolean(page.more);
  out.u32(static_cast<std::uint32_t>(page.items.size()));
  for (const KeyValue& item : page.items) {
    out.u64(item.version);
    out.u64(item.owner);
    out.bytes(item.key);
    out.bytes(item.value);
  }
}

void write(Encoder& out, const Counted& counted) {
  put_tag(out, AnswerTag::counted);
  out.u64(counted.count);
}

Page read_page(Decoder& in) {
  Page page{.more = in.boolean(), .items = {}};
  const std::size_t n = in.count(page_item_overhead);
  page.items.reserve(n);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t version = in.u64();
    const std::uint64_t owner = in.u64();
    Bytes key(in.bytes());
    page.items.push_back({.version = version, .key = std::move(key), .value = Bytes(in.bytes()), .owner = owner});
  }
  return page;
}

KvAnswer read_answer(Decoder& in) {
  switch (static_cast<AnswerTag>(in.u8())) {
    case AnswerTag::absent: return Absent{};
    case AnswerTag::found: {
      const std::uint64_t version = in.u64();
      const std::uint64_t owner = in.u64();
      return Found{.version = version, .value = Bytes(in.bytes()), .owner = owner};
    }
    case AnswerTag::page: return read_page(in);
    case AnswerTag::counted: return Counted{.count = in.u64()};
  }
  in.fail();
  return {};
}

// --- events ---

void write(Encoder& out, const PutEvent& event) {
  put_tag(out, EventTag::put);
  out.u64(event.version);
  out.u64(event.owner);
  out.bytes(event.value);
}

void write(Encoder& out, const DeletedEvent& event) {
  put_tag(out, EventTag::deleted);
  out.u64(event.version);
  out.boolean(event.expired);
}

KvEvent read_event(Decoder& in) {
  switch (static_cast<EventTag>(in.u8())) {
    case EventTag::put: {
      const std::uint64_t version = in.u64();
      const std::uint64_t owner = in.u64();
      return PutEvent{.version = version, .value = Bytes(in.bytes()), .owner = owner};
    }
    case EventTag::deleted: {
      const std::uint64_t version = in.u64();
      return DeletedEvent{.version = version, .expired = in.boolean()};
    }
  }
  in.fail();
  return {};
}

template <class Variant>
Bytes encode_variant(const Variant& value) {
  Bytes out;
  Encoder encoder(out);
  std::visit([&](const auto& alternative) { write(encoder, alternative); }, value);
  return out;
}

}  // namespace

Bytes encode(const KvCommand& command) { return encode_variant(command); }
Bytes encode(const KvOutcome& outcome) { return encode_variant(outcome); }
Bytes encode(const KvQuery& query) { return encode_variant(query); }
Bytes encode(const KvAnswer& answer) { return encode_variant(answer); }
Bytes encode(const KvEvent& event) { return encode_variant(event); }

Result<KvCommand> decode_command(BytesView bytes) {
  Decoder in(bytes);
  KvCommand command = read_command(in);
  if (!in.ok()) return fail(Code::bad_request, "the bytes are no command of the key-value store: is the client newer?");
  return command;
}

Result<KvOutcome> decode_outcome(BytesView bytes) {
  Decoder in(bytes);
  KvOutcome outcome = read_outcome(in);
  if (!in.ok()) return fail(Code::corrupt, "the bytes are no outcome of the key-value store: is the server newer?");
  return outcome;
}

Result<KvQuery> decode_query(BytesView bytes) {
  Decoder in(bytes);
  KvQuery query = read_query(in);
  if (!in.ok()) return fail(Code::bad_request, "the bytes are no query of the key-value store: is the client newer?");
  return query;
}

Result<KvAnswer> decode_answer(BytesView bytes) {
  Decoder in(bytes);
  KvAnswer answer = read_answer(in);
  if (!in.ok()) return fail(Code::corrupt, "the bytes are no answer of the key-value store: is the server newer?");
  return answer;
}

Result<KvEvent> decode_event(BytesView bytes) {
  Decoder in(bytes);
  KvEvent event = read_event(in);
  if (!in.ok()) return fail(Code::corrupt, "the bytes are no event of the key-value store: is the server newer?");
  return event;
}

}  // namespace zraft::machines
