// SPDX-License-Identifier: Apache-2.0
//
// A client of one group, for programs: a light session (light_session.h) on a loop and a thread of its own. Every call
// may be made from every thread. The asynchronous calls return at once, and their callbacks run on the client's thread:
// they must not block, and must not call a blocking call of the same client. Nothing throws; errors are values.
//
//   auto client = Client::connect({.hosts = {"127.0.0.1:7101", "127.0.0.1:7102"}, .group = "kv"});
//   if (!client) ...                                                  // client.error().text says what to do
//   Result<Bytes> answer = (*client)->propose(command, Duration::seconds(5));
//   if (!answer && answer.error().code == Code::timeout_unknown_outcome) ...   // it may have been applied
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "zraft/client/admin.h"
#include "zraft/client/blocking.h"
#include "zraft/client/client_session.h"
#include "zraft/client/light_session.h"
#include "zraft/client/members.h"
#include "zraft/client/watch.h"

namespace zraft::client {

class Client {
 public:
  // Starts the thread; hosts are connected when the first request needs them. Errors: bad_request (no hosts, or one
  // that is no "host:port"), io (the system gives no thread).
  static Result<std::unique_ptr<Client>> connect(Settings settings);
  // What is under way is told Code::stopped; a write may have been applied. Requires: its sessions are gone.
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Whoever asks `stop` to stop, on whatever thread, cancels the request (LightSession::cancel says what it is told).

  // --- asynchronous ---
  void propose(Bytes command, Duration timeout, Done done, std::stop_token stop = {});
  void query(Bytes query, net::ReadChoice choice, Duration timeout, Done done, std::stop_token stop = {});
  [[nodiscard]] std::future<Result<Bytes>> begin_propose(Bytes command, Duration timeout, std::stop_token stop = {});
  [[nodiscard]] std::future<Result<Bytes>> begin_query(Bytes query, Duration timeout, net::ReadChoice choice = {},
                                                       std::stop_token stop = {});
  // Runs `task` on the client's thread, with the session and the loop: for whatever has no call of its own.
  void post(std::move_only_function<void(LightSession&, node::Loop&)> task);
  // The same, and waits until it has run. On the client's thread it runs at once.
  void run(std::move_only_function<void(LightSession&, node::Loop&)> task);

  // --- sessions and watches; session.h and watch.h say what they mean ---

  // Blocks until the session is connected, or cannot be: timeout_unknown_outcome, all_failed, session_expired, ...
  // `on_state` (may be null) is called on the client's thread. If it is cancelled, a session may have been opened all
  // the same, that nobody uses; it ends after its timeout.
  [[nodiscard]] Result<std::unique_ptr<ClientSession>> open_session(SessionOptions options = {},
                                                                    Session::OnState on_state = nullptr,
                                                                    std::stop_token stop = {});
  // A watch of no session. `on_event` is called on the client's thread; it may cancel. No event comes after cancel()
  // has returned.
  WatchNumber watch(WatchOptions options, Duration timeout, OnEvent on_event);
  void cancel(WatchNumber watch);
  [[nodiscard]] std::optional<WatchPosition> position(WatchNumber watch);

  // --- blocking ---
  [[nodiscard]] Result<Bytes> propose(Bytes command, Duration timeout, std::stop_token stop = {});
  [[nodiscard]] Result<Bytes> query(Bytes query, Duration timeout, net::ReadChoice choice = {},
                                    std::stop_token stop = {});
  [[nodiscard]] net::Reply ask(const std::string& address, net::RequestBody body, Duration timeout);
  // See admin.h.
  [[nodiscard]] Result<> create_group(const NewGroup& group, Duration timeout);
  // Of the group that was named when it was connected; of all groups, if that was empty.
  [[nodiscard]] std::vector<MemberStatus> status(Duration timeout);
  // See members.h. `progress` is called on the client's thread.
  [[nodiscard]] Result<> change_members(const MemberChange& change, Progress progress, Duration timeout);
  [[nodiscard]] Result<std::string> transfer_leadership(const std::string& group, const std::string& peer,
                                                        Duration timeout);
  [[nodiscard]] Result<> destroy_group(const std::string& group, const std::string& at, Duration timeout);

 private:
  struct World;
  explicit Client(std::unique_ptr<World> world);

  std::unique_ptr<World> world_;
};

}  // namespace zraft::client
