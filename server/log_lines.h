// SPDX-License-Identifier: Apache-2.0
//
// Lines of the log on stderr: time (UTC), level, text; or the same three as an object of JSON. A line is one write,
// so lines of several threads do not mix. Bytes that would end a line or confuse a terminal are escaped.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/settings.h"

namespace zraft::server {

// `since_epoch_ms` is the time of day in UTC, as milliseconds since 1970. The line has its newline.
[[nodiscard]] std::string format_line(LogFormat format, std::int64_t since_epoch_ms, host::LogLevel level,
                                      std::string_view text);

// Writes such a line, if the level is not below `least`. What stderr does not take is lost.
[[nodiscard]] host::LogSink log_to_stderr(LogFormat format, host::LogLevel least);

}  // namespace zraft::server
