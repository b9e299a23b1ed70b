// SPDX-License-Identifier: Apache-2.0
//
// See asio_dialer.h. The Attempt lives as long as Asio has something to tell it; an empty `done_` says that it is over
// and nobody listens any more.
#include "zraft/net/asio_dialer.h"

#include <algorithm>
#include <asio/io_context.hpp>
#include <asio/ip/tcp.hpp>
#include <system_error>
#include <utility>
#include <vector>

#include "zraft/net/address.h"

namespace zraft::net {

using asio::ip::tcp;

class AsioDialer::Attempt : public std::enable_shared_from_this<Attempt> {
 public:
  Attempt(AsioLoop& loop, asio::io_context& io, std::string address, Duration timeout)
      : loop_(loop), address_(std::move(address)), timeout_(timeout), socket_(io), resolver_(io) {}

  void start(Done done);
  void give_up();

 private:
  void resolve();
  void try_next();
  void on_connected(std::error_code error);
  void finish(Result<ConnectedSocket> result);
  [[nodiscard]] std::unexpected<Error> failed(const std::string& why) const {
    return fail(Code::io, "no connection to " + address_ + ": " + why);
  }

  AsioLoop& loop_;
  const std::string address_;
  const Duration timeout_;
  Done done_;
  tcp::socket socket_;
  tcp::resolver resolver_;
  std::vector<tcp::endpoint> endpoints_;  // to be tried, the last one first
  std::string last_error_ = "the name has no address";
  node::TimerId timer_;
};

void AsioDialer::Attempt::start(Done done) {
  done_ = std::move(done);
  timer_ = loop_.wake_at(loop_.now() + timeout_, [self = shared_from_this()] {
    self->finish(self->failed("it did not answer within " + std::to_string(self->timeout_.to_milliseconds()) + " ms"));
  });
  loop_.post([self = shared_from_this()] { self->resolve(); });
}

void AsioDialer::Attempt::resolve() {
  if (done_ == nullptr) return;
  const auto address = parse_address(address_);
  if (!address) return finish(fail(address));
  if (address->port == 0) return finish(fail(Code::bad_request, address_ + ": nobody listens at port 0"));
  std::error_code error;
  const auto ip = asio::ip::make_address(address->host, error);
  if (!error) {
    endpoints_ = {tcp::endpoint(ip, address->port)};
    return try_next();
  }
  const auto take = [self = shared_from_this()](const std::error_code& failure, const auto& results) {
    if (failure) return self->finish(self->failed(failure.message()));
    for (const auto& entry : results) self->endpoints_.push_back(entry.endpoint());
    std::ranges::reverse(self->endpoints_);
    self->try_next();
  };
  try {
    resolver_.async_resolve(address->host, std::to_string(address->port), tcp::resolver::numeric_service, take);
  } catch (const std::system_error& failure) {  // the system gives no thread to resolve on
    finish(failed(failure.what()));
  }
}

void AsioDialer::Attempt::try_next() {
  if (done_ == nullptr) return;
  if (endpoints_.empty()) return finish(failed(last_error_));
  const tcp::endpoint endpoint = endpoints_.back();
  endpoints_.pop_back();
  std::error_code error;
  socket_.close(error);
  socket_.open(endpoint.protocol(), error);
  if (error) return finish(failed(error.message()));
  socket_.async_connect(endpoint,
                        [self = shared_from_this()](std::error_code failure) { self->on_connected(failure); });
}

void AsioDialer::Attempt::on_connected(std::error_code error) {
  if (done_ == nullptr) return;
  std::error_code ignored;
  const tcp::endpoint local = socket_.local_endpoint(ignored);
  // A port that nobody listens at can be the very one that the kernel chose for this side: TCP then connects the
  // socket with itself.
  if (!error && local == socket_.remote_endpoint(ignored)) error = asio::error::connection_refused;
  int handle = -1;
  if (!error) handle = socket_.release(error);
  if (!error) return finish(ConnectedSocket{.handle = handle, .is_ipv6 = local.address().is_v6()});
  last_error_ = error.message();
  try_next();
}

void AsioDialer::Attempt::finish(Result<ConnectedSocket> result) {
  Done done = std::exchange(done_, nullptr);
  if (done == nullptr) return;
  give_up();
  done(std::move(result));
}

void AsioDialer::Attempt::give_up() {
  done_ = nullptr;
  std::error_code ignored;
  resolver_.cancel();
  socket_.close(ignored);
  loop_.cancel(timer_);
}

AsioDialer::AsioDialer(AsioLoop& loop, std::string address, Duration timeout)
    : attempt_(std::make_shared<Attempt>(loop, *static_cast<asio::io_context*>(loop.native()), std::move(address),
                                         timeout)) {}

AsioDialer::~AsioDialer() { attempt_->give_up(); }

void AsioDialer::start(Done done) { attempt_->start(std::move(done)); }

}  // namespace zraft::net
