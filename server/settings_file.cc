// SPDX-License-Identifier: Apache-2.0
//
// The file of settings: TOML, a key a setting. What is no setting is refused, so that a slip of the pen is told and
// not taken for a default.
#include <toml++/toml.h>

#include <algorithm>
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

// The line of the first character outside ASCII that stands neither in a text nor in a comment; 0: there is none. TOML
// has no place for one there, and toml++ 3.3 has undefined behaviour at some of them.
std::uint32_t stray_character(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);  // the mark of UTF-8, which TOML allows
  std::uint32_t line = 1;
  std::string_view closing;  // of the text or comment that is open
  while (!text.empty()) {
    std::size_t taken = 1;
    if (!closing.empty() && text.starts_with(closing)) {
      taken = closing.size();
      // Up to two quotes may stand before the three that close.
      for (; closing.size() == 3 && taken < 5 && text.substr(taken).starts_with(closing.front()); ++taken) {}
      closing = {};
    } else if (!closing.empty()) {
      if (closing.front() == '"' && text.front() == '\\') taken = std::min<std::size_t>(2, text.size());
      if (closing.size() == 1 && text.front() == '\n') closing = {};
    } else if (text.front() == '#') {
      closing = "\n";
    } else if (static_cast<unsigned char>(text.front()) > 0x7f) {
      return line;
    } else {
      for (const std::string_view quotes : {"\"\"\"", "'''", "\"", "'"}) {
        if (closing.empty() && text.starts_with(quotes)) closing = quotes;
      }
      taken = std::max<std::size_t>(1, closing.size());
    }
    line += static_cast<std::uint32_t>(std::ranges::count(text.substr(0, taken), '\n'));
    text.remove_prefix(taken);
  }
  return 0;
}

}  // namespace

std::vector<std::string> read_toml(std::string_view text, const std::string& path, Settings& settings) {
  if (const std::uint32_t line = stray_character(text); line != 0) {
    return {path + ":" + std::to_string(line) +
            ": this is no TOML: a character outside ASCII that stands neither in quotes nor in a comment"};
  }
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
