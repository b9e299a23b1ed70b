// SPDX-License-Identifier: Apache-2.0
//
// Bytes as the whole project passes them. Owned bytes are a std::string, borrowed ones a std::string_view:
// neither says anything about text. SharedBytes is the one buffer that is truly shared: an encoded record, which
// is in the log, on the wire and in memory at the same time and is never changed after it was made.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace zraft {

using Bytes = std::string;
using BytesView = std::string_view;
using SharedBytes = std::shared_ptr<const Bytes>;

}  // namespace zraft
