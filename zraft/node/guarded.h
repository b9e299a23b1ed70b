// SPDX-License-Identifier: Apache-2.0
//
// A call of user code, which may throw (W-29): here it becomes an error. Nobody else in the tree catches anything.
#pragma once

#include <exception>
#include <string>

#include "zraft/base/result.h"

namespace zraft::node {

// Requires: `call` gives a Result.
template <class Call>
auto guarded(Call call) -> decltype(call()) {
  try {
    return call();
  } catch (const std::exception& thrown) {
    return fail(Code::bad_request, std::string("the state machine threw: ") + thrown.what());
  } catch (...) {
    return fail(Code::bad_request, "the state machine threw something that is no std::exception");
  }
}

}  // namespace zraft::node
