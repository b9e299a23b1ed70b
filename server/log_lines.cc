// SPDX-License-Identifier: Apache-2.0
//
// See log_lines.h.
#include "server/log_lines.h"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace zraft::server {
namespace {

std::string_view name_of(host::LogLevel level) {
  switch (level) {
    case host::LogLevel::debug: return "debug";
    case host::LogLevel::info: return "info";
    case host::LogLevel::warning: return "warning";
    case host::LogLevel::error: return "error";
  }
  return "error";
}

std::string_view column_of(host::LogLevel level) {
  switch (level) {
    case host::LogLevel::debug: return "DEBUG  ";
    case host::LogLevel::info: return "INFO   ";
    case host::LogLevel::warning: return "WARNING";
    case host::LogLevel::error: break;
  }
  return "ERROR  ";
}

// 2026-03-01T12:00:00.123Z
std::string iso_time(std::int64_t since_epoch_ms) {
  const auto seconds = static_cast<std::time_t>(since_epoch_ms / 1000);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char day[32];
  char fraction[8];
  std::strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(since_epoch_ms % 1000));
  return std::string(day) + fraction;
}

std::string printable(std::string_view text) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
    }
  }
  return out;
}

}  // namespace

std::string format_line(LogFormat format, std::int64_t since_epoch_ms, host::LogLevel level, std::string_view text) {
  const std::string time = iso_time(since_epoch_ms);
  if (format == LogFormat::text) {
    return time + " " + std::string(column_of(level)) + " " + printable(text) + "\n";
  }
  nlohmann::ordered_json line;
  line["time"] = time;
  line["level"] = name_of(level);
  line["text"] = text;
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

host::LogSink log_to_stderr(LogFormat format, host::LogLevel least) {
  return [format, least](host::LogLevel level, std::string_view text) {
    if (level < least) return;
    const auto now = std::chrono::system_clock::now().time_since_epoch();
    const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
    const std::string line = format_line(format, now_ms, level, text);
    [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
  };
}

}  // namespace zraft::server
