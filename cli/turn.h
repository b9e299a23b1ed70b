// SPDX-License-Identifier: Apache-2.0
//
// A place in a queue under a name, owned by a session: who has waited longest has the turn, which is a lock or an
// office. Each waits for the one before it alone, so that a turn that ends wakes one, however many wait. The token is
// the version of the own key; tokens of those who have the turn only rise, so what the turn protects can refuse whoever
// comes with a lower one than it has seen (P82): by time alone no lock is safe.
//
//   NAME/<session, 16 hex digits> -> whatever the owner says of himself
//
// Everything happens on the loop of the session. After an error of the session there is no turn any more.
#pragma once

#include <functional>
#include <string>

#include "zraft/client/session.h"
#include "zraft/machines/kv_wire.h"

namespace zraft::cli {

class Turn {
 public:
  struct Told {
    std::function<void(std::uint64_t token)> first;                 // it is this one's turn
    std::function<void(const machines::KeyValue& ahead)> waits;     // who is before it; may be null
    std::function<void(const Error&)> failed;                       // the group does not answer as it should
  };

  // The session outlives it, is opened, and is used for one turn.
  Turn(node::Loop& loop, client::Session& session, std::string name, Bytes value, Duration timeout, Told told);
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  void begin();
  [[nodiscard]] std::uint64_t token() const { return token_; }  // 0: not in the queue yet

 private:
  void look();
  void on_page(client::Outcome outcome);
  void decide();
  void wait_for(const machines::KeyValue& ahead);
  void fail(Error why);
  [[nodiscard]] Instant deadline() const { return loop_.now() + timeout_; }

  node::Loop& loop_;
  client::Session& session_;
  const std::string prefix_;
  const Bytes value_;
  const Duration timeout_;
  const Told told_;
  Bytes key_;
  std::uint64_t token_ = 0;
  std::vector<machines::KeyValue> queue_;
  client::WatchNumber watch_;  // of the one before it
  node::Lifetime lifetime_;
};

}  // namespace zraft::cli
