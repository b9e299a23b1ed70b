// SPDX-License-Identifier: Apache-2.0
//
// docs/wire_format.md against the code: each example in hexadecimal is the sample of its name (test/net/samples.cc)
// byte for byte and decodes; each message, request and reply has its row. The examples of the key-value language are
// read by test/machines/kv_format_test.cc.
#include <gtest/gtest.h>

#include <set>

#include "test/format_document.h"
#include "test/net/join.h"
#include "test/net/samples.h"
#include "zraft/net/wire.h"
#include "zraft/net/wire_bulk.h"

namespace zraft::net::test {
namespace {

const std::string document = "wire_format.md";

using zraft::test::examples_of_document;
using zraft::test::numbered_rows;
using zraft::test::one_to;

TEST(WireFormat, W57_EveryExampleOfTheDocumentIsTheSampleOfItsName) {
  std::set<std::string> formats_shown;
  for (const auto& [name, bytes] : examples_of_document(document)) {
    if (name.starts_with("kv_")) continue;
    const std::size_t blank = name.find(' ');
    ASSERT_NE(blank, std::string::npos) << name << ": an example is named by its format and its sample";
    const std::string format_name = name.substr(0, blank);
    EXPECT_EQ(hex(bytes), hex(sample(format_name, name.substr(blank + 1)))) << name;
    formats_shown.insert(format_name);
  }
  for (const Format& format : formats()) EXPECT_TRUE(formats_shown.contains(format.name)) << format.name;
}

TEST(WireFormat, EveryExampleOfTheDocumentDecodes) {
  const auto examples = examples_of_document(document);
  for (const Format& format : formats()) {
    for (const auto& [name, bytes] : examples) {
      if (!name.starts_with(format.name + " ")) continue;
      const auto again = format.again(bytes);
      ASSERT_TRUE(again.has_value()) << name << ": " << again.error().text;
      EXPECT_EQ(hex(*again), hex(bytes)) << name;
    }
  }
}

TEST(WireFormat, EveryMessageRequestAndReplyHasItsRow) {
  EXPECT_EQ(numbered_rows(document, "## Peer messages"), one_to(std::variant_size_v<raft::Body>));
  EXPECT_EQ(numbered_rows(document, "## Snapshots"), one_to(std::variant_size_v<BulkMessage>));
  EXPECT_EQ(numbered_rows(document, "## Requests"), one_to(std::variant_size_v<RequestBody>));
  EXPECT_EQ(numbered_rows(document, "## Replies"), one_to(std::variant_size_v<ReplyBody>));
}

}  // namespace
}  // namespace zraft::net::test
