// SPDX-License-Identifier: Apache-2.0
//
// `zraft session`: an open session, and lines from stdin that are done in it. What is ephemeral stays until the session
// is closed, which the end of stdin does. A thread reads the lines; everything else happens on the loop, one line at a
// time, so that a script sees each answer before the next line is done.
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <sstream>
#include <thread>
#include <utility>

#include "cli/live.h"
#include "cli/live_json.h"
#include "cli/output.h"

namespace zraft::cli {
namespace {

constexpr Duration close_timeout = Duration::seconds(5);
constexpr const char* help =
    "put [--ephemeral] KEY VALUE, get KEY, del KEY, cas [--ephemeral] KEY OLD NEW, watch KEY, watch --prefix PREFIX, "
    "unwatch NUMBER, status, close";

std::vector<std::string> words_of(const std::string& line) {
  std::istringstream in(line);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

// What follows the first `skipped` words, as it was typed.
std::string rest_of(const std::string& line, std::size_t skipped) {
  std::size_t at = 0;
  for (std::size_t word = 0; word < skipped; ++word) {
    at = line.find_first_not_of(" \t", at);
    at = at == std::string::npos ? line.size() : line.find_first_of(" \t", at);
    if (at == std::string::npos) return {};
  }
  at = line.find_first_not_of(" \t", at);
  return at == std::string::npos ? std::string() : line.substr(at);
}

// Lines of stdin, each told from a thread of its own, which a read of a terminal does not hold up at the end.
class Lines {
 public:
  // `line` and `end` are called on that thread; none after this object.
  Lines(std::function<void(std::string)> line, std::function<void()> end)
      : line_(std::move(line)),
        end_(std::move(end)),
        wake_(::eventfd(0, EFD_CLOEXEC)),
        thread_([this] { read_all(); }) {}
  ~Lines() {
    static_cast<void>(::eventfd_write(wake_, 1));
    thread_.join();
    ::close(wake_);
  }
  Lines(const Lines&) = delete;
  Lines& operator=(const Lines&) = delete;

 private:
  void read_all() {
    std::string text;
    char part[4096];
    for (;;) {
      pollfd waits[] = {{.fd = STDIN_FILENO, .events = POLLIN, .revents = 0},
                        {.fd = wake_, .events = POLLIN, .revents = 0}};
      if (::poll(waits, 2, -1) < 0 && errno == EINTR) continue;
      if (waits[1].revents != 0) return;
      const ssize_t count = ::read(STDIN_FILENO, part, sizeof part);
      if (count <= 0) break;
      text.append(part, static_cast<std::size_t>(count));
      for (std::size_t end = text.find('\n'); end != std::string::npos; end = text.find('\n')) {
        line_(text.substr(0, end));
        text.erase(0, end + 1);
      }
    }
    if (!text.empty()) line_(text);
    end_();
  }

  const std::function<void(std::string)> line_;
  const std::function<void()> end_;
  const int wake_;
  std::thread thread_;
};

class Shell {
 public:
  Shell(const Command& command, const Session& options, Live& live)
      : command_(command),
        live_(live),
        session_(live.loop(), live.light(),
                 client::SessionOptions{.timeout = options.timeout, .open_timeout = command.timeout},
                 live.fork_random(),
                 [this](client::SessionState state, const Error& why) { on_state(state, why); }) {
    live.set_on_signal([this](int) { close(); });
  }

  // Called on the loop.
  void on_line(std::string line) {
    lines_.push_back(std::move(line));
    next();
  }
  void on_end_of_input() {
    has_ended_ = true;
    next();
  }

 private:
  void on_state(client::SessionState state, const Error& why) {
    live_.loop().post([this, state, why, life = lifetime_.watch()] {
      if (!life.is_over()) tell_state(state, why);
    });
  }
  void tell_state(client::SessionState state, const Error& why) {
    say(session_json(state, session_.id(), why),
        "session " + std::to_string(session_.id().value) + " is " + std::string(client::name_of(state)) +
            (why.code == Code::ok ? "" : ": " + why.text));
    if (state == client::SessionState::connected && !std::exchange(is_ready_, true)) next();
    const bool is_over = state == client::SessionState::expired || state == client::SessionState::closed;
    if (!is_over || is_closing_) return;
    live_.end({status_of(why.code), {}, "zraft: " + why.text + "\n"});
  }

  void next() {
    if (is_busy_ || !is_ready_ || is_closing_) return;
    if (lines_.empty()) {
      if (has_ended_) close();
      return;
    }
    const std::string line = std::move(lines_.front());
    lines_.pop_front();
    do_line(line);
  }
  void end_line() {
    is_busy_ = false;
    live_.loop().post([this, life = lifetime_.watch()] {
      if (!life.is_over()) next();
    });
  }

  void do_line(const std::string& line) {
    const std::vector<std::string> words = words_of(line);
    is_busy_ = true;
    if (words.empty() || words[0].starts_with('#')) return end_line();
    const bool has_flag = words.size() > 1 && words[1] == "--ephemeral";
    const std::size_t first = has_flag ? 2 : 1;
    const std::size_t count = words.size() - std::min(words.size(), first);
    if (words[0] == "put" && count >= 2) {
      return write(machines::Put{words[first], rest_of(line, first + 1)}, has_flag);
    }
    if (words[0] == "cas" && count >= 3) {
      return write(machines::CompareAndPut{words[first], words[first + 1], rest_of(line, first + 2)}, has_flag);
    }
    if (words[0] == "del" && words.size() == 2) return write(machines::Delete{words[1]}, false);
    if (words[0] == "get" && words.size() == 2) return get(words[1]);
    if (words[0] == "watch" && words.size() == 2) return watch(machines::Get{words[1]});
    if (words[0] == "watch" && words.size() == 3 && words[1] == "--prefix") {
      return watch(machines::Scan{words[2], {}, 1});
    }
    if (words[0] == "unwatch" && words.size() == 2) return unwatch(words[1]);
    if (words[0] == "status" && words.size() == 1) {
      tell_state(session_.state(), {});
      return end_line();
    }
    if (words[0] == "close" && words.size() == 1) return close();
    problem({Code::bad_request, std::string("it understands: ") + help});
    end_line();
  }

  void write(const machines::KvCommand& what, bool is_ephemeral) {
    session_.write(machines::encode(what), is_ephemeral, deadline(),
                   [this, life = lifetime_.watch()](const client::Outcome& outcome) {
                     if (!life.is_over()) on_written(outcome);
                   });
  }
  void on_written(const client::Outcome& outcome) {
    const auto answer = machines::decode_outcome(outcome.data);
    if (outcome.error.code != Code::ok) {
      problem(outcome.error);
    } else if (!answer) {
      problem({Code::unsupported, "the group does not answer like a key-value store: its backend is another"});
    } else if (const auto* refused = std::get_if<machines::Refused>(&*answer)) {
      problem(refused->error);
    } else if (const auto* conflict = std::get_if<machines::Conflict>(&*answer)) {
      say(bare(conflict_json(*conflict)), conflict->actual ? "no: it is " + *conflict->actual : "no: there is none");
    } else {
      const auto& done = std::get<machines::Done>(*answer);
      say(bare(done_json(done)), "ok, version " + std::to_string(done.version));
    }
    end_line();
  }

  void get(const Bytes& key) {
    session_.query(machines::encode(machines::KvQuery(machines::Get{key})), {}, deadline(),
                   [this, key, life = lifetime_.watch()](const client::Outcome& outcome) {
                     if (!life.is_over()) on_got(key, outcome);
                   });
  }
  void on_got(const Bytes& key, const client::Outcome& outcome) {
    const auto answer = machines::decode_answer(outcome.data);
    if (outcome.error.code != Code::ok) {
      problem(outcome.error);
    } else if (const auto* found = answer ? std::get_if<machines::Found>(&*answer) : nullptr) {
      say(bare(get_json(key, found)), found->value);
    } else {
      say(bare(get_json(key, nullptr)), "there is none");
    }
    end_line();
  }

  void watch(const machines::KvQuery& query) {
    const std::uint64_t number = ++watches_;
    const auto set = session_.watch({.is_persistent = true, .query = machines::encode(query)}, deadline(),
                                    [this, number](const client::Event& event) { on_event(number, event); });
    numbers_.emplace(number, set);
  }
  void on_event(std::uint64_t number, const client::Event& event) {
    using What = client::Event::What;
    if (event.what == What::changed) {
      for (const node::Change& change : event.changes) say(change_json(event.index, change), change_text(change));
      return;
    }
    const bool is_first = event.what == What::set;
    if (is_closing_) return;
    if (is_first) say(set_json(event.index), "watch " + std::to_string(number) + " is set");
    if (!is_first) say(ended_json("ended", event.error), "watch " + std::to_string(number) + ": " + event.error.text);
    if (event.is_last) was_set_.insert(number);
    if (was_set_.insert(number).second || !is_first) end_line();
  }
  void unwatch(const std::string& word) {
    const auto found = numbers_.find(std::strtoull(word.c_str(), nullptr, 10));
    if (found == numbers_.end()) {
      problem({Code::not_found, "there is no watch " + word});
    } else {
      session_.cancel(found->second);
      numbers_.erase(found);
    }
    end_line();
  }

  void close() {
    if (std::exchange(is_closing_, true)) return;
    session_.close(live_.loop().now() + close_timeout, [this](Result<> closed) {
      if (closed || closed.error().code == Code::session_expired) return live_.end({});  // it is over
      live_.end({status_of(closed.error().code), {}, "zraft: " + closed.error().text + "\n"});
    });
  }

  [[nodiscard]] Instant deadline() { return live_.loop().now() + command_.timeout; }
  static std::string bare(std::string line) {
    line.pop_back();
    return line;
  }
  void say(const std::string& json, const std::string& text) {
    say_line(command_.format == Format::json ? json : text);
  }
  void problem(const Error& error) { say(bare(error_json(error)), error.text); }

  const Command& command_;
  Live& live_;
  client::Session session_;
  std::deque<std::string> lines_;
  bool has_ended_ = false;   // no more lines
  bool is_ready_ = false;    // the session was opened
  bool is_busy_ = false;     // a line is being done
  bool is_closing_ = false;
  std::uint64_t watches_ = 0;
  std::map<std::uint64_t, client::WatchNumber> numbers_;
  std::set<std::uint64_t> was_set_;
  node::Lifetime lifetime_;
};

}  // namespace

Outcome run_session(const Command& command, const Session& session) {
  const auto live = Live::open(command);
  if (!live) return {Exit::refused, {}, "zraft: " + live.error().text + "\n"};
  Shell shell(command, session, **live);
  const Lines lines(
      [&loop = (*live)->loop(), &shell](std::string line) {
        loop.post([&shell, line = std::move(line)]() mutable { shell.on_line(std::move(line)); });
      },
      [&loop = (*live)->loop(), &shell] { loop.post([&shell] { shell.on_end_of_input(); }); });
  return (*live)->run();
}

}  // namespace zraft::cli
