// SPDX-License-Identifier: Apache-2.0
//
// The grammar: what each command becomes, and what is refused with which words.
#include "cli/command_line.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace zraft::cli {
namespace {

Bytes from_stdin() { return Bytes("from\nstdin\0", 11); }

class CommandLineTest : public testing::Test {
 protected:
  void SetUp() override {
    ::unsetenv("ZRAFT_HOSTS");
    ::unsetenv("ZRAFT_GROUP");
  }
  void TearDown() override { SetUp(); }

  // With hosts given by the environment, so that a test is about the rest.
  static std::variant<Command, Instead> parsed(std::vector<std::string> arguments) {
    ::setenv("ZRAFT_HOSTS", "a:1,b:2", 1);
    return parse(std::move(arguments), "9.9", from_stdin);
  }
  static Command command(std::vector<std::string> arguments) {
    auto asked = parsed(std::move(arguments));
    if (auto* instead = std::get_if<Instead>(&asked)) ADD_FAILURE() << instead->text;
    return std::get<Command>(std::move(asked));
  }
  template <class T>
  static T action(std::vector<std::string> arguments) {
    return std::get<T>(command(std::move(arguments)).action);
  }
  static void is_refused(std::vector<std::string> arguments, const std::string& words) {
    const auto asked = parsed(std::move(arguments));
    const auto* instead = std::get_if<Instead>(&asked);
    ASSERT_NE(instead, nullptr) << "taken, although " << words;
    EXPECT_EQ(instead->status, Exit::usage);
    EXPECT_NE(instead->text.find(words), std::string::npos) << instead->text;
  }
};

TEST_F(CommandLineTest, ReadsEveryCommandOnKeys) {
  EXPECT_EQ(action<Put>({"put", "k", "v"}).key, "k");
  EXPECT_EQ(action<Put>({"put", "k", "v"}).value, "v");
  EXPECT_EQ(action<Put>({"put", "k", ""}).value, "");
  EXPECT_EQ(action<Get>({"get", "k"}).key, "k");
  EXPECT_EQ(action<Get>({"get", "k"}).reading.consistency, net::Consistency::linearizable);
  EXPECT_EQ(action<Get>({"get", "k", "--stale"}).reading.consistency, net::Consistency::stale);
  const net::ReadChoice bounded = action<Scan>({"scan", "p", "--max-staleness", "0.25"}).reading;
  EXPECT_EQ(bounded.consistency, net::Consistency::bounded);
  EXPECT_EQ(bounded.staleness_max, Duration::milliseconds(250));
  EXPECT_EQ(action<Delete>({"del", "k"}).key, "k");
  EXPECT_EQ(action<Scan>({"scan", ""}).prefix, "");
  EXPECT_EQ(action<Scan>({"scan", "p", "--limit", "7"}).limit, 7U);
  EXPECT_EQ(action<Count>({"count", "p"}).prefix, "p");
  EXPECT_TRUE(std::holds_alternative<Status>(command({"status"}).action));
}

TEST_F(CommandLineTest, ReadsBothKindsOfCas) {
  const auto swap = action<Compare>({"cas", "k", "old", "new"});
  EXPECT_EQ(swap.expected, "old");
  EXPECT_EQ(swap.value, "new");
  const auto first = action<Compare>({"cas", "--absent", "k", "new"});
  EXPECT_EQ(first.expected, std::nullopt);
  EXPECT_EQ(first.value, "new");
  is_refused({"cas", "k", "new"}, "cas takes KEY OLD NEW");
  is_refused({"cas", "--absent", "k", "old", "new"}, "cas takes KEY OLD NEW");
}

TEST_F(CommandLineTest, TakesAValueFromStdinForADash) {
  EXPECT_EQ(action<Put>({"put", "k", "-"}).value, from_stdin());
  EXPECT_EQ(action<Compare>({"cas", "k", "old", "-"}).value, from_stdin());
}

TEST_F(CommandLineTest, TakesWordsThatBeginWithADashAfterTwoDashes) {
  const auto put = action<Put>({"put", "--", "-k", "-5"});
  EXPECT_EQ(put.key, "-k");
  EXPECT_EQ(put.value, "-5");
}

TEST_F(CommandLineTest, KnowsWhereToGoFromTheEnvironmentAndBetterFromFlags) {
  EXPECT_EQ(command({"status"}).hosts, (std::vector<std::string>{"a:1", "b:2"}));
  EXPECT_EQ(command({"--hosts", "c:3,d:4", "status"}).hosts, (std::vector<std::string>{"c:3", "d:4"}));
  EXPECT_EQ(command({"status"}).group, "kv");
  ::setenv("ZRAFT_GROUP", "other", 1);
  EXPECT_EQ(command({"status"}).group, "other");
  EXPECT_EQ(command({"status", "--group", "third"}).group, "third") << "flags may come after the command";
}

TEST_F(CommandLineTest, CreatesAtTheHostsOfThePeersWhenNoOtherIsNamed) {
  const auto asked = parse({"create", "g", "n1@h1:1", "n2@h2:2", "--backend", "memory"}, "9.9", from_stdin);
  const auto& create = std::get<Command>(asked);
  EXPECT_EQ(create.hosts, (std::vector<std::string>{"h1:1", "h2:2"}));
  EXPECT_EQ(create.group, "g");
  EXPECT_EQ(std::get<Create>(create.action).group.peers, (std::vector<std::string>{"n1@h1:1", "n2@h2:2"}));
  EXPECT_EQ(std::get<Create>(create.action).group.backend, "memory");
}

TEST_F(CommandLineTest, ReadsEveryChangeOfMembers) {
  const auto change = [](std::vector<std::string> arguments) { return action<Change>(std::move(arguments)).change; };
  using Peers = std::vector<std::string>;
  const auto add = change({"add", "g", "w@d:1"});
  EXPECT_EQ(add.group, "g");
  EXPECT_EQ(add.voters, Peers{"w@d:1"});
  EXPECT_TRUE(add.learners.empty() && add.gone.empty() && !add.only_if);
  EXPECT_EQ(change({"add", "g", "w@d:1", "--learner"}).learners, Peers{"w@d:1"});
  EXPECT_TRUE(change({"add", "g", "w@d:1", "--learner"}).voters.empty());
  EXPECT_EQ(change({"promote", "g", "w@d:1"}).voters, Peers{"w@d:1"});
  EXPECT_EQ(change({"demote", "g", "w@d:1"}).learners, Peers{"w@d:1"});
  const auto remove = change({"remove", "g", "w@d:1"});
  EXPECT_EQ(remove.gone, Peers{"w@d:1"});
  EXPECT_TRUE(remove.voters.empty() && remove.learners.empty());
  const auto replace = change({"replace", "g", "old@a:1", "new@b:1"});
  EXPECT_EQ(replace.gone, Peers{"old@a:1"});
  EXPECT_EQ(replace.voters, Peers{"new@b:1"});
  const auto set = change({"set-members", "g", "--old", "x@a:1,y@b:1", "--new", "x@a:1,z@c:1"});
  EXPECT_EQ(set.only_if, (Peers{"x@a:1", "y@b:1"}));
  EXPECT_EQ(set.voters, (Peers{"x@a:1", "z@c:1"}));
}

TEST_F(CommandLineTest, ReadsWhatIsAskedOfAGroupByItsName) {
  EXPECT_EQ(command({"members", "g"}).group, "g");
  EXPECT_TRUE(std::holds_alternative<Members>(command({"members", "g"}).action));
  EXPECT_EQ(action<Transfer>({"transfer", "g"}).peer, "");
  EXPECT_EQ(action<Transfer>({"transfer", "g", "w@d:1"}).peer, "w@d:1");
  EXPECT_EQ(command({"transfer", "g"}).group, "g");
  EXPECT_EQ(action<Destroy>({"destroy", "g"}).at, "");
  EXPECT_EQ(action<Destroy>({"destroy", "g", "w@d:1"}).at, "w@d:1");
  EXPECT_EQ(command({"destroy", "g"}).group, "g");
  EXPECT_TRUE(std::holds_alternative<Groups>(command({"groups"}).action));
  EXPECT_EQ(command({"groups"}).group, "") << "all of them";
}

TEST_F(CommandLineTest, ReadsARecoveryWhichNeedsNoNode) {
  const auto asked = parse({"recover", "--data", "a", "kv", "--data", "b"}, "9.9", from_stdin);
  ASSERT_TRUE(std::holds_alternative<Command>(asked));
  EXPECT_EQ(std::get<Command>(asked).group, "kv");
  const auto look = std::get<Recover>(std::get<Command>(asked).action);
  EXPECT_EQ(look.data, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(look.log_dirs.empty() && look.peer.empty());
  EXPECT_FALSE(look.applies) << "to look is the default";
  EXPECT_FALSE(action<Recover>({"recover", "kv", "--data", "a", "--dry-run"}).applies);
  const auto change =
      action<Recover>({"recover", "kv", "--data", "a", "--log-dir", "l", "--peer", "n1@h:1", "--apply"});
  EXPECT_TRUE(change.applies);
  EXPECT_EQ(change.log_dirs, std::vector<std::string>{"l"});
  EXPECT_EQ(change.peer, "n1@h:1");
  is_refused({"recover", "kv"}, "--data");
  is_refused({"recover", "--data", "a"}, "GROUP");
  is_refused({"recover", "kv", "--data", "a", "--apply", "--dry-run"}, "--apply");
  is_refused({"recover", "kv", "--data", "a", "--data", "b", "--log-dir", "l"}, "as often as --data");
  is_refused({"recover", "kv", "--data", "a", "--data", "b", "--snapshot-dir", "s"}, "as often as --data");
  EXPECT_EQ(action<Recover>({"recover", "kv", "--data", "a", "--snapshot-dir", "s"}).snapshot_dirs,
            std::vector<std::string>{"s"});
  is_refused({"recover", "kv", "--data", "a", "--peer", "n1"}, "n1");
}

TEST_F(CommandLineTest, ReadsABackupAndALookAtOneWhichNeedsNoNode) {
  EXPECT_TRUE(std::holds_alternative<Command>(parse({"backup", "inspect", "f.bak"}, "9.9", from_stdin)));
  EXPECT_FALSE(std::holds_alternative<Command>(parse({"backup", "other", "f.bak"}, "9.9", from_stdin)));
  const auto backup = action<Backup>({"backup", "other", "f.bak", "--rate", "1000", "--hosts", "h:1"});
  EXPECT_EQ(backup.file, "f.bak");
  EXPECT_EQ(backup.bytes_per_second, 1000U);
  EXPECT_EQ(command({"backup", "other", "f.bak", "--hosts", "h:1"}).group, "other");
  EXPECT_EQ(action<BackupInspect>({"backup", "inspect", "f.bak"}).file, "f.bak");
  is_refused({"backup", "other"}, "FILE");
}

TEST_F(CommandLineTest, ReadsARestorationWhichNamesTheNewGroupAndAsksItsPeers) {
  const auto said =
      parse({"restore", "f.bak", "n1@h:1", "n2@h:2", "--group", "copy", "--rate", "1000"}, "9.9", from_stdin);
  ASSERT_TRUE(std::holds_alternative<Command>(said));
  const auto& asked = std::get<Command>(said);
  EXPECT_EQ(asked.group, "copy");
  EXPECT_EQ(asked.hosts, (std::vector<std::string>{"h:1", "h:2"}));
  const auto restore = std::get<Restore>(asked.action);
  EXPECT_EQ(restore.file, "f.bak");
  EXPECT_EQ(restore.group.name, "copy");
  EXPECT_EQ(restore.group.peers, (std::vector<std::string>{"n1@h:1", "n2@h:2"}));
  EXPECT_EQ(restore.bytes_per_second, 1000U);
  EXPECT_FALSE(restore.is_dry_run);
  EXPECT_TRUE(action<Restore>({"restore", "--dry-run", "f.bak", "n1@h:1", "--group", "copy"}).is_dry_run);
  is_refused({"restore", "f.bak", "n1@h:1"}, "--group NAME");
  is_refused({"restore", "f.bak", "--group", "copy"}, "PEER");
  is_refused({"restore", "f.bak", "n1", "--group", "copy"}, "n1");
}

TEST_F(CommandLineTest, ReadsALookAtAStoppedHostWhichNeedsNoNode) {
  const auto asked = parse({"log", "dump", "d", "--output", "json"}, "9.9", from_stdin);
  ASSERT_TRUE(std::holds_alternative<Command>(asked));
  EXPECT_EQ(std::get<Command>(asked).format, Format::json);
  EXPECT_EQ(std::get<Command>(asked).group, "") << "all of them";
  EXPECT_EQ(command({"log", "dump", "d", "--group", "g"}).group, "g");
  const auto dump = action<Inspect>({"log", "dump", "d", "--log-dir", "l"});
  EXPECT_EQ(dump.what, Inspect::What::log_dump);
  EXPECT_EQ(dump.data, "d");
  EXPECT_EQ(dump.apart, "l");
  EXPECT_EQ(action<Inspect>({"log", "verify", "d"}).what, Inspect::What::log_verify);
  EXPECT_EQ(action<Inspect>({"snapshot", "ls", "d"}).what, Inspect::What::snapshot_ls);
  const auto verify = action<Inspect>({"snapshot", "verify", "--snapshot-dir", "s", "d"});
  EXPECT_EQ(verify.what, Inspect::What::snapshot_verify);
  EXPECT_EQ(verify.apart, "s");
  is_refused({"log"}, "log is followed by dump or verify");
  is_refused({"log", "dump"}, "DIR");
  is_refused({"log", "mend", "d"}, "log is followed by dump or verify");
  is_refused({"snapshot", "ls", "d", "--log-dir", "l"}, "--log-dir");
  const auto help = parse({"log", "verify", "--help"}, "9.9", from_stdin);
  EXPECT_NE(std::get<Instead>(help).text.find("--log-dir"), std::string::npos) << std::get<Instead>(help).text;
}

TEST_F(CommandLineTest, ReadsWhoIsToWriteASnapshot) {
  EXPECT_EQ(command({"snapshot", "take", "g"}).group, "g");
  EXPECT_EQ(action<Take>({"snapshot", "take", "g"}).at, "");
  EXPECT_EQ(action<Take>({"snapshot", "take", "g", "x@a:1"}).at, "x@a:1");
  is_refused({"snapshot", "take"}, "GROUP");
  is_refused({"snapshot", "take", "g", "nonsense"}, "nonsense");
  is_refused({"snapshot"}, "take or ls or verify");
  const auto alone = parse({"--hosts", "", "snapshot", "take", "g"}, "9.9", from_stdin);
  EXPECT_EQ(std::get<Instead>(alone).status, Exit::usage) << "it asks nodes";
}

TEST_F(CommandLineTest, RefusesAChangeOfMembersThatIsNotWhole) {
  is_refused({"members"}, "GROUP");
  is_refused({"add", "g"}, "PEER");
  is_refused({"add", "g", "nonsense"}, "nonsense");
  is_refused({"remove", "g", "w@d:1", "v@d:1"}, "At Most 1");
  is_refused({"replace", "g", "w@d:1"}, "OLD_NEW");
  is_refused({"set-members", "g", "--new", "x@a:1"}, "--old");
  is_refused({"set-members", "g", "--old", "x@a:1"}, "--new");
  is_refused({"set-members", "g", "--old", "x@a:1", "--new", "y"}, "y");
  is_refused({"transfer", "g", "nonsense"}, "nonsense");
}

TEST_F(CommandLineTest, ReadsTimeoutOutputAndTheBench) {
  const Command given = command({"--timeout", "0.5", "--output", "json", "bench", "--clients", "3", "--connections",
                                 "2", "--value-bytes", "10", "--keys", "5", "--seconds", "1.5", "--op", "mixed"});
  EXPECT_EQ(given.timeout, Duration::milliseconds(500));
  EXPECT_EQ(given.format, Format::json);
  const auto& bench = std::get<Bench>(given.action);
  EXPECT_EQ(bench.clients, 3U);
  EXPECT_EQ(bench.connections, 2U);
  EXPECT_EQ(bench.value_bytes, 10U);
  EXPECT_EQ(bench.keys, 5U);
  EXPECT_EQ(bench.length, Duration::milliseconds(1500));
  EXPECT_EQ(bench.op, Bench::Op::mixed);
}

TEST_F(CommandLineTest, RefusesWhatCannotBeAndSaysWhere) {
  is_refused({}, "no command is given");
  is_refused({"fetch", "k"}, "there is no command fetch");
  is_refused({"put", "k"}, "VALUE");
  is_refused({"put", "k", "v", "w"}, "w");
  is_refused({"put", "", "v"}, "a key cannot be empty");
  is_refused({"get", "k", "--fast"}, "--fast");
  is_refused({"scan", "p", "--limit", "-1"}, "--limit");
  is_refused({"status", "--timeout", "0"}, "--timeout");
  is_refused({"status", "--output", "xml"}, "--output");
  is_refused({"bench", "--clients", "0"}, "--clients");
  is_refused({"bench", "--op", "del"}, "--op");
  is_refused({"create", "g", "no-peer"}, "no-peer");
  is_refused({"status", "--hosts", "nowhere"}, "nowhere");
}

TEST_F(CommandLineTest, NeedsToKnowANode) {
  const auto asked = parse({"status"}, "9.9", from_stdin);
  EXPECT_NE(std::get<Instead>(asked).text.find("ZRAFT_HOSTS"), std::string::npos);
}

TEST_F(CommandLineTest, HelpsAndTellsItsVersion) {
  EXPECT_EQ(std::get<Instead>(parsed({"--version"})).text, "zraft 9.9\n");
  const auto help = std::get<Instead>(parsed({"--help"}));
  EXPECT_EQ(help.status, Exit::done);
  for (const char* name : {"create", "put", "get", "del", "cas", "scan", "count", "status", "bench", "groups",
                           "members", "add", "remove", "replace", "promote", "demote", "set-members", "transfer",
                           "destroy", "backup", "restore", "Exit status"}) {
    EXPECT_NE(help.text.find(name), std::string::npos) << name;
  }
  EXPECT_NE(std::get<Instead>(parsed({"cas", "--help"})).text.find("--absent"), std::string::npos);
}

}  // namespace
}  // namespace zraft::cli
