// SPDX-License-Identifier: Apache-2.0
//
// What a host has to say to its operator: whole sentences with a level. Where they go is the embedder's choice.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace zraft::host {

enum class LogLevel : std::uint8_t { debug, info, warning, error };

// Called on the host's loop. May be empty: then nothing is said.
using LogSink = std::function<void(LogLevel level, std::string_view text)>;

}  // namespace zraft::host
