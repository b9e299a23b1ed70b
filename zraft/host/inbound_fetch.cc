// SPDX-License-Identifier: Apache-2.0
//
// See inbound_fetch.h.
#include "zraft/host/inbound_fetch.h"

#include <utility>

namespace zraft::host {
namespace {

constexpr const char* gone = "the link over which the state was to come is gone";

}  // namespace

// Whoever connects has the link until he drops his end of it.
class InboundFetch::OneLink final : public node::Network {
 public:
  OneLink(node::Loop& loop, node::Link& link) : loop_(loop), link_(link) {}

  Result<std::unique_ptr<node::Listener>> listen(const std::string&,
                                                 std::function<void(std::unique_ptr<node::Link>)>) override {
    return fail(Code::unsupported, "nobody can listen on a link");
  }
  std::unique_ptr<node::Link> connect(const std::string&, node::LinkHandler* handler) override {
    return std::make_unique<End>(*this, handler);
  }
  [[nodiscard]] node::LinkHandler* user() const { return user_; }  // null: none

 private:
  class End final : public node::Link {
   public:
    End(OneLink& of, node::LinkHandler* handler) : of_(of) {
      of_.user_ = handler;
      of_.loop_.post([this, life = lifetime_.watch()] {
        if (life.is_over()) return;
        const net::Hello theirs{.role = net::Hello::Role::host};
        of_.user_->on_frame(node::FrameKind::hello, std::make_shared<const Bytes>(net::encode(theirs)));
      });
    }
    ~End() override { of_.user_ = nullptr; }
    void set_handler(node::LinkHandler* handler) override { of_.user_ = handler; }
    void send(node::FrameKind kind, Pieces body) override {
      if (kind != node::FrameKind::hello) of_.link_.send(kind, std::move(body));
    }
    [[nodiscard]] std::size_t queued_bytes() const override { return of_.link_.queued_bytes(); }
    [[nodiscard]] std::string remote() const override { return of_.link_.remote(); }

   private:
    OneLink& of_;
    node::Lifetime lifetime_;
  };

  node::Loop& loop_;
  node::Link& link_;
  node::LinkHandler* user_ = nullptr;
};

InboundFetch::InboundFetch(Seams seams, node::Link& link, SnapshotFetcher::Wanted wanted, Random random, LogSink tell,
                           SnapshotFetcher::Done done)
    : network_(std::make_unique<OneLink>(seams.loop, link)),
      strand_(std::make_shared<Strand>(seams.worker)),
      done_(std::move(done)) {
  SnapshotFetcher::Settings settings;
  settings.patience = patience;
  settings.tries_again = false;
  fetcher_ = std::make_unique<SnapshotFetcher>(
      SnapshotFetcher::Seams{.loop = seams.loop, .network = *network_, .strand = *strand_, .files = seams.files},
      std::move(settings), std::move(wanted), random, std::move(tell),
      [this](Result<storage::SnapshotManifest> result) { end(std::move(result)); });
}

InboundFetch::~InboundFetch() = default;

Result<> InboundFetch::on_message(const SharedBytes& body) {
  if (done_ == nullptr) return {};  // what was on its way when it ended
  if (network_->user() == nullptr) return fail(Code::corrupt, "it sent a part of a snapshot that nobody asked it for");
  network_->user()->on_frame(node::FrameKind::bulk, body);
  return {};
}

void InboundFetch::give_up() {
  if (done_ != nullptr) end(fail(Code::stopped, gone));
}

// What the fetcher began on the disk ends first.
void InboundFetch::end(Result<storage::SnapshotManifest> result) {
  fetcher_.reset();
  Strand& strand = *strand_;
  strand.run([] {}, [kept = std::move(strand_), done = std::exchange(done_, nullptr),
                     result = std::move(result)]() mutable { done(std::move(result)); });
}

}  // namespace zraft::host
