// SPDX-License-Identifier: Apache-2.0
//
// The raw sockets of real_world.h. A receive gives up after the deadline, so a test never hangs.
#include "test/net_real/real_world.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "zraft/net/address.h"

namespace zraft::net::test {

RawSocket::RawSocket() : handle_(::socket(AF_INET, SOCK_STREAM, 0)) {
  EXPECT_GE(handle_, 0);
  const timeval timeout{.tv_sec = deadline.count(), .tv_usec = 0};
  EXPECT_EQ(::setsockopt(handle_, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout), 0);
}

void RawSocket::connect(const std::string& address) {
  const auto wanted = parse_address(address);
  ASSERT_TRUE(wanted.has_value());
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(wanted->port);
  ASSERT_EQ(::inet_pton(AF_INET, wanted->host.c_str(), &to.sin_addr), 1);
  ASSERT_EQ(::connect(handle_, reinterpret_cast<const sockaddr*>(&to), sizeof to), 0);
}

void RawSocket::send(BytesView bytes) {
  while (!bytes.empty()) {
    const ssize_t size = ::send(handle_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size <= 0) return;  // the other side has closed
    bytes.remove_prefix(static_cast<std::size_t>(size));
  }
}

Bytes RawSocket::receive(std::size_t size) {
  Bytes bytes(size, '\0');
  std::size_t filled = 0;
  while (filled < size) {
    const ssize_t got = ::recv(handle_, bytes.data() + filled, size - filled, 0);
    if (got <= 0) break;
    filled += static_cast<std::size_t>(got);
  }
  bytes.resize(filled);
  return bytes;
}

void RawSocket::wait_for_end() {
  for (;;) {
    char byte = 0;
    const ssize_t got = ::recv(handle_, &byte, 1, 0);
    if (got > 0) continue;
    EXPECT_TRUE(got == 0 || errno == ECONNRESET) << "the other side did not close";
    return;
  }
}

void RawSocket::close() {
  if (handle_ >= 0) ::close(handle_);
  handle_ = -1;
}

FullListener::FullListener() : handle_(::socket(AF_INET, SOCK_STREAM, 0)) {
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  EXPECT_EQ(::bind(handle_, reinterpret_cast<const sockaddr*>(&at), size), 0);
  EXPECT_EQ(::listen(handle_, 0), 0);
  EXPECT_EQ(::getsockname(handle_, reinterpret_cast<sockaddr*>(&at), &size), 0);
  address_ = "127.0.0.1:" + std::to_string(ntohs(at.sin_port));
  filler_.connect(address_);
}

FullListener::~FullListener() { ::close(handle_); }

}  // namespace zraft::net::test
