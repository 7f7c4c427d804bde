#include "core/published.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace micro {
namespace {

TEST(Published, EachReadSeesTheLastValue) {
  Published<int> number(std::make_shared<const int>(1));
  EXPECT_EQ(number.Read(), 1);
  number.Store(std::make_shared<const int>(2));
  EXPECT_EQ(number.Read(), 2);
  EXPECT_EQ(*number.Load(), 2);
}

TEST(Published, ManyInOneThreadDoNotTakeEachOthersPlace) {
  std::vector<std::unique_ptr<Published<int>>> all;
  for (int i = 0; i < 50; ++i)
    all.push_back(std::make_unique<Published<int>>(std::make_shared<const int>(i)));
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 50; ++i) EXPECT_EQ(all[static_cast<size_t>(i)]->Read(), i);
  }
}

TEST(Published, ThreadsReadWhileOneStores) {
  Published<std::string> text(std::make_shared<const std::string>(100, 'a'));
  std::atomic<bool> over = false;
  std::vector<std::thread> readers;
  for (int i = 0; i < 2; ++i) {
    readers.emplace_back([&] {
      while (!over) {
        const std::string& now = text.Read();
        EXPECT_EQ(now, std::string(100, now[0]));
      }
    });
  }
  for (int i = 0; i < 1000; ++i)
    text.Store(std::make_shared<const std::string>(100, static_cast<char>('a' + i % 26)));
  over = true;
  for (std::thread& reader : readers) reader.join();
}

// As an object of static life does that is destroyed after the main thread's own.
TEST(Published, IsReadByWhatAThreadDestroysLast) {
  static Published<int> number(std::make_shared<const int>(7));
  static int seen = 0;
  std::thread([] {
    struct Late {
      ~Late() { seen = number.Read(); }
    };
    thread_local Late late;
    (void)&late;
    EXPECT_EQ(number.Read(), 7);  // makes what is destroyed before `late`
  }).join();
  EXPECT_EQ(seen, 7);
}

}  // namespace
}  // namespace micro
