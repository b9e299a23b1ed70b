// SPDX-License-Identifier: Apache-2.0
//
// See transfers.h.
#include "cli/transfers.h"

#include <algorithm>

#include "cli/output.h"

namespace zraft::cli {
namespace {

// "52s", "3m05s", "2h10m"
std::string time_text(std::uint64_t seconds) {
  char text[64];
  if (seconds < 60) return std::to_string(seconds) + "s";
  const bool is_long = seconds >= 3600;
  const unsigned long first = is_long ? seconds / 3600 : seconds / 60;
  const unsigned long second = is_long ? seconds % 3600 / 60 : seconds % 60;
  std::snprintf(text, sizeof text, is_long ? "%luh%02lum" : "%lum%02lus", first, second);
  return text;
}

std::vector<std::string> line_of(const net::PeerStatus& peer, const std::string& what, const std::string& to,
                                 const net::SnapshotProgress& progress) {
  const auto left = seconds_left(progress);
  return {peer.peer,
          peer.group,
          what,
          to,
          std::to_string(progress.index.value),
          std::to_string(progress.bytes),
          std::to_string(progress.bytes_total),
          std::to_string(percent_of(progress)) + "%",
          std::to_string(progress.bytes_per_second),
          left ? time_text(*left) : ""};
}

}  // namespace

std::string bytes_text(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 1024) break;
    value /= 1024;
    unit = larger;
  }
  char text[64];
  std::snprintf(text, sizeof text, "%.1f %s", value, unit);
  return text;
}

std::uint64_t percent_of(const net::SnapshotProgress& progress) {
  if (progress.bytes >= progress.bytes_total) return progress.bytes_total == 0 ? 0 : 100;
  return static_cast<std::uint64_t>(100.0 * static_cast<double>(progress.bytes) /
                                    static_cast<double>(progress.bytes_total));
}

std::optional<std::uint64_t> seconds_left(const net::SnapshotProgress& progress) {
  if (progress.bytes_per_second == 0) return std::nullopt;
  const std::uint64_t left = progress.bytes_total - std::min(progress.bytes, progress.bytes_total);
  return left / progress.bytes_per_second + (left % progress.bytes_per_second == 0 ? 0 : 1);
}

std::string progress_text(const net::SnapshotProgress& progress) {
  std::string text = bytes_text(progress.bytes) + " of " + bytes_text(progress.bytes_total) + ", " +
                     std::to_string(percent_of(progress)) + "%, " + bytes_text(progress.bytes_per_second) + "/s";
  if (const auto left = seconds_left(progress)) text += ", " + time_text(*left) + " left";
  return text;
}

std::string transfers_table(const std::vector<client::MemberStatus>& rows) {
  std::vector<std::vector<std::string>> lines{
      {"PEER", "GROUP", "SNAPSHOT", "TO", "INDEX", "BYTES", "OF", "PERCENT", "PER_SECOND", "LEFT"}};
  for (const client::MemberStatus& row : rows) {
    const net::PeerStatus& peer = row.status;
    if (row.error.code != Code::ok) continue;
    if (peer.is_saving) lines.push_back({peer.peer, peer.group, "writing", "", "", "", "", "", "", ""});
    if (peer.fetching.bytes_total != 0) lines.push_back(line_of(peer, "fetching", "", peer.fetching));
    for (const net::FollowerStatus& follower : peer.followers) {
      const raft::Member* to = peer.membership.find(follower.id);
      if (follower.sending.bytes_total == 0) continue;
      lines.push_back(line_of(peer, "sending", to == nullptr ? "" : to->peer, follower.sending));
    }
  }
  return lines.size() == 1 ? std::string() : table(lines);
}

ProgressLines::~ProgressLines() {
  if (is_open_) std::fputc('\n', terminal_);
}

void ProgressLines::tell(const client::Waiting& waiting) {
  if (waiting.what != what_) {
    what_ = waiting.what;
    std::fprintf(terminal_, "%s%s\n", is_open_ ? "\n" : "", what_.c_str());
    is_open_ = false;
  }
  if (waiting.fetching.empty()) return;
  // One of them, so that the line is not longer than the terminal is wide; "erase to the end of the line" of ECMA-48.
  const client::Waiting::Fetching& first = waiting.fetching.front();
  const std::size_t more = waiting.fetching.size() - 1;
  std::fprintf(terminal_, "\r%s: %s%s\033[K", first.peer.c_str(), progress_text(first.progress).c_str(),
               more == 0 ? "" : (" (and " + std::to_string(more) + " more)").c_str());
  std::fflush(terminal_);
  is_open_ = true;
}

}  // namespace zraft::cli
