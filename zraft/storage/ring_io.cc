// SPDX-License-Identifier: Apache-2.0
//
// The way through io_uring. The loop submits; one thread waits for completions and posts them to the loop, which
// goes on with what is left of a transfer or finishes it. So the submission side is used by the loop alone, the
// completion side by the thread alone, and there is no lock.
#include <liburing.h>

#include <atomic>
#include <cerrno>
#include <set>
#include <thread>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/storage/async_io.h"

namespace zraft::storage {
namespace {

constexpr unsigned ring_entries = 64;

class RingIo final : public AsyncIo {
 public:
  explicit RingIo(node::Loop& loop) : loop_(loop) {}

  ~RingIo() override {
    if (!thread_.joinable()) return;
    is_ending_ = true;
    submit([](io_uring_sqe* entry) { io_uring_prep_nop(entry); }, nullptr);
    thread_.join();
    io_uring_queue_exit(&ring_);
    // What was completed waits in the loop for nothing: it must not keep its file open as well.
    for (Flight* flight : flights_) flight->transfer->file.reset();
  }

  Result<> open() {
    if (const int error = io_uring_queue_init(ring_entries, &ring_, 0); error < 0) {
      return fail(Code::unsupported, system_error("io_uring_setup", -error).text);
    }
    io_uring_probe* probe = io_uring_get_probe_ring(&ring_);
    const bool is_enough = probe != nullptr && io_uring_opcode_supported(probe, IORING_OP_WRITEV) != 0 &&
                           io_uring_opcode_supported(probe, IORING_OP_FSYNC) != 0 &&
                           io_uring_opcode_supported(probe, IORING_OP_NOP) != 0;
    io_uring_free_probe(probe);
    if (!is_enough) {
      io_uring_queue_exit(&ring_);
      return fail(Code::unsupported, "io_uring: this kernel lacks an operation that is needed");
    }
    thread_ = std::thread([this] { wait_for_completions(); });
    return {};
  }

  void start(std::unique_ptr<Transfer> transfer) override {
    auto flight = std::make_unique<Flight>(Flight{std::move(transfer), lifetime_.watch(), 0});
    flights_.insert(flight.get());
    go_on(std::move(flight));
  }

  [[nodiscard]] bool wants_direct() const override { return true; }

 private:
  // One operation in the kernel.
  struct Flight {
    std::unique_ptr<Transfer> transfer;
    node::Lifetime::Watch watch;
    int result;
  };

  template <class Prepare>
  void submit(Prepare prepare, void* tag) {
    io_uring_sqe* entry = io_uring_get_sqe(&ring_);
    CHECK(entry != nullptr, "every entry is handed to the kernel at once, so there is always one");
    prepare(entry);
    io_uring_sqe_set_data(entry, tag);
    in_kernel_.fetch_add(1);
    int submitted = 0;
    while ((submitted = io_uring_submit(&ring_)) == -EINTR || submitted == -EAGAIN || submitted == -EBUSY) {
      std::this_thread::yield();
    }
    CHECK(submitted == 1, "io_uring_submit refused: " + std::to_string(submitted));
  }

  // The next operation of a transfer: write what is left, then sync if that is wanted.
  void go_on(std::unique_ptr<Flight> flight) {
    Transfer& transfer = *flight->transfer;
    const int fd = transfer.file->get();
    const auto prepare = [&](io_uring_sqe* entry) {
      if (transfer.is_written()) {
        io_uring_prep_fsync(entry, fd, IORING_FSYNC_DATASYNC);
        return;
      }
      const int flags = transfer.sync == Transfer::Sync::this_write ? RWF_DSYNC : 0;
      io_uring_prep_writev2(entry, fd, transfer.part(), static_cast<unsigned>(transfer.part_count()), transfer.offset,
                            flags);
    };
    submit(prepare, flight.release());
  }

  // On the loop.
  void on_complete(std::unique_ptr<Flight> flight) {
    Transfer& transfer = *flight->transfer;
    const int result = flight->result;
    if (result == -EINTR || result == -EAGAIN) return go_on(std::move(flight));
    const bool was_sync = transfer.is_written();
    if (result < 0) {
      return finish(std::move(flight), std::unexpected(system_error(
                                           transfer.path + (was_sync ? ": fdatasync" : ": write"), -result)));
    }
    if (!was_sync) {
      if (result == 0) return finish(std::move(flight), fail(Code::io, transfer.path + ": write: nothing was written"));
      transfer.advance(static_cast<std::size_t>(result));
      if (!transfer.is_written() || transfer.sync == Transfer::Sync::file) return go_on(std::move(flight));
    }
    finish(std::move(flight), {});
  }

  void finish(std::unique_ptr<Flight> flight, Result<> result) {
    flights_.erase(flight.get());
    flight->transfer->done(std::move(result));
  }

  void wait_for_completions() {
    for (;;) {
      io_uring_cqe* completion = nullptr;
      const int error = io_uring_wait_cqe(&ring_, &completion);
      if (error == -EINTR || error == -EAGAIN) continue;
      CHECK(error == 0, "io_uring_wait_cqe: " + std::to_string(error));
      auto* const tag = static_cast<Flight*>(io_uring_cqe_get_data(completion));
      const int result = completion->res;
      io_uring_cqe_seen(&ring_, completion);
      const int left = in_kernel_.fetch_sub(1) - 1;  // also what orders this thread after the one that submitted
      std::unique_ptr<Flight> flight(tag);
      if (is_ending_) {  // nobody is told any more; wait until the kernel is done with our memory
        flights_.erase(tag);  // the loop's thread waits for this one
        if (left == 0) return;
        continue;
      }
      flight->result = result;
      loop_.post([this, flight = std::move(flight)]() mutable {
        if (!flight->watch.is_over()) on_complete(std::move(flight));
      });
    }
  }

  node::Loop& loop_;
  io_uring ring_{};
  std::set<Flight*> flights_;  // started and not finished
  std::atomic<int> in_kernel_ = 0;
  std::atomic<bool> is_ending_ = false;
  node::Lifetime lifetime_;
  std::thread thread_;
};

}  // namespace

Result<std::unique_ptr<AsyncIo>> make_ring_io(node::Loop& loop) {
  auto ring = std::make_unique<RingIo>(loop);
  if (auto opened = ring->open(); !opened) return fail(opened);
  return ring;
}

}  // namespace zraft::storage
