// SPDX-License-Identifier: Apache-2.0
//
// What a document of a format promises, read for the test that holds it against the code: the examples, which are
// blocks of ```hex NAME with bytes as two digits each, an offset with a colon before them and words after a # besides;
// and the numbered rows of a table under a heading.
#pragma once

#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "zraft/base/bytes.h"

namespace zraft::test {

[[nodiscard]] inline std::vector<std::string> lines_of_document(const std::string& name) {
  std::ifstream file(std::string(ZRAFT_SOURCE_DIR "/docs/") + name);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

[[nodiscard]] inline std::map<std::string, Bytes> examples_of_document(const std::string& name) {
  static const std::string fence = "```hex ";
  std::map<std::string, Bytes> examples;
  Bytes* open = nullptr;
  for (const std::string& line : lines_of_document(name)) {
    if (open == nullptr) {
      if (line.starts_with(fence)) open = &examples[line.substr(fence.size())];
      continue;
    }
    if (line == "```") {
      open = nullptr;
      continue;
    }
    std::istringstream words(line.substr(0, line.find('#')));
    for (std::string word; words >> word;) {
      if (!word.ends_with(':')) open->push_back(static_cast<char>(std::stoi(word, nullptr, 16)));
    }
  }
  return examples;
}

// The numbers in the first column of the tables between the heading and the next one.
[[nodiscard]] inline std::vector<int> numbered_rows(const std::string& name, const std::string& heading) {
  std::vector<int> numbers;
  bool is_inside = false;
  for (const std::string& line : lines_of_document(name)) {
    if (line.starts_with('#')) is_inside = line == heading;
    if (!is_inside || !line.starts_with("| ") || line.size() < 3) continue;
    if ('0' <= line[2] && line[2] <= '9') numbers.push_back(std::stoi(line.substr(2)));
  }
  return numbers;
}

// 1 to n: what numbered_rows should give when each alternative of a variant has its row.
[[nodiscard]] inline std::vector<int> one_to(std::size_t n) {
  std::vector<int> numbers;
  for (std::size_t i = 1; i <= n; ++i) numbers.push_back(static_cast<int>(i));
  return numbers;
}

}  // namespace zraft::test
