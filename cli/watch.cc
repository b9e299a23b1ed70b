// SPDX-License-Identifier: Apache-2.0
//
// Prints the changes of a key, or of all keys with a prefix, until it is ended or the watch is: the changes, not what
// is there already, which `get` and `scan` show.
#include <csignal>

#include "cli/live.h"
#include "cli/live_json.h"

namespace zraft::cli {
namespace {

class Watching {
 public:
  Watching(const Command& command, const Watch& watch, Live& live)
      : command_(command), watch_(watch), live_(live), watches_(live.loop(), live.light(), live.fork_random()) {}

  void begin() {
    live_.set_on_signal([this](int) { live_.end({}); });
    machines::KvQuery query = machines::Get{watch_.key};
    if (watch_.is_prefix) query = machines::Scan{watch_.key, {}, 1};
    watches_.watch({.is_persistent = !watch_.is_once, .query = machines::encode(query)},
                   live_.loop().now() + command_.timeout, [this](const client::Event& event) { on_event(event); });
  }

 private:
  void on_event(const client::Event& event) {
    using What = client::Event::What;
    if (event.what == What::set) {
      say(set_json(event.index), {});
    } else if (event.what == What::changed) {
      for (const node::Change& change : event.changes) say(change_json(event.index, change), change_text(change));
      if (event.is_last) live_.end({});
    } else {
      Error why = event.error;
      if (event.what == What::leader_changed) {
        why = {Code::leader_changed, "another member leads now: whether something has changed is not known"};
      }
      if (command_.format == Format::json) say_line(ended_json("ended", why));
      live_.end({status_of(why.code), {}, "zraft: " + why.text + "\n"});
    }
  }
  void say(const std::string& json, const std::string& text) {
    const std::string& line = command_.format == Format::json ? json : text;
    if (!line.empty() && !say_line(line)) live_.end({Exit::refused, {}, {}});
  }

  const Command& command_;
  const Watch& watch_;
  Live& live_;
  client::Watches watches_;
};

}  // namespace

Outcome run_watch(const Command& command, const Watch& watch) {
  const auto live = Live::open(command);
  if (!live) return {Exit::refused, {}, "zraft: " + live.error().text + "\n"};
  Watching watching(command, watch, **live);
  (*live)->loop().post([&watching] { watching.begin(); });
  return (*live)->run();
}

}  // namespace zraft::cli
