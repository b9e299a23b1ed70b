// SPDX-License-Identifier: Apache-2.0
//
// What zraft_c.h promises, called from C against a running group: c_client HOSTS DEAD_HOST. Ends with 1 at the first
// promise that is not held, and says which. What callbacks are told comes through a pipe to the thread that waits.
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "zraft/c/zraft_c.h"

static const int64_t patience = 20000;  // ms

static void expect(bool claim, const char* what, const zraft_result* result) {
  if (claim) return;
  fprintf(stderr, "c_client: not so: %s\n", what);
  if (result != NULL) {
    fprintf(stderr, "  %s: %s\n", zraft_code_name(zraft_result_code(result)), zraft_result_text(result));
  }
  exit(EXIT_FAILURE);
}

static bool is_text(zraft_bytes bytes, const char* text) {
  return bytes.size == strlen(text) && (bytes.size == 0 || memcmp(bytes.data, text, bytes.size) == 0);
}

// --- what a watch was told ---

typedef struct told {
  zraft_event_kind kind;
  bool is_last;
  bool existed;
  bool expired;
  uint64_t version;
  uint64_t owner;
  char key[32];
  char value[32];
} told;

typedef struct listener {
  int ends[2];
  zraft_client* client;
  zraft_watch_number number;
  bool cancels;                // itself, when something is put
  zraft_code code_of_waiting;  // what a call that waits was told in the callback
} listener;

static void copy(char* to, zraft_bytes from) {
  expect(from.size < 32, "it is short", NULL);
  if (from.size > 0) memcpy(to, from.data, from.size);
  to[from.size] = '\0';
}

static void on_event(void* user, const zraft_event* event) {
  listener* self = user;
  told what;
  memset(&what, 0, sizeof what);
  what.kind = event->kind;
  what.is_last = event->is_last;
  what.existed = event->existed;
  what.expired = event->expired;
  what.version = event->version;
  what.owner = event->owner;
  copy(what.key, event->key);
  copy(what.value, event->value);
  self->code_of_waiting = zraft_get(self->client, event->key, ZRAFT_LINEARIZABLE, patience, NULL);
  if (self->cancels && event->kind == ZRAFT_EVENT_PUT) zraft_cancel(self->client, self->number);
  expect(write(self->ends[1], &what, sizeof what) == (ssize_t)sizeof what, "the pipe takes it", NULL);
}

static void listen_with(listener* self, zraft_client* client) {
  memset(self, 0, sizeof *self);
  self->client = client;
  expect(pipe(self->ends) == 0, "there is a pipe", NULL);
}

static bool has_more(listener* self, int timeout_ms) {
  struct pollfd one = {self->ends[0], POLLIN, 0};
  return poll(&one, 1, timeout_ms) == 1;
}

static told next_of_any(listener* self) {
  told what;
  expect(has_more(self, (int)patience), "an event comes in time", NULL);
  expect(read(self->ends[0], &what, sizeof what) == (ssize_t)sizeof what, "it is whole", NULL);
  return what;
}

static told next(listener* self, zraft_event_kind kind) {
  const told what = next_of_any(self);
  if (what.kind != kind) fprintf(stderr, "event %d instead of %d\n", (int)what.kind, (int)kind);
  expect(what.kind == kind, "it is the event that was expected", NULL);
  return what;
}

static void end_listening(listener* self) {
  close(self->ends[0]);
  close(self->ends[1]);
}

// --- what is promised ---

static void keys_and_values(zraft_client* client, zraft_result* result) {
  const zraft_bytes key = zraft_text("c/key");
  const zraft_bytes one = zraft_text("one");
  expect(zraft_get(client, key, ZRAFT_LINEARIZABLE, patience, result) == ZRAFT_NOT_FOUND, "it is absent", result);
  expect(!zraft_result_existed(result) && zraft_result_text(result)[0] != '\0', "and that is told", result);
  expect(zraft_put(client, key, one, patience, result) == ZRAFT_OK, "put", result);
  const uint64_t version = zraft_result_version(result);
  expect(version > 0 && !zraft_result_existed(result), "it is new", result);
  expect(zraft_get(client, key, ZRAFT_FOLLOWER, patience, result) == ZRAFT_OK, "get", result);
  expect(is_text(zraft_result_value(result), "one"), "its value", result);
  expect(zraft_result_version(result) == version && zraft_result_owner(result) == 0, "its version", result);

  expect(zraft_compare_and_put(client, key, NULL, one, patience, result) == ZRAFT_CONFLICT, "it is there", result);
  expect(is_text(zraft_result_value(result), "one") && zraft_result_existed(result), "with its value", result);
  const zraft_bytes two = zraft_text("two");
  expect(zraft_compare_and_put(client, key, &one, two, patience, result) == ZRAFT_OK, "compare and put", result);
  expect(zraft_compare_and_delete(client, key, version, patience, result) == ZRAFT_CONFLICT, "old version", result);
  expect(zraft_put(client, zraft_text("c/other"), zraft_text(""), patience, NULL) == ZRAFT_OK, "no result", NULL);

  const zraft_bytes none = {NULL, 0};
  expect(zraft_scan(client, zraft_text("c/"), none, 0, ZRAFT_LINEARIZABLE, patience, result) == ZRAFT_OK, "scan",
         result);
  expect(zraft_result_count(result) == 2 && !zraft_result_more(result), "two keys", result);
  const zraft_item item = zraft_result_item(result, 0);
  expect(is_text(item.key, "c/key") && is_text(item.value, "two") && item.version > version, "the first", result);
  const uint64_t newer = item.version;
  expect(zraft_compare_and_delete(client, key, newer, patience, result) == ZRAFT_OK, "compare and delete", result);
  expect(zraft_delete(client, zraft_text("c/other"), patience, result) == ZRAFT_OK, "delete", result);
  expect(zraft_result_existed(result), "it was there", result);
  expect(zraft_delete(client, key, patience, result) == ZRAFT_OK && !zraft_result_existed(result), "gone", result);
}

static void bytes(zraft_client* client, zraft_result* result) {
  const unsigned char put[] = {1, 1, 0, 0, 0, 'k', 1, 0, 0, 0, 'v'};
  const unsigned char get[] = {1, 1, 0, 0, 0, 'k'};
  const zraft_bytes command = {put, sizeof put};
  const zraft_bytes query = {get, sizeof get};
  expect(zraft_propose(client, command, patience, result) == ZRAFT_OK, "propose", result);
  expect(zraft_result_value(result).size == 10, "the answer's bytes", result);
  expect(zraft_query(client, query, ZRAFT_LEASE, patience, result) == ZRAFT_OK, "query", result);
  const zraft_bytes answer = zraft_result_value(result);
  expect(answer.size > 0 && ((const char*)answer.data)[answer.size - 1] == 'v', "the value is at its end", result);
}

static void note_state(void* user, zraft_session_state state) { *(unsigned*)user |= 1U << state; }

static void sessions_and_watches(zraft_client* client, zraft_result* result) {
  const zraft_bytes key = zraft_text("c/mine");
  listener of_key, of_prefix, of_session;
  listen_with(&of_key, client);
  listen_with(&of_prefix, client);
  listen_with(&of_session, client);
  zraft_watch(client, key, false, false, patience, on_event, &of_key, &of_key.number);
  expect(!next(&of_key, ZRAFT_EVENT_SET).existed, "the key is absent", NULL);
  zraft_watch(client, zraft_text("c/"), true, true, patience, on_event, &of_prefix, NULL);
  next(&of_prefix, ZRAFT_EVENT_SET);

  unsigned states = 0;
  zraft_session* session = zraft_session_open(client, 10000, patience, note_state, &states, result);
  expect(session != NULL, "open a session", result);
  expect(zraft_session_put(session, key, zraft_text("v"), true, patience, result) == ZRAFT_OK, "put in it", result);
  const uint64_t version = zraft_result_version(result);
  expect(zraft_session_state_of(session) == ZRAFT_STATE_CONNECTED, "it is connected", NULL);
  expect(zraft_session_safe_for_ms(session) > 0 && zraft_session_safe_for_ms(session) <= 10000, "it is safe", NULL);

  told what = next(&of_key, ZRAFT_EVENT_PUT);
  expect(what.is_last && what.version == version && strcmp(what.value, "v") == 0, "one shot", NULL);
  expect(of_key.code_of_waiting == ZRAFT_BAD_REQUEST, "a callback must not wait", NULL);
  what = next(&of_prefix, ZRAFT_EVENT_PUT);
  expect(!what.is_last && strcmp(what.key, "c/mine") == 0, "the prefix goes on", NULL);
  expect(what.owner == zraft_session_id(session) && what.owner != 0, "whose it is", NULL);

  of_session.cancels = true;  // of no watch of the client: nothing happens
  zraft_watch_number number = 0;
  zraft_session_watch(session, key, false, true, patience, on_event, &of_session, &number);
  what = next(&of_session, ZRAFT_EVENT_SET);
  expect(number != 0 && what.existed && what.version == version && what.owner != 0, "what it is", NULL);

  expect(zraft_session_close(session, patience, result) == ZRAFT_OK, "close", result);
  what = next_of_any(&of_session);
  if (what.kind == ZRAFT_EVENT_DELETED) what = next_of_any(&of_session);  // its own key, if that is told before
  expect(what.kind == ZRAFT_EVENT_CLOSED && what.is_last, "its watch ends", NULL);
  what = next(&of_prefix, ZRAFT_EVENT_DELETED);
  expect(strcmp(what.key, "c/mine") == 0 && what.version > version, "the key went with it", NULL);
  expect(zraft_get(client, key, ZRAFT_LINEARIZABLE, patience, result) == ZRAFT_NOT_FOUND, "it is gone", result);
  expect(zraft_session_put(session, key, zraft_text("v"), true, patience, result) != ZRAFT_OK, "it is over", result);
  expect(zraft_session_safe_for_ms(session) == 0, "and not safe", NULL);
  zraft_session_free(session);
  expect((states & 1U << ZRAFT_STATE_CONNECTED) != 0, "it was told that it was connected", NULL);
  expect((states & 1U << ZRAFT_STATE_CLOSED) != 0 && (states & 1U << ZRAFT_STATE_EXPIRED) == 0, "and closed", NULL);
  end_listening(&of_key);
  end_listening(&of_session);
  // That of the prefix is still watched: it ends with the client.
}

static void a_watch_cancels_itself(zraft_client* client, zraft_result* result) {
  listener self;
  listen_with(&self, client);
  self.cancels = true;
  zraft_watch(client, zraft_text("d/"), true, true, patience, on_event, &self, &self.number);
  next(&self, ZRAFT_EVENT_SET);
  expect(zraft_put(client, zraft_text("d/1"), zraft_text("x"), patience, result) == ZRAFT_OK, "put", result);
  next(&self, ZRAFT_EVENT_PUT);
  expect(zraft_put(client, zraft_text("d/2"), zraft_text("x"), patience, result) == ZRAFT_OK, "put", result);
  expect(!has_more(&self, 0), "nothing after it was cancelled", NULL);
  zraft_cancel(client, self.number);
  end_listening(&self);
}

// As another process would that knows the id and the last sequence.
static void a_session_goes_on(zraft_client* client, zraft_result* result) {
  const zraft_bytes key = zraft_text("e/mine");
  zraft_session* first = zraft_session_open(client, 10000, patience, NULL, NULL, result);
  expect(first != NULL, "open a session", result);
  expect(zraft_session_last_sequence(first) == 0, "nothing was written in it", NULL);
  expect(zraft_session_put(first, key, zraft_text("v"), true, patience, result) == ZRAFT_OK, "put in it", result);
  const uint64_t id = zraft_session_id(first);
  const uint64_t last = zraft_session_last_sequence(first);
  expect(last == 1, "one write", NULL);
  zraft_session_free(first);

  zraft_session* second = zraft_session_resume(client, id, last, 10000, patience, NULL, NULL, result);
  expect(second != NULL && zraft_session_id(second) == id, "resume it", result);
  expect(zraft_get(client, key, ZRAFT_LINEARIZABLE, patience, result) == ZRAFT_OK, "its key is there", result);
  expect(zraft_result_owner(result) == id, "and its own", result);
  expect(zraft_session_delete(second, key, patience, result) == ZRAFT_OK, "write in it", result);
  expect(zraft_session_last_sequence(second) == last + 1, "it counts on", NULL);
  expect(zraft_session_close(second, patience, result) == ZRAFT_OK, "close", result);
  zraft_session_free(second);
  expect(zraft_session_resume(client, id, last + 1, 10000, patience, NULL, NULL, result) == NULL, "over", NULL);
  expect(zraft_result_code(result) == ZRAFT_SESSION_EXPIRED, "and that is told", result);
  expect(zraft_session_resume(client, 0, 0, 10000, patience, NULL, NULL, result) == NULL, "none", NULL);
  expect(zraft_result_code(result) == ZRAFT_BAD_REQUEST, "and that too", result);
}

static void* cancel(void* result) {
  zraft_result_cancel(result);
  return NULL;
}

static void cancellation(zraft_client* client, const char* dead_host, zraft_result* result) {
  zraft_client* nobody = zraft_client_connect(dead_host, "kv", result);
  expect(nobody != NULL, "connect", result);
  zraft_result* cancelled = zraft_result_new();
  pthread_t other;
  expect(pthread_create(&other, NULL, cancel, cancelled) == 0, "there is a thread", NULL);
  const zraft_bytes key = zraft_text("k");
  expect(zraft_put(nobody, key, key, 86400000, cancelled) == ZRAFT_CANCELLED, "a write ends", cancelled);
  expect(zraft_get(nobody, key, ZRAFT_LINEARIZABLE, 86400000, cancelled) == ZRAFT_CANCELLED, "a read", cancelled);
  expect(zraft_session_open(nobody, 10000, 86400000, NULL, NULL, cancelled) == NULL, "an opening", NULL);
  expect(zraft_result_code(cancelled) == ZRAFT_CANCELLED && zraft_result_text(cancelled)[0] != '\0', "told", cancelled);
  expect(pthread_join(other, NULL) == 0, "the thread ends", NULL);
  expect(zraft_put(client, key, key, patience, result) == ZRAFT_OK, "other results are not concerned", result);
  zraft_result_free(cancelled);
  zraft_client_free(nobody);
}

static void errors(const char* dead_host, zraft_result* result) {
  expect(zraft_client_connect("nonsense", "kv", result) == NULL, "no address", NULL);
  expect(zraft_result_code(result) == ZRAFT_BAD_REQUEST && zraft_result_text(result)[0] != '\0', "says so", result);
  expect(zraft_client_connect("", "kv", NULL) == NULL, "no hosts", NULL);
  zraft_client* client = zraft_client_connect(dead_host, "kv", result);
  expect(client != NULL, "it is not connected yet", result);
  const zraft_code code = zraft_put(client, zraft_text("k"), zraft_text("v"), 300, result);
  expect(code == ZRAFT_ALL_FAILED || code == ZRAFT_TIMEOUT, "nobody is there", result);
  expect(strstr(zraft_result_text(result), dead_host) != NULL, "it is named", result);
  expect(zraft_session_open(client, 10000, 300, NULL, NULL, result) == NULL, "no session", NULL);
  expect(zraft_result_code(result) != ZRAFT_OK, "it says why", result);
  zraft_client_free(client);
}

int main(int argc, char** argv) {
  expect(argc == 3, "usage: c_client HOSTS DEAD_HOST", NULL);
  zraft_result* result = zraft_result_new();
  zraft_client* client = zraft_client_connect(argv[1], "kv", result);
  expect(client != NULL, "connect", result);
  keys_and_values(client, result);
  bytes(client, result);
  sessions_and_watches(client, result);
  a_watch_cancels_itself(client, result);
  a_session_goes_on(client, result);
  cancellation(client, argv[2], result);
  zraft_client_free(client);
  errors(argv[2], result);
  zraft_result_free(result);
  zraft_result_free(NULL);
  puts("c_client: all is so");
  return EXIT_SUCCESS;
}
