// SPDX-License-Identifier: Apache-2.0
//
// The queue against a std::deque, and that it lets go of what it has given.
#include "zraft/base/queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "zraft/base/random.h"

namespace zraft {
namespace {

TEST(Queue, GivesWhatADequeGives) {
  Random random(7);
  Queue<int> queue;
  std::deque<int> model;
  for (int i = 0; i < 20'000; ++i) {
    const std::uint64_t what = random.below(i / 1000 % 2 == 0 ? 4 : 7);
    if (what < 2) {
      queue.push_back(i);
      model.push_back(i);
    } else if (!model.empty() && what == 3) {
      queue.pop_back();
      model.pop_back();
    } else if (!model.empty()) {
      queue.pop_front();
      model.pop_front();
    }
    ASSERT_EQ(queue.size(), model.size());
    ASSERT_EQ(queue.empty(), model.empty());
    ASSERT_TRUE(std::equal(queue.begin(), queue.end(), model.begin(), model.end()));
    if (model.empty()) continue;
    ASSERT_EQ(queue.front(), model.front());
    ASSERT_EQ(queue.back(), model.back());
    ASSERT_EQ(queue[model.size() / 2], model[model.size() / 2]);
  }
}

TEST(Queue, LetsGoOfWhatWasTaken) {
  Queue<std::shared_ptr<int>> queue;
  const auto first = std::make_shared<int>(1);
  queue.push_back(first);
  queue.push_back(std::make_shared<int>(2));
  queue.push_back(std::make_shared<int>(3));
  queue.pop_front();
  EXPECT_EQ(first.use_count(), 1);
}

}  // namespace
}  // namespace zraft
