// SPDX-License-Identifier: Apache-2.0
//
// The simulated world: virtual time, one queue of events for every process in it, and a hash over all that happened.
// A host is a machine (or a client); a process is one run of the program on it. Killing a process drops all its
// events; pausing a host holds them back, so that on its return the clock has jumped. Each process has a clock of its
// own with a drift.
// Laws: events run in the order (time, order of scheduling); the same seed gives the same events on every compiler
// and machine (I53), so everything here is integers, and everything random comes from the seed.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "zraft/base/random.h"
#include "zraft/base/time.h"
#include "zraft/node/loop.h"

namespace zraft::sim {

using node::Task;

struct HostId {
  std::uint32_t value = 0;  // 0 is the world itself
  friend constexpr auto operator<=>(HostId, HostId) = default;
};

struct Process {
  HostId host;
  std::uint32_t run = 0;  // counts the starts on that host
  friend constexpr auto operator<=>(Process, Process) = default;
};

// The owner of what no process does: arrivals at a network card, faults, the schedule of a test. Never killed.
constexpr Process the_world{};

// How a process ended: killed leaves the operating system and its caches; power_lost leaves what was durable.
enum class Ending : std::uint8_t { killed, power_lost };

enum class EventKind : std::uint8_t { world = 1, task, timer, frame, disk, worker };

struct EventId {
  std::uint64_t value = 0;  // 0 is no event
};

class World {
 public:
  using Narrator = std::function<void(std::string_view line)>;

  explicit World(std::uint64_t seed) : random_(seed) {}

  [[nodiscard]] Instant now() const { return now_; }  // true time, from 0
  [[nodiscard]] Random fork() { return random_.fork(); }

  HostId add_host(std::string name);
  [[nodiscard]] const std::string& name_of(HostId host) const;
  [[nodiscard]] std::size_t hosts() const { return hosts_.size(); }

  // Starts a run on that host. Its clock gains `drift_ppm` microseconds a second. Requires: none is running there.
  Process start(HostId host, std::int64_t drift_ppm);
  // From now on nothing that this process does has an effect, even if it is its own task that is running. Its objects
  // are destroyed by whoever owns them, after that task.
  void kill(Process process);
  [[nodiscard]] bool is_alive(Process process) const;
  // The host's processes do nothing until then; what happens to them meanwhile is held back. Then they catch up, as a
  // loop does that finds many sources ready: each source (a link, the timers, the queue of tasks, ..) is in order, but
  // which of them comes next, and how much of it, is chance.
  void pause(HostId host, Duration length);
  // At once, and in order.
  void resume(HostId host);
  [[nodiscard]] bool is_paused(HostId host) const;

  // The process's own clock, now; and the earliest true time at which it will show `local` or more.
  [[nodiscard]] Instant local_now(Process process) const;
  [[nodiscard]] Instant true_time(Process process, Instant local) const;

  // Runs `task` at `when` (at once after the present event, if that has passed) unless the owner has been killed.
  // `detail` goes into the trace; of a frame, its upper half is the link.
  EventId at(Instant when, Process owner, EventKind kind, std::uint64_t detail, Task task);
  EventId after(Duration delay, Process owner, EventKind kind, std::uint64_t detail, Task task);
  void cancel(EventId event);

  // False: nothing is left to happen, or not until after `end`.
  bool run_one(Instant end = Instant::never());
  // All events up to and at `end`; then it is `end`.
  void run_until(Instant end);

  // Called after each event of a host, for the laws of the whole to be checked. It must change nothing.
  void set_onlooker(std::function<void(HostId)> onlooker) { onlooker_ = std::move(onlooker); }

  // --- the trace: what must be the same in every run of a seed ---
  void trace(std::uint64_t word) {
    trace_hash_ = (trace_hash_ ^ word) * 0x100000001b3;
    trace_hash_ ^= trace_hash_ >> 29;
  }
  void trace(std::string_view text);
  [[nodiscard]] std::uint64_t trace_hash() const { return trace_hash_; }
  [[nodiscard]] std::uint64_t events() const { return events_; }

  // --- one line for people about what happens, if anyone listens ---
  void set_narrator(Narrator narrator) { narrator_ = std::move(narrator); }
  [[nodiscard]] bool is_narrated() const { return narrator_ != nullptr; }
  void narrate(HostId host, std::string_view text);

 private:
  struct Slot {
    std::uint64_t id = 0;  // of the event in it; 0: free
    Process owner;
    EventKind kind = EventKind::world;
    std::uint64_t detail = 0;
    Task task;
  };
  struct Entry {
    Instant when;
    std::uint64_t order;
    std::uint64_t id;
  };
  struct Host {
    std::string name;
    std::uint32_t run = 0;
    bool is_running = false;
    std::int64_t drift_ppm = 0;
    Instant started;      // true time
    Instant local_start;  // what its clock showed then
    Instant paused_until;
    std::vector<Entry> held;
  };

  static constexpr std::uint64_t slot_bits = 24;
  [[nodiscard]] static bool runs_later(const Entry& a, const Entry& b);
  [[nodiscard]] Host& host(HostId id);
  [[nodiscard]] const Host& host(HostId id) const;
  [[nodiscard]] Slot* slot_of(std::uint64_t id);
  void push(Instant when, std::uint64_t id);
  [[nodiscard]] Entry pop();
  Task release(Slot& slot);
  void perform(Slot& slot);
  void catch_up(HostId host);
  [[nodiscard]] std::vector<Entry> draw_gulp(std::vector<Entry>& held);
  [[nodiscard]] std::uint64_t source_of(const Entry& entry);

  Random random_;
  Instant now_;
  std::vector<Entry> queue_;  // a heap
  std::vector<Slot> slots_;
  std::vector<std::size_t> free_slots_;
  std::vector<Host> hosts_;
  std::uint64_t next_event_ = 1;
  std::uint64_t next_order_ = 1;
  std::uint64_t events_ = 0;
  std::uint64_t trace_hash_ = 0xcbf29ce484222325;
  Narrator narrator_;
  std::function<void(HostId)> onlooker_;
};

// The loop of one process. After the process was killed it takes tasks and forgets them.
class SimLoop : public node::Loop {
 public:
  SimLoop(World& world, Process process) : world_(world), process_(process) {}

  [[nodiscard]] Instant now() const override { return world_.local_now(process_); }
  void post(Task task) override;
  node::TimerId wake_at(Instant when, Task task) override;
  void cancel(node::TimerId timer) override { world_.cancel({timer.value}); }

 private:
  World& world_;
  Process process_;
};

}  // namespace zraft::sim
