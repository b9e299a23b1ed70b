// SPDX-License-Identifier: Apache-2.0
//
// It asks no node: it works on directories. Everything is looked at before anything is changed, under the locks that a
// running zraftd would hold.
#include "cli/recover.h"

#include <algorithm>
#include <random>
#include <utility>

#include "cli/directories.h"
#include "cli/output.h"
#include "zraft/net/asio_worker.h"
#include "zraft/raft/quorum.h"

namespace zraft::cli {
namespace {

std::vector<std::string> names_of(const Directories& directories) {
  std::vector<std::string> names;
  for (const host::StoppedHost& host : directories.hosts) names.push_back(host.name);
  return names;
}

Result<host::NewGroup> apply(Directories& directories, const Recovery& recovery) {
  // Destroyed before the files, which its jobs use.
  auto worker = net::AsioWorker::start(*directories.loop, 1);
  if (!worker) return fail(worker);
  std::random_device device;
  const std::uint64_t seed = (static_cast<std::uint64_t>(device()) << 32) | device();
  Result<host::NewGroup> made = fail(Code::stopped, "the loop ended");
  const auto done = [&](Result<host::NewGroup> ended) {
    made = std::move(ended);
    directories.loop->stop();
  };
  const auto work = host::recover(*directories.loop, **worker, directories.hosts, recovery.survey, recovery.chosen,
                                  seed, done);
  directories.loop->run();
  return made;
}

// --- what it says ---

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

// Can these copies elect a leader as they are? Then nothing is lost yet.
bool has_quorum(const Recovery& recovery) {
  const host::GroupCopy& chosen = recovery.survey.copies[recovery.chosen];
  return raft::is_quorum(chosen.membership, [&](raft::NodeId id) {
    return std::ranges::any_of(recovery.survey.copies, [&](const host::GroupCopy& copy) {
      return copy.entry.self == id && copy.entry.group_id == chosen.entry.group_id && !copy.entry.is_removed &&
             !copy.is_empty() && copy.problem.empty();
    });
  });
}

std::string lost_text(const Recovery& recovery) {
  const host::GroupCopy& chosen = recovery.survey.copies[recovery.chosen];
  std::string text;
  for (const host::Loss& loss : recovery.losses) {
    const host::GroupCopy& copy = recovery.survey.copies[loss.copy];
    text += "- of " + copy.entry.peer + " in " + recovery.directories[copy.host] + ": " + std::to_string(loss.entries) +
            (loss.entries == 1 ? " entry" : " entries") + " after " + text_of(loss.after) + "\n";
  }
  if (!has_quorum(recovery)) text += "- whatever was acknowledged only by members that are not shown here\n";
  if (!chosen.membership.is_voter(chosen.entry.self)) {
    text += "- what was acknowledged and had not come to " + chosen.entry.peer +
            ": it has no vote, so it was not\n"
            "  waited for and may lag behind\n";
  }
  return text.empty() ? "Lost: nothing that was acknowledged.\n" : "Lost:\n" + text;
}

std::string cut_off_text(const Recovery& recovery) {
  const std::vector<std::string> peers = cut_off(recovery);
  if (peers.empty()) return {};
  return "Cut off: " + joined(peers) +
         "\nNever start one of them with its old data again, unless its directory is shown above: it could serve the\n"
         "old group beside the new one.\n";
}

std::string report(const Recovery& recovery) {
  const host::GroupCopy& chosen = recovery.survey.copies[recovery.chosen];
  const std::string& group = chosen.entry.group;
  const std::string& peer = chosen.entry.peer;
  const std::string& directory = recovery.directories[chosen.host];
  std::string text = recovery_table(recovery) + "\n";
  for (const std::string& line : recovery.survey.story) text += line + "\n";
  if (recovery.made) {
    text += peer + " in " + directory + " is now the only member of " + group + ", whose new id is " +
            std::to_string(recovery.made->id.value) + ".\n";
  } else {
    if (has_quorum(recovery)) {
      text +=
          "These copies are a majority: start zraftd on their directories, and nothing is lost. Recover only if that\n"
          "can never be.\n";
    }
    text += "With --apply, " + peer + " in " + directory + " becomes the only member of " + group +
            ", with all it has up\n"
            "to " +
            text_of(chosen.last()) + ", acknowledged or not, under a new group id.\n";
  }
  if (chosen.membership.is_joint()) text += "A change of members was under way, and ends with this.\n";
  text += lost_text(recovery) + cut_off_text(recovery);
  if (!recovery.made) return text + "Nothing was changed.\n";
  return text + "Next:\n- start zraftd on " + directory + "\n- zraft add " + group +
         " NAME@HOST:PORT, for each new member" +
         "\n- where an old member is to come back, first: zraft --hosts HOST:PORT destroy " + group +
         " NAME@HOST:PORT\n";
}

Outcome failed(const Command& command, const Error& error) {
  return {status_of(error.code), command.format == Format::json ? error_json(error) : "",
          "zraft: " + error.text + "\n"};
}

}  // namespace

Outcome run_recover(const Command& command, const Recover& recover) {
  auto directories = open_directories(recover.data, recover.log_dirs, recover.snapshot_dirs);
  if (!directories) return failed(command, directories.error());
  auto survey = host::survey(directories->hosts, command.group);
  if (!survey) return failed(command, survey.error());
  const auto chosen = host::choose(*survey, recover.peer);
  if (!chosen) return failed(command, chosen.error());
  Recovery recovery{.directories = names_of(*directories),
                    .survey = std::move(*survey),
                    .chosen = *chosen,
                    .losses = {},
                    .made = std::nullopt};
  recovery.losses = host::losses(recovery.survey, recovery.chosen);
  std::string problems;
  if (recover.applies) {
    auto made = apply(*directories, recovery);
    if (!made) return failed(command, made.error());
    for (const std::string& problem : made->problems) problems += "zraft: " + problem + "\n";
    recovery.made = std::move(*made);
  }
  return {Exit::done, command.format == Format::json ? recovery_json(recovery) : report(recovery), problems};
}

}  // namespace zraft::cli
