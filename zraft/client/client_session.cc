// SPDX-License-Identifier: Apache-2.0
//
// Each call becomes a task on the client's thread. Tasks run in the order of the posts, and the end of this object
// waits for its own, so none comes too late.
#include "zraft/client/client_session.h"

#include <algorithm>
#include <utility>

#include "zraft/client/client.h"
#include "zraft/client/once.h"

namespace zraft::client {
ClientSession::ClientSession(Client& client, SessionOptions options, Session::OnState on_state) : client_(client) {
  client_.run([&](LightSession& light, node::Loop& loop) {
    session_ = std::make_shared<Session>(loop, light, options, Random(seed_of_the_system()), std::move(on_state));
  });
}

ClientSession::~ClientSession() {
  client_.run([this](LightSession&, node::Loop&) { session_.reset(); });
}

// --- asynchronous ---

void ClientSession::write(Bytes command, bool is_ephemeral, Duration timeout, Done done, std::stop_token stop) {
  client_.post([this, command = std::move(command), is_ephemeral, timeout, done = Once(std::move(done)),
                stop = std::move(stop)](LightSession&, node::Loop& loop) mutable {
    begin_stoppable(loop, std::move(stop), std::move(done), [&](Done told) -> Cancel {
      const Instant deadline = deadline_of(loop, timeout);
      const auto sequence = session_->write(std::move(command), is_ephemeral, deadline, std::move(told));
      if (sequence == 0) return nullptr;
      return [weak = std::weak_ptr(session_), sequence] {
        if (const auto session = weak.lock()) session->cancel_write(sequence);
      };
    });
  });
}

void ClientSession::query(Bytes query, net::ReadChoice choice, Duration timeout, Done done, std::stop_token stop) {
  client_.post([this, query = std::move(query), choice, timeout, done = Once(std::move(done)),
                stop = std::move(stop)](LightSession& light, node::Loop& loop) mutable {
    begin_stoppable(loop, std::move(stop), std::move(done), [&](Done told) {
      const auto number = session_->query(std::move(query), choice, deadline_of(loop, timeout), std::move(told));
      return [&light, number] { light.cancel(number); };
    });
  });
}

std::future<Result<Bytes>> ClientSession::begin_write(Bytes command, bool is_ephemeral, Duration timeout,
                                                      std::stop_token stop) {
  return future_of([&](Done done) {
    write(std::move(command), is_ephemeral, timeout, std::move(done), std::move(stop));
  });
}

std::future<Result<Bytes>> ClientSession::begin_query(Bytes query, Duration timeout, net::ReadChoice choice,
                                                      std::stop_token stop) {
  return future_of([&](Done done) {
    this->query(std::move(query), choice, timeout, std::move(done), std::move(stop));
  });
}

// --- blocking ---

Result<Bytes> ClientSession::write(Bytes command, bool is_ephemeral, Duration timeout, std::stop_token stop) {
  return begin_write(std::move(command), is_ephemeral, timeout, std::move(stop)).get();
}

Result<Bytes> ClientSession::query(Bytes query, Duration timeout, net::ReadChoice choice, std::stop_token stop) {
  return begin_query(std::move(query), timeout, choice, std::move(stop)).get();
}

Result<> ClientSession::close(Duration timeout) {
  Awaited<Result<>> answer;
  client_.post([&](LightSession&, node::Loop& loop) {
    session_->close(deadline_of(loop, timeout), [&answer](Result<> result) { answer.give(std::move(result)); });
  });
  return answer.wait();
}

// --- a short way and back ---

WatchNumber ClientSession::watch(WatchOptions options, Duration timeout, OnEvent on_event) {
  WatchNumber number;
  client_.run([&](LightSession&, node::Loop& loop) {
    number = session_->watch(std::move(options), deadline_of(loop, timeout), std::move(on_event));
  });
  return number;
}

void ClientSession::cancel(WatchNumber watch) {
  client_.run([&](LightSession&, node::Loop&) { session_->cancel(watch); });
}

std::optional<WatchPosition> ClientSession::position(WatchNumber watch) {
  std::optional<WatchPosition> position;
  client_.run([&](LightSession&, node::Loop&) { position = session_->watches().position(watch); });
  return position;
}

SessionState ClientSession::state() {
  SessionState state = SessionState::opening;
  client_.run([&](LightSession&, node::Loop&) { state = session_->state(); });
  return state;
}

Duration ClientSession::safe_for() {
  Duration left;
  client_.run([&](LightSession&, node::Loop& loop) { left = session_->safe_until() - loop.now(); });
  return std::max(left, Duration{});
}

SessionOptions::Known ClientSession::known() {
  SessionOptions::Known known;
  client_.run([&](LightSession&, node::Loop&) { known = {session_->id(), session_->last_sequence()}; });
  return known;
}

}  // namespace zraft::client
