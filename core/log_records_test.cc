#include "core/log_records.h"

#include <gtest/gtest.h>

#include <thread>

#include "core/testing/status_matchers.h"

namespace micro::log {
namespace {

// The ring is the process's: each test looks at what came after its start.
class LogRecords : public testing::Test {
 protected:
  LogRecords() {
    KeepRecords();
    Info("begin");
    begin_ = RecordsAfter(0).back()->number;
  }
  ~LogRecords() override { EXPECT_THAT(Configure("info", ""), IsOk()); }

  int64_t begin_;
};

TEST(LogRecordsBefore, NothingIsKeptUntilSomeoneAsks) {
  Info("unheard");
  EXPECT_TRUE(RecordsAfter(0).empty());
}

TEST_F(LogRecords, KeepWhatIsWrittenWithItsFields) {
  Warn("late", {{"service", "helloworld"}, {"nodes", 3}});
  const auto records = RecordsAfter(begin_);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0]->level, "warn");
  EXPECT_EQ(records[0]->message, "late");
  ASSERT_EQ(records[0]->fields.size(), 2u);
  EXPECT_EQ(records[0]->fields[1], std::make_pair(std::string("nodes"), std::string("3")));
}

TEST_F(LogRecords, DoNotKeepWhatTheLevelLeavesOut) {
  Debug("detail");
  EXPECT_TRUE(RecordsAfter(begin_).empty());
}

TEST_F(LogRecords, KeepTheLastOnesAlone) {
  for (size_t i = 0; i < kRecords + 5; ++i) Info("again", {{"i", i}});
  const auto records = RecordsAfter(0);
  ASSERT_EQ(records.size(), kRecords);
  EXPECT_EQ(records.front()->number, begin_ + 6);
  EXPECT_EQ(records.back()->fields[0].second, std::to_string(kRecords + 4));
}

TEST_F(LogRecords, CutWhatIsTooLong) {
  Info(std::string(3 * kRecordSize, 'm'), {{"key", "value"}});
  Info("short", {{"long", std::string(3 * kRecordSize, 'v')}, {"gone", "x"}});
  const auto records = RecordsAfter(begin_);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0]->message.size(), kRecordSize);
  EXPECT_TRUE(records[0]->fields.empty());
  ASSERT_EQ(records[1]->fields.size(), 1u);
  EXPECT_EQ(records[1]->fields[0].second.size(), kRecordSize - 9);
}

TEST_F(LogRecords, ComeInOrderFromManyThreads) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int j = 0; j < 50; ++j) Info("busy");
    });
  }
  threads.clear();
  const auto records = RecordsAfter(begin_);
  ASSERT_EQ(records.size(), 200u);
  for (size_t i = 0; i < records.size(); ++i)
    EXPECT_EQ(records[i]->number, begin_ + 1 + static_cast<int64_t>(i));
}

}  // namespace
}  // namespace micro::log
