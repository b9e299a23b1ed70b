// SPDX-License-Identifier: Apache-2.0
//
// See disk.h. Here: what writes, syncs and endings do to the contents and the names of a disk. sim/files.cc has the
// seam's calls.
#include "sim/disk.h"

#include <algorithm>
#include <utility>

#include "sim/draw.h"
#include "zraft/base/check.h"

namespace zraft::sim {

namespace {

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "" : path.substr(0, slash);
}

const Disk::InodePtr& root() {
  static const Disk::InodePtr inode = [] {
    auto made = std::make_shared<Disk::Inode>();
    made->is_directory = true;
    return made;
  }();
  return inode;
}

bool is_below(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path[directory.size()] == '/' && path.starts_with(directory);
}

// If the path lies below the directory `from`, it lies below `to` now.
void move_below(std::string& path, const std::string& from, const std::string& to) {
  if (is_below(path, from)) path = to + path.substr(from.size());
}

}  // namespace

Result<> Disk::begin_call(Process process, std::uint64_t fail_ppm, const std::string& what) {
  if (fuse_ > 0 && world_.is_alive(process) && --fuse_ == 0) std::exchange(burn_, {})();
  if (!world_.is_alive(process)) return fail(Code::io, what + ": the process has ended");
  if (random_.chance(fail_ppm)) {
    ++counts_.failures;
    return fail(Code::io, what + ": input/output error");
  }
  return {};
}

void Disk::wipe() {
  names_.clear();
  durable_names_.clear();
  changes_.clear();
  locks_.clear();
}

void Disk::set_fuse(std::uint64_t calls, Task burn) {
  fuse_ = calls;
  burn_ = std::move(burn);
}

void Disk::write(Inode& inode, std::uint64_t offset, BytesView bytes) {
  if (bytes.empty()) return;
  if (inode.seen.size() < offset + bytes.size()) inode.seen.resize(offset + bytes.size());
  inode.seen.replace(offset, bytes.size(), bytes);
  for (std::uint64_t sector = offset / sector_size; sector * sector_size < offset + bytes.size(); ++sector) {
    inode.dirty[sector].push_back(inode.seen.substr(sector * sector_size, sector_size));
  }
}

void Disk::write_async(InodePtr inode, Process process, std::uint64_t offset, Bytes bytes, bool is_durable,
                       std::move_only_function<void(Result<>)> done) {
  ++counts_.writes;
  counts_.bytes += bytes.size();
  const Duration mean = settings_.latency_mean * settings_.slowness;
  Duration latency = draw_exponential(random_, is_durable ? mean : mean / 20);
  if (random_.chance(settings_.stall_ppm)) {
    ++counts_.stalls;
    latency = latency + draw_between(random_, {}, settings_.stall_max);
  }
  const std::uint64_t id = ++last_write_;
  const std::uint64_t detail = (offset << 24) ^ bytes.size();
  const bool is_busy = std::any_of(under_way_.begin(), under_way_.end(),
                                   [&](const auto& one) { return one.second.inode == inode; });
  CHECK(!is_busy, "two writes at once on a file");
  under_way_.emplace(id, UnderWay{std::move(inode), offset, std::move(bytes)});
  Task end = [this, process, id, is_durable, done = std::move(done)]() mutable {
    const Result<> begun = begin_call(process, settings_.fail_write_ppm, "write");
    if (!world_.is_alive(process)) return;  // the fuse: on_end deals with what was under way
    if (begun) {
      done(finish(id, is_durable));
      return;
    }
    UnderWay failed = std::move(under_way_.at(id));
    under_way_.erase(id);
    failed.bytes.resize(draw_index(random_, failed.bytes.size() / sector_size + 1) * sector_size);
    write(*failed.inode, failed.offset, failed.bytes);
    done(begun);
  };
  world_.after(latency, process, EventKind::disk, detail, std::move(end));
}

Result<> Disk::finish(std::uint64_t id, bool is_durable) {
  const UnderWay finished = std::move(under_way_.at(id));
  under_way_.erase(id);
  if (!has_room(*finished.inode, finished.offset + finished.bytes.size())) {
    return fail(Code::no_space, "write: no space left on device");
  }
  write(*finished.inode, finished.offset, finished.bytes);
  if (!is_durable || random_.chance(settings_.lie_ppm)) return {};
  if (random_.chance(settings_.fail_sync_ppm)) {
    ++counts_.failures;
    flush_badly(*finished.inode);
    return fail(Code::io, "sync: input/output error");
  }
  flush(*finished.inode);
  return {};
}

void Disk::keep_sector(Inode& inode, std::uint64_t sector) {
  const std::uint64_t offset = sector * sector_size;
  if (inode.seen.size() <= offset) return;
  const std::uint64_t size = std::min<std::uint64_t>(sector_size, inode.seen.size() - offset);
  if (inode.durable.size() < offset + size) inode.durable.resize(offset + size);
  inode.durable.replace(offset, size, inode.seen, offset, size);
  if (inode.was_durable.size() <= sector) inode.was_durable.resize(sector + 1);
  inode.was_durable[sector] = true;
}

void Disk::flush(Inode& inode) {
  for (const auto& [sector, contents] : inode.dirty) keep_sector(inode, sector);
  inode.dirty.clear();
  inode.durable.resize(inode.seen.size());
}

void Disk::sync(Inode& inode) {
  flush(inode);
  inode.seen = inode.durable;
}

void Disk::flush_badly(Inode& inode) {
  for (const auto& [sector, contents] : inode.dirty) {
    if (random_.chance(settings_.keep_ppm)) keep_sector(inode, sector);
  }
  inode.dirty.clear();
  inode.durable.resize(inode.seen.size());
}

void Disk::truncate(Inode& inode, std::uint64_t size) {
  const bool cuts_a_sector = size < inode.seen.size() && size % sector_size != 0;
  inode.seen.resize(size);
  inode.dirty.erase(inode.dirty.lower_bound((size + sector_size - 1) / sector_size), inode.dirty.end());
  if (!cuts_a_sector) return;
  const std::uint64_t last = size / sector_size;
  inode.dirty[last].push_back(inode.seen.substr(last * sector_size));
}

void Disk::preallocate(Inode& inode, std::uint64_t size) {
  if (size <= inode.seen.size()) return;
  if (inode.durable.size() > inode.seen.size()) inode.durable.resize(inode.seen.size());
  inode.seen.resize(size);
  inode.durable.resize(size);
}

Disk::InodePtr Disk::find(const std::string& path) const {
  if (path.empty()) return root();
  const auto found = names_.find(path);
  return found == names_.end() ? nullptr : found->second;
}

std::vector<std::string> Disk::names_in(const std::string& directory) const {
  std::vector<std::string> names;
  for (const auto& [path, inode] : names_) {
    if (parent_of(path) == directory) names.push_back(path.substr(directory.empty() ? 0 : directory.size() + 1));
  }
  return names;
}

std::vector<std::string> Disk::paths() const {
  std::vector<std::string> all;
  for (const auto& [path, inode] : names_) all.push_back(path);
  return all;
}

void Disk::perform(const NameChange& change, Names& names) {
  if (!change.inode) {
    names.erase(change.path);
    return;
  }
  if (change.from && change.inode->is_directory) {
    std::vector<std::pair<std::string, InodePtr>> moved;
    const std::string prefix = *change.from + "/";
    for (auto at = names.lower_bound(prefix); at != names.end() && at->first.starts_with(prefix);) {
      moved.emplace_back(change.path + at->first.substr(change.from->size()), at->second);
      at = names.erase(at);
    }
    for (auto& [path, inode] : moved) names[path] = std::move(inode);
  }
  if (change.from) {
    const auto found = names.find(*change.from);
    if (found != names.end() && found->second == change.inode) names.erase(found);
  }
  names[change.path] = change.inode;
}

void Disk::link(const std::string& path, InodePtr inode) {
  changes_.push_back({path, std::move(inode), std::nullopt});
  perform(changes_.back(), names_);
}

void Disk::unlink(const std::string& path) {
  changes_.push_back({path, nullptr, std::nullopt});
  perform(changes_.back(), names_);
}

void Disk::rename(const std::string& from, const std::string& to) {
  if (from == to) return;
  InodePtr inode = find(from);
  inode->was_durable.clear();
  changes_.push_back({to, std::move(inode), from});
  perform(changes_.back(), names_);
}

// Performs those changes that are kept, and gives the others. A name belongs to its directory, whatever that is
// called: where a directory's rename is kept and an earlier change in it is not, or the other way round, the name goes
// to where the directory is.
template <class IsKept>
std::vector<Disk::NameChange> Disk::perform_durably(std::vector<NameChange> changes, IsKept is_kept) {
  std::vector<NameChange> left;
  for (NameChange& change : changes) {
    const bool is_directory = change.inode && change.inode->is_directory;
    if (!is_kept(change)) {
      left.push_back(std::move(change));
      continue;
    }
    for (auto earlier = left.rbegin(); earlier != left.rend(); ++earlier) {
      if (!earlier->from || !earlier->inode->is_directory) continue;
      move_below(change.path, earlier->path, *earlier->from);
      if (change.from) move_below(*change.from, earlier->path, *earlier->from);
    }
    perform(change, durable_names_);
    if (!change.inode) forget_below(change.path, left);
    if (!change.from || !is_directory) continue;
    for (NameChange& earlier : left) {
      move_below(earlier.path, *change.from, change.path);
      if (earlier.from) move_below(*earlier.from, *change.from, change.path);
    }
  }
  return left;
}

// A directory that is gone for good takes along what was in it, and nobody will ever sync it. What was moved into it
// from elsewhere is still to go from there.
void Disk::forget_below(const std::string& directory, std::vector<NameChange>& changes) {
  for (auto at = durable_names_.lower_bound(directory + "/");
       at != durable_names_.end() && is_below(at->first, directory);) {
    at = durable_names_.erase(at);
  }
  std::erase_if(changes, [&](const NameChange& change) {
    return is_below(change.path, directory) && (!change.from || is_below(*change.from, directory));
  });
}

void Disk::sync_names(const std::string& directory) {
  changes_ = perform_durably(std::exchange(changes_, {}), [&](const NameChange& change) {
    return parent_of(change.path) == directory || (change.from && parent_of(*change.from) == directory);
  });
}

bool Disk::take_lock(const std::string& path, Process process) {
  const auto [held, is_new] = locks_.try_emplace(path, process);
  return is_new || held->second == process;
}

void Disk::on_end(Ending ending) {
  fuse_ = 0;
  burn_ = {};
  locks_.clear();
  for (auto& [id, one] : std::exchange(under_way_, {})) {
    // A kill stops a write at some sector; a loss of power leaves any of its sectors.
    const std::size_t sectors = one.bytes.size() / sector_size;
    if (ending == Ending::killed) one.bytes.resize(draw_index(random_, sectors + 1) * sector_size);
    if (!is_full_) write(*one.inode, one.offset, one.bytes);
  }
  if (ending == Ending::killed) return;
  lose_power_of_names();
  std::vector<InodePtr> done;  // a name that was half renamed may be there twice
  for (const auto& [path, inode] : names_) {
    if (std::find(done.begin(), done.end(), inode) != done.end()) continue;
    lose_power_of(*inode);
    done.push_back(inode);
  }
}

void Disk::lose_power_of(Inode& inode) {
  if (!inode.dirty.empty()) ++counts_.torn;
  Bytes left = inode.durable;
  if (left.size() != inode.seen.size() && random_.chance(settings_.keep_ppm)) left.resize(inode.seen.size());
  for (const auto& [sector, contents] : inode.dirty) {
    const std::uint64_t offset = sector * sector_size;
    if (left.size() <= offset) continue;
    const std::uint64_t room = std::min<std::uint64_t>(sector_size, left.size() - offset);
    const bool was_durable = sector < inode.was_durable.size() && inode.was_durable[sector];
    if (random_.chance(settings_.keep_ppm)) {
      ++counts_.kept_sectors;
      const BytesView kept = BytesView(contents[draw_index(random_, contents.size())]).substr(0, room);
      left.replace(offset, kept.size(), kept);
    } else {
      ++counts_.lost_sectors;
      if (!was_durable && random_.chance(settings_.zero_ppm)) left.replace(offset, room, room, '\0');
    }
  }
  inode.dirty.clear();
  inode.durable = std::move(left);
  inode.seen = inode.durable;
}

void Disk::lose_power_of_names() {
  const std::size_t first_lost = draw_index(random_, changes_.size() + 1);
  std::size_t number = 0;
  const auto lost = perform_durably(std::exchange(changes_, {}), [&](const NameChange&) {
    return settings_.is_journaled ? number++ < first_lost : random_.chance(settings_.keep_ppm);
  });
  counts_.lost_names += lost.size();
  names_ = durable_names_;
  // What lay in a directory that was lost is lost with it. A parent sorts before its children.
  for (auto at = names_.begin(); at != names_.end();) {
    const InodePtr parent = find(parent_of(at->first));
    at = parent && parent->is_directory ? std::next(at) : names_.erase(at);
  }
  durable_names_ = names_;
}

void Disk::flip(const std::string& path, std::uint64_t offset, unsigned bit) {
  const InodePtr inode = find(path);
  CHECK(inode && offset < inode->seen.size(), "nothing is there to be damaged");
  const auto mask = static_cast<char>(1U << bit);
  inode->seen[offset] = static_cast<char>(inode->seen[offset] ^ mask);
  if (offset < inode->durable.size()) inode->durable[offset] = static_cast<char>(inode->durable[offset] ^ mask);
}

}  // namespace zraft::sim
