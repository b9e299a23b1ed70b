// SPDX-License-Identifier: Apache-2.0
//
// The file of settings as any bytes: what the fuzzer found, and its seeds.
#include <gtest/gtest.h>

#include "server/settings.h"
#include "test/seeds.h"

namespace zraft::server {
namespace {

using Problems = std::vector<std::string>;

Problems problems_of_file(std::string_view text) {
  Settings settings;
  return read_toml(text, "file", settings);
}

// Found by settings_fuzz: toml++ 3.3 has undefined behaviour where it asks of such a character whether it is a blank.
TEST(SettingsBytes, ACharacterOutsideAsciiIsRefusedWhereNoneCanStand) {
  const std::pair<const char*, int> cases[] = {
      {"\u02ea*\"", 1},
      {"name = \"n1\"\nlist\u00e9n = \"h:1\"\n", 2},
      {"name = \"n1\" \u02ea", 1},
      {"data = \"\"\"\na\"\"\"\" \u02ea", 2},
      {"data = \"\\\"\" \u02ea", 1},
      {"data = 0\"a\u00e9\"", 1},           // the text in quotes is taken for more of the number
      {"data = \"\"\"a\\\u00e9\"\"\"", 1},  // no escape
      {"name = \"n1\"\n[.\n", 2},
      {"[a..b]\n", 1},
  };
  for (const auto& [text, line] : cases) {
    const Problems problems = problems_of_file(text);
    ASSERT_EQ(problems.size(), 1U) << text;
    EXPECT_TRUE(problems[0].starts_with("file:" + std::to_string(line) + ": this is no TOML: ")) << problems[0];
  }
}

TEST(SettingsBytes, ACharacterOutsideAsciiMayStandInTextsAndComments) {
  for (const char* text : {
           "data = \"donn\u00e9es\"  # \u02ea",
           "# l'\u00e9t\u00e9\ndata = 'd\u00e9'",
           "data = \"\"\"\nd\u00e9\"\u02ea\"\"\"",
           "data = '''d'\u00e9'''",
           "\uFEFFdata = \"d\"",
           "data = \"a\\\"\u00e9\"",
           "data = \"\"\"a\\\n  \u00e9\"\"\"",
       }) {
    EXPECT_EQ(problems_of_file(text), Problems{}) << text;
  }
}

TEST(SettingsBytes, TheCorpusOfTheFuzzerHoldsFilesOfSettings) {
  Settings settings;
  settings.host.host.name = "n1";
  settings.host.host.listen = "127.0.0.1:7101";
  settings.host.data_dir = "data/\u00e9\t\"n1\"\x01";
  zraft::test::expect_seeds("settings",
                            {{"all", to_toml(settings)},
                             {"few", "name = 'n1'\nlisten = \"h:1\" # here\nelection_timeout = 500\n"},
                             {"lines", "data = \"\"\"\nover\\\n  two lines\"\"\"\nmax_segment_size = \"16M\"\n"},
                             {"dot", "name = \"n1\"\n[.\n"},
                             {"wrong", "nome = 1\nname = [1, {a = 2}]\n[table]\nx = 1979-05-27\n"}});
}

}  // namespace
}  // namespace zraft::server
