// SPDX-License-Identifier: Apache-2.0
//
// The segments that are not being written: one made ready ahead, so that the log never waits for a file to be
// allocated; old ones that nobody needs, taken out of the log and kept as spares for the next. All of it happens on
// the Worker, one job at a time. A file leaves the log before its name is used for anything else, durably, oldest
// first, so that a crash leaves no gap in the numbers.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "zraft/node/loop.h"
#include "zraft/node/worker.h"
#include "zraft/storage/segment.h"

namespace zraft::storage {

class SegmentPool {
 public:
  struct Options {
    std::string directory;
    std::uint64_t directory_id = 0;
    std::uint64_t segment_size = 0;
    std::size_t spares_max = 2;
    Duration retry_min = Duration::milliseconds(100);
    Duration retry_max = Duration::seconds(10);
  };

  // Requires: `files` and `worker` outlive every job, `loop` this pool. `tell` is given a line for the log when
  // something goes wrong that is tried again.
  SegmentPool(node::Loop& loop, node::Worker& worker, Files& files, Options options,
              std::function<void(const std::string&)> tell);
  ~SegmentPool();
  SegmentPool(const SegmentPool&) = delete;
  SegmentPool& operator=(const SegmentPool&) = delete;

  // `oldest` to `current` are in the log. Begins to work.
  void start(std::uint64_t oldest, std::uint64_t current, std::optional<Segment> ready,
             const std::vector<std::uint64_t>& spares);

  // The segment after the current one, of at least `size` bytes, if it is ready. If not, it is made, and `then` is
  // told once: ask again, or why there will be none.
  std::optional<Segment> take(std::uint64_t size, std::function<void(Result<>)> then);

  // The segments before `number` are not needed any more.
  void release_before(std::uint64_t number);

 private:
  struct Wanted {
    std::uint64_t size = 0;
    std::function<void(Result<>)> then;
    bool is_tried = false;  // the job under way is for it
  };
  struct Numbers {
    std::uint64_t oldest = 0;  // that is still in the log
    std::uint64_t needed = 0;  // the oldest that has to be
    std::uint64_t next = 0;    // the one after the current one
  };

  void work();
  void make_next(std::uint64_t size);
  void on_made(Result<Segment> made);
  void retire_oldest();
  void on_retired(Result<> retired, bool keeps);
  void retry_later();

  node::Loop& loop_;
  node::Worker& worker_;
  Files& files_;
  const Options options_;
  const std::function<void(const std::string&)> tell_;
  Numbers numbers_;
  std::optional<Segment> ready_;
  std::optional<Wanted> wanted_;
  std::vector<std::uint64_t> spares_;
  bool is_working_ = false;
  bool may_retire_ = true;
  node::TimerId retry_timer_;
  Duration retry_after_;
  node::Lifetime lifetime_;
};

}  // namespace zraft::storage
