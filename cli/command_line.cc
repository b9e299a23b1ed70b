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
    "5 refused, nothing was changed. Words that begin with a dash come after `--`: zraft put -- KEY -VALUE";

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
  std::string backend = "memory";
  bool is_stale = false;
  bool is_absent = false;
  std::uint64_t limit = 0;
  Bench bench;
  double seconds = 10;
  std::string op = "put";
};

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
    add_bench();
  }

  // Throws what CLI11 throws.
  void parse(std::vector<std::string> arguments) {
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes them
    app_.parse(std::move(arguments));
  }
  [[nodiscard]] CLI::App& app() { return app_; }
  [[nodiscard]] Words& words() { return words_; }
  [[nodiscard]] std::string chosen() const { return app_.get_subcommands().front()->get_name(); }

 private:
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
    bench->add_option("--op", words_.op, "What they do; mixed: one put in ten.")
        ->check(CLI::IsMember({"put", "get", "mixed"}))
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

Action action_of(const std::string& name, Words& words, Bytes (*read_stdin)()) {
  const auto value = [&] { return words.values.back() == "-" ? read_stdin() : Bytes(words.values.back()); };
  if (name == "put") return Put{words.key, value()};
  if (name == "get") return Get{words.key, words.is_stale};
  if (name == "del") return Delete{words.key};
  if (name == "cas") {
    std::optional<Bytes> expected;
    if (!words.is_absent) expected = words.values.front();
    return Compare{words.key, std::move(expected), value()};
  }
  if (name == "scan") return Scan{words.key, words.limit, words.is_stale};
  if (name == "count") return Count{words.key, words.is_stale};
  if (name == "create") return Create{{words.key, words.peers, words.backend}};
  if (name == "status") return Status{};
  if (name == "groups") return Groups{};
  if (name == "members") return Members{};
  if (is_about_members(name)) return Change{change_of(name, words)};
  if (name == "transfer") return Transfer{words.peers.empty() ? "" : words.peers.front()};
  if (name == "destroy") return Destroy{words.peers.empty() ? "" : words.peers.front()};
  words.bench.length = seconds_of(words.seconds);
  words.bench.op = words.op == "put" ? Bench::Op::put : words.op == "get" ? Bench::Op::get : Bench::Op::mixed;
  return words.bench;
}

// What the grammar cannot say. Empty: all is well.
std::string problem_of(const std::string& name, const Words& words) {
  const bool is_key = name == "put" || name == "get" || name == "del" || name == "cas";
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
  if (words.hosts.empty() && (words.peers.empty() || name != "create")) {
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
    const auto chosen = grammar.app().get_subcommands();
    return Instead{chosen.empty() ? grammar.app().help() : chosen.front()->help()};
  } catch (const CLI::CallForVersion& version_asked) {
    return Instead{std::string(version_asked.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    const std::vector<std::string> strangers = grammar.app().remaining();
    const bool is_named = !grammar.app().get_subcommands().empty();
    if (is_named) return refusal(error.what());
    return refusal(strangers.empty() ? "no command is given" : "there is no command " + strangers.front());
  }
  const std::string name = grammar.chosen();
  Words& words = grammar.words();
  if (const std::string problem = problem_of(name, words); !problem.empty()) return refusal(problem);
  Command command;
  command.hosts = words.hosts;
  for (const std::string& peer : words.peers) {
    if (name == "create" && words.hosts.empty()) command.hosts.push_back(net::parse_peer(peer)->address);
  }
  const bool is_named = name == "create" || name == "members" || name == "transfer" || name == "destroy";
  command.group = is_named || is_about_members(name) ? words.key : words.group;
  if (name == "groups") command.group.clear();  // all of them
  command.timeout = seconds_of(words.timeout);
  command.format = words.output == "json" ? Format::json : Format::table;
  command.action = action_of(name, words, read_stdin);
  return command;
}

}  // namespace zraft::cli
