// SPDX-License-Identifier: Apache-2.0
//
// A queue of many elements, which can also be cut at its end: they stand in pieces, so that none is moved when it
// grows, however long it is. One that is short is small, which a std::deque is not: its only piece grows like a vector.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "zraft/base/queue.h"

namespace zraft {

template <class T>
class LongQueue {
 public:
  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }
  // Requires, of all that follow: there is such an element.
  [[nodiscard]] const T& operator[](std::size_t at) const {
    return pieces_[(head_ + at) / piece][(head_ + at) % piece];
  }
  [[nodiscard]] const T& front() const { return (*this)[0]; }
  [[nodiscard]] const T& back() const { return pieces_.back().back(); }

  void push_back(T item) {
    if (pieces_.empty() || pieces_.back().size() == piece) {
      pieces_.push_back({});
      if (pieces_.size() > 1) pieces_.back().reserve(piece);
    }
    pieces_.back().push_back(std::move(item));
    ++size_;
  }
  void pop_front() {
    if (--size_ == 0) return clear();
    pieces_.front()[head_] = T{};  // what it holds goes now
    if (++head_ < piece) return;
    head_ = 0;
    pieces_.pop_front();
  }
  void pop_back() {
    if (--size_ == 0) return clear();
    pieces_.back().pop_back();
    if (pieces_.back().empty()) pieces_.pop_back();
  }
  void clear() {
    pieces_.clear();
    head_ = size_ = 0;
  }

 private:
  static constexpr std::size_t piece = 512;

  Queue<std::vector<T>> pieces_;  // all but the last one full; none empty
  std::size_t head_ = 0;          // of the first one, how many were taken
  std::size_t size_ = 0;
};

}  // namespace zraft
