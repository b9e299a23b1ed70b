// SPDX-License-Identifier: Apache-2.0
//
// The key-value store in RocksDB. `Database` is one open database as a KvStore; around it is what moves whole
// databases: the directories of the header, checkpoints for snapshots, and the exchange at a restore. The only file
// with RocksDB's types, but for rocksdb_files.cc.
#include "zraft/machines/rocksdb_kv.h"

#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <rocksdb/utilities/checkpoint.h>
#include <rocksdb/write_batch.h>

#include <filesystem>
#include <system_error>
#include <utility>
#include <vector>

#include "zraft/base/codec.h"
#include "zraft/machines/rocksdb_files.h"

namespace zraft::machines {
namespace {

namespace fs = std::filesystem;

constexpr BytesView applied_key = "\x01";
constexpr char item_prefix = '\x02';
constexpr char owned_prefix = '\x03';
constexpr char aside_prefix = '\x04';
constexpr std::uint16_t format_version = 2;
constexpr std::size_t numbers_size = 8 + 8;  // before a value

rocksdb::Slice slice_of(BytesView bytes) { return {bytes.data(), bytes.size()}; }
BytesView view_of(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

Bytes prefixed(char prefix, BytesView key) {
  Bytes stored(1, prefix);
  stored.append(key);
  return stored;
}

Bytes stored_key(BytesView key) { return prefixed(item_prefix, key); }

Bytes owned_key(std::uint64_t owner, BytesView key) {
  Bytes stored(1, owned_prefix);
  for (int shift = 56; shift >= 0; shift -= 8) stored.push_back(static_cast<char>((owner >> shift) & 0xff));
  stored.append(key);
  return stored;
}

// --- errors ---

std::unexpected<Error> damaged(const std::string& directory, const std::string& words) {
  return fail(Code::corrupt, "the database in " + directory + " is damaged (" + words +
                                 "): move it away and start again, then it is made anew from the snapshot and the log");
}

std::unexpected<Error> fail_as(const rocksdb::Status& status, const std::string& directory) {
  if (status.IsCorruption() || status.IsPathNotFound()) return damaged(directory, status.ToString());
  if (status.IsNoSpace()) return fail(Code::no_space, "the disk of the database in " + directory + " is full");
  if (status.IsInvalidArgument() || status.IsNotSupported()) {
    return fail(Code::unsupported,
                "the database in " + directory + " is none that this build can use: " + status.ToString());
  }
  return fail(Code::io, "the database in " + directory + ": " + status.ToString());
}

Result<> checked(const rocksdb::Status& status, const std::string& directory) {
  if (status.ok()) return {};
  return fail_as(status, directory);
}

// --- one database ---

rocksdb::Options options(bool must_exist) {
  rocksdb::Options options;
  options.create_if_missing = !must_exist;
  // What a start may have to apply again, and what each group takes of the memory, twice.
  options.write_buffer_size = std::size_t{16} << 20;
  options.level_compaction_dynamic_level_bytes = true;
  options.max_open_files = 256;  // one process has many databases
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.keep_log_file_num = 2;
  options.info_log_level = rocksdb::WARN_LEVEL;
  rocksdb::BlockBasedTableOptions table;
  // A put asks whether the key is there; of most new keys that reads no block then.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

class Database final : public KvStore {
 public:
  // Errors: corrupt, unsupported, no_space, io.
  static Result<std::unique_ptr<Database>> open(const std::string& path, bool must_exist);

  [[nodiscard]] Result<std::optional<Found>> get(BytesView key) const override;
  Result<bool> put(const KvItem& item) override;
  Result<bool> erase(BytesView key) override;
  [[nodiscard]] Result<std::vector<Bytes>> owned_by(std::uint64_t owner) const override;
  Result<> walk(BytesView prefix, BytesView start_after,
                const std::function<bool(const KvItem&)>& visit) const override;
  [[nodiscard]] Result<std::uint64_t> count(BytesView prefix) const override;

  // Writes what was put and erased since the last commit, the asides, and that `index` was applied, all of it or
  // nothing.
  Result<> commit(raft::Index index, const std::vector<node::Aside>& asides);
  Result<> recall(const std::function<void(BytesView key, BytesView value)>& show) const;
  [[nodiscard]] raft::Index applied() const { return applied_; }
  // Requires: there is no `path`. Flushes; links the files that hold what is in the database now.
  Result<> checkpoint(const std::string& path);
  // Reads every block.
  Result<> verify();

 private:
  explicit Database(std::string path) : path_(std::move(path)) {}
  Result<> read_applied();
  // The owner of the key that is there, 0 if it has none; nothing if there is no such key.
  [[nodiscard]] Result<std::optional<std::uint64_t>> owner_of(BytesView key) const;
  [[nodiscard]] Result<KvItem> item_of(BytesView key, BytesView stored_value) const;
  Result<> stage_put(const Bytes& stored, const Bytes& value);
  Result<> stage_erase(const Bytes& stored);
  // Shows what stands under the keys that begin with `prefix`, from `from` on, until `visit` says false.
  Result<> walk_stored(BytesView prefix, BytesView from,
                       const std::function<Result<bool>(BytesView stored, BytesView value)>& visit) const;

  std::string path_;
  std::unique_ptr<rocksdb::DB> db_;
  rocksdb::WriteBatch batch_;
  raft::Index applied_;
};

Result<std::unique_ptr<Database>> Database::open(const std::string& path, bool must_exist) {
  std::unique_ptr<Database> database(new Database(path));
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::Open(options(must_exist), path, &db);
  database->db_.reset(db);
  if (!status.ok()) return fail_as(status, path);
  if (auto ok = database->read_applied(); !ok) return fail(ok);
  return database;
}

Result<> Database::read_applied() {
  std::string value;
  const rocksdb::Status status = db_->Get({}, slice_of(applied_key), &value);
  if (status.IsNotFound()) {
    const std::unique_ptr<rocksdb::Iterator> first(db_->NewIterator({}));
    first->SeekToFirst();
    if (!first->Valid()) return checked(first->status(), path_);
    return fail(Code::unsupported, "the database in " + path_ + " is not one of zraft: give the store its own place");
  }
  if (!status.ok()) return fail_as(status, path_);
  Decoder in(value);
  const std::uint16_t version = in.u16();
  if (version != format_version) {
    const std::string what_to_do =
        version > format_version
            ? "run a newer one"
            : "move it away and start again, then it is made anew from the snapshot and the log";
    return fail(Code::unsupported, "the database in " + path_ + " has version " + std::to_string(version) +
                                       ", this build reads version " + std::to_string(format_version) + ": " +
                                       what_to_do);
  }
  applied_ = {in.u64()};
  if (!in.ok()) return damaged(path_, "it does not say what was applied");
  return {};
}

Result<KvItem> Database::item_of(BytesView key, BytesView stored_value) const {
  Decoder in(stored_value);
  const std::uint64_t version = in.u64();
  const std::uint64_t owner = in.u64();
  if (in.failed()) return damaged(path_, "a value has no version or no owner");
  return KvItem{.version = version, .key = key, .value = in.rest(), .owner = owner};
}

Result<std::optional<Found>> Database::get(BytesView key) const {
  const Bytes stored = stored_key(key);
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = db_->Get({}, db_->DefaultColumnFamily(), slice_of(stored), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return fail_as(status, path_);
  const Result<KvItem> item = item_of(key, view_of(value));
  if (!item) return fail(item);
  return Found{.version = item->version, .value = Bytes(item->value), .owner = item->owner};
}

Result<std::optional<std::uint64_t>> Database::owner_of(BytesView key) const {
  const Bytes stored = stored_key(key);
  rocksdb::PinnableSlice value;
  const rocksdb::Status status = db_->Get({}, db_->DefaultColumnFamily(), slice_of(stored), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return fail_as(status, path_);
  const Result<KvItem> item = item_of(key, view_of(value));
  if (!item) return fail(item);
  return item->owner;
}

Result<> Database::stage_put(const Bytes& stored, const Bytes& value) {
  return checked(batch_.Put(slice_of(stored), slice_of(value)), path_);
}

Result<> Database::stage_erase(const Bytes& stored) { return checked(batch_.Delete(slice_of(stored)), path_); }

// An entry puts or erases a key once, so what waits in the batch is never asked for.
Result<bool> Database::put(const KvItem& item) {
  const Result<std::optional<std::uint64_t>> before = owner_of(item.key);
  if (!before) return fail(before);
  Bytes value;
  value.reserve(numbers_size + item.value.size());
  Encoder encoder(value);
  encoder.u64(item.version);
  encoder.u64(item.owner);
  encoder.raw(item.value);
  if (auto ok = stage_put(stored_key(item.key), value); !ok) return fail(ok);
  const std::uint64_t owner_before = before->value_or(0);
  if (owner_before != item.owner && owner_before != 0) {
    if (auto ok = stage_erase(owned_key(owner_before, item.key)); !ok) return fail(ok);
  }
  if (owner_before != item.owner && item.owner != 0) {
    if (auto ok = stage_put(owned_key(item.owner, item.key), {}); !ok) return fail(ok);
  }
  return before->has_value();
}

Result<bool> Database::erase(BytesView key) {
  const Result<std::optional<std::uint64_t>> before = owner_of(key);
  if (!before) return fail(before);
  if (!*before) return false;
  if (auto ok = stage_erase(stored_key(key)); !ok) return fail(ok);
  if (**before != 0) {
    if (auto ok = stage_erase(owned_key(**before, key)); !ok) return fail(ok);
  }
  return true;
}

Result<> Database::walk_stored(BytesView prefix, BytesView from,
                               const std::function<Result<bool>(BytesView stored, BytesView value)>& visit) const {
  const std::unique_ptr<rocksdb::Iterator> at(db_->NewIterator({}));
  for (at->Seek(slice_of(from)); at->Valid() && view_of(at->key()).starts_with(prefix); at->Next()) {
    const Result<bool> goes_on = visit(view_of(at->key()), view_of(at->value()));
    if (!goes_on) return fail(goes_on);
    if (!*goes_on) break;
  }
  return checked(at->status(), path_);
}

Result<> Database::walk(BytesView prefix, BytesView start_after,
                        const std::function<bool(const KvItem&)>& visit) const {
  const bool from_first = start_after < prefix || start_after.empty();
  const Bytes stored_prefix = stored_key(prefix);
  const Bytes from = from_first ? stored_prefix : stored_key(start_after);
  return walk_stored(stored_prefix, from, [&](BytesView stored, BytesView value) -> Result<bool> {
    if (!from_first && stored == from) return true;
    const Result<KvItem> item = item_of(stored.substr(1), value);
    if (!item) return fail(item);
    return visit(*item);
  });
}

Result<std::vector<Bytes>> Database::owned_by(std::uint64_t owner) const {
  const Bytes prefix = owned_key(owner, {});
  std::vector<Bytes> keys;
  const auto add = [&](BytesView stored, BytesView) -> Result<bool> {
    keys.emplace_back(stored.substr(prefix.size()));
    return true;
  };
  if (auto ok = walk_stored(prefix, prefix, add); !ok) return fail(ok);
  return keys;
}

Result<std::uint64_t> Database::count(BytesView prefix) const {
  std::uint64_t counted = 0;
  const auto visit = [&counted](const KvItem&) { return ++counted, true; };
  if (auto ok = walk(prefix, {}, visit); !ok) return fail(ok);
  return counted;
}

Result<> Database::commit(raft::Index index, const std::vector<node::Aside>& asides) {
  for (const auto& [key, value] : asides) {
    const Bytes stored = prefixed(aside_prefix, key);
    if (auto ok = value ? stage_put(stored, *value) : stage_erase(stored); !ok) return ok;
  }
  Bytes value;
  Encoder encoder(value);
  encoder.u16(format_version);
  encoder.u64(index.value);
  if (auto ok = stage_put(Bytes(applied_key), value); !ok) return ok;
  rocksdb::WriteOptions write;
  write.disableWAL = true;
  const rocksdb::Status status = db_->Write(write, &batch_);
  batch_.Clear();
  if (!status.ok()) return fail_as(status, path_);
  applied_ = index;
  return {};
}

Result<> Database::recall(const std::function<void(BytesView key, BytesView value)>& show) const {
  const Bytes prefix(1, aside_prefix);
  return walk_stored(prefix, prefix, [&show](BytesView stored, BytesView value) -> Result<bool> {
    show(stored.substr(1), value);
    return true;
  });
}

Result<> Database::checkpoint(const std::string& path) {
  rocksdb::Checkpoint* made = nullptr;
  if (auto ok = checked(rocksdb::Checkpoint::Create(db_.get(), &made), path_); !ok) return ok;
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  // 0: it flushes first, whatever is in RocksDB's own log, in which nothing is.
  return checked(checkpoint->CreateCheckpoint(path, 0), path_);
}

Result<> Database::verify() { return checked(db_->VerifyChecksum(), path_); }

// A directory that goes away with the task that needs it, whether that is run or not.
class Temporary {
 public:
  explicit Temporary(fs::path path) : path_(std::move(path)) {}
  Temporary(Temporary&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  Temporary& operator=(Temporary&&) = delete;
  ~Temporary() { remove(); }
  void remove() {
    if (!path_.empty()) static_cast<void>(remove_tree(path_));  // open() removes what stays
    path_.clear();
  }
  [[nodiscard]] const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

}  // namespace

// --- the state machine ---

struct RocksKv::State {
  fs::path directory;
  KvLimits limits;
  std::unique_ptr<Database> database;
  raft::Index durable;
  std::uint64_t checkpoints = 0;

  [[nodiscard]] fs::path path(const char* name) const { return directory / name; }
  Result<> prepare();
  Result<> open_database();
  Result<> remove_leftovers();
  Result<> fill_restoring(node::SnapshotReader& reader);
  Result<> exchange();
};

// Makes the directory, and ends a restore that a crash cut short between its two renames.
Result<> RocksKv::State::prepare() {
  std::error_code error;
  fs::create_directories(directory, error);
  const bool was_cut_short = !error && !fs::exists(path("db"), error) && !error && fs::exists(path("replaced"), error);
  if (auto ok = checked(error, directory); !ok) return ok;
  if (!was_cut_short) return {};
  if (auto ok = move_directory(path("replaced"), path("db")); !ok) return ok;
  return sync_directory(directory);
}

Result<> RocksKv::State::open_database() {
  Result<std::unique_ptr<Database>> opened = Database::open(path("db").string(), false);
  if (!opened) return fail(opened);
  database = std::move(*opened);
  durable = database->applied();
  return {};
}

Result<> RocksKv::State::remove_leftovers() {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (fs::directory_iterator at(directory, error); !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (name.starts_with("checkpoint-") || name == "restoring" || name == "replaced") leftovers.push_back(at->path());
  }
  if (auto ok = checked(error, directory); !ok) return ok;
  for (const fs::path& leftover : leftovers) {
    if (auto ok = remove_tree(leftover); !ok) return ok;
  }
  return {};
}

// Makes a database of the snapshot's files, durable but not yet in its place, and looks at all of it.
Result<> RocksKv::State::fill_restoring(node::SnapshotReader& reader) {
  const fs::path to = path("restoring");
  if (auto ok = remove_tree(to); !ok) return ok;
  const Result<raft::Index> applied = take_over(reader, to);
  if (!applied) return fail(applied);
  const Result<std::unique_ptr<Database>> restored = Database::open(to.string(), true);
  if (!restored) return fail(restored);
  if ((*restored)->applied() != *applied) {
    return fail(Code::corrupt, "the snapshot's database is not the one it was: fetch or take another snapshot");
  }
  if (auto ok = (*restored)->verify(); !ok) return ok;
  return sync_directory(to);
}

// Puts `restoring` in the place of `db`. Requires: neither is open.
Result<> RocksKv::State::exchange() {
  if (auto ok = move_directory(path("db"), path("replaced")); !ok) return ok;
  if (auto ok = sync_directory(directory); !ok) return ok;
  if (auto ok = move_directory(path("restoring"), path("db")); !ok) return ok;
  return sync_directory(directory);
}

RocksKv::RocksKv(std::unique_ptr<State> state) : state_(std::move(state)) {}
RocksKv::~RocksKv() = default;

Result<std::unique_ptr<RocksKv>> RocksKv::open(const std::string& directory, KvLimits limits) {
  auto state = std::make_unique<State>();
  state->directory = fs::path(directory);
  state->limits = limits;
  if (auto ok = state->prepare(); !ok) return fail(ok);
  if (auto ok = state->open_database(); !ok) return fail(ok);
  if (auto ok = state->remove_leftovers(); !ok) return fail(ok);  // after the database's lock is ours
  return std::unique_ptr<RocksKv>(new RocksKv(std::move(state)));
}

Result<> RocksKv::admit(BytesView command) const { return admit_command(command, state_->limits); }

node::Applied RocksKv::apply(const node::Command& command) {
  Result<node::Applied> applied = apply_command(*state_->database, command);
  if (!applied) return {.result = {}, .changes = {}, .failure = applied.error()};
  return std::move(*applied);
}

node::Applied RocksKv::expire(raft::Index index, node::SessionId session) {
  Result<node::Applied> applied = expire_session(*state_->database, index, session);
  if (!applied) return {.result = {}, .changes = {}, .failure = applied.error()};
  return std::move(*applied);
}

Result<> RocksKv::commit(raft::Index index, const std::vector<node::Aside>& asides) {
  return state_->database->commit(index, asides);
}

Result<> RocksKv::recall(const std::function<void(BytesView key, BytesView value)>& show) const {
  return state_->database->recall(show);
}

Result<node::Queried> RocksKv::query(BytesView query) const {
  return answer_query(*state_->database, query, state_->limits);
}

Result<node::SnapshotTask> RocksKv::snapshot() {
  const fs::path path = state_->directory / ("checkpoint-" + std::to_string(++state_->checkpoints));
  Temporary checkpoint(path);
  if (auto ok = state_->database->checkpoint(path.string()); !ok) return fail(ok);
  const raft::Index applied = state_->database->applied();
  return [checkpoint = std::move(checkpoint), applied](node::SnapshotWriter& writer) mutable {
    const Result<> handed_over = hand_over(checkpoint.path(), applied, writer);
    checkpoint.remove();
    return handed_over;
  };
}

Result<> RocksKv::restore(node::SnapshotReader& reader) {
  if (auto ok = state_->fill_restoring(reader); !ok) {
    static_cast<void>(remove_tree(state_->path("restoring")));
    return ok;
  }
  state_->database.reset();
  if (auto ok = state_->exchange(); !ok) return ok;
  if (auto ok = state_->open_database(); !ok) return ok;
  return remove_tree(state_->path("replaced"));
}

raft::Index RocksKv::durable() const { return state_->durable; }

Result<std::uint64_t> RocksKv::digest() const { return digest_of(*state_->database); }

}  // namespace zraft::machines
