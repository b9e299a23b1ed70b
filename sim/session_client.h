// SPDX-License-Identifier: Apache-2.0
//
// A client of a simulated cluster that has a session: the session that ships, with a workload on top. It opens one,
// writes in it, some of it ephemeral, several at a time; reads; is paused for longer than the session lasts; closes it
// and opens another; and is killed without closing it, and comes back with a new one or with the one it had.
// What it is told is held against the ghost at once:
//   I27 the answer is the one that the write's only effect gave   P85 what was told not to be applied never is
//   P78 nothing is acknowledged, and nothing goes on, in a session that is over
//   I29 it is told session_expired only when that is so; and while it may believe in its session, that is not over
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/history.h"
#include "sim/network.h"
#include "sim/session_ghost.h"
#include "sim/world.h"
#include "zraft/client/session.h"

namespace zraft::sim {

struct SessionClientOptions {
  std::vector<std::string> hosts;
  std::string group;
  Duration session_min = Duration::seconds(1);
  Duration session_max = Duration::seconds(5);
  Duration timeout = Duration::milliseconds(600);  // of an operation
  Duration think_mean = Duration::milliseconds(20);
  std::vector<Bytes> keys;
  std::size_t value_bytes_max = 64;
  std::uint64_t writes_max = 4;  // at the same time
  // Shares of the turns, in parts per million; the rest write.
  std::uint64_t read_ppm = 200'000;
  std::uint64_t close_ppm = 5'000;
  std::uint64_t crash_ppm = 5'000;
  std::uint64_t pause_ppm = 5'000;
  std::uint64_t idle_ppm = 20'000;       // it does nothing for a while
  std::uint64_t ephemeral_ppm = 300'000;  // of the writes
  std::uint64_t cancel_ppm = 0;           // of the writes and reads, after a while
  std::uint64_t resume_ppm = 500'000;    // of the crashes
};

class SessionClient {
 public:
  // Requires: the rest outlives it.
  SessionClient(World& world, Fabric& fabric, History& history, const SessionGhost& ghost, HostId id,
                SessionClientOptions options);
  ~SessionClient();
  SessionClient(const SessionClient&) = delete;
  SessionClient& operator=(const SessionClient&) = delete;

  void start();
  // From now on it stays alive and is awake, and keeps the session that works.
  void calm();
  // No new operations; those under way still end.
  void stop() { is_stopping_ = true; }
  // Without a word; for ever, if it is calm.
  void leave();
  // Of writes and reads that were answered in the session.
  [[nodiscard]] std::uint64_t done() const { return done_; }
  [[nodiscard]] std::size_t under_way() const { return under_way_.size(); }
  // 0: none, or not any more, as far as it knows.
  [[nodiscard]] node::SessionId session() const;
  [[nodiscard]] const std::map<std::string, std::uint64_t>& counts() const { return counts_; }

  // The ghost saw that a session has expired.
  void on_expiry(node::SessionId session);
  // What was refused has stayed without effect.
  void check_refused();
  [[nodiscard]] std::vector<std::string> take_broken() { return std::exchange(broken_, {}); }

 private:
  struct Life {
    Life(World& world, Fabric& fabric, HostId host, const SessionClientOptions& options, Random random);
    Process process;
    SimLoop loop;
    SimNetwork network;
    client::LightSession light;
    std::unique_ptr<client::Session> session;
  };
  struct UnderWay {
    bool is_write = false;
    std::uint64_t sequence = 0;
  };

  void come_up();
  void crash();
  void open(std::optional<client::SessionOptions::Known> known);
  void on_state(client::SessionState state, const Error& why);
  void think();
  void act();
  void close();
  void write();
  void read();
  void draw_cancel(std::move_only_function<void()> cancel);
  void on_written(std::uint64_t id, const client::Outcome& outcome);
  void on_read(std::uint64_t id, const client::Outcome& outcome);
  [[nodiscard]] Operation draw_write();
  [[nodiscard]] std::optional<Told> judge_answer(std::uint64_t sequence, const client::Outcome& outcome);
  void end(std::uint64_t id, const Told& told);
  void expect(bool is_met, const std::string& what);
  void at_once(void (SessionClient::*what)());

  World& world_;
  Fabric& fabric_;
  History& history_;
  const SessionGhost& ghost_;
  const HostId host_;
  const SessionClientOptions options_;
  Random random_;
  std::unique_ptr<Life> life_;
  std::optional<client::SessionOptions::Known> left_;  // by the life before, to be resumed
  Duration session_timeout_{};
  struct Known {
    std::optional<Bytes> value;
    std::uint64_t version = 0;  // 0: not known
  };
  std::map<Bytes, Known> known_;  // what a key held when this client last knew
  std::uint64_t last_value_ = 0;
  std::map<std::uint64_t, UnderWay> under_way_;  // by number in the history
  std::set<std::pair<node::SessionId, std::uint64_t>> refused_;
  bool is_calm_ = false;
  bool is_stopping_ = false;
  std::uint64_t done_ = 0;
  std::map<std::string, std::uint64_t> counts_;
  std::vector<std::string> broken_;
};

}  // namespace zraft::sim
