// SPDX-License-Identifier: Apache-2.0
//
// What holds between the settings, and how they are written down.
#include "server/settings.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

#include "zraft/net/address.h"

namespace zraft::server {
namespace {

constexpr std::size_t kib = 1024;
constexpr std::size_t mib = 1024 * kib;
constexpr std::size_t gib = 1024 * mib;
constexpr std::size_t segment_granule = 4096;
constexpr std::size_t command_overhead = 64;  // of what stands around keys and values in a command

void check_sizes(const Settings& settings, std::vector<std::string>& problems) {
  const host::Options& host = settings.host.host;
  const auto expect = [&problems](bool holds, std::string text) {
    if (!holds) problems.push_back(std::move(text));
  };
  expect(host.max_segment_size >= 64 * kib && host.max_segment_size <= gib &&
             host.max_segment_size % segment_granule == 0,
         "max_segment_size is " + std::to_string(host.max_segment_size) + ": give 64K to 1G, a multiple of 4096");
  if (const Result<> good = settings.kv.valid(); !good) {
    problems.push_back(good.error().text);
    return;  // the sum of what cannot be says nothing
  }
  const std::size_t longest = settings.kv.key_bytes_max + 2 * settings.kv.value_bytes_max + command_overhead;
  expect(host.command_bytes_max >= longest,
         "command_bytes_max is " + std::to_string(host.command_bytes_max) +
             ", and a cas of the longest key and values takes " + std::to_string(longest) +
             ": raise it, or lower key_bytes_max or value_bytes_max");
  expect(host.uncommitted_bytes_max >= host.command_bytes_max,
         "uncommitted_bytes_max is less than command_bytes_max, so such a command could never be taken on: raise it");
  expect(host.log_bytes_max >= host.uncommitted_bytes_max,
         "log_bytes_max is less than uncommitted_bytes_max: raise it, or lower the other");
  expect(host.log_bytes_max < host.uncommitted_bytes_max ||
             host.log_bytes_max >= host.snapshots.bytes + host.log_bytes_retained,
         "log_bytes_max is less than snapshot_bytes and log_bytes_retained together, so the log would be full before a "
         "snapshot is due: raise it, or lower those");
  expect(host.link_queue_bytes_max >= host.command_bytes_max + mib,
         "link_queue_bytes_max must hold the longest command and a mebibyte besides: give " +
             std::to_string(host.command_bytes_max + mib) + " or more");
}

// Requires: one of the two is set.
std::string listener_of_snapshots(const Settings& settings) {
  net::Address address{.host = settings.snapshot_listener_addr, .port = settings.snapshot_listener_port};
  if (!address.host.empty()) return net::to_text(address);
  const auto everything = net::parse_address(settings.host.host.listen);
  if (everything) address.host = everything->host;  // what is wrong with it is told of `listen`
  return net::to_text(address);
}

void check_listener_of_snapshots(const Settings& settings, std::vector<std::string>& problems) {
  const std::string& addr = settings.snapshot_listener_addr;
  if (addr.empty()) return;
  const bool has_a_port = net::parse_address(addr).has_value();
  if (!has_a_port && net::parse_address(net::to_text({.host = addr, .port = settings.snapshot_listener_port}))) return;
  problems.push_back("snapshot_listener_addr is \"" + addr +
                     "\": give a name or an address alone; the port is snapshot_listener_port");
}

}  // namespace

// A cas of the longest key and values has to fit into a command.
Settings::Settings() { host.host.command_bytes_max = 4 * mib; }

const Setting* find_setting(std::string_view name) {
  for (const Setting& setting : all_settings()) {
    if (setting.name == name) return &setting;
  }
  return nullptr;
}

Result<std::size_t> parse_bytes(std::string_view text) {
  std::string_view digits = text;
  std::size_t unit = 1;
  if (text.ends_with('K')) unit = kib;
  if (text.ends_with('M')) unit = mib;
  if (text.ends_with('G')) unit = gib;
  if (unit != 1) digits.remove_suffix(1);
  std::size_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool is_number = error == std::errc() && end == digits.data() + digits.size();
  if (is_number && number <= std::size_t{std::numeric_limits<std::int64_t>::max()} / unit) return number * unit;
  return fail(Code::bad_request,
              "\"" + std::string(text) + "\" is no size: give a number of bytes, or one with K, M or G");
}

std::vector<std::string> problems_of(const Settings& settings) {
  std::vector<std::string> problems;
  const auto expect_given = [&problems](std::string name, const std::string& value) {
    if (value.empty()) problems.push_back(name + " is missing: give --" + name + ", or a line for it in the file");
  };
  host::Options options = settings.host.host;
  expect_given("name", options.name);
  expect_given("listen", options.listen);
  expect_given("data", settings.host.data_dir);
  // What is missing is not wrong besides.
  if (options.name.empty()) options.name = "any";
  if (options.listen.empty()) options.listen = "127.0.0.1:0";
  for (const Error& problem : host::problems_of(options)) problems.push_back(problem.text);
  check_listener_of_snapshots(settings, problems);
  check_sizes(settings, problems);
  return problems;
}

Settings in_force(Settings settings) {
  host::Options& host = settings.host.host;
  if (host.request_timeout.ns == 0) host.request_timeout = host.election_timeout * 2;
  if (settings.host.log_dir.empty()) settings.host.log_dir = settings.host.data_dir;
  if (settings.host.snapshot_dir.empty()) settings.host.snapshot_dir = settings.host.data_dir;
  if (!settings.snapshot_listener_addr.empty() || settings.snapshot_listener_port != 0) {
    host.snapshot_listen = listener_of_snapshots(settings);
  }
  return settings;
}

std::string to_toml(const Settings& settings) {
  std::string out;
  for (const Setting& setting : all_settings()) {
    if (!out.empty()) out += '\n';
    out += "# " + std::string(setting.brief) + '\n';
    for (std::string_view more = setting.more; !more.empty();) {
      const std::size_t end = std::min(more.find('\n'), more.size());
      out += "# " + std::string(more.substr(0, end)) + '\n';
      more.remove_prefix(std::min(end + 1, more.size()));
    }
    out += std::string(setting.name) + " = " + setting.show(settings) + '\n';
  }
  return out;
}

}  // namespace zraft::server
