// SPDX-License-Identifier: Apache-2.0
//
// Names of peers and addresses: what is accepted has one form, and nothing that is accepted could be a path or hold a
// character that means something elsewhere.
#include "zraft/net/address.h"

#include <gtest/gtest.h>

#include "test/seeds.h"
#include "zraft/net/wire.h"

namespace zraft::net {
namespace {

TEST(Address, IsAHostAndAPort) {
  for (const char* text :
       {"localhost:7000", "10.0.0.1:1", "a-b_c.example.com:65535", "[::1]:80", "[fe80::1.2.3.4]:0"}) {
    const auto address = parse_address(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(to_text(*address), text);
  }
  EXPECT_EQ(parse_address("[::1]:80")->host, "::1");
}

TEST(Address, RefusesEverythingElse) {
  for (const char* text :
       {"",        ":",          ":1",         "host",        "host:",   "host:x",   "host:-1", "host:+1",
        "host: 1", "host:65536", "host:99999", "host:100000", "host:00", "host:080", "ho st:1", "host/x:1",
        "::1:80",  "[]:1",       "[g::]:1",    "[::1:1",      "::1]:1",  "[host]:1", "h@ost:1", "h\n:1"}) {
    const auto address = parse_address(text);
    ASSERT_FALSE(address.has_value()) << text;
    EXPECT_EQ(address.error().code, Code::bad_request);
  }
  EXPECT_FALSE(parse_address(std::string(254, 'a') + ":1").has_value());
}

// Found by address_fuzz: a second form of "10.0.0.1:80" and "fe:80".
TEST(Address, BracketsAreForColonsOnly) {
  for (const char* text : {"[10.0.0.1]:80", "[fe]:80"}) EXPECT_FALSE(parse_address(text).has_value()) << text;
}

TEST(PeerName, IsANameAtAnAddress) {
  const auto peer = parse_peer("node-1.a_B@10.0.0.1:7000");
  ASSERT_TRUE(peer.has_value());
  EXPECT_EQ(peer->name, "node-1.a_B");
  EXPECT_EQ(peer->address, "10.0.0.1:7000");
  EXPECT_EQ(parse_peer("a@[::1]:80")->address, "[::1]:80");
}

TEST(PeerName, SaysWhatIsWrong) {
  EXPECT_EQ(parse_peer("10.0.0.1:7000").error().text, "\"10.0.0.1:7000\": a peer is name@host:port");
  EXPECT_EQ(parse_peer("a@host").error().text, "\"a@host\": after the @ comes host:port");
  EXPECT_EQ(parse_peer("a@host:0").error().text, "\"a@host:0\": the port of a peer is a number from 1 to 65535");
  for (const std::string& name : {std::string(), std::string(65, 'x'), std::string("a b"), std::string("a/b")}) {
    EXPECT_NE(parse_peer(name + "@h:1").error().text.find("the name before the @ is"), std::string::npos) << name;
  }
  EXPECT_FALSE(parse_peer("a@b@h:1").has_value());
}

TEST(PeerName, W62_CannotBeAPath) {
  for (const char* text : {"../../etc/passwd@h:1", "/a@h:1", "a\\b@h:1", "a@../h:1", "a@h/x:1"}) {
    EXPECT_FALSE(parse_peer(text).has_value()) << text;
  }
}

TEST(PeerName, AnErrorShowsBadInputShortAndPrintable) {
  const std::string text = parse_peer(std::string("\x1b[2J\n") + std::string(500, 'x')).error().text;
  EXPECT_EQ(text.substr(0, 7), "\"?[2J?x");
  EXPECT_LT(text.size(), 150u);
}

TEST(Address, TheCorpusOfTheFuzzerHoldsOneOfEachForm) {
  zraft::test::expect_seeds("address", {{"name", "localhost:7000"},
                                        {"ipv4", "10.0.0.1:0"},
                                        {"ipv6", "[fe80::1.2.3.4]:65535"},
                                        {"ipv4_in_brackets", "[10.0.0.1]:80"},
                                        {"peer", "node-1.a_B@10.0.0.1:7000"},
                                        {"peer_at_ipv6", "a@[::1]:80"}});
}

}  // namespace
}  // namespace zraft::net
