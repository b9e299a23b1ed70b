// SPDX-License-Identifier: Apache-2.0
//
// Flags by CLI11, which throws; its exceptions end here.
#include "server/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <sstream>
#include <utility>

namespace zraft::server {
namespace {

constexpr const char* about =
    "zraftd keeps its share of replicated groups and serves clients.\n"
    "Every setting is a flag and a line of the file alike; a flag is stronger than the file.\n"
    "Exit status: 0 stopped by SIGTERM or SIGINT, 1 could not start or its disk failed, 2 settings that cannot be.";

// --election-timeout is as good as --election_timeout.
std::string with_underscores(std::string argument) {
  if (!argument.starts_with("--")) return argument;
  const std::size_t end = std::min(argument.find('='), argument.size());
  std::string name = argument.substr(2, end - 2);
  std::replace(name.begin(), name.end(), '-', '_');
  return find_setting(name) == nullptr ? argument : "--" + name + argument.substr(end);
}

std::vector<std::string> read_file(const std::string& path, Settings& settings) {
  std::ifstream file(path);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || text.bad()) {
    return {path + " cannot be read: " + std::strerror(errno) + "; give the path of a file to --config"};
  }
  return read_toml(text.str(), path, settings);
}

// Of an unknown flag and its value only the flag is named.
std::vector<std::string> strangers_in(const std::vector<std::string>& arguments) {
  std::vector<std::string> problems;
  for (const std::string& argument : arguments) {
    if (argument.starts_with("-")) problems.push_back("there is no flag " + argument + ": zraftd --help lists them");
  }
  if (problems.empty() && !arguments.empty()) {
    problems.push_back("\"" + arguments.front() + "\" is not expected: zraftd takes flags only, --help lists them");
  }
  return problems;
}

}  // namespace

CommandLine parse_command_line(std::vector<std::string> arguments) {
  CommandLine asked;
  std::string path;
  std::map<std::string, std::string> flags;
  bool check = false;
  bool print = false;
  bool version = false;

  CLI::App app(about, "zraftd");
  app.allow_extras();
  app.add_option("--config", path, "A file of settings (TOML); zraftd.toml is a sample of it.")->type_name("FILE");
  for (const Setting& setting : all_settings()) {
    const std::string name(setting.name);
    app.add_option("--" + name, flags[name], std::string(setting.brief))->type_name(std::string(setting.takes));
  }
  app.add_flag("--check-config", check, "Only say whether the settings are well.");
  app.add_flag("--print-config", print, "Only print the settings that would be in force, as a file.");
  app.add_flag("--version", version, "Only print the version.");

  std::transform(arguments.begin(), arguments.end(), arguments.begin(), with_underscores);
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
  try {
    app.parse(arguments);
  } catch (const CLI::CallForHelp&) {
    asked.action = CommandLine::Action::show_help;
    asked.help = app.help();
    return asked;
  } catch (const CLI::ParseError& error) {
    asked.problems.push_back(std::string(error.what()) + ": zraftd --help lists the flags");
    return asked;
  }
  if (version) {
    asked.action = CommandLine::Action::show_version;
    return asked;
  }
  if (check) asked.action = CommandLine::Action::check_config;
  if (print) asked.action = CommandLine::Action::print_config;

  asked.problems = strangers_in(app.remaining());
  if (!path.empty()) {
    for (std::string& problem : read_file(path, asked.settings)) asked.problems.push_back(std::move(problem));
  }
  for (const Setting& setting : all_settings()) {
    const std::string name = "--" + std::string(setting.name);
    if (app.count(name) == 0) continue;
    if (const Result<> taken = setting.set(asked.settings, flags.at(std::string(setting.name))); !taken) {
      asked.problems.push_back(name + ": " + taken.error().text);
    }
  }
  // What was not understood is not missing besides.
  if (asked.problems.empty()) asked.problems = problems_of(asked.settings);
  return asked;
}

}  // namespace zraft::server
