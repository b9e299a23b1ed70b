// SPDX-License-Identifier: Apache-2.0
//
// First in, first out, and no memory while it is empty: a std::deque takes half a kilobyte for nothing, which ten
// thousand idle groups have several times each. Elements stand in one piece; what was taken from the front is let go
// when it is half of all, so each costs a constant number of moves.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace zraft {

template <class T>
class Queue {
 public:
  [[nodiscard]] bool empty() const { return head_ == items_.size(); }
  [[nodiscard]] std::size_t size() const { return items_.size() - head_; }
  // Requires, of all that follow: there is such an element.
  [[nodiscard]] T& front() { return items_[head_]; }
  [[nodiscard]] const T& front() const { return items_[head_]; }
  [[nodiscard]] T& back() { return items_.back(); }
  [[nodiscard]] const T& back() const { return items_.back(); }
  [[nodiscard]] const T& operator[](std::size_t at) const { return items_[head_ + at]; }

  void push_back(T item) { items_.push_back(std::move(item)); }
  template <class... Args>
  void emplace_back(Args&&... args) {
    items_.emplace_back(std::forward<Args>(args)...);
  }
  void pop_front() {
    items_[head_] = T{};  // what it holds goes now
    ++head_;
    if (empty()) return clear();
    if (head_ * 2 < items_.size()) return;
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(head_));
    head_ = 0;
  }
  void pop_back() {
    items_.pop_back();
    if (empty()) clear();
  }
  void clear() {
    items_ = std::vector<T>();
    head_ = 0;
  }

  [[nodiscard]] auto begin() { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  [[nodiscard]] auto end() { return items_.end(); }
  [[nodiscard]] auto begin() const { return items_.begin() + static_cast<std::ptrdiff_t>(head_); }
  [[nodiscard]] auto end() const { return items_.end(); }

 private:
  std::vector<T> items_;
  std::size_t head_ = 0;
};

}  // namespace zraft
