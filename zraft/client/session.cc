// SPDX-License-Identifier: Apache-2.0
//
// Everything that a session sends goes through LightSession::repeat, which finds the leader and tries again; here is
// what is sent, when, and what its answer says of the session. `acknowledged` is the sequence below the oldest write
// that was not told: what was told is not asked for again.
#include "zraft/client/session.h"

#include <algorithm>
#include <utility>

namespace zraft::client {
namespace {

constexpr Duration timeout_least = Duration::milliseconds(3);
constexpr Duration timeout_most = Duration::milliseconds(UINT32_MAX);
constexpr Duration attempt_least = Duration::milliseconds(50);
constexpr Duration keep_alive_pause = Duration::milliseconds(100);  // after one that failed at once
constexpr Duration farewell_timeout = Duration::seconds(5);

}  // namespace

std::string_view name_of(SessionState state) {
  switch (state) {
    case SessionState::opening: return "opening";
    case SessionState::connected: return "connected";
    case SessionState::suspended: return "suspended";
    case SessionState::expired: return "expired";
    case SessionState::closed: return "closed";
  }
  return "unknown";
}

Session::Session(node::Loop& loop, LightSession& light, SessionOptions options, Random random, OnState on_state)
    : loop_(loop),
      light_(light),
      options_(options),
      random_(random),
      on_state_(std::move(on_state)),
      last_sequence_(options.resume ? options.resume->last_sequence : 0),
      watches_(loop, light, random_.fork(), std::nullopt) {
  options_.timeout = std::clamp(options_.timeout, timeout_least, timeout_most);
  // A watch may hear of the close before its answer comes; then that answer says how it went.
  watches_.set_on_expired([this](const Error& why) {
    if (!was_closed_) on_expired(why);
  });
  open();
}

Session::~Session() {
  loop_.cancel(timer_);
  if (closing_) loop_.cancel(closing_->timer);
  for (auto& [sequence, write] : writes_) loop_.cancel(write.timer);
}

// --- to be opened ---

void Session::open() {
  net::RequestBody body;
  if (options_.resume) {
    body = net::KeepAlive{
        .group = light_.group(), .session = options_.resume->id, .acknowledged = options_.resume->last_sequence};
  } else {
    body = net::OpenSession{.group = light_.group(),
                            .nonce = {random_.next(), random_.next()},
                            .session_timeout_ms = static_cast<std::uint32_t>(options_.timeout.to_milliseconds())};
  }
  light_.repeat({.body = std::move(body),
                 .deadline = loop_.now() + options_.open_timeout,
                 .refresh = nullptr,
                 .done = [this, life = lifetime_.watch()](Repeated answer) {
                   if (!life.is_over()) on_opened(std::move(answer));
                 }});
}

void Session::on_opened(Repeated answer) {
  Error& error = answer.reply.error;
  const auto* opened = std::get_if<net::SessionOpened>(&answer.reply.body);
  if (error.code == Code::ok && opened == nullptr && !options_.resume) {
    error = {Code::corrupt, answer.host + " answered the opening of a session with something else"};
  }
  if (error.code != Code::ok) {
    if (is_over()) return;
    if (error.code == Code::session_expired) return on_expired(error);
    return end(SessionState::closed, {error.code, "the session could not be opened: " + error.text});
  }
  id_ = options_.resume ? options_.resume->id : opened->session;
  if (is_over()) {
    // close() did not wait so long.
    light_.repeat({.body = net::CloseSession{light_.group(), id_},
                   .deadline = loop_.now() + farewell_timeout,
                   .refresh = nullptr,
                   .done = [](const Repeated&) {}});
    return;
  }
  if (closing_) {
    loop_.cancel(std::exchange(closing_->timer, {}));
    return send_close();
  }
  state_ = SessionState::connected;
  renewed_ = answer.sent;
  next_keep_alive_ = renewed_ + interval();
  std::vector<std::uint64_t> waiting;
  for (const auto& [sequence, write] : writes_) waiting.push_back(sequence);
  for (const std::uint64_t sequence : waiting) send(sequence);
  watches_.begin(id_);
  arm();
  if (on_state_) on_state_(state_, {});
}

// --- writes ---

std::uint64_t Session::acknowledged() const { return writes_.empty() ? last_sequence_ : writes_.begin()->first - 1; }

Error Session::why_over() const {
  if (is_over() && why_over_.code == Code::session_expired) return why_over_;
  return {Code::stopped, why_over_.text.empty() ? "the session is closed: open another one" : why_over_.text};
}

std::uint64_t Session::write(Bytes command, bool is_ephemeral, Instant deadline, Done done) {
  if (is_over() || was_closed_) {
    refuse(why_over(), std::move(done));
    return 0;
  }
  if (last_sequence_ - acknowledged() >= session_window) {
    refuse({Code::busy, "the session has " + std::to_string(session_window) +
                            " writes from the oldest that was not answered on: wait for answers first"},
           std::move(done));
    return 0;
  }
  const std::uint64_t sequence = ++last_sequence_;
  Write& write = writes_[sequence];
  write.command = std::move(command);
  write.is_ephemeral = is_ephemeral;
  write.deadline = deadline;
  write.done = std::move(done);
  if (state_ != SessionState::opening) {
    send(sequence);
    return sequence;
  }
  write.timer = loop_.wake_at(deadline, [this, sequence] {
    writes_.at(sequence).timer = {};
    tell(sequence, {{Code::timeout, "the session was not opened in time; nothing was changed"}, {}});
  });
  return sequence;
}

void Session::refuse(Error error, Done done) {
  loop_.post([error = std::move(error), done = std::move(done), life = lifetime_.watch()]() mutable {
    if (!life.is_over()) done({.error = std::move(error), .data = {}});
  });
}

void Session::send(std::uint64_t sequence) {
  Write& write = writes_.at(sequence);
  loop_.cancel(std::exchange(write.timer, {}));
  write.is_sent = true;
  const auto life = lifetime_.watch();
  write.request = light_.repeat(
      {.body = net::SessionWrite{.group = light_.group(),
                                 .session = id_,
                                 .sequence = sequence,
                                 .acknowledged = acknowledged(),
                                 .is_ephemeral = write.is_ephemeral,
                                 .data = std::move(write.command)},
       .deadline = write.deadline,
       .refresh =
           [this, life](net::RequestBody& body) {
             if (!life.is_over()) std::get<net::SessionWrite>(body).acknowledged = acknowledged();
           },
       .done =
           [this, life, sequence](Repeated answer) {
             if (!life.is_over()) on_written(sequence, std::move(answer));
           }});
}

// A refusal speaks for the attempt that it answers. If another one is in doubt, the write may have been applied by
// that, even if there is no session any more by now.
void Session::on_written(std::uint64_t sequence, Repeated answer) {
  Error error = std::move(answer.reply.error);
  auto* data = std::get_if<net::Data>(&answer.reply.body);
  if (error.code == Code::ok && data == nullptr) {
    error = {Code::timeout_unknown_outcome, answer.host + " answered a write with something else"};
  }
  const auto life = lifetime_.watch();
  if (error.code == Code::ok) on_renewed(answer.sent);
  if (error.code == Code::session_expired && !was_closed_) on_expired(error);
  if (life.is_over()) return;
  if (answer.is_in_doubt && error.code != Code::ok && error.code != Code::timeout_unknown_outcome) {
    error = {Code::timeout_unknown_outcome,
             "an attempt was not answered, and the write may have been applied; the last answer was: " + error.text};
  }
  tell(sequence, {.error = std::move(error), .data = data == nullptr ? Bytes{} : std::move(data->data)});
}

void Session::tell(std::uint64_t sequence, Outcome outcome) {
  const auto found = writes_.find(sequence);
  if (found == writes_.end()) return;
  Done done = std::move(found->second.done);
  loop_.cancel(found->second.timer);
  writes_.erase(found);
  done(std::move(outcome));
}

void Session::cancel_write(std::uint64_t sequence) {
  const auto found = writes_.find(sequence);
  if (found == writes_.end()) return;
  if (found->second.is_sent) return light_.cancel(found->second.request);
  Done done = std::move(found->second.done);
  loop_.cancel(found->second.timer);
  writes_.erase(found);
  refuse({Code::cancelled, "it was cancelled before the session was open"}, std::move(done));
}

RequestNumber Session::query(Bytes query, net::ReadChoice choice, Instant deadline, Done done) {
  return light_.query(std::move(query), choice, deadline,
                      [done = std::move(done), life = lifetime_.watch()](Outcome outcome) mutable {
                        if (!life.is_over()) done(std::move(outcome));
                      });
}

WatchNumber Session::watch(WatchOptions options, Instant deadline, OnEvent on_event) {
  if (!is_over() && !was_closed_) return watches_.watch(std::move(options), deadline, std::move(on_event));
  loop_.post([error = why_over(), on_event = std::move(on_event), life = lifetime_.watch()]() mutable {
    if (life.is_over()) return;
    on_event({.what = Event::What::closed, .is_last = true, .index = {}, .data = {}, .changes = {},
              .error = std::move(error)});
  });
  return {};
}

// --- to stay alive ---

void Session::keep_alive() {
  is_keeping_alive_ = true;
  const auto life = lifetime_.watch();
  light_.repeat(
      {.body = net::KeepAlive{.group = light_.group(), .session = id_, .acknowledged = acknowledged()},
       .deadline = loop_.now() + interval(),
       // A host that hangs must not cost the session.
       .attempt_timeout = std::clamp(interval() / 2, std::min(attempt_least, light_.attempt_timeout()),
                                     light_.attempt_timeout()),
       .refresh =
           [this, life](net::RequestBody& body) {
             if (!life.is_over()) std::get<net::KeepAlive>(body).acknowledged = acknowledged();
           },
       .done =
           [this, life](const Repeated& answer) {
             if (!life.is_over()) on_kept_alive(answer);
           }});
}

void Session::on_kept_alive(const Repeated& answer) {
  is_keeping_alive_ = false;
  if (is_over() || was_closed_) return;
  if (answer.reply.error.code == Code::session_expired) return on_expired(answer.reply.error);
  if (answer.reply.error.code == Code::ok) return on_renewed(answer.sent);
  next_keep_alive_ = loop_.now() + std::min(interval() / 4, keep_alive_pause);
  arm();
}

void Session::on_renewed(Instant sent) {
  if (is_over()) return;
  renewed_ = std::max(renewed_, sent);
  next_keep_alive_ = std::max(next_keep_alive_, renewed_ + interval());
  arm();
  // An answer that took very long says nothing of now.
  const bool is_fresh = loop_.now() < renewed_ + interval() * 4 / 3;
  if (state_ != SessionState::suspended || !is_fresh) return;
  state_ = SessionState::connected;
  arm();
  if (on_state_) on_state_(state_, {});
}

Instant Session::safe_until() const {
  const bool is_open = state_ == SessionState::connected || state_ == SessionState::suspended;
  return is_open && !was_closed_ ? renewed_ + options_.timeout : Instant{};
}

void Session::arm() {
  loop_.cancel(std::exchange(timer_, {}));
  if (is_over() || state_ == SessionState::opening) return;
  Instant next = Instant::never();
  if (!is_keeping_alive_ && !was_closed_) next = next_keep_alive_;
  if (state_ != SessionState::suspended) next = std::min(next, renewed_ + interval() * 4 / 3);
  if (next == Instant::never()) return;
  timer_ = loop_.wake_at(next, [this] {
    timer_ = {};
    on_timer();
  });
}

void Session::on_timer() {
  if (!is_keeping_alive_ && !was_closed_ && next_keep_alive_ <= loop_.now()) keep_alive();
  const bool is_silent = renewed_ + interval() * 4 / 3 <= loop_.now();
  const bool is_new = is_silent && state_ == SessionState::connected;
  if (is_new) state_ = SessionState::suspended;
  arm();
  if (is_new && on_state_) {
    on_state_(state_, {Code::timeout, "nobody has confirmed the session in time: it may be lost"});
  }
}

// --- to end ---

void Session::close(Instant deadline, std::move_only_function<void(Result<>)> done) {
  if (is_over() || was_closed_) {
    Result<> result;
    if (state_ == SessionState::expired) result = std::unexpected(why_over_);
    if (!is_over()) result = fail(Code::bad_request, "the session is being closed already");
    loop_.post([result = std::move(result), done = std::move(done), life = lifetime_.watch()]() mutable {
      if (!life.is_over()) done(std::move(result));
    });
    return;
  }
  was_closed_ = true;
  closing_.emplace(deadline, std::move(done), node::TimerId{});
  if (state_ != SessionState::opening) return send_close();
  closing_->timer = loop_.wake_at(deadline, [this] {
    closing_->timer = {};
    end(SessionState::closed, {Code::timeout_unknown_outcome, "the session was still being opened when it was closed"});
  });
}

void Session::send_close() {
  arm();
  light_.repeat({.body = net::CloseSession{light_.group(), id_},
                 .deadline = closing_->deadline,
                 .refresh = nullptr,
                 .done = [this, life = lifetime_.watch()](const Repeated& answer) {
                   if (!life.is_over()) on_closed(answer);
                 }});
}

// Of a session that is over the group says that it is closed; one that says session_expired may have been closed by
// an attempt in doubt.
void Session::on_closed(const Repeated& answer) {
  const Error& error = answer.reply.error;
  const bool is_closed = error.code == Code::ok || (error.code == Code::session_expired && answer.is_in_doubt);
  if (error.code == Code::session_expired && !is_closed) return on_expired(error);
  end(SessionState::closed, is_closed ? Error{} : error);
}

void Session::on_expired(const Error& why) { end(SessionState::expired, why); }

// What was sent is answered by the group, which knows whether it was applied; what was not is told here.
void Session::end(SessionState state, Error why) {
  if (is_over()) return;
  state_ = state;
  why_over_ = std::move(why);
  loop_.cancel(std::exchange(timer_, {}));
  const auto life = lifetime_.watch();
  Error told = why_over();
  const bool was_never_open = id_ == node::SessionId{} && why_over_.code != Code::ok;
  if (was_never_open) told.code = why_over_.code;
  if (told.code == Code::timeout_unknown_outcome) told.code = Code::timeout;  // nothing was sent in it
  watches_.end_all(told);
  std::vector<std::uint64_t> waiting;
  for (const auto& [sequence, write] : writes_) {
    if (!write.is_sent) waiting.push_back(sequence);
  }
  for (const std::uint64_t sequence : waiting) {
    tell(sequence, {.error = told, .data = {}});
    if (life.is_over()) return;
  }
  tell_closed(state == SessionState::closed && why_over_.code == Code::ok ? Result<>() : std::unexpected(why_over_));
  if (!life.is_over() && on_state_) on_state_(state_, why_over_);
}

void Session::tell_closed(Result<> result) {
  if (!closing_) return;
  loop_.cancel(closing_->timer);
  auto done = std::move(closing_->done);
  closing_.reset();
  done(std::move(result));
}

}  // namespace zraft::client
