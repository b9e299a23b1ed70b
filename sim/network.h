// SPDX-License-Identifier: Apache-2.0
//
// The simulated network. A Fabric joins all processes of a world; each process has a SimNetwork, its view of it.
// Links behave like TCP connections: requests, replies, hellos and snapshots come in order or the link dies, a cut path
// holds them back until it heals or the link gives up, and one side may die without the other learning of it until it
// sends (half-open). Frames of the kinds `peer` and `beat` are treated worse, as the seam allows: they are lost,
// repeated, overtaken, and very old ones come back, even those of an earlier run of the sender. Only a frame that was
// sent before on the same link and is of another kind is never overtaken (the hello). A damaged frame breaks its link,
// as the framing would.
// Laws: no frame is delivered to a process that has ended; nothing is delivered on a link that its owner destroyed.
#pragma once

#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "sim/partitions.h"
#include "sim/world.h"
#include "zraft/node/network.h"

namespace zraft::sim {

// Chances are in parts per million. The default is a good network.
struct NetworkSettings {
  Duration delay_min = Duration::microseconds(50);
  Duration delay_mean = Duration::microseconds(100);  // on top of delay_min
  std::uint64_t tail_ppm = 0;                          // a delay this much longer:
  std::int64_t tail_factor = 30;
  std::int64_t ns_per_byte = 1;
  bool peer_frames_in_order = false;  // and none lost: a plain TCP network
  // Of each peer frame:
  std::uint64_t loss_ppm = 0;
  std::uint64_t duplicate_ppm = 0;
  std::uint64_t late_ppm = 0;  // arrives up to late_max later than it should
  Duration late_max = Duration::seconds(1);
  std::uint64_t replay_ppm = 0;  // an old frame of the same pair of hosts comes along
  // Of each frame:
  std::uint64_t corrupt_ppm = 0;
  std::uint64_t reset_ppm = 0;
  std::uint64_t half_open_ppm = 0;  // of each reset: one side does not learn of it
  // Of each attempt to connect:
  std::uint64_t refuse_ppm = 0;
  Duration give_up_after = Duration::seconds(10);  // on a path that carries nothing
  std::size_t kernel_buffer = 64 << 10;            // bytes under way that queued_bytes() does not see
};

// What happened, for the report and to see that faults were really tried (I52).
struct NetworkCounts {
  std::uint64_t frames = 0;
  std::uint64_t lost = 0;
  std::uint64_t blocked = 0;
  std::uint64_t repeated = 0;
  std::uint64_t late = 0;
  std::uint64_t replayed = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t resets = 0;
  std::uint64_t half_open = 0;
  std::uint64_t refused = 0;
  std::uint64_t gave_up = 0;
};

class SimLink;

class Fabric {
 public:
  Fabric(World& world, NetworkSettings settings) : world_(world), random_(world.fork()), settings_(settings) {}

  void set_settings(const NetworkSettings& settings) { settings_ = settings; }
  // From now on the network is as `good` says. Peer frames under way are lost, because what is late can keep an
  // election from ending as long as it is late; a link on which more stands in line than could arrive soon is reset.
  // Who waits to learn that a link is dead learns it soon: that his peer is back does not shorten such a wait by
  // itself, no more than it does with TCP.
  void heal(const NetworkSettings& good);
  [[nodiscard]] const NetworkCounts& counts() const { return counts_; }

  // Shown each peer frame as it is sent, before anything happens to it. It must change nothing.
  using Tap = std::function<void(Process from, const SharedBytes& body)>;
  void set_tap(Tap tap) { tap_ = std::move(tap); }

  // These paths and no others carry nothing from now on.
  void set_blocked(const std::vector<Blocked>& blocked);
  [[nodiscard]] bool is_blocked(HostId from, HostId to) const { return blocked_.contains({from, to}); }

  // Breaks one link at random, if there is one.
  void reset_one();
  // That process has ended, or is ending. Its links die: with a word to the other side if it was killed, without if
  // its machine lost power.
  void on_end(Process process, Ending ending);
  [[nodiscard]] std::size_t links() const { return wires_.size(); }
  // How often somebody called there.
  [[nodiscard]] std::uint64_t times_dialled(const std::string& address) const {
    const auto found = dialled_.find(address);
    return found == dialled_.end() ? 0 : found->second;
  }

  // --- the calls of the seam, for SimNetwork and what it hands out ---
  using WireId = std::uint64_t;
  using Accept = std::function<void(std::unique_ptr<node::Link>)>;
  void power_on(HostId host) { without_power_.erase(host); }
  Result<> listen(Process process, const std::string& address, Accept accept);
  void stop_listening(Process process, const std::string& address);
  WireId connect(Process process, const std::string& address, SimLink* link);
  void send(WireId id, std::size_t side, node::FrameKind kind, const Pieces& body);
  void destroy(WireId id, std::size_t side, Process process);
  [[nodiscard]] std::size_t queued(WireId id, std::size_t side) const;
  [[nodiscard]] bool is_alive(Process process) const { return world_.is_alive(process); }

 private:
  struct Frame {
    node::FrameKind kind = node::FrameKind::hello;
    SharedBytes body;  // null: the end of the stream
  };
  struct End {
    Process process;
    SimLink* link = nullptr;  // null: none yet, or destroyed
    bool is_told = false;     // that the wire is dead
    EventId telling;        // it will be
    // What this end sent and the other has not got:
    Instant in_order_until;     // nothing sent from now on may come before this
    Instant line_free_at;
    std::deque<Frame> stalled;  // waits for the path, or for the link to open
    std::size_t queued = 0;
  };
  struct Wire {
    std::array<End, 2> ends;
    bool is_open = false;
    bool is_dead = false;
  };
  struct Listening {
    Process process;
    Accept accept;
  };

  void try_connect(WireId id, const std::string& address, int attempt);
  void accept(WireId id, const std::string& address);
  void open(WireId id);
  void dispatch(WireId id, std::size_t side, Frame frame);
  void send_in_order(WireId id, std::size_t side, Frame frame);
  void send_peer(WireId id, std::size_t side, Frame frame);
  void remember(const End& from, const End& to, const Frame& frame);
  void deliver_at(Instant when, WireId id, std::size_t side, Frame frame, bool is_counted);
  void count_off(WireId id, std::size_t side, const Frame& frame);
  void arrive(WireId id, std::size_t side, const Frame& frame);
  void flush(WireId id, std::size_t side);
  void watch_stall(WireId id, std::size_t side);
  void break_wire(WireId id, const std::string& why);
  void tell(WireId id, std::size_t side, Duration delay, Error why);
  void drop_if_over(WireId id);
  [[nodiscard]] Wire* find(WireId id);
  [[nodiscard]] std::vector<WireId> all_wires() const;
  [[nodiscard]] Duration draw_delay();
  [[nodiscard]] bool is_path_blocked(const Wire& wire, std::size_t side) const;

  World& world_;
  Random random_;
  NetworkSettings settings_;
  NetworkCounts counts_;
  Tap tap_;
  std::set<Blocked> blocked_;
  std::map<WireId, std::unique_ptr<Wire>> wires_;
  WireId last_wire_ = 0;
  std::uint64_t era_ = 0;
  std::map<std::string, Listening> listening_;
  std::map<std::string, std::uint64_t> dialled_;
  std::set<HostId> without_power_;
  std::map<std::pair<HostId, HostId>, std::vector<Frame>> old_frames_;
};

// What one process sees of the fabric.
class SimNetwork : public node::Network {
 public:
  // `name` is the host part of every address that this process may listen at.
  SimNetwork(Fabric& fabric, Process process, std::string name);

  Result<std::unique_ptr<node::Listener>> listen(const std::string& address,
                                                 std::function<void(std::unique_ptr<node::Link>)> accept) override;
  std::unique_ptr<node::Link> connect(const std::string& address, node::LinkHandler* handler) override;

 private:
  Fabric& fabric_;
  Process process_;
  std::string name_;
};

}  // namespace zraft::sim
