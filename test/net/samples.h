// SPDX-License-Identifier: Apache-2.0
//
// At least one of everything that a decoder of this project may be given from outside, by the name of the fuzzer that
// feeds that decoder. The round-trip tests walk over them, the examples of docs/wire_format.md are some of them, and
// the fuzzers start from them (fuzz/corpus).
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "zraft/base/bytes.h"
#include "zraft/base/result.h"

namespace zraft::net::test {

struct Sample {
  std::string name;
  Bytes bytes;
};

struct Format {
  std::string name;
  // Decodes all of the bytes and encodes the value.
  std::function<Result<Bytes>(BytesView)> again;
  std::vector<Sample> samples;
};

[[nodiscard]] std::vector<Format> formats();
[[nodiscard]] Bytes sample(const std::string& format, const std::string& name);

}  // namespace zraft::net::test
