// SPDX-License-Identifier: Apache-2.0
//
// The file of settings: TOML, a key a setting. What is no setting is refused, so that a slip of the pen is told and
// not taken for a default.
#include <toml++/toml.h>

#include <map>
#include <string>

#include "server/settings.h"

namespace zraft::server {
namespace {

// What stands there, as it would be written in a flag.
Result<std::string> value_of(const toml::node& node, const Setting& setting) {
  if (const auto* text = node.as_string(); text != nullptr && setting.kind != Setting::Kind::number) return text->get();
  if (const auto* number = node.as_integer(); number != nullptr && setting.kind != Setting::Kind::text) {
    return std::to_string(number->get());
  }
  switch (setting.kind) {
    case Setting::Kind::text: return fail(Code::bad_request, "give a text in quotes");
    case Setting::Kind::number: return fail(Code::bad_request, "give a whole number, without quotes");
    case Setting::Kind::bytes: break;
  }
  return fail(Code::bad_request, "give a whole number, or a text like \"16M\"");
}

}  // namespace

std::vector<std::string> read_toml(std::string_view text, const std::string& path, Settings& settings) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::parse_error& error = parsed.error();
    return {path + ":" + std::to_string(error.source().begin.line) + ": this is no TOML: " +
            std::string(error.description())};
  }
  std::multimap<std::uint32_t, std::string> problems;  // by line: the table is in the order of the keys
  for (const auto& [key, node] : parsed.table()) {
    const std::string name(key.str());
    const Setting* setting = find_setting(name);
    if (setting == nullptr) {
      problems.emplace(key.source().begin.line, "there is no setting \"" + name + "\": zraftd --help names them all");
      continue;
    }
    auto value = value_of(node, *setting);
    const Result<> taken = value ? setting->set(settings, *value) : fail(value);
    if (!taken) problems.emplace(key.source().begin.line, name + ": " + taken.error().text);
  }
  std::vector<std::string> told;
  for (const auto& [line, problem] : problems) told.push_back(path + ":" + std::to_string(line) + ": " + problem);
  return told;
}

}  // namespace zraft::server
