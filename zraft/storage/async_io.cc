// SPDX-License-Identifier: Apache-2.0
//
// What both ways share, and the way through a thread.
#include "zraft/storage/async_io.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace zraft::storage {

Descriptor::~Descriptor() { ::close(fd_); }

Error system_error(const std::string& what, int number) {
  const bool is_full = number == ENOSPC || number == EDQUOT;
  return {is_full ? Code::no_space : Code::io, what + ": " + std::system_category().message(number)};
}

void Transfer::advance(std::size_t bytes) {
  offset += bytes;
  while (bytes > 0) {
    iovec& front = parts[first];
    const std::size_t taken = std::min(bytes, front.iov_len);
    front.iov_base = static_cast<char*>(front.iov_base) + taken;
    front.iov_len -= taken;
    bytes -= taken;
    if (front.iov_len == 0) ++first;
  }
}

int Transfer::part_count() const { return static_cast<int>(std::min<std::size_t>(parts.size() - first, IOV_MAX)); }

namespace {

// Writes all of it, and syncs as it is wanted. Blocks.
Result<> perform(Transfer& transfer) {
  const int fd = transfer.file->get();
  while (!transfer.is_written()) {
    const int flags = transfer.sync == Transfer::Sync::this_write ? RWF_DSYNC : 0;
    const ssize_t written =
        ::pwritev2(fd, transfer.part(), transfer.part_count(), static_cast<off_t>(transfer.offset), flags);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return std::unexpected(system_error(transfer.path + ": write", errno));
    if (written == 0) return fail(Code::io, transfer.path + ": write: nothing was written");
    transfer.advance(static_cast<std::size_t>(written));
  }
  while (transfer.sync == Transfer::Sync::file && ::fdatasync(fd) != 0) {
    if (errno != EINTR) return std::unexpected(system_error(transfer.path + ": fdatasync", errno));
  }
  return {};
}

class ThreadIo final : public AsyncIo {
 public:
  explicit ThreadIo(node::Loop& loop) : loop_(loop), thread_([this] { work(); }) {}

  ~ThreadIo() override {
    {
      const std::lock_guard lock(mutex_);
      is_ending_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

  void start(std::unique_ptr<Transfer> transfer) override {
    {
      const std::lock_guard lock(mutex_);
      queue_.push_back({std::move(transfer), lifetime_.watch()});
    }
    wake_.notify_one();
  }

  [[nodiscard]] bool wants_direct() const override { return false; }

 private:
  struct Job {
    std::unique_ptr<Transfer> transfer;
    node::Lifetime::Watch watch;
  };

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      wake_.wait(lock, [this] { return is_ending_ || !queue_.empty(); });
      if (queue_.empty()) return;
      Job job = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      Result<> result = perform(*job.transfer);
      loop_.post([job = std::move(job), result = std::move(result)]() mutable {
        if (!job.watch.is_over()) job.transfer->done(std::move(result));
      });
      lock.lock();
    }
  }

  node::Loop& loop_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job> queue_;
  bool is_ending_ = false;
  node::Lifetime lifetime_;
  std::thread thread_;  // last: it uses all the others
};

}  // namespace

std::unique_ptr<AsyncIo> make_thread_io(node::Loop& loop) { return std::make_unique<ThreadIo>(loop); }

}  // namespace zraft::storage
