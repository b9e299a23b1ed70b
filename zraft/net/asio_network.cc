// SPDX-License-Identifier: Apache-2.0
//
// See asio_network.h. A Link is a handle; the Connection behind it lives as long as Asio has something to tell it, and
// forgets its handler when the handle goes. Reading and writing use the socket without waiting, Asio says when that is
// worth while: so one buffer serves every link, and a frame is copied once, into the body that its reader keeps.
#include "zraft/net/asio_network.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <asio/buffer.hpp>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <cerrno>
#include <system_error>
#include <utility>
#include <vector>

#include "zraft/net/address.h"
#include "zraft/net/asio_dialer.h"
#include "zraft/net/asio_writer.h"
#include "zraft/net/send_queue.h"

namespace zraft::net {

namespace {
class Connection;
using asio::ip::tcp;
}  // namespace

struct AsioNetwork::Shared {
  Shared(AsioLoop& its_loop, NetworkSettings its_settings)
      : loop(its_loop), io(*static_cast<asio::io_context*>(its_loop.native())), settings(its_settings) {}

  AsioLoop& loop;
  asio::io_context& io;
  const NetworkSettings settings;
  std::vector<char> read_buffer = std::vector<char>(std::size_t{256} << 10);
  std::vector<std::weak_ptr<Connection>> to_flush;  // owned, they and this would keep each other for ever
  std::size_t inbound = 0;
};

namespace {

using Shared = AsioNetwork::Shared;

// A turn of one link; then the others have theirs.
constexpr std::size_t write_turn_max = std::size_t{4} << 20;
constexpr int read_turn_max = 4;  // buffers full

std::string text_of(const tcp::endpoint& endpoint) {
  return to_text({.host = endpoint.address().to_string(), .port = endpoint.port()});
}

void set_option(tcp::socket& socket, int level, int name, int value) {
  // A socket that refuses one of these works without it.
  static_cast<void>(::setsockopt(socket.native_handle(), level, name, &value, sizeof value));
}

// Requests and heartbeats are small and want to leave at once; a machine that died silently must be noticed although
// it sends no word (the kernel asks, and gives up on bytes that are not acknowledged).
void set_options(tcp::socket& socket, Duration dead_after) {
  const auto ms = static_cast<int>(std::min<std::int64_t>(dead_after.to_milliseconds(), 1'000'000));
  std::error_code ignored;
  socket.non_blocking(true, ignored);
  set_option(socket, IPPROTO_TCP, TCP_NODELAY, 1);
  set_option(socket, SOL_SOCKET, SO_KEEPALIVE, 1);
  set_option(socket, IPPROTO_TCP, TCP_KEEPIDLE, std::max(1, ms / 3000));
  set_option(socket, IPPROTO_TCP, TCP_KEEPINTVL, std::max(1, ms / 3000));
  set_option(socket, IPPROTO_TCP, TCP_KEEPCNT, 2);
  set_option(socket, IPPROTO_TCP, TCP_USER_TIMEOUT, ms);
}

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  Connection(std::shared_ptr<Shared> shared, tcp::socket socket, std::string remote, bool is_inbound);
  ~Connection();

  void dial(node::LinkHandler* handler);
  void open();  // the socket is connected
  void set_handler(node::LinkHandler* handler) { handler_ = handler; }
  void send(node::FrameKind kind, Pieces body);
  void send_file(node::FrameKind kind, Bytes head, node::FilePart part);
  void flush();
  void release();  // the link went

  [[nodiscard]] bool has_handler() const { return handler_ != nullptr; }
  [[nodiscard]] std::size_t queued_bytes() const { return queue_.bytes(); }
  [[nodiscard]] const std::string& remote() const { return remote_; }

 private:
  enum class State { connecting, open, closed };

  [[nodiscard]] bool may_send(std::size_t size);
  void close_soon(const Error& why);
  void want_flush();
  [[nodiscard]] Result<bool> write() { return write_queue(socket_.native_handle(), queue_, write_turn_max); }
  void wait_to_write();
  void wait_to_read();
  bool read();
  bool take(BytesView input);
  void close(const Error& why);
  void shut();

  const std::shared_ptr<Shared> shared_;
  tcp::socket socket_;
  const std::string remote_;
  const bool is_inbound_;
  State state_ = State::connecting;
  node::LinkHandler* handler_ = nullptr;  // null: the link went, or on_closed was said
  std::unique_ptr<AsioDialer> dialer_;  // while connecting
  FrameReader reader_;
  SendQueue queue_;
  bool is_flush_wanted_ = false;
  bool is_waiting_to_write_ = false;
};

Connection::Connection(std::shared_ptr<Shared> shared, tcp::socket socket, std::string remote, bool is_inbound)
    : shared_(std::move(shared)),
      socket_(std::move(socket)),
      remote_(std::move(remote)),
      is_inbound_(is_inbound),
      reader_(shared_->settings.frame_bytes_max) {
  if (is_inbound_) ++shared_->inbound;
}

Connection::~Connection() { shut(); }

void Connection::dial(node::LinkHandler* handler) {
  handler_ = handler;
  dialer_ = std::make_unique<AsioDialer>(shared_->loop, remote_, shared_->settings.connect_timeout);
  dialer_->start([self = shared_from_this()](Result<ConnectedSocket> socket) {
    self->dialer_.reset();
    if (!socket) return self->close(socket.error());
    std::error_code error;
    self->socket_.assign(socket->is_ipv6 ? tcp::v6() : tcp::v4(), socket->handle, error);
    if (error) return self->close({Code::io, "no connection to " + self->remote_ + ": " + error.message()});
    self->open();
    if (self->handler_ != nullptr) self->handler_->on_open();
  });
}

void Connection::open() {
  state_ = State::open;
  set_options(socket_, shared_->settings.dead_after);
  if (!queue_.is_empty()) want_flush();
  wait_to_read();
}

void Connection::send(node::FrameKind kind, Pieces body) {
  if (!may_send(size_of(body))) return;
  queue_.push(kind, std::move(body));
  if (state_ == State::open) want_flush();
}

void Connection::send_file(node::FrameKind kind, Bytes head, node::FilePart part) {
  if (!may_send(head.size() + part.length)) return;
  if (part.file->descriptor() >= 0 && part.length > 0) {
    read_ahead(part);
    queue_.push_file(kind, std::move(head), std::move(part));
    if (state_ == State::open) want_flush();
    return;
  }
  auto bytes = part.file->read(part.offset, part.length);
  if (!bytes) return close_soon(bytes.error());
  send(kind, {piece_of(std::move(head)), piece_of(*std::move(bytes))});
}

// What the other side would refuse ends the link here, and says so.
bool Connection::may_send(std::size_t size) {
  if (state_ == State::closed) return false;
  const std::size_t size_max = shared_->settings.frame_bytes_max;
  if (size <= size_max) return true;
  close_soon({Code::too_large, "a frame of " + std::to_string(size) + " bytes for " + remote_ + "; the limit is " +
                                   std::to_string(size_max)});
  return false;
}

void Connection::close_soon(const Error& why) {
  shared_->loop.post([self = shared_from_this(), why] { self->close(why); });
}

void Connection::want_flush() {
  if (is_waiting_to_write_ || std::exchange(is_flush_wanted_, true)) return;
  shared_->to_flush.push_back(weak_from_this());
  if (shared_->to_flush.size() > 1) return;
  shared_->loop.post([shared = shared_] {
    for (const auto& waiting : std::exchange(shared->to_flush, {})) {
      if (const auto connection = waiting.lock()) connection->flush();
    }
  });
}

void Connection::flush() {
  is_flush_wanted_ = false;
  if (state_ != State::open || is_waiting_to_write_) return;
  const Result<bool> written = write();
  if (written && !*written) return wait_to_write();
  if (written) {
    if (!queue_.is_empty()) want_flush();
    return;
  }
  // What the other side said before it broke off is still to be heard.
  if (read()) close({Code::io, "the connection to " + remote_ + " broke: " + written.error().text});
}

void Connection::wait_to_write() {
  is_waiting_to_write_ = true;
  socket_.async_wait(tcp::socket::wait_write, [self = shared_from_this()](const std::error_code&) {
    self->is_waiting_to_write_ = false;
    self->flush();  // an error of the socket comes up there
  });
}

void Connection::wait_to_read() {
  socket_.async_wait(tcp::socket::wait_read, [self = shared_from_this()](const std::error_code&) {
    if (self->state_ == State::open && self->read()) self->wait_to_read();
  });
}

// Reads what is there, a turn of it at most. False: the connection is closed.
bool Connection::read() {
  std::vector<char>& buffer = shared_->read_buffer;
  for (int turn = 0; turn < read_turn_max; ++turn) {
    std::error_code error;
    const std::size_t size = socket_.read_some(asio::buffer(buffer), error);
    if (error == asio::error::would_block || error == asio::error::interrupted) return true;
    if (error) {
      close({Code::io, error == asio::error::eof ? remote_ + " closed the connection"
                                                 : "the connection to " + remote_ + " broke: " + error.message()});
      return false;
    }
    if (!take(BytesView(buffer.data(), size))) return false;
    if (size < buffer.size()) return true;
  }
  return true;
}

bool Connection::take(BytesView input) {
  while (!input.empty()) {
    auto frame = reader_.take(input);
    if (!frame) {
      close({frame.error().code, remote_ + " sent " + frame.error().text});
      return false;
    }
    if (*frame && handler_ != nullptr) handler_->on_frame((*frame)->kind, (*frame)->body);
    if (state_ != State::open) return false;
  }
  return true;
}

// Says so to the handler, which may destroy the link: the caller keeps this object alive, and looks at state_ only.
void Connection::close(const Error& why) {
  shut();
  if (node::LinkHandler* handler = std::exchange(handler_, nullptr)) handler->on_closed(why);
}

void Connection::release() {
  handler_ = nullptr;
  if (state_ == State::open && !is_waiting_to_write_) static_cast<void>(write());
  shut();
}

void Connection::shut() {
  if (state_ == State::closed) return;
  state_ = State::closed;
  if (is_inbound_) --shared_->inbound;
  dialer_.reset();
  std::error_code ignored;
  socket_.shutdown(tcp::socket::shutdown_send, ignored);
  socket_.close(ignored);
  queue_ = {};
}

class AsioLink final : public node::Link {
 public:
  explicit AsioLink(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
  ~AsioLink() override { connection_->release(); }
  void set_handler(node::LinkHandler* handler) override { connection_->set_handler(handler); }
  void send(node::FrameKind kind, Pieces body) override { connection_->send(kind, std::move(body)); }
  void send_file(node::FrameKind kind, Bytes head, node::FilePart part) override {
    connection_->send_file(kind, std::move(head), std::move(part));
  }
  [[nodiscard]] std::size_t queued_bytes() const override { return connection_->queued_bytes(); }
  [[nodiscard]] std::string remote() const override { return connection_->remote(); }

 private:
  const std::shared_ptr<Connection> connection_;
};

class Acceptor : public std::enable_shared_from_this<Acceptor> {
 public:
  using Accept = std::function<void(std::unique_ptr<node::Link>)>;

  Acceptor(std::shared_ptr<Shared> shared, Accept accept)
      : shared_(std::move(shared)), accept_(std::move(accept)), acceptor_(shared_->io) {}

  [[nodiscard]] std::error_code listen(const tcp::endpoint& endpoint);
  void wait();
  void stop();
  [[nodiscard]] std::uint16_t port() const {
    std::error_code ignored;
    return acceptor_.local_endpoint(ignored).port();
  }

 private:
  void take(tcp::socket socket);
  void pause();

  const std::shared_ptr<Shared> shared_;
  const Accept accept_;
  tcp::acceptor acceptor_;
  bool is_stopped_ = false;
  node::TimerId timer_;
};

std::error_code Acceptor::listen(const tcp::endpoint& endpoint) {
  std::error_code error;
  acceptor_.open(endpoint.protocol(), error);
  if (!error) acceptor_.set_option(tcp::acceptor::reuse_address(true), error);
  if (!error) acceptor_.bind(endpoint, error);
  if (!error) acceptor_.listen(tcp::acceptor::max_listen_connections, error);
  return error;
}

void Acceptor::wait() {
  acceptor_.async_accept([self = shared_from_this()](const std::error_code& error, tcp::socket socket) {
    if (self->is_stopped_) return;
    if (!error) {
      self->take(std::move(socket));
    } else if (error != asio::error::connection_aborted && error != asio::error::interrupted) {
      return self->pause();
    }
    if (!self->is_stopped_) self->wait();
  });
}

// No file descriptor, no memory: the connection stays in the kernel's queue, and trying at once would spin.
void Acceptor::pause() {
  timer_ = shared_->loop.wake_at(shared_->loop.now() + shared_->settings.accept_pause,
                                 [self = shared_from_this()] { self->wait(); });
}

void Acceptor::take(tcp::socket socket) {
  std::error_code error;
  const tcp::endpoint from = socket.remote_endpoint(error);
  if (error || shared_->inbound >= shared_->settings.inbound_max) return;  // the socket closes here
  const auto connection = std::make_shared<Connection>(shared_, std::move(socket), text_of(from), true);
  accept_(std::make_unique<AsioLink>(connection));
  if (connection->has_handler()) connection->open();
}

void Acceptor::stop() {
  is_stopped_ = true;
  std::error_code ignored;
  acceptor_.close(ignored);
  shared_->loop.cancel(timer_);
}

class AsioListener final : public node::Listener {
 public:
  AsioListener(std::shared_ptr<Acceptor> acceptor, std::string address)
      : acceptor_(std::move(acceptor)), address_(std::move(address)) {}
  ~AsioListener() override { acceptor_->stop(); }
  [[nodiscard]] std::string address() const override { return address_; }

 private:
  const std::shared_ptr<Acceptor> acceptor_;
  const std::string address_;
};

Result<tcp::endpoint> resolve_here(asio::io_context& io, const Address& address) {
  std::error_code error;
  const auto ip = asio::ip::make_address(address.host, error);
  if (!error) return tcp::endpoint(ip, address.port);
  const auto found = tcp::resolver(io).resolve(address.host, std::to_string(address.port),
                                               tcp::resolver::passive | tcp::resolver::numeric_service, error);
  if (error || found.empty()) return fail(Code::io, to_text(address) + ": " + error.message());
  return found.begin()->endpoint();
}

}  // namespace

AsioNetwork::AsioNetwork(AsioLoop& loop, NetworkSettings settings)
    : shared_(std::make_shared<Shared>(loop, settings)) {}

AsioNetwork::~AsioNetwork() = default;

Result<std::unique_ptr<node::Listener>> AsioNetwork::listen(const std::string& address,
                                                            std::function<void(std::unique_ptr<node::Link>)> accept) {
  auto wanted = parse_address(address);
  if (!wanted) return fail(wanted);
  const auto endpoint = resolve_here(shared_->io, *wanted);
  if (!endpoint) return fail(endpoint);
  auto acceptor = std::make_shared<Acceptor>(shared_, std::move(accept));
  if (const std::error_code error = acceptor->listen(*endpoint)) {
    return fail(Code::io, "cannot listen at " + address + ": " + error.message() +
                              "; choose an address of this machine " + "and a port that no other process listens at");
  }
  wanted->port = acceptor->port();
  acceptor->wait();
  return std::make_unique<AsioListener>(std::move(acceptor), to_text(*wanted));
}

std::unique_ptr<node::Link> AsioNetwork::connect(const std::string& address, node::LinkHandler* handler) {
  const auto connection = std::make_shared<Connection>(shared_, tcp::socket(shared_->io), address, false);
  connection->dial(handler);
  return std::make_unique<AsioLink>(connection);
}

std::size_t AsioNetwork::inbound() const { return shared_->inbound; }

}  // namespace zraft::net
