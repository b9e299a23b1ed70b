// SPDX-License-Identifier: Apache-2.0
//
// A session (session.h) for programs with threads: made by Client::open_session. Every call may be made from every
// thread. Callbacks run on the client's thread: they must not block, must not call a blocking call, and must not
// destroy the session. Nothing throws; errors are values.
//
//   auto session = client->open_session({.timeout = Duration::seconds(10)});
//   if (!session) ...                                                     // session.error().text says what to do
//   Result<Bytes> answer = (*session)->write(command, true, Duration::seconds(5));   // ephemeral, exactly once
#pragma once

#include <memory>
#include <optional>

#include "zraft/client/blocking.h"
#include "zraft/client/session.h"

namespace zraft::client {

class Client;

class ClientSession {
 public:
  // Requires: the client outlives it.
  ClientSession(Client& client, SessionOptions options, Session::OnState on_state = nullptr);
  // What is under way is told `stopped`; nothing is told after that. The session itself stays, until its timeout or
  // for another to resume: close() ends it.
  ~ClientSession();
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  // Whoever asks `stop` to stop, on whatever thread, cancels the request (Session::cancel_write, LightSession::cancel).

  // --- asynchronous ---
  void write(Bytes command, bool is_ephemeral, Duration timeout, Done done, std::stop_token stop = {});
  void query(Bytes query, net::ReadChoice choice, Duration timeout, Done done, std::stop_token stop = {});
  [[nodiscard]] std::future<Result<Bytes>> begin_write(Bytes command, bool is_ephemeral, Duration timeout,
                                                       std::stop_token stop = {});
  [[nodiscard]] std::future<Result<Bytes>> begin_query(Bytes query, Duration timeout, net::ReadChoice choice = {},
                                                       std::stop_token stop = {});

  // --- blocking ---
  [[nodiscard]] Result<Bytes> write(Bytes command, bool is_ephemeral, Duration timeout, std::stop_token stop = {});
  [[nodiscard]] Result<Bytes> query(Bytes query, Duration timeout, net::ReadChoice choice = {},
                                    std::stop_token stop = {});
  [[nodiscard]] Result<> close(Duration timeout);

  // --- a short way to the client's thread and back; on that thread at once ---
  WatchNumber watch(WatchOptions options, Duration timeout, OnEvent on_event);
  void cancel(WatchNumber watch);  // no event comes after it has returned
  [[nodiscard]] std::optional<WatchPosition> position(WatchNumber watch);
  [[nodiscard]] SessionState state();
  // How long the group certainly does not end it, as of a moment during the call; 0: not certain at all.
  [[nodiscard]] Duration safe_for();
  [[nodiscard]] SessionOptions::Known known();  // for another to resume it

 private:
  Client& client_;
  // Made, used and destroyed on the client's thread; shared, so that a cancel that comes late sees that it is gone.
  std::shared_ptr<Session> session_;
};

}  // namespace zraft::client
