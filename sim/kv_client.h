// SPDX-License-Identifier: Apache-2.0
//
// A client of a simulated cluster: the light session that ships, with a workload on top. One operation after the other
// on a few keys, each noted in the history with exactly what the session said of it. It gives some up before they are
// answered: their outcome is unknown, because the session goes on with them.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sim/history.h"
#include "sim/network.h"
#include "sim/world.h"
#include "zraft/client/light_session.h"
#include "zraft/machines/kv_wire.h"

namespace zraft::sim {

struct KvClientOptions {
  std::vector<std::string> hosts;
  std::string group;
  Duration timeout = Duration::milliseconds(600);
  Duration think_mean = Duration::milliseconds(20);
  std::vector<Bytes> keys;
  std::size_t value_bytes_max = 64;
  // Each read is one of these; all of them are to be linearizable.
  std::vector<net::Consistency> reads = {net::Consistency::linearizable};
  // Shares in parts per million; the rest are gets.
  std::uint64_t put_ppm = 350'000;
  std::uint64_t remove_ppm = 50'000;
  std::uint64_t compare_ppm = 150'000;
  std::uint64_t abandon_ppm = 5'000;  // of the operations: given up at once, the answer not waited for
  std::uint64_t cancel_ppm = 0;       // of the operations: cancelled after a while, if they are not answered by then
};

struct KvClientCounts {
  std::uint64_t done = 0;
  std::uint64_t failed = 0;
  std::uint64_t unknown = 0;
};

class KvClient {
 public:
  // Told of each write that was acknowledged: its index, and the command.
  using Acknowledged = std::function<void(std::uint64_t index, const Bytes& command)>;

  KvClient(World& world, Fabric& fabric, History& history, HostId id, KvClientOptions options, Acknowledged told);
  ~KvClient();
  KvClient(const KvClient&) = delete;
  KvClient& operator=(const KvClient&) = delete;

  void start();
  // From now on it takes its time.
  void calm() { is_calm_ = true; }
  // No new operations; the one under way still ends.
  void stop() { is_stopping_ = true; }
  [[nodiscard]] bool is_idle() const { return !current_; }
  [[nodiscard]] const KvClientCounts& counts() const { return counts_; }

 private:
  struct Current {
    std::uint64_t id = 0;  // in the history
    bool is_read = false;
    Bytes data;
  };

  void begin();
  Operation draw_operation();
  void on_outcome(std::uint64_t id, const client::Outcome& outcome);
  void take_answer(const Bytes& data);
  void end(const Told& told);
  [[nodiscard]] Duration think_mean() const;
  [[nodiscard]] std::optional<Told> understand(const Bytes& data) const;

  World& world_;
  Fabric& fabric_;
  History& history_;
  const KvClientOptions options_;
  const Acknowledged told_;
  Random random_;
  Process process_;
  SimLoop loop_;
  SimNetwork network_;
  client::LightSession session_;
  std::map<Bytes, std::optional<Bytes>> known_;  // what a key held when this client last knew
  std::uint64_t last_value_ = 0;
  std::optional<Current> current_;
  bool is_calm_ = false;
  bool is_stopping_ = false;
  KvClientCounts counts_;
};

}  // namespace zraft::sim
