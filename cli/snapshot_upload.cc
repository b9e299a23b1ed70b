// SPDX-License-Identifier: Apache-2.0
//
// See snapshot_upload.h.
#include "cli/snapshot_upload.h"

#include <utility>

namespace zraft::cli {
namespace {

constexpr Duration look_again = Duration::milliseconds(250);

net::Hello ours() { return {.role = net::Hello::Role::client, .name = "zraft restore"}; }

}  // namespace

SnapshotUpload::SnapshotUpload(node::Loop& loop, node::Network& network, Wanted wanted, Progress progress,
                               std::move_only_function<void(Result<>)> done)
    : loop_(loop),
      wanted_(std::move(wanted)),
      progress_(std::move(progress)),
      done_(std::move(done)),
      rate_(loop, wanted_.bytes_per_second),
      heard_(loop.now()) {
  link_ = network.connect(wanted_.address, this);
  sender_ = std::make_unique<host::SnapshotSender>(
      loop_, *link_, rate_,
      [this](const net::FetchSnapshot&, host::SnapshotSender::Found found) { found(wanted_.snapshot); });
  link_->send(node::FrameKind::hello, {piece_of(net::encode(ours()))});
  const net::Request request{.id = 1, .timeout_ms = 0, .body = wanted_.peer};
  link_->send(node::FrameKind::request, {piece_of(net::encode(request))});
  look();
}

SnapshotUpload::~SnapshotUpload() { loop_.cancel(timer_); }

void SnapshotUpload::on_frame(node::FrameKind kind, const SharedBytes& body) {
  if (done_ == nullptr) return;
  heard_ = loop_.now();
  if (Result<> taken = take(kind, *body); !taken) {
    end(fail(taken.error().code, wanted_.address + ": " + taken.error().text));
  }
}

void SnapshotUpload::on_closed(const Error& why) { end(fail(Code::all_failed, wanted_.address + ": " + why.text)); }

Result<> SnapshotUpload::take(node::FrameKind kind, BytesView body) {
  if (!is_greeted_) {
    if (kind == node::FrameKind::hello) return on_hello(body);
    return fail(Code::corrupt, "it does not begin with a hello: is it a zraftd?");
  }
  if (kind == node::FrameKind::bulk) return sender_->on_message(body);
  if (kind != node::FrameKind::reply) return fail(Code::corrupt, "it sent a frame that does not belong here");
  const auto reply = net::decode_reply(body);
  if (!reply) return fail(reply);
  if (reply->error.code != Code::ok) return std::unexpected(reply->error);
  end({});
  return {};
}

Result<> SnapshotUpload::on_hello(BytesView body) {
  const auto theirs = net::decode_hello(body);
  if (!theirs) return fail(theirs);
  if (const auto version = net::agree(ours(), *theirs); !version) return fail(version);
  is_greeted_ = true;
  return {};
}

void SnapshotUpload::look() {
  timer_ = loop_.wake_at(loop_.now() + look_again, [this] {
    timer_ = {};
    if (done_ == nullptr) return;
    const auto progress = sender_->progress();
    const bool is_all_sent = progress && progress->bytes >= progress->bytes_total;
    // A rate may hold back what the host waits for.
    if (progress && !is_all_sent && progress->idle < wanted_.patience) heard_ = loop_.now();
    if (loop_.now() - heard_ >= (is_all_sent ? wanted_.patience_at_end : wanted_.patience)) {
      return end(fail(Code::timeout, wanted_.address + " says nothing any more"));
    }
    if (progress && progress_) progress_(*progress);
    look();
  });
}

void SnapshotUpload::end(Result<> how) {
  if (done_ == nullptr) return;
  loop_.post([life = lifetime_.watch(), done = std::exchange(done_, nullptr), how = std::move(how)]() mutable {
    if (!life.is_over()) done(std::move(how));
  });
}

}  // namespace zraft::cli
