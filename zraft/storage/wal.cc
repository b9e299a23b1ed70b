// SPDX-License-Identifier: Apache-2.0
//
// Opening: lock, identity, recovery, then the writer goes on where the log ends.
#include "zraft/storage/wal.h"

#include <utility>

#include "zraft/base/check.h"
#include "zraft/storage/log_reader.h"
#include "zraft/storage/log_writer.h"

namespace zraft::storage {
namespace {

class LogOfGroup final : public node::GroupLog {
 public:
  LogOfGroup(LogWriter& writer, raft::GroupId group) : writer_(writer), group_(group) {}

  void write(raft::Write write, node::Durability durability, std::move_only_function<void(Result<>)> done) override {
    writer_.submit({.kind = LogWriter::Unit::Kind::write,
                    .group = group_,
                    .write = std::move(write),
                    .durable = durability == node::Durability::durable,
                    .done = std::move(done)});
  }

 private:
  LogWriter& writer_;
  const raft::GroupId group_;
};

Result<> check(const Wal::Options& options) {
  if (options.max_segment_size < segment_size_min || options.max_segment_size > std::uint64_t{1} << 30 ||
      options.max_segment_size % block_size != 0) {
    return fail(Code::bad_request, "max_segment_size is " + std::to_string(options.max_segment_size) +
                                       ": it must be 65536 to 1073741824 and a multiple of 4096");
  }
  if (options.directory.empty()) return fail(Code::bad_request, "the log needs a directory");
  return {};
}

// Nothing was ever written: there is no segment, or one that holds nothing yet because the process ended before the
// identity was written.
Result<bool> is_unused(Files& files, const std::string& directory) {
  auto names = files.list(directory);
  if (!names) return fail(names);
  for (const std::string& name : *names) {
    const auto number = parse_segment_name(name);
    if (!number) continue;
    auto file = files.open(join(directory, name), OpenMode::read);
    if (!file) return fail(file);
    auto start = (*file)->read(first_batch_offset, batch_header_size);
    if (!start) return fail(start);
    if (*number != 1 || start->find_first_not_of('\0') != Bytes::npos) return false;
  }
  return true;
}

Result<Identity> create(Files& files, const Wal::Options& options) {
  auto unused = is_unused(files, options.directory);
  if (!unused) return fail(unused);
  if (!*unused) {
    return fail(Code::corrupt, options.directory + " holds a log and no identity (zraft.id): it is damaged or not of "
                                                   "zraft. Nothing was changed. Restore that file, or remove this "
                                                   "member from its groups and start it with an empty directory");
  }
  const Identity identity{options.new_directory_id, options.owner};
  auto first = make_segment(files, options.directory, identity.id, 1, options.max_segment_size, std::nullopt);
  if (!first) return fail(first);
  if (auto written = write_identity(files, options.directory, identity); !written) return fail(written);
  return identity;
}

Result<Identity> identify(Files& files, const Wal::Options& options) {
  if (auto locked = lock_directory(files, options.directory); !locked) return fail(locked);
  auto identity = read_identity(files, options.directory);
  if (!identity) return fail(identity);
  if (!*identity) return create(files, options);
  if (auto ok = check_owner(**identity, options.directory, options.owner); !ok) return fail(ok);
  return **identity;
}

}  // namespace

Wal::Wal(std::unique_ptr<LogWriter> writer) : writer_(std::move(writer)) {}
Wal::~Wal() = default;

struct Wal::Contents::Impl {
  Options options;
  Identity identity;
  RecoveredLog log;
};

Wal::Contents::Contents() = default;
Wal::Contents::Contents(Contents&&) noexcept = default;
Wal::Contents& Wal::Contents::operator=(Contents&&) noexcept = default;
Wal::Contents::~Contents() = default;

Result<Wal::Contents> Wal::read(Files& files, Options options) {
  if (auto ok = check(options); !ok) return fail(ok);
  auto identity = identify(files, options);
  if (!identity) return fail(identity);
  auto log = recover(files, options.directory, *identity);
  if (!log) return fail(log);
  Contents contents;
  contents.impl = std::make_unique<Contents::Impl>(
      Contents::Impl{.options = std::move(options), .identity = std::move(*identity), .log = std::move(*log)});
  return contents;
}

Wal::Opened Wal::begin(node::Loop& loop, node::Worker& worker, Files& files, Contents contents) {
  auto& [options, identity, log] = *contents.impl;
  auto pool = std::make_unique<SegmentPool>(
      loop, worker, files,
      SegmentPool::Options{
          .directory = options.directory, .directory_id = identity.id, .segment_size = options.max_segment_size},
      std::move(options.tell));
  pool->start(log.first_segment, log.current.number, std::move(log.ready), log.spares);
  const std::uint64_t segments_max =
      options.bytes_wanted == 0 ? 0 : std::max<std::uint64_t>(options.bytes_wanted / options.max_segment_size, 2);
  auto writer = std::make_unique<LogWriter>(loop,
                                            LogWriter::Options{.directory_id = identity.id,
                                                               .directory = options.directory,
                                                               .batch_bytes_max = options.batch_bytes_max,
                                                               .idle_mark_after = options.idle_mark_after,
                                                               .segments_max = segments_max,
                                                               .on_pinned = std::move(options.on_pinned),
                                                               .on_failed = std::move(options.on_failed)},
                                            std::move(log.ledger), std::move(log.current), log.tail,
                                            std::move(pool));
  return {.wal = std::unique_ptr<Wal>(new Wal(std::move(writer))),
          .groups = std::move(log.groups),
          .story = std::move(log.story)};
}

Result<Wal::Opened> Wal::open(node::Loop& loop, node::Worker& worker, Files& files, Options options) {
  auto contents = read(files, std::move(options));
  if (!contents) return fail(contents);
  return begin(loop, worker, files, std::move(*contents));
}

void Wal::start_group(raft::GroupId group, raft::SnapshotMeta base, std::vector<raft::Record> entries,
                      raft::HardState hard_state, Done done) {
  writer_->submit({.kind = LogWriter::Unit::Kind::start,
                   .group = group,
                   .base = std::move(base),
                   .write = {.id = {},
                             .hard_state = hard_state,
                             .truncate_from = {},
                             .base = {},
                             .entries = std::move(entries)},
                   .done = std::move(done)});
}

void Wal::end_group(raft::GroupId group, Done done) {
  writer_->submit({.kind = LogWriter::Unit::Kind::end, .group = group, .done = std::move(done)});
}

bool Wal::has(raft::GroupId group) const { return writer_->has(group); }

std::unique_ptr<node::GroupLog> Wal::log_of(raft::GroupId group) {
  CHECK(has(group), "a log of a group that was not begun");
  return std::make_unique<LogOfGroup>(*writer_, group);
}

}  // namespace zraft::storage
