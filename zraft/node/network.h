// SPDX-License-Identifier: Apache-2.0
//
// Seam: frames between hosts, and between clients and hosts. Real: net/asio_network (TCP; framing, checksums and
// length bounds are behind this seam). Simulated: sim/network (delay, loss, repetition, reordering, partitions).
// A link carries frames in order until it closes; a frame that was sent may or may not have arrived then. Frames of
// the kinds `peer` and `beat` may besides be lost, repeated and reordered while the link stays up: what is above bears
// it.
// All calls and callbacks happen on the loop.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "zraft/base/piece.h"
#include "zraft/base/result.h"

namespace zraft::node {

// What a frame carries; the layouts are in docs/wire_format.md and net/wire.h. The numbers are on the wire.
enum class FrameKind : std::uint8_t {
  hello = 1,    // first frame of each side: version, role, identity
  peer = 2,     // one raft message of one group
  request = 3,  // client to host
  reply = 4,    // host to client
  beat = 5,     // host to host: it lives
  turned_away = 6,  // host to host, back over the link on which a raft message came that is for nobody here
  bulk = 7,         // a snapshot on its way: net/wire_bulk.h
  watch_event = 8,  // host to client: something that it watches has changed
};

// A file that is sent, as it was when it was opened: nobody writes to it any more. May be read by any thread.
class SendableFile {
 public:
  virtual ~SendableFile() = default;
  [[nodiscard]] virtual std::uint64_t size() const = 0;
  virtual Result<Bytes> read(std::uint64_t offset, std::size_t length) = 0;
  // For sendfile(2); -1: there is none, read() is all there is.
  [[nodiscard]] virtual int descriptor() const { return -1; }
};

// Requires: it lies within the file, and `checksum` is the CRC32C of its bytes.
struct FilePart {
  std::shared_ptr<SendableFile> file;
  std::uint64_t offset = 0;
  std::size_t length = 0;
  std::uint32_t checksum = 0;
};

class LinkHandler {
 public:
  virtual ~LinkHandler() = default;
  virtual void on_open() {}  // of a link that this side connected: frames sent before it were queued
  virtual void on_frame(FrameKind kind, const SharedBytes& body) = 0;
  // The other side is gone, or broke the format, or could not be reached; `why` says which. Nothing comes after it.
  // The handler may destroy the link here.
  virtual void on_closed(const Error& why) = 0;
};

// Destroying a link closes it, without on_closed. Frames already sent are still flushed if that takes no waiting.
class Link {
 public:
  virtual ~Link() = default;
  virtual void set_handler(LinkHandler* handler) = 0;
  // Never blocks. What the other side does not take in queues here: the caller watches queued_bytes() and stops.
  virtual void send(FrameKind kind, Pieces body) = 0;
  // One frame whose body is `head` and, behind it, a part of a file, which goes from the disk to the socket without
  // passing through this process's memory where the system can do that.
  virtual void send_file(FrameKind kind, Bytes head, FilePart part) {
    if (auto bytes = part.file->read(part.offset, part.length)) {
      send(kind, {piece_of(std::move(head)), piece_of(std::move(*bytes))});
    }
  }
  [[nodiscard]] virtual std::size_t queued_bytes() const = 0;
  [[nodiscard]] virtual std::string remote() const = 0;  // for people
};

class Listener {
 public:
  virtual ~Listener() = default;  // stops listening
  [[nodiscard]] virtual std::string address() const = 0;  // "host:port" with the real port when 0 was asked for
};

class Network {
 public:
  virtual ~Network() = default;

  // `accept` is given each link another side made; it sets a handler before it returns, or drops the link.
  // Errors: io (the address is in use or not of this machine; the sentence names it), bad_request (not "host:port").
  virtual Result<std::unique_ptr<Listener>> listen(const std::string& address,
                                                   std::function<void(std::unique_ptr<Link>)> accept) = 0;

  // Gives a link at once; on_open or on_closed follows. Requires: the handler outlives the link.
  virtual std::unique_ptr<Link> connect(const std::string& address, LinkHandler* handler) = 0;
};

}  // namespace zraft::node
