// SPDX-License-Identifier: Apache-2.0
//
// See network.h. A wire has two ends; side 0 connected, side 1 accepted. `side` always names the end that sends or is
// spoken of, `1 - side` the other one. Callbacks may destroy any link, so nothing is looked at after one: wires are
// found again by their id.
#include "sim/network.h"

#include <algorithm>
#include <utility>

#include "sim/draw.h"
#include "sim/link.h"
#include "zraft/base/check.h"

namespace zraft::sim {

namespace {

constexpr int connect_attempts = 3;
constexpr std::size_t old_frames_max = 32;

bool may_be_lost(node::FrameKind kind) {
  return kind == node::FrameKind::peer || kind == node::FrameKind::beat;
}

SharedBytes join(const Pieces& pieces) {
  Bytes joined;
  joined.reserve(size_of(pieces));
  for (const Piece& piece : pieces) joined.append(piece.bytes);
  return std::make_shared<const Bytes>(std::move(joined));
}

}  // namespace

Fabric::Wire* Fabric::find(WireId id) {
  const auto found = wires_.find(id);
  return found == wires_.end() ? nullptr : found->second.get();
}

Duration Fabric::draw_delay() {
  Duration delay = settings_.delay_min + draw_exponential(random_, settings_.delay_mean);
  if (random_.chance(settings_.tail_ppm)) delay = delay * settings_.tail_factor;
  return delay;
}

bool Fabric::is_path_blocked(const Wire& wire, std::size_t side) const {
  return is_blocked(wire.ends[side].process.host, wire.ends[1 - side].process.host);
}

std::vector<Fabric::WireId> Fabric::all_wires() const {
  std::vector<WireId> ids;
  for (const auto& [id, wire] : wires_) ids.push_back(id);
  return ids;
}

void Fabric::set_blocked(const std::vector<Blocked>& blocked) {
  blocked_ = {blocked.begin(), blocked.end()};
  for (const WireId id : all_wires()) {
    flush(id, 0);
    flush(id, 1);
  }
}

void Fabric::heal(const NetworkSettings& good) {
  settings_ = good;
  set_blocked({});
  ++era_;
  for (const WireId id : all_wires()) {
    const Wire* wire = find(id);
    if (wire == nullptr) continue;
    const Instant drained = std::max(wire->ends[0].in_order_until, wire->ends[1].in_order_until);
    if (drained > world_.now() + good.give_up_after) break_wire(id, "the connection was reset");
  }
  for (const auto& [id, wire] : wires_) {
    for (std::size_t side = 0; side < 2; ++side) {
      End& end = wire->ends[side];
      if (end.is_told || end.telling.value == 0) continue;
      world_.cancel(std::exchange(end.telling, {}));
      tell(id, side, draw_between(random_, {}, good.give_up_after), {Code::io, "the connection was reset"});
    }
  }
}

void Fabric::reset_one() {
  if (wires_.empty()) return;
  auto chosen = wires_.begin();
  std::advance(chosen, static_cast<std::ptrdiff_t>(draw_index(random_, wires_.size())));
  break_wire(chosen->first, "the connection was reset");
}

void Fabric::on_end(Process process, Ending ending) {
  if (ending == Ending::power_lost) without_power_.insert(process.host);
  std::erase_if(listening_, [&](const auto& one) { return one.second.process == process; });
  std::vector<WireId> ids;
  for (const auto& [id, wire] : wires_) {
    if (wire->ends[0].process == process || wire->ends[1].process == process) ids.push_back(id);
  }
  for (const WireId id : ids) {
    Wire* wire = find(id);
    if (wire == nullptr) continue;
    wire->is_dead = true;
    for (std::size_t side = 0; side < 2; ++side) {
      End& end = wire->ends[side];
      if (end.process == process) {
        end.link = nullptr;
        end.is_told = true;
      } else if (ending == Ending::killed && !is_path_blocked(*wire, 1 - side)) {
        tell(id, side, draw_delay(), {Code::io, "the connection was reset"});
      }
    }
    drop_if_over(id);
  }
}

Fabric::WireId Fabric::connect(Process process, const std::string& address, SimLink* link) {
  ++dialled_[address];
  const WireId id = ++last_wire_;
  auto wire = std::make_unique<Wire>();
  wire->ends[0].process = process;
  wire->ends[0].link = link;
  wires_.emplace(id, std::move(wire));
  world_.after(draw_delay(), the_world, EventKind::frame, id << 32,
               [this, id, address] { try_connect(id, address, 1); });
  return id;
}

void Fabric::try_connect(WireId id, const std::string& address, int attempt) {
  Wire* wire = find(id);
  if (wire == nullptr || wire->is_dead) return;
  const auto listening = listening_.find(address);
  const HostId from = wire->ends[0].process.host;
  const bool is_refused = random_.chance(settings_.refuse_ppm);
  if (is_refused || listening == listening_.end()) {
    ++counts_.refused;
    wire->is_dead = true;
    tell(id, 0, draw_delay(), {Code::io, "the connection to " + address + " was refused"});
    return;
  }
  const Process to = listening->second.process;
  if (is_blocked(from, to.host) || is_blocked(to.host, from)) {
    if (attempt < connect_attempts) {
      world_.after(settings_.give_up_after / connect_attempts, the_world, EventKind::frame, id << 32,
                   [this, id, address, attempt] { try_connect(id, address, attempt + 1); });
      return;
    }
    ++counts_.gave_up;
    wire->is_dead = true;
    tell(id, 0, {}, {Code::io, "the connection to " + address + " timed out"});
    return;
  }
  wire->ends[1].process = to;
  wire->ends[0].in_order_until = world_.now();
  world_.at(world_.now(), to, EventKind::frame, id << 32, [this, id, address] { accept(id, address); });
  const Instant opens = world_.now() + draw_delay();
  wire->ends[1].in_order_until = opens;
  world_.at(opens, wire->ends[0].process, EventKind::frame, id << 32, [this, id] { open(id); });
}

void Fabric::accept(WireId id, const std::string& address) {
  Wire* wire = find(id);
  if (wire == nullptr || wire->is_dead) return;
  const auto listening = listening_.find(address);
  if (listening == listening_.end() || listening->second.process != wire->ends[1].process) {
    break_wire(id, "the connection was reset");
    return;
  }
  auto link = std::make_unique<SimLink>(*this, wire->ends[1].process, 1, world_.name_of(wire->ends[0].process.host));
  link->attach(id);
  wire->ends[1].link = link.get();
  const auto callback = listening->second.accept;  // a copy: the callback may stop listening
  callback(std::move(link));
}

void Fabric::open(WireId id) {
  Wire* wire = find(id);
  if (wire == nullptr || wire->is_dead) return;
  wire->is_open = true;
  for (std::size_t side = 0; side < 2; ++side) {
    flush(id, side);
    if (!wire->ends[side].stalled.empty()) watch_stall(id, side);
  }
  const SimLink* link = wire->ends[0].link;
  if (link != nullptr && link->handler() != nullptr) link->handler()->on_open();
}

void Fabric::send(WireId id, std::size_t side, node::FrameKind kind, const Pieces& body) {
  Wire* wire = find(id);
  if (wire == nullptr || !world_.is_alive(wire->ends[side].process)) return;
  Frame frame{kind, join(body)};
  if (tap_ && kind == node::FrameKind::peer) tap_(wire->ends[side].process, frame.body);
  if (wire->is_dead) {
    // The other side is gone; this one learns of it now, or when it gives up.
    const Duration delay = is_path_blocked(*wire, side) || without_power_.contains(wire->ends[1 - side].process.host)
                               ? draw_between(random_, settings_.give_up_after / 4, settings_.give_up_after)
                               : draw_delay() * 2;
    tell(id, side, delay, {Code::io, "the connection was reset"});
    return;
  }
  dispatch(id, side, std::move(frame));
}

// Requires: the wire is not dead.
void Fabric::dispatch(WireId id, std::size_t side, Frame frame) {
  Wire* wire = find(id);
  End& end = wire->ends[side];
  const bool is_stuck = !wire->is_open || is_path_blocked(*wire, side) || !end.stalled.empty();
  const bool is_peer = may_be_lost(frame.kind) && !settings_.peer_frames_in_order;
  if (is_peer && wire->is_open && is_stuck) {
    ++counts_.blocked;
    return;
  }
  if (frame.body) end.queued += frame.body->size();
  if (is_stuck) {
    end.stalled.push_back(std::move(frame));
    if (end.stalled.size() == 1) watch_stall(id, side);
  } else if (is_peer) {
    send_peer(id, side, std::move(frame));
  } else {
    send_in_order(id, side, std::move(frame));
  }
}

void Fabric::flush(WireId id, std::size_t side) {
  Wire* wire = find(id);
  if (wire == nullptr || !wire->is_open || wire->is_dead) return;
  while (!wire->ends[side].stalled.empty() && !is_path_blocked(*wire, side)) {
    Frame frame = std::move(wire->ends[side].stalled.front());
    wire->ends[side].stalled.pop_front();
    send_in_order(id, side, std::move(frame));
    wire = find(id);
    if (wire == nullptr || wire->is_dead) return;
  }
}

void Fabric::watch_stall(WireId id, std::size_t side) {
  const SharedBytes first = find(id)->ends[side].stalled.front().body;
  world_.after(settings_.give_up_after, the_world, EventKind::frame, id << 32, [this, id, side, first] {
    Wire* wire = find(id);
    if (wire == nullptr || wire->is_dead || !wire->is_open) return;
    End& end = wire->ends[side];
    if (end.stalled.empty() || end.stalled.front().body != first) return;
    ++counts_.gave_up;
    wire->is_dead = true;  // the other side learns of it when it sends
    tell(id, side, {}, {Code::io, "the connection timed out"});
    drop_if_over(id);
  });
}

void Fabric::send_in_order(WireId id, std::size_t side, Frame frame) {
  End& end = find(id)->ends[side];
  ++counts_.frames;
  const std::int64_t size = frame.body ? static_cast<std::int64_t>(frame.body->size()) : 0;
  end.line_free_at = std::max(end.line_free_at, world_.now()) + Duration{size * settings_.ns_per_byte};
  end.in_order_until = std::max(end.in_order_until, end.line_free_at + draw_delay());
  deliver_at(end.in_order_until, id, side, std::move(frame), true);
}

void Fabric::send_peer(WireId id, std::size_t side, Frame frame) {
  const Wire* wire = find(id);
  const End& end = wire->ends[side];
  const End& other = wire->ends[1 - side];
  ++counts_.frames;
  if (random_.chance(settings_.replay_ppm)) {
    const std::vector<Frame>& old = old_frames_[{end.process.host, other.process.host}];
    if (!old.empty()) {
      ++counts_.replayed;
      const Frame again = old[draw_index(random_, old.size())];
      const Instant when = std::max(end.in_order_until, world_.now() + draw_delay());
      deliver_at(when, id, side, again, false);
    }
  }
  if (settings_.replay_ppm > 0) remember(end, other, frame);
  const int copies = random_.chance(settings_.duplicate_ppm) ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    Duration delay = draw_delay();
    const bool is_late = random_.chance(settings_.late_ppm);
    if (is_late) {
      ++counts_.late;
      delay = delay + draw_between(random_, {}, settings_.late_max);
    }
    if (copy == 1) ++counts_.repeated;
    if (copy == 0 && random_.chance(settings_.loss_ppm)) {
      ++counts_.lost;
      count_off(id, side, frame);
      continue;
    }
    deliver_at(std::max(end.in_order_until, world_.now() + delay), id, side, frame, copy == 0);
  }
}

void Fabric::remember(const End& from, const End& to, const Frame& frame) {
  std::vector<Frame>& old = old_frames_[{from.process.host, to.process.host}];
  if (old.size() < old_frames_max) {
    old.push_back(frame);
  } else if (random_.chance(50'000)) {
    old[draw_index(random_, old.size())] = frame;
  }
}

void Fabric::deliver_at(Instant when, WireId id, std::size_t side, Frame frame, bool is_counted) {
  const Process to = find(id)->ends[1 - side].process;
  const std::uint64_t size = frame.body ? frame.body->size() : 0;
  const std::uint64_t detail = (id << 32) | (size << 8) | (static_cast<std::uint64_t>(frame.kind) << 1) | side;
  world_.at(when, to, EventKind::frame, detail,
            [this, id, side, frame = std::move(frame), is_counted, era = era_] {
              if (is_counted) count_off(id, side, frame);
              const bool is_too_late = era != era_ && may_be_lost(frame.kind);
              if (!is_too_late) arrive(id, side, frame);
            });
}

void Fabric::count_off(WireId id, std::size_t side, const Frame& frame) {
  Wire* wire = find(id);
  if (wire != nullptr && frame.body) wire->ends[side].queued -= frame.body->size();
}

void Fabric::arrive(WireId id, std::size_t side, const Frame& frame) {
  Wire* wire = find(id);
  if (wire == nullptr || wire->is_dead) return;
  End& end = wire->ends[1 - side];
  if (!frame.body) {
    wire->is_dead = true;
    tell(id, 1 - side, {}, {Code::io, "the other side closed the connection"});
    return;
  }
  if (random_.chance(settings_.corrupt_ppm)) {
    ++counts_.corrupted;
    break_wire(id, "a frame has a wrong checksum");
    return;
  }
  if (random_.chance(settings_.reset_ppm)) {
    break_wire(id, "the connection was reset");
    return;
  }
  if (end.link != nullptr && end.link->handler() != nullptr) end.link->handler()->on_frame(frame.kind, frame.body);
}

void Fabric::break_wire(WireId id, const std::string& why) {
  Wire* wire = find(id);
  if (wire == nullptr || wire->is_dead) return;
  ++counts_.resets;
  wire->is_dead = true;
  const bool is_half_open = random_.chance(settings_.half_open_ppm);
  const std::size_t unaware = draw_index(random_, 2);
  if (is_half_open) ++counts_.half_open;
  for (std::size_t side = 0; side < 2; ++side) {
    if (is_half_open && side == unaware) continue;
    tell(id, side, draw_delay(), {Code::io, why});
  }
  drop_if_over(id);
}

void Fabric::tell(WireId id, std::size_t side, Duration delay, Error why) {
  End& end = find(id)->ends[side];
  if (end.is_told || end.telling.value != 0) return;
  end.telling = world_.after(delay, end.process, EventKind::frame, id << 32, [this, id, side, why = std::move(why)] {
    Wire* wire = find(id);
    if (wire == nullptr) return;
    wire->ends[side].is_told = true;
    const SimLink* link = wire->ends[side].link;
    node::LinkHandler* handler = link == nullptr ? nullptr : link->handler();
    wire->ends[side].link = nullptr;
    drop_if_over(id);
    if (handler != nullptr) handler->on_closed(why);
  });
}

void Fabric::destroy(WireId id, std::size_t side, Process process) {
  Wire* wire = find(id);
  if (wire == nullptr || !world_.is_alive(process)) return;
  End& end = wire->ends[side];
  if (end.link == nullptr) return;
  end.link = nullptr;
  end.is_told = true;
  if (!wire->is_dead && side == 0 && !wire->is_open) wire->is_dead = true;
  if (!wire->is_dead) dispatch(id, side, {node::FrameKind::hello, nullptr});
  if (wire->is_dead && side == 0 && wire->ends[1].process != the_world) {
    tell(id, 1, draw_delay(), {Code::io, "the connection was reset"});
  }
  drop_if_over(id);
}

void Fabric::drop_if_over(WireId id) {
  const Wire* wire = find(id);
  if (wire == nullptr || !wire->is_dead) return;
  const bool is_over = std::all_of(wire->ends.begin(), wire->ends.end(), [this](const End& end) {
    return end.link == nullptr && (end.is_told || end.process == the_world || !world_.is_alive(end.process));
  });
  if (is_over) wires_.erase(id);
}

std::size_t Fabric::queued(WireId id, std::size_t side) const {
  const auto found = wires_.find(id);
  if (found == wires_.end()) return 0;
  const std::size_t queued = found->second->ends[side].queued;
  return queued > settings_.kernel_buffer ? queued - settings_.kernel_buffer : 0;
}

Result<> Fabric::listen(Process process, const std::string& address, Accept accept) {
  if (listening_.contains(address)) return fail(Code::io, address + " is in use");
  listening_.emplace(address, Listening{process, std::move(accept)});
  return {};
}

void Fabric::stop_listening(Process process, const std::string& address) {
  const auto found = listening_.find(address);
  if (found != listening_.end() && found->second.process == process) listening_.erase(found);
}

SimNetwork::SimNetwork(Fabric& fabric, Process process, std::string name)
    : fabric_(fabric), process_(process), name_(std::move(name)) {
  fabric_.power_on(process.host);
}

Result<std::unique_ptr<node::Listener>> SimNetwork::listen(const std::string& address,
                                                           std::function<void(std::unique_ptr<node::Link>)> accept) {
  const std::size_t colon = address.rfind(':');
  if (colon == std::string::npos) return fail(Code::bad_request, address + " is not host:port");
  if (address.substr(0, colon) != name_) return fail(Code::io, address + " is not an address of this machine");
  if (const Result<> listening = fabric_.listen(process_, address, std::move(accept)); !listening) {
    return fail(listening);
  }
  return std::make_unique<SimListener>(fabric_, process_, address);
}

std::unique_ptr<node::Link> SimNetwork::connect(const std::string& address, node::LinkHandler* handler) {
  auto link = std::make_unique<SimLink>(fabric_, process_, 0, address);
  link->set_handler(handler);
  if (fabric_.is_alive(process_)) link->attach(fabric_.connect(process_, address, link.get()));
  return link;
}

}  // namespace zraft::sim
