// SPDX-License-Identifier: Apache-2.0
//
// See live_json.h.
#include "cli/live_json.h"

#include <utility>

#include "cli/json.h"

namespace zraft::cli {
namespace {

// say_line ends the line.
std::string bare(const Json& json) {
  std::string line = line_of(json);
  line.pop_back();
  return line;
}

void set_error(Json& json, const Error& why) {
  if (why.code == Code::ok) return;
  json["error"] = std::string(name_of(why.code));
  json["text"] = why.text;
}

}  // namespace

std::string change_text(const node::Change& change) {
  const auto event = machines::decode_event(change.event);
  if (!event) return change.key + " has changed";
  if (const auto* put = std::get_if<machines::PutEvent>(&*event)) return change.key + " = " + put->value;
  return change.key + (std::get<machines::DeletedEvent>(*event).expired ? " is gone with its session" : " is deleted");
}

std::string change_json(raft::Index index, const node::Change& change) {
  Json json{{"event", "changed"}, {"index", index.value}};
  set(json, "key", change.key);
  const auto event = machines::decode_event(change.event);
  if (!event) {
    set(json, "change", change.event);
    return bare(json);
  }
  if (const auto* put = std::get_if<machines::PutEvent>(&*event)) {
    json["event"] = "put";
    set(json, "value", put->value);
    json["version"] = put->version;
    if (put->owner != 0) json["owner"] = put->owner;
  } else {
    json["event"] = "deleted";
    json["expired"] = std::get<machines::DeletedEvent>(*event).expired;
  }
  return bare(json);
}

std::string set_json(raft::Index index) { return bare({{"event", "watching"}, {"index", index.value}}); }

std::string ended_json(const std::string& event, const Error& why) {
  Json json{{"event", event}};
  set_error(json, why);
  return bare(json);
}

std::string session_json(client::SessionState state, node::SessionId id, const Error& why) {
  Json json{{"event", "session"}, {"state", std::string(client::name_of(state))}, {"session", id.value}};
  set_error(json, why);
  return bare(json);
}

std::string turn_json(const std::string& event, const std::string& name, std::uint64_t token) {
  return bare({{"event", event}, {"name", name}, {"token", token}});
}

std::string waits_json(const std::string& name, const machines::KeyValue& ahead) {
  Json json{{"event", "waits"}, {"name", name}};
  set(json, "for", ahead.value);
  json["token_ahead"] = ahead.version;
  return bare(json);
}

}  // namespace zraft::cli
