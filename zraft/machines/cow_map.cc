// SPDX-License-Identifier: Apache-2.0
//
// The B-tree. Items are in the leaves alone. A node above holds for each child the child's lowest item, which the
// child's leaf holds, not the node: whoever changes the lowest item of a leaf owns all nodes above it at that moment,
// because a write makes every node on its way its own, and corrects them on its way back.
//
//   laws   keys rise from slot to slot; all leaves are at height 0; no node is empty;
//          a node is filled by a quarter at least, unless it is at the right edge of the tree
#include "zraft/machines/cow_map.h"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

#include "zraft/base/check.h"

namespace zraft::machines {
namespace {

// A copied node makes each of its items a cache miss, so a wide node makes the first writes after a snapshot slow; a
// narrow one has more levels. The search compares about as many keys with either.
constexpr std::size_t slots = 32;
constexpr std::size_t slots_min = slots / 4;

}  // namespace

// --- items ---

CowMap::Item::Item(std::uint64_t version, std::size_t key_size, std::size_t value_size, bool has_owner)
    : version_(version),
      key_size_(static_cast<std::uint32_t>(key_size)),
      value_size_(static_cast<std::uint32_t>(value_size)),
      has_owner_(has_owner) {}

const CowMap::Item* CowMap::Item::make(BytesView key, std::uint64_t version, BytesView value, std::uint64_t owner) {
  static_assert(sizeof(Item) == 24, "a key without an owner does not pay for those that have one");
  const bool has_owner = owner != 0;
  const std::size_t owner_size = has_owner ? sizeof(owner) : 0;
  void* memory = ::operator new(sizeof(Item) + owner_size + key.size() + value.size());
  const Item* item = new (memory) Item(version, key.size(), value.size(), has_owner);
  char* behind = static_cast<char*>(memory) + sizeof(Item);
  if (has_owner) std::memcpy(behind, &owner, sizeof(owner));
  std::copy(value.begin(), value.end(), std::copy(key.begin(), key.end(), behind + owner_size));
  return item;
}

std::uint64_t CowMap::Item::owner() const {
  std::uint64_t owner = 0;
  if (has_owner_) std::memcpy(&owner, this + 1, sizeof(owner));
  return owner;
}

void CowMap::Item::hold(const Item* item) { item->holders_.fetch_add(1, std::memory_order_relaxed); }

void CowMap::Item::drop(const Item* item) {
  if (item->holders_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  item->~Item();
  ::operator delete(const_cast<Item*>(item));
}

// --- nodes ---

struct CowMap::Node {
  mutable std::atomic<std::uint32_t> holders = 1;
  std::uint16_t count = 0;
  std::uint16_t height = 0;  // 0: a leaf
  // A leaf's own items, which it holds; above, the lowest item of each child.
  const Item* items[slots];

  // Above the leaves only: they stand behind the node, so that a leaf need not have room for them.
  [[nodiscard]] Node** children() { return reinterpret_cast<Node**>(this + 1); }
  [[nodiscard]] Node* const* children() const { return reinterpret_cast<Node* const*>(this + 1); }
  [[nodiscard]] bool is_leaf() const { return height == 0; }

  static Node* make(std::uint16_t height);
  static void drop(Node* node);
  // Frees a node whose slots were moved elsewhere.
  static void free(Node* node);
  // Makes the node in `slot` one that nobody else holds.
  static void own(Node*& slot);

  // How many keys are not greater.
  [[nodiscard]] std::size_t upper(BytesView key) const;
  // Where a key is, or would have to be. Requires: no leaf.
  [[nodiscard]] std::size_t child_for(BytesView key) const { return std::max<std::size_t>(upper(key), 1) - 1; }

  // A child is given for a node above the leaves. Gives the node that was split off to the right, if there was no room.
  Node* insert(std::size_t at, const Item* item, Node* child, bool is_last);
  void put_slot(std::size_t at, const Item* item, Node* child);
  void take_slot(std::size_t at);
  // Moves the slots [from, count) before those of a node to the right of this one.
  void move_tail(std::size_t from, Node& right);
  // Moves the first n slots of a node to the right of this one behind its own.
  void move_head(std::size_t n, Node& right);
  // A child became too small: takes from its neighbour, or is joined with it.
  void mend(std::size_t at);
};

CowMap::Node* CowMap::Node::make(std::uint16_t height) {
  const std::size_t size = sizeof(Node) + (height == 0 ? 0 : slots * sizeof(Node*));
  Node* node = new (::operator new(size)) Node;
  node->height = height;
  return node;
}

void CowMap::Node::free(Node* node) {
  node->~Node();
  ::operator delete(node);
}

// Calls itself as deep as the tree is high, which Cursor bounds.
void CowMap::Node::drop(Node* node) {
  if (node->holders.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  for (std::size_t i = 0; i < node->count; ++i) {
    if (node->is_leaf()) {
      Item::drop(node->items[i]);
    } else {
      drop(node->children()[i]);
    }
  }
  free(node);
}

void CowMap::Node::own(Node*& slot) {
  // Acquire: what another thread read in this node it read before it dropped it, and so before we change it. If we are
  // the only holder nobody can become another one: he would have to ask through us.
  if (slot->holders.load(std::memory_order_acquire) == 1) return;
  Node* copy = make(slot->height);
  copy->count = slot->count;
  std::copy_n(slot->items, slot->count, copy->items);
  for (std::size_t i = 0; i < slot->count; ++i) {
    if (slot->is_leaf()) {
      Item::hold(slot->items[i]);
    } else {
      copy->children()[i] = slot->children()[i];
      slot->children()[i]->holders.fetch_add(1, std::memory_order_relaxed);
    }
  }
  drop(slot);
  slot = copy;
}

std::size_t CowMap::Node::upper(BytesView key) const {
  std::size_t low = 0;
  std::size_t high = count;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    if (key < items[middle]->key()) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

void CowMap::Node::put_slot(std::size_t at, const Item* item, Node* child) {
  std::copy_backward(items + at, items + count, items + count + 1);
  items[at] = item;
  if (!is_leaf()) {
    std::copy_backward(children() + at, children() + count, children() + count + 1);
    children()[at] = child;
  }
  ++count;
}

void CowMap::Node::take_slot(std::size_t at) {
  std::copy(items + at + 1, items + count, items + at);
  if (!is_leaf()) std::copy(children() + at + 1, children() + count, children() + at);
  --count;
}

void CowMap::Node::move_tail(std::size_t from, Node& right) {
  const std::size_t n = count - from;
  std::copy_backward(right.items, right.items + right.count, right.items + right.count + n);
  std::copy_n(items + from, n, right.items);
  if (!is_leaf()) {
    std::copy_backward(right.children(), right.children() + right.count, right.children() + right.count + n);
    std::copy_n(children() + from, n, right.children());
  }
  right.count = static_cast<std::uint16_t>(right.count + n);
  count = static_cast<std::uint16_t>(from);
}

void CowMap::Node::move_head(std::size_t n, Node& right) {
  std::copy_n(right.items, n, items + count);
  std::copy(right.items + n, right.items + right.count, right.items);
  if (!is_leaf()) {
    std::copy_n(right.children(), n, children() + count);
    std::copy(right.children() + n, right.children() + right.count, right.children());
  }
  count = static_cast<std::uint16_t>(count + n);
  right.count = static_cast<std::uint16_t>(right.count - n);
}

CowMap::Node* CowMap::Node::insert(std::size_t at, const Item* item, Node* child, bool is_last) {
  if (count < slots) {
    put_slot(at, item, child);
    return nullptr;
  }
  // What is put behind everything leaves full nodes behind it: keys that come in order, as at a restore, are packed.
  const std::size_t kept = is_last && at == slots ? slots : slots / 2;
  Node* right = make(height);
  move_tail(kept, *right);
  if (at <= kept && kept < slots) {
    put_slot(at, item, child);
  } else {
    right->put_slot(at - kept, item, child);
  }
  return right;
}

void CowMap::Node::mend(std::size_t at) {
  if (count == 1) {  // at the right edge; the node above mends this one
    if (children()[0]->count != 0) return;
    drop(children()[0]);
    count = 0;
    return;
  }
  const std::size_t l = at == 0 ? 0 : at - 1;
  own(children()[l]);
  own(children()[l + 1]);
  Node& left = *children()[l];
  Node& right = *children()[l + 1];
  const std::size_t total = std::size_t{left.count} + right.count;
  if (total <= slots) {
    left.move_head(right.count, right);
    free(&right);
    take_slot(l + 1);
  } else {
    if (left.count < total / 2) left.move_head(total / 2 - left.count, right);
    if (left.count > total / 2) left.move_tail(total / 2, right);
    items[l + 1] = right.items[0];
  }
  items[l] = left.items[0];
}

// --- the map ---

CowMap::CowMap(const CowMap& other) : root_(other.root_), size_(other.size_) {
  if (root_ != nullptr) root_->holders.fetch_add(1, std::memory_order_relaxed);
}

CowMap::CowMap(CowMap&& other) noexcept
    : root_(std::exchange(other.root_, nullptr)), size_(std::exchange(other.size_, 0)) {}

CowMap& CowMap::operator=(CowMap other) noexcept {
  std::swap(root_, other.root_);
  std::swap(size_, other.size_);
  return *this;
}

CowMap::~CowMap() { clear(); }

void CowMap::clear() {
  if (root_ != nullptr) Node::drop(root_);
  root_ = nullptr;
  size_ = 0;
}

const CowMap::Item* CowMap::find(BytesView key) const {
  if (root_ == nullptr) return nullptr;
  const Node* node = root_;
  while (!node->is_leaf()) node = node->children()[node->child_for(key)];
  const std::size_t upper = node->upper(key);
  return upper != 0 && node->items[upper - 1]->key() == key ? node->items[upper - 1] : nullptr;
}

// What became of the node into which an item was put.
struct CowMap::Placed {
  std::optional<std::uint64_t> owner_before;  // nothing: the key is new
  Node* split_off = nullptr;
};

std::optional<std::uint64_t> CowMap::put(BytesView key, std::uint64_t version, BytesView value, std::uint64_t owner) {
  CHECK(key.size() <= UINT32_MAX && value.size() <= UINT32_MAX, "a record of the log is far smaller");
  const Item* item = Item::make(key, version, value, owner);
  if (root_ == nullptr) root_ = Node::make(0);
  const Placed placed = place(root_, item, true);
  if (placed.split_off != nullptr) {
    Node* above = Node::make(static_cast<std::uint16_t>(root_->height + 1));
    CHECK(above->height < height_max, "a tree of that height does not fit into any memory");
    above->put_slot(0, root_->items[0], root_);
    above->put_slot(1, placed.split_off->items[0], placed.split_off);
    root_ = above;
  }
  if (!placed.owner_before) ++size_;
  return placed.owner_before;
}

// `is_last`: the node is at the right edge of the tree.
CowMap::Placed CowMap::place(Node*& slot, const Item* item, bool is_last) {
  Node::own(slot);
  Node& node = *slot;
  if (!node.is_leaf()) {
    const std::size_t at = node.child_for(item->key());
    Node*& child = node.children()[at];
    Placed placed = place(child, item, is_last && at + 1 == node.count);
    node.items[at] = child->items[0];
    if (Node* right = placed.split_off; right != nullptr) {
      placed.split_off = node.insert(at + 1, right->items[0], right, is_last);
    }
    return placed;
  }
  const std::size_t upper = node.upper(item->key());
  if (upper != 0 && node.items[upper - 1]->key() == item->key()) {
    const Item* before = std::exchange(node.items[upper - 1], item);
    const std::uint64_t owner_before = before->owner();
    Item::drop(before);
    return {.owner_before = owner_before};
  }
  return {.owner_before = std::nullopt, .split_off = node.insert(upper, item, nullptr, is_last)};
}

std::optional<std::uint64_t> CowMap::erase(BytesView key) {
  const Item* item = find(key);
  if (item == nullptr) return std::nullopt;  // nothing is copied for nothing
  const std::uint64_t owner = item->owner();
  remove(root_, key);
  --size_;
  while (root_ != nullptr && root_->count <= 1 && !(root_->is_leaf() && root_->count == 1)) {
    Node* below = root_->count == 1 ? root_->children()[0] : nullptr;
    Node::free(std::exchange(root_, below));
  }
  return owner;
}

// Requires: the key is there.
void CowMap::remove(Node*& slot, BytesView key) {
  Node::own(slot);
  Node& node = *slot;
  if (node.is_leaf()) {
    const std::size_t at = node.upper(key) - 1;
    const Item* item = node.items[at];
    node.take_slot(at);
    Item::drop(item);
    return;
  }
  const std::size_t at = node.child_for(key);
  Node*& child = node.children()[at];
  remove(child, key);
  if (child->count != 0) node.items[at] = child->items[0];
  if (child->count < slots_min) node.mend(at);
}

// --- cursors ---

CowMap::Cursor::Cursor(const Node* root, BytesView key, bool after_equal) {
  if (root == nullptr) return;
  const Node* node = root;
  for (; !node->is_leaf(); node = node->children()[steps_[depth_ - 1].at]) {
    steps_[depth_++] = {.node = node, .at = node->child_for(key)};
  }
  std::size_t at = node->upper(key);
  if (!after_equal && at != 0 && node->items[at - 1]->key() == key) --at;
  steps_[depth_++] = {.node = node, .at = at};
  leave_full_nodes();
}

const CowMap::Item* CowMap::Cursor::item() const {
  if (depth_ == 0) return nullptr;
  const Step& leaf = steps_[depth_ - 1];
  return leaf.node->items[leaf.at];
}

void CowMap::Cursor::advance() {
  ++steps_[depth_ - 1].at;
  leave_full_nodes();
}

// Goes up from nodes that are used up, one on, and down again to the next leaf.
void CowMap::Cursor::leave_full_nodes() {
  if (steps_[depth_ - 1].at < steps_[depth_ - 1].node->count) return;
  while (depth_ != 0 && steps_[depth_ - 1].at >= steps_[depth_ - 1].node->count) {
    --depth_;
    if (depth_ != 0) ++steps_[depth_ - 1].at;
  }
  while (depth_ != 0 && !steps_[depth_ - 1].node->is_leaf()) {
    const Step above = steps_[depth_ - 1];
    steps_[depth_++] = {.node = above.node->children()[above.at], .at = 0};
  }
}

std::uint64_t CowMap::Cursor::pass(BytesView prefix) {
  Step& leaf = steps_[depth_ - 1];
  if (!leaf.node->items[leaf.at]->key().starts_with(prefix)) return 0;
  const std::size_t begin = leaf.at;
  // All between two keys of a prefix have it.
  const std::size_t last = std::size_t{leaf.node->count} - 1;
  if (leaf.node->items[last]->key().starts_with(prefix)) leaf.at = last;
  const std::size_t passed = leaf.at + 1 - begin;
  advance();
  return passed;
}

std::uint64_t CowMap::count(BytesView prefix) const {
  std::uint64_t counted = 0;
  Cursor cursor = lower_bound(prefix);
  while (cursor.item() != nullptr) {
    const std::uint64_t passed = cursor.pass(prefix);
    if (passed == 0) break;
    counted += passed;
  }
  return counted;
}

}  // namespace zraft::machines
