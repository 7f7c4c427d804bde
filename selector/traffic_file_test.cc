#include "selector/traffic_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>

#include "core/log_records.h"
#include "core/mutex.h"
#include "core/testing/eventually.h"
#include "core/testing/status_matchers.h"

namespace micro::selector {
namespace {

using ::testing::HasSubstr;

class TrafficFileTest : public ::testing::Test {
 protected:
  void Write(const std::string& version) { WriteText(TextOf(version)); }
  void WriteText(const std::string& text) {
    std::ofstream(path_ + ".new") << text;
    std::filesystem::rename(path_ + ".new", path_);
  }
  static std::string TextOf(const std::string& version) {
    return "services: {greeter: {rules: [{route: {version: " + version + "}}]}}\n";
  }
  absl::Status Open() {
    auto file = TrafficFile::Open(path_, [this](std::shared_ptr<const TrafficRules> rules) {
      MutexLock lock(mutex_);
      rules_ = std::move(rules);
    });
    if (!file.ok()) return file.status();
    file_ = *std::move(file);
    return absl::OkStatus();
  }
  // The version that calls go to.
  std::string Version() {
    MutexLock lock(mutex_);
    if (rules_ == nullptr || rules_->services.empty()) return "";
    return rules_->services.at("greeter").at(0).routes.at(0).version;
  }

  const std::string path_ = testing::TempDir() + "/traffic.yaml";
  Mutex mutex_;
  std::shared_ptr<const TrafficRules> rules_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<TrafficFile> file_;
};

TEST_F(TrafficFileTest, IsReadAtOnceAndWithEachChange) {
  Write("1");
  ASSERT_THAT(Open(), IsOk());
  EXPECT_EQ(Version(), "1");
  Write("2");
  EXPECT_TRUE(Eventually([&] { return Version() == "2"; }));
  std::ofstream(path_) << TextOf("3");  // in place
  EXPECT_TRUE(Eventually([&] { return Version() == "3"; }));
}

// What the log's errors said so far.
std::string Logged() {
  std::string text;
  for (const auto& record : log::RecordsAfter(0)) {
    for (const auto& [key, value] : record->fields) text += value + "\n";
  }
  return text;
}

TEST_F(TrafficFileTest, KeepsTheLastGoodRules) {
  log::KeepRecords();
  Write("1");
  ASSERT_THAT(Open(), IsOk());
  WriteText("services: {greeter: {rules: 7}}\n");
  EXPECT_TRUE(Eventually([] { return Logged().find("expected a list") != std::string::npos; }));
  EXPECT_EQ(Version(), "1");
  std::filesystem::remove(path_);
  EXPECT_TRUE(Eventually([] { return Logged().find("cannot read") != std::string::npos; }));
  EXPECT_EQ(Version(), "1");
  Write("2");
  EXPECT_TRUE(Eventually([&] { return Version() == "2"; }));
  EXPECT_THAT(Logged(), HasSubstr("traffic.yaml:1: services.greeter.rules"));
}

TEST_F(TrafficFileTest, AFileThatIsWrongOrNotThereIsRefusedAtFirst) {
  std::filesystem::remove(path_);
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kNotFound, HasSubstr("traffic.yaml")));
  WriteText("services: 1");
  EXPECT_THAT(Open(), StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("traffic.yaml:1")));
}

}  // namespace
}  // namespace micro::selector
