// SPDX-License-Identifier: Apache-2.0
//
// The queues against a std::deque, and that they let go of what they have given.
#include "zraft/base/queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>

#include "zraft/base/long_queue.h"
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

TEST(LongQueue, GivesWhatADequeGives) {
  Random random(7);
  LongQueue<int> queue;
  std::deque<int> model;
  for (int i = 0; i < 60'000; ++i) {
    // It grows for a while, then it shrinks, from either end.
    const std::uint64_t what = random.below(i / 5000 % 2 == 0 ? 4 : 7);
    if (what < 2) {
      queue.push_back(i);
      model.push_back(i);
    } else if (!model.empty() && (what == 3 || i / 10'000 % 2 == 1)) {
      queue.pop_back();
      model.pop_back();
    } else if (!model.empty()) {
      queue.pop_front();
      model.pop_front();
    }
    if (i % 30'000 == 29'999) {
      queue.clear();
      model.clear();
    }
    ASSERT_EQ(queue.size(), model.size());
    ASSERT_EQ(queue.empty(), model.empty());
    if (model.empty()) continue;
    ASSERT_EQ(queue.front(), model.front());
    ASSERT_EQ(queue.back(), model.back());
    const std::size_t at = random.below(model.size());
    ASSERT_EQ(queue[at], model[at]);
  }
}

template <class T>
class AnyQueue : public ::testing::Test {};
using AnyQueues = ::testing::Types<Queue<std::shared_ptr<int>>, LongQueue<std::shared_ptr<int>>>;
TYPED_TEST_SUITE(AnyQueue, AnyQueues);

TYPED_TEST(AnyQueue, LetsGoOfWhatWasTaken) {
  TypeParam queue;
  const auto first = std::make_shared<int>(1);
  queue.push_back(first);
  queue.push_back(std::make_shared<int>(2));
  queue.push_back(std::make_shared<int>(3));
  queue.pop_front();
  EXPECT_EQ(first.use_count(), 1);
}

}  // namespace
}  // namespace zraft
