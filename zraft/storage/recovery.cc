// SPDX-License-Identifier: Apache-2.0
//
// Start-up: which files there are, where the log ends, what lies behind that end.
#include "zraft/storage/recovery.h"

#include <algorithm>
#include <utility>

#include "zraft/storage/log_reader.h"
#include "zraft/storage/wal_format.h"

namespace zraft::storage {
namespace {

constexpr const char* what_to_do =
    ": the disk lost or changed what it had confirmed. Nothing was changed. Bring back the intact files, or remove "
    "this member from its groups and start it with an empty directory as a new one";

struct Names {
  std::vector<std::uint64_t> segments;  // rising
  std::vector<std::uint64_t> spares;
};

// A batch header where no batch may be.
struct Stray {
  std::size_t segment;  // which of the files
  std::uint64_t offset;
};

class Recovery {
 public:
  Recovery(Files& files, std::string directory, const Identity& identity, bool only_looks)
      : files_(files),
        directory_(std::move(directory)),
        identity_(identity),
        only_looks_(only_looks),
        reader_(identity.id) {}

  Result<RecoveredLog> run();
  Result<InspectedLog> look();
  Result<InspectedLog> look_up_to_damage();

 private:
  Result<Names> list();
  Result<> load(std::size_t which);
  Result<> check_header(const Segment& segment, BytesView bytes) const;
  Result<> read();
  Result<> read_all();
  Result<> search_behind_the_end();
  Result<> look_for_strays(std::size_t which, std::uint64_t offset);
  Result<> cut();
  Result<> drop_unused(RecoveredLog& log);
  Result<std::map<raft::GroupId, raft::Recovered>> take_groups();
  [[nodiscard]] std::string path(std::size_t which) const;
  [[nodiscard]] std::string end_of_log(std::size_t witness) const;

  Files& files_;
  const std::string directory_;
  const Identity identity_;
  const bool only_looks_;
  LogReader reader_;
  std::vector<std::uint64_t> numbers_;
  std::vector<Segment> segments_;
  LoadedSegment loaded_;
  std::size_t last_ = 0;     // the segment in which the log ends
  std::uint64_t offset_ = first_batch_offset;  // and where in it
  std::vector<Stray> strays_;
  std::vector<InspectedSegment> looked_at_;
  std::vector<std::string> story_;
};

std::string Recovery::path(std::size_t which) const { return join(directory_, segment_name(numbers_[which])); }

// Where the batch that is missing should stand: behind the last good one or, as a witness in a later segment may
// mean, at the start of the next segment.
std::string Recovery::end_of_log(std::size_t witness) const {
  const bool is_full = offset_ >= segments_[last_].size;
  const std::string here = path(last_) + " at byte " + std::to_string(offset_);
  const std::string there = witness > last_ ? path(last_ + 1) + " at byte " + std::to_string(first_batch_offset) : "";
  if (is_full) return there;
  return there.empty() ? here : here + " or " + there;
}

Result<Names> Recovery::list() {
  auto entries = files_.list(directory_);
  if (!entries) return fail(entries);
  Names names;
  for (const std::string& entry : *entries) {
    if (const auto number = parse_segment_name(entry)) names.segments.push_back(*number);
    if (const auto number = parse_spare_name(entry)) names.spares.push_back(*number);
  }
  std::ranges::sort(names.segments);
  std::ranges::sort(names.spares);
  if (names.segments.empty()) {
    return fail(Code::corrupt, directory_ + " has an identity and not one segment of its log" + what_to_do);
  }
  for (std::size_t i = 1; i < names.segments.size(); ++i) {
    if (names.segments[i] != names.segments[i - 1] + 1) {
      const std::string missing = segment_name(names.segments[i - 1] + 1);
      return fail(Code::corrupt, join(directory_, missing) + " is missing" + what_to_do);
    }
  }
  return names;
}

Result<> Recovery::check_header(const Segment& segment, BytesView bytes) const {
  const std::string file = join(directory_, segment_name(segment.number));
  auto header = decode_segment_header(bytes);
  if (!header && header.error().code == Code::unsupported) {
    return fail(Code::unsupported, file + ": " + header.error().text + "; nothing was changed");
  }
  if (!header) return fail(Code::corrupt, file + " at byte 0: " + header.error().text + what_to_do);
  if (header->directory != identity_.id) {
    return fail(Code::wrong_owner, file + " is of the directory with the id " + hex(header->directory) +
                                       ", this one is " + hex(identity_.id) +
                                       ": put the files back where they belong");
  }
  if (header->segment != segment.number) {
    return fail(Code::corrupt, file + " says that it is segment " + std::to_string(header->segment) + what_to_do);
  }
  if (header->size != segment.size) {
    return fail(Code::corrupt, file + " has " + std::to_string(segment.size) + " bytes and was made with " +
                                   std::to_string(header->size) + what_to_do);
  }
  return {};
}

// Opens a segment and reads it whole. The sync comes first: after a process was killed the cache may hold what the
// disk does not, and whatever is believed here counts as durable from now on (decision 11).
Result<> Recovery::load(std::size_t which) {
  if (segments_.size() == which) {
    auto file = files_.open(path(which), only_looks_ ? OpenMode::read : OpenMode::read_write);
    if (!file) return fail(file);
    if (!only_looks_) {
      if (auto synced = (*file)->sync(); !synced) return synced;
    }
    auto size = (*file)->size();
    if (!size) return fail(size);
    segments_.push_back({numbers_[which], *size, std::move(*file)});
  }
  Segment& segment = segments_[which];
  if (segment.size > segment_size_max) return fail(Code::corrupt, path(which) + " is larger than any segment");
  auto bytes = segment.file->read(0, static_cast<std::size_t>(segment.size));
  if (!bytes) return fail(bytes);
  if (bytes->size() != segment.size) return fail(Code::io, path(which) + " ended while it was read");
  if (auto ok = check_header(segment, *bytes); !ok) return ok;
  loaded_ = {segment.number, std::move(*bytes)};
  return {};
}

Result<> Recovery::read() {
  for (std::size_t which = 0; which < numbers_.size(); ++which) {
    if (auto loaded = load(which); !loaded) return loaded;
    auto end = reader_.read(loaded_);
    if (!end) {
      return fail(end.error().code, join(directory_, end.error().text) +
                                        (end.error().code == Code::corrupt ? what_to_do : ""));
    }
    if (which == 0 && numbers_[0] > 1 && *end == first_batch_offset) {
      return fail(Code::corrupt,
                  path(0) + " at byte 4096: the oldest segment does not begin with a batch" + what_to_do);
    }
    looked_at_.push_back({numbers_[which], segments_[which].size, *end, reader_.sequence()});
    if (which > 0 && *end == first_batch_offset) break;  // the log ends before this segment
    last_ = which;
    offset_ = *end;
  }
  return {};
}

Result<> Recovery::look_for_strays(std::size_t which, std::uint64_t offset) {
  if (auto loaded = load(which); !loaded) return loaded;
  const std::uint64_t missing = reader_.sequence() + 1;
  for (; offset < loaded_.bytes.size(); offset += block_size) {
    const auto header = reader_.header_at(loaded_, offset);
    if (!header) continue;
    if (header->synced_upto >= missing) {
      return fail(Code::corrupt, end_of_log(which) + ": batch " + std::to_string(missing) +
                                     " is damaged, and it was durable: batch " + std::to_string(header->sequence) +
                                     " in " + segment_name(loaded_.number) + " at byte " + std::to_string(offset) +
                                     " says so" + what_to_do);
    }
    strays_.push_back({which, offset});
  }
  return {};
}

Result<> Recovery::search_behind_the_end() {
  for (std::size_t which = last_; which < numbers_.size(); ++which) {
    const std::uint64_t from = which == last_ ? offset_ : first_batch_offset;
    if (auto searched = look_for_strays(which, from); !searched) return searched;
  }
  if (strays_.empty()) return {};
  story_.push_back((only_looks_ ? "a start will cut the log at " : "cut the log at ") + path(last_) + ", byte " +
                   std::to_string(offset_) + ": batch " + std::to_string(reader_.sequence() + 1) +
                   " was torn before it was durable, so nobody was told of " + "it (" + std::to_string(strays_.size()) +
                   " unfinished batches dropped)");
  return {};
}

// Overwrites the headers of what is cut. A crash in between leaves fewer of them, and the same decision.
Result<> Recovery::cut() {
  const Bytes zeros(block_size, '\0');
  for (const Stray& stray : strays_) {
    File& file = *segments_[stray.segment].file;
    if (auto written = file.write_now(stray.offset, zeros); !written) return written;
  }
  for (std::size_t which = last_; which < segments_.size() && !strays_.empty(); ++which) {
    if (auto synced = segments_[which].file->sync(); !synced) return synced;
  }
  return {};
}

// Segments behind the end: the first is as good as made ahead; a second one is removed.
Result<> Recovery::drop_unused(RecoveredLog& log) {
  for (std::size_t which = segments_.size(); which-- > last_ + 2;) {
    if (auto removed = files_.remove(path(which)); !removed) return removed;
    if (auto synced = files_.sync_directory(directory_); !synced) return synced;
  }
  if (last_ + 1 < segments_.size()) log.ready = std::move(segments_[last_ + 1]);
  return {};
}

Result<> Recovery::read_all() {
  if (auto ok = read(); !ok) return ok;
  return search_behind_the_end();
}

Result<std::map<raft::GroupId, raft::Recovered>> Recovery::take_groups() {
  auto groups = reader_.take_groups();
  if (!groups) return fail(groups.error().code, directory_ + ": " + groups.error().text + what_to_do);
  return groups;
}

Result<InspectedLog> Recovery::look() {
  auto names = list();
  if (!names) return fail(names);
  numbers_ = names->segments;
  if (auto ok = read_all(); !ok) return fail(ok);
  auto groups = take_groups();
  if (!groups) return fail(groups);
  return InspectedLog{.groups = std::move(*groups),
                      .segments = std::move(looked_at_),
                      .story = std::move(story_),
                      .damage = std::nullopt};
}

Result<InspectedLog> Recovery::look_up_to_damage() {
  auto names = list();
  if (!names) return fail(names);
  numbers_ = names->segments;
  InspectedLog log;
  const auto is_damage = [](const Error& error) {
    return error.code == Code::corrupt || error.code == Code::wrong_owner;
  };
  if (auto ok = read_all(); !ok) {
    if (!is_damage(ok.error())) return fail(ok);
    log.damage = ok.error();
  }
  if (auto groups = take_groups()) {
    log.groups = std::move(*groups);
  } else if (!log.damage) {
    log.damage = groups.error();
  }
  log.segments = std::move(looked_at_);
  log.story = std::move(story_);
  return log;
}

Result<RecoveredLog> Recovery::run() {
  auto names = list();
  if (!names) return fail(names);
  numbers_ = names->segments;
  if (auto ok = read_all(); !ok) return fail(ok);
  auto groups = take_groups();
  if (!groups) return fail(groups);
  // From here on things are changed: everything that can be refused was.
  if (auto ok = cut(); !ok) return fail(ok);
  RecoveredLog log;
  if (auto ok = drop_unused(log); !ok) return fail(ok);
  log.ledger = reader_.ledger();
  log.groups = std::move(*groups);
  log.first_segment = numbers_.front();
  log.current = std::move(segments_[last_]);
  log.tail = {.offset = offset_,
              .sequence = reader_.sequence(),
              .durable = reader_.sequence(),
              .claimed = reader_.claimed(),
              .chain = reader_.chain()};
  log.spares = std::move(names->spares);
  log.story = std::move(story_);
  return log;
}

}  // namespace

Result<RecoveredLog> recover(Files& files, const std::string& directory, const Identity& identity) {
  return Recovery(files, directory, identity, false).run();
}

Result<InspectedLog> inspect(Files& files, const std::string& directory, const Identity& identity) {
  return Recovery(files, directory, identity, true).look();
}

Result<InspectedLog> inspect_up_to_damage(Files& files, const std::string& directory, const Identity& identity) {
  return Recovery(files, directory, identity, true).look_up_to_damage();
}

}  // namespace zraft::storage
