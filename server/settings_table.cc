// SPDX-License-Identifier: Apache-2.0
//
// The settings, one after the other: name, what it takes, its words, and where it is kept. A line of its words is a
// line of the file, so it is short.
#include <charconv>
#include <type_traits>
#include <utility>

#include "server/settings.h"

namespace zraft::server {
namespace {

constexpr std::int64_t milliseconds_max = 3'600'000;
constexpr std::int64_t hours_max = 87'600;
constexpr std::int64_t entries_max = 1'000'000'000'000;

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

// 0 means something as well.
template <class Place>
Setting hours(const Words& words, Place at) {
  constexpr std::int64_t seconds = 3'600;
  Setting made = setting(words, Setting::Kind::number);
  made.set = [at](Settings& settings, std::string_view value) -> Result<> {
    const auto number = parse_number(value, 0, hours_max);
    if (!number) return fail(number);
    at(settings) = Duration::seconds(*number * seconds);
    return {};
  };
  made.show = [at](Settings settings) { return std::to_string(at(settings).to_milliseconds() / (1'000 * seconds)); };
  return made;
}

// A number of which 0 means something as well.
template <class Place>
Setting whole(const Words& words, std::int64_t most, Place at) {
  Setting made = setting(words, Setting::Kind::number);
  made.set = [most, at](Settings& settings, std::string_view value) -> Result<> {
    const auto number = parse_number(value, 0, most);
    if (!number) return fail(number);
    using Number = std::remove_reference_t<decltype(at(settings))>;
    at(settings) = static_cast<Number>(*number);
    return {};
  };
  made.show = [at](Settings settings) { return std::to_string(at(settings)); };
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
            "To move it, stop the node and move the files."},
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
      bytes({"max_log_size", "BYTES", "How large the log of all groups may be on the disk before quiet ones make room.",
             "Members that keep its oldest files then write snapshots, though none is due, and drop their\n"
             "entries. Make it larger than what the busy groups keep by snapshot_bytes. 0: never."},
            [](Settings& s) -> auto& { return s.host.host.max_log_size; }),
      choice({"log_sync_mode", "MODE", "Who waits for the disk: durable, leader_dirty or dirty.",
              "durable: a write is acknowledged when it is on the disks of a majority. The other two are\n"
              "faster and UNSAFE: they lose acknowledged writes when the power goes. leader_dirty: the\n"
              "leader counts its own copy before it is on its disk. dirty: nobody waits for a disk."},
             sync_modes, [](Settings& s) -> auto& { return s.host.host.sync_mode; }),
  };
}

std::vector<Setting> snapshots() {
  return {
      whole({"max_log_count", "N", "After how many entries a member writes a snapshot, and cuts its log.",
             "0: never by their number. Members of a group write at the same entries, so that one that\n"
             "fetches a snapshot can go on at another member."},
            entries_max, [](Settings& s) -> auto& { return s.host.host.snapshots.entries; }),
      bytes({"snapshot_bytes", "BYTES", "The same by the bytes of the log since the last snapshot. 0: never by those.",
             "The group serves meanwhile. On the disk there are two for a moment: the old one goes last."},
            [](Settings& s) -> auto& { return s.host.host.snapshots.bytes; }),
      bytes({"log_bytes_retained", "BYTES", "How much of the log is kept behind the newest snapshot, per group.",
             "A member that is no further behind gets entries; one that is fetches the snapshot."},
            [](Settings& s) -> auto& { return s.host.host.log_bytes_retained; }),
      whole({"snapshot_backup", "N", "How many older snapshots are kept besides the newest.", "0 to 1000."}, 1000,
            [](Settings& s) -> auto& { return s.host.host.snapshot_backups; }),
      hours({"snapshot_backup_age", "HOURS", "By how much they may be older than the newest. 0: by any time.",
             "In the group's own time, which stands still while it has no leader. An older one is removed when\n"
             "the next is written. At most 87600."},
            [](Settings& s) -> auto& { return s.host.host.snapshot_backup_age; }),
      bytes({"snapshot_rate", "BYTES", "How fast snapshots leave this node, in bytes a second, all together.",
             "0: as fast as it goes. They go over connections of their own, but over the same network."},
            [](Settings& s) -> auto& { return s.host.host.snapshot_rate; }),
      bytes({"scrub_rate", "BYTES", "How fast snapshots are read in the background and compared, in bytes a second.",
             "All of them twice a day, so that what the disk lost is known before it is needed. 0: never.\n"
             "It is one rate for all groups of this node: what does not fit it takes longer."},
            [](Settings& s) -> auto& { return s.host.host.scrub_rate; }),
      text({"snapshot_listener_addr", "HOST", "Where other nodes fetch snapshots, if that is not where they connect.",
            "A name or an address without a port, of a network for what is large, say. Other nodes are told\n"
            "it, so it must lead here from there; told 0.0.0.0, they take the address that they know.\n"
            "Empty: the host of listen."},
           [](Settings& s) -> auto& { return s.snapshot_listener_addr; }),
      whole({"snapshot_listener_port", "PORT", "The port of it.",
             "0: any free one if snapshot_listener_addr is set, else the port of listen, for all."},
            65'535, [](Settings& s) -> auto& { return s.snapshot_listener_port; }),
  };
}

std::vector<Setting> threads() {
  return {
      count({"shards", "N", "How many threads run groups, each with a log of its own. A group stays on one.",
             "1 to 64. More than one serves many busy groups at once on many cores; a single group gains\n"
             "nothing. It may be raised at any start, and not lowered below what the data has groups on."},
            host::shards_max, [](Settings& s) -> auto& { return s.host.shards; }),
  };
}

std::vector<Setting> limits() {
  return {
      bytes({"key_bytes_max", "BYTES", "Longest key of the backends memory and rocksdb.",
             "A write beyond it is refused (too_large)."},
            [](Settings& s) -> auto& { return s.kv.key_bytes_max; }),
      bytes({"value_bytes_max", "BYTES", "Longest value of the backends memory and rocksdb.",
             "A write beyond it is refused (too_large)."},
            [](Settings& s) -> auto& { return s.kv.value_bytes_max; }),
      bytes({"command_bytes_max", "BYTES", "Longest command of any backend. At most 64M.",
             "A write beyond it is refused (too_large). A cas holds a key and two values."},
            [](Settings& s) -> auto& { return s.host.host.command_bytes_max; }),
      bytes({"uncommitted_bytes_max", "BYTES", "How much a leader takes on that no majority has yet, per group.",
             "Beyond it writes are refused (busy) until the followers have caught up."},
            [](Settings& s) -> auto& { return s.host.host.uncommitted_bytes_max; }),
      bytes({"log_bytes_max", "BYTES", "How large the log of a group may grow. All of it is in memory.",
             "Beyond it writes are refused (busy) until a snapshot is written and the log cut."},
            [](Settings& s) -> auto& { return s.host.host.log_bytes_max; }),
      count({"requests_per_link_max", "N", "How many requests of one connection may be under way.",
             "Beyond it they are refused (busy)."},
            1'000'000, [](Settings& s) -> auto& { return s.host.host.requests_per_link_max; }),
      bytes({"link_queue_bytes_max", "BYTES", "How much may wait for one connection to take it in.",
             "A client beyond it loses its connection; what waits for a peer is dropped and sent again."},
            [](Settings& s) -> auto& { return s.host.host.link_queue_bytes_max; }),
      bytes({"watch_history_bytes", "BYTES", "How much of its last changes a group remembers, for watches that go on.",
             "Of each group. A watch that was away longer is told that it may have missed something."},
            [](Settings& s) -> auto& { return s.host.host.watch_history_bytes; }),
      bytes({"watch_queue_bytes_max", "BYTES", "How much may wait for a connection that watches to take it in.",
             "Beyond it the connection loses its watches, and is told so. At most half of link_queue_bytes_max."},
            [](Settings& s) -> auto& { return s.host.host.watch_queue_bytes_max; }),
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
    for (auto part : {who_and_where(), times_and_log(), snapshots(), threads(), limits(), words_to_the_operator()}) {
      for (Setting& one : part) gathered.push_back(std::move(one));
    }
    return gathered;
  }();
  return all;
}

}  // namespace zraft::server
