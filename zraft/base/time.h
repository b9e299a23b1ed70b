// SPDX-License-Identifier: Apache-2.0
//
// Time as a value. Nothing here reads a clock: an Instant comes from the Loop seam (monotonic, nanoseconds since a
// point that only one process knows), so the same inputs give the same outputs, simulated or real (P91).
#pragma once

#include <compare>
#include <cstdint>

namespace zraft {

struct Duration {
  std::int64_t ns = 0;

  static constexpr Duration nanoseconds(std::int64_t n) { return {n}; }
  static constexpr Duration microseconds(std::int64_t n) { return {n * 1'000}; }
  static constexpr Duration milliseconds(std::int64_t n) { return {n * 1'000'000}; }
  static constexpr Duration seconds(std::int64_t n) { return {n * 1'000'000'000}; }
  [[nodiscard]] constexpr std::int64_t to_microseconds() const { return ns / 1'000; }
  [[nodiscard]] constexpr std::int64_t to_milliseconds() const { return ns / 1'000'000; }

  friend constexpr auto operator<=>(Duration, Duration) = default;
  friend constexpr Duration operator+(Duration a, Duration b) { return {a.ns + b.ns}; }
  friend constexpr Duration operator-(Duration a, Duration b) { return {a.ns - b.ns}; }
  friend constexpr Duration operator*(Duration a, std::int64_t n) { return {a.ns * n}; }
  friend constexpr Duration operator/(Duration a, std::int64_t n) { return {a.ns / n}; }
};

struct Instant {
  std::int64_t ns = 0;

  static constexpr Instant never() { return {INT64_MAX}; }
  friend constexpr auto operator<=>(Instant, Instant) = default;
  friend constexpr Duration operator-(Instant a, Instant b) { return {a.ns - b.ns}; }
  friend constexpr Instant operator+(Instant a, Duration d) { return {a.ns + d.ns}; }
  friend constexpr Instant operator-(Instant a, Duration d) { return {a.ns - d.ns}; }
};

// Cluster time: proposed by the leader inside entries, never goes back, the only time that a state machine sees.
// Nanoseconds; its zero is the creation of the group.
struct ClusterTime {
  std::int64_t ns = 0;
  friend constexpr auto operator<=>(ClusterTime, ClusterTime) = default;
};

}  // namespace zraft
