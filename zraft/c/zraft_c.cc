// SPDX-License-Identifier: Apache-2.0
//
// Each function is a call of zraft::client, between a translation of what it is given and one of what it gives. What a
// thread is telling a callback stands in `telling`: so a call that would wait for this very thread is refused, and a
// watch that is cancelled from within is not told the rest of an entry.
#include "zraft/c/zraft_c.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "zraft/client/client.h"
#include "zraft/machines/kv_wire.h"

using namespace zraft;

// What a call gave.
struct Given {
  Error error;
  Bytes value;
  bool existed = false;
  std::uint64_t version = 0;
  std::uint64_t owner = 0;
  machines::Page page;
};
struct zraft_result : Given {
  const std::stop_source stop;
};
struct zraft_client {
  std::unique_ptr<client::Client> client;
};
struct zraft_session {
  client::Client& client;
  std::unique_ptr<client::ClientSession> session;
};

static_assert(ZRAFT_TIMEOUT_UNKNOWN_OUTCOME == static_cast<int>(Code::timeout_unknown_outcome));
static_assert(ZRAFT_SESSION_EXPIRED == static_cast<int>(Code::session_expired));
static_assert(ZRAFT_ALL_FAILED == static_cast<int>(Code::all_failed));
static_assert(ZRAFT_STOPPED == static_cast<int>(Code::stopped));
static_assert(ZRAFT_COMPACTED == static_cast<int>(Code::compacted));
static_assert(ZRAFT_CANCELLED == static_cast<int>(Code::cancelled));
static_assert(ZRAFT_UNSUPPORTED == static_cast<int>(Code::unsupported));
static_assert(ZRAFT_STATE_CLOSED == static_cast<int>(client::SessionState::closed));
static_assert(ZRAFT_FOLLOWER == static_cast<int>(net::Consistency::follower));
static_assert(ZRAFT_EVENT_CLOSED == 4);

namespace {

// --- callbacks ---

struct Telling {
  const void* of = nullptr;  // the client or the session whose watch is told
  client::WatchNumber watch;
  bool is_cancelled = false;
};
thread_local Telling* telling = nullptr;

template <class Call>
void tell(Telling& what, const Call& call) {
  Telling* const before = std::exchange(telling, &what);
  call();
  telling = before;
}

Error refused_in_callback() {
  return {Code::bad_request, "a callback must not wait: make this call on a thread of your own"};
}

// --- what comes in ---

Bytes bytes_of(zraft_bytes bytes) {
  return bytes.size == 0 ? Bytes() : Bytes(static_cast<const char*>(bytes.data), bytes.size);
}

zraft_bytes view_of(BytesView bytes) { return {bytes.data(), bytes.size()}; }

Duration duration_of(std::int64_t ms) {
  return Duration::milliseconds(std::clamp(ms, std::int64_t{1}, std::int64_t{86'400'000}));
}

net::Consistency consistency_of(zraft_consistency consistency) { return static_cast<net::Consistency>(consistency); }

machines::CompareAndPut compare_and_put(zraft_bytes key, const zraft_bytes* expected, zraft_bytes value) {
  machines::CompareAndPut command{.key = bytes_of(key), .expected = std::nullopt, .value = bytes_of(value)};
  if (expected != nullptr) command.expected = bytes_of(*expected);
  return command;
}

// --- what goes out ---

zraft_code code_of(const Error& error) { return static_cast<zraft_code>(error.code); }

zraft_code give(zraft_result* result, Given what) {
  const zraft_code code = code_of(what.error);
  if (result != nullptr) static_cast<Given&>(*result) = std::move(what);
  return code;
}

zraft_code give(zraft_result* result, Error error) { return give(result, Given{.error = std::move(error)}); }

template <class T>
zraft_code give_error_of(zraft_result* result, const Result<T>& outcome) {
  return give(result, outcome ? Error{} : outcome.error());
}

zraft_code give_bytes(zraft_result* result, Result<Bytes> answer) {
  if (!answer) return give_error_of(result, answer);
  return give(result, Given{.error = {}, .value = std::move(*answer)});
}

Error no_store() {
  return {Code::unsupported, "the group does not answer like a key-value store: its backend is another"};
}

zraft_code give_outcome(zraft_result* result, const Result<Bytes>& answer) {
  if (!answer) return give_error_of(result, answer);
  auto outcome = machines::decode_outcome(*answer);
  if (!outcome) return give(result, no_store());
  if (auto* refused = std::get_if<machines::Refused>(&*outcome)) return give(result, std::move(refused->error));
  Given what;
  if (const auto* done = std::get_if<machines::Done>(&*outcome)) {
    what.existed = done->existed;
    what.version = done->version;
  } else {
    auto& actual = std::get<machines::Conflict>(*outcome).actual;
    what.error = {Code::conflict, "the key is not what was expected: nothing was changed"};
    what.existed = actual.has_value();
    what.value = std::move(actual).value_or("");
  }
  return give(result, std::move(what));
}

zraft_code give_answer(zraft_result* result, const Result<Bytes>& answer) {
  if (!answer) return give_error_of(result, answer);
  auto read = machines::decode_answer(*answer);
  if (!read) return give(result, no_store());
  if (auto* page = std::get_if<machines::Page>(&*read)) {
    Given what;
    what.page = std::move(*page);
    return give(result, std::move(what));
  }
  auto* found = std::get_if<machines::Found>(&*read);
  if (found == nullptr) return give(result, Error{Code::not_found, "there is no such key"});
  return give(result, Given{.error = {},
                            .value = std::move(found->value),
                            .existed = true,
                            .version = found->version,
                            .owner = found->owner});
}

std::stop_token stop_of(const zraft_result* result) {
  return result == nullptr ? std::stop_token() : result->stop.get_token();
}

Result<Bytes> write_of(zraft_client* client, const zraft_result* result, Bytes command, std::int64_t timeout_ms) {
  if (telling != nullptr) return std::unexpected(refused_in_callback());
  return client->client->propose(std::move(command), duration_of(timeout_ms), stop_of(result));
}

Result<Bytes> write_of(zraft_session* session, const zraft_result* result, Bytes command, bool is_ephemeral,
                       std::int64_t timeout_ms) {
  if (telling != nullptr) return std::unexpected(refused_in_callback());
  return session->session->write(std::move(command), is_ephemeral, duration_of(timeout_ms), stop_of(result));
}

Result<Bytes> read_of(zraft_client* client, const zraft_result* result, Bytes query, zraft_consistency consistency,
                      std::int64_t timeout_ms) {
  if (telling != nullptr) return std::unexpected(refused_in_callback());
  return client->client->query(std::move(query), duration_of(timeout_ms), consistency_of(consistency), stop_of(result));
}

zraft_session* open_with(zraft_client* client, client::SessionOptions options, zraft_on_state on_state, void* user,
                         zraft_result* result) {
  if (telling != nullptr) return give(result, refused_in_callback()), nullptr;
  client::Session::OnState told;
  if (on_state != nullptr) {
    told = [on_state, user](client::SessionState state, const Error&) {
      Telling now;
      tell(now, [&] { on_state(user, static_cast<zraft_session_state>(state)); });
    };
  }
  auto session = client->client->open_session(options, std::move(told), stop_of(result));
  give_error_of(result, session);
  return session ? new zraft_session{*client->client, std::move(*session)} : nullptr;
}

Bytes encoded(machines::KvCommand command) { return machines::encode(command); }
Bytes encoded(machines::KvQuery query) { return machines::encode(query); }

// --- events ---

// One watch, for as long as it may be told something.
struct Watcher {
  const void* of;
  bool is_prefix;
  Bytes key;
  zraft_on_event on_event;
  void* user;
  client::WatchNumber number;
};

zraft_event event_of(const client::Event& event, zraft_event_kind kind) {
  zraft_event told{};
  told.kind = kind;
  told.is_last = event.is_last;
  told.index = event.index.value;
  told.text = "";
  return told;
}

void tell_set(const Watcher& watcher, const client::Event& event) {
  zraft_event told = event_of(event, ZRAFT_EVENT_SET);
  told.key = view_of(watcher.key);
  const auto answer = machines::decode_answer(event.data);
  if (const auto* found = answer ? std::get_if<machines::Found>(&*answer) : nullptr) {
    told.existed = true;
    told.value = view_of(found->value);
    told.version = found->version;
    told.owner = found->owner;
  }
  watcher.on_event(watcher.user, &told);
}

void tell_end(const Watcher& watcher, const client::Event& event, zraft_event_kind kind, const Error& why) {
  zraft_event told = event_of(event, kind);
  told.key = view_of(watcher.key);
  told.code = code_of(why);
  told.text = why.text.c_str();
  watcher.on_event(watcher.user, &told);
}

void tell_changes(const Watcher& watcher, const client::Event& event) {
  bool is_end_told = false;
  for (const node::Change& change : event.changes) {
    const auto decoded = machines::decode_event(change.event);
    if (!decoded) continue;
    const auto* put = std::get_if<machines::PutEvent>(&*decoded);
    zraft_event told = event_of(event, put != nullptr ? ZRAFT_EVENT_PUT : ZRAFT_EVENT_DELETED);
    told.is_last = event.is_last && &change == &event.changes.back();
    told.key = view_of(change.key);
    if (put != nullptr) {
      told.value = view_of(put->value);
      told.version = put->version;
      told.owner = put->owner;
    } else {
      const auto& deleted = std::get<machines::DeletedEvent>(*decoded);
      told.version = deleted.version;
      told.expired = deleted.expired;
    }
    is_end_told = told.is_last;
    watcher.on_event(watcher.user, &told);
    if (telling->is_cancelled) return;
  }
  if (event.is_last && !is_end_told) tell_end(watcher, event, ZRAFT_EVENT_CLOSED, no_store());
}

void tell_event(const Watcher& watcher, const client::Event& event) {
  using What = client::Event::What;
  switch (event.what) {
    case What::set: return tell_set(watcher, event);
    case What::changed: return tell_changes(watcher, event);
    case What::leader_changed: return tell_end(watcher, event, ZRAFT_EVENT_LEADER_CHANGED, event.error);
    case What::closed: return tell_end(watcher, event, ZRAFT_EVENT_CLOSED, event.error);
  }
}

// On the client's thread, so that the number is known there before the first event comes.
template <class Watched>
void watch_at(client::Client& client, Watched& watched, bool is_persistent, std::int64_t timeout_ms, Watcher what,
              zraft_watch_number* number) {
  client::WatchOptions options{.is_persistent = is_persistent, .query = {}};
  options.query = what.is_prefix ? encoded(machines::Count{what.key}) : encoded(machines::Get{what.key});
  const auto watcher = std::make_shared<Watcher>(std::move(what));
  client.run([&](client::LightSession&, node::Loop&) {
    watcher->number = watched.watch(std::move(options), duration_of(timeout_ms), [watcher](client::Event event) {
      Telling now{.of = watcher->of, .watch = watcher->number};
      tell(now, [&] { tell_event(*watcher, event); });
    });
    if (number != nullptr) *number = watcher->number.value;
  });
}

template <class Watched>
void cancel_at(const void* of, Watched& watched, zraft_watch_number number) {
  const client::WatchNumber watch{number};
  watched.cancel(watch);
  if (telling != nullptr && telling->of == of && telling->watch == watch) telling->is_cancelled = true;
}

}  // namespace

zraft_bytes zraft_text(const char* text) { return view_of(text); }

const char* zraft_code_name(zraft_code code) { return name_of(static_cast<Code>(code)).data(); }

// --- results ---

zraft_result* zraft_result_new() { return new zraft_result; }
void zraft_result_free(zraft_result* result) { delete result; }
void zraft_result_cancel(zraft_result* result) { std::stop_source(result->stop).request_stop(); }
zraft_code zraft_result_code(const zraft_result* result) { return code_of(result->error); }
const char* zraft_result_text(const zraft_result* result) { return result->error.text.c_str(); }
zraft_bytes zraft_result_value(const zraft_result* result) { return view_of(result->value); }
bool zraft_result_existed(const zraft_result* result) { return result->existed; }
uint64_t zraft_result_version(const zraft_result* result) { return result->version; }
uint64_t zraft_result_owner(const zraft_result* result) { return result->owner; }
size_t zraft_result_count(const zraft_result* result) { return result->page.items.size(); }
bool zraft_result_more(const zraft_result* result) { return result->page.more; }

zraft_item zraft_result_item(const zraft_result* result, size_t index) {
  const machines::KeyValue& item = result->page.items.at(index);
  return {view_of(item.key), view_of(item.value), item.version, item.owner};
}

// --- a client ---

zraft_client* zraft_client_connect(const char* hosts, const char* group, zraft_result* result) {
  client::Settings settings{.hosts = {}, .group = group};
  for (BytesView rest = hosts; !rest.empty();) {
    const std::size_t end = std::min(rest.find(','), rest.size());
    if (end > 0) settings.hosts.emplace_back(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  auto client = client::Client::connect(std::move(settings));
  give_error_of(result, client);
  return client ? new zraft_client{std::move(*client)} : nullptr;
}

void zraft_client_free(zraft_client* client) { delete client; }

// --- the key-value store ---

zraft_code zraft_put(zraft_client* client, zraft_bytes key, zraft_bytes value, int64_t timeout_ms,
                     zraft_result* result) {
  return give_outcome(result,
                      write_of(client, result, encoded(machines::Put{bytes_of(key), bytes_of(value)}), timeout_ms));
}

zraft_code zraft_delete(zraft_client* client, zraft_bytes key, int64_t timeout_ms, zraft_result* result) {
  return give_outcome(result, write_of(client, result, encoded(machines::Delete{bytes_of(key)}), timeout_ms));
}

zraft_code zraft_compare_and_put(zraft_client* client, zraft_bytes key, const zraft_bytes* expected, zraft_bytes value,
                                 int64_t timeout_ms, zraft_result* result) {
  return give_outcome(result, write_of(client, result, encoded(compare_and_put(key, expected, value)), timeout_ms));
}

zraft_code zraft_compare_and_delete(zraft_client* client, zraft_bytes key, uint64_t version, int64_t timeout_ms,
                                    zraft_result* result) {
  return give_outcome(
      result, write_of(client, result, encoded(machines::CompareAndDelete{bytes_of(key), version}), timeout_ms));
}

zraft_code zraft_get(zraft_client* client, zraft_bytes key, zraft_consistency consistency, int64_t timeout_ms,
                     zraft_result* result) {
  return give_answer(result, read_of(client, result, encoded(machines::Get{bytes_of(key)}), consistency, timeout_ms));
}

zraft_code zraft_scan(zraft_client* client, zraft_bytes prefix, zraft_bytes start_after, uint32_t limit,
                      zraft_consistency consistency, int64_t timeout_ms, zraft_result* result) {
  return give_answer(result,
                     read_of(client, result, encoded(machines::Scan{bytes_of(prefix), bytes_of(start_after), limit}),
                             consistency, timeout_ms));
}

zraft_code zraft_propose(zraft_client* client, zraft_bytes command, int64_t timeout_ms, zraft_result* result) {
  return give_bytes(result, write_of(client, result, bytes_of(command), timeout_ms));
}

zraft_code zraft_query(zraft_client* client, zraft_bytes query, zraft_consistency consistency, int64_t timeout_ms,
                       zraft_result* result) {
  return give_bytes(result, read_of(client, result, bytes_of(query), consistency, timeout_ms));
}

// --- sessions ---

zraft_session* zraft_session_open(zraft_client* client, int64_t session_timeout_ms, int64_t open_timeout_ms,
                                  zraft_on_state on_state, void* user, zraft_result* result) {
  return open_with(client, {.timeout = duration_of(session_timeout_ms), .open_timeout = duration_of(open_timeout_ms)},
                   on_state, user, result);
}

zraft_session* zraft_session_resume(zraft_client* client, uint64_t id, uint64_t last_sequence,
                                    int64_t session_timeout_ms, int64_t open_timeout_ms, zraft_on_state on_state,
                                    void* user, zraft_result* result) {
  if (id == 0) return give(result, Error{Code::bad_request, "0 is no session: open one"}), nullptr;
  return open_with(client,
                   {.timeout = duration_of(session_timeout_ms),
                    .open_timeout = duration_of(open_timeout_ms),
                    .resume = client::SessionOptions::Known{{id}, last_sequence}},
                   on_state, user, result);
}

zraft_code zraft_session_close(zraft_session* session, int64_t timeout_ms, zraft_result* result) {
  if (telling != nullptr) return give(result, refused_in_callback());
  return give_error_of(result, session->session->close(duration_of(timeout_ms)));
}

void zraft_session_free(zraft_session* session) { delete session; }

uint64_t zraft_session_id(zraft_session* session) { return session->session->known().id.value; }

uint64_t zraft_session_last_sequence(zraft_session* session) { return session->session->known().last_sequence; }

zraft_session_state zraft_session_state_of(zraft_session* session) {
  return static_cast<zraft_session_state>(session->session->state());
}

int64_t zraft_session_safe_for_ms(zraft_session* session) { return session->session->safe_for().to_milliseconds(); }

zraft_code zraft_session_put(zraft_session* session, zraft_bytes key, zraft_bytes value, bool is_ephemeral,
                             int64_t timeout_ms, zraft_result* result) {
  return give_outcome(result, write_of(session, result, encoded(machines::Put{bytes_of(key), bytes_of(value)}),
                                       is_ephemeral, timeout_ms));
}

zraft_code zraft_session_delete(zraft_session* session, zraft_bytes key, int64_t timeout_ms, zraft_result* result) {
  return give_outcome(result, write_of(session, result, encoded(machines::Delete{bytes_of(key)}), false, timeout_ms));
}

zraft_code zraft_session_compare_and_put(zraft_session* session, zraft_bytes key, const zraft_bytes* expected,
                                         zraft_bytes value, bool is_ephemeral, int64_t timeout_ms,
                                         zraft_result* result) {
  return give_outcome(
      result, write_of(session, result, encoded(compare_and_put(key, expected, value)), is_ephemeral, timeout_ms));
}

zraft_code zraft_session_compare_and_delete(zraft_session* session, zraft_bytes key, uint64_t version,
                                            int64_t timeout_ms, zraft_result* result) {
  return give_outcome(result, write_of(session, result, encoded(machines::CompareAndDelete{bytes_of(key), version}),
                                       false, timeout_ms));
}

zraft_code zraft_session_write(zraft_session* session, zraft_bytes command, bool is_ephemeral, int64_t timeout_ms,
                               zraft_result* result) {
  return give_bytes(result, write_of(session, result, bytes_of(command), is_ephemeral, timeout_ms));
}

// --- watches ---

void zraft_watch(zraft_client* client, zraft_bytes key, bool is_prefix, bool is_persistent, int64_t timeout_ms,
                 zraft_on_event on_event, void* user, zraft_watch_number* number) {
  watch_at(*client->client, *client->client, is_persistent, timeout_ms,
           {client, is_prefix, bytes_of(key), on_event, user, {}}, number);
}

void zraft_cancel(zraft_client* client, zraft_watch_number number) { cancel_at(client, *client->client, number); }

void zraft_session_watch(zraft_session* session, zraft_bytes key, bool is_prefix, bool is_persistent,
                         int64_t timeout_ms, zraft_on_event on_event, void* user, zraft_watch_number* number) {
  watch_at(session->client, *session->session, is_persistent, timeout_ms,
           {session, is_prefix, bytes_of(key), on_event, user, {}}, number);
}

void zraft_session_cancel(zraft_session* session, zraft_watch_number number) {
  cancel_at(session, *session->session, number);
}
