// SPDX-License-Identifier: Apache-2.0
//
// What the commands that stay say, as lines for people and as JSON for programs.
#pragma once

#include <string>

#include "zraft/client/session.h"
#include "zraft/machines/kv_wire.h"

namespace zraft::cli {

// A change of a key: `KEY = VALUE`, or `KEY is deleted`, or `KEY is gone with its session`.
[[nodiscard]] std::string change_text(const node::Change& change);
[[nodiscard]] std::string change_json(raft::Index index, const node::Change& change);
// The watch is set: what is now.
[[nodiscard]] std::string set_json(raft::Index index);
[[nodiscard]] std::string ended_json(const std::string& event, const Error& why);
[[nodiscard]] std::string session_json(client::SessionState state, node::SessionId id, const Error& why);
// Of a lock or an election: "waits", "held", "lost", "released", ...
[[nodiscard]] std::string turn_json(const std::string& event, const std::string& name, std::uint64_t token);
[[nodiscard]] std::string waits_json(const std::string& name, const machines::KeyValue& ahead);

}  // namespace zraft::cli
