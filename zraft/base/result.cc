// SPDX-License-Identifier: Apache-2.0
//
// The names of the error codes, as logs, the command line and JSON show them.
#include "zraft/base/result.h"

namespace zraft {

std::string_view name_of(Code code) {
  switch (code) {
    case Code::ok: return "ok";
    case Code::not_leader: return "not_leader";
    case Code::timeout_unknown_outcome: return "timeout_unknown_outcome";
    case Code::busy: return "busy";
    case Code::too_large: return "too_large";
    case Code::loading: return "loading";
    case Code::session_expired: return "session_expired";
    case Code::not_stable: return "not_stable";
    case Code::newer_exists: return "newer_exists";
    case Code::process_prev_change: return "process_prev_change";
    case Code::peers_changed: return "peers_changed";
    case Code::leader_changed: return "leader_changed";
    case Code::already_present: return "already_present";
    case Code::all_failed: return "all_failed";
    case Code::no_peers: return "no_peers";
    case Code::timeout: return "timeout";
    case Code::not_found: return "not_found";
    case Code::conflict: return "conflict";
    case Code::bad_request: return "bad_request";
    case Code::stopped: return "stopped";
    case Code::compacted: return "compacted";
    case Code::cancelled: return "cancelled";
    case Code::io: return "io";
    case Code::no_space: return "no_space";
    case Code::corrupt: return "corrupt";
    case Code::unsupported: return "unsupported";
    case Code::wrong_owner: return "wrong_owner";
  }
  return "unknown";
}

}  // namespace zraft
