// SPDX-License-Identifier: Apache-2.0
//
// Plays every script of test/scripts and holds the story against the one in the file. REWRITE=1 writes the stories
// anew; the diff is then read like code.
#include "test/raft/transcript.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

namespace zraft::raft {
namespace {

std::vector<std::string> scripts() {
  std::vector<std::string> out;
  for (const auto& file : std::filesystem::directory_iterator(ZRAFT_SOURCE_DIR "/test/scripts")) {
    if (file.path().extension() == ".txt") out.push_back(file.path().string());
  }
  std::ranges::sort(out);
  return out;
}

std::string contents_of(const std::string& path) {
  std::ostringstream out;
  out << std::ifstream(path).rdbuf();
  return out.str();
}

class Transcript : public testing::TestWithParam<std::string> {};

TEST_P(Transcript, ReadsAsWritten) {
  const std::string before = contents_of(GetParam());
  ASSERT_TRUE(before.starts_with("# ")) << "a script opens with its scenario";
  const std::string after = text_of(run_blocks(parse_blocks(before)));
  if (std::getenv("REWRITE") != nullptr) {
    std::ofstream(GetParam()) << after;
  } else {
    EXPECT_EQ(before, after);
  }
}

TEST_P(Transcript, IsTheSameTwice) {
  const auto blocks = parse_blocks(contents_of(GetParam()));
  EXPECT_EQ(text_of(run_blocks(blocks)), text_of(run_blocks(blocks)));
}

INSTANTIATE_TEST_SUITE_P(Scripts, Transcript, testing::ValuesIn(scripts()), [](const auto& param) {
  return std::filesystem::path(param.param).stem().string();
});

}  // namespace
}  // namespace zraft::raft
