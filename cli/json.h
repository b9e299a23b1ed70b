// SPDX-License-Identifier: Apache-2.0
//
// JSON as zraft prints it: one value a line, in the order in which it was built. For the files that write JSON, which
// alone include this heavy header.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "zraft/base/bytes.h"

namespace zraft::cli {

using Json = nlohmann::ordered_json;

[[nodiscard]] std::string line_of(const Json& json);
// Bytes that are no UTF-8 are given in base64, under a name that says so.
void set(Json& json, const std::string& name, const Bytes& bytes);

}  // namespace zraft::cli
