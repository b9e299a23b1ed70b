// SPDX-License-Identifier: Apache-2.0
//
// `zraft lock NAME -- COMMAND`: runs the command while it has the lock. `zraft elect NAME VALUE`: holds an office until
// it is ended. Both stand in a queue (turn.h) with a session. If nobody confirms the session any more, the command is
// told to end (SIGTERM) when a third of the time is left, and is ended (SIGKILL) before the group may give the lock to
// another: by this machine's clock, which may have stood still, so the token is what is safe (P82).
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/live.h"
#include "cli/live_json.h"
#include "cli/turn.h"

namespace zraft::cli {
namespace {

constexpr Duration close_timeout = Duration::seconds(2);

// Who holds it, for those who look: host and process.
Bytes who() {
  std::array<char, 256> host{};
  ::gethostname(host.data(), host.size() - 1);
  return std::string(host.data()) + " " + std::to_string(::getpid());
}

// In the new process: no more than what is safe after a fork. The command has its signals as if it were run alone, and
// does not outlive the one that holds the lock for it.
[[noreturn]] void become(const std::vector<char*>& words) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  static_cast<void>(std::signal(SIGPIPE, SIG_DFL));
  ::execvp(words.front(), words.data());
  constexpr std::string_view cannot = "zraft: the command cannot be run\n";
  static_cast<void>(!::write(STDERR_FILENO, cannot.data(), cannot.size()));
  ::_exit(127);
}

// What the two commands have in common: a session with one turn, until it is over.
class Holding {
 public:
  Holding(const Command& command, Live& live, std::string name, Bytes value, Duration session_timeout)
      : command_(command),
        live_(live),
        name_(std::move(name)),
        session_(live.loop(), live.light(),
                 client::SessionOptions{.timeout = session_timeout, .open_timeout = command.timeout},
                 live.fork_random(),
                 [this](client::SessionState state, const Error& why) { on_state(state, why); }),
        turn_(live.loop(), session_, name_, std::move(value), command.timeout,
              {.first = [this](std::uint64_t token) { begin_turn(token); },
               .waits = [this](const machines::KeyValue& ahead) { on_waits(ahead); },
               .failed = [this](const Error& why) { release(status_of(why.code), why.text); }}) {}
  virtual ~Holding() = default;
  Holding(const Holding&) = delete;
  Holding& operator=(const Holding&) = delete;

 protected:
  virtual void on_first() = 0;
  // The session is not there any more, or is to be given up: whoever works under it ends. Calls release() then.
  virtual void on_lost(const std::string& why) = 0;

  void say(const std::string& json, const std::string& text) {
    if (command_.format == Format::json) {
      say_line(json);
    } else if (!text.empty()) {
      say_text(text);
    }
  }
  virtual void say_text(const std::string& text) { say_line(text); }

  // Gives the turn back and ends.
  void release(Exit status, const std::string& why) {
    if (std::exchange(is_ending_, true)) return;
    if (has_turn_) say(turn_json("released", name_, turn_.token()), {});
    const std::string problem = why.empty() ? std::string() : "zraft: " + why + "\n";
    session_.close(live_.loop().now() + close_timeout,
                   [this, status, problem](const Result<>&) { live_.end({status, {}, problem}); });
  }

  [[nodiscard]] Live& live() { return live_; }
  [[nodiscard]] client::Session& session() { return session_; }
  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] std::uint64_t token() const { return turn_.token(); }
  [[nodiscard]] bool has_turn() const { return has_turn_; }
  [[nodiscard]] bool is_ending() const { return is_ending_; }
  [[nodiscard]] const Command& command() const { return command_; }

 private:
  // Later: a session must not be closed from within its own word, nor begun before its constructor has ended.
  void on_state(client::SessionState state, const Error& why) {
    live_.loop().post([this, state, why, life = lifetime_.watch()] {
      if (life.is_over() || is_ending_) return;
      if (state == client::SessionState::connected && !std::exchange(was_begun_, true)) return turn_.begin();
      if (state == client::SessionState::expired) return lost("the session is over: " + why.text);
      if (state != client::SessionState::closed) return;
      if (was_begun_) return lost(why.text);
      is_ending_ = true;
      live_.end({status_of(why.code), {}, "zraft: " + why.text + "\n"});
    });
  }
  void lost(const std::string& why) {
    if (has_turn_) return on_lost(why);
    release(Exit::refused, why);
  }
  void on_waits(const machines::KeyValue& ahead) {
    if (command_.format == Format::json) say(waits_json(name_, ahead), {});
  }
  void begin_turn(std::uint64_t token) {
    has_turn_ = true;
    say(turn_json("held", name_, token), {});
    on_first();
  }

  const Command& command_;
  Live& live_;
  const std::string name_;
  bool was_begun_ = false;
  bool has_turn_ = false;
  bool is_ending_ = false;
  client::Session session_;
  Turn turn_;
  node::Lifetime lifetime_;
};

class Locked final : public Holding {
 public:
  Locked(const Command& command, const Lock& lock, Live& live)
      : Holding(command, live, lock.name, who(), lock.session_timeout), lock_(lock) {
    live.set_on_signal([this](int signal) { on_signal(signal); });
    live.set_on_child([this] { on_child(); });
    if (!lock.wait) return;
    live.loop().wake_at(live.loop().now() + *lock.wait, [this] {
      if (!has_turn() && !is_ending()) release(Exit::unreachable, "somebody else holds " + name());
    });
  }

 private:
  void on_first() override {
    const std::string token_text = std::to_string(token());
    ::setenv("ZRAFT_LOCK", name().c_str(), 1);
    ::setenv("ZRAFT_TOKEN", token_text.c_str(), 1);
    std::vector<char*> words;
    for (const std::string& word : lock_.command) words.push_back(const_cast<char*>(word.c_str()));
    words.push_back(nullptr);
    child_ = ::fork();
    if (child_ == 0) become(words);
    if (child_ < 0) {
      const int error = errno;
      child_ = 0;
      return release(Exit::refused, "no process can be made: " + std::string(std::strerror(error)));
    }
    watch_time();
  }

  // Looks again when the session may have been confirmed meanwhile.
  void watch_time() {
    const Instant safe = session().safe_until();
    const Duration notice = lock_.session_timeout / 3;
    live().loop().wake_at(safe - notice, [this, safe, notice] {
      if (child_ == 0) return;
      if (safe < session().safe_until()) return watch_time();
      why_ = "the lock is about to be lost: nobody confirms the session";
      ::kill(child_, SIGTERM);
      live().loop().wake_at(safe - notice / 4, [this] {
        if (child_ != 0) ::kill(child_, SIGKILL);
      });
    });
  }

  void on_lost(const std::string& why) override {
    why_ = "the lock is lost: " + why;
    if (child_ != 0) {
      ::kill(child_, SIGKILL);
    } else {
      release(Exit::refused, why_);
    }
  }

  void on_signal(int signal) {
    if (child_ != 0) {
      ::kill(child_, signal);
    } else {
      release(static_cast<Exit>(128 + signal), {});
    }
  }

  void on_child() {
    int status = 0;
    if (child_ == 0 || ::waitpid(child_, &status, WNOHANG) != child_) return;
    child_ = 0;
    if (!why_.empty()) return release(Exit::refused, why_);
    release(static_cast<Exit>(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)), {});
  }

  const Lock& lock_;
  pid_t child_ = 0;  // 0: it does not run
  std::string why_;  // the lock was lost
};

class Elected final : public Holding {
 public:
  Elected(const Command& command, const Elect& elect, Live& live)
      : Holding(command, live, elect.name, elect.value, elect.session_timeout), elect_(elect) {
    live.set_on_signal([this](int) { release(Exit::done, {}); });
  }

 private:
  void on_first() override {
    say(turn_json("elected", name(), token()), elect_.value + " is elected, token " + std::to_string(token()));
  }
  void on_lost(const std::string& why) override {
    say(turn_json("lost", name(), token()), {});
    release(Exit::refused, "the office is lost: " + why);
  }

  const Elect& elect_;
};

}  // namespace

Outcome run_lock(const Command& command, const Lock& lock) {
  const auto live = Live::open(command);
  if (!live) return {Exit::refused, {}, "zraft: " + live.error().text + "\n"};
  Locked locked(command, lock, **live);
  return (*live)->run();
}

Outcome run_elect(const Command& command, const Elect& elect) {
  const auto live = Live::open(command);
  if (!live) return {Exit::refused, {}, "zraft: " + live.error().text + "\n"};
  Elected elected(command, elect, **live);
  return (*live)->run();
}

}  // namespace zraft::cli
