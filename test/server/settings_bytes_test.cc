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

Problems stray_in(int line) {
  return {"file:" + std::to_string(line) +
          ": this is no TOML: a character outside ASCII that stands neither in quotes nor in a comment"};
}

// Found by settings_fuzz: toml++ 3.3 has undefined behaviour at U+02EA where a key or a blank could stand.
TEST(SettingsBytes, ACharacterOutsideAsciiIsRefusedWhereNoneCanStand) {
  EXPECT_EQ(problems_of_file("\u02ea*\""), stray_in(1));
  EXPECT_EQ(problems_of_file("name = \"n1\"\nlist\u00e9n = \"h:1\"\n"), stray_in(2));
  EXPECT_EQ(problems_of_file("name = \"n1\" \u02ea"), stray_in(1));
  EXPECT_EQ(problems_of_file("data = \"\"\"\na\"\"\"\" \u02ea"), stray_in(2));
  EXPECT_EQ(problems_of_file("data = \"\\\"\" \u02ea"), stray_in(1));
}

TEST(SettingsBytes, ACharacterOutsideAsciiMayStandInTextsAndComments) {
  for (const char* text : {
           "data = \"donn\u00e9es\"  # \u02ea",
           "# l'\u00e9t\u00e9\ndata = 'd\u00e9'",
           "data = \"\"\"\nd\u00e9\"\u02ea\"\"\"",
           "data = '''d'\u00e9'''",
           "\uFEFFdata = \"d\"",
           "data = \"a\\\"\u00e9\"",
       }) {
    EXPECT_EQ(problems_of_file(text), Problems{}) << text;
  }
}

TEST(SettingsBytes, TheCorpusOfTheFuzzerHoldsFilesOfSettings) {
  Settings settings;
  settings.host.host.name = "n1";
  settings.host.host.listen = "127.0.0.1:7101";
  settings.host.data_dir = "data/\u00e9\t\"n1\"\x01";
  zraft::test::expect_seeds(
      "settings", {{"all", to_toml(settings)},
                   {"few", "name = 'n1'\nlisten = \"h:1\" # here\nelection_timeout = 500\n"},
                   {"lines", "data = \"\"\"\nover\\\n  two lines\"\"\"\nmax_segment_size = \"16M\"\n"},
                   {"wrong", "nome = 1\nname = [1, {a = 2}]\n[table]\nx = 1979-05-27\n"}});
}

}  // namespace
}  // namespace zraft::server
