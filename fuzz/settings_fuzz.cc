// SPDX-License-Identifier: Apache-2.0
//
// The file of settings. Every problem has a sentence that begins with path and line; a file without problems gives
// settings that, written down and read again, are the same.
#include "fuzz/fuzzer.h"
#include "server/settings.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace zraft;
  server::Settings settings;
  const auto problems = server::read_toml(fuzz::view(data, size), "file", settings);
  for (const std::string& problem : problems) {
    CHECK(problem.starts_with("file:") && problem.size() > 10, "a problem says where it is and what");
  }
  (void)server::problems_of(settings);
  if (!problems.empty()) return 0;
  const std::string written = server::to_toml(settings);
  server::Settings again;
  const auto none = server::read_toml(written, "written", again);
  CHECK(none.empty(), none.front());
  CHECK(server::to_toml(again) == written, "what is printed can be read again");
  return 0;
}
