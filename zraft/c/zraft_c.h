// SPDX-License-Identifier: Apache-2.0
//
// The client for programs in C (C99), and in whatever can call C: zraft/client over opaque handles. It speaks with one
// group, in the language of the key-value store or, to a state machine of your own, in bytes.
//
//   zraft_result* result = zraft_result_new();
//   zraft_client* client = zraft_client_connect("127.0.0.1:7101,127.0.0.1:7102", "kv", result);
//   if (zraft_put(client, zraft_text("greeting"), zraft_text("hello"), 5000, result) != ZRAFT_OK)
//     fprintf(stderr, "%s\n", zraft_result_text(result));
//
// For all functions:
//   - Threads. Every call may be made from every thread, but a result is for one call at a time: one a thread.
//   - Callbacks run on the client's thread, one after the other. They must not block and must not free anything of the
//     client. A call that has a timeout and a result is refused there with ZRAFT_BAD_REQUEST; the others are not.
//   - Ownership. Whatever is passed in is copied, or looked at until the call returns. What a result gives belongs to
//     it, until it is used for another call or freed; what an event gives is there until its callback returns.
//     Who is given a handle frees it: watches end by themselves, sessions before their client.
//   - Times are milliseconds. A timeout is how long the call may take (10 ms more at most): 1 to 86,400,000, others
//     count as the nearer of the two.
//   - NULL stands for a result that nobody wants. Freeing NULL does nothing. Other handles must not be NULL.
//   - When memory runs out the process ends.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// Bytes that somebody else owns; they need not be text. `data` may be NULL if `size` is 0. Keys and values are smaller
// than 4 GiB; a group's own limits are far below (ZRAFT_TOO_LARGE).
typedef struct zraft_bytes {
  const void* data;
  size_t size;
} zraft_bytes;
// The bytes of a text that ends with 0, without that. The text must outlive them.
zraft_bytes zraft_text(const char* text);

// How a call ended. The numbers never change; others may come.
typedef enum zraft_code {
  ZRAFT_OK = 0,
  ZRAFT_TIMEOUT_UNKNOWN_OUTCOME = 2,  // a write was sent and not answered: it may have been applied, or may be yet
  ZRAFT_BUSY = 3,                     // not applied: try again later
  ZRAFT_TOO_LARGE = 4,
  ZRAFT_LOADING = 5,
  ZRAFT_SESSION_EXPIRED = 6,          // not applied; the session is over, and what it owned is gone
  ZRAFT_ALL_FAILED = 13,              // not applied: no host answered
  ZRAFT_TIMEOUT = 15,                 // not applied, or not read, in time
  ZRAFT_NOT_FOUND = 16,               // no such key, or no such group
  ZRAFT_CONFLICT = 17,                // the key is not what was expected; nothing was changed
  ZRAFT_BAD_REQUEST = 18,
  ZRAFT_STOPPED = 19,                 // the group, the client or the session has ended
  ZRAFT_COMPACTED = 20,               // a watch cannot go on: changes may have been missed. Read again, and watch anew
  ZRAFT_CANCELLED = 21,               // not applied, or not read: by zraft_result_cancel
  ZRAFT_IO = 32,
  ZRAFT_UNSUPPORTED = 35              // among others: the group's backend is no key-value store
} zraft_code;
// "timeout", "conflict", ...; for every number something. Lives for ever.
const char* zraft_code_name(zraft_code code);

// --- results: what a call gave, and why it did not ---

typedef struct zraft_result zraft_result;
zraft_result* zraft_result_new(void);
void zraft_result_free(zraft_result* result);
// From whatever thread: the call that waits with this result ends, and so does every later one, with ZRAFT_CANCELLED;
// or with ZRAFT_TIMEOUT_UNKNOWN_OUTCOME, if it is a write that was sent. Not zraft_session_close.
void zraft_result_cancel(zraft_result* result);
// As the call returned it, and one sentence of what is wrong and what to do; empty if it is ZRAFT_OK.
zraft_code zraft_result_code(const zraft_result* result);
const char* zraft_result_text(const zraft_result* result);
// The value that was read; of propose, query and session_write the answer's bytes; of ZRAFT_CONFLICT the value that the
// key has. Else empty.
zraft_bytes zraft_result_value(const zraft_result* result);
// Whether the key was there: before a write, or when it was read or compared.
bool zraft_result_existed(const zraft_result* result);
// Of a key that was read: when it was put. Of a write: its own. Versions never fall, so a lock's is its fencing token.
uint64_t zraft_result_version(const zraft_result* result);
// Of a key that was read: the session with which it goes. 0: none.
uint64_t zraft_result_owner(const zraft_result* result);

typedef struct zraft_item {
  zraft_bytes key;
  zraft_bytes value;
  uint64_t version;
  uint64_t owner;
} zraft_item;
// Of a scan: how many items there are, each of them (index below the count), and whether more come after the last.
size_t zraft_result_count(const zraft_result* result);
zraft_item zraft_result_item(const zraft_result* result, size_t index);
bool zraft_result_more(const zraft_result* result);

// --- a client of one group ---

typedef struct zraft_client zraft_client;
// `hosts`: "host:port,host:port,..."; one that lives is enough, the others are learned. Returns at once: hosts are
// connected when the first call needs them. NULL: the result says why (ZRAFT_BAD_REQUEST, ZRAFT_IO).
zraft_client* zraft_client_connect(const char* hosts, const char* group, zraft_result* result);
// Calls that are under way on other threads must have returned; its sessions must be freed. No callback runs after it.
void zraft_client_free(zraft_client* client);

// What a read sees (docs/client.md): all but ZRAFT_STALE every write that was acknowledged before the read began.
typedef enum zraft_consistency {
  ZRAFT_LINEARIZABLE = 1,
  ZRAFT_STALE = 2,
  ZRAFT_LEASE = 3,
  ZRAFT_FOLLOWER = 4
} zraft_consistency;

// --- the key-value store. These wait, and return the code that the result has as well ---

// ZRAFT_OK: result has existed and version. A put or delete that ends in ZRAFT_TIMEOUT_UNKNOWN_OUTCOME may have been
// applied; a session (below) has it applied once, however often it is sent.
zraft_code zraft_put(zraft_client* client, zraft_bytes key, zraft_bytes value, int64_t timeout_ms,
                     zraft_result* result);
zraft_code zraft_delete(zraft_client* client, zraft_bytes key, int64_t timeout_ms, zraft_result* result);
// Puts `value` if the key has the value `*expected`, or, if that is NULL, if there is no such key. Else ZRAFT_CONFLICT;
// the result has existed and the value that is there.
zraft_code zraft_compare_and_put(zraft_client* client, zraft_bytes key, const zraft_bytes* expected, zraft_bytes value,
                                 int64_t timeout_ms, zraft_result* result);
// Deletes the key if it still is what was put at `version`. Else ZRAFT_CONFLICT.
zraft_code zraft_compare_and_delete(zraft_client* client, zraft_bytes key, uint64_t version, int64_t timeout_ms,
                                    zraft_result* result);
// ZRAFT_OK: value, version, owner. ZRAFT_NOT_FOUND, and existed is false: there is no such key.
zraft_code zraft_get(zraft_client* client, zraft_bytes key, zraft_consistency consistency, int64_t timeout_ms,
                     zraft_result* result);
// The keys that start with `prefix` and come after `start_after` (empty: from the first), in the order of their bytes,
// at most `limit` of them (0: as many as one answer holds).
zraft_code zraft_scan(zraft_client* client, zraft_bytes prefix, zraft_bytes start_after, uint32_t limit,
                      zraft_consistency consistency, int64_t timeout_ms, zraft_result* result);

// --- bytes, for a state machine of your own: ZRAFT_OK, and its answer is the value ---

zraft_code zraft_propose(zraft_client* client, zraft_bytes command, int64_t timeout_ms, zraft_result* result);
zraft_code zraft_query(zraft_client* client, zraft_bytes query, zraft_consistency consistency, int64_t timeout_ms,
                       zraft_result* result);

// --- sessions: writes that are applied once, and data that goes when the session ends ---

typedef struct zraft_session zraft_session;
typedef enum zraft_session_state {
  ZRAFT_STATE_OPENING = 0,
  ZRAFT_STATE_CONNECTED = 1,
  ZRAFT_STATE_SUSPENDED = 2,  // nobody has confirmed it for 4/9 of its timeout: it may be lost
  ZRAFT_STATE_EXPIRED = 3,    // the group says that it is over; final
  ZRAFT_STATE_CLOSED = 4      // closed, or it could not be opened; final
} zraft_session_state;
// On the client's thread, at each change.
typedef void (*zraft_on_state)(void* user, zraft_session_state state);

// Waits until it is open. `session_timeout_ms`, 200 to 86,400,000: after so long without a sign of life the group may
// end it; it keeps itself alive. `open_timeout_ms` is how long this call tries. `on_state` may be NULL; `user` is given
// to it, and must live until the session is freed. NULL: the result says why.
zraft_session* zraft_session_open(zraft_client* client, int64_t session_timeout_ms, int64_t open_timeout_ms,
                                  zraft_on_state on_state, void* user, zraft_result* result);
// Goes on with a session that was opened before, perhaps by another process: under its id, with the last sequence that
// was used in it or a greater one, and the session_timeout_ms with which it was opened. Nobody else may use it. What
// was written in it before is not applied any more, if it was not yet. ZRAFT_SESSION_EXPIRED: it is over.
zraft_session* zraft_session_resume(zraft_client* client, uint64_t id, uint64_t last_sequence,
                                    int64_t session_timeout_ms, int64_t open_timeout_ms, zraft_on_state on_state,
                                    void* user, zraft_result* result);
// Ends it and what belongs to it. Another code than ZRAFT_OK: nobody has confirmed that, and the group ends it after
// its timeout. The handle is still to be freed.
zraft_code zraft_session_close(zraft_session* session, int64_t timeout_ms, zraft_result* result);
// No call of it may be under way. Without a close before, the group ends it after its timeout.
void zraft_session_free(zraft_session* session);

// What the `owner` of its ephemeral keys is.
uint64_t zraft_session_id(zraft_session* session);
// Of its newest write; with the id, for zraft_session_resume. Each write takes the next number.
uint64_t zraft_session_last_sequence(zraft_session* session);
zraft_session_state zraft_session_state_of(zraft_session* session);
// For how long the group has certainly not ended it, by this machine's clock. 0: not certain at all; whoever holds a
// lock by it stops. Not even that is safe alone: pass the version of the lock's key on to what it protects, and have
// that refuse a smaller one than it has seen.
int64_t zraft_session_safe_for_ms(zraft_session* session);

// As above, but applied once, however often they were sent, or not at all. `is_ephemeral`: the key goes when the
// session ends. Reads are the client's: what was
// written in a session is seen by every read that begins after its answer, but for ZRAFT_STALE.
zraft_code zraft_session_put(zraft_session* session, zraft_bytes key, zraft_bytes value, bool is_ephemeral,
                             int64_t timeout_ms, zraft_result* result);
zraft_code zraft_session_delete(zraft_session* session, zraft_bytes key, int64_t timeout_ms, zraft_result* result);
zraft_code zraft_session_compare_and_put(zraft_session* session, zraft_bytes key, const zraft_bytes* expected,
                                         zraft_bytes value, bool is_ephemeral, int64_t timeout_ms,
                                         zraft_result* result);
zraft_code zraft_session_compare_and_delete(zraft_session* session, zraft_bytes key, uint64_t version,
                                            int64_t timeout_ms, zraft_result* result);
// Bytes, for a state machine of your own.
zraft_code zraft_session_write(zraft_session* session, zraft_bytes command, bool is_ephemeral, int64_t timeout_ms,
                               zraft_result* result);

// --- watches: what becomes of a key, or of all keys that start with a prefix ---

typedef enum zraft_event_kind {
  ZRAFT_EVENT_SET = 0,     // the first: the watch is set. Of one key, existed, value, version and owner are what it is
  ZRAFT_EVENT_PUT = 1,     // key, value, version, owner
  ZRAFT_EVENT_DELETED = 2,  // key, and at which version; expired: because the session that owned it has ended
  ZRAFT_EVENT_LEADER_CHANGED = 3,  // of a one-shot watch, last: it does not see what comes, set another one
  ZRAFT_EVENT_CLOSED = 4           // last; code and text say why
} zraft_event_kind;
typedef struct zraft_event {
  zraft_event_kind kind;
  bool is_last;  // no other comes: `user` is not needed any more
  bool existed;
  bool expired;
  uint64_t index;  // of the entry of the log that it tells of; of SET: changes behind it are told
  uint64_t version;
  uint64_t owner;
  zraft_bytes key;
  zraft_bytes value;
  zraft_code code;
  const char* text;
} zraft_event;
typedef void (*zraft_on_event)(void* user, const zraft_event* event);
typedef uint64_t zraft_watch_number;  // 0: none

// `key`: a key or, with `is_prefix`, what the keys begin with; for those that are there already, scan when SET has
// come. A persistent watch goes on until it is cancelled or closed, and misses nothing; one that is not ends with the
// first entry that changes something. `timeout_ms`: to set it; else CLOSED comes. `user` is given to the callback.
// Returns at once; `*number` is known before the first event comes, so the callback may cancel by it (`number` NULL:
// nobody wants to).
void zraft_watch(zraft_client* client, zraft_bytes key, bool is_prefix, bool is_persistent, int64_t timeout_ms,
                 zraft_on_event on_event, void* user, zraft_watch_number* number);
// No event comes after it has returned. A watch that is over, or none: nothing happens.
void zraft_cancel(zraft_client* client, zraft_watch_number number);
// The same, and the watch ends with the session: CLOSED comes then, perhaps after the end of the session's own keys.
void zraft_session_watch(zraft_session* session, zraft_bytes key, bool is_prefix, bool is_persistent,
                         int64_t timeout_ms, zraft_on_event on_event, void* user, zraft_watch_number* number);
void zraft_session_cancel(zraft_session* session, zraft_watch_number number);

#ifdef __cplusplus
}
#endif
