// SPDX-License-Identifier: Apache-2.0
//
// Links, copies and renames of a database's files; RocksDB's own seam to the system syncs them.
#include "zraft/machines/rocksdb_files.h"

#include <rocksdb/env.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "zraft/base/checksum.h"
#include "zraft/base/codec.h"

namespace zraft::machines {
namespace {

namespace fs = std::filesystem;

constexpr BytesView applied_magic = "zraft-rk";
constexpr std::size_t applied_file_size = 8 + 2 + 8 + 4;
constexpr std::size_t piece_bytes = std::size_t{1} << 20;

Result<> checked_status(const rocksdb::Status& status, const fs::path& path) {
  if (status.ok()) return {};
  return fail(status.IsNoSpace() ? Code::no_space : Code::io, path.string() + ": " + status.ToString());
}

// What a database needs to be opened again. RocksDB makes the rest anew: its lock, its identity, its reports.
bool is_database_file(const std::string& name) {
  const auto is_number = [](BytesView text) {
    return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
  };
  const BytesView view = name;
  if (view == "CURRENT") return true;
  if (view.starts_with("MANIFEST-") || view.starts_with("OPTIONS-")) return is_number(view.substr(view.find('-') + 1));
  return view.ends_with(".sst") && is_number(view.substr(0, view.size() - 4));
}

// The only kind that nobody writes to again once it is there, so that two databases may share it.
bool may_be_linked(const std::string& name) { return name.ends_with(".sst"); }

// Not possible between two disks, for example.
bool is_linked(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::create_hard_link(from, to, error);
  return !error;
}

// Piece by piece from the database's files into the snapshot's.
Result<> append_file(const std::string& path, const std::string& name, node::SnapshotWriter& writer) {
  if (auto ok = writer.begin(name); !ok) return ok;
  std::unique_ptr<rocksdb::SequentialFile> file;
  if (auto ok = checked_status(rocksdb::Env::Default()->NewSequentialFile(path, &file, {}), path); !ok) return ok;
  Bytes scratch(piece_bytes, '\0');
  while (true) {
    rocksdb::Slice piece;
    if (auto ok = checked_status(file->Read(scratch.size(), &piece, scratch.data()), path); !ok) return ok;
    if (piece.empty()) return {};
    if (auto ok = writer.append({piece.data(), piece.size()}); !ok) return ok;
  }
}

// And back; durable when it returns.
Result<> copy_out(node::SnapshotReader& reader, const std::string& name, const std::string& path) {
  const Result<std::uint64_t> size = reader.size(name);
  if (!size) return fail(size);
  std::unique_ptr<rocksdb::WritableFile> file;
  if (auto ok = checked_status(rocksdb::Env::Default()->NewWritableFile(path, &file, {}), path); !ok) return ok;
  for (std::uint64_t offset = 0; offset < *size;) {
    const Result<Bytes> piece = reader.read(name, offset, piece_bytes);
    if (!piece) return fail(piece);
    if (piece->empty()) return fail(Code::corrupt, "the file " + name + " of the snapshot is shorter than it was");
    if (auto ok = checked_status(file->Append(rocksdb::Slice(*piece)), path); !ok) return ok;
    offset += piece->size();
  }
  if (auto ok = checked_status(file->Sync(), path); !ok) return ok;
  return checked_status(file->Close(), path);
}

}  // namespace

Result<> checked(const std::error_code& error, const fs::path& path) {
  if (!error) return {};
  const bool is_full = error == std::errc::no_space_on_device;
  return fail(is_full ? Code::no_space : Code::io, path.string() + ": " + error.message());
}

Result<> remove_tree(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return checked(error, path);
}

Result<> move_directory(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  return checked(error, from);
}

Result<> sync_directory(const fs::path& path) {
  std::unique_ptr<rocksdb::Directory> directory;
  const rocksdb::Status opened = rocksdb::Env::Default()->NewDirectory(path.string(), &directory);
  return checked_status(opened.ok() ? directory->Fsync() : opened, path);
}

Bytes encode_applied_file(raft::Index applied) {
  Bytes bytes(applied_magic);
  Encoder encoder(bytes);
  encoder.u16(applied_file_version);
  encoder.u64(applied.value);
  encoder.u32(crc32c(bytes));
  return bytes;
}

Result<raft::Index> decode_applied_file(BytesView bytes) {
  Decoder in(bytes);
  const bool is_ours = in.raw(applied_magic.size()) == applied_magic;
  const std::uint16_t version = in.u16();
  if (is_ours && !in.failed() && version != applied_file_version) {
    return fail(Code::unsupported, "the snapshot has version " + std::to_string(version) +
                                       ", this build reads version " + std::to_string(applied_file_version) +
                                       ": run a newer one");
  }
  const std::uint64_t applied = in.u64();
  const std::uint32_t checksum = in.u32();
  if (!is_ours || !in.ok() || checksum != crc32c(bytes.substr(0, applied_file_size - 4))) {
    return fail(Code::corrupt, "the file applied of the snapshot is damaged: fetch or take another snapshot");
  }
  return raft::Index{applied};
}

Result<> hand_over(const fs::path& checkpoint, raft::Index applied, node::SnapshotWriter& writer) {
  const fs::path applied_file = checkpoint / applied_file_name;
  const rocksdb::Status written =
      rocksdb::WriteStringToFile(rocksdb::Env::Default(), encode_applied_file(applied), applied_file.string());
  if (auto ok = checked_status(written, applied_file); !ok) return ok;
  const Result<std::string> to = writer.directory();
  if (!to && to.error().code != Code::unsupported) return fail(to);
  std::error_code error;
  std::vector<std::string> names;
  for (fs::directory_iterator at(checkpoint, error); !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (is_database_file(name) || name == applied_file_name) names.push_back(name);
  }
  if (auto ok = checked(error, checkpoint); !ok) return ok;
  for (const std::string& name : names) {
    const fs::path from = checkpoint / name;
    if (!to) {
      if (auto ok = append_file(from.string(), name, writer); !ok) return ok;
      continue;
    }
    // Nothing writes to a checkpoint, so all of its files may be linked.
    if (!is_linked(from, fs::path(*to) / name)) fs::copy_file(from, fs::path(*to) / name, error);
    if (auto ok = checked(error, from); !ok) return ok;
  }
  return {};
}

Result<raft::Index> take_over(node::SnapshotReader& reader, const fs::path& to) {
  std::error_code error;
  fs::create_directory(to, error);
  if (auto ok = checked(error, to); !ok) return fail(ok);
  const std::vector<std::string> names = reader.files();
  for (const std::string& needed : {std::string(applied_file_name), std::string("CURRENT")}) {
    if (std::ranges::find(names, needed) != names.end()) continue;
    return fail(Code::corrupt, "the snapshot has no file " + needed + ": is it of another backend?");
  }
  const Result<Bytes> applied = reader.read(applied_file_name, 0, applied_file_size + 1);
  if (!applied) return fail(applied);

  const Result<std::string> from = reader.directory();
  if (!from && from.error().code != Code::unsupported) return fail(from);
  for (const std::string& name : names) {
    if (name == applied_file_name) continue;
    if (!is_database_file(name)) {
      return fail(Code::corrupt, "the snapshot has a file " + name + ", which is none of RocksDB's: fetch another");
    }
    if (from && may_be_linked(name) && is_linked(fs::path(*from) / name, to / name)) continue;
    if (auto ok = copy_out(reader, name, (to / name).string()); !ok) return fail(ok);
  }
  if (auto ok = sync_directory(to); !ok) return fail(ok);
  return decode_applied_file(*applied);
}

}  // namespace zraft::machines
