// SPDX-License-Identifier: Apache-2.0
//
// The catalogue file: docs/log_format.md holds an example of it, which is decoded here; what was encoded comes back,
// and no cut or changed byte is taken for a catalogue. What a host does with a damaged one is in start_test.cc.
#include "zraft/host/catalogue.h"

#include <gtest/gtest.h>

#include "test/format_document.h"
#include "test/seeds.h"

namespace zraft::host::test {
namespace {

const CatalogueEntry first{.group = "kv",
                           .group_id = {0x0807060504030201},
                           .backend = "memory",
                           .self = {1},
                           .peer = "one@10.0.0.1:7000",
                           .log = {0x1817161514131211}};
const CatalogueEntry second{.group = "other",
                            .group_id = {9},
                            .backend = "memory",
                            .self = {3},
                            .peer = "one@10.0.0.1:7000",
                            .log = {10},
                            .is_removed = true};

TEST(Catalogue, W57_TheExampleOfTheDocumentIsWhatIsWritten) {
  const auto examples = zraft::test::examples_of_document("log_format.md");
  ASSERT_TRUE(examples.contains("catalogue"));
  const auto decoded = decode_catalogue(examples.at("catalogue"));
  ASSERT_TRUE(decoded.has_value()) << decoded.error().text;
  EXPECT_EQ(*decoded, Catalogue{first});
  EXPECT_EQ(examples.at("catalogue"), encode(Catalogue{first}));
}

TEST(Catalogue, ComesBackAsItWas) {
  for (const Catalogue& catalogue : {Catalogue{}, Catalogue{first}, Catalogue{first, second}}) {
    EXPECT_EQ(decode_catalogue(encode(catalogue)), catalogue);
  }
}

TEST(Catalogue, IsNotTakenFromBytesThatWereCutOrChanged) {
  const Bytes whole = encode(Catalogue{first, second});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    EXPECT_FALSE(decode_catalogue(BytesView(whole).substr(0, size)).has_value()) << size;
  }
  EXPECT_FALSE(decode_catalogue(whole + '\0').has_value());
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    Bytes changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(decode_catalogue(changed).has_value()) << bit;
  }
}

TEST(Catalogue, TheCorpusOfTheFuzzerHoldsWhatIsWritten) {
  zraft::test::expect_seeds(
      "catalogue",
      {{"empty", encode(Catalogue{})}, {"one", encode(Catalogue{first})}, {"two", encode(Catalogue{first, second})}});
}

}  // namespace
}  // namespace zraft::host::test
