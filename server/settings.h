// SPDX-License-Identifier: Apache-2.0
//
// What an operator can set. One table holds every setting with its words; the flags, the file, --print-config and the
// sample file (zraftd.toml) are all made from it, so they cannot differ.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "zraft/host/embed.h"
#include "zraft/machines/memory_kv.h"

namespace zraft::server {

enum class LogFormat : std::uint8_t { text, json };

struct Settings {
  Settings();
  host::EmbedOptions host;
  machines::KvLimits kv;
  // The two are one address, of EmbedOptions::host.snapshot_listen: in_force() puts it there.
  std::string snapshot_listener_addr;        // without a port; empty: the host of `listen`
  std::uint16_t snapshot_listener_port = 0;  // and no address: snapshots are fetched at `listen`
  host::LogLevel log_level = host::LogLevel::info;
  LogFormat log_format = LogFormat::text;
};

struct Setting {
  enum class Kind : std::uint8_t { text, number, bytes };  // how it stands in the file

  std::string_view name;
  std::string_view takes;  // what a value looks like: MS, BYTES, HOST:PORT
  std::string_view brief;  // one line
  std::string_view more;   // further lines, or empty
  Kind kind = Kind::text;
  // Takes what was written, without quotes. Errors: bad_request, saying what would be right.
  std::function<Result<>(Settings&, std::string_view)> set;
  std::function<std::string(const Settings&)> show;  // as a value of TOML
};

[[nodiscard]] const std::vector<Setting>& all_settings();
[[nodiscard]] const Setting* find_setting(std::string_view name);

// A size with an optional suffix K, M or G (1024 each). Errors: bad_request.
[[nodiscard]] Result<std::size_t> parse_bytes(std::string_view text);

// All that is wrong with them, a sentence each; each names its setting and what to do.
[[nodiscard]] std::vector<std::string> problems_of(const Settings& settings);

// With the values that stand in place of an empty or 0.
[[nodiscard]] Settings in_force(Settings settings);

// TOML that gives these settings again, each with its comment.
[[nodiscard]] std::string to_toml(const Settings& settings);

// Reads the text of a file called `path` into `settings` and gives what is wrong with it, each with path and line.
std::vector<std::string> read_toml(std::string_view text, const std::string& path, Settings& settings);

}  // namespace zraft::server
