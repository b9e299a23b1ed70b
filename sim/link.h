// SPDX-License-Identifier: Apache-2.0
//
// The objects that the Network seam hands out: one end of a wire, and a listener. They hold no state but who they
// are; everything is in the Fabric, so an end that outlives its wire, or its process, is harmless.
#pragma once

#include <string>
#include <utility>

#include "sim/network.h"

namespace zraft::sim {

class SimLink : public node::Link {
 public:
  SimLink(Fabric& fabric, Process process, std::size_t side, std::string remote)
      : fabric_(fabric), process_(process), side_(side), remote_(std::move(remote)) {}
  ~SimLink() override { fabric_.destroy(wire_, side_, process_); }
  SimLink(const SimLink&) = delete;
  SimLink& operator=(const SimLink&) = delete;

  void set_handler(node::LinkHandler* handler) override { handler_ = handler; }
  void send(node::FrameKind kind, Pieces body) override { fabric_.send(wire_, side_, kind, body); }
  [[nodiscard]] std::size_t queued_bytes() const override { return fabric_.queued(wire_, side_); }
  [[nodiscard]] std::string remote() const override { return remote_; }

  void attach(std::uint64_t wire) { wire_ = wire; }
  [[nodiscard]] node::LinkHandler* handler() const { return handler_; }

 private:
  Fabric& fabric_;
  Process process_;
  std::size_t side_;  // 0 connected, 1 accepted
  std::string remote_;
  std::uint64_t wire_ = 0;
  node::LinkHandler* handler_ = nullptr;
};

class SimListener : public node::Listener {
 public:
  SimListener(Fabric& fabric, Process process, std::string address)
      : fabric_(fabric), process_(process), address_(std::move(address)) {}
  ~SimListener() override { fabric_.stop_listening(process_, address_); }
  SimListener(const SimListener&) = delete;
  SimListener& operator=(const SimListener&) = delete;
  [[nodiscard]] std::string address() const override { return address_; }

 private:
  Fabric& fabric_;
  Process process_;
  std::string address_;
};

}  // namespace zraft::sim
