// SPDX-License-Identifier: Apache-2.0
//
// See segment_pool.h. A job gets copies of all it needs and touches nothing of the pool; what comes of it is looked
// at on the loop.
#include "zraft/storage/segment_pool.h"

#include <algorithm>
#include <utility>

#include "zraft/base/check.h"
#include "zraft/storage/directory.h"

namespace zraft::storage {
namespace {

// Takes a segment out of the log. A spare keeps its blocks, so the next segment needs no allocation. Blocks.
Result<> retire(Files& files, const std::string& directory, std::uint64_t number, std::uint64_t usual_size,
                bool& keep) {
  const std::string path = join(directory, segment_name(number));
  {
    auto file = files.open(path, OpenMode::read);
    if (!file) return fail(file);
    auto size = (*file)->size();
    if (!size) return fail(size);
    keep = keep && *size == usual_size;
  }
  auto gone = keep ? files.rename(path, join(directory, spare_name(number))) : files.remove(path);
  if (!gone) return gone;
  return files.sync_directory(directory);
}

}  // namespace

SegmentPool::SegmentPool(node::Loop& loop, node::Worker& worker, Files& files, Options options,
                         std::function<void(const std::string&)> tell)
    : loop_(loop),
      worker_(worker),
      files_(files),
      options_(std::move(options)),
      tell_(std::move(tell)),
      retry_after_(options_.retry_min) {}

SegmentPool::~SegmentPool() { loop_.cancel(retry_timer_); }

void SegmentPool::start(std::uint64_t oldest, std::uint64_t current, std::optional<Segment> ready,
                        const std::vector<std::uint64_t>& spares) {
  numbers_ = {.oldest = oldest, .needed = oldest, .next = current + 1};
  ready_ = std::move(ready);
  spares_ = spares;
  work();
}

std::optional<Segment> SegmentPool::take(std::uint64_t size, std::function<void(Result<>)> then) {
  if (ready_ && ready_->size >= size) {
    std::optional<Segment> taken = std::exchange(ready_, std::nullopt);
    ++numbers_.next;
    work();
    return taken;
  }
  CHECK(!wanted_, "only the writer takes segments, one at a time");
  wanted_ = Wanted{.size = size, .then = std::move(then), .is_tried = false};
  loop_.cancel(std::exchange(retry_timer_, {}));
  work();
  return std::nullopt;
}

void SegmentPool::release_before(std::uint64_t number) {
  CHECK(number < numbers_.next, "the current segment stays");
  numbers_.needed = std::max(numbers_.needed, number);
  work();
}

void SegmentPool::work() {
  if (is_working_) return;
  if (wanted_) {
    wanted_->is_tried = true;
    make_next(std::max(wanted_->size, options_.segment_size));
  } else if (!ready_ && retry_timer_ == node::TimerId{}) {
    make_next(options_.segment_size);
  } else if (may_retire_ && numbers_.oldest < numbers_.needed) {
    retire_oldest();
  }
}

void SegmentPool::make_next(std::uint64_t size) {
  is_working_ = true;
  ready_.reset();  // too small, if there is one: the new file takes its name
  std::optional<std::string> spare;
  if (!spares_.empty() && size == options_.segment_size) {
    spare = spare_name(spares_.back());
    spares_.pop_back();
  }
  auto result = std::make_shared<Result<Segment>>();
  worker_.run(
      [&files = files_, directory = options_.directory, id = options_.directory_id, number = numbers_.next, size,
       spare = std::move(spare), result] { *result = make_segment(files, directory, id, number, size, spare); },
      [this, watch = lifetime_.watch(), result] {
        if (watch.is_over()) return;
        is_working_ = false;
        on_made(std::move(*result));
      });
}

void SegmentPool::on_made(Result<Segment> made) {
  if (made) {
    ready_ = std::move(*made);
    retry_after_ = options_.retry_min;
    if (!wanted_ || ready_->size < wanted_->size) return work();
    auto then = std::move(wanted_->then);
    wanted_.reset();
    work();
    return then({});
  }
  if (wanted_ && wanted_->is_tried) {
    auto then = std::move(wanted_->then);
    wanted_.reset();
    return then(fail(made));
  }
  if (!wanted_) {
    tell_("cannot make the next segment of the log ready: " + made.error().text + "; trying again");
    retry_later();
  }
  work();
}

void SegmentPool::retry_later() {
  retry_timer_ = loop_.wake_at(loop_.now() + retry_after_, [this, watch = lifetime_.watch()] {
    if (watch.is_over()) return;
    retry_timer_ = {};
    work();
  });
  retry_after_ = std::min(retry_after_ * 2, options_.retry_max);
}

void SegmentPool::retire_oldest() {
  is_working_ = true;
  auto result = std::make_shared<Result<>>();
  auto keep = std::make_shared<bool>(spares_.size() < options_.spares_max);
  worker_.run([&files = files_, directory = options_.directory, number = numbers_.oldest, size = options_.segment_size,
               keep, result] { *result = retire(files, directory, number, size, *keep); },
              [this, watch = lifetime_.watch(), keep, result] {
                if (watch.is_over()) return;
                is_working_ = false;
                on_retired(std::move(*result), *keep);
              });
}

void SegmentPool::on_retired(Result<> retired, bool keeps) {
  if (!retired) {
    // Which name the file has now is not known for good: leave the log as it is until the next start looks.
    may_retire_ = false;
    tell_("cannot take an old segment out of the log: " + retired.error().text + "; it grows until the next start");
    return work();
  }
  if (keeps) spares_.push_back(numbers_.oldest);
  ++numbers_.oldest;
  work();
}

}  // namespace zraft::storage
