// SPDX-License-Identifier: Apache-2.0
//
// The allocator's hooks, as the sanitizers offer them: every block that is made or given back while `work` runs on this
// thread is counted by the size that was asked for.
#include <sanitizer/allocator_interface.h>

#include <algorithm>
#include <cstdint>

#include "fuzz/fuzzer.h"

namespace zraft::fuzz {
namespace {

struct Meter {
  bool is_on = false;
  std::int64_t now = 0;  // below zero when more was given back than made
  std::int64_t peak = 0;
};
thread_local Meter meter;

void on_malloc(const volatile void*, std::size_t size) {
  if (!meter.is_on) return;
  meter.now += static_cast<std::int64_t>(size);
  meter.peak = std::max(meter.peak, meter.now);
}

void on_free(const volatile void* block) {
  if (!meter.is_on || block == nullptr) return;
  meter.now -= static_cast<std::int64_t>(__sanitizer_get_allocated_size(const_cast<const void*>(block)));
}

}  // namespace

std::size_t memory_peak(const std::function<void()>& work) {
  static const int installed = __sanitizer_install_malloc_and_free_hooks(on_malloc, on_free);
  CHECK(installed != 0, "the sanitizer has no place for another hook");
  meter = {.is_on = true};
  work();
  meter.is_on = false;
  return static_cast<std::size_t>(meter.peak);
}

}  // namespace zraft::fuzz
