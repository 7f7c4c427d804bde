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

TEST(Published, NoThreadKeepsAValueBeyondItsEnd) {
  for (int round = 0; round < 200; ++round) {
    const auto counted = std::make_shared<const int>(7);
    std::atomic<int> have_read = 0;
    std::atomic<bool> over = false;
    std::vector<std::thread> readers;
    auto first = std::make_unique<Published<std::shared_ptr<const int>>>(
        std::make_shared<const std::shared_ptr<const int>>(counted));
    for (int i = 0; i < 3; ++i) {
      readers.emplace_back([&, i] {
        EXPECT_EQ(*first->Read(), 7);
        ++have_read;
        if (i == 0) return;  // ends meanwhile
        std::vector<std::unique_ptr<Published<int>>> others;
        while (!over && i == 1) {  // reads so many others that it forgets the first meanwhile
          others.push_back(std::make_unique<Published<int>>(std::make_shared<const int>(1)));
          EXPECT_EQ(others.back()->Read(), 1);
        }
        while (!over) std::this_thread::yield();
      });
    }
    while (have_read < 3) std::this_thread::yield();
    first.reset();
    EXPECT_EQ(counted.use_count(), 1);
    over = true;
    for (std::thread& reader : readers) reader.join();
  }
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
