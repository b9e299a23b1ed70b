// SPDX-License-Identifier: Apache-2.0
//
// See turn.h.
#include "cli/turn.h"

#include <cstdio>
#include <optional>
#include <utility>

namespace zraft::cli {
namespace {

// The session tells before that if it cannot be done.
constexpr Duration write_timeout = Duration::seconds(24 * 3600);

Error strange() {
  return {Code::unsupported, "the group does not answer like a key-value store: its backend is another"};
}

std::string hex(std::uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}

}  // namespace

Turn::Turn(node::Loop& loop, client::Session& session, std::string name, Bytes value, Duration timeout, Told told)
    : loop_(loop),
      session_(session),
      prefix_(std::move(name) + "/"),
      value_(std::move(value)),
      timeout_(timeout),
      told_(std::move(told)) {}

// The write is applied once, however often it is sent, so its version is the place in the queue.
void Turn::begin() {
  key_ = prefix_ + hex(session_.id().value);
  session_.write(machines::encode(machines::KvCommand(machines::Put{key_, value_})), true,
                 loop_.now() + write_timeout,
                 [this, life = lifetime_.watch()](client::Outcome outcome) {
                   if (life.is_over()) return;
                   if (outcome.error.code != Code::ok) return fail(std::move(outcome.error));
                   const auto answer = machines::decode_outcome(outcome.data);
                   const auto* done = answer ? std::get_if<machines::Done>(&*answer) : nullptr;
                   if (done == nullptr) return fail(strange());
                   token_ = done->version;
                   look();
                 });
}

void Turn::look() {
  const Bytes after = queue_.empty() ? Bytes() : queue_.back().key;
  session_.query(machines::encode(machines::KvQuery(machines::Scan{prefix_, after, 0})), {}, deadline(),
                 [this, life = lifetime_.watch()](client::Outcome outcome) {
                   if (!life.is_over()) on_page(std::move(outcome));
                 });
}

void Turn::on_page(client::Outcome outcome) {
  const Code code = outcome.error.code;
  if (code == Code::timeout || code == Code::all_failed || code == Code::busy) {
    queue_.clear();
    return look();  // as long as the session lives
  }
  if (code != Code::ok) return fail(std::move(outcome.error));
  auto answer = machines::decode_answer(outcome.data);
  auto* page = answer ? std::get_if<machines::Page>(&*answer) : nullptr;
  if (page == nullptr) return fail(strange());
  for (machines::KeyValue& item : page->items) queue_.push_back(std::move(item));
  if (page->more) return look();
  decide();
}

void Turn::decide() {
  const machines::KeyValue* ahead = nullptr;
  bool is_there = false;
  for (const machines::KeyValue& other : queue_) {
    is_there |= other.version == token_;
    if (other.owner == 0 || other.version >= token_) continue;  // nobody's: it would never go away
    if (ahead == nullptr || ahead->version < other.version) ahead = &other;
  }
  if (!is_there) return fail({Code::session_expired, "the place in the queue is gone: somebody has deleted it"});
  if (ahead == nullptr) return told_.first(token_);
  const machines::KeyValue before = *ahead;
  queue_.clear();
  if (told_.waits) told_.waits(before);
  wait_for(before);
}

// Set by a read, so that an end between the look and the watch is not missed.
void Turn::wait_for(const machines::KeyValue& ahead) {
  client::WatchOptions options{.is_persistent = false,
                               .query = machines::encode(machines::KvQuery(machines::Get{ahead.key}))};
  watch_ = session_.watch(std::move(options), deadline(), [this, version = ahead.version](client::Event event) {
    if (event.what == client::Event::What::set) {
      const auto answer = machines::decode_answer(event.data);
      const auto* found = answer ? std::get_if<machines::Found>(&*answer) : nullptr;
      if (found != nullptr && found->version == version) return;
      session_.cancel(watch_);
    }
    const bool is_over = session_.state() == client::SessionState::expired ||
                         session_.state() == client::SessionState::closed;
    if (!is_over) look();  // whatever has happened, the next look tells
  });
}

void Turn::fail(Error why) {
  queue_.clear();
  told_.failed(why);
}

}  // namespace zraft::cli
