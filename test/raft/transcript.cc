// SPDX-License-Identifier: Apache-2.0
//
// The language of transcripts. A command that is not understood puts that into the story, so it cannot pass unseen.
#include "test/raft/transcript.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>

#include "test/raft/core_cluster.h"
#include "zraft/raft/describe.h"

namespace zraft::raft {
namespace {

using Words = std::vector<std::string>;

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> out;
  std::istringstream in{std::string(text)};
  for (std::string part; std::getline(in, part, at);) out.push_back(part);
  return out;
}

Words words_of(const std::string& line) {
  std::istringstream in(line);
  Words out;
  for (std::string word; in >> word;) out.push_back(word);
  return out;
}

// The number that a word begins with: "3", "400ms", "*" (0).
std::uint64_t number(std::string_view text) {
  std::uint64_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::vector<std::uint64_t> numbers(std::string_view text) {
  std::vector<std::uint64_t> out;
  for (const std::string& part : split(text, ',')) out.push_back(number(part));
  return out;
}

Duration duration(std::string_view text) { return Duration::milliseconds(static_cast<std::int64_t>(number(text))); }

// The name=value words of a command, taken out of it.
std::map<std::string, std::string> take_options(Words& words) {
  std::map<std::string, std::string> out;
  std::erase_if(words, [&](const std::string& word) {
    const auto equals = word.find('=');
    if (equals == std::string::npos) return false;
    out[word.substr(0, equals)] = word.substr(equals + 1);
    return true;
  });
  return out;
}

// "3:0,2:5": who has which priority.
void set_priorities(Membership& membership, const std::string& text) {
  for (const std::string& part : split(text, ',')) {
    for (Member& member : membership.members) {
      if (member.id.value == number(part)) member.priority = static_cast<std::uint32_t>(number(split(part, ':').at(1)));
    }
  }
}

// Makes some of the members outgoing voters or learners.
Membership membership_from(std::uint64_t n, std::map<std::string, std::string>& options) {
  Membership membership = voters_up_to(n);
  set_priorities(membership, options["priorities"]);
  if (options.contains("voters")) {
    membership.voters.clear();
    for (const std::uint64_t id : numbers(options["voters"])) membership.voters.push_back({id});
  }
  for (const std::uint64_t id : numbers(options["outgoing"])) membership.outgoing.push_back({id});
  for (const std::uint64_t id : numbers(options["learners"])) std::erase(membership.voters, NodeId{id});
  return membership;
}

// Voters, learners, and learners that are to be promoted, each a list of ids.
Membership wanted_from(std::map<std::string, std::string>& options) {
  std::vector<Member> members;
  const auto add = [&](const char* option) {
    for (const std::uint64_t id : numbers(options[option])) {
      members.push_back({{id}, "n" + std::to_string(id) + "@test:1"});
    }
  };
  add("voters");
  add("learners");
  add("promoting");
  Membership wanted = membership_of(std::move(members));
  for (const char* option : {"learners", "promoting"}) {
    for (const std::uint64_t id : numbers(options[option])) std::erase(wanted.voters, NodeId{id});
  }
  for (const std::uint64_t id : numbers(options["promoting"])) wanted.promoting.push_back({id});
  set_priorities(wanted, options["priorities"]);
  return wanted;
}

class Player {
 public:
  std::vector<std::string> run(const std::vector<std::string>& commands) {
    for (const std::string& command : commands) {
      if (command.empty() || command.starts_with('#')) continue;
      if (!play(words_of(command))) story_.push_back("cannot understand: " + command);
    }
    return std::exchange(story_, {});
  }

 private:
  bool play(Words words) {
    const std::string verb = words.front();
    words.erase(words.begin());
    auto options = take_options(words);
    if (verb == "cluster") return build(words, options);
    if (cluster_ == nullptr) return false;
    return play_time(verb, words) || play_member(verb, words, options) || play_network(verb, words, options) ||
           play_show(verb, words);
  }

  bool build(const Words& words, std::map<std::string, std::string>& options) {
    if (words.size() != 1) return false;
    CoreCluster::Options to{.membership = membership_from(number(words[0]), options), .config = {}};
    to.config.group = {77};
    to.config.seed = first_is_one;
    const auto size = [&](const char* name, std::size_t& value) {
      if (options.contains(name)) value = number(options[name]);
    };
    const auto time = [&](const char* name, Duration& value) {
      if (options.contains(name)) value = duration(options[name]);
    };
    time("election", to.config.election_timeout);
    time("heartbeat", to.config.heartbeat_interval);
    time("net", to.network);
    time("disk", to.disk);
    time("transfer", to.transfer);
    size("seed", to.config.seed);
    size("command_bytes_max", to.config.command_bytes_max);
    size("uncommitted_bytes_max", to.config.uncommitted_bytes_max);
    size("log_bytes_max", to.config.log_bytes_max);
    size("log_bytes_retained", to.config.log_bytes_retained);
    size("reads_max", to.config.reads_max);
    size("append_bytes_max", to.config.replication.append_bytes_max);
    size("inflight_messages_max", to.config.replication.inflight_messages_max);
    size("inflight_bytes_max", to.config.replication.inflight_bytes_max);
    cluster_ = std::make_unique<CoreCluster>(
        std::move(to), CoreCluster::Watcher{.on_output = [this](NodeId id, const Output& out) { hear(id, out); },
                                            .on_dropped = [this](const Message& lost) {
                                              if (traces("messages")) say("lost: " + describe(lost));
                                            }});
    return true;
  }

  bool play_time(const std::string& verb, const Words& words) {
    if (verb == "advance" && words.size() == 1) {
      cluster_->advance(duration(words[0]));
    } else if (verb == "settle" && words.size() == 1) {
      const std::size_t told = story_.size();
      cluster_->advance(duration(words[0]));
      story_.resize(told);
    } else if (verb == "campaign" && words.size() == 1) {
      cluster_->campaign({number(words[0])});
    } else if (verb == "timers" && words.size() == 2) {
      cluster_->run_timers({number(words[0])}, words[1] == "on");
    } else {
      return false;
    }
    return true;
  }

  bool play_member(const std::string& verb, const Words& words, std::map<std::string, std::string>& options) {
    if (words.empty()) return false;
    const NodeId id{number(words[0])};
    if (verb == "log") {
      HardState hard{.term = {number(options["term"])}, .vote = std::nullopt};
      if (options.contains("vote")) hard.vote = NodeId{number(options["vote"])};
      cluster_->set_log(id, numbers(options["terms"]), hard);
    } else if (verb == "propose") {
      cluster_->propose(id, {words.begin() + 1, words.end()});
    } else if (verb == "read") {
      cluster_->read(id, words.size() > 1 ? number(words[1]) : 1);
    } else if (verb == "snapshot") {
      for (const std::string& word : words) cluster_->snapshot({number(word)});
    } else if (verb == "join") {
      for (const std::string& word : words) cluster_->join({number(word)});
    } else if (verb == "members") {
      cluster_->reconfigure(id, wanted_from(options));
    } else if (verb == "transfer") {
      cluster_->transfer(id, words.size() > 1 ? std::optional(NodeId{number(words[1])}) : std::nullopt);
    } else if (verb == "crash") {
      for (const std::string& word : words) cluster_->crash({number(word)});
    } else if (verb == "restart") {
      for (const std::string& word : words) cluster_->restart({number(word)});
    } else if (verb == "hold") {
      for (const std::string& word : words) cluster_->hold_writes({number(word)});
    } else if (verb == "release") {
      for (const std::string& word : words) cluster_->release_writes({number(word)});
    } else {
      return false;
    }
    return true;
  }

  bool play_network(const std::string& verb, const Words& words, std::map<std::string, std::string>& options) {
    if (verb == "heal") {
      cluster_->heal();
    } else if (verb == "partition") {
      std::vector<std::vector<std::uint64_t>> sides(1);
      for (const std::string& word : words) {
        if (word == "|") {
          sides.emplace_back();
        } else {
          sides.back().push_back(number(word));
        }
      }
      cluster_->partition(sides);
    } else if (verb == "cut" && words.size() == 1) {
      const auto [from, to] = link(words[0]);
      cluster_->cut(from, to);
    } else if ((verb == "drop" || verb == "delay" || verb == "duplicate") && words.size() >= 2) {
      CoreCluster::Rule rule;
      using Kind = CoreCluster::Rule::Kind;
      rule.kind = verb == "drop" ? Kind::drop : verb == "delay" ? Kind::delay : Kind::duplicate;
      if (words[0] != "*") rule.message = words[0];
      std::tie(rule.from, rule.to) = link(words[1]);
      rule.by = duration(options["by"]);
      if (options.contains("times")) rule.times = number(options["times"]);
      if (words.size() > 2 && words[2] == "always") rule.times = UINT64_MAX;
      cluster_->add_rule(std::move(rule));
    } else {
      return false;
    }
    return true;
  }

  static std::pair<NodeId, NodeId> link(const std::string& text) {
    const auto arrow = text.find("->");
    if (arrow == std::string::npos) return {};
    return {{number(text)}, {number(std::string_view(text).substr(arrow + 2))}};
  }

  bool play_show(const std::string& verb, const Words& words) {
    if (verb == "trace" && !words.empty()) {
      traced_ = words[0] == "off" ? std::set<std::string>{} : std::set<std::string>(words.begin(), words.end());
    } else if (verb == "state" || verb == "logs" || verb == "applied") {
      for (const NodeId id : cluster_->ids()) {
        const std::string name = std::to_string(id.value);
        if (!cluster_->is_up(id)) {
          story_.push_back(name + " is down");
        } else {
          story_.push_back(name + (verb == "state" ? state_of(id) : verb == "logs" ? log_of(id) : applied_of(id)));
        }
      }
    } else {
      return false;
    }
    return true;
  }

  std::string state_of(NodeId id) {
    const Core& core = cluster_->core(id);
    std::string role = core.is_leader() ? "leads" : "follows";
    if (const auto* candidate = std::get_if<Candidate>(&core.role())) {
      role = candidate->phase == Candidate::Phase::vote ? "stands" : "asks for pre-votes";
    } else if (!core.leader()) {
      role = "follows nobody";
    } else if (!core.is_leader()) {
      role += " " + std::to_string(core.leader()->value);
    }
    return " " + role + ", term " + std::to_string(core.term().value) + ", last " + describe(core.log().last()) +
           ", durable " + std::to_string(core.durable().value) + ", commit " + std::to_string(core.commit().value) +
           ", applied " + std::to_string(core.applied().value);
  }

  std::string log_of(NodeId id) {
    const LogWindow& log = cluster_->core(id).log();
    std::string out = log.base().last == Position{} ? " |" : " (" + describe(log.base().last) + ") |";
    for (Index index = log.first(); index <= log.last().index; index = next(index)) {
      const Record& record = log.at(index);
      out += " " + describe(record.position());
      if (record.type() == EntryType::command) out += "=" + std::string(record.payload());
      if (index == cluster_->core(id).commit()) out += " |";
    }
    return out;
  }

  std::string applied_of(NodeId id) {
    std::string out = " applied";
    for (const std::string& command : cluster_->applied(id)) out += " " + command;
    return out;
  }

  [[nodiscard]] bool traces(const char* what) const { return traced_.contains(what); }

  void hear(NodeId id, const Output& output) {
    const std::string name = std::to_string(id.value);
    for (const Event& event : output.events) {
      if (event.kind != Event::Kind::commits || traces("commits")) say(describe(id, event));
    }
    if (output.write && traces("writes")) say(name + " begins " + describe(*output.write));
    for (const Answer& answer : output.answers) say(name + " answers: " + describe(answer));
    if (traces("messages")) {
      for (const Message& message : output.send) say(describe(message));
    }
    if (!traces("applies")) return;
    for (const Record& record : output.apply) say(name + " applies " + describe(record));
  }

  void say(const std::string& what) {
    std::string time = std::to_string((cluster_ ? cluster_->now() : Instant{}).ns / 1'000'000);
    time.insert(0, time.size() < 4 ? 4 - time.size() : 0, ' ');
    story_.push_back("[" + time + "ms] " + what);
  }

  std::vector<std::string> story_;
  std::set<std::string> traced_;
  std::unique_ptr<CoreCluster> cluster_;
};

}  // namespace

std::vector<Block> parse_blocks(std::string_view text) {
  std::vector<Block> blocks(1);
  bool is_expected = false;
  for (const std::string& line : split(text, '\n')) {
    if (line.empty()) {
      if (!blocks.back().commands.empty()) blocks.emplace_back();
      is_expected = false;
    } else if (line == "----") {
      blocks.back().has_output = is_expected = true;
    } else {
      (is_expected ? blocks.back().expected : blocks.back().commands).push_back(line);
    }
  }
  if (blocks.back().commands.empty()) blocks.pop_back();
  return blocks;
}

std::string text_of(const std::vector<Block>& blocks) {
  std::string out;
  for (const Block& block : blocks) {
    if (!out.empty()) out += "\n";
    for (const std::string& line : block.commands) out += line + "\n";
    if (!block.has_output) continue;
    out += "----\n";
    for (const std::string& line : block.expected) out += line + "\n";
  }
  return out;
}

std::vector<Block> run_blocks(std::vector<Block> blocks) {
  Player player;
  for (Block& block : blocks) {
    block.expected = player.run(block.commands);
    block.has_output = block.has_output || !block.expected.empty();
  }
  return blocks;
}

}  // namespace zraft::raft
