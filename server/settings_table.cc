// SPDX-License-Identifier: Apache-2.0
//
// The settings, one after the other: name, what it takes, its words, and where it is kept. A line of its words is a
// line of the file, so it is short.
#include <charconv>
#include <utility>

#include "server/settings.h"

namespace zraft::server {
namespace {

constexpr std::int64_t milliseconds_max = 3'600'000;

struct Words {
  std::string_view name;
  std::string_view takes;
  std::string_view brief;
  std::string_view more;
};

template <class T>
struct Choice {
  std::string_view name;
  T value;
};

constexpr Choice<node::SyncMode> sync_modes[] = {{"durable", node::SyncMode::durable},
                                                 {"leader_dirty", node::SyncMode::leader_dirty},
                                                 {"dirty", node::SyncMode::dirty}};
constexpr Choice<host::LogLevel> log_levels[] = {{"debug", host::LogLevel::debug},
                                                 {"info", host::LogLevel::info},
                                                 {"warning", host::LogLevel::warning},
                                                 {"error", host::LogLevel::error}};
constexpr Choice<LogFormat> log_formats[] = {{"text", LogFormat::text}, {"json", LogFormat::json}};

// A basic string of TOML; what it cannot hold as it is, is escaped.
std::string quoted(std::string_view text) {
  static constexpr char digits[] = "0123456789ABCDEF";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (byte < 0x20 || byte == 0x7f) {
      out += {'\\', 'u', '0', '0', digits[byte >> 4], digits[byte & 15]};
    } else {
      out += c;
    }
  }
  return out + '"';
}

std::string show_bytes(std::size_t size) {
  for (const auto& [shift, letter] : {std::pair{30, 'G'}, {20, 'M'}, {10, 'K'}}) {
    const std::size_t units = size >> shift;
    if (units != 0 && units << shift == size) return quoted(std::to_string(units) + letter);
  }
  return std::to_string(size);
}

Result<std::int64_t> parse_number(std::string_view text, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= least && value <= most) return value;
  return fail(Code::bad_request, "\"" + std::string(text) + "\" is no whole number from " + std::to_string(least) +
                                     " to " + std::to_string(most));
}

Setting setting(const Words& words, Setting::Kind kind) {
  return {words.name, words.takes, words.brief, words.more, kind, nullptr, nullptr};
}

// Of each kind one maker; `at` gives the place in the settings that is meant.

template <class Place>
Setting text(const Words& words, Place at) {
  Setting made = setting(words, Setting::Kind::text);
  made.set = [at](Settings& settings, std::string_view value) -> Result<> {
    at(settings) = value;
    return {};
  };
  made.show = [at](Settings settings) { return quoted(at(settings)); };
  return made;
}

template <class Place>
Setting milliseconds(const Words& words, std::int64_t least, Place at) {
  Setting made = setting(words, Setting::Kind::number);
  made.set = [at, least](Settings& settings, std::string_view value) -> Result<> {
    const auto number = parse_number(value, least, milliseconds_max);
    if (!number) return fail(number);
    at(settings) = Duration::milliseconds(*number);
    return {};
  };
  made.show = [at](Settings settings) { return std::to_string(at(settings).to_milliseconds()); };
  return made;
}

template <class Place>
Setting count(const Words& words, std::int64_t most, Place at) {
  Setting made = setting(words, Setting::Kind::number);
  made.set = [at, most](Settings& settings, std::string_view value) -> Result<> {
    const auto number = parse_number(value, 1, most);
    if (!number) return fail(number);
    at(settings) = static_cast<std::size_t>(*number);
    return {};
  };
  made.show = [at](Settings settings) { return std::to_string(at(settings)); };
  return made;
}

template <class Place>
Setting bytes(const Words& words, Place at) {
  Setting made = setting(words, Setting::Kind::bytes);
  made.set = [at](Settings& settings, std::string_view value) -> Result<> {
    const auto size = parse_bytes(value);
    if (!size) return fail(size);
    at(settings) = *size;
    return {};
  };
  made.show = [at](Settings settings) { return show_bytes(at(settings)); };
  return made;
}

template <class T, std::size_t n, class Place>
Setting choice(const Words& words, const Choice<T> (&choices)[n], Place at) {
  Setting made = setting(words, Setting::Kind::text);
  made.set = [at, &choices](Settings& settings, std::string_view value) -> Result<> {
    std::string known;
    for (const Choice<T>& one : choices) {
      if (one.name == value) {
        at(settings) = one.value;
        return {};
      }
      known += (known.empty() ? "" : ", ") + std::string(one.name);
    }
    return fail(Code::bad_request, "\"" + std::string(value) + "\" is none of " + known);
  };
  made.show = [at, &choices](Settings settings) {
    std::string_view name;
    for (const Choice<T>& one : choices) {
      if (one.value == at(settings)) name = one.name;
    }
    return quoted(name);
  };
  return made;
}

std::vector<Setting> who_and_where() {
  return {
      text({"name", "NAME", "Name of this node: in NAME@HOST:PORT, in log lines, and in its data directory.",
            "A data directory belongs to one name for ever. 1 to 64 of the characters a-z A-Z 0-9 . _ -"},
           [](Settings& s) -> auto& { return s.host.host.name; }),
      text({"listen", "HOST:PORT", "Where peers and clients connect.",
            "Other nodes reach this one by the address in NAME@HOST:PORT, which must lead here.\n"
            "There is neither TLS nor a password: listen where only friends are."},
           [](Settings& s) -> auto& { return s.host.host.listen; }),
      text({"data", "DIR", "Directory of this node's data; made if it is not there.", ""},
           [](Settings& s) -> auto& { return s.host.data_dir; }),
      text({"log_dir", "DIR", "Directory of the log, for a disk of its own. Empty: the same as data.",
            "To move it, stop the node and move the files."},
           [](Settings& s) -> auto& { return s.host.log_dir; }),
      text({"snapshot_dir", "DIR", "Directory of the snapshots. Empty: the same as data.",
            "This version takes none; the directory is made, so that a wrong one is known today."},
           [](Settings& s) -> auto& { return s.host.snapshot_dir; }),
  };
}

std::vector<Setting> times_and_log() {
  return {
      milliseconds({"election_timeout", "MS", "How long a node hears no leader, at least, before it asks for votes.",
                    "Up to twice as long, drawn each time. Make it ten times what a message takes to the\n"
                    "farthest member, and more than a slow write to the disk. A leader speaks to the others\n"
                    "five times in it. 10 to 3600000."},
                   10, [](Settings& s) -> auto& { return s.host.host.election_timeout; }),
      milliseconds({"request_timeout", "MS", "How long a request may take whose client names no time of its own.",
                    "0: twice election_timeout. At most 3600000."},
                   0, [](Settings& s) -> auto& { return s.host.host.request_timeout; }),
      bytes({"max_segment_size", "BYTES", "Size of one file of the log: a number, or a text with K, M or G.",
             "64K to 1G, a multiple of 4096. Two or three of these files are there even when nothing is\n"
             "in them: a durable write to a file that has its place on the disk is many times faster."},
            [](Settings& s) -> auto& { return s.host.host.max_segment_size; }),
      choice({"log_sync_mode", "MODE", "Who waits for the disk: durable, leader_dirty or dirty.",
              "durable: a write is acknowledged when it is on the disks of a majority. The other two are\n"
              "faster and UNSAFE: they lose acknowledged writes when the power goes. leader_dirty: the\n"
              "leader counts its own copy before it is on its disk. dirty: nobody waits for a disk."},
             sync_modes, [](Settings& s) -> auto& { return s.host.host.sync_mode; }),
  };
}

std::vector<Setting> limits() {
  return {
      bytes({"key_bytes_max", "BYTES", "Longest key of the backend memory.",
             "A write beyond it is refused (too_large)."},
            [](Settings& s) -> auto& { return s.kv.key_bytes_max; }),
      bytes({"value_bytes_max", "BYTES", "Longest value of the backend memory.",
             "A write beyond it is refused (too_large)."},
            [](Settings& s) -> auto& { return s.kv.value_bytes_max; }),
      bytes({"command_bytes_max", "BYTES", "Longest command of any backend. At most 64M.",
             "A write beyond it is refused (too_large). A cas holds a key and two values."},
            [](Settings& s) -> auto& { return s.host.host.command_bytes_max; }),
      bytes({"uncommitted_bytes_max", "BYTES", "How much a leader takes on that no majority has yet, per group.",
             "Beyond it writes are refused (busy) until the followers have caught up."},
            [](Settings& s) -> auto& { return s.host.host.uncommitted_bytes_max; }),
      bytes({"log_bytes_max", "BYTES", "How large the log of a group may grow. All of it is in memory.",
             "Beyond it writes are refused (busy). This version never cuts the log."},
            [](Settings& s) -> auto& { return s.host.host.log_bytes_max; }),
      count({"requests_per_link_max", "N", "How many requests of one connection may be under way.",
             "Beyond it they are refused (busy)."},
            1'000'000, [](Settings& s) -> auto& { return s.host.host.requests_per_link_max; }),
      bytes({"link_queue_bytes_max", "BYTES", "How much may wait for one connection to take it in.",
             "A client beyond it loses its connection; what waits for a peer is dropped and sent again."},
            [](Settings& s) -> auto& { return s.host.host.link_queue_bytes_max; }),
  };
}

std::vector<Setting> words_to_the_operator() {
  return {
      choice({"log_level", "LEVEL", "What is told on stderr: debug, info, warning or error, and all above it.", ""},
             log_levels, [](Settings& s) -> auto& { return s.log_level; }),
      choice({"log_format", "FORMAT", "How it is told: text, or json (one object a line).", ""}, log_formats,
             [](Settings& s) -> auto& { return s.log_format; }),
  };
}

}  // namespace

const std::vector<Setting>& all_settings() {
  static const std::vector<Setting> all = [] {
    std::vector<Setting> gathered;
    for (auto part : {who_and_where(), times_and_log(), limits(), words_to_the_operator()}) {
      for (Setting& one : part) gathered.push_back(std::move(one));
    }
    return gathered;
  }();
  return all;
}

}  // namespace zraft::server
