// SPDX-License-Identifier: Apache-2.0
//
// The grammar by CLI11, which throws; its exceptions end here.
#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <utility>

#include "zraft/net/address.h"

namespace zraft::cli {
namespace {

constexpr const char* about =
    "zraft speaks with the nodes of a cluster of zraftd: it creates groups and changes their members, reads\n"
    "and writes keys, shows and measures.";
constexpr const char* statuses =
    "Exit status: 0 done; 1 there is no such key, or a cas found another value; 2 the command line cannot be;\n"
    "3 nobody could be asked in time, nothing was changed; 4 the answer was lost, it may or may not have been done;\n"
    "5 refused, nothing was changed; 6 of what was looked at something is damaged. Words that begin with a dash come\n"
    "after `--`: zraft put -- KEY -VALUE";

constexpr double timeout_max = 86'400;

// What CLI11 writes into, before it becomes a Command.
struct Words {
  std::vector<std::string> hosts;
  std::string group = "kv";
  double timeout = 5;
  std::string output = "table";
  std::string key;
  std::vector<std::string> values;
  std::vector<std::string> peers;
  std::vector<std::string> old_peers;
  std::vector<std::string> new_peers;
  bool is_learner = false;
  Recover recover;
  bool is_dry_run = false;  // of recover the default, said aloud
  Inspect inspect;
  bool is_take = false;
  Backup backup;  // and of restore
  std::string backend = "memory";
  bool is_stale = false;
  double staleness_max = 0;
  bool is_absent = false;
  std::uint64_t limit = 0;
  Bench bench;
  double seconds = 10;
  std::string op = "put";
  bool is_prefix = false;
  bool is_once = false;
  double session_timeout = 10;
  double wait = 0;
  std::vector<std::string> command;
};

net::ReadChoice reading_of(const Words& words) {
  if (words.is_stale) return net::Consistency::stale;
  if (words.staleness_max == 0) return {};
  return net::ReadChoice::within(Duration::milliseconds(static_cast<std::int64_t>(words.staleness_max * 1000)));
}

class Grammar {
 public:
  explicit Grammar(const std::string& version) : app_(about, "zraft") {
    app_.footer(statuses);
    app_.set_version_flag("--version", "zraft " + version, "Only print the version.");
    app_.require_subcommand(1);
    app_.fallthrough();
    add_common();
    add_keys();
    add_groups();
    add_recover();
    add_inspect();
    add_backup();
    add_restore();
    add_bench();
    add_sessions();
  }

  // Throws what CLI11 throws.
  void parse(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    app_.parse(std::move(arguments));
  }
  [[nodiscard]] CLI::App& app() { return app_; }
  [[nodiscard]] Words& words() { return words_; }
  // What was said as far as it goes: the program, a command, or the command of a command.
  [[nodiscard]] const CLI::App& innermost() const {
    const CLI::App* at = &app_;
    while (!at->get_subcommands().empty()) at = at->get_subcommands().front();
    return *at;
  }
  [[nodiscard]] std::string chosen() const { return app_.get_subcommands().front()->get_name(); }
  // A command that has commands of its own, and none of them was said.
  [[nodiscard]] bool has_to_go_on() const { return !commands_of(innermost()).empty(); }
  [[nodiscard]] std::string how_to_go_on() const {
    std::string names;
    for (const CLI::App* command : commands_of(innermost())) {
      names += (names.empty() ? "" : " or ") + command->get_name();
    }
    return innermost().get_name() + " is followed by " + names;
  }
  [[nodiscard]] bool is_group_named() const { return app_.get_option("--group")->count() > 0; }

 private:
  static std::vector<const CLI::App*> commands_of(const CLI::App& app) {
    return app.get_subcommands([](const CLI::App*) { return true; });
  }

  void add_common() {
    app_.add_option("--hosts", words_.hosts, "Nodes to begin with; one that lives is enough.")
        ->type_name("HOST:PORT,...")
        ->delimiter(',')
        ->envname("ZRAFT_HOSTS");
    app_.add_option("--group", words_.group, "The group.")->envname("ZRAFT_GROUP")->capture_default_str();
    app_.add_option("--timeout", words_.timeout, "How long to try.")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.001, timeout_max))
        ->capture_default_str();
    app_.add_option("--output", words_.output, "table is for people, json for programs.")
        ->check(CLI::IsMember({"table", "json"}))
        ->capture_default_str();
  }

  void add_keys() {
    auto* put = app_.add_subcommand("put", "Writes a value.");
    put->add_option("KEY", words_.key)->required();
    put->add_option("VALUE", words_.values, "The value; - reads it from stdin.")->required()->expected(1);
    auto* get = app_.add_subcommand("get", "Prints the value of a key, alone; exit status 1 when there is none.");
    get->add_option("KEY", words_.key)->required();
    add_stale(get);
    auto* del = app_.add_subcommand("del", "Deletes a key; exit status 1 when there was none.");
    del->add_option("KEY", words_.key)->required();
    auto* cas = app_.add_subcommand("cas", "Writes NEW if the value is now OLD; exit status 1 when it is not.");
    cas->add_option("KEY", words_.key)->required();
    cas->add_option("OLD_NEW", words_.values, "OLD and NEW, or NEW alone with --absent; - reads it from stdin.")
        ->option_text("OLD NEW")
        ->required()
        ->expected(1, 2);
    cas->add_flag("--absent", words_.is_absent, "Write NEW if there is no such key now.");
    auto* scan = app_.add_subcommand("scan", "Prints keys that start with PREFIX, and their values, in order.");
    scan->add_option("PREFIX", words_.key, "'' is every key.")->required();
    scan->add_option("--limit", words_.limit, "No more than so many; 0: all.")
        ->check(CLI::NonNegativeNumber)
        ->capture_default_str();
    add_stale(scan);
    auto* count = app_.add_subcommand("count", "Prints how many keys start with PREFIX.");
    count->add_option("PREFIX", words_.key, "'' is every key.")->required();
    add_stale(count);
  }

  void add_stale(CLI::App* command) {
    command->add_flag("--stale", words_.is_stale, "Take what the asked node has, which may be old.");
    auto* bound = command->add_option("--max-staleness", words_.staleness_max,
                                      "Take what any node has that is no older than this.");
    bound->type_name("SECONDS")->check(CLI::Range(0.001, timeout_max))->excludes("--stale");
  }

  void add_groups() {
    auto* create = app_.add_subcommand("create", "Creates a group with a member on each of the named nodes.");
    create->add_option("GROUP", words_.key, "Its name.")->required();
    create->add_option("PEER", words_.peers, "NAME@HOST:PORT of each node.")->required();
    create->add_option("--backend", words_.backend, "The state machine that it replicates.")->capture_default_str();
    app_.add_subcommand("status", "Shows every member of the group.");
    app_.add_subcommand("groups", "Lists the groups of all nodes.");
    add_members();
  }

  CLI::App* on_group(const std::string& name, const std::string& what) {
    auto* command = app_.add_subcommand(name, what);
    command->add_option("GROUP", words_.key, "Its name.")->required();
    return command;
  }

  void add_members() {
    on_group("members", "Shows who the members are, who votes, and who leads.");
    auto* add = on_group("add", "Adds a member: it catches up, then it votes.");
    add->add_option("PEER", words_.peers, "NAME@HOST:PORT")->required()->expected(1);
    add->add_flag("--learner", words_.is_learner, "It is to follow without a vote.");
    const auto with_peer = [this](const std::string& name, const std::string& what) {
      on_group(name, what)->add_option("PEER", words_.peers, "NAME@HOST:PORT")->required()->expected(1);
    };
    with_peer("remove", "Removes a member; its data stays where it is.");
    with_peer("promote", "Gives a learner a vote, once it has caught up.");
    with_peer("demote", "Takes the vote of a member: it follows as a learner.");
    auto* replace = on_group("replace", "Adds NEW and, when it votes, removes OLD.");
    replace->add_option("OLD_NEW", words_.peers, "OLD and NEW")->option_text("OLD NEW")->required()->expected(2);
    auto* set = on_group("set-members", "Makes the members --new, if they are --old now.");
    set->add_option("--old", words_.old_peers, "Who they are now.")->required()->delimiter(',')->type_name("PEER,...");
    set->add_option("--new", words_.new_peers, "Who they are to be.")
        ->required()
        ->delimiter(',')
        ->type_name("PEER,...");
    auto* transfer = on_group("transfer", "Makes another member lead; without PEER, whoever can best.");
    transfer->add_option("PEER", words_.peers, "NAME@HOST:PORT")->expected(0, 1);
    auto* destroy = on_group("destroy", "Stops the group and forgets its data at all members, or at PEER alone.");
    destroy->add_option("PEER", words_.peers, "NAME@HOST:PORT")->expected(0, 1);
  }

  void add_recover() {
    auto* recover = on_group("recover", "Offline: makes one copy of a group that lost its majority the whole group.");
    recover->add_option("--data", words_.recover.data, "Data directory of a stopped zraftd; may be said repeatedly.")
        ->type_name("DIR")
        ->required()
        ->allow_extra_args(false);
    recover->add_option("--log-dir", words_.recover.log_dirs, "Its log_dir, if it has one; one for each --data.")
        ->type_name("DIR")
        ->allow_extra_args(false);
    recover->add_option("--snapshot-dir", words_.recover.snapshot_dirs,
                        "Its snapshot_dir, if it has one; one for each --data.")
        ->type_name("DIR")
        ->allow_extra_args(false);
    recover->add_option("--peer", words_.recover.peer, "The copy to go on with. Without it: the newest.")
        ->type_name("NAME@HOST:PORT");
    auto* apply = recover->add_flag("--apply", words_.recover.applies, "Do it. Without it nothing is changed.");
    recover->add_flag("--dry-run", words_.is_dry_run, "Change nothing: so it is without --apply.")->excludes(apply);
  }

  void add_inspect() {
    auto* log = app_.add_subcommand("log", "Offline: looks at the log of a stopped zraftd, and changes nothing.");
    log->require_subcommand(1);
    add_look(log, "dump", "Shows segments, groups and entries; with --group, of one group.", Inspect::What::log_dump);
    add_look(log, "verify", "Reads all of it; exit status 6 if it is damaged.", Inspect::What::log_verify);
    auto* snapshot = app_.add_subcommand("snapshot", "Has one written; looks, offline, at those of a stopped zraftd.");
    snapshot->require_subcommand(1);
    auto* take = snapshot->add_subcommand("take", "Has all members of the group, or PEER alone, write one now.");
    take->add_option("GROUP", words_.key, "Its name.")->required();
    take->add_option("PEER", words_.peers, "NAME@HOST:PORT")->expected(0, 1);
    take->callback([this] { words_.is_take = true; });
    add_look(snapshot, "ls", "Offline: lists them.", Inspect::What::snapshot_ls);
    add_look(snapshot, "verify", "Offline: reads all of them; exit status 6 if one is damaged.",
             Inspect::What::snapshot_verify);
  }

  void add_look(CLI::App* parent, const std::string& name, const std::string& about_it, Inspect::What what) {
    auto* look = parent->add_subcommand(name, about_it);
    look->add_option("DIR", words_.inspect.data, "Its data directory.")->required();
    const bool is_log = what == Inspect::What::log_dump || what == Inspect::What::log_verify;
    look->add_option(is_log ? "--log-dir" : "--snapshot-dir", words_.inspect.apart,
                     is_log ? "Its log_dir, if it has one." : "Its snapshot_dir, if it has one.")
        ->type_name("DIR");
    look->callback([this, what] { words_.inspect.what = what; });
  }

  void add_backup() {
    auto* backup =
        on_group("backup", "Writes the group's state, as it is now, to one file; with `inspect` as GROUP: reads FILE.");
    backup->add_option("FILE", words_.backup.file, "It must not be there yet.")->required();
    backup->add_option("--rate", words_.backup.bytes_per_second, "Fetch no more than so many; 0: as fast as it goes.")
        ->type_name("BYTES/s");
  }

  void add_restore() {
    auto* restore = app_.add_subcommand(
        "restore", "Makes a new group out of a backup, with a member on each of the named nodes; --group names it.");
    restore->add_option("FILE", words_.backup.file, "What `zraft backup` wrote.")->required();
    restore->add_option("PEER", words_.peers, "NAME@HOST:PORT of each node; the first is sent the state.")->required();
    restore->add_option("--rate", words_.backup.bytes_per_second, "Send no more than so many; 0: as fast as it goes.")
        ->type_name("BYTES/s");
    restore->add_flag("--dry-run", words_.is_dry_run, "Read all of the file, ask the nodes, and change nothing.");
  }

  void add_bench() {
    auto* bench =
        app_.add_subcommand("bench", "Measures: each client sends its next request when the last is answered.");
    const CLI::Range any(1, 1'000'000);
    bench->add_option("--clients", words_.bench.clients, "Requests under way at once.")
        ->check(any)
        ->capture_default_str();
    bench->add_option("--connections", words_.bench.connections, "Sessions they share.")
        ->check(CLI::Range(1, 1'000))
        ->capture_default_str();
    bench->add_option("--value-bytes", words_.bench.value_bytes, "Length of a value.")
        ->check(CLI::Range(0, 16 << 20))
        ->capture_default_str();
    bench->add_option("--keys", words_.bench.keys, "Keys drawn from, key00000000 and so on.")
        ->check(CLI::Range(1, 100'000'000))
        ->capture_default_str();
    bench->add_option("--seconds", words_.seconds, "How long.")
        ->check(CLI::Range(0.1, timeout_max))
        ->capture_default_str();
    bench->add_option("--op", words_.op, "What they do; mixed: one put in ten; sessions: only live; watch: one key.")
        ->check(CLI::IsMember({"put", "get", "mixed", "sessions", "watch"}))
        ->capture_default_str();
  }

  void add_sessions() {
    auto* watch = app_.add_subcommand("watch", "Prints each change of a key, as it happens.");
    watch->add_option("KEY", words_.key, "The key, or with --prefix what keys begin with.")->required();
    watch->add_flag("--prefix", words_.is_prefix, "Of all keys that begin with KEY.");
    watch->add_flag("--once", words_.is_once, "End after the first change.");
    auto* session = app_.add_subcommand("session", "Opens a session and does in it what stdin says, until that ends.");
    add_session_timeout(session);
    auto* lock = app_.add_subcommand("lock", "Runs a command while no other runs one under that name.");
    lock->add_option("NAME", words_.key, "The lock's.")->required();
    lock->add_option("COMMAND", words_.command, "What to run, after --; it has ZRAFT_LOCK and ZRAFT_TOKEN.")
        ->required();
    lock->add_option("--wait", words_.wait, "Give up if it takes longer; 0: never.")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.0, timeout_max));
    add_session_timeout(lock);
    auto* elect = app_.add_subcommand("elect", "Stands for an office, says when it is had, and holds it until ended.");
    elect->add_option("NAME", words_.key, "The office's.")->required();
    elect->add_option("VALUE", words_.values, "What whoever looks is to see.")->required()->expected(1);
    add_session_timeout(elect);
  }

  void add_session_timeout(CLI::App* command) {
    command->add_option("--session-timeout", words_.session_timeout, "What it owns goes, if it is not heard so long.")
        ->type_name("SECONDS")
        ->check(CLI::Range(0.2, timeout_max))
        ->capture_default_str();
  }

  CLI::App app_;
  Words words_;
};

Duration seconds_of(double seconds) { return Duration::microseconds(static_cast<std::int64_t>(seconds * 1e6)); }

client::MemberChange change_of(const std::string& name, const Words& words) {
  client::MemberChange change{.group = words.key, .voters = {}, .learners = {}, .gone = {}, .only_if = std::nullopt};
  if (name == "set-members") {
    change.voters = words.new_peers;
    change.only_if = words.old_peers;
  } else if (name == "replace") {
    change.voters = {words.peers[1]};
    change.gone = {words.peers[0]};
  } else if (name == "remove") {
    change.gone = words.peers;
  } else if (name == "demote" || words.is_learner) {
    change.learners = words.peers;
  } else {
    change.voters = words.peers;
  }
  return change;
}

bool is_about_members(const std::string& name) {
  return name == "add" || name == "remove" || name == "replace" || name == "promote" || name == "demote" ||
         name == "set-members";
}

// `zraft backup inspect FILE`.
bool is_inspection(const std::string& name, const Words& words) { return name == "backup" && words.key == "inspect"; }

Bench::Op op_of(const std::string& word) {
  if (word == "get") return Bench::Op::get;
  if (word == "mixed") return Bench::Op::mixed;
  if (word == "sessions") return Bench::Op::sessions;
  return word == "watch" ? Bench::Op::watch : Bench::Op::put;
}

std::optional<Action> stays(const std::string& name, const Words& words) {
  const Duration timeout = seconds_of(words.session_timeout);
  if (name == "watch") return Watch{words.key, words.is_prefix, words.is_once};
  if (name == "session") return Session{timeout};
  if (name == "elect") return Elect{words.key, words.values.back(), timeout};
  if (name != "lock") return std::nullopt;
  const auto wait = words.wait == 0 ? std::nullopt : std::optional(seconds_of(words.wait));
  return Lock{words.key, words.command, timeout, wait};
}

Action action_of(const std::string& name, Words& words, Bytes (*read_stdin)()) {
  if (auto action = stays(name, words)) return std::move(*action);
  const auto value = [&] { return words.values.back() == "-" ? read_stdin() : Bytes(words.values.back()); };
  if (name == "put") return Put{words.key, value()};
  if (name == "get") return Get{words.key, reading_of(words)};
  if (name == "del") return Delete{words.key};
  if (name == "cas") {
    std::optional<Bytes> expected;
    if (!words.is_absent) expected = words.values.front();
    return Compare{words.key, std::move(expected), value()};
  }
  if (name == "scan") return Scan{words.key, words.limit, reading_of(words)};
  if (name == "count") return Count{words.key, reading_of(words)};
  if (name == "create") return Create{{words.key, words.peers, words.backend}};
  if (name == "status") return Status{};
  if (name == "groups") return Groups{};
  if (name == "members") return Members{};
  if (is_about_members(name)) return Change{change_of(name, words)};
  if (name == "transfer") return Transfer{words.peers.empty() ? "" : words.peers.front()};
  if (name == "destroy") return Destroy{words.peers.empty() ? "" : words.peers.front()};
  if (words.is_take) return Take{words.peers.empty() ? "" : words.peers.front()};
  if (name == "recover") return words.recover;
  if (name == "log" || name == "snapshot") return words.inspect;
  if (is_inspection(name, words)) return BackupInspect{words.backup.file};
  if (name == "backup") return words.backup;
  if (name == "restore") {
    return Restore{.file = words.backup.file,
                   .group = {.name = words.group, .peers = words.peers, .backend = {}},
                   .bytes_per_second = words.backup.bytes_per_second,
                   .is_dry_run = words.is_dry_run};
  }
  words.bench.length = seconds_of(words.seconds);
  words.bench.op = op_of(words.op);
  return words.bench;
}

// It speaks with the hosts of its peers.
bool is_creation(const std::string& name) { return name == "create" || name == "restore"; }

std::string problem_of(const Recover& recover) {
  if (!recover.log_dirs.empty() && recover.log_dirs.size() != recover.data.size()) {
    return "give --log-dir as often as --data, in the same order";
  }
  if (!recover.snapshot_dirs.empty() && recover.snapshot_dirs.size() != recover.data.size()) {
    return "give --snapshot-dir as often as --data, in the same order";
  }
  if (recover.peer.empty()) return {};
  const auto parsed = net::parse_peer(recover.peer);
  return parsed ? std::string() : parsed.error().text;
}

// What the grammar cannot say. Empty: all is well.
std::string problem_of(const std::string& name, const Words& words) {
  const bool is_name = name == "lock" || name == "elect" || (name == "watch" && !words.is_prefix);
  const bool is_key = is_name || name == "put" || name == "get" || name == "del" || name == "cas";
  if (is_key && words.key.empty()) return "a key cannot be empty";
  if (name == "cas" && words.values.size() != (words.is_absent ? 1 : 2)) {
    return "cas takes KEY OLD NEW, or --absent KEY NEW";
  }
  for (const auto* peers : {&words.old_peers, &words.new_peers}) {
    for (const std::string& peer : *peers) {
      if (const auto parsed = net::parse_peer(peer); !parsed) return parsed.error().text;
    }
  }
  for (const std::string& peer : words.peers) {
    if (const auto parsed = net::parse_peer(peer); !parsed) return parsed.error().text;
  }
  if (name == "recover") return problem_of(words.recover);
  if (name == "log" || (name == "snapshot" && !words.is_take) || is_inspection(name, words)) return {};
  if (words.hosts.empty() && (words.peers.empty() || !is_creation(name))) {
    return "no node is named: give --hosts HOST:PORT,... or set ZRAFT_HOSTS";
  }
  for (const std::string& host : words.hosts) {
    if (const auto parsed = net::parse_address(host); !parsed) return parsed.error().text;
  }
  return {};
}

Instead refusal(const std::string& why) {
  return {"zraft: " + why + "; `zraft --help` and `zraft COMMAND --help` show what can be said\n", Exit::usage};
}

}  // namespace

std::variant<Command, Instead> parse(std::vector<std::string> arguments, const std::string& version,
                                     Bytes (*read_stdin)()) {
  Grammar grammar(version);
  try {
    grammar.parse(std::move(arguments));
  } catch (const CLI::CallForHelp&) {
    return Instead{grammar.innermost().help()};
  } catch (const CLI::CallForVersion& version_asked) {
    return Instead{std::string(version_asked.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    const std::vector<std::string> strangers = grammar.app().remaining();
    const bool is_named = !grammar.app().get_subcommands().empty();
    if (is_named) return refusal(grammar.has_to_go_on() ? grammar.how_to_go_on() : error.what());
    return refusal(strangers.empty() ? "no command is given" : "there is no command " + strangers.front());
  }
  const std::string name = grammar.chosen();
  Words& words = grammar.words();
  if (const std::string problem = problem_of(name, words); !problem.empty()) return refusal(problem);
  if (name == "restore" && !grammar.is_group_named()) return refusal("name the new group: --group NAME");
  Command command;
  command.hosts = words.hosts;
  for (const std::string& peer : words.peers) {
    if (is_creation(name) && words.hosts.empty()) command.hosts.push_back(net::parse_peer(peer)->address);
  }
  const bool is_named = name == "create" || name == "members" || name == "transfer" || name == "destroy" ||
                        name == "recover" || name == "backup" || words.is_take;
  command.group = is_named || is_about_members(name) ? words.key : words.group;
  if (name == "groups" || (name == "log" && !grammar.is_group_named())) command.group.clear();  // all of them
  command.timeout = seconds_of(words.timeout);
  command.format = words.output == "json" ? Format::json : Format::table;
  command.action = action_of(name, words, read_stdin);
  return command;
}

}  // namespace zraft::cli
