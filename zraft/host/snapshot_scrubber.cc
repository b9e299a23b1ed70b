// SPDX-License-Identifier: Apache-2.0
//
// See snapshot_scrubber.h. Between two steps snapshots may come and go: the next one is looked for anew each time.
#include "zraft/host/snapshot_scrubber.h"

#include <algorithm>
#include <memory>
#include <utility>

namespace zraft::host {
namespace {

constexpr Duration first_within = Duration::seconds(600);
constexpr Duration between_min = Duration::seconds(11 * 3'600);
constexpr Duration between_max = Duration::seconds(12 * 3'600);

}  // namespace

SnapshotScrubber::SnapshotScrubber(Seams seams, std::string directory,
                                   const std::vector<storage::SnapshotManifest>& complete, Random random,
                                   Damaged damaged)
    : seams_(seams),
      directory_(std::move(directory)),
      complete_(complete),
      random_(random),
      damaged_(std::move(damaged)) {
  begin_pass_in(Duration{random_.between(0, first_within.ns)});
}

SnapshotScrubber::~SnapshotScrubber() { seams_.loop.cancel(timer_); }

void SnapshotScrubber::begin_pass_in(Duration pause) {
  at_ = {};
  file_ = 0;
  chunk_ = 0;
  is_second_ = false;
  timer_ = seams_.loop.wake_at(seams_.loop.now() + pause, [this] { step(); });
}

// The snapshot that is read, or the one after it. Null: there is none.
const storage::SnapshotManifest* SnapshotScrubber::find() {
  for (const storage::SnapshotManifest& manifest : complete_) {
    if (manifest.meta.last.index < at_.index) continue;
    const bool is_same = manifest.meta.last == at_;
    if (is_same && file_ >= manifest.files.size()) continue;
    if (!is_same) {
      at_ = manifest.meta.last;
      file_ = 0;
      chunk_ = 0;
      is_second_ = false;
      if (manifest.files.empty()) continue;
    }
    return &manifest;
  }
  return nullptr;
}

void SnapshotScrubber::step() {
  const storage::SnapshotManifest* manifest = find();
  if (manifest == nullptr) return begin_pass_in(Duration{random_.between(between_min.ns, between_max.ns)});
  const storage::SnapshotFile& file = manifest->files[file_];
  // An empty file costs something as well.
  const std::size_t bytes = file.chunks.empty() ? 1 : storage::chunk_length(file.size, chunk_);
  if (seams_.rate.take(bytes)) return read(*manifest);
  seams_.rate.wait_turn([this, life = lifetime_.watch()] {
    if (!life.is_over()) step();
  });
}

void SnapshotScrubber::read(const storage::SnapshotManifest& manifest) {
  seams_.strand.compute<Result<>>(
      [&files = seams_.files, directory = directory_, manifest, file = file_, chunk = chunk_] {
        return storage::verify_chunk(files, directory, manifest, file, chunk);
      },
      lifetime_.watch(), [this](const Result<>& how) { on_read(how); });
}

void SnapshotScrubber::on_read(const Result<>& how) {
  const auto read = std::ranges::find_if(complete_, [this](const auto& one) { return one.meta.last == at_; });
  if (read == complete_.end()) return step();  // it was removed meanwhile
  if (!how && !std::exchange(is_second_, true)) return step();
  is_second_ = false;
  const auto& files = read->files;
  if (!how) {
    file_ = files.size();
    damaged_(at_, how.error());
  } else if (++chunk_ >= files[file_].chunks.size()) {
    ++file_;
    chunk_ = 0;
  }
  step();
}

}  // namespace zraft::host
