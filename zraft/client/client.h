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
#include <string>
#include <vector>

#include "zraft/client/admin.h"
#include "zraft/client/light_session.h"
#include "zraft/client/members.h"

namespace zraft::client {

class Client {
 public:
  // Starts the thread; hosts are connected when the first request needs them. Errors: bad_request (no hosts, or one
  // that is no "host:port"), io (the system gives no thread).
  static Result<std::unique_ptr<Client>> connect(Settings settings);
  ~Client();  // what is under way is told Code::stopped; a write may have been applied
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // --- asynchronous ---
  void propose(Bytes command, Duration timeout, Done done);
  void query(Bytes query, net::Consistency consistency, Duration timeout, Done done);
  // Runs `task` on the client's thread, with the session and the loop: for whatever has no call of its own.
  void post(std::move_only_function<void(LightSession&, node::Loop&)> task);

  // --- blocking ---
  [[nodiscard]] Result<Bytes> propose(Bytes command, Duration timeout);
  [[nodiscard]] Result<Bytes> query(Bytes query, Duration timeout,
                                    net::Consistency consistency = net::Consistency::linearizable);
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
