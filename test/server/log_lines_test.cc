// SPDX-License-Identifier: Apache-2.0
//
// Lines of the log: the time in UTC with milliseconds, and nothing in a text that could pass for another line.
#include "server/log_lines.h"

#include <gtest/gtest.h>

namespace zraft::server {
namespace {

using host::LogLevel;

TEST(LogLines, HaveTimeLevelAndText) {
  EXPECT_EQ(format_line(LogFormat::text, 1'772'366'400'007, LogLevel::info, "n1 listens"),
            "2026-03-01T12:00:00.007Z INFO    n1 listens\n");
  EXPECT_EQ(format_line(LogFormat::text, 999, LogLevel::warning, "slow"), "1970-01-01T00:00:00.999Z WARNING slow\n");
}

TEST(LogLines, AreObjectsOfJsonOnRequest) {
  EXPECT_EQ(format_line(LogFormat::json, 1'772'366'400'007, LogLevel::error, "a \"quoted\"\nword"),
            "{\"time\":\"2026-03-01T12:00:00.007Z\",\"level\":\"error\",\"text\":\"a \\\"quoted\\\"\\nword\"}\n");
}

TEST(LogLines, AreOneLineWhateverTheTextHolds) {
  EXPECT_EQ(format_line(LogFormat::text, 0, LogLevel::debug, "a\nb\x1b[1m\x7f"),
            "1970-01-01T00:00:00.000Z DEBUG   a\\x0ab\\x1b[1m\\x7f\n");
  const std::string line = format_line(LogFormat::json, 0, LogLevel::debug, "no UTF-8: \xff\xfe");
  EXPECT_EQ(line.find('\n'), line.size() - 1);
}

}  // namespace
}  // namespace zraft::server
