// SPDX-License-Identifier: Apache-2.0
//
// The settings of zraftd: from flags and from a file, what is refused and in which words, and the sample file, which
// must name every setting with its default. REWRITE=1 writes the sample file anew.
#include "server/settings.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "server/command_line.h"

namespace zraft::server {
namespace {

using Problems = std::vector<std::string>;
using Action = CommandLine::Action;

const std::string sample_path = ZRAFT_SOURCE_DIR "/server/zraftd.toml";
const std::string sample_head =
    "# SPDX-License-Identifier: Apache-2.0\n"
    "#\n"
    "# Every setting of zraftd with its default. Three have none and must be set: name, listen and data.\n"
    "# Each is a flag as well (--election_timeout 500), which is stronger than this file.\n"
    "#\n"
    "#   zraftd --config zraftd.toml\n"
    "#   zraftd --config zraftd.toml --check-config    # says what is wrong with it\n"
    "#   zraftd --config zraftd.toml --print-config    # what would be in force, flags included\n\n";

Settings sample_settings() {
  Settings settings;
  settings.host.host.name = "n1";
  settings.host.host.listen = "127.0.0.1:7101";
  settings.host.data_dir = "data/n1";
  return settings;
}

CommandLine parse(std::vector<std::string> more) {
  std::vector<std::string> arguments{"--name", "n1", "--listen", "127.0.0.1:7101", "--data", "data/n1"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return parse_command_line(arguments);
}

// The one problem that these flags have.
std::string problem_of(std::vector<std::string> more) {
  const CommandLine asked = parse(std::move(more));
  return asked.problems.size() == 1 ? asked.problems.front() : std::to_string(asked.problems.size()) + " problems";
}

class SettingsFile : public testing::Test {
 protected:
  SettingsFile() { std::filesystem::create_directories(place_); }
  ~SettingsFile() override { std::filesystem::remove_all(place_); }

  [[nodiscard]] std::string write(const std::string& text) const {
    const std::string path = (place_ / "zraftd.toml").string();
    std::ofstream(path) << text;
    return path;
  }

 private:
  const std::filesystem::path place_ =
      std::filesystem::temp_directory_path() / ("zraft_settings_test." + std::to_string(::getpid()));
};

TEST(SampleFile, NamesEverySettingWithItsDefault) {
  const std::string wanted = sample_head + to_toml(sample_settings());
  if (std::getenv("REWRITE") != nullptr) std::ofstream(sample_path) << wanted;
  std::ostringstream found;
  found << std::ifstream(sample_path).rdbuf();
  EXPECT_EQ(found.str(), wanted) << "REWRITE=1 writes it anew";
  Settings read;
  EXPECT_EQ(read_toml(found.str(), "zraftd.toml", read), Problems{});
  EXPECT_EQ(to_toml(read), to_toml(sample_settings()));
  EXPECT_EQ(problems_of(read), Problems{});
}

TEST(Settings, AreFlagsAndLinesOfTheFileAlike) {
  for (const Setting& setting : all_settings()) {
    SCOPED_TRACE(setting.name);
    const std::string name(setting.name);
    const std::string shown = setting.show(sample_settings());
    const std::string value = shown.starts_with('"') ? shown.substr(1, shown.size() - 2) : shown;
    Settings by_file;
    EXPECT_EQ(read_toml(name + " = " + shown, "f", by_file), Problems{});
    EXPECT_EQ(setting.show(by_file), shown);
    if (!value.empty()) {
      const CommandLine by_flag = parse_command_line({"--" + name + "=" + value});
      EXPECT_EQ(setting.show(by_flag.settings), shown);
    }
    EXPECT_NE(parse_command_line({"--help"}).help.find("--" + name + " "), std::string::npos);
  }
}

TEST(Settings, PrintedOnesReadBackAreTheSame) {
  Settings odd = sample_settings();
  odd.host.data_dir = "with \"quotes\" \\ and\na line";
  odd.host.host.max_segment_size = 12288;
  odd.kv.value_bytes_max = 1'000'001;
  odd.log_format = LogFormat::json;
  odd.snapshot_listener_addr = "127.0.0.2";
  odd.host.host.snapshots.entries = 0;
  Settings read;
  EXPECT_EQ(read_toml(to_toml(odd), "f", read), Problems{});
  EXPECT_EQ(read.host.data_dir, odd.host.data_dir);
  EXPECT_EQ(to_toml(read), to_toml(odd));
  EXPECT_EQ(to_toml(in_force(in_force(odd))), to_toml(in_force(odd)));
}

TEST(Settings, WhatIsEmptyHasAValueInForce) {
  Settings settings = sample_settings();
  settings.host.host.election_timeout = Duration::milliseconds(700);
  const Settings used = in_force(settings);
  EXPECT_EQ(used.host.host.request_timeout, Duration::milliseconds(1400));
  EXPECT_EQ(used.host.log_dir, "data/n1");
  EXPECT_EQ(used.host.snapshot_dir, "data/n1");
}

TEST(Settings, OfSnapshotsSayWhenOneIsWrittenAndWhatIsKept) {
  const CommandLine asked = parse({"--max_log_count", "500", "--snapshot_bytes=64M", "--log-bytes-retained", "1M",
                                   "--snapshot_backup", "2", "--snapshot_rate", "10M", "--scrub_rate", "3M"});
  EXPECT_EQ(asked.problems, Problems{});
  const host::Options& host = asked.settings.host.host;
  EXPECT_EQ(host.snapshots.entries, 500U);
  EXPECT_EQ(host.snapshots.bytes, std::uint64_t{64} << 20);
  EXPECT_EQ(host.log_bytes_retained, std::size_t{1} << 20);
  EXPECT_EQ(host.snapshot_backups, 2U);
  EXPECT_EQ(host.snapshot_rate, std::uint64_t{10} << 20);
  EXPECT_EQ(host.scrub_rate, std::uint64_t{3} << 20);
  EXPECT_EQ(parse({}).settings.host.host.scrub_rate, std::uint64_t{16} << 20);
  EXPECT_EQ(parse({"--scrub_rate", "0"}).settings.host.host.scrub_rate, 0U);
  EXPECT_EQ(parse({"--max_log_count", "0", "--snapshot_bytes", "0"}).settings.host.host.snapshots.entries, 0U);
}

TEST(Settings, MakeOneAddressOfWhereSnapshotsAreFetched) {
  const auto listener = [](std::vector<std::string> more) {
    const CommandLine asked = parse(std::move(more));
    EXPECT_EQ(asked.problems, Problems{});
    return in_force(asked.settings).host.host.snapshot_listen;
  };
  EXPECT_EQ(listener({}), "");
  EXPECT_EQ(listener({"--snapshot_listener_port", "0"}), "");
  EXPECT_EQ(listener({"--snapshot_listener_port", "7201"}), "127.0.0.1:7201");
  EXPECT_EQ(listener({"--snapshot_listener_addr", "127.0.0.2"}), "127.0.0.2:0");
  EXPECT_EQ(listener({"--snapshot_listener_addr", "::1", "--snapshot_listener_port", "7201"}), "[::1]:7201");
  Settings settings = sample_settings();
  settings.host.host.listen = "[::1]:7101";
  settings.snapshot_listener_port = 7201;
  EXPECT_EQ(in_force(settings).host.host.snapshot_listen, "[::1]:7201");
}

TEST(Settings, ASizeMayHaveAUnit) {
  EXPECT_EQ(parse_bytes("0"), std::size_t{0});
  EXPECT_EQ(parse_bytes("4096"), std::size_t{4096});
  EXPECT_EQ(parse_bytes("64K"), std::size_t{65536});
  EXPECT_EQ(parse_bytes("3M"), std::size_t{3} << 20);
  EXPECT_EQ(parse_bytes("2G"), std::size_t{2} << 30);
  for (const char* wrong : {"", "K", "-1", "+1", "1.5M", "1k", "1 M", "1MM", "99999999999G", "0x10"}) {
    EXPECT_FALSE(parse_bytes(wrong)) << wrong;
  }
}

TEST(CommandLine, TakesAFlagWithDashesAsWell) {
  const CommandLine asked = parse({"--election-timeout=700", "--max-segment-size", "1M"});
  EXPECT_EQ(asked.problems, Problems{});
  EXPECT_EQ(asked.settings.host.host.election_timeout, Duration::milliseconds(700));
  EXPECT_EQ(asked.settings.host.host.max_segment_size, std::size_t{1} << 20);
}

TEST(CommandLine, KnowsWhatToDoBesidesRunning) {
  EXPECT_EQ(parse({}).action, Action::run);
  EXPECT_EQ(parse({"--check-config"}).action, Action::check_config);
  EXPECT_EQ(parse({"--print-config"}).action, Action::print_config);
  EXPECT_EQ(parse_command_line({"--version"}).action, Action::show_version);
  EXPECT_EQ(parse_command_line({"--help"}).action, Action::show_help);
}

TEST_F(SettingsFile, GivesWayToAFlag) {
  const std::string path = write("election_timeout = 500\nvalue_bytes_max = \"512K\"\n");
  const CommandLine asked = parse({"--config", path, "--election_timeout", "600"});
  EXPECT_EQ(asked.problems, Problems{});
  EXPECT_EQ(asked.settings.host.host.election_timeout, Duration::milliseconds(600));
  EXPECT_EQ(asked.settings.kv.value_bytes_max, std::size_t{512} << 10);
}

TEST_F(SettingsFile, TellsEachProblemWithItsLine) {
  const std::string path = write(
      "name = 5\nfoo = 1\nelection_timeout = \"3\"\nkey_bytes_max = \"64X\"\nlog_level = \"loud\"\n[table]\na = 1\n");
  EXPECT_EQ(parse_command_line({"--config", path}).problems,
            (Problems{path + ":1: name: give a text in quotes",
                      path + ":2: there is no setting \"foo\": zraftd --help names them all",
                      path + ":3: election_timeout: give a whole number, without quotes",
                      path + ":4: key_bytes_max: \"64X\" is no size: give a number of bytes, or one with K, M or G",
                      path + ":5: log_level: \"loud\" is none of debug, info, warning, error",
                      path + ":6: there is no setting \"table\": zraftd --help names them all"}));
}

TEST_F(SettingsFile, ThatIsNoTomlIsNamedWithTheLine) {
  const std::string path = write("name = \"n1\"\nlisten =\n");
  const CommandLine asked = parse_command_line({"--config", path});
  ASSERT_EQ(asked.problems.size(), 1u);
  EXPECT_TRUE(asked.problems[0].starts_with(path + ":2: this is no TOML: ")) << asked.problems[0];
}

TEST_F(SettingsFile, ThatCannotBeReadIsNamed) {
  EXPECT_EQ(problem_of({"--config", "/nowhere/zraftd.toml"}),
            "/nowhere/zraftd.toml cannot be read: No such file or directory; give the path of a file to --config");
}

TEST(Settings, ThatAreMissingAreNamed) {
  EXPECT_EQ(parse_command_line({}).problems,
            (Problems{"name is missing: give --name, or a line for it in the file",
                      "listen is missing: give --listen, or a line for it in the file",
                      "data is missing: give --data, or a line for it in the file"}));
}

TEST(Settings, ThatCannotBeAreRefusedInWords) {
  EXPECT_EQ(problem_of({"--nme", "x"}), "there is no flag --nme: zraftd --help lists them");
  EXPECT_EQ(problem_of({"run"}), "\"run\" is not expected: zraftd takes flags only, --help lists them");
  EXPECT_EQ(problem_of({"--election_timeout", "9"}), "--election_timeout: \"9\" is no whole number from 10 to 3600000");
  EXPECT_EQ(problem_of({"--election_timeout", "1s"}),
            "--election_timeout: \"1s\" is no whole number from 10 to 3600000");
  EXPECT_EQ(problem_of({"--requests_per_link_max", "0"}),
            "--requests_per_link_max: \"0\" is no whole number from 1 to 1000000");
  EXPECT_EQ(problem_of({"--log_sync_mode", "fast"}),
            "--log_sync_mode: \"fast\" is none of durable, leader_dirty, dirty");
  EXPECT_EQ(problem_of({"--max_segment_size", "5000"}),
            "max_segment_size is 5000: give 64K to 1G, a multiple of 4096");
  EXPECT_EQ(problem_of({"--command_bytes_max", "1M"}),
            "command_bytes_max is 1048576, and a cas of the longest key and values takes 2162752: raise it, or lower "
            "key_bytes_max or value_bytes_max");
  EXPECT_NE(problem_of({"--key_bytes_max", "0"}).find("key_bytes_max"), std::string::npos);
  EXPECT_NE(problem_of({"--uncommitted_bytes_max", "1M"}).find("uncommitted_bytes_max"), std::string::npos);
  EXPECT_NE(problem_of({"--log_bytes_max", "8M"}).find("log_bytes_max"), std::string::npos);
  EXPECT_NE(problem_of({"--link_queue_bytes_max", "4M"}).find("link_queue_bytes_max"), std::string::npos);
  EXPECT_NE(problem_of({"--log_bytes_max", "256M"}).find("snapshot is due"), std::string::npos);
  EXPECT_EQ(problem_of({"--snapshot_listener_addr", "127.0.0.1:7201"}),
            "snapshot_listener_addr is \"127.0.0.1:7201\": give a name or an address alone; the port is "
            "snapshot_listener_port");
  EXPECT_EQ(problem_of({"--snapshot_listener_port", "65536"}),
            "--snapshot_listener_port: \"65536\" is no whole number from 0 to 65535");
  Settings settings = sample_settings();
  settings.host.host.name = "a b";
  settings.host.host.listen = "nowhere";
  ASSERT_EQ(problems_of(settings).size(), 2u);
  EXPECT_EQ(problems_of(settings)[0], "name is \"a b\": it must be 1 to 64 of the characters a-z A-Z 0-9 . _ -");
  EXPECT_TRUE(problems_of(settings)[1].starts_with("listen: "));
}

}  // namespace
}  // namespace zraft::server
