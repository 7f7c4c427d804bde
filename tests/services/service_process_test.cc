#include "tests/services/service_process.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "core/testing/status_matchers.h"
#include "tests/services/probe.h"

namespace micro::services {
namespace {

using Start = absl::StatusOr<std::unique_ptr<ServiceProcess>> (*)();

class Services : public testing::TestWithParam<Start> {};

TEST_P(Services, StartStopAndStartAgainOnTheirPort) {
  const auto process = GetParam()();
  ASSERT_THAT(process, IsOk());
  const std::string address = (*process)->address();
  EXPECT_TRUE(Accepts((*process)->port()));
  (*process)->Stop();
  EXPECT_FALSE(Accepts((*process)->port()));
  ASSERT_THAT((*process)->Start(), IsOk());
  EXPECT_EQ((*process)->address(), address);
  EXPECT_TRUE(Accepts((*process)->port()));
}

TEST_P(Services, TwoOfAKindLiveBesideEachOther) {
  const auto first = GetParam()(), second = GetParam()();
  ASSERT_THAT(first, IsOk());
  ASSERT_THAT(second, IsOk());
  EXPECT_NE((*first)->port(), (*second)->port());
}

TEST_P(Services, LeaveNothingBehind) {
  auto process = GetParam()();
  ASSERT_THAT(process, IsOk());
  const std::string folder = (*process)->folder();
  const int port = (*process)->port();
  process->reset();
  EXPECT_FALSE(Accepts(port));
  EXPECT_NE(access(folder.c_str(), F_OK), 0);
}

INSTANTIATE_TEST_SUITE_P(Consul, Services, testing::Values([] { return StartConsul(); }));
INSTANTIATE_TEST_SUITE_P(DurableConsul, Services,
                         testing::Values([] { return StartConsul({.durable = true}); }));
INSTANTIATE_TEST_SUITE_P(Etcd, Services, testing::Values([] { return StartEtcd(); }));
INSTANTIATE_TEST_SUITE_P(Nats, Services, testing::Values([] { return StartNats(); }));

TEST(ServiceProcess, SaysWhatIsMissing) {
  EXPECT_THAT(ServiceProcess::Launch({.name = "nosuch",
                                      .program = "/nonexistent/nosuch",
                                      .arguments = nullptr,
                                      .ready = nullptr}),
              StatusIs(absl::StatusCode::kNotFound, testing::HasSubstr("./bazelw")));
}

TEST(ServiceProcess, SaysWhatAServerThatDoesNotComeUpPrinted) {
  EXPECT_THAT(StartNats({.arguments = {"--nosuch"}}),
              StatusIs(absl::StatusCode::kUnavailable, testing::HasSubstr("nosuch")));
}

}  // namespace
}  // namespace micro::services
