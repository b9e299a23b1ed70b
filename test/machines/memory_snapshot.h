// SPDX-License-Identifier: Apache-2.0
//
// The files of a snapshot as a map in memory, written and read through node's interfaces.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "zraft/node/state_machine.h"

namespace zraft::test {

using SnapshotFiles = std::map<std::string, Bytes>;

class MemorySnapshotWriter final : public node::SnapshotWriter {
 public:
  Result<> begin(const std::string& file) override {
    current_ = &files[file];
    return {};
  }
  Result<> append(BytesView bytes) override {
    if (current_ == nullptr) return fail(Code::bad_request, "append before begin");
    append_max = std::max(append_max, bytes.size());
    current_->append(bytes);
    return {};
  }
  Result<std::string> directory() override { return fail(Code::unsupported, "these files are in memory"); }

  SnapshotFiles files;
  std::size_t append_max = 0;

 private:
  Bytes* current_ = nullptr;
};

class MemorySnapshotReader final : public node::SnapshotReader {
 public:
  explicit MemorySnapshotReader(const SnapshotFiles& files) : files_(files) {}

  [[nodiscard]] std::vector<std::string> files() const override {
    std::vector<std::string> names;
    for (const auto& [name, bytes] : files_) names.push_back(name);
    return names;
  }
  Result<std::uint64_t> size(const std::string& file) override {
    const auto at = files_.find(file);
    if (at == files_.end()) return fail(Code::not_found, "there is no file " + file);
    return at->second.size();
  }
  Result<Bytes> read(const std::string& file, std::uint64_t offset, std::size_t length) override {
    const auto at = files_.find(file);
    if (at == files_.end() || offset > at->second.size()) return fail(Code::not_found, "there is no " + file);
    return at->second.substr(static_cast<std::size_t>(offset), length);
  }
  Result<std::string> directory() override { return fail(Code::unsupported, "these files are in memory"); }

 private:
  const SnapshotFiles& files_;
};

}  // namespace zraft::test
