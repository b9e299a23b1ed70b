// SPDX-License-Identifier: Apache-2.0
//
// An ordered map from keys to versioned values, of which a copy costs one reference: what a snapshot is taken with
// while the store goes on. A B-tree whose nodes and items count who holds them. A write copies the nodes on its way
// that another copy of the map holds as well (path copying), and changes in place those that it alone holds; an item
// is never changed. So a copy stays what it was, and without copies nothing is copied.
//
// One thread uses one map at a time; different copies may be read, changed and destroyed on different threads.
// Whoever drops the last reference frees: the thread that ends a snapshot frees what only the snapshot still held. A
// large map is best ended where nobody waits: move it, or a copy of it before clear(), to such a thread.
//
// A million keys of 16 bytes with values of 256 take 317 bytes each (put in random order; 313 in rising order), where
// std::map takes 416; puts and gets take about half of its time, a copy freed in the end 0.5 s. An owner takes 8 bytes
// more, of the keys that have one.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include "zraft/base/bytes.h"

namespace zraft::machines {

class CowMap {
 public:
  // One allocation: this, the owner if it has one, the key, the value. Made by CowMap alone.
  class Item {
   public:
    [[nodiscard]] std::uint64_t version() const { return version_; }
    [[nodiscard]] std::uint64_t owner() const;  // 0: none
    [[nodiscard]] BytesView key() const { return {text(), key_size_}; }
    [[nodiscard]] BytesView value() const { return {text() + key_size_, value_size_}; }

    [[nodiscard]] static const Item* make(BytesView key, std::uint64_t version, BytesView value, std::uint64_t owner);
    static void hold(const Item* item);
    static void drop(const Item* item);

   private:
    Item(std::uint64_t version, std::size_t key_size, std::size_t value_size, bool has_owner);
    [[nodiscard]] const char* text() const {
      return reinterpret_cast<const char*>(this + 1) + (has_owner_ ? sizeof(std::uint64_t) : 0);
    }

    std::uint64_t version_;
    mutable std::atomic<std::uint32_t> holders_ = 1;
    std::uint32_t key_size_;
    std::uint32_t value_size_;
    bool has_owner_;  // where the alignment left room
  };

  CowMap() = default;
  CowMap(const CowMap& other);  // shares everything
  CowMap(CowMap&& other) noexcept;
  CowMap& operator=(CowMap other) noexcept;
  ~CowMap();

  [[nodiscard]] std::size_t size() const { return size_; }

  // Valid until the map is changed.
  [[nodiscard]] const Item* find(BytesView key) const;

  // Both give the owner of the item that was there under that key, 0 if it had none; nothing if there was no such key.
  // Requires: key and value are below 4 GiB.
  std::optional<std::uint64_t> put(BytesView key, std::uint64_t version, BytesView value, std::uint64_t owner = 0);
  std::optional<std::uint64_t> erase(BytesView key);
  void clear();

 private:
  struct Node;
  struct Placed;
  // Every node but those at the right edge has a quarter of its slots filled: 12 levels are beyond any memory.
  static constexpr std::size_t height_max = 12;

 public:
  // A place between two items; valid until the map is changed.
  class Cursor {
   public:
    Cursor(const Node* root, BytesView key, bool after_equal);

    // The item that follows; null at the end.
    [[nodiscard]] const Item* item() const;
    // Requires, of both: item() is not null.
    void advance();
    // Passes keys that begin with `prefix`, many at a time; gives how many, 0 if the next key is none.
    std::uint64_t pass(BytesView prefix);

   private:
    struct Step {
      const Node* node = nullptr;
      std::size_t at = 0;
    };
    void leave_full_nodes();

    std::array<Step, height_max> steps_;
    std::size_t depth_ = 0;  // 0: at the end
  };
  [[nodiscard]] Cursor begin() const { return lower_bound({}); }
  // Before the first item whose key is not less.
  [[nodiscard]] Cursor lower_bound(BytesView key) const { return Cursor(root_, key, false); }
  // Before the first item whose key is greater.
  [[nodiscard]] Cursor upper_bound(BytesView key) const { return Cursor(root_, key, true); }

  // Takes time with the nodes that hold such keys, and looks at two keys of each.
  [[nodiscard]] std::uint64_t count(BytesView prefix) const;

 private:
  static Placed place(Node*& slot, const Item* item, bool is_last);
  static void remove(Node*& slot, BytesView key);

  Node* root_ = nullptr;  // null: empty
  std::size_t size_ = 0;
};

}  // namespace zraft::machines
