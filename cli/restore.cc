// SPDX-License-Identifier: Apache-2.0
//
// See restore.h. All of the file is read and compared before anybody is asked anything; what is sent is read from it
// once more, chunk by chunk. Everything is on one loop: whoever ends this process ends the link, and with it what was
// begun at the host.
#include "cli/restore.h"

#include <unistd.h>

#include <memory>
#include <optional>
#include <utility>

#include "cli/backup_file.h"
#include "cli/backup_place.h"
#include "cli/backup_report.h"
#include "cli/output.h"
#include "cli/snapshot_upload.h"
#include "cli/transfers.h"
#include "zraft/client/admin.h"
#include "zraft/client/blocking.h"
#include "zraft/net/asio_loop.h"
#include "zraft/net/asio_network.h"

namespace zraft::cli {
namespace {

constexpr const char* what_to_do = ". Nothing was done; take another copy of the file, or an older backup";

// What the first peer begins with: the file's state, as one of the new group and its members.
std::shared_ptr<host::SharedSnapshot> snapshot_for(const net::RestorePeer& first,
                                                   const std::shared_ptr<OpenBackup>& backup) {
  storage::SnapshotManifest manifest = backup->header().manifest;
  manifest.group = first.group_id;
  manifest.meta.membership = first.membership;
  manifest.meta.membership_index = manifest.meta.last.index;
  return std::make_shared<host::SharedSnapshot>(host::SharedSnapshot{
      .manifest = storage::encode(manifest), .parsed = manifest, .files = files_of(backup), .pin = nullptr});
}

class Restoring {
 public:
  Restoring(const Command& command, const Restore& restore, net::AsioLoop& loop, std::shared_ptr<OpenBackup> backup)
      : command_(command),
        restore_(restore),
        loop_(loop),
        network_(loop),
        random_(client::seed_of_the_system()),
        session_(loop, network_, {.hosts = command.hosts, .group = command.group, .name = "zraft"}, random_.fork()),
        backup_(std::move(backup)) {
    if (command.format == Format::table && ::isatty(STDERR_FILENO) == 1) lines_.emplace(stderr);
  }

  // The id of the new group, or why there is none.
  void make(std::move_only_function<void(Result<raft::GroupId>)> done) {
    client::restore_group(
        loop_, session_, group(),
        [this](const net::RestorePeer& first, auto brought) { bring(first, std::move(brought)); }, command_.timeout,
        random_.fork(), [this, done = std::move(done)](const Result<>& made) mutable {
          lines_.reset();
          made ? done(group_id_) : done(fail(made));
        });
  }

  // Asks every host whether it could.
  void look(std::move_only_function<void(std::vector<Restoration::Peer>)> done) {
    auto asked = std::make_shared<std::vector<Restoration::Peer>>();
    auto left = std::make_shared<std::size_t>(restore_.group.peers.size());
    auto told = std::make_shared<decltype(done)>(std::move(done));
    for (const std::string& peer : restore_.group.peers) {
      const std::size_t place = asked->size();
      asked->push_back({.name = peer, .problem = {}});
      session_.ask(net::parse_peer(peer)->address, net::CheckPeer{command_.group, peer, group().backend},
                   loop_.now() + command_.timeout, [asked, left, told, place](const net::Reply& reply) {
                     (*asked)[place].problem = reply.error;
                     if (--*left == 0) (*told)(std::move(*asked));
                   });
    }
  }

 private:
  [[nodiscard]] client::NewGroup group() const {
    client::NewGroup group = restore_.group;
    group.backend = backup_->header().manifest.backend;
    return group;
  }

  void bring(const net::RestorePeer& first, std::move_only_function<void(Result<>)> brought) {
    group_id_ = first.group_id;
    // The link goes with the upload: a host that does not answer any more undoes what it began.
    auto done = [this, brought = std::move(brought)](Result<> how) mutable {
      upload_.reset();
      brought(std::move(how));
    };
    upload_ = std::make_unique<SnapshotUpload>(
        loop_, network_,
        SnapshotUpload::Wanted{.address = net::parse_peer(first.peer)->address,
                               .peer = first,
                               .snapshot = snapshot_for(first, backup_),
                               .bytes_per_second = restore_.bytes_per_second},
        [this, peer = first.peer](const host::SnapshotSender::Progress& progress) { show(peer, progress); },
        std::move(done));
  }

  void show(const std::string& peer, const host::SnapshotSender::Progress& progress) {
    if (!lines_) return;
    const bool is_all_sent = progress.bytes >= progress.bytes_total;
    lines_->tell({.what = is_all_sent ? "waiting for " + peer + " to compare and restore it" : "sending the state",
                  .fetching = {{.peer = peer,
                                .progress = {.index = progress.position.index,
                                             .bytes = progress.bytes,
                                             .bytes_total = progress.bytes_total,
                                             .bytes_per_second = progress.bytes_per_second}}}});
  }

  const Command& command_;
  const Restore& restore_;
  net::AsioLoop& loop_;
  net::AsioNetwork network_;
  Random random_;
  client::LightSession session_;
  const std::shared_ptr<OpenBackup> backup_;
  std::unique_ptr<SnapshotUpload> upload_;
  std::optional<ProgressLines> lines_;
  raft::GroupId group_id_;
};

Outcome failed(const Command& command, const Error& error, Exit status) {
  return {status, command.format == Format::json ? error_json(error) : "", "zraft: " + error.text + "\n"};
}

Outcome only_look(const Command& command, Restoration restoration, Restoring& work, net::AsioLoop& loop) {
  work.look([&](std::vector<Restoration::Peer> peers) {
    restoration.peers = std::move(peers);
    loop.stop();
  });
  loop.run();
  Outcome outcome{
      Exit::done,
      command.format == Format::json ? restoration_json(restoration) : restoration_text(restoration), {}};
  for (const Restoration::Peer& peer : restoration.peers) {
    if (peer.problem.code == Code::ok) continue;
    if (outcome.status == Exit::done) outcome.status = status_of(peer.problem.code);
    outcome.problem += "zraft: " + peer.name + ": " + peer.problem.text + "\n";
  }
  return outcome;
}

}  // namespace

Outcome run_restore(const Command& command, const Restore& restore) {
  auto place = place_of(restore.file);
  if (!place) return failed(command, place.error(), Exit::refused);
  auto backup = OpenBackup::open(*place->files, place->name);
  if (!backup) {
    if (backup.error().code != Code::corrupt) return failed(command, backup.error(), Exit::refused);
    return failed(command, {Code::corrupt, backup.error().text + what_to_do}, Exit::damaged);
  }
  Restoration restoration{.file = restore.file,
                          .bytes = (*backup)->bytes(),
                          .header = (*backup)->header(),
                          .group = command.group,
                          .group_id = {},
                          .peers = {}};
  Restoring work(command, restore, *place->loop, *backup);
  if (restore.is_dry_run) return only_look(command, std::move(restoration), work, *place->loop);
  Result<raft::GroupId> made = fail(Code::stopped, "the loop ended");
  work.make([&](Result<raft::GroupId> how) {
    made = std::move(how);
    place->loop->stop();
  });
  place->loop->run();
  if (!made) return failed(command, made.error(), status_of(made.error().code));
  restoration.group_id = *made;
  for (const std::string& peer : restore.group.peers) restoration.peers.push_back({.name = peer, .problem = {}});
  return {Exit::done,
          command.format == Format::json ? restoration_json(restoration) : restoration_text(restoration), {}};
}

}  // namespace zraft::cli
