// SPDX-License-Identifier: Apache-2.0
//
// The seeds of a fuzzer, fuzz/corpus/<name>, are made by tests, from values that the decoders know: so they stay right
// when a format changes. REWRITE=1 writes them; without it a test says which one is out of date.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "zraft/base/bytes.h"

namespace zraft::test {

using Seeds = std::map<std::string, Bytes>;

inline void expect_seeds(const std::string& fuzzer, const Seeds& seeds) {
  const auto corpus = std::filesystem::path(ZRAFT_SOURCE_DIR) / "fuzz/corpus" / fuzzer;
  for (const auto& [name, bytes] : seeds) {
    const auto path = corpus / name;
    if (std::getenv("REWRITE") != nullptr) {
      std::filesystem::create_directories(corpus);
      std::ofstream(path, std::ios::binary) << bytes;
    }
    std::stringstream found;
    found << std::ifstream(path, std::ios::binary).rdbuf();
    EXPECT_TRUE(found.str() == bytes) << path << ": run this test with REWRITE=1";
  }
}

}  // namespace zraft::test
