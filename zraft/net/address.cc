// SPDX-License-Identifier: Apache-2.0
//
// Addresses and names of peers. What is accepted here is all that ever becomes a key, a log line or the argument of a
// resolver, so the set of characters is small (W-62).
#include "zraft/net/address.h"

#include <algorithm>

#include "zraft/net/wire.h"

namespace zraft::net {
namespace {

constexpr std::size_t name_max = 64;
constexpr std::size_t host_max = 253;  // of a DNS name
constexpr std::size_t shown_max = 80;  // of a bad input, in its error
constexpr unsigned port_max = 65535;

bool is_digit(char c) { return '0' <= c && c <= '9'; }
bool is_name(char c) {
  return is_digit(c) || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z') || c == '.' || c == '_' || c == '-';
}
bool is_ipv6(char c) {
  return is_digit(c) || ('a' <= c && c <= 'f') || ('A' <= c && c <= 'F') || c == ':' || c == '.';
}

// In quotes, printable and not longer than a log line should be.
std::string shown(BytesView text) {
  std::string out = "\"";
  for (const char c : text.substr(0, shown_max)) out += ' ' <= c && c <= '~' ? c : '?';
  if (text.size() > shown_max) out += "...";
  return out + "\"";
}

std::unexpected<Error> bad(BytesView text, const char* what) {
  return fail(Code::bad_request, shown(text) + ": " + what);
}

bool is_host(BytesView host, bool is_bracketed) {
  if (host.empty() || host.size() > host_max) return false;
  if (!is_bracketed) return std::ranges::all_of(host, is_name);
  // Without a colon it is no IPv6 address, and would be one more form of the same host without brackets.
  return std::ranges::all_of(host, is_ipv6) && host.find(':') != BytesView::npos;
}

// 65536 is never a port.
unsigned parse_port(BytesView text) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text.front() == '0')) return port_max + 1;
  unsigned port = 0;
  for (const char c : text) {
    if (!is_digit(c)) return port_max + 1;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  return port;
}

}  // namespace

Result<Address> parse_address(BytesView text) {
  const std::size_t colon = text.rfind(':');
  if (colon == BytesView::npos) return bad(text, "an address is host:port");
  BytesView host = text.substr(0, colon);
  const bool is_bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (is_bracketed) host = host.substr(1, host.size() - 2);
  if (!is_host(host, is_bracketed)) {
    return bad(text, "the host is a name, an IPv4 address, or an IPv6 address in brackets");
  }
  const unsigned port = parse_port(text.substr(colon + 1));
  if (port > port_max) return bad(text, "the port is a number up to 65535");
  return Address{std::string(host), static_cast<std::uint16_t>(port)};
}

std::string to_text(const Address& address) {
  const bool is_ipv6_host = address.host.find(':') != std::string::npos;
  return (is_ipv6_host ? "[" + address.host + "]" : address.host) + ":" + std::to_string(address.port);
}

Result<PeerName> parse_peer(BytesView text) {
  const std::size_t at = text.find('@');
  if (at == BytesView::npos) return bad(text, "a peer is name@host:port");
  const BytesView name = text.substr(0, at);
  if (name.empty() || name.size() > name_max || !std::ranges::all_of(name, is_name)) {
    return bad(text, "the name before the @ is 1 to 64 letters, digits, '.', '_' or '-'");
  }
  auto address = parse_address(text.substr(at + 1));
  if (!address) return bad(text, "after the @ comes host:port");
  if (address->port == 0) return bad(text, "the port of a peer is a number from 1 to 65535");
  return PeerName{.name = std::string(name), .address = std::string(text.substr(at + 1))};
}

}  // namespace zraft::net
